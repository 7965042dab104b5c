//! Pages.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use checks::Verdict;
use ha_sys::clock::monotonic;

use super::bench::*;

const SHORT: Duration = Duration::from_millis(300);

#[test]
fn a_good_page_and_a_wrong_one() {
    let server = answering(ok("woshirongqi"));
    assert_eq!(check(&http(server.address, "woshi")), Verdict::up("200 OK"));
    assert_eq!(
        check(&http(server.address, "^woshi$")),
        Verdict::down("woshirongqi")
    );
    assert!(server.requests()[0].starts_with("GET /index.html HTTP/1.1\r\n"));
}

#[test]
fn over_ipv6() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: no IPv6 on loopback");
        return;
    }
    let server = Server::at("::1".parse().unwrap(), |stream, _| {
        let _ = stream.write_all(ok("woshi").as_bytes());
    });
    assert_eq!(check(&http(server.address, "woshi")), Verdict::up("200 OK"));
    assert!(server.requests()[0].contains("\r\nHost: [::1]\r\n"));
}

#[test]
fn nobody_listens() {
    let address = closed_port();
    assert_eq!(
        check(&http(address, "woshi")),
        Verdict::down(format!(
            "500 Can't connect to {address} (Connection refused)"
        ))
    );
}

#[test]
fn a_server_that_accepts_and_is_silent_is_down_at_the_deadline() {
    let server = Server::new(|stream, _| hang(stream));
    let begin = monotonic();
    let verdict = check(&within(http(server.address, "woshi"), SHORT));
    assert_eq!(verdict, Verdict::down("Connection timed out"));
    assert!(monotonic() - begin >= SHORT);
}

/// A queue of connections that is full does not answer at all.
#[test]
fn a_server_that_does_not_even_accept_is_down_at_the_deadline() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let verdict = check(&within(http(listener.local_addr().unwrap(), "x"), SHORT));
    assert_eq!(verdict, Verdict::down("Connection timed out"));
}

#[test]
fn dripping_does_not_extend_the_deadline() {
    let server = Server::new(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nwoshi");
        while stream.write_all(b".").is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let verdict = check(&within(http(server.address, "woshi"), SHORT));
    assert_eq!(verdict, Verdict::down("Connection timed out"));
}

#[test]
fn a_drip_that_ends_in_time_is_a_page() {
    let server = Server::new(|stream, _| {
        for byte in ok("woshi").bytes() {
            let _ = stream.write_all(&[byte]);
        }
    });
    assert_eq!(check(&http(server.address, "woshi")), Verdict::up("200 OK"));
}

#[test]
fn a_reset_before_the_answer_and_in_the_middle_of_it() {
    let server = Server::new(|stream, _| reset(stream));
    assert_eq!(
        check(&http(server.address, "woshi")),
        Verdict::down("500 Status read failed: Connection reset by peer")
    );
    // Judged by what came, as the legacy's library does.
    let server = Server::new(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nwos");
        reset(stream);
    });
    let verdict = check(&http(server.address, "woshi"));
    // The reset may overtake what was sent before it.
    assert!(
        verdict == Verdict::down("wos")
            || verdict == Verdict::down("500 Status read failed: Connection reset by peer"),
        "{verdict:?}"
    );
}

#[test]
fn a_huge_page() {
    let server = Server::new(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nwoshi");
        while stream.write_all(&[b'.'; 65_536]).is_ok() {}
    });
    assert_eq!(check(&http(server.address, "woshi")), Verdict::up("200 OK"));
    let verdict = check(&http(server.address, "something else"));
    assert!(!verdict.up && verdict.remark.is_some());
    assert_eq!(verdict.text.len(), Verdict::TEXT_MAX);
}

#[test]
fn redirects_to_another_server_by_name_and_in_a_circle() {
    let target = answering(ok("woshi"));
    let port = target.address.port();
    let redirecting = answering(format!(
        "HTTP/1.1 302 Found\r\nLocation: http://localhost:{port}/z\r\nContent-Length: 0\r\n\r\n"
    ));
    assert_eq!(
        check(&http(redirecting.address, "woshi")),
        Verdict::up("200 OK")
    );
    assert!(target.requests()[0].contains(&format!("\r\nHost: localhost:{port}\r\n")));

    let circle = answering("HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n");
    assert_eq!(
        check(&http(circle.address, "woshi")),
        Verdict::down("302 Found")
    );
    assert_eq!(circle.requests().len(), 8);
}

#[test]
fn a_redirect_to_a_name_that_is_none() {
    let server = answering("HTTP/1.1 302 Found\r\nLocation: http://no.such.host.invalid/\r\n\r\n");
    let verdict = check(&http(server.address, ""));
    assert!(!verdict.up, "{verdict:?}");
    assert!(
        verdict
            .text
            .starts_with("500 Can't connect to no.such.host.invalid:80 (")
            || verdict.text == "Connection timed out",
        "{verdict:?}"
    );
}

#[test]
fn an_invalid_receive_is_down_and_nothing_is_sent() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    let server = Server::new(move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let probe = http(server.address, "(woshi");
    let verdict = check(&probe);
    assert!(!verdict.up && verdict.remark.is_some());
    assert_eq!(connections.load(Ordering::Relaxed), 0);
}

/// Ten thousand checks a second must not leave ten thousand ports waiting for a minute.
#[test]
fn who_closes_first() {
    let server = answering(ok("woshi"));
    let slow = Server::new(|stream, _| {
        let _ = stream.write_all(ok("woshi").as_bytes());
        hang(stream);
    });
    let mut it = Loop::new();
    for _ in 0..20 {
        assert!(it.check(&http(server.address, "woshi")).up);
        assert!(it.check(&http(slow.address, "woshi")).up);
    }
    let connect = probe(server.address, ha_config::ldirectord::ProbeKind::Connect);
    assert!(it.check(&connect).up);
    // Servers that do not close have a second; then the connections are reset.
    it.run_until(|it| it.checker.next_deadline().is_none());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    for port in [server.address.port(), slow.address.port()] {
        let remote = format!("0100007F:{port:04X}");
        let left: Vec<&str> = table
            .lines()
            .filter(|line| line.split_whitespace().nth(2) == Some(&remote))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
