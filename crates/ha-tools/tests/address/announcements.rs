//! What goes over the wire.

use std::fs;
use std::net::Ipv4Addr;

use ha_net::{Announcement, ArpFrame, ArpSocket, Netlink, Plan, Purpose, RivalWatch};

use crate::sandbox::{Needs, Side, in_namespace, until};

const VIP: Ipv4Addr = Ipv4Addr::new(192, 168, 6, 66);

/// Hears the frames that come out at the far end of eth0.
struct Ear {
    socket: ArpSocket,
    far_end: u32,
}

impl Ear {
    fn new() -> Ear {
        let mut socket = ArpSocket::open().expect("a packet socket");
        socket.watch(&[VIP]).expect("a filter");
        Ear {
            socket,
            far_end: index("p0"),
        }
    }

    fn frames(&self) -> Vec<ArpFrame> {
        let mut frames = Vec::new();
        while let Some(heard) = self.socket.receive().expect("frames") {
            if heard.link == self.far_end {
                frames.push(heard.frame);
            }
        }
        frames
    }

    /// Waits for so many frames.
    fn hear(&self, count: usize) -> Vec<ArpFrame> {
        let mut frames = Vec::new();
        until("enough frames", || {
            frames.extend(self.frames());
            (frames.len() >= count).then_some(())
        });
        frames
    }
}

fn index(name: &str) -> u32 {
    let mut netlink = Netlink::open().expect("route netlink");
    netlink
        .link_by_name(name)
        .expect("an answer")
        .expect("the link")
        .index
}

#[test]
fn send_arp_sends_the_legacys_frames() {
    in_namespace(
        "announcements::send_arp_sends_the_legacys_frames",
        Needs::RootAndLegacy,
        || {
            let ear = Ear::new();
            let calls: [(&str, usize); 4] = [
                ("-p /run/pid eth0 192.168.6.66 auto x x", 2),
                (
                    "-i 40 -r 3 -p /run/pid eth0 192.168.6.66 auto 192.168.6.66 ffffffffffff",
                    6,
                ),
                (
                    "-i 40 -r 2 -p /run/pid eth0:0 192.168.6.66 AUTO not_used not_used",
                    4,
                ),
                (
                    "-i 40 -r 2 -p /run/pid eth0 192.168.6.66 00a0cc34a878 x x",
                    4,
                ),
            ];
            for (call, count) in calls {
                let [ours, theirs] = Side::BOTH.map(|side| {
                    let finished = side.call("send_arp", call.split(' '), &[]);
                    assert_eq!(finished.code, 0, "{side:?} {call}: {}", finished.stderr);
                    assert!(
                        !fs::exists("/run/pid").expect("an answer"),
                        "{side:?} {call}"
                    );
                    ear.frames()
                });
                assert_eq!(ours.len(), count, "{call}");
                assert_eq!(ours, theirs, "{call}");
            }
        },
    );
}

#[test]
fn send_arp_fails_where_the_legacy_fails() {
    in_namespace(
        "announcements::send_arp_fails_where_the_legacy_fails",
        Needs::RootAndLegacy,
        || {
            crate::sandbox::ip("link set eth1 down");
            for call in [
                "",
                "-h",
                "eth0 192.168.6.66 auto x",
                "-p /run/pid eth9 192.168.6.66 auto x x",
                "-p /run/pid eth1 192.168.6.66 auto x x",
                "-p relative eth0 192.168.6.66 auto x x",
                "-p /run/none/none/pid eth0 192.168.6.66 auto x x",
                "-p /run/pid -r 0 eth0 192.168.6.66 auto x x",
            ] {
                for side in Side::BOTH {
                    let finished = side.call("send_arp", call.split_whitespace(), &[]);
                    assert_eq!(finished.code, 1, "{side:?} {call}");
                    assert!(
                        !fs::exists("/run/pid").expect("an answer"),
                        "{side:?} {call}"
                    );
                }
            }
            // An empty pid file is removed at the first try and no obstacle at the second.
            for side in Side::BOTH {
                fs::write("/run/pid", "").expect("a file");
                let call = || {
                    side.call(
                        "send_arp",
                        "-p /run/pid -i 10 eth0 192.168.6.66 auto x x".split(' '),
                        &[],
                    )
                    .code
                };
                assert_eq!([call(), call()], [1, 0], "{side:?}");
            }
            // On the loopback interface it sends to nobody, successfully.
            for side in Side::BOTH {
                let finished = side.call(
                    "send_arp",
                    "-p /run/pid -i 10 lo 192.168.6.66 auto x x".split(' '),
                    &[],
                );
                assert_eq!(finished.code, 0, "{side:?}");
            }
        },
    );
}

#[test]
fn the_agents_announce_what_the_legacy_announces() {
    in_namespace(
        "announcements::the_agents_announce_what_the_legacy_announces",
        Needs::RootAndLegacy,
        || {
            let ear = Ear::new();
            for agent in ["IPaddr", "IPaddr2"] {
                let [ours, theirs] = Side::BOTH.map(|side| {
                    let spec = "192.168.6.66/24/eth0";
                    assert_eq!(
                        side.call(agent, [spec, "start"], &[]).code,
                        0,
                        "{side:?} {agent}"
                    );
                    let frames = ear.hear(4);
                    if side == Side::Ours {
                        let pidfile = side.pidfile("192.168.6.66");
                        assert!(pidfile.exists(), "{agent} announces on");
                    }
                    assert_eq!(
                        side.call(agent, [spec, "stop"], &[]).code,
                        0,
                        "{side:?} {agent}"
                    );
                    // A last frame may be on its way while the announcer is killed, so the order across a stop is not
                    // compared; `send_arp_sends_the_legacys_frames` does that.
                    let form = |purpose| {
                        frames
                            .iter()
                            .copied()
                            .find(|frame| frame.purpose == purpose)
                    };
                    let forms = [Purpose::Request, Purpose::Reply].map(form);
                    assert!(
                        frames.iter().all(|&frame| forms.contains(&Some(frame))),
                        "{frames:?}"
                    );
                    forms
                });
                assert_eq!(ours, theirs, "{agent}: ours, theirs");
            }
        },
    );
}

#[test]
fn a_second_announcer_replaces_the_first() {
    in_namespace(
        "announcements::a_second_announcer_replaces_the_first",
        Needs::Root,
        || {
            let ear = Ear::new();
            let pidfile = Side::Ours.pidfile("192.168.6.66");
            assert_eq!(
                Side::Ours
                    .call("IPaddr", ["192.168.6.66/24", "start"], &[])
                    .code,
                0
            );
            let first = fs::read_to_string(&pidfile).expect("a pid");
            ear.hear(1);
            let path = pidfile.to_str().expect("a text");
            let finished = Side::Ours.call(
                "send_arp",
                ["-p", path, "eth0", "192.168.6.66", "auto", "x", "x"],
                &[],
            );
            assert_eq!(finished.code, 0);
            assert!(
                finished
                    .stderr
                    .contains(&format!("Killed old send_arp process [{first}]")),
                "{}",
                finished.stderr
            );
            assert!(!pidfile.exists());
        },
    );
}

/// The daemon's way: no process, a schedule, and an answer to a rival.
#[test]
fn a_rival_on_the_wire_is_heard_and_answered() {
    in_namespace(
        "announcements::a_rival_on_the_wire_is_heard_and_answered",
        Needs::Root,
        || {
            let mut netlink = Netlink::open().expect("route netlink");
            let mut named = |name| {
                netlink
                    .link_by_name(name)
                    .expect("an answer")
                    .expect("the link")
            };
            let (eth0, p0) = (named("eth0"), named("p0"));
            let ours = eth0.mac.expect("a hardware address");
            let theirs = p0.mac.expect("a hardware address");
            let mut watch = RivalWatch::new();
            watch.set_own(vec![ours]);
            watch.hold("eth0", eth0.index, ours, VIP);
            let mut ear = ArpSocket::open().expect("a packet socket");
            ear.watch(&watch.addresses()).expect("a filter");

            let now = std::time::Duration::from_secs(1);
            let mouth = ArpSocket::open().expect("a packet socket");
            let other = Announcement::new(
                "p0",
                p0.index,
                theirs,
                Ipv4Addr::new(192, 168, 6, 67),
                Plan::Takeover,
            );
            let rival = Announcement::new("p0", p0.index, theirs, VIP, Plan::Takeover);
            for mut announcement in [other, rival] {
                for frame in announcement.due(now) {
                    mouth.send(announcement.link, &frame).expect("sent");
                }
            }
            let heard = until("the rival", || ear.receive().expect("frames"));
            assert_eq!(
                (heard.link, heard.frame.sender_ip),
                (eth0.index, VIP),
                "the other address is filtered out"
            );
            let rival = watch.heard(now, heard.link, &heard.frame).expect("a rival");
            assert_eq!(rival.mac, theirs);

            let far_end = Ear::new();
            let mut answer = rival.answer;
            for frame in answer.due(now) {
                mouth.send(answer.link, &frame).expect("sent");
            }
            let frames = far_end.hear(2);
            let purposes: Vec<Purpose> = frames.iter().map(|frame| frame.purpose).collect();
            assert_eq!(purposes, [Purpose::Request, Purpose::Reply]);
            assert!(
                frames
                    .iter()
                    .all(|frame| frame.sender_mac == ours && frame.sender_ip == VIP)
            );
        },
    );
}
