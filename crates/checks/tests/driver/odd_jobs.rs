//! Connects, pings, tokens, and want of descriptors.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use checks::{Checker, Outcome, Verdict};
use ha_config::ldirectord::{Probe, ProbeKind};
use ha_sys::Ready;
use ha_sys::clock::monotonic;

use super::bench::*;

#[test]
fn connect_says_nothing() {
    let server = Server::raw(Ipv4Addr::LOCALHOST.into(), |stream, heard| {
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        heard.lock().unwrap().push(said);
    });
    assert_eq!(
        check(&probe(server.address, ProbeKind::Connect)),
        Verdict::up("-")
    );
    let mut it = Loop::new();
    it.run_until(|_| !server.heard.lock().unwrap().is_empty());
    assert_eq!(*server.heard.lock().unwrap(), [Vec::<u8>::new()]);
}

#[test]
fn connect_to_nobody_and_to_no_port() {
    assert_eq!(
        check(&probe(closed_port(), ProbeKind::Connect)),
        Verdict::down("Connection refused")
    );
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    assert!(!check(&probe(nowhere, ProbeKind::Connect)).up);
}

fn ping(address: Ipv4Addr, attempts: u32) -> Probe {
    Probe {
        timeout: Duration::from_millis(200),
        ..probe(SocketAddr::from((address, 0)), ProbeKind::Ping { attempts })
    }
}

/// Pings need a socket that not everybody may open.
fn may_ping() -> bool {
    let may = ha_sys::media::EchoSocket::open_v4().is_ok();
    if !may {
        eprintln!("skipped: no kind of ICMP socket is allowed here");
    }
    may
}

#[test]
fn many_pings_over_one_socket() {
    if !may_ping() {
        return;
    }
    let mut it = Loop::new();
    for id in 0..500_u64 {
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + id as u32);
        it.start(id, &within(ping(address, 1), PATIENCE / 2));
    }
    it.run_until(|it| it.outcomes.len() == 500);
    for (id, outcome) in &it.outcomes {
        assert_eq!(*outcome, Outcome::Verdict(Verdict::up("-")), "{id}");
    }
    assert_eq!(it.checker.next_deadline(), None);
    assert_eq!(it.checker.running(), 0);
}

/// In a network namespace of its own, whose kernel is told not to reply.
#[test]
fn a_ping_without_reply_takes_all_its_attempts() {
    if std::env::var_os("CHECKS_NAMESPACE").is_none() {
        let output = std::process::Command::new("unshare")
            .args(["--net", "--map-root-user", "sh", "-c"])
            .arg("ip link set lo up && echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all || exit 77; exec \"$@\"")
            .arg("sh")
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "odd_jobs::a_ping_without_reply_takes_all_its_attempts"])
            .env("CHECKS_NAMESPACE", "1")
            .output();
        match output {
            Ok(output) if output.status.code() == Some(77) => {
                eprintln!("skipped: no namespace can be set up: {output:?}");
            }
            Ok(output) => assert!(output.status.success(), "{output:?}"),
            Err(error) => eprintln!("skipped: no namespaces: {error}"),
        }
        return;
    }
    let begin = monotonic();
    let verdict = check(&ping(Ipv4Addr::LOCALHOST, 3));
    assert_eq!(verdict, Verdict::down("Connection timed out"));
    assert!(monotonic() - begin >= 3 * Duration::from_millis(200));
    // No route is known at once.
    let verdict = check(&ping(Ipv4Addr::new(192, 0, 2, 1), 3));
    assert_eq!(verdict, Verdict::down("Network is unreachable"));
}

#[test]
fn stale_and_foreign_tokens_do_no_harm() {
    let server = answering(ok("woshi"));
    let mut it = Loop::new();
    assert!(it.check(&http(server.address, "woshi")).up);
    for token in [
        0,
        1,
        u64::MAX,
        Checker::TOKEN_BIT,
        Checker::TOKEN_BIT | 5 << 60,
        !0 >> 1,
    ] {
        for slot in [0, 1, 77] {
            let ready = Ready {
                token: token | slot,
                readable: true,
                writable: true,
            };
            it.checker.ready(monotonic(), ready, &it.poller);
        }
    }
    assert_eq!(it.checker.poll_outcome(), None);
    assert!(it.check(&http(server.address, "woshi")).up);
}

#[test]
fn a_cancelled_check_has_no_outcome_and_its_number_is_free() {
    let silent = Server::new(|stream, _| hang(stream));
    let good = answering(ok("woshi"));
    let mut it = Loop::new();
    it.start(7, &http(silent.address, "woshi"));
    it.checker.cancel(monotonic(), 7, &it.poller);
    assert_eq!(it.checker.running(), 0);
    it.start(7, &http(silent.address, "woshi"));
    it.start(7, &http(good.address, "woshi"));
    it.run_until(|it| it.outcomes.contains_key(&7));
    assert_eq!(it.outcomes[&7], Outcome::Verdict(Verdict::up("200 OK")));
    it.start(8, &http(silent.address, "woshi"));
    it.checker.cancel_all();
    assert_eq!(
        (it.checker.running(), it.checker.next_deadline()),
        (0, None)
    );
    it.collect();
    assert!(!it.outcomes.contains_key(&8));
}
