//! How a conversation begins and ends when nothing is special: targets, refusals, lost connections.

use std::net::IpAddr;

use ha_config::ldirectord::Negotiate;

use crate::{Host, Pattern, Target, Transport, Verdict};

/// Of a server's own words in a verdict only so many bytes are kept.
const WORDS_MAX: usize = 200;

/// The real server over TCP.
pub(super) fn tcp(address: IpAddr, port: u16) -> Result<Target, Verdict> {
    target(address, port, Transport::Tcp)
}

/// The real server over TLS. As its name an address will not do, so without a virtualhost there is no SNI.
pub(super) fn tls(negotiate: &Negotiate, address: IpAddr, port: u16) -> Result<Target, Verdict> {
    let server_name = negotiate
        .virtual_host
        .as_ref()
        .and_then(|name| String::from_utf8(name.clone()).ok())
        .filter(|name| !name.is_empty() && name.parse::<IpAddr>().is_err());
    let verify = negotiate.tls.clone();
    target(
        address,
        port,
        Transport::Tls {
            server_name,
            verify,
        },
    )
}

/// The real server over any transport.
pub(super) fn target(address: IpAddr, port: u16, transport: Transport) -> Result<Target, Verdict> {
    if port == 0 {
        return Err(Verdict::down("No port")
            .remark("the check needs a port: give the real server one, or set checkport"));
    }
    Ok(Target {
        address: Host::Address(address),
        port,
        transport,
    })
}

/// Refuses what would end a line of a protocol early and make the rest of it a command of its own.
pub(super) fn one_line(what: &str, bytes: &[u8]) -> Result<(), Verdict> {
    if bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        return Err(Verdict::down(format!("Unusable {what}")).remark(format!(
            "the {what} has a line end in it and cannot be sent"
        )));
    }
    Ok(())
}

/// `receive` compiled; none if the file gives none. A file in which it is no regular expression is refused when it is read;
/// should one come here all the same, the server is down (`ldirectord.md` 6.5).
pub(super) fn receive(negotiate: &Negotiate) -> Result<Option<Pattern>, Verdict> {
    if negotiate.receive.is_empty() {
        return Ok(None);
    }
    Pattern::compile(&negotiate.receive)
        .map(Some)
        .map_err(|error| Verdict::down("Invalid receive").remark(format!("receive is {error}")))
}

/// The server said no; its words are the text.
pub(super) fn refused(words: &[u8]) -> Verdict {
    let words = words.get(..WORDS_MAX).unwrap_or(words);
    let text: String = String::from_utf8_lossy(words)
        .chars()
        .map(|c| if c.is_control() && c != '\t' { '?' } else { c })
        .collect();
    match text.trim() {
        "" => mismatch(),
        text => Verdict::down(text),
    }
}

/// The answer is not the one that was asked for.
pub(super) fn mismatch() -> Verdict {
    Verdict::down("Response mismatch")
}

/// The answer has no end.
pub(super) fn too_long() -> Verdict {
    Verdict::down("Answer too long")
}

/// The server hung up before it had said enough.
pub(super) fn closed(heard_something: bool) -> Verdict {
    Verdict::down(if heard_something {
        "Connection closed"
    } else {
        "No answer received"
    })
}

/// The connection could not be made or broke.
pub(super) fn failed(cause: &str) -> Verdict {
    Verdict::down(format!("Connection failed ({cause})"))
}

/// The service works, and there is no more to say.
pub(super) fn up() -> Verdict {
    Verdict::up("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_server_are_short_and_printable() {
        assert_eq!(refused(b"530 No.\x1b[2J").text, "530 No.?[2J");
        assert_eq!(refused(b" \t ").text, "Response mismatch");
        assert_eq!(refused(&[0xff; 5000]).text.chars().count(), WORDS_MAX);
        assert!(!refused(b"530 No.").up);
    }

    #[test]
    fn what_would_be_two_lines() {
        assert!(one_line("login", b"joe \"the\" \\ user \xe9").is_ok());
        for bad in ["a\rb", "a\nb", "a\0b"] {
            assert!(one_line("login", bad.as_bytes()).is_err());
        }
    }
}
