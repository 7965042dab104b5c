//! The directives: what each takes, and where it may stand (`ldirectord.md` 4).
//!
//! Everything acts the moment it is met, as in the legacy; what needs the rest of its section (names, ports, real
//! servers) waits for the section's end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipvs::{Family, Netmask, Protocol, SchedulerFlags};

use super::address::{self, FallbackWords, METHOD_TEXT, port_number};
use super::draft::{CheckType, FallbackDraft, Globals, ProtocolWord, Section, Shared};
use super::host::Host;
use super::model::AlertStates;
use super::probe::{HttpMethod, ServiceCheck};
use super::value::{
    assignment, first_run, first_word, is_word, leading, loosely_quoted, maybe_quoted, number,
    quoted, text, unquoted, yes_no,
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

fn remark(code: &'static str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::ours(Severity::Warn, code, message)
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
            None => Taken::Unknown,
            Some(path) => {
                globals.callback = (!path.is_empty()).then(|| text(path));
                Taken::Yes(Vec::new())
            }
        },
        "logfile" => match quoted(value) {
            None => Taken::Unknown,
            Some(b"") => {
                globals.log_file = None;
                Taken::Yes(vec![remark(
                    "logfile",
                    "an empty logfile is none: the default is used",
                )])
            }
            Some(path) => log_file(&text(path), globals, host).into(),
        },
        "execute" => {
            globals.execute.push(text(value));
            Taken::Yes(Vec::new())
        }
        "emailalertfrom" if value.is_empty() => {
            Taken::Refused(refuse("emailalertfrom", "no email from address specified"))
        }
        "emailalertfrom" => {
            globals.email_from = Some(text(value));
            Taken::Yes(Vec::new())
        }
        "maintenancedir" if value.is_empty() => Taken::Refused(refuse(
            "maintenancedir",
            "maintenance directory not specified",
        )),
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
fn shared(
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
            if family == Some(Family::V6) {
                return Err(wrong_family("fallback", "fallback6"));
            }
            draft.fallback = Some(fallback(value, Family::V4, host, remarks)?);
        }
        "fallback6" => {
            if family == Some(Family::V4) {
                return Err(wrong_family("fallback6", "fallback"));
            }
            draft.fallback6 = Some(fallback(value, Family::V6, host, remarks)?);
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

fn wrong_family(given: &str, wanted: &str) -> Diagnostic {
    refuse(
        "address-family",
        format!("cannot specify \"{given}\" here.  please use \"{wanted}\" instead"),
    )
}

/// Words between commas; empty ones at the end do not count.
fn alert_states(value: &[u8], remarks: &mut Vec<Diagnostic>) -> Result<AlertStates> {
    let mut states = AlertStates::NONE;
    let value = text(value);
    let words: Vec<&str> = value
        .trim_end_matches(|letter: char| letter == ',' || letter.is_ascii_whitespace())
        .split(',')
        .map(str::trim)
        .collect();
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

fn fallback(
    value: &[u8],
    family: Family,
    host: &dyn Host,
    remarks: &mut Vec<Diagnostic>,
) -> Result<FallbackDraft> {
    let words = address::fallback(value).ok_or_else(|| refuse("forward-method", METHOD_TEXT))?;
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

/// An address as text, with or without brackets, or a name.
pub(super) fn look_up(
    name: &str,
    family: Family,
    host: &dyn Host,
    remarks: &mut Vec<Diagnostic>,
) -> Option<IpAddr> {
    if family == Family::V6 {
        let bare = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        let name = bare.unwrap_or(name);
        let address = name.parse().ok();
        return address.or_else(|| host.resolve_ipv6(name)).map(IpAddr::V6);
    }
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return Some(IpAddr::V4(address));
    }
    let Some(address) = address::old_fashioned_ipv4(name) else {
        return host.resolve_ipv4(name).map(IpAddr::V4);
    };
    // The legacy makes 0.0.0.80 of a lone 80; nobody means that.
    if address.octets().first() == Some(&0) {
        return None;
    }
    let message = format!("\"{name}\" counts as {address}");
    remarks.push(remark("old-fashioned-address", message));
    Some(IpAddr::V4(address))
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
            section.reals.push((line, address::real(value)));
            plain
        }
        "checktype" => check_type(value)
            .map(|check_type| section.check_type = check_type)
            .into(),
        "service" => service(value)
            .map(|service| section.service = Some(service))
            .into(),
        "checkcommand" if maybe_quoted(value).is_empty() => {
            Taken::Refused(refuse("checkcommand", "invalid check command"))
        }
        "checkcommand" => {
            // A shell runs it, as in 2.1, so arguments and quotes inside are its business.
            section.check_command = Some(text(unquoted(value)));
            plain
        }
        "checkport" => check_port(value)
            .map(|port| section.check_port = Some(port))
            .into(),
        "httpmethod" => match first_run(value, is_word).to_ascii_uppercase().as_slice() {
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
            let name = first_run(value, |byte| byte.is_ascii_lowercase());
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
                Taken::Yes(vec![remark(
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
        "netmask" => match netmask(value, section.family()) {
            Ok(Some(netmask)) => {
                section.netmask = Some(netmask);
                plain
            }
            Ok(None) => Taken::Yes(vec![remark(
                "netmask",
                format!(
                    "netmask {} does not exist and is ignored",
                    text(first_word(value))
                ),
            )]),
            Err(diagnostic) => Taken::Refused(diagnostic),
        },
        "protocol" => protocol(value, section)
            .map(|protocol| section.protocol = Some(protocol))
            .into(),
        "monitorfile" => monitor_file(&text(maybe_quoted(value)), section, host).into(),
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

/// A number anywhere means combined checks; else the first word counts.
fn check_type(value: &[u8]) -> Result<CheckType> {
    if let Some(connects) = number(value) {
        return Ok(CheckType::Combined(connects));
    }
    Ok(
        match first_run(value, |byte| is_word(byte) || byte == b'-') {
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
        },
    )
}

fn service(value: &[u8]) -> Result<Option<ServiceCheck>> {
    Ok(Some(match first_run(value, is_word) {
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
            return Err(refuse(
                "service",
                "service must be dns, ftp, http, https, http_proxy, imap, imaps, ldap, ldaps, mysql, nntp, none, oracle, pop, pops, radius, pgsql, simpletcp, sip, smtp or submission",
            ));
        }
    }))
}

fn check_port(value: &[u8]) -> Result<u16> {
    let port = number(value).ok_or_else(|| refuse("checkport", "invalid port"))?;
    u16::try_from(port)
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| refuse("checkport", "checkport must be in range 1..65536"))
}

/// None: of the right shape, but no netmask. ipvsadm would refuse it, and with it the service.
fn netmask(value: &[u8], family: Family) -> Result<Option<Netmask>> {
    let word = first_word(value);
    match family {
        Family::V4 => {
            let parts: Vec<&[u8]> = word.split(|byte| *byte == b'.').collect();
            let is_quad = parts.len() == 4
                && parts
                    .iter()
                    .all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit));
            if !is_quad {
                return Err(refuse(
                    "netmask",
                    "invalid netmask: dotted quad notation is required",
                ));
            }
            Ok(text(word).parse().ok().map(Netmask::V4))
        }
        Family::V6 => std::str::from_utf8(value)
            .ok()
            .and_then(|length| length.parse().ok())
            .filter(|length| (1..=128).contains(length))
            .map(|length| Some(Netmask::V6(length)))
            .ok_or_else(|| {
                refuse(
                    "netmask",
                    "invalid netmask: a prefix length between 1 and 128 is required",
                )
            }),
    }
}

fn protocol(value: &[u8], section: &Section) -> Result<ProtocolWord> {
    let is_mark = matches!(section.address, address::VirtualAddress::Mark { .. });
    match (first_run(value, is_word), is_mark) {
        (b"tcp", false) => Ok(ProtocolWord::Transport(Protocol::Tcp)),
        (b"udp", false) => Ok(ProtocolWord::Transport(Protocol::Udp)),
        (b"fwm", true) => Ok(ProtocolWord::Mark),
        (b"", _) => Err(refuse("protocol", "invalid protocol")),
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
