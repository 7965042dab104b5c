//! Directives of a virtual section (`ldirectord.md` 4.2).
//!
//! Everything acts the moment it is met, as in the legacy; what needs the rest of its section (names, ports, real
//! servers) waits for the section's end.

use ipvs::{Family, Netmask, Protocol, SchedulerFlags};

use super::address;
use super::draft::{CheckType, ProtocolWord, Section};
use super::host::Host;
use super::probe::{HttpMethod, ServiceCheck};
use super::shared::{fallback_words, shared};
use super::table::{self, Place};
use super::taken::{Result, Taken, refuse, remark, yes_or_no};
use super::value::{
    first_run, first_word, is_word, loosely_quoted, maybe_quoted, number, quoted, text, unquoted,
};
use crate::diagnostic::{Diagnostic, Severity};

/// A line of a virtual section, without its indentation.
pub(super) fn in_section(
    line: &[u8],
    number_of_line: usize,
    section: &mut Section,
    host: &dyn Host,
) -> Taken {
    let family = section.family();
    let Some((directive, value)) = table::find(line, Place::Section) else {
        return Taken::Unknown;
    };
    let keyword = directive.name;
    if matches!(keyword, "fallback" | "fallback6") {
        return fallback(keyword, value, number_of_line, section).into();
    }
    if directive.place == Place::Both {
        if keyword == "checkinterval" {
            section.check_interval_line = Some(number_of_line);
        }
        return shared(keyword, value, &mut section.shared, Some(family), host);
    }
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
            section.receive_line = number_of_line;
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

/// Looked up at the end of the section, as by the legacy, so that the last one counts.
fn fallback(keyword: &str, value: &[u8], line: usize, section: &mut Section) -> Result<()> {
    let wanted = match section.family() {
        Family::V4 => "fallback",
        Family::V6 => "fallback6",
    };
    if keyword != wanted {
        return Err(wrong_family(keyword, wanted));
    }
    section.fallback = Some((line, fallback_words(value)?));
    Ok(())
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
        (_, true) => {
            let refusal = refuse(
                "protocol",
                "protocol must be fwm if the virtual service is a fwmark (a number)",
            );
            Err(match &section.address {
                address::VirtualAddress::Mark { trailing: true, .. } => {
                    refusal.advise(format!("is the port missing on line {}?", section.line))
                }
                _ => refusal,
            })
        }
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

/// A directive of the other address family.
fn wrong_family(given: &str, wanted: &str) -> Diagnostic {
    refuse(
        "address-family",
        format!("cannot specify \"{given}\" here.  please use \"{wanted}\" instead"),
    )
}
