//! What the checks of mysql and pgsql have in common.

use std::net::IpAddr;

use ha_config::ldirectord::{Negotiate, TlsVerify};

use super::ending;
use crate::{Effect, Transport, Verdict};

/// After so many bytes of a result that has rows, nothing can change the verdict but patience; the rest is not waited for.
pub(super) const RESULT_MAX: usize = 256 * 1024;

/// The statement: `request` without its leading `/`.
///
/// # Errors
/// The verdict for a check without login or statement, with the legacy's words.
pub(super) fn statement(negotiate: &Negotiate, address: IpAddr) -> Result<Vec<u8>, Verdict> {
    let request = negotiate.request.strip_prefix(b"/");
    let statement = request.unwrap_or(&negotiate.request);
    if negotiate.login.is_empty() || statement.is_empty() {
        return Err(Verdict::down("No login or request").remark(format!(
            "Error: Must specify a login and request string for MySQL, Oracle and PostgreSQL \
             checks. Not adding {address}."
        )));
    }
    Ok(statement.to_vec())
}

/// Refuses what cannot be a text that ends with a zero byte.
pub(super) fn no_zero(what: &str, bytes: &[u8]) -> Result<(), Verdict> {
    if bytes.contains(&0) {
        return Err(Verdict::down(format!("Unusable {what}")).remark(format!(
            "the {what} has a zero byte in it and cannot be sent"
        )));
    }
    Ok(())
}

/// What it takes to begin TLS on a connection to this server.
pub(super) fn start_tls(negotiate: &Negotiate, address: IpAddr, port: u16) -> Effect {
    let (server_name, verify) = match ending::tls(negotiate, address, port) {
        Ok(crate::Target {
            transport:
                Transport::Tls {
                    server_name,
                    verify,
                },
            ..
        }) => (server_name, verify),
        _ => (None, TlsVerify::No),
    };
    Effect::StartTls {
        server_name,
        verify,
    }
}

/// The verdict on a result with or without rows.
pub(super) fn by_rows(any: bool) -> Verdict {
    if any {
        ending::up()
    } else {
        Verdict::down("No rows")
    }
}

/// Takes the text up to the next zero byte off the front.
pub(super) fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    let (text, rest) = bytes.split_at_checked(end)?;
    *bytes = rest.get(1..)?;
    Some(text)
}

/// Takes so many bytes off the front.
pub(super) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}
