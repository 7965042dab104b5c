//! `ResourceManager`: groups of haresources from the command line (`resource-protocol.md` 1.3).

use std::ffi::{OsStr, OsString};

use ha_resources::{Group, Task};

use crate::context::{Context, words};
use crate::output;

/// Runs a sub-command. Only the first argument after it counts.
pub(crate) fn main(program: &OsStr, args: &[OsString]) -> i32 {
    let context = Context::new(program);
    let args = words(args);
    let argument = args.get(1).map_or("", String::as_str);
    match args.first().map_or("", String::as_str) {
        "listkeys" => list_keys(&context, argument),
        "allkeys" => list_keys(&context, EVERY_NODE),
        "ourkeys" => list_groups(&context, |file| {
            file.ours(&context.host).into_iter().cloned().collect()
        }),
        "otherkeys" => list_groups(&context, |file| {
            file.others(&context.host).into_iter().cloned().collect()
        }),
        "status" => status(&context, argument),
        "takegroup" => take_group(&context, argument),
        "givegroup" => give_group(&context, argument),
        "statgroup" => stat_group(&context, argument),
        "verifyallidle" => verify_all_idle(&context),
        _ => usage(&context),
    }
}

/// The only pattern that the legacy's own programs give to `listkeys`. Other names are compared as they are, not as
/// regular expressions.
const EVERY_NODE: &str = ".*";

fn list_keys(context: &Context, node: &str) -> i32 {
    let file = context.haresources();
    let keys = if node == EVERY_NODE {
        file.all_keys()
    } else {
        file.keys_of(node)
    };
    for key in keys.into_iter().filter(|key| !key.is_empty()) {
        output::print(&format!("{key}\n"));
    }
    0
}

fn list_groups(
    context: &Context,
    select: impl Fn(&ha_resources::HaResources) -> Vec<Group>,
) -> i32 {
    for group in select(&context.haresources()) {
        // The legacy ends each line with a blank, and scripts split at blanks.
        let line: String = group
            .resources
            .iter()
            .map(|resource| format!("{} ", resource.word))
            .collect();
        output::print(&format!("{line}\n"));
    }
    0
}

fn status(context: &Context, word: &str) -> i32 {
    if context.is_running(word) {
        0
    } else {
        NOT_RUNNING
    }
}

/// The LSB code of a stopped service.
const NOT_RUNNING: i32 = 3;

/// Succeeds even if the start failed, as long as the group could be stopped again: as in the legacy, whoever wants to
/// know looks at the log or asks for the status.
fn take_group(context: &Context, key: &str) -> i32 {
    match context.group(key) {
        Some(group) => {
            context
                .act(Task::take_groups(vec![group], context.stop_retries()))
                .stop_code
        }
        None => 0,
    }
}

fn give_group(context: &Context, key: &str) -> i32 {
    match context.group(key) {
        Some(group) => {
            context
                .act(Task::give_groups(vec![group], context.stop_retries()))
                .stop_code
        }
        None => 0,
    }
}

/// Says NONE, SOME or ALL, but like all output of a group command to the debug log, where nobody looks for it.
fn stat_group(context: &Context, key: &str) -> i32 {
    let Some(group) = context.group(key) else {
        return 0;
    };
    let count = group.resources.len();
    let single = |resource: &ha_resources::ResourceWord| Group {
        node: group.node.clone(),
        resources: vec![resource.clone()],
        line: group.line,
    };
    let stopped = context
        .act(Task::query_keys(
            group.resources.iter().map(single).collect(),
        ))
        .wanted
        .len();
    let word = match stopped {
        0 => "ALL",
        some if some < count => "SOME",
        _ => "NONE",
    };
    context.log().append_to_debuglog(word);
    0
}

/// Complains of each group whose key resource runs before the cluster does (`resource-protocol.md` 1.8).
fn verify_all_idle(context: &Context) -> i32 {
    let log = context.log();
    let say = |text: &str| log.log("ResourceManager", text);
    let file = context.haresources();
    let keys = file.all_keys().into_iter().filter(|key| !key.is_empty());
    let active: Vec<&str> = keys
        .filter(|key| context.is_running(key))
        .inspect(|key| complain(context, &say, key))
        .collect();
    if !active.is_empty() {
        say("CRITICAL: Non-idle resources will affect resource takeback!");
        say("CRITICAL: Non-idle resources may affect data integrity!");
    }
    // 256 active groups must not look like none.
    i32::try_from(active.len()).map_or(255, |count| count.min(255))
}

fn complain(context: &Context, say: &impl Fn(&str), key: &str) {
    let program = &context.program;
    let lines = |article: &str| {
        [
            format!("CRITICAL: Resource {key} is active, and should not be!"),
            "CRITICAL: Non-idle resources can affect data integrity!".to_owned(),
            "info: If you don't know what this means, then get help!".to_owned(),
            format!("info: Read the docs and/or {article}source to {program} for more details."),
        ]
    };
    lines("").iter().for_each(|line| say(line));
    lines("the ")
        .iter()
        .for_each(|line| output::error(&format!("{line}\n")));
}

fn usage(context: &Context) -> i32 {
    let program = &context.program;
    output::error(&format!(
        "usage: {program} listkeys machine | takegroup key | givegroup key|status resource\n\n"
    ));
    1
}
