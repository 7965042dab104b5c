//! The UDP media: `bcast`, `ucast`, `mcast`, `ucast6`, `mcast6` (`wire-protocol.md` 7.1).
//!
//! Each has one socket to send, from an ephemeral port, and one to receive. Socket options and log lines are the
//! legacy's; an option that the kernel refuses makes the medium fail.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::socket::{Endpoint, Socket};
use super::{Medium, MediumSetup, Outcome, Said, device_of};
use crate::errno_text;
use crate::host;
use crate::log::Priority;

/// Attempts to bind a port that somebody else still holds, one second apart.
const BIND_ATTEMPTS: u32 = 10;
/// The same for multicast.
const MULTICAST_BIND_ATTEMPTS: u32 = 50;
/// Pause between attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// `IPTOS_LOWDELAY`.
const LOW_DELAY: libc::c_int = 0x10;
const ON: libc::c_int = 1;

struct UdpMedium {
    sender: Socket,
    receiver: Socket,
    destination: Endpoint,
}

impl Medium for UdpMedium {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }

    fn receive(&mut self, buffer: &mut [u8], deliver: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        if let Some(length) = self.receiver.receive(buffer)? {
            deliver(buffer.get(..length).unwrap_or_default());
        }
        Ok(())
    }

    fn transmit(&mut self, payload: &[u8]) -> io::Result<()> {
        self.sender.send_to(payload, &self.destination)
    }
}

/// Why an attempt did not succeed.
#[derive(Debug, PartialEq, Eq)]
enum Obstacle {
    /// Worth another attempt.
    Passing,
    /// Worth one when interfaces or addresses have changed.
    Absent,
    /// Not.
    Lasting,
}

type Attempt<T> = Result<T, Obstacle>;

pub(super) fn open(setup: &MediumSetup, attempt: u32, said: &mut Said) -> Outcome {
    let name = setup.name();
    let mut opener = Opener {
        kind: setup.kind(),
        interface: &name,
        attempt,
        said,
    };
    let opened = match *setup {
        MediumSetup::Broadcast { address, port, .. } => opener.broadcast(address, port),
        MediumSetup::Unicast { peer, port, .. } => opener.unicast(peer, port),
        MediumSetup::Multicast {
            group,
            port,
            ttl,
            own,
            ..
        } => opener.multicast(group, port, ttl, own),
        MediumSetup::Unicast6 { peer, port, .. } => opener.unicast6(peer, port),
        MediumSetup::Multicast6 {
            group,
            port,
            hops,
            own,
            ..
        } => opener.multicast6(group, port, hops, own),
        _ => Err(Obstacle::Lasting),
    };
    match opened {
        Ok(medium) => Outcome::Open(Box::new(medium)),
        Err(Obstacle::Passing) => Outcome::Retry(PAUSE),
        Err(Obstacle::Absent) => Outcome::Absent,
        Err(Obstacle::Lasting) => Outcome::Failed,
    }
}

/// One attempt to open one medium.
struct Opener<'a> {
    kind: &'static str,
    interface: &'a str,
    /// From 1.
    attempt: u32,
    said: &'a mut Said,
}

impl Opener<'_> {
    fn broadcast(&mut self, address: Ipv4Addr, port: u16) -> Attempt<UdpMedium> {
        let interface = self.interface;
        let sender = self.socket(libc::AF_INET)?;
        self.set(
            "SO_BROADCAST",
            sender.set(libc::SOL_SOCKET, libc::SO_BROADCAST, &ON),
        )?;
        self.set(
            "SO_DONTROUTE",
            sender.set(libc::SOL_SOCKET, libc::SO_DONTROUTE, &ON),
        )?;
        self.set("SO_BINDTODEVICE(w)", sender.bind_to_device(self.device()))?;
        let receiver = self.receiver(libc::AF_INET)?;
        self.set("SO_BINDTODEVICE(r)", receiver.bind_to_device(self.device()))?;
        self.bind(
            &receiver,
            &Endpoint::v4(Ipv4Addr::UNSPECIFIED, port),
            BIND_ATTEMPTS,
        )?;
        self.info(format!(
            "UDP Broadcast heartbeat started on port {port} ({port}) interface {interface}"
        ));
        // The legacy's parent closes its copies after forking the children, and says so; tools wait for the line.
        self.info(format!(
            "UDP Broadcast heartbeat closed on port {port} interface {interface} - Status: 1"
        ));
        // The one of the configuration may be that of an address which the interface has lost meanwhile.
        let address = host::broadcast_address(interface).unwrap_or(address);
        Ok(UdpMedium {
            sender,
            receiver,
            destination: Endpoint::v4(address, port),
        })
    }

    fn unicast(&mut self, peer: Ipv4Addr, port: u16) -> Attempt<UdpMedium> {
        let interface = self.interface;
        let sender = self.socket(libc::AF_INET)?;
        let low_delay = sender.set(libc::IPPROTO_IP, libc::IP_TOS, &LOW_DELAY);
        self.set("SO_BINDTODEVICE(w)", sender.bind_to_device(self.device()))?;
        let receiver = self.receiver(libc::AF_INET)?;
        self.set("SO_BINDTODEVICE(r)", receiver.bind_to_device(self.device()))?;
        self.bind(
            &receiver,
            &Endpoint::v4(Ipv4Addr::UNSPECIFIED, port),
            BIND_ATTEMPTS,
        )?;
        match low_delay {
            Ok(()) => self.info(format!(
                "ucast: write socket priority set to IPTOS_LOWDELAY on {interface}"
            )),
            Err(error) => self.error(format!(
                "ucast: error setting socket priority: {}",
                errno_text(&error)
            )),
        }
        self.info(format!("ucast: bound send socket to device: {interface}"));
        self.info(format!(
            "ucast: bound receive socket to device: {interface}"
        ));
        self.info(format!(
            "ucast: started on port {port} interface {interface} to {peer}"
        ));
        Ok(UdpMedium {
            sender,
            receiver,
            destination: Endpoint::v4(peer, port),
        })
    }

    fn multicast(&mut self, group: Ipv4Addr, port: u16, ttl: u8, own: bool) -> Attempt<UdpMedium> {
        let (interface, own) = (self.interface, u8::from(own));
        let local = in_address(self.own_address()?);
        let sender = self.socket(libc::AF_INET)?;
        self.set(
            "IP_MULTICAST_IF",
            sender.set(libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &local),
        )?;
        self.set(
            "IP_MULTICAST_LOOP",
            sender.set(libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP, &own),
        )?;
        self.set(
            "IP_MULTICAST_TTL",
            sender.set(libc::IPPROTO_IP, libc::IP_MULTICAST_TTL, &ttl),
        )?;
        let receiver = self.receiver(libc::AF_INET)?;
        let here = Endpoint::v4(group, port);
        self.bind(&receiver, &here, MULTICAST_BIND_ATTEMPTS)?;
        let membership = libc::ip_mreq {
            imr_multiaddr: in_address(group),
            imr_interface: local,
        };
        self.set(
            "IP_ADD_MEMBERSHIP",
            receiver.set(libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP, &membership),
        )?;
        self.info(format!(
            "UDP multicast heartbeat started for group {group} port {port} interface {interface} (ttl={ttl} loop={own})"
        ));
        Ok(UdpMedium {
            sender,
            receiver,
            destination: here,
        })
    }

    fn unicast6(&mut self, peer: Ipv6Addr, port: u16) -> Attempt<UdpMedium> {
        let interface = self.interface;
        let index = self.index()?;
        let sender = self.socket(libc::AF_INET6)?;
        self.set("SO_BINDTODEVICE(w)", sender.bind_to_device(self.device()))?;
        let receiver = self.receiver(libc::AF_INET6)?;
        self.set(
            "IPV6_V6ONLY",
            receiver.set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, &ON),
        )?;
        self.set("SO_BINDTODEVICE(r)", receiver.bind_to_device(self.device()))?;
        self.bind(
            &receiver,
            &Endpoint::v6(Ipv6Addr::UNSPECIFIED, port, 0),
            BIND_ATTEMPTS,
        )?;
        // Only a link-local address needs to be told the interface.
        let (scope, shown) = match peer.is_unicast_link_local() {
            true => (index, format!("{peer}%{interface}")),
            false => (0, peer.to_string()),
        };
        self.info(format!("ucast6: bound send socket to device: {interface}"));
        self.info(format!(
            "ucast6: bound receive socket to device: {interface}"
        ));
        self.info(format!(
            "ucast6: heartbeat started for [{shown}]:{port} on interface {interface}"
        ));
        Ok(UdpMedium {
            sender,
            receiver,
            destination: Endpoint::v6(peer, port, scope),
        })
    }

    fn multicast6(
        &mut self,
        group: Ipv6Addr,
        port: u16,
        hops: u8,
        own: bool,
    ) -> Attempt<UdpMedium> {
        let (interface, own) = (self.interface, libc::c_int::from(own));
        let index = self.index()?;
        let sender = self.socket(libc::AF_INET6)?;
        let limit = libc::c_int::from(hops);
        self.set(
            "IPV6_MULTICAST_IF",
            sender.set(libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF, &index),
        )?;
        self.set(
            "IPV6_MULTICAST_LOOP",
            sender.set(libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_LOOP, &own),
        )?;
        self.set(
            "IPV6_MULTICAST_HOPS",
            sender.set(libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS, &limit),
        )?;
        let receiver = self.receiver(libc::AF_INET6)?;
        self.set(
            "IPV6_V6ONLY",
            receiver.set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, &ON),
        )?;
        let here = Endpoint::v6(group, port, index);
        self.bind(&receiver, &here, MULTICAST_BIND_ATTEMPTS)?;
        let multiaddr = libc::in6_addr {
            s6_addr: group.octets(),
        };
        let membership = libc::ipv6_mreq {
            ipv6mr_multiaddr: multiaddr,
            ipv6mr_interface: index,
        };
        self.set(
            "IPV6_JOIN_GROUP",
            receiver.set(libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP, &membership),
        )?;
        self.info(format!(
            "UDP multicast heartbeat started for [{group}]:{port} on interface {interface} (hops={hops} loop={own})"
        ));
        Ok(UdpMedium {
            sender,
            receiver,
            destination: here,
        })
    }

    fn device(&self) -> &str {
        device_of(self.interface)
    }

    fn index(&mut self) -> Attempt<u32> {
        host::interface_index(self.device()).map_err(|error| {
            let (kind, interface) = (self.kind, self.interface);
            let text = errno_text(&error);
            self.error(format!(
                "{kind} device [{interface}] is invalid or not set up properly: {text}"
            ));
            Obstacle::Absent
        })
    }

    /// The interface's address, which it may not have yet.
    fn own_address(&mut self) -> Attempt<Ipv4Addr> {
        let error = match host::interface_address(self.interface) {
            Ok(address) => return Ok(address),
            Err(error) => error,
        };
        let (interface, text) = (self.interface, errno_text(&error));
        self.error(format!(
            "Unable to retrieve local interface address for interface [{interface}] using ioctl(SIOCGIFADDR): {text}"
        ));
        Err(obstacle(&error))
    }

    fn socket(&mut self, family: libc::c_int) -> Attempt<Socket> {
        Socket::new(family, libc::SOCK_DGRAM, 0).map_err(|error| {
            self.error(format!(
                "{}: Error getting socket: {}",
                self.kind,
                errno_text(&error)
            ));
            Obstacle::Lasting
        })
    }

    /// A socket that shares its port: every medium of this node, and those of a predecessor that is about to end,
    /// listen on the same one.
    fn receiver(&mut self, family: libc::c_int) -> Attempt<Socket> {
        let receiver = self.socket(family)?;
        self.set(
            "SO_REUSEADDR",
            receiver.set(libc::SOL_SOCKET, libc::SO_REUSEADDR, &ON),
        )?;
        Ok(receiver)
    }

    fn set(&mut self, option: &str, done: io::Result<()>) -> Attempt<()> {
        done.map_err(|error| {
            let (kind, interface) = (self.kind, self.interface);
            self.error(format!(
                "{kind}: error setting option {option} on {interface}: {}",
                errno_text(&error)
            ));
            obstacle(&error)
        })
    }

    fn bind(&mut self, receiver: &Socket, to: &Endpoint, attempts_max: u32) -> Attempt<()> {
        let Err(error) = receiver.bind(to) else {
            return Ok(());
        };
        let text = errno_text(&error);
        if self.attempt < attempts_max {
            self.error(format!("Error binding socket ({text}). Retrying."));
            Err(Obstacle::Passing)
        } else {
            self.error(format!("Unable to bind socket ({text}). Giving up."));
            Err(Obstacle::Lasting)
        }
    }

    /// Media are plugins in the legacy, and what plugins say begins with `glib: `.
    fn info(&mut self, text: String) {
        self.said.push((Priority::Info, format!("glib: {text}")));
    }

    fn error(&mut self, text: String) {
        self.said.push((Priority::Error, format!("glib: {text}")));
    }
}

/// An interface that is not there, or has no address, may come.
fn obstacle(error: &io::Error) -> Obstacle {
    match error.raw_os_error() {
        Some(libc::ENODEV | libc::ENXIO | libc::EADDRNOTAVAIL) => Obstacle::Absent,
        _ => Obstacle::Lasting,
    }
}

fn in_address(address: Ipv4Addr) -> libc::in_addr {
    libc::in_addr {
        s_addr: u32::from(address).to_be(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::super::Footing;
    use super::*;
    use crate::clock::monotonic;
    use crate::{Interest, Poller};

    /// Runs a test in a network of its own: a loopback interface and a cable between `v0` (10.0.0.1) and `v1`. Says so
    /// where that is not possible.
    fn in_own_network(test: impl FnOnce() + Send + 'static) {
        let thread = std::thread::spawn(|| {
            if nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).is_err() {
                eprintln!("skipped: a network of its own needs root");
                return;
            }
            for line in [
                "link set lo up",
                "link add v0 type veth peer name v1",
                "link add bare type veth peer name bare1",
                "address add 10.0.0.1/24 dev v0",
                "link set v0 up",
                "link set v1 up",
            ] {
                let done = std::process::Command::new("ip")
                    .args(line.split(' '))
                    .status();
                if !done.is_ok_and(|status| status.success()) {
                    eprintln!("skipped: ip {line}");
                    return;
                }
            }
            test();
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }

    fn ip(line: &str) {
        let done = std::process::Command::new("ip")
            .args(line.split(' '))
            .status();
        assert!(done.is_ok_and(|status| status.success()), "ip {line}");
    }

    fn opened(setup: &MediumSetup) -> (Box<dyn Medium>, Vec<String>) {
        let opening = setup.open(1);
        let said = opening
            .said
            .into_iter()
            .map(|(priority, text)| format!("{}: {text}", priority.word()))
            .collect();
        match opening.outcome {
            Outcome::Open(medium) => (medium, said),
            other => panic!("{other:?}: {said:?}"),
        }
    }

    /// What a medium hears within a bounded time; empty if nothing comes at once and `wait` is false.
    fn heard(medium: &mut dyn Medium, wait: bool) -> Vec<Vec<u8>> {
        let mut poller = Poller::new().unwrap();
        poller.add(medium.descriptor(), 0, Interest::Read).unwrap();
        let deadline = monotonic()
            + if wait {
                Duration::from_secs(20)
            } else {
                Duration::ZERO
            };
        let (mut ready, mut buffer, mut found) =
            (Vec::new(), vec![0; super::super::RECEIVE_MAX], Vec::new());
        poller.wait(Some(deadline), &mut ready).unwrap();
        medium
            .receive(&mut buffer, &mut |payload| found.push(payload.to_vec()))
            .unwrap();
        found
    }

    fn lo() -> String {
        "lo".to_owned()
    }

    #[test]
    fn unicast_reaches_its_peer_from_an_ephemeral_port() {
        in_own_network(|| {
            let peer = Ipv4Addr::new(127, 0, 0, 2);
            let (mut medium, said) = opened(&MediumSetup::Unicast {
                interface: lo(),
                peer,
                port: 694,
            });
            assert_eq!(
                said,
                [
                    "info: glib: ucast: write socket priority set to IPTOS_LOWDELAY on lo",
                    "info: glib: ucast: bound send socket to device: lo",
                    "info: glib: ucast: bound receive socket to device: lo",
                    "info: glib: ucast: started on port 694 interface lo to 127.0.0.2",
                ]
            );
            // Both ends are ours here: every socket on the port hears what is sent to any local address.
            medium.transmit(b"hello").unwrap();
            assert_eq!(heard(&mut *medium, true), [b"hello"]);
            let outside = UdpSocket::bind("127.0.0.1:0").unwrap();
            outside.send_to(b"from outside", "127.0.0.1:694").unwrap();
            assert_eq!(heard(&mut *medium, true), [b"from outside"]);
            assert!(heard(&mut *medium, false).is_empty());
            // An empty datagram is a datagram.
            outside.send_to(b"", "127.0.0.1:694").unwrap();
            assert_eq!(heard(&mut *medium, true), [b""]);
        });
    }

    #[test]
    fn multicast_hears_itself_only_if_told_to() {
        in_own_network(|| {
            let group = Ipv4Addr::new(225, 0, 0, 1);
            let setup = |own| MediumSetup::Multicast {
                interface: "v0".into(),
                group,
                port: 694,
                ttl: 1,
                own,
            };
            let (mut medium, said) = opened(&setup(true));
            let started = "UDP multicast heartbeat started for group 225.0.0.1 port 694 interface v0 (ttl=1 loop=1)";
            assert_eq!(said, [format!("info: glib: {started}")]);
            medium.transmit(b"hello").unwrap();
            assert_eq!(heard(&mut *medium, true), [b"hello"]);
            let (mut deaf, _) = opened(&setup(false));
            deaf.transmit(b"unheard").unwrap();
            medium.transmit(b"heard").unwrap();
            assert_eq!(heard(&mut *medium, true), [b"heard"]);
        });
    }

    #[test]
    fn broadcast_goes_to_the_interfaces_broadcast_address_and_comes_back() {
        in_own_network(|| {
            let address = Ipv4Addr::new(10, 0, 0, 255);
            let (mut medium, said) = opened(&MediumSetup::Broadcast {
                interface: "v0".into(),
                address,
                port: 694,
            });
            assert_eq!(
                said,
                [
                    "info: glib: UDP Broadcast heartbeat started on port 694 (694) interface v0",
                    "info: glib: UDP Broadcast heartbeat closed on port 694 interface v0 - Status: 1",
                ]
            );
            medium.transmit(b"all").unwrap();
            assert_eq!(heard(&mut *medium, true), [b"all"]);
        });
    }

    #[test]
    fn ipv6_media_work_too() {
        in_own_network(|| {
            let peer = Ipv6Addr::LOCALHOST;
            let (mut medium, _) = opened(&MediumSetup::Unicast6 {
                interface: lo(),
                peer,
                port: 694,
            });
            medium.transmit(b"six").unwrap();
            assert_eq!(heard(&mut *medium, true), [b"six"]);
            let group = "ff02::694".parse().unwrap();
            let setup = MediumSetup::Multicast6 {
                interface: "v0".into(),
                group,
                port: 695,
                hops: 1,
                own: true,
            };
            let (mut medium, _) = opened(&setup);
            // Until its link-local address is settled the interface may refuse to send.
            let deadline = monotonic() + Duration::from_secs(20);
            while let Err(error) = medium.transmit(b"many") {
                assert!(monotonic() < deadline, "{error}");
                std::thread::yield_now();
            }
            assert_eq!(heard(&mut *medium, true), [b"many"]);
        });
    }

    #[test]
    fn a_port_in_use_is_tried_again_ten_times() {
        in_own_network(|| {
            // Without SO_REUSEADDR it shares with nobody.
            let _holder = UdpSocket::bind("0.0.0.0:694").unwrap();
            let setup = MediumSetup::Unicast {
                interface: lo(),
                peer: Ipv4Addr::LOCALHOST,
                port: 694,
            };
            for attempt in 1..10 {
                let opening = setup.open(attempt);
                assert!(
                    matches!(opening.outcome, Outcome::Retry(PAUSE)),
                    "{opening:?}"
                );
                let retrying = "glib: Error binding socket (Address already in use). Retrying.";
                assert_eq!(opening.said, [(Priority::Error, retrying.to_owned())]);
            }
            let last = setup.open(10);
            assert!(matches!(last.outcome, Outcome::Failed), "{last:?}");
            let giving_up = "glib: Unable to bind socket (Address already in use). Giving up.";
            assert_eq!(last.said, [(Priority::Error, giving_up.to_owned())]);
        });
    }

    #[test]
    fn a_missing_interface_is_waited_for_with_the_legacy_text() {
        in_own_network(|| {
            let opening = MediumSetup::Unicast {
                interface: "eth9".into(),
                peer: Ipv4Addr::LOCALHOST,
                port: 694,
            }
            .open(1);
            assert!(matches!(opening.outcome, Outcome::Absent), "{opening:?}");
            let text =
                "glib: ucast: error setting option SO_BINDTODEVICE(w) on eth9: No such device";
            assert_eq!(opening.said, [(Priority::Error, text.to_owned())]);
        });
    }

    #[test]
    fn an_interface_without_address_is_waited_for() {
        in_own_network(|| {
            let setup = MediumSetup::Multicast {
                interface: "bare".into(),
                group: Ipv4Addr::new(225, 0, 0, 1),
                port: 694,
                ttl: 1,
                own: false,
            };
            let first = setup.open(1);
            assert!(matches!(first.outcome, Outcome::Absent), "{first:?}");
            assert_eq!(first.said.len(), 1);
            let bare = setup.footing();
            assert!(matches!(bare, Footing::Interface { address: None, .. }));
            ip("address add 10.1.0.1/24 dev bare");
            assert!(bare.is_lost(setup.footing()));
            opened(&setup);
        });
    }

    #[test]
    fn an_interface_made_anew_is_another_one() {
        in_own_network(|| {
            let setup = MediumSetup::Unicast {
                interface: "v0".into(),
                peer: Ipv4Addr::new(10, 0, 0, 2),
                port: 694,
            };
            let (mut medium, _) = opened(&setup);
            let before = setup.footing();
            ip("link del v0");
            assert_eq!(setup.footing(), Footing::Absent);
            assert!(before.is_lost(Footing::Absent));
            assert!(medium.transmit(b"lost").is_err());
            ip("link add v0 type veth peer name v1");
            ip("address add 10.0.0.1/24 dev v0");
            ip("link set v0 up");
            ip("link set v1 up");
            // The old sockets stay useless; new ones work.
            assert!(medium.transmit(b"lost").is_err());
            assert!(before.is_lost(setup.footing()));
            let (mut medium, _) = opened(&setup);
            medium.transmit(b"sent").unwrap();
        });
    }

    #[test]
    fn broadcasts_go_to_the_address_that_the_interface_has_now() {
        in_own_network(|| {
            let setup = MediumSetup::Broadcast {
                interface: "v0".into(),
                address: Ipv4Addr::new(10, 0, 0, 255),
                port: 694,
            };
            ip("address add 10.7.0.1/24 broadcast + dev v0");
            ip("address del 10.0.0.1/24 dev v0");
            let (mut medium, _) = opened(&setup);
            medium.transmit(b"all").unwrap();
            assert_eq!(heard(&mut *medium, true), [b"all"]);
        });
    }
}
