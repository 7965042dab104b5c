//! Directives that may stand in the global part and in a virtual section; the section's wins.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipvs::{Family, Protocol};

use super::address::{self, FallbackWords, METHOD_TEXT, port_number};
use super::draft::{FallbackDraft, Shared};
use super::host::{Host, look_up};
use super::model::AlertStates;
use super::taken::{Result, Taken, refuse, remark, warn, yes_or_no};
use super::value::{is_word, leading, maybe_quoted, number, quoted, text};
use crate::diagnostic::Diagnostic;

/// A number above 0. The legacy's texts end in `value` in the global part only.
fn positive(value: &[u8], what: &str, family: Option<Family>) -> Result<u32> {
    number(value).filter(|number| *number > 0).ok_or_else(|| {
        let message = match (family, what) {
            (None, _) => format!("invalid {what} value"),
            (Some(_), "check interval") => "invalid checkinterval".to_owned(),
            (Some(_), _) => format!("invalid {what}"),
        };
        refuse("number", message)
    })
}

/// A directive that may stand in both places. `family` is that of the section, none in the global part.
pub(super) fn shared(
    keyword: &'static str,
    value: &[u8],
    draft: &mut Shared,
    family: Option<Family>,
    host: &dyn Host,
) -> Taken {
    let mut remarks = Vec::new();
    match keyword {
        "checkcount" => match positive(value, "check count", family) {
            Err(diagnostic) => return Taken::Refused(diagnostic),
            Ok(count) => {
                draft.check_count = Some(count);
                remarks.push(warn(
                    "checkcount-deprecated",
                    "checkcount option is deprecated and slated for removal.  please see 'failurecount'",
                ));
            }
        },
        "tlscafile" => match quoted(value) {
            Some(b"") | None => return Taken::Unknown,
            Some(path) => draft.tls_ca_file = Some(text(path)),
        },
        _ => {
            let result = shared_value(keyword, value, draft, family, host, &mut remarks);
            if let Err(diagnostic) = result {
                return Taken::Refused(diagnostic);
            }
        }
    }
    Taken::Yes(remarks)
}

fn shared_value(
    keyword: &'static str,
    value: &[u8],
    draft: &mut Shared,
    family: Option<Family>,
    host: &dyn Host,
    remarks: &mut Vec<Diagnostic>,
) -> Result<()> {
    let seconds = |what| positive(value, what, family).map(Some);
    match keyword {
        "connecttimeout" => {
            return Err(refuse(
                "connecttimeout-deprecated",
                "connecttimeout directive deprecated in favour of negotiatetimeout",
            ));
        }
        "checktimeout" => draft.check_timeout_s = seconds("check timeout")?,
        "negotiatetimeout" => draft.negotiate_timeout_s = seconds("negotiate timeout")?,
        "checkinterval" => draft.check_interval_s = seconds("check interval")?,
        "failurecount" => draft.failure_count = seconds("failure count")?,
        "fallback" => {
            draft.fallback = Some(fallback(fallback_words(value)?, Family::V4, host, remarks)?);
        }
        "fallback6" => {
            draft.fallback6 = Some(fallback(fallback_words(value)?, Family::V6, host, remarks)?);
        }
        "fallbackcommand" => draft.fallback_command = fallback_command(value, family)?,
        "quiescent" => draft.quiescent = Some(yes_or_no(keyword, value)?),
        "cleanstop" => draft.clean_stop = Some(yes_or_no(keyword, value)?),
        "tlsverify" => draft.tls_verify = Some(yes_or_no(keyword, value)?),
        "emailalert" => {
            let address = text(maybe_quoted(value));
            if address.is_empty() {
                return Err(refuse("emailalert", "no email address specified"));
            }
            draft.email_alert = Some(address);
        }
        "emailalertfreq" => {
            let digits = leading(value, |byte| byte.is_ascii_digit());
            if digits.is_empty() {
                return Err(refuse("emailalertfreq", "invalid email alert frequency"));
            }
            let seconds = number(digits).unwrap_or_default();
            draft.email_frequency = Some(Duration::from_secs(seconds.into()));
        }
        "emailalertstatus" => draft.email_states = Some(alert_states(value, remarks)?),
        "smtp" => {
            let name = leading(value, |byte| {
                is_word(byte) || matches!(byte, b'.' | b'-' | b'+')
            });
            if name.is_empty() {
                return Err(refuse("smtp", "invalid SMTP server address"));
            }
            draft.smtp = Some(text(name));
        }
        _ => {}
    }
    Ok(())
}

/// In the global part the legacy takes two quotes for a command; here they are none.
fn fallback_command(value: &[u8], family: Option<Family>) -> Result<Option<String>> {
    match maybe_quoted(value) {
        b"" if family.is_some() || value.is_empty() => {
            Err(refuse("fallbackcommand", "invalid fallback command"))
        }
        b"" => Ok(None),
        command => Ok(Some(text(command))),
    }
}

/// Words between commas, with white space around these but not at the very end. Empty words at the end do not count.
fn alert_states(value: &[u8], remarks: &mut Vec<Diagnostic>) -> Result<AlertStates> {
    let mut states = AlertStates::NONE;
    let value = text(value);
    let mut words: Vec<&str> = value.split(',').map(str::trim_start).collect();
    if let Some((_, inner)) = words.split_last_mut() {
        for word in inner {
            *word = word.trim_end();
        }
    }
    while words.len() > 1 && words.last() == Some(&"") {
        words.pop();
    }
    if words == [""] {
        remarks.push(remark(
            "emailalertstatus",
            "an empty emailalertstatus means none: no mail is sent",
        ));
        return Ok(states);
    }
    for word in &words {
        match *word {
            "all" => states = AlertStates::ALL,
            "none" => {}
            "starting" => states.starting = true,
            "running" => states.running = true,
            "stopping" => states.stopping = true,
            "reloading" => states.reloading = true,
            other => {
                return Err(refuse(
                    "emailalertstatus",
                    format!("invalid email alert status at: \"{other}\""),
                ));
            }
        }
    }
    let other = words.iter().find(|word| **word != "none");
    match other {
        Some(other) if words.contains(&"none") => Err(refuse(
            "emailalertstatus",
            format!("invalid email alert status: \"{other}\" specified with \"none\""),
        )),
        _ => Ok(states),
    }
}

/// The words of a fallback, whose method is judged at once.
pub(super) fn fallback_words(value: &[u8]) -> Result<FallbackWords> {
    address::fallback(value).ok_or_else(|| refuse("forward-method", METHOD_TEXT))
}

/// Looks a fallback up: in the global part at once, in a section at its end.
pub(super) fn fallback(
    words: FallbackWords,
    family: Family,
    host: &dyn Host,
    remarks: &mut Vec<Diagnostic>,
) -> Result<FallbackDraft> {
    let address = if words.host.is_empty() {
        let this_machine = match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Family::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        let message = format!("a fallback without an address is {this_machine}");
        remarks.push(remark("fallback", message));
        this_machine
    } else {
        look_up(&words.host, family, host, remarks).ok_or_else(|| {
            let kind = match family {
                Family::V4 => "IPv4",
                Family::V6 => "IPv6",
            };
            refuse(
                "fallback",
                format!(
                    "invalid {kind} address or could not resolve for fallback server: {}",
                    words.host
                ),
            )
        })?
    };
    // A name that only one of the two has is good enough for that one.
    let tcp = look_up_port(&words, Protocol::Tcp, host);
    let udp = look_up_port(&words, Protocol::Udp, host);
    Ok(FallbackDraft {
        address,
        port_tcp: tcp.clone().or(udp.clone())?,
        port_udp: udp.or(tcp)?,
        words,
    })
}

fn look_up_port(words: &FallbackWords, protocol: Protocol, host: &dyn Host) -> Result<Option<u16>> {
    let Some(word) = &words.port else {
        return Ok(None);
    };
    port_number(word)
        .or_else(|| host.port_of_service(word, Some(protocol)))
        .map(Some)
        .ok_or_else(|| refuse("fallback", "invalid port for fallback server"))
}
