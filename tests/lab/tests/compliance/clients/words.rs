//! The words of the conversations: what a client reads next, and how the usual messages look.
//!
//! An expected message is written as its fields on one line, a star for what differs from run to run, `%` for any text.

use std::time::Duration;

use ha_lab::{ApiClient, Host, LabError, Result, seconds};

/// What follows the sender's own fields in every message that was sent to the cluster.
pub const SENT: &str = "(1)srcuuid=*, seq=*, hg=*, ts=*, ld=*, ttl=4, auth=*";

/// The end of every answer to a sign-on, after `result`.
pub const SIGNON_END: &str =
    "deadtime=9c4, keepalive=12c, node=alpha, hbversion=*, pacemaker=false, logfacility=0";

/// No answer takes longer, the legacy's slow loop included.
pub const LIMIT: Duration = seconds(5);

pub fn signed_on(host: &Host, name: &str) -> Result<ApiClient> {
    let mut client = host.api_client(name)?;
    client.request_signon()?;
    let answer = client.answer(LIMIT)?;
    if answer.get("result") != "OK" {
        return Err(LabError::unexpected(format!("{name} is refused: {answer}")));
    }
    // Its own coming.
    client.receive(LIMIT)?;
    Ok(client)
}

/// The next messages, or what came instead of them.
pub fn said(client: &mut ApiClient, count: usize) -> Result<Vec<String>> {
    let mut all = Vec::new();
    while all.len() < count {
        match client.receive(LIMIT) {
            Ok(Some(message)) => all.push(message.to_string()),
            Ok(None) => {
                all.push(end());
                return Ok(all);
            }
            Err(LabError::Timeout(..)) => {
                all.push("nothing".to_owned());
                return Ok(all);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// All messages up to this one.
pub fn said_before(client: &mut ApiClient, last: &str) -> Result<Vec<String>> {
    let mut all = Vec::new();
    loop {
        let mut one = said(client, 1)?;
        if one == [last] {
            return Ok(all);
        }
        let over = one == [end()] || one == ["nothing"];
        all.append(&mut one);
        if over {
            return Ok(all);
        }
    }
}

pub fn waiting(client: &mut ApiClient) -> Vec<String> {
    client.waiting().iter().map(ToString::to_string).collect()
}

pub fn end() -> String {
    "the end".to_owned()
}

pub fn welcome() -> String {
    format!("t=hbapi-resp, reqtype=signon, result=OK, {SIGNON_END}")
}

pub fn refused(reason: &str) -> String {
    format!("t=hbapi-resp, reqtype=signon, info={reason}, result=badreq, {SIGNON_END}")
}

pub fn join(name: &str, node: &str) -> String {
    format!(
        "t=hbapi-clstat, st=join, from_id={name}, to_id={name}, src={node}, info=signon, client_gen=*, {SENT}"
    )
}

/// The leave message that a client gets itself has not been to the cluster.
pub fn leave(name: &str, reason: &str) -> String {
    format!(
        "t=hbapi-clstat, st=leave, from_id={name}, to_id={name}, src=alpha, info={reason}, client_gen=*"
    )
}

pub fn pairs_of(fields: &str) -> Vec<(&str, &str)> {
    let split = fields.split(", ");
    // The name may itself begin with "(1)"; the value may have a "=" in it.
    split.filter_map(|field| field.split_once('=')).collect()
}

/// A body in the other form (`wire-protocol.md` 2.2).
pub fn netstring(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut body = String::from("###\n");
    for (name, value) in fields {
        let field = format!("(0){name}={value}");
        body.push_str(&format!("{}:{field},", field.len()));
    }
    body.push_str("%%%\n\0");
    body.into_bytes()
}

/// The ids of an account of the host.
pub fn account(host: &Host, name: &str) -> Result<(u32, u32)> {
    let text = host.read("/etc/passwd")?;
    let ids = text.lines().find_map(|line| {
        let mut words = line
            .strip_prefix(name)?
            .strip_prefix(':')?
            .split(':')
            .skip(1);
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    });
    ids.ok_or_else(|| LabError::unexpected(format!("no account {name}")))
}
