//! `req_resource KEY`: ask for one of our groups, unless its key resource runs already (`resource-protocol.md` 2.4.5).

use std::ffi::{OsStr, OsString};

use crate::context::{Context, words};

/// Where there is nobody to be asked, or the coordinated protocol has decided already, the answer is sent to ourselves
/// at once; otherwise the other nodes are asked.
pub(crate) fn main(program: &OsStr, args: &[OsString]) -> i32 {
    let context = Context::new(program);
    let args = words(args);
    let Some(key) = args.first() else {
        crate::output::error(&format!("usage: {} key\n", context.program));
        return 1;
    };
    if context.is_running(key) {
        return 0;
    }
    if context.nice() || context.variable("HA_DONTASK") == "yes" {
        let host = context.host.clone();
        let response = [
            ("t", "ip-request-resp"),
            ("dest", &host),
            ("ipaddr", key),
            ("weown", "yes"),
            ("ok", "OK"),
        ];
        context.send_and_exit(&response)
    } else {
        context.send_and_exit(&[("t", "ip-request"), ("ipaddr", key)])
    }
}
