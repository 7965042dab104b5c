//! `mach_down NODE`: take over every group of a dead node (`resource-protocol.md` 2.4.7).

use std::ffi::{OsStr, OsString};

use ha_resources::{Group, Task};

use crate::context::{Context, words};
use crate::output;

/// Takes the node from the command line and `HA_info`, `HA_NICEFAILBACK`, `HA_CURHOST` from the environment.
pub(crate) fn main(program: &OsStr, args: &[OsString]) -> i32 {
    let context = Context::new(program);
    match words(args).first() {
        Some(node) => take_over(&context, node),
        None => {
            output::error(&format!("usage: {} node\n", context.program));
            1
        }
    }
}

/// Nothing to do if the "node" is a ping node or ourselves.
pub(crate) fn take_over(context: &Context, node: &str) -> i32 {
    let node = node.to_lowercase();
    if node == context.host || context.variable("HA_info") == "ping" {
        return 0;
    }
    let groups = groups_of(context, &node);
    context.act(Task::mach_down(
        &node,
        groups,
        context.nice(),
        context.stop_retries(),
    ));
    if !context.nice() {
        return 0;
    }
    context.send_and_exit(&[
        ("t", "resource"),
        ("rsc_hold", "foreign"),
        ("info", "mach_down"),
    ])
}

/// The groups that the node prefers to hold.
pub(crate) fn groups_of(context: &Context, node: &str) -> Vec<Group> {
    let file = context.haresources();
    file.ours(node)
        .into_iter()
        .filter(|group| !group.resources.is_empty())
        .cloned()
        .collect()
}
