//! From a section as written to a virtual service: names, ports, defaults, checks.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipvs::{
    Destination, DestinationKey, Family, Forward, Netmask, Persistence, Protocol, Service,
    ServiceKey,
};

use super::address::{METHOD_TEXT, RealWords, VirtualAddress, port_number};
use super::check;
use super::draft::{FallbackDraft, Globals, ProtocolWord, Section};
use super::host::{Host, look_up};
use super::model::{Alerts, Fallback, Real, VirtualService};
use super::shared;
use crate::diagnostic::{Diagnostic, Severity};

/// So many servers at most in one range.
const RANGE_MAX: u32 = 65_536;

/// A refusal, at a line of its own or at the section's end.
pub(super) struct Refusal {
    pub(super) line: Option<usize>,
    pub(super) diagnostic: Box<Diagnostic>,
}

/// What is worth saying, with its line.
pub(super) type Remarks = Vec<(usize, Diagnostic)>;

fn refuse(line: usize, code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal {
        line: Some(line),
        diagnostic: Box::new(Diagnostic::legacy(Severity::Error, code, message)),
    }
}

/// Looks up the fallback of a section.
pub(super) fn own_fallback(
    section: &mut Section,
    host: &dyn Host,
    remarks: &mut Remarks,
) -> Result<(), Refusal> {
    let Some((line, words)) = section.fallback.take() else {
        return Ok(());
    };
    let family = section.family();
    let mut said = Vec::new();
    let draft = shared::fallback(words, family, host, &mut said).map_err(|diagnostic| Refusal {
        line: Some(line),
        diagnostic: Box::new(diagnostic),
    })?;
    remarks.extend(said.into_iter().map(|remark| (line, remark)));
    match family {
        Family::V4 => section.shared.fallback = Some(draft),
        Family::V6 => section.shared.fallback6 = Some(draft),
    }
    Ok(())
}

/// The service that a section names. `None`: it cannot exist in the kernel and is left out.
pub(super) fn key(
    section: &Section,
    host: &dyn Host,
    remarks: &mut Remarks,
) -> Result<Option<ServiceKey>, Refusal> {
    let bad = || {
        refuse(
            section.line,
            "virtual",
            "invalid address for virtual service",
        )
    };
    match &section.address {
        VirtualAddress::Mark { mark: 0, .. } => Ok(None),
        VirtualAddress::Mark { mark, family, .. } => Ok(Some(ServiceKey::Mark {
            mark: *mark,
            family: *family,
        })),
        VirtualAddress::Address {
            host: name,
            port,
            family,
        } => {
            let protocol = match section.protocol {
                Some(ProtocolWord::Transport(protocol)) => protocol,
                _ if port == "53" => Protocol::Udp,
                _ => Protocol::Tcp,
            };
            let mut said = Vec::new();
            let address = look_up(name, *family, host, &mut said).ok_or_else(bad)?;
            remarks.extend(said.into_iter().map(|remark| (section.line, remark)));
            let port = port_number(port)
                .or_else(|| host.port_of_service(port, Some(protocol)))
                .ok_or_else(bad)?;
            Ok(Some(ServiceKey::Address {
                protocol,
                address,
                port,
            }))
        }
    }
}

/// A real server that is looked up.
pub(super) struct Found {
    pub(super) line: usize,
    pub(super) key: DestinationKey,
    pub(super) forward: Forward,
    pub(super) words: RealWords,
}

/// Real servers of a section, looked up; judged also when the service itself is left out. What is wrong with a line is
/// found in the legacy's order: address, port, range, method, what is left over.
pub(super) fn reals(
    section: &Section,
    host: &dyn Host,
    remarks: &mut Remarks,
) -> Result<Vec<Found>, Refusal> {
    let mut found = Vec::new();
    for (line, words) in &section.reals {
        let line = *line;
        let bad = |text: String| refuse(line, "real", text);
        let words = words
            .as_ref()
            .ok_or_else(|| bad("invalid address for real server (wrong format)".to_owned()))?;
        let mut said = Vec::new();
        let mut look = |name: &str, which: &str| {
            look_up(name, section.family(), host, &mut said).ok_or_else(|| {
                bad(format!(
                    "invalid address ({name}) for real server (could not resolve {which})"
                ))
            })
        };
        let first = look(&words.first, "host")?;
        let port = match &words.port {
            None => 0,
            Some(word) => port_number(word)
                .or_else(|| host.port_of_service(word, None))
                .ok_or_else(|| {
                    bad(format!(
                        "invalid port ({word}) for real server (could not resolve port)"
                    ))
                })?,
        };
        if words.last.is_some() && section.family() == Family::V6 {
            return Err(bad("Address range for IPv6 is not supported yet".to_owned()));
        }
        let last = match &words.last {
            Some(last) => Some(look(last, "end host")?),
            None => None,
        };
        let addresses = range(line, words, first, last)?;
        let forward = words
            .forward
            .ok_or_else(|| refuse(line, "forward-method", METHOD_TEXT))?;
        if !words.left_over.is_empty() {
            return Err(bad(format!(
                "Invalid real server line, around \"{}\"",
                words.left_over
            )));
        }
        if i32::try_from(words.weight).is_err() {
            let message = format!("weight of real server {} is too large", words.first);
            let diagnostic = Diagnostic::ours(Severity::Error, "weight", message)
                .advise(format!("the largest is {}", i32::MAX));
            return Err(Refusal {
                line: Some(line),
                diagnostic: Box::new(diagnostic),
            });
        }
        if !words.dropped.is_empty() {
            let message = format!(
                "\"{}\" stands in the wrong place of the real server line and is ignored",
                words.dropped
            );
            said.push(Diagnostic::ours(Severity::Warn, "real-ignored", message));
        }
        remarks.extend(said.into_iter().map(|remark| (line, remark)));
        found.extend(addresses.into_iter().map(|address| Found {
            line,
            key: DestinationKey { address, port },
            forward,
            words: words.clone(),
        }));
    }
    Ok(found)
}

/// The addresses of a line. They are compared as numbers; the legacy compares texts and makes nothing at all of a range
/// in which the number grows a digit.
fn range(
    line: usize,
    words: &RealWords,
    first: IpAddr,
    last: Option<IpAddr>,
) -> Result<Vec<IpAddr>, Refusal> {
    let (IpAddr::V4(from), Some(IpAddr::V4(to))) = (first, last) else {
        return Ok(vec![first]);
    };
    let named = |separator: &str| {
        let last = words.last.as_deref().unwrap_or_default();
        format!("{}{separator}{last}", words.first)
    };
    let (from, to) = (u32::from(from), u32::from(to));
    if from > to {
        let text = format!(
            "Invalid Range: {}: First value must be greater than or equal to the second value",
            named("-")
        );
        let mut refusal = refuse(line, "range", text);
        refusal.diagnostic.advice = Some("the first address must not be above the second".into());
        return Err(refusal);
    }
    if to - from >= RANGE_MAX {
        let message = format!("range {} has more than {RANGE_MAX} addresses", named("->"));
        return Err(Refusal {
            line: Some(line),
            diagnostic: Box::new(Diagnostic::ours(Severity::Error, "range", message)),
        });
    }
    Ok((from..=to)
        .map(|number| IpAddr::V4(Ipv4Addr::from(number)))
        .collect())
}

/// Everything of the section, with globals and defaults.
pub(super) fn virtual_service(
    section: &Section,
    key: ServiceKey,
    reals: Vec<Found>,
    globals: &Globals,
    host: &dyn Host,
    remarks: &mut Remarks,
) -> VirtualService {
    let (own, global) = (&section.shared, &globals.shared);
    let interval = |seconds: Option<u32>| Duration::from_secs(seconds.unwrap_or(10).into());
    let check_interval = if globals.fork {
        interval(own.check_interval_s.or(global.check_interval_s))
    } else {
        interval(global.check_interval_s)
    };
    let persistence = section.persistent_s.map(|timeout_s| Persistence {
        timeout_s,
        netmask: section
            .netmask
            .unwrap_or_else(|| Netmask::full(key.family())),
    });
    let udp = matches!(
        key,
        ServiceKey::Address {
            protocol: Protocol::Udp,
            ..
        }
    );
    let fallback = match key.family() {
        Family::V4 => own.fallback.as_ref().or(global.fallback.as_ref()),
        Family::V6 => own.fallback6.as_ref().or(global.fallback6.as_ref()),
    };
    let mut found: Vec<Real> = Vec::new();
    let mut places = BTreeMap::new();
    for one in reals {
        let real = real(section, key, &one, globals, host, remarks);
        let place = *places.entry(real.configured).or_insert(found.len());
        let Some(known) = found.get_mut(place) else {
            found.push(real);
            continue;
        };
        let line = std::mem::replace(&mut known.line, real.line);
        if *known != real {
            let message = format!(
                "real server {} is given on line {line}, too; the last one counts",
                real.configured
            );
            let remark = Diagnostic::ours(Severity::Warn, "real-twice", message);
            remarks.push((real.line, remark));
        }
        *known = real;
    }
    VirtualService {
        line: section.line,
        service: Service {
            key,
            scheduler: section.scheduler.clone(),
            scheduler_flags: section.scheduler_flags,
            one_packet: section.one_packet && udp,
            persistence,
        },
        reals: found,
        fallback: fallback.map(|draft| self::fallback(draft, key)),
        fallback_command: own
            .fallback_command
            .clone()
            .or_else(|| global.fallback_command.clone()),
        quiescent: own.quiescent.or(global.quiescent).unwrap_or(true),
        clean_stop: own.clean_stop.or(global.clean_stop).unwrap_or(true),
        failure_count: own.failure_count.or(global.failure_count).unwrap_or(1),
        check_interval,
        alerts: Alerts {
            to: own
                .email_alert
                .clone()
                .or_else(|| global.email_alert.clone()),
            frequency: own
                .email_frequency
                .or(global.email_frequency)
                .unwrap_or_default(),
            states: own.email_states.or(global.email_states).unwrap_or_default(),
            smtp: own.smtp.clone().or_else(|| global.smtp.clone()),
        },
        monitor_file: section.monitor_file.clone(),
        service_name: section.service_name.clone(),
        comment: section.comment.clone(),
    }
}

/// The port that the kernel shall have: direct routing and tunnels cannot change ports (`ldirectord.md` 7.8).
fn effective_port(key: ServiceKey, forward: Forward, port: u16) -> u16 {
    match (key.port(), forward) {
        (Some(port), Forward::Gate | Forward::Ipip) => port,
        _ => port,
    }
}

fn fallback(draft: &FallbackDraft, key: ServiceKey) -> Fallback {
    let own = match key {
        ServiceKey::Address {
            protocol: Protocol::Udp,
            ..
        } => draft.port_udp,
        _ => draft.port_tcp,
    };
    let port = own.or(key.port()).unwrap_or(0);
    let forward = draft.words.forward;
    Fallback {
        configured: DestinationKey {
            address: draft.address,
            port,
        },
        destination: Destination {
            key: DestinationKey {
                address: draft.address,
                port: effective_port(key, forward, port),
            },
            forward,
            weight: 1,
            upper_threshold: 0,
            lower_threshold: 0,
        },
    }
}

fn real(
    section: &Section,
    key: ServiceKey,
    found: &Found,
    globals: &Globals,
    host: &dyn Host,
    remarks: &mut Remarks,
) -> Real {
    let (configured, words) = (found.key, &found.words);
    let (mut upper, mut lower) = (words.upper_threshold, words.lower_threshold);
    if lower > upper {
        // The kernel refuses such a server; without limits it at least serves.
        remarks.push((
            found.line,
            Diagnostic::ours(
                Severity::Warn,
                "thresholds",
                format!("thresholds of {configured} are ignored: l:{lower} is above u:{upper}"),
            ),
        ));
        (upper, lower) = (0, 0);
    }
    let (check, identity) = check::plan(section, key, found, globals, host);
    Real {
        line: found.line,
        configured,
        destination: Destination {
            key: DestinationKey {
                address: configured.address,
                port: effective_port(key, found.forward, configured.port),
            },
            forward: found.forward,
            weight: words.weight,
            upper_threshold: upper,
            lower_threshold: lower,
        },
        check,
        identity,
    }
}
