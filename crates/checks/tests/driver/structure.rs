//! Many checks at once.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use checks::{Outcome, Verdict};
use ha_config::ldirectord::ProbeKind;
use ha_sys::clock::monotonic;

use super::bench::*;

/// The legacy checks one server after the other, so a silent one holds up all others for its whole time-out. Here the
/// others are done while the silent one still has all of its time.
#[test]
fn one_silent_server_among_500_delays_nobody() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let good = Server::new(|stream, _| {
        let _ = stream.write_all(ok("woshi").as_bytes());
    });
    let mut it = Loop::new();
    it.start(0, &http(silent.local_addr().unwrap(), "woshi"));
    for id in 1..=500 {
        it.start(id, &http(good.address, "woshi"));
    }
    // All were begun before anything was waited for.
    assert_eq!(it.checker.running(), 501);
    it.run_until(|it| it.outcomes.len() == 500);
    assert!(!it.outcomes.contains_key(&0));
    for id in 1..=500 {
        assert_eq!(
            it.outcomes[&id],
            Outcome::Verdict(Verdict::up("200 OK")),
            "{id}"
        );
    }
    it.checker.cancel(monotonic(), 0, &it.poller);
}

#[test]
fn deadlines_fall_due_in_order_and_slots_are_used_again() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = silent.local_addr().unwrap();
    let mut it = Loop::new();
    for round in 0..3 {
        for id in 0..20_u64 {
            let limit = Duration::from_millis(20 + (19 - id) * 5);
            it.start(id, &within(http(address, ""), limit));
        }
        let mut order = Vec::new();
        it.run_until(|it| {
            let mut now: Vec<u64> = it.outcomes.drain().map(|(id, _)| id).collect();
            now.sort_unstable_by(|a, b| b.cmp(a));
            order.extend(now);
            order.len() == 20
        });
        assert_eq!(order, (0..20).rev().collect::<Vec<u64>>(), "{round}");
    }
}

/// A machine without descriptors says nothing about its servers.
#[test]
fn want_of_descriptors_is_no_verdict() {
    // In a process of its own, since the limit holds for all tests here.
    if std::env::var_os("CHECKS_WANT").is_none() {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "structure::want_of_descriptors_is_no_verdict"])
            .env("CHECKS_WANT", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut it = Loop::new();
    let (_, hard) =
        nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, 40, hard).unwrap();
    let address = server.local_addr().unwrap();
    for id in 0..100 {
        it.start(id, &probe(address, ProbeKind::Connect));
    }
    it.run_until(|it| it.outcomes.len() == 100);
    let local = it
        .outcomes
        .values()
        .filter(|outcome| **outcome == Outcome::Local("Too many open files".to_owned()))
        .count();
    assert!(local >= 60, "{local}");
    let down = it
        .outcomes
        .values()
        .find(|outcome| matches!(outcome, Outcome::Verdict(verdict) if !verdict.up));
    assert_eq!(down, None);
}
