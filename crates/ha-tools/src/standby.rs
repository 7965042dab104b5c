//! `hb_standby` and `hb_takeover`: move groups by hand (`resource-protocol.md` 7.2).

use std::ffi::{OsStr, OsString};

use crate::context::{Context, words};
use crate::output;

/// What both tools accept.
const SETS: [&str; 4] = ["all", "foreign", "local", "failback"];

/// `hb_standby [SET]`: offer a set of our groups to the other node.
pub(crate) fn give_up(program: &OsStr, args: &[OsString]) -> i32 {
    let context = Context::new(program);
    match set(&context, &words(args)) {
        Some(set) => offer(&context, &set),
        None => 1,
    }
}

/// `hb_takeover [SET]`: ask the other node to offer its groups.
pub(crate) fn take_over(program: &OsStr, args: &[OsString]) -> i32 {
    let context = Context::new(program);
    match set(&context, &words(args)) {
        Some(set) => context.send_and_exit(&[("t", "hb_takeover"), ("rsc_hold", &set)]),
        None => 1,
    }
}

/// Sends the request of `hb_standby`. `failback` is another word for `foreign`: what was taken over goes back.
pub(crate) fn offer(context: &Context, set: &str) -> i32 {
    let held = if set == "failback" { "foreign" } else { set };
    if !context.send(&[("t", "ask_resources"), ("rsc_hold", held), ("info", "me")]) {
        return 1;
    }
    context
        .log()
        .log("hb_standby", &format!("Going standby [{held}]."));
    0
}

/// The set named by the arguments; nothing, after a complaint, if they make no sense.
fn set(context: &Context, args: &[String]) -> Option<String> {
    let program = &context.program;
    match args {
        [] => return Some("all".to_owned()),
        [word] if SETS.contains(&word.as_str()) => return Some(word.clone()),
        [word] if word == "--help" => {}
        [word] => output::print(&format!("{program}: wrong resources({word}).\n")),
        _ => output::print(&format!("{program}: too many arguments\n")),
    }
    output::print("usage:\n");
    output::error(&format!("{program} [all|foreign|local|failback]\n"));
    None
}
