//! The library in a real kernel, as the daemon uses it: no process anywhere.

use std::net::Ipv4Addr;
use std::path::Path;

use ha_net::{Address, Family, NetError, Netlink};
use ha_resources::address::{Site, run_invocation};
use ha_resources::{Action, Invocation, NativeAgent, Paths, judge_status};

use crate::sandbox::{Needs, addresses, in_namespace, ip};

fn errno(result: Result<(), NetError>) -> Option<i32> {
    result.expect_err("refused").errno()
}

#[test]
fn the_daemon_runs_an_agent_without_a_process() {
    in_namespace(
        "library::the_daemon_runs_an_agent_without_a_process",
        Needs::Root,
        || {
            let mut netlink = Netlink::open().expect("route netlink");
            let scratch = Path::new("/run/ours").to_owned();
            let paths = Paths {
                scratch,
                ..Paths::default()
            };
            let site = Site::new(&paths, Path::new("/usr/lib64/heartbeat"), true);
            let base = addresses();
            for native in [NativeAgent::IpAddr, NativeAgent::IpAddr2] {
                let mut invocation = Invocation {
                    path: "/etc/ha.d/resource.d/IPaddr".into(),
                    arguments: vec!["192.168.6.66/24/eth0".to_owned()],
                    action: Action::Status,
                    native: Some(native),
                    word: "192.168.6.66/24/eth0".to_owned(),
                };
                let mut act = |action| {
                    invocation.action = action;
                    run_invocation(&invocation, &site, &mut netlink).expect("an agent of ours")
                };
                assert!(!judge_status(act(Action::Status).output().as_bytes()));
                let started = act(Action::Start);
                assert_eq!(started.code, 0, "{started:?}");
                let announcement = started.announce.expect("an announcement");
                assert_eq!(
                    (announcement.interface.as_str(), announcement.address),
                    ("eth0", Ipv4Addr::new(192, 168, 6, 66))
                );
                assert!(judge_status(act(Action::Status).output().as_bytes()));
                assert_eq!(act(Action::Stop).code, 0);
                assert_eq!(addresses(), base);
                assert!(
                    !Path::new("/run/ours/send_arp").exists(),
                    "no pid file without a process"
                );

                invocation.arguments.push("more".to_owned());
                assert_eq!(
                    run_invocation(&invocation, &site, &mut netlink),
                    None,
                    "for the program to complain"
                );
                invocation.arguments.pop();
                invocation.native = None;
                assert_eq!(run_invocation(&invocation, &site, &mut netlink), None);
            }
        },
    );
}

#[test]
fn addresses_links_and_routes_change_as_told() {
    in_namespace(
        "library::addresses_links_and_routes_change_as_told",
        Needs::Root,
        || {
            let mut netlink = Netlink::open().expect("route netlink");
            let eth1 = netlink
                .link_by_name("eth1")
                .expect("an answer")
                .expect("the link");
            let source = Ipv4Addr::new(10, 9, 0, 77);
            let mut address = Address::new(eth1.index, source.into(), 16);
            address.label = Some("eth1:x".to_owned());
            netlink.add_address(&address).expect("added");
            assert_eq!(errno(netlink.add_address(&address)), Some(libc::EEXIST));
            let listed = netlink.addresses(Family::V4).expect("a list");
            let found = listed
                .iter()
                .find(|other| other.ip == address.ip)
                .expect("listed");
            assert_eq!(
                (found.label.as_deref(), found.secondary),
                (Some("eth1:x"), true)
            );

            ip("route add default via 10.9.0.2 metric 9");
            let default = |netlink: &mut Netlink| {
                let routes = netlink.routes().expect("a list");
                routes
                    .into_iter()
                    .find(|route| (route.prefix_len, route.metric) == (0, 9))
                    .expect("the route")
            };
            let before = default(&mut netlink);
            assert_eq!(
                (before.gateway, before.link),
                (Some(Ipv4Addr::new(10, 9, 0, 2)), eth1.index)
            );
            netlink
                .change_preferred_source(&before, Some(source))
                .expect("changed");
            let changed = default(&mut netlink);
            assert_eq!(
                changed,
                ha_net::Route {
                    preferred_source: Some(source),
                    ..before
                }
            );
            netlink
                .change_preferred_source(&changed, None)
                .expect("changed");
            assert_eq!(default(&mut netlink), before);
            let foreign = Some(Ipv4Addr::new(1, 2, 3, 4));
            assert_eq!(
                errno(netlink.change_preferred_source(&before, foreign)),
                Some(libc::EINVAL)
            );

            ip("route add 10.50.0.1/32 via 10.9.0.2");
            netlink
                .delete_host_route(Ipv4Addr::new(10, 50, 0, 1), None)
                .expect("deleted");
            assert_eq!(
                errno(netlink.delete_host_route(Ipv4Addr::new(10, 50, 0, 1), None)),
                Some(libc::ESRCH)
            );

            netlink.delete_address(&address).expect("deleted");
            assert_eq!(
                errno(netlink.delete_address(&address)),
                Some(libc::EADDRNOTAVAIL)
            );
            netlink
                .set_link_up(eth1.index, false)
                .expect("switched off");
            assert!(
                !netlink
                    .link_by_index(eth1.index)
                    .expect("an answer")
                    .expect("the link")
                    .up
            );
        },
    );
}

/// More than one datagram's worth of everything.
#[test]
fn long_lists_are_complete() {
    in_namespace("library::long_lists_are_complete", Needs::Root, || {
        let mut netlink = Netlink::open().expect("route netlink");
        let eth1 = netlink
            .link_by_name("eth1")
            .expect("an answer")
            .expect("the link");
        for number in 0..1500u32 {
            let ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 200, 0, 0)) + number);
            netlink
                .add_address(&Address::new(eth1.index, ip.into(), 32))
                .expect("added");
            let batch = (number % 100 == 0)
                .then(|| format!("link add many{number} type veth peer name peer{number}"));
            batch.map(|command| self::ip(&command));
        }
        assert_eq!(netlink.addresses(Family::V4).expect("a list").len(), 1503);
        let links = netlink.links().expect("a list");
        assert_eq!(
            links
                .iter()
                .filter(|link| link.name.starts_with("many"))
                .count(),
            15
        );
    });
}
