//! `meatclient`: somebody has reset the node by hand, and says so (`stonith.md` 6).

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{BufRead, Write};
use std::os::unix::fs::OpenOptionsExt;

use ha_sys::terminal;
use lexopt::prelude::*;
use nix::fcntl::OFlag;

use crate::Places;
use crate::kinds::meatware::confirmation;

/// Usage, and "no".
const REFUSED: u8 = 3;
/// Nobody waits for an answer.
const NOBODY: u8 = 4;
/// The answer could not be written.
const UNWRITTEN: u8 = 8;

pub(super) fn main(program: &str, arguments: Vec<OsString>, places: &Places) -> u8 {
    let node = match node(program, arguments) {
        Ok(node) => node.to_ascii_lowercase(),
        Err(text) => {
            if let Some(text) = text {
                terminal::error(&format!("{text}\n"));
            }
            terminal::error("usage: meatclient -c node\n");
            return REFUSED;
        }
    };
    let (Some(path), Some(record)) = (places.meatware(&node), confirmation(&node)) else {
        terminal::error(&format!(
            "Meatware_IPC failed: [{node}] cannot be a node's name\n"
        ));
        return NOBODY;
    };
    // Before the question, so that nobody answers one that is not asked; and only a FIFO that somebody reads.
    let opened = OpenOptions::new()
        .write(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW).bits())
        .open(&path);
    let mut fifo = match opened {
        Ok(fifo) => fifo,
        Err(error) => {
            let text = ha_sys::errno_text(&error);
            terminal::error(&format!(
                "Meatware_IPC failed: {}: {text}\n",
                path.display()
            ));
            return NOBODY;
        }
    };
    terminal::print(&format!(
        "\nWARNING!\n\n\
         Data on shared disks will be damaged if node \"{node}\" still runs: it must have been switched off and on by hand, \
         or cut off from every shared disk and network.\n\
         Make sure that this is the name of the machine you have just reset.\n\n\
         PROCEED? [yN] "
    ));
    let _ = std::io::stdout().flush();
    let mut line = String::new();
    let _ = std::io::stdin().lock().read_line(&mut line);
    // The legacy takes a capital Y for a refusal, by a misplaced parenthesis.
    if !line.trim_start().starts_with(['y', 'Y']) {
        terminal::print("Meatware_client: operation canceled.\n");
        return REFUSED;
    }
    if let Err(error) = fifo.write_all(&record) {
        let text = ha_sys::errno_text(&error);
        terminal::error(&format!(
            "Meatware_IPC failed: {}: {text}\n",
            path.display()
        ));
        return UNWRITTEN;
    }
    terminal::print("Meatware_client: reset confirmed.\n");
    0
}

/// The node of `-c`, or what to say before the usage.
fn node(program: &str, arguments: Vec<OsString>) -> Result<String, Option<String>> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut node = None;
    while let Some(argument) = parser.next().map_err(|_| None)? {
        match argument {
            Short('c') => {
                let missing = || Some(format!("{program}: option requires an argument -- 'c'"));
                let value = parser.value().map_err(|_| missing())?;
                node = Some(value.into_string().map_err(|_| None)?);
            }
            // cluster-glue's; it changes nothing here.
            Short('w') => {}
            Short(letter) => {
                return Err(Some(format!("{program}: invalid option -- '{letter}'")));
            }
            Long(_) | Value(_) => return Err(None),
        }
    }
    node.ok_or(None)
}
