//! The stock message handlers of `/etc/ha.d/rc.d` (`resource-protocol.md` 2.5).
//!
//! The daemon does this work itself as long as the file in `rc.d` is a link to this program. These are for everyone
//! else who runs a handler: an administrator's wrapper, `harc`, a hand at the keyboard. The message is in the
//! environment, one `HA_<field>` per field.

use std::ffi::{OsStr, OsString};

use ha_resources::{LogLine, Severity, Task};

use crate::context::Context;
use crate::{mach_down, standby};

/// `status`: a node is dead, take its groups. Other statuses need nothing.
pub(crate) fn status(program: &OsStr, _args: &[OsString]) -> i32 {
    let context = Context::new(program);
    match context.variable("HA_st").as_str() {
        "dead" => mach_down::take_over(&context, &context.variable("HA_src")),
        _ => 0,
    }
}

/// `ip-request`: another node asks for a group; release it if it runs here, and answer in any case.
pub(crate) fn ip_request(program: &OsStr, _args: &[OsString]) -> i32 {
    let context = Context::new(program);
    let (source, key) = (context.variable("HA_src"), context.variable("HA_ipaddr"));
    if is_us(&context, &source) {
        return 0;
    }
    let owned = context.group(&key).is_some_and(|group| {
        context
            .act(Task::give_if_running(group, context.stop_retries()))
            .owned
    });
    let own = if owned { "yes" } else { "no" };
    context.send_and_exit(&[
        ("t", "ip-request-resp"),
        ("dest", &source),
        ("ipaddr", &key),
        ("weown", own),
        ("ok", "OK"),
    ])
}

/// `ip-request-resp`: a group is ours to take, whoever held it before.
pub(crate) fn ip_request_resp(program: &OsStr, _args: &[OsString]) -> i32 {
    let context = Context::new(program);
    if !is_us(&context, &context.variable("HA_dest")) {
        return 0;
    }
    let (key, ok) = (context.variable("HA_ipaddr"), context.variable("HA_ok"));
    context.log().write(&LogLine::received_response(
        &key,
        &ok,
        &context.variable("HA_weown"),
    ));
    if ok == "OK"
        && let Some(group) = context.group(&key)
    {
        context.act(Task::take_groups(vec![group], context.stop_retries()));
    }
    0
}

/// `hb_takeover`: the other node wants groups; offer them. What it calls local is foreign here.
pub(crate) fn hb_takeover(program: &OsStr, _args: &[OsString]) -> i32 {
    let context = Context::new(program);
    if is_us(&context, &context.variable("HA_src")) {
        return 0;
    }
    let set = match context.variable("HA_rsc_hold").as_str() {
        "local" => "foreign",
        "foreign" => "local",
        // `failback` too: the legacy offers everything then.
        _ => "all",
    };
    standby::offer(&context, set)
}

/// `ask_resources`: takes every group of the sender. The daemon has had the standby protocol built in ever since and
/// never runs this.
pub(crate) fn ask_resources(program: &OsStr, _args: &[OsString]) -> i32 {
    let context = Context::new(program);
    let node = context.variable("HA_src");
    let log = context.log();
    for group in mach_down::groups_of(&context, &node) {
        let text = format!("Taking over resource group {}", group.key());
        log.write(&LogLine::new("ask_resources", Severity::Info, text));
        context.act(Task::take_groups(vec![group], context.stop_retries()));
    }
    if !context.nice() {
        return 0;
    }
    context.send_and_exit(&[
        ("t", "resource"),
        ("rsc_hold", "foreign"),
        ("info", "standby"),
    ])
}

fn is_us(context: &Context, node: &str) -> bool {
    node.eq_ignore_ascii_case(&context.host)
}
