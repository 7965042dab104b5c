//! Media directives (`config-files.md` 6). A medium is looked up the moment it is declared, as in the legacy.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::diagnostic::{Diagnostic, Severity};
use crate::facts::PathKind;
use crate::ha_cf::directive;
use crate::ha_cf::draft::{Draft, Given, Refused};
use crate::ha_cf::model::{Medium, NodeKind};
use crate::ha_cf::options::{UDP_PORT, UDP_SERVICE};
use crate::ha_cf::value::integer;
use crate::lines::{Word, is_white, words};

type Outcome = Result<(), Refused>;

pub(crate) fn bcast(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.room_for_medium(given)?;
    let interface = given.string();
    let port = port_of(draft, "bcast");
    match draft.facts.broadcast_address(&interface) {
        Ok(broadcast) => draft.ha_cf.media.push(Medium::Bcast {
            interface,
            broadcast,
            port,
        }),
        Err(error) => {
            draft.say_legacy(
                Severity::Error,
                "no-broadcast-address",
                format!("glib: Get broadcast for interface {interface} failed: {error}"),
            );
            let message = format!("glib: IP interface [{interface}] does not exist");
            draft.say_legacy(Severity::Error, "no-broadcast-address", message);
            return Err(illegal(draft, given));
        }
    }
    Ok(())
}

pub(crate) fn ucast(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.room_for_medium(given)?;
    let (interface, peer_text) = match tokens(given)[..] {
        [] => {
            return Err(incomplete(
                draft,
                given,
                "an interface and a peer, such as: ucast eth0 192.168.1.2",
            ));
        }
        [interface] => {
            let message = format!(
                "glib: ucast: [{}] missing target IP address/hostname",
                interface.text()
            );
            return Err(draft.refuse_legacy(given, "ucast-incomplete", message));
        }
        [interface, peer, ..] => (interface.text(), peer.text()),
    };
    let port = port_of(draft, "ucast");
    let Ok(peer) = draft.facts.resolve_ipv4(&peer_text) else {
        draft.say_legacy(
            Severity::Error,
            "ucast-unresolvable",
            "glib: ucast: cannot resolve hostname",
        );
        let message = format!("glib: ucast: interface [{interface}] does not exist");
        let diagnostic = Diagnostic::legacy(Severity::Error, "ucast-unresolvable", message).advise(
            format!("the peer \"{peer_text}\" cannot be resolved; the interface is not the reason"),
        );
        return Err(draft.refuse(given.mark(diagnostic)));
    };
    warn_of_missing_interface(draft, given, &interface);
    draft.ha_cf.media.push(Medium::Ucast {
        interface,
        peer_text,
        peer,
        port,
    });
    Ok(())
}

pub(crate) fn mcast(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.room_for_medium(given)?;
    let tokens = tokens(given);
    let Some(interface) = tokens.first().map(Word::text) else {
        return Err(incomplete(
            draft,
            given,
            "interface, group, port, ttl and loop, such as: mcast eth0 225.0.0.1 694 1 0",
        ));
    };
    let interface_address = match draft.facts.interface_address(&interface) {
        Ok(address) => Some(address),
        // The legacy waits here for two minutes before it refuses; the daemon has all the time there is.
        Err(error) if error.is_missing_address() && !interface.contains(':') => {
            let message = format!("interface [{interface}] has no IPv4 address (yet)");
            draft.say(given.mark(Diagnostic::ours(
                Severity::Warn,
                "interface-missing",
                message,
            )));
            None
        }
        Err(error) => {
            let message = format!(
                "glib: Unable to retrieve local interface address for interface [{interface}] using ioctl(SIOCGIFADDR): {error}"
            );
            draft.say_legacy(Severity::Error, "mcast-interface", message);
            let message =
                format!("glib: mcast device [{interface}] is invalid or not set up properly");
            return Err(draft.refuse_legacy(given, "mcast-interface", message));
        }
    };
    let mut fields = Fields {
        draft,
        given,
        interface: &interface,
        kind: "mcast",
        next: tokens.iter().skip(1),
    };
    let group_text = fields.text("mcast address")?;
    let group = match group_text.parse::<Ipv4Addr>() {
        Ok(group) if group.is_multicast() => group,
        _ => return Err(fields.bad("", "addr", &group_text)),
    };
    let port = fields.port()?;
    let ttl = fields.byte("ttl", MCAST_TTL_MAX)?;
    let looped = fields.byte("loop", 1)? == 1;
    draft.ha_cf.media.push(Medium::Mcast {
        interface,
        interface_address,
        group,
        port,
        ttl,
        looped,
    });
    Ok(())
}

/// Highest ttl of `mcast`.
const MCAST_TTL_MAX: u8 = 4;
/// Highest hop limit of `mcast6`.
const MCAST6_HOPS_MAX: u8 = 4;

pub(crate) fn serial(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.room_for_medium(given)?;
    let device = given.string();
    let complaint = match draft.facts.path_kind(&device) {
        _ if !device.starts_with('/') => Some(format!(
            "Serial port not full pathname [{device}] in config file"
        )),
        PathKind::CharDevice => None,
        PathKind::Missing => Some(format!("Nonexistent serial port [{device}] in config file")),
        PathKind::Directory | PathKind::Other => Some(format!(
            "Serial port [{device}] not a char device in config file"
        )),
    };
    if let Some(complaint) = complaint {
        draft.say_legacy(Severity::Error, "bad-serial", format!("glib: {complaint}"));
        return Err(illegal(draft, given));
    }
    let configured = if draft.recorded("baud").is_some() {
        draft.ha_cf.baud
    } else {
        DEFAULT_BAUD
    };
    let baud = *draft.settled_baud.get_or_insert(configured);
    draft.ha_cf.media.push(Medium::Serial { device, baud });
    Ok(())
}

/// The speed of a serial line that is declared before any `baud`.
const DEFAULT_BAUD: u32 = 19200;

pub(crate) fn ping(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.room_for_medium(given)?;
    let host = given.string();
    match draft.facts.resolve_ipv4(&host) {
        Ok(address) => match draft.add_node(given, &host, NodeKind::Ping) {
            Ok(true) => draft.ha_cf.media.push(Medium::Ping { host, address }),
            Ok(false) => {}
            Err(_) => return Err(illegal(draft, given)),
        },
        Err(error) => {
            draft.say_legacy(
                Severity::Error,
                "unknown-host",
                format!("glib: unknown host: {host}: {error}"),
            );
            return Err(illegal(draft, given));
        }
    }
    Ok(())
}

pub(crate) fn ping6(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.room_for_medium(given)?;
    let host = given.string();
    let Ok(address) = draft.facts.resolve_ipv6(&host) else {
        return Err(illegal(draft, given));
    };
    if draft.add_node(given, &host, NodeKind::Ping)? {
        draft.ha_cf.media.push(Medium::Ping6 { host, address });
    }
    Ok(())
}

/// A host that cannot be resolved is left out of its group; that alone does not refuse the file.
pub(crate) fn ping_group(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.room_for_medium(given)?;
    let tokens = tokens(given);
    let [name, hosts @ ..] = &tokens[..] else {
        return Err(incomplete(
            draft,
            given,
            "a name and hosts, such as: ping_group routers 10.0.0.1 10.0.0.2",
        ));
    };
    if hosts.is_empty() {
        return Err(incomplete(
            draft,
            given,
            "at least one host after the name of the group",
        ));
    }
    let name = name.text();
    let mut addresses = Vec::new();
    for host in hosts {
        match draft.facts.resolve_ipv4(&host.text()) {
            Ok(address) => addresses.push(address),
            Err(error) => {
                let message = format!("glib: unknown host: {}: {error}", host.text());
                let mut diagnostic = Diagnostic::legacy(Severity::Error, "unknown-host", message)
                    .advise(format!("the host is left out of ping_group {name}"));
                diagnostic.span = given.span_at(host.column);
                draft.say(diagnostic);
            }
        }
    }
    if draft.add_node(given, &name, NodeKind::PingGroup)? {
        draft
            .ha_cf
            .media
            .push(Medium::PingGroup { name, addresses });
    }
    Ok(())
}

pub(crate) fn ucast6(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.room_for_medium(given)?;
    let tokens = tokens(given);
    let interface = interface6(draft, given, tokens.first())?;
    let port = port_of(draft, "ucast6");
    let mut fields = Fields {
        draft,
        given,
        interface: &interface,
        kind: "ucast6",
        next: tokens.iter().skip(1),
    };
    let peer_text = fields.text("ucast6 address")?;
    // A scope such as fe80::1%eth0 says no more than the interface before it.
    let address_text = peer_text.split('%').next().unwrap_or_default();
    let peer = match address_text.parse::<Ipv6Addr>() {
        Ok(peer) if !(peer.is_loopback() || peer.is_unspecified() || peer.is_multicast()) => peer,
        _ => return Err(fields.bad("", "addr", &peer_text)),
    };
    draft.ha_cf.media.push(Medium::Ucast6 {
        interface,
        peer_text,
        peer,
        port,
    });
    Ok(())
}

pub(crate) fn mcast6(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    draft.room_for_medium(given)?;
    let tokens = tokens(given);
    let interface = interface6(draft, given, tokens.first())?;
    let mut fields = Fields {
        draft,
        given,
        interface: &interface,
        kind: "mcast6",
        next: tokens.iter().skip(1),
    };
    let group_text = fields.text("mcast6 address")?;
    let group = match group_text.parse::<Ipv6Addr>() {
        Ok(group) if group.is_multicast() => group,
        _ => return Err(fields.bad(" ", "addr", &group_text)),
    };
    let port = fields.port()?;
    let hops = fields.byte("hops", MCAST6_HOPS_MAX)?;
    let looped = fields.byte("loop", 1)? == 1;
    draft.ha_cf.media.push(Medium::Mcast6 {
        interface,
        group,
        port,
        hops,
        looped,
    });
    Ok(())
}

fn interface6(
    draft: &mut Draft<'_>,
    given: &Given<'_>,
    word: Option<&Word<'_>>,
) -> Result<String, Refused> {
    let kind = given.directive;
    let Some(interface) = word.map(Word::text) else {
        let message = format!("glib: {kind} statement without device");
        return Err(draft.refuse_legacy(given, "medium-incomplete", message));
    };
    if !draft.facts.interface_exists(&interface) {
        let message =
            format!("glib: {kind} device [{interface}] is invalid or not set up properly");
        return Err(draft.refuse_legacy(given, "medium-interface", message));
    }
    Ok(interface)
}

/// The fields of a multicast line after the interface, with the legacy's complaints about each.
struct Fields<'a, 'w, 'f> {
    draft: &'a mut Draft<'f>,
    given: &'a Given<'a>,
    interface: &'a str,
    kind: &'static str,
    next: std::iter::Skip<std::slice::Iter<'a, Word<'w>>>,
}

impl Fields<'_, '_, '_> {
    fn text(&mut self, what: &str) -> Result<String, Refused> {
        self.next
            .next()
            .map(Word::text)
            .ok_or_else(|| self.missing(what))
    }

    /// A number, cut to 16 bits before it is judged; 0 is none.
    fn port(&mut self) -> Result<u16, Refused> {
        let port = match self.next.next() {
            Some(word) => (integer(word.text) & 0xffff) as u16,
            None => return Err(self.missing("port")),
        };
        if port == 0 {
            Err(self.bad(" ", "port", "0"))
        } else {
            Ok(port)
        }
    }

    /// A number, cut to 8 bits before it is judged: 260 passes for 4.
    fn byte(&mut self, what: &str, max: u8) -> Result<u8, Refused> {
        let byte = match self.next.next() {
            Some(word) => (integer(word.text) & 0xff) as u8,
            None => return Err(self.missing(what)),
        };
        if byte > max {
            Err(self.bad(" ", what, &byte.to_string()))
        } else {
            Ok(byte)
        }
    }

    fn missing(&mut self, what: &str) -> Refused {
        let message = format!("glib: {} [{}] missing {what}", self.kind, self.interface);
        self.draft
            .refuse_legacy(self.given, "medium-incomplete", message)
    }

    /// The legacy's texts for numbers have an extra blank, hence `gap`.
    fn bad(&mut self, gap: &str, what: &str, word: &str) -> Refused {
        let message = format!(
            "glib: {gap}{} [{}] bad {what} [{word}]",
            self.kind, self.interface
        );
        self.draft
            .refuse_legacy(self.given, "medium-field", message)
    }
}

fn tokens<'a>(given: &Given<'a>) -> Vec<Word<'a>> {
    words(given.text, given.column(), is_white).collect()
}

/// The UDP port of a media type: what `udpport` says when the type is first used, and never again after that.
fn port_of(draft: &mut Draft<'_>, kind: &'static str) -> u16 {
    let configured = udpport_now(draft);
    *draft.settled_ports.entry(kind).or_insert(configured)
}

/// What `udpport` is at this moment: as written, else from /etc/services, else 694.
pub(crate) fn udpport_now(draft: &Draft<'_>) -> u16 {
    match draft.recorded("udpport") {
        Some(_) => draft.ha_cf.udpport,
        None => draft
            .facts
            .udp_port_of_service(UDP_SERVICE)
            .unwrap_or(UDP_PORT),
    }
}

fn illegal(draft: &mut Draft<'_>, given: &Given<'_>) -> Refused {
    let description =
        directive::find(given.directive).map_or("", |directive| directive.description);
    let message = format!(
        "Illegal {} [{description}] in config file [{}]",
        given.directive,
        given.string()
    );
    let advice = match given.directive {
        "bcast" => {
            "the interface must exist and have an IPv4 address with a broadcast address (ip -4 addr)"
        }
        "serial" => "expected the path of a serial line, such as /dev/ttyS0",
        _ => "expected a host name that can be resolved, or an address",
    };
    draft.refuse_with_advice(given, "illegal-medium", message, advice)
}

/// The legacy refuses in silence here, or crashes.
fn incomplete(draft: &mut Draft<'_>, given: &Given<'_>, expected: &str) -> Refused {
    let message = format!("{} is incomplete", given.directive);
    let diagnostic = Diagnostic::ours(Severity::Error, "medium-incomplete", message)
        .advise(format!("expected {expected}"));
    draft.refuse(given.mark(diagnostic))
}

/// The legacy accepts the line and dies when it opens the medium.
fn warn_of_missing_interface(draft: &mut Draft<'_>, given: &Given<'_>, interface: &str) {
    if !draft.facts.interface_exists(interface) {
        let message = format!("interface [{interface}] does not exist (yet)");
        draft.say(given.mark(Diagnostic::ours(
            Severity::Warn,
            "interface-missing",
            message,
        )));
    }
}
