//! `ha_propagate`: copies ha.cf and authkeys to the other nodes and starts heartbeat at boot there if it starts at boot here
//! (`install-and-cli.md` 12). haresources is not copied; it never was.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::context::Context;
use crate::output;

/// Where the files go, whatever directory they come from.
const DESTINATION: &str = "/etc/ha.d/";
/// The service.
const SERVICE: &str = "heartbeat";

/// The legacy answers 0 whatever happens. Here 1 says that a node was not reached, or that there was nothing to copy.
pub(crate) fn main(program: &OsStr, args: &[OsString]) -> i32 {
    let context = Context::new(program);
    if !args.is_empty() {
        output::print(&format!("usage: {}\n", context.program));
        return 1;
    }
    let files = ["ha.cf", "authkeys"].map(|name| context.paths.config.join(name));
    let ha_cf = fs::read(&files[0]);
    let (Ok(ha_cf), true) = (ha_cf, files[1].exists()) else {
        output::print("HA Linux not configured on this node.  Can not propagate.\n");
        return 1;
    };
    let us = ha_sys::host::uname_node();
    let at_boot = at_boot();
    let mut code = 0;
    for node in ha_config::node_names(&ha_cf) {
        if node.eq_ignore_ascii_case(&us) {
            continue;
        }
        if !propagate(&context, &node, &files, at_boot.as_deref()) {
            code = 1;
        }
    }
    code
}

/// Serves one node. What the programs print is left to them. A node that the files did not reach is not asked a second
/// time.
fn propagate(context: &Context, node: &str, files: &[PathBuf], at_boot: Option<&[String]>) -> bool {
    output::print(&format!(
        "Propagating HA configuration files to node {node}.\n"
    ));
    let mut copy = Command::new("scp");
    copy.args(files).arg(format!("root@{node}:{DESTINATION}"));
    if !succeeds(context, copy) {
        return false;
    }
    let Some(at_boot) = at_boot else {
        return true;
    };
    output::print(&format!(
        "Setting HA startup configuration on node {node}.\n"
    ));
    let mut set = Command::new("ssh");
    set.arg(format!("root@{node}"))
        .arg("chkconfig")
        .args(at_boot);
    succeeds(context, set)
}

/// What `chkconfig` shall be told on the other nodes; none if this system does not have it.
///
/// Some print what they are asked for in the words that they can be told (`heartbeat  on`), which is what the legacy
/// relies on. Others answer by their exit code and print nothing.
fn at_boot() -> Option<Vec<String>> {
    let asked = Command::new("chkconfig")
        .arg(SERVICE)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    let output = asked.ok()?;
    let printed: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .split_ascii_whitespace()
        .map(str::to_owned)
        .collect();
    if printed.first().is_some_and(|word| word == SERVICE) && printed.len() > 1 {
        return Some(printed);
    }
    let word = if output.status.success() { "on" } else { "off" };
    Some(vec![SERVICE.to_owned(), word.to_owned()])
}

/// Runs a program to its end. A complaint if it cannot be started; if it fails it has complained itself.
fn succeeds(context: &Context, mut command: Command) -> bool {
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => {
            let name = command.get_program().to_string_lossy().into_owned();
            output::error(&format!(
                "{}: cannot run {name}: {}\n",
                context.program,
                ha_sys::errno_text(&error)
            ));
            false
        }
    }
}
