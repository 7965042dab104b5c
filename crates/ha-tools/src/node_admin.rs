//! `hb_addnode`, `hb_delnode`, `hb_setweight`, `hb_setsite`: messages about cluster members (`resource-protocol.md` 7.2).

use std::ffi::{OsStr, OsString};

use crate::context::{Context, words};
use crate::output;

/// `hb_addnode NODE...`
pub(crate) fn add(program: &OsStr, args: &[OsString]) -> i32 {
    list(program, args, "hb_addnode", "addnode")
}

/// `hb_delnode NODE...`
pub(crate) fn delete(program: &OsStr, args: &[OsString]) -> i32 {
    list(program, args, "hb_delnode", "delnode")
}

/// `hb_setweight NODE WEIGHT`
pub(crate) fn set_weight(program: &OsStr, args: &[OsString]) -> i32 {
    set(program, args, "hb_setweight", "setweight", "weight")
}

/// `hb_setsite NODE SITE`
pub(crate) fn set_site(program: &OsStr, args: &[OsString]) -> i32 {
    set(program, args, "hb_setsite", "setsite", "site")
}

fn list(program: &OsStr, args: &[OsString], name: &str, kind: &str) -> i32 {
    let nodes = words(args);
    if nodes.is_empty() || nodes.first().is_some_and(|word| word == "--help") {
        output::print(&format!("usage: {name} <node> <node> ...\n"));
        return 1;
    }
    Context::new(program).send_and_exit(&[("t", kind), ("nodelist", &nodes.join(" "))])
}

/// The legacy sends an empty value when it is left out; nothing good can come of that, so it is an error here.
fn set(program: &OsStr, args: &[OsString], name: &str, kind: &str, attribute: &str) -> i32 {
    match words(args).as_slice() {
        [node, value, ..] if node != "--help" => {
            Context::new(program).send_and_exit(&[("t", kind), ("node", node), (attribute, value)])
        }
        _ => {
            output::print(&format!("usage: {name} <node> <{attribute}>\n"));
            1
        }
    }
}
