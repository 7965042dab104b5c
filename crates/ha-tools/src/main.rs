//! The small programs around heartbeat, in one binary that finds out by its name what it shall be.
//!
//! Every tool is a link to this program. It may also be called as `ha-tools NAME [ARGUMENT...]`, and a message handler
//! of `rc.d` as `ha-tools rc.d-NAME`.
#![forbid(unsafe_code)]

mod agents;
mod api_test;
mod apphb;
mod client_log;
mod context;
mod findif;
mod handlers;
mod ipaddr;
mod ipaddr2;
mod ipfail;
mod logd;
mod logger;
mod mach_down;
mod mlock;
mod node_admin;
mod propagate;
mod req_resource;
mod resource_manager;
mod respawn;
mod send_arp;
mod standby;

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use ha_sys::terminal as output;

/// A tool's entry: how it was called (`$0`) and its arguments; answers the exit code.
type Tool = fn(program: &OsStr, args: &[OsString]) -> i32;

/// Tools by name.
const TOOLS: &[(&str, Tool)] = &[
    ("AudibleAlarm", agents::audible_alarm),
    ("Delay", agents::delay),
    ("IPaddr", ipaddr::main),
    ("IPaddr2", ipaddr2::main),
    ("IPsrcaddr", agents::source_address),
    ("IPv6addr", agents::ipv6_address),
    ("ResourceManager", resource_manager::main),
    ("SendArp", agents::send_arp),
    ("api_test", api_test::main),
    ("apphbd", apphb::main),
    ("cl_respawn", respawn::main),
    ("findif", findif::main),
    ("ha_propagate", propagate::main),
    ("ha_logd", logd::main),
    ("ha_logger", logger::main),
    ("hb_addnode", node_admin::add),
    ("hb_delnode", node_admin::delete),
    ("hb_setsite", node_admin::set_site),
    ("hb_setweight", node_admin::set_weight),
    ("hb_standby", standby::give_up),
    ("hb_takeover", standby::take_over),
    ("ipfail", ipfail::main),
    ("mlock", mlock::main),
    ("mach_down", mach_down::main),
    ("portblock", agents::port_block),
    ("req_resource", req_resource::main),
    ("send_arp", send_arp::main),
];

/// Message handlers of `rc.d` by message type. `hb_takeover` is the name of a tool too; the directory tells them apart.
const HANDLERS: &[(&str, Tool)] = &[
    ("ask_resources", handlers::ask_resources),
    ("hb_takeover", handlers::hb_takeover),
    ("ip-request", handlers::ip_request),
    ("ip-request-resp", handlers::ip_request_resp),
    ("status", handlers::status),
];

/// Prefix of a handler's name when it is called as `ha-tools rc.d-NAME`.
const HANDLER_PREFIX: &str = "rc.d-";

fn main() -> ExitCode {
    let mut words = env::args_os();
    let program = words.next().unwrap_or_default();
    let args: Vec<OsString> = words.collect();
    let code = match tool_for(Path::new(&program)) {
        Some(tool) => tool(&program, &args),
        None => match args.split_first() {
            Some((name, rest)) if is_bare(name) => match tool_for(Path::new(name)) {
                Some(tool) => tool(name, rest),
                None => usage(),
            },
            _ => usage(),
        },
    };
    ExitCode::from(u8::try_from(code & 0xff).unwrap_or(1))
}

/// Whether the word is a name without a directory.
fn is_bare(name: &OsStr) -> bool {
    Path::new(name).file_name() == Some(name)
}

fn tool_for(program: &Path) -> Option<Tool> {
    let name = program.file_name()?.to_str()?;
    let in_handlers = program.parent().and_then(Path::file_name) == Some(OsStr::new("rc.d"));
    let find = |table: &[(&str, Tool)], name: &str| {
        table
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, tool)| *tool)
    };
    match name.strip_prefix(HANDLER_PREFIX) {
        Some(kind) => find(HANDLERS, kind),
        None if in_handlers => find(HANDLERS, name),
        None => find(TOOLS, name).or_else(|| find(HANDLERS, name)),
    }
}

fn usage() -> i32 {
    let tools = TOOLS.iter().map(|(name, _)| (*name).to_owned());
    let handlers = HANDLERS
        .iter()
        .map(|(kind, _)| format!("{HANDLER_PREFIX}{kind}"));
    let names: Vec<String> = tools.chain(handlers).collect();
    output::error(&format!(
        "usage: ha-tools NAME [ARGUMENT...]\nNAME is one of: {}\n",
        names.join(" ")
    ));
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_tells_the_handler_from_the_tool_of_the_same_name() {
        let tool = |path: &str| tool_for(Path::new(path)).map(|tool| tool as usize);
        let (handler, command) = (
            handlers::hb_takeover as Tool as usize,
            standby::take_over as Tool as usize,
        );
        assert_eq!(tool("/usr/share/heartbeat/hb_takeover"), Some(command));
        assert_eq!(tool("hb_takeover"), Some(command));
        assert_eq!(tool("/etc/ha.d/rc.d/hb_takeover"), Some(handler));
        assert_eq!(tool("rc.d-hb_takeover"), Some(handler));
        assert_eq!(tool("/etc/ha.d/rc.d/ResourceManager"), None);
        assert_eq!(tool("/usr/lib64/heartbeat/ha-tools"), None);
        assert!(tool("status").is_some());
    }
}
