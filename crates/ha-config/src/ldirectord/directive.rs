//! The directives: what each takes, and where it may stand (`ldirectord.md` 4).
//!
//! Everything acts the moment it is met, as in the legacy; what needs the rest of its section (names, ports, real
//! servers) waits for the section's end.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipvs::{Family, Netmask, Protocol, SchedulerFlags};

use super::address::{self, FallbackWords, METHOD_TEXT, port_number};
use super::draft::{CheckType, FallbackDraft, Globals, ProtocolWord, RealValue, Section, Shared};
use super::host::Host;
use super::model::AlertStates;
use super::probe::{HttpMethod, ServiceCheck};
use super::value::{
    assignment, first_word, leading, loosely_quoted, number, quoted, text, unquoted, yes_no,
};
use crate::diagnostic::{Diagnostic, Severity};

/// What became of a line.
pub(super) enum Taken {
    /// A directive, understood; perhaps there is something to say about it.
    Yes(Vec<Diagnostic>),
    /// No directive that may stand here.
    Unknown,
    /// A directive with a value that is refused.
    Refused(Diagnostic),
}

type Result<T> = std::result::Result<T, Diagnostic>;

fn refuse(code: &'static str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::legacy(Severity::Error, code, message)
}

fn warn(code: &'static str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::legacy(Severity::Warn, code, message)
}

impl From<Result<()>> for Taken {
    fn from(result: Result<()>) -> Taken {
        match result {
            Ok(()) => Taken::Yes(Vec::new()),
            Err(diagnostic) => Taken::Refused(diagnostic),
        }
    }
}

/// The keyword that a line begins with, if it is one of `keywords`, and its value.
fn find<'a>(line: &'a [u8], keywords: &[&'static str]) -> Option<(&'static str, &'a [u8])> {
    keywords
        .iter()
        .find_map(|keyword| assignment(keyword, line).map(|value| (*keyword, value)))
}

const SHARED: &[&str] = &[
    "checktimeout",
    "negotiatetimeout",
    "checkcount",
    "checkinterval",
    "failurecount",
    "fallback",
    "fallback6",
    "fallbackcommand",
    "quiescent",
    "cleanstop",
    "emailalert",
    "emailalertfreq",
    "emailalertstatus",
    "smtp",
    "connecttimeout",
    "tlsverify",
    "tlscafile",
];

const GLOBAL: &[&str] = &[
    "timeout",
    "autoreload",
    "callback",
    "logfile",
    "execute",
    "supervised",
    "fork",
    "readdquiescent",
    "emailalertfrom",
    "maintenancedir",
];

const IN_SECTION: &[&str] = &[
    "real",
    "real6",
    "checktype",
    "service",
    "checkcommand",
    "checkport",
    "request",
    "receive",
    "httpmethod",
    "virtualhost",
    "login",
    "passwd",
    "database",
    "secret",
    "load",
    "scheduler",
    "persistent",
    "netmask",
    "protocol",
    "monitorfile",
    "ops",
    "schedflags",
    "servicename",
    "comment",
];

/// A line of the global part.
pub(super) fn global(line: &[u8], globals: &mut Globals, host: &dyn Host) -> Taken {
    if first_word(line) == b"supervised" && assignment("supervised", line).is_none() {
        globals.supervised = true;
        return Taken::Yes(vec![warn(
            "bare-supervised",
            "please update your config not to use a bare supervised directive",
        )]);
    }
    if let Some((keyword, value)) = find(line, SHARED) {
        return shared(keyword, value, &mut globals.shared, None, host);
    }
    let Some((keyword, value)) = find(line, GLOBAL) else {
        return Taken::Unknown;
    };
    let flag = |target: &mut bool| -> Result<()> {
        *target = yes_or_no(keyword, value)?;
        Ok(())
    };
    match keyword {
        "timeout" => Taken::Refused(refuse(
            "timeout-deprecated",
            "timeout directive deprecated in favour of checktimeout and negotiatetimeout",
        )),
        "autoreload" => flag(&mut globals.auto_reload).into(),
        "supervised" => flag(&mut globals.supervised).into(),
        "fork" => flag(&mut globals.fork).into(),
        "readdquiescent" => yes_or_no(keyword, value)
            .map(|yes| globals.readd_quiescent = Some(yes))
            .into(),
        "callback" => match quoted(value) {
            Some(b"") | None => Taken::Unknown,
            Some(path) => {
                globals.callback = Some(text(path));
                Taken::Yes(Vec::new())
            }
        },
        "logfile" => match quoted(value) {
            Some(b"") | None => Taken::Unknown,
            Some(path) => log_file(&text(path), globals, host).into(),
        },
        "execute" => {
            globals.execute.push(text(value));
            Taken::Yes(Vec::new())
        }
        "emailalertfrom" => {
            globals.email_from = Some(text(value));
            Taken::Yes(Vec::new())
        }
        "maintenancedir" => {
            let directory = text(value);
            let missing = !host.is_directory(&directory);
            globals.maintenance_dir = Some(directory);
            Taken::Yes(if missing {
                vec![warn(
                    "no-maintenancedir",
                    "maintenance directory does not exist",
                )]
            } else {
                Vec::new()
            })
        }
        _ => Taken::Unknown,
    }
}

fn log_file(path: &str, globals: &mut Globals, host: &dyn Host) -> Result<()> {
    if path.starts_with('/') && host.can_append(path).is_err() {
        return Err(refuse("logfile", format!("unable to open logfile: {path}")));
    }
    globals.log_file = Some(path.to_owned());
    Ok(())
}

fn yes_or_no(keyword: &str, value: &[u8]) -> Result<bool> {
    yes_no(value).ok_or_else(|| {
        let diagnostic = refuse("yes-or-no", format!("{keyword} must be 'yes' or 'no'"));
        if value.ends_with(b"\r") {
            diagnostic
                .advise("the line ends in a carriage return: convert the file to Unix line ends")
        } else {
            diagnostic
        }
    })
}

fn positive(value: &[u8], what: &'static str) -> Result<u32> {
    number(value)
        .filter(|number| *number > 0)
        .ok_or_else(|| refuse("number", format!("invalid {what}")))
}

/// A directive that may stand in both places. `family` is that of the section, none in the global part.
fn shared(
    keyword: &'static str,
    value: &[u8],
    draft: &mut Shared,
    family: Option<Family>,
    host: &dyn Host,
) -> Taken {
    match keyword {
        "checkcount" => {
            if let Err(diagnostic) =
                positive(value, "check count").map(|count| draft.check_count = Some(count))
            {
                return Taken::Refused(diagnostic);
            }
            Taken::Yes(vec![warn(
                "checkcount-deprecated",
                "checkcount option is deprecated and slated for removal.  please see 'failurecount'",
            )])
        }
        "tlscafile" => match quoted(value) {
            Some(b"") | None => Taken::Unknown,
            Some(path) => {
                draft.tls_ca_file = Some(text(path));
                Taken::Yes(Vec::new())
            }
        },
        _ => shared_value(keyword, value, draft, family, host).into(),
    }
}

fn shared_value(
    keyword: &'static str,
    value: &[u8],
    draft: &mut Shared,
    family: Option<Family>,
    host: &dyn Host,
) -> Result<()> {
    match keyword {
        "connecttimeout" => {
            return Err(refuse(
                "connecttimeout-deprecated",
                "connecttimeout directive deprecated in favour of negotiatetimeout",
            ));
        }
        "checktimeout" => draft.check_timeout_s = Some(positive(value, "check timeout")?),
        "negotiatetimeout" => {
            draft.negotiate_timeout_s = Some(positive(value, "negotiate timeout")?);
        }
        "checkinterval" => draft.check_interval_s = Some(positive(value, "check interval value")?),
        "failurecount" => draft.failure_count = Some(positive(value, "failure count")?),
        "fallback" => {
            if family == Some(Family::V6) {
                return Err(wrong_family("fallback", "fallback6"));
            }
            draft.fallback = Some(fallback(value, Family::V4, host)?);
        }
        "fallback6" => {
            if family == Some(Family::V4) {
                return Err(wrong_family("fallback6", "fallback"));
            }
            draft.fallback6 = Some(fallback(value, Family::V6, host)?);
        }
        "fallbackcommand" => draft.fallback_command = Some(text(unquoted(value))),
        "quiescent" => draft.quiescent = Some(yes_or_no(keyword, value)?),
        "cleanstop" => draft.clean_stop = Some(yes_or_no(keyword, value)?),
        "tlsverify" => draft.tls_verify = Some(yes_or_no(keyword, value)?),
        "emailalert" => {
            let address = text(unquoted(value));
            if address.is_empty() {
                return Err(refuse("emailalert", "invalid email address"));
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
        "emailalertstatus" => draft.email_states = Some(alert_states(value)?),
        "smtp" => {
            let name = text(unquoted(value));
            let good = !name.is_empty()
                && name.bytes().all(|byte| {
                    matches!(byte, b'.' | b'-' | b'_' | b':') || byte.is_ascii_alphanumeric()
                });
            if !good {
                return Err(refuse("smtp", "invalid SMTP server address"));
            }
            draft.smtp = Some(name);
        }
        _ => {}
    }
    Ok(())
}

fn wrong_family(given: &str, wanted: &str) -> Diagnostic {
    refuse(
        "address-family",
        format!("cannot specify \"{given}\" here.  please use \"{wanted}\" instead"),
    )
}

fn alert_states(value: &[u8]) -> Result<AlertStates> {
    let mut states = AlertStates::NONE;
    let mut words = Vec::new();
    let value = text(value);
    for word in value
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        match word {
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
        words.push(word.to_owned());
    }
    let others: Vec<&String> = words.iter().filter(|word| *word != "none").collect();
    match (words.iter().any(|word| word == "none"), others.first()) {
        (true, Some(other)) => Err(refuse(
            "emailalertstatus",
            format!("invalid email alert status: \"{other}\" specified with \"none\""),
        )),
        _ if words.is_empty() => Err(refuse(
            "emailalertstatus",
            "invalid email alert status at: \"\"",
        )),
        _ => Ok(states),
    }
}

fn fallback(value: &[u8], family: Family, host: &dyn Host) -> Result<FallbackDraft> {
    let words = address::fallback(value, family).map_err(|method| match method {
        Some(()) => refuse("forward-method", METHOD_TEXT),
        None => refuse("fallback", "invalid address for fallback server"),
    })?;
    let address = look_up(&words.host, family, host).ok_or_else(|| {
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
    })?;
    let port = |protocol| look_up_port(&words, protocol, host);
    Ok(FallbackDraft {
        address,
        port_tcp: port(Protocol::Tcp)?,
        port_udp: port(Protocol::Udp).unwrap_or(None),
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

/// An address as text, or a name.
pub(super) fn look_up(name: &str, family: Family, host: &dyn Host) -> Option<IpAddr> {
    match family {
        Family::V4 => name
            .parse::<Ipv4Addr>()
            .ok()
            .or_else(|| host.resolve_ipv4(name))
            .map(IpAddr::V4),
        Family::V6 => name
            .parse()
            .ok()
            .or_else(|| host.resolve_ipv6(name))
            .map(IpAddr::V6),
    }
}

/// A line of a virtual section, without its indentation.
pub(super) fn in_section(
    line: &[u8],
    number_of_line: usize,
    section: &mut Section,
    host: &dyn Host,
) -> Taken {
    let family = section.family();
    if let Some((keyword, value)) = find(line, SHARED) {
        if keyword == "checkinterval" {
            section.check_interval_line = Some(number_of_line);
        }
        return shared(keyword, value, &mut section.shared, Some(family), host);
    }
    let Some((keyword, value)) = find(line, IN_SECTION) else {
        return Taken::Unknown;
    };
    // Quoted ones do not match at all without quotes; an empty one has a text of its own.
    let mut quote =
        |empty: &'static str, take: &mut dyn FnMut(&mut Section, &[u8])| match quoted(value) {
            None => Taken::Unknown,
            Some(b"") => Taken::Refused(refuse("empty", empty)),
            Some(inner) => {
                take(section, inner);
                Taken::Yes(Vec::new())
            }
        };
    match keyword {
        "request" => quote("no request string specified", &mut |section, inner| {
            section.request = if inner.starts_with(b"/") {
                inner.to_vec()
            } else {
                [b"/", inner].concat()
            };
        }),
        "receive" => quote("invalid receive string", &mut |section, inner| {
            section.receive = inner.to_vec();
        }),
        "login" => quote("invalid login string", &mut |section, inner| {
            section.login = inner.to_vec();
        }),
        "passwd" => quote("invalid password", &mut |section, inner| {
            section.password = inner.to_vec();
        }),
        "database" => quote("invalid database", &mut |section, inner| {
            section.database = inner.to_vec();
        }),
        "secret" => quote("invalid secret", &mut |section, inner| {
            section.secret = inner.to_vec();
        }),
        // Read and never used, as in the legacy.
        "load" => quote("invalid string for load testing", &mut |_, _| {}),
        _ => section_value(keyword, value, number_of_line, section, host),
    }
}

fn section_value(
    keyword: &'static str,
    value: &[u8],
    line: usize,
    section: &mut Section,
    host: &dyn Host,
) -> Taken {
    let plain = Taken::Yes(Vec::new());
    match keyword {
        "real" | "real6" => {
            let wanted = match section.family() {
                Family::V4 => "real",
                Family::V6 => "real6",
            };
            if keyword != wanted {
                return Taken::Refused(wrong_family(keyword, wanted));
            }
            let value = match address::real(value, section.family()) {
                Ok(words) => RealValue::Words(words),
                Err(error) => RealValue::Refused(error.text()),
            };
            section.reals.push((line, value));
            plain
        }
        "checktype" => check_type(value)
            .map(|check_type| section.check_type = check_type)
            .into(),
        "service" => service(value)
            .map(|service| section.service = Some(service))
            .into(),
        "checkcommand" => {
            section.check_command = Some(text(unquoted(value)));
            plain
        }
        "checkport" => check_port(value)
            .map(|port| section.check_port = Some(port))
            .into(),
        "httpmethod" => match first_word(value).to_ascii_uppercase().as_slice() {
            b"GET" => {
                section.http_method = HttpMethod::Get;
                plain
            }
            b"HEAD" => {
                section.http_method = HttpMethod::Head;
                plain
            }
            _ => Taken::Refused(refuse("httpmethod", "httpmethod must be GET or HEAD")),
        },
        "virtualhost" => {
            let name = loosely_quoted(value).to_vec();
            section.empty_host_line = name.is_empty().then_some(line);
            section.virtual_host = Some(name);
            plain
        }
        "scheduler" => {
            let name = leading(value, |byte| byte.is_ascii_lowercase());
            if name.is_empty() {
                return Taken::Refused(refuse(
                    "scheduler",
                    "invalid scheduler, should be only lowercase letters (a-z)",
                ));
            }
            if name.len() > SCHEDULER_MAX {
                let message = format!("scheduler name \"{}\" is too long", text(name));
                return Taken::Refused(Diagnostic::ours(Severity::Error, "scheduler", message));
            }
            section.scheduler = text(name);
            plain
        }
        "persistent" => match number(value) {
            Some(0) => {
                section.persistent_s = None;
                Taken::Yes(vec![Diagnostic::ours(
                    Severity::Warn,
                    "persistent-zero",
                    "persistent=0 is no time: the service is not persistent",
                )])
            }
            Some(seconds) => {
                section.persistent_s = Some(seconds);
                plain
            }
            None => Taken::Refused(refuse("persistent", "invalid persistent timeout")),
        },
        "netmask" => netmask(value, section.family())
            .map(|netmask| section.netmask = Some(netmask))
            .into(),
        "protocol" => protocol(value, section)
            .map(|protocol| section.protocol = Some(protocol))
            .into(),
        "monitorfile" => monitor_file(&text(unquoted(value)), section, host).into(),
        "ops" => yes_or_no(keyword, value)
            .map(|yes| section.one_packet = yes)
            .into(),
        "schedflags" => scheduler_flags(first_word(value), section),
        "servicename" => {
            section.service_name = Some(text(value));
            plain
        }
        "comment" => {
            section.comment = Some(text(value));
            plain
        }
        _ => Taken::Unknown,
    }
}

/// Longest scheduler name that the kernel takes (`ipvs-netlink.md` 2).
const SCHEDULER_MAX: usize = 15;

fn check_type(value: &[u8]) -> Result<CheckType> {
    let word = first_word(value);
    if let Some(connects) = number(word) {
        return Ok(CheckType::Combined(connects));
    }
    Ok(match word {
        b"connect" => CheckType::Connect,
        b"negotiate" => CheckType::Negotiate,
        b"ping" => CheckType::Ping,
        b"off" => CheckType::Off,
        b"on" => CheckType::On,
        b"external" => CheckType::External,
        b"external-perl" => CheckType::ExternalPerl,
        _ => {
            return Err(refuse(
                "checktype",
                "checktype must be \"connect\", \"negotiate\", \"on\", \"off\", \"ping\", \"external\", \"external-perl\" or a positive number",
            ));
        }
    })
}

fn service(value: &[u8]) -> Result<Option<ServiceCheck>> {
    Ok(Some(match value {
        b"dns" => ServiceCheck::Dns,
        b"ftp" => ServiceCheck::Ftp,
        b"http" => ServiceCheck::Http,
        b"https" => ServiceCheck::Https,
        b"http_proxy" => ServiceCheck::HttpProxy,
        b"imap" => ServiceCheck::Imap,
        b"imaps" => ServiceCheck::Imaps,
        b"ldap" => ServiceCheck::Ldap,
        b"ldaps" => ServiceCheck::Ldaps,
        b"mysql" => ServiceCheck::Mysql,
        b"nntp" => ServiceCheck::Nntp,
        b"oracle" => ServiceCheck::Oracle,
        b"pgsql" => ServiceCheck::Pgsql,
        b"pop" => ServiceCheck::Pop,
        b"pops" => ServiceCheck::Pops,
        b"radius" => ServiceCheck::Radius,
        b"simpletcp" => ServiceCheck::SimpleTcp,
        b"sip" => ServiceCheck::Sip,
        b"smtp" => ServiceCheck::Smtp,
        b"submission" => ServiceCheck::Submission,
        b"none" => return Ok(None),
        _ => {
            // Trailing blanks stay part of the value in the legacy; a word that is right otherwise is taken.
            let word = first_word(value);
            if word.len() < value.len() && value.get(word.len()..).is_some_and(only_space) {
                return service(word);
            }
            return Err(refuse(
                "service",
                "service must be dns, ftp, http, https, http_proxy, imap, imaps, ldap, ldaps, mysql, nntp, none, oracle, pop, pops, radius, pgsql, simpletcp, sip, smtp or submission",
            ));
        }
    }))
}

fn only_space(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| super::value::is_space(*byte))
}

fn check_port(value: &[u8]) -> Result<u16> {
    let port = number(value).ok_or_else(|| refuse("checkport", "invalid port"))?;
    u16::try_from(port)
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| refuse("checkport", "checkport must be in range 1..65536"))
}

fn netmask(value: &[u8], family: Family) -> Result<Netmask> {
    match family {
        Family::V4 => std::str::from_utf8(first_word(value))
            .ok()
            .and_then(|word| word.parse().ok())
            .map(Netmask::V4)
            .ok_or_else(|| {
                refuse(
                    "netmask",
                    "invalid netmask: dotted quad notation is required",
                )
            }),
        Family::V6 => number(first_word(value))
            .and_then(|length| u8::try_from(length).ok())
            .filter(|length| (1..=128).contains(length))
            .map(Netmask::V6)
            .ok_or_else(|| refuse("netmask", "invalid netmask")),
    }
}

fn protocol(value: &[u8], section: &Section) -> Result<ProtocolWord> {
    let word = leading(value, |byte| byte.is_ascii_alphanumeric());
    let is_mark = matches!(section.address, address::VirtualAddress::Mark { .. });
    match (word, is_mark) {
        (b"tcp", false) => Ok(ProtocolWord::Transport(Protocol::Tcp)),
        (b"udp", false) => Ok(ProtocolWord::Transport(Protocol::Udp)),
        (b"fwm", true) => Ok(ProtocolWord::Mark),
        (_, true) => Err(refuse(
            "protocol",
            "protocol must be fwm if the virtual service is a fwmark (a number)",
        )),
        (_, false) => Err(refuse(
            "protocol",
            "protocol must be tcp or udp if the virtual service is an address and port",
        )),
    }
}

fn monitor_file(path: &str, section: &mut Section, host: &dyn Host) -> Result<()> {
    host.can_append(path).map_err(|error| {
        refuse(
            "monitorfile",
            format!("unable to open monitorfile {path}: {error}"),
        )
    })?;
    section.monitor_file = Some(path.to_owned());
    Ok(())
}

/// Names of scheduler flags (`ipvs-netlink.md` 2), separated by commas. Which scheduler gives them a meaning does not
/// matter to the kernel.
fn scheduler_flags(word: &[u8], section: &mut Section) -> Taken {
    let mut flags = SchedulerFlags::default();
    for name in text(word).split(',') {
        match name {
            "flag-1" | "sh-fallback" | "mh-fallback" => flags.first = true,
            "flag-2" | "sh-port" | "mh-port" => flags.second = true,
            "flag-3" => flags.third = true,
            _ => {
                let message = format!("unknown scheduler flag \"{name}\"");
                return Taken::Refused(
                    Diagnostic::ours(Severity::Error, "schedflags", message).advise(
                        "known are sh-fallback, sh-port, mh-fallback, mh-port, flag-1, flag-2, flag-3",
                    ),
                );
            }
        }
    }
    section.scheduler_flags = flags;
    Taken::Yes(Vec::new())
}
