//! `stonith` and `stonith_host` (`config-files.md` 7): kept as written, for a caller that knows the device types.

use crate::ha_cf::draft::{Draft, Given, Refused};
use crate::ha_cf::model::{Stonith, StonithSource};
use crate::lines::{is_white, lossy, skip_white, until};

type Outcome = Result<(), Refused>;

/// Longest host name of `stonith_host`.
const HOST_MAX: usize = 99;

/// `stonith <type> <file>`
pub(crate) fn stonith(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    let (device, rest) = word_and_rest(given.text);
    if device.is_empty() {
        return Err(draft.refuse_legacy(
            given,
            "stonith-incomplete",
            "No Stonith type given".into(),
        ));
    }
    // The whole rest, blanks inside it and all. (The legacy takes blanks behind it for a part of the name, too.)
    let file = lossy(rest).trim_end().to_owned();
    keep(draft, given, device, StonithSource::File(file))
}

/// `stonith_host <host|*> <type> <parameters>`; a line for another host is none of our business.
pub(crate) fn stonith_host(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    let (host, rest) = word_and_rest(given.text);
    let refusal = match host.len() {
        0 => Some("No Stonith hostname argument given"),
        length if length > HOST_MAX => Some("Stonith hostname too long"),
        _ => None,
    };
    if let Some(message) = refusal {
        return Err(draft.refuse_legacy(given, "stonith-incomplete", message.into()));
    }
    if host != b"*" && !host.eq_ignore_ascii_case(draft.local_node.as_bytes()) {
        return Ok(());
    }
    let (device, parameters) = word_and_rest(rest);
    if device.is_empty() {
        return Err(draft.refuse_legacy(
            given,
            "stonith-incomplete",
            "No Stonith type given".into(),
        ));
    }
    let source = StonithSource::Parameters {
        host: lossy(host),
        parameters: lossy(parameters),
    };
    keep(draft, given, device, source)
}

fn keep(draft: &mut Draft<'_>, given: &Given<'_>, device: &[u8], source: StonithSource) -> Outcome {
    // Every whole-line directive comes from a line, so there is a place.
    let Some(span) = given.span.clone() else {
        return Ok(());
    };
    draft.ha_cf.stonith.push(Stonith {
        device: lossy(device),
        source,
        span,
    });
    Ok(())
}

/// The first word and what follows it, without the white space between.
fn word_and_rest(text: &[u8]) -> (&[u8], &[u8]) {
    let split = skip_white(text).and_then(|(text, _)| until(text, is_white));
    match split.and_then(|(rest, word)| skip_white(rest).map(|(rest, _)| (word, rest))) {
        Ok((word, rest)) => (word, rest),
        Err(_) => (text, b""),
    }
}
