//! What an accepted file means, where it is easily misread.

use std::time::Duration;

use ha_config::ldirectord::{
    CheckPlan, FakeHost, Ldirectord, LogTarget, ProbeKind, ServiceCheck, parse,
};

fn read(text: &str) -> (Ldirectord, Vec<&'static str>) {
    let parsed = parse(text.as_bytes(), "x.cf", &FakeHost::default());
    let codes = parsed.diagnostics.iter().map(|said| said.code).collect();
    let value = parsed
        .value
        .unwrap_or_else(|| panic!("refused: {:?}\n{text}", parsed.diagnostics));
    (value, codes)
}

/// The first service with one real server and these lines.
fn identity(real: &str, lines: &str) -> String {
    let (config, _) = read(&format!(
        "virtual=192.168.6.66:80\n    real={real}\n{lines}"
    ));
    config.virtuals[0].reals[0].identity.clone()
}

#[test]
fn identities() {
    let plain = "192.168.6.42:80 gate";
    for (real, lines, wanted) in [
        (
            "192.168.6.42:80 gate 2",
            "    request=\"index.html\"\n    receive=\"woshi\"\n",
            r"negotiate:http:tcp:192.168.6.42:80:::2:gate:\/index\.html:woshi",
        ),
        (
            plain,
            "    checktype=negotiate 3\n",
            r"combined:http:tcp:192.168.6.42:80:::1:gate:\/:",
        ),
        (
            plain,
            "    checktype=\"external-perl\"\n    checkcommand=\"x\"\n",
            r"external-perl:x:tcp:192.168.6.42:80:::1:gate:\/:",
        ),
        (
            plain,
            "    checktype=connect\n    virtualhost=\"a\"b\n    checkport=81\n",
            r"connect:tcp:192.168.6.42:80:a:81:1:gate:\/:",
        ),
        (
            "(192.168.6.42:80 gate x \"a b\", \"c 3\"",
            "    checktype=ping\n",
            r"ping:tcp:192.168.6.42:80:::1:gate:a\ b:c\ 3",
        ),
        (
            "10.1:80 ipip",
            "    checktype=off\n",
            r"off:tcp:10.0.0.1:80:::1:ipip:\/:",
        ),
    ] {
        assert_eq!(identity(real, lines), wanted, "{real} {lines}");
    }
    let (config, _) =
        read("virtual6=[fe80::1]:53\n    real6=[::1]:domain masq 2\n    checktype=ping\n");
    assert_eq!(config.virtuals[0].id(), "udp:[fe80::1]:53");
    assert_eq!(
        config.virtuals[0].reals[0].identity,
        r"ping:udp:[::1]:53:::2:masq:\/:"
    );
}

/// The limit and the port of the only check.
fn check(globals: &str, virtual_port: u16, real: &str, lines: &str) -> (u64, u16) {
    let text =
        format!("{globals}virtual=192.168.6.66:{virtual_port}\n    real={real} masq\n{lines}");
    match &read(&text).0.virtuals[0].reals[0].check {
        CheckPlan::Every(probe) => (probe.timeout.as_secs(), probe.port),
        other => panic!("{other:?}"),
    }
}

/// `ldirectord.md` 4.3.
#[test]
fn limits_are_inherited_crosswise() {
    let seconds = |globals: &str, lines: &str| check(globals, 80, "10.0.0.1:80", lines).0;
    let connect = "    checktype=connect\n";
    assert_eq!((seconds("", ""), seconds("", connect)), (30, 5));
    let both = "checktimeout=3\nnegotiatetimeout=7\n";
    assert_eq!((seconds(both, ""), seconds(both, connect)), (7, 3));
    assert_eq!(
        (
            seconds("checktimeout=3\n", ""),
            seconds("negotiatetimeout=7\n", connect)
        ),
        (3, 7)
    );
    let own = "    negotiatetimeout=9\n";
    assert_eq!(seconds(both, own), 9);
    assert_eq!(seconds(both, &format!("{own}{connect}")), 9);
    assert_eq!(seconds(both, "    checktimeout=4\n"), 4);
    for service in ["ldap", "ldaps", "radius"] {
        assert_eq!(
            seconds(both, &format!("    service={service}\n")),
            3,
            "{service}"
        );
    }
    for kind in ["ping", "external"] {
        assert_eq!(
            seconds(both, &format!("    checktype={kind}\n")),
            3,
            "{kind}"
        );
    }
}

/// `ldirectord.md` 4.4 and 6.1.
#[test]
fn which_port_is_checked() {
    let port = |virtual_port, real: &str, lines: &str| check("", virtual_port, real, lines).1;
    assert_eq!(port(80, "10.0.0.1:8080", ""), 8080);
    assert_eq!(port(80, "10.0.0.1:8080", "    checkport=81\n"), 81);
    assert_eq!(port(80, "10.0.0.1", ""), 80);
    assert_eq!(port(99, "10.0.0.1", "    service=imaps\n"), 993);
    // 2.1 asks a name server at its usual port, whatever the real server's is.
    assert_eq!(port(53, "10.0.0.1:5353", ""), 53);
    assert_eq!(port(53, "10.0.0.1:5353", "    checkport=5353\n"), 5353);
}

#[test]
fn the_service_goes_with_the_port() {
    let service = |port: u16| {
        let text = format!("virtual=192.168.6.66:{port}\n    real=10.0.0.1:{port} masq\n");
        match &read(&text).0.virtuals[0].reals[0].check {
            CheckPlan::AlwaysUp => None,
            CheckPlan::Every(probe) => match &probe.kind {
                ProbeKind::Negotiate(negotiate) => Some(negotiate.service),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(service(993), Some(ServiceCheck::Imaps));
    assert_eq!(service(995), Some(ServiceCheck::Pops));
    assert_eq!(service(3128), Some(ServiceCheck::HttpProxy));
    assert_eq!(service(8080), None);
}

/// `ldirectord.md` 12, item 1.
#[test]
fn direct_routing_cannot_change_ports() {
    let (config, _) = read(
        "virtual=192.168.6.66:80\n    real=10.0.0.1:15080 gate\n    real=10.0.0.2:15080 masq\n    fallback=127.0.0.1:81\n",
    );
    let service = &config.virtuals[0];
    let ports: Vec<_> = service
        .reals
        .iter()
        .map(|real| (real.configured.port, real.destination.key.port))
        .collect();
    assert_eq!(ports, [(15080, 80), (15080, 15080)]);
    let fallback = service.fallback.as_ref().unwrap();
    assert_eq!(
        (fallback.configured.port, fallback.destination.key.port),
        (81, 80)
    );
}

/// `ldirectord.md` 12, items 9 and 10.
#[test]
fn a_fallback_without_a_port_has_that_of_the_service() {
    for (text, port) in [
        (
            "fallback=127.0.0.1\nvirtual=192.168.6.66:80\n    real=10.0.0.1 masq\n",
            80,
        ),
        (
            "virtual=192.168.6.66:80\n    real=10.0.0.1 masq\n    fallback=127.0.0.1 masq\n",
            80,
        ),
        ("fallback=127.0.0.1\nvirtual=7\n    real=10.0.0.1 masq\n", 0),
        (
            "fallback=127.0.0.1:http\nvirtual=192.168.6.66:53\n    real=10.0.0.1 masq\n",
            80,
        ),
    ] {
        let (config, _) = read(text);
        let fallback = config.virtuals[0].fallback.as_ref().unwrap();
        assert_eq!(fallback.configured.port, port, "{text}");
    }
    let (config, codes) = read("fallback=\nvirtual=192.168.6.66:80\n    checktype=off\n");
    let fallback = config.virtuals[0].fallback.as_ref().unwrap();
    assert_eq!(fallback.configured.to_string(), "127.0.0.1:80");
    assert_eq!(codes, ["fallback"]);
}

/// `ldirectord.md` 12, item 15: the legacy makes no server at all of this range.
#[test]
fn ranges_are_counted_as_numbers() {
    let (config, _) = read(
        "virtual=192.168.6.66:80\n    real=59.154.201.254->59.154.202.1:80 masq\n    checktype=off\n",
    );
    assert_eq!(config.virtuals[0].reals.len(), 4);
    let large =
        "virtual=192.168.6.66:80\n    real=10.0.0.0->10.0.255.255:80 masq\n    checktype=off\n";
    assert_eq!(read(large).0.virtuals[0].reals.len(), 65_536);
}

#[test]
fn defaults_are_those_of_2_1_4() {
    let (config, _) = read("virtual=192.168.6.66:80\n    real=10.0.0.1:80 gate\n");
    let service = &config.virtuals[0];
    assert!(service.quiescent && service.clean_stop && config.readd_quiescent);
    assert_eq!(
        (service.failure_count, service.service.scheduler.as_str()),
        (1, "wrr")
    );
    assert_eq!(config.check_interval, Duration::from_secs(10));
}

/// What is accepted with a word of warning, and what becomes of it.
#[test]
fn warnings() {
    let section =
        |lines: &str| format!("virtual=192.168.6.66:80\n    real=10.0.0.1:80 gate\n{lines}");
    for (text, code) in [
        (section("    virtualhost=\n"), "empty-virtualhost"),
        (section("    service=oracle\n"), "oracle"),
        (section("    persistent=0\n"), "persistent-zero"),
        (
            section("    persistent=5\n    netmask=300.1.1.1\n"),
            "netmask",
        ),
        (section("    emailalertstatus=\n"), "emailalertstatus"),
        (section("    real=10.0.0.1:80 gate 2\n"), "real-twice"),
        (
            section("    real=10.0.0.2:80 gate 1 u:3 l:5\n"),
            "thresholds",
        ),
        (
            section("    real=10.0.0.2:80 gate x l:1 u:5\n"),
            "real-ignored",
        ),
        (section("    real=10.1:80 gate\n"), "old-fashioned-address"),
        (section("    checkcount=2\n"), "checkcount-deprecated"),
        (section("    checkinterval=2\n"), "checkinterval-ignored"),
        (
            "virtual=192.168.6.66\n    real=10.0.0.1 gate\n".to_owned(),
            "firewall-mark",
        ),
        (
            "virtual=0\n    real=10.0.0.1 gate\n".to_owned(),
            "firewall-mark",
        ),
        (
            "virtual=99999999999\n    real=10.0.0.1 gate\n".to_owned(),
            "firewall-mark",
        ),
        ("supervised\n".to_owned(), "bare-supervised"),
        ("logfile=\"\"\n".to_owned(), "logfile"),
        (
            "maintenancedir=/nonexistent\n".to_owned(),
            "no-maintenancedir",
        ),
    ] {
        assert_eq!(read(&text).1, [code], "{text}");
    }
    assert_eq!(
        read(&section("    checktype=external\n    service=oracle\n")).1,
        [""; 0]
    );
    // The last one counts.
    let twice = section("    real=10.0.0.1:80 gate 2\n    real=10.0.0.2:80 gate\n");
    let weights: Vec<_> = read(&twice).0.virtuals[0]
        .reals
        .iter()
        .map(|real| real.destination.weight)
        .collect();
    assert_eq!(weights, [2, 1]);
}

/// What only we refuse.
#[test]
fn refusals_of_ours() {
    for (line, code) in [
        ("real=10.0.0.1:80 gate 2147483648", "weight"),
        ("real=10.0.0.0->10.1.0.0:80 gate", "range"),
        ("scheduler=abcdefghijklmnop", "scheduler"),
        ("schedflags=x", "schedflags"),
    ] {
        let text = format!("virtual=192.168.6.66:80\n    {line}\n    checktype=off\n");
        let parsed = parse(text.as_bytes(), "x.cf", &FakeHost::default());
        let last = parsed.diagnostics.last().unwrap();
        assert!(parsed.value.is_none());
        assert_eq!((last.code, last.span.as_ref().unwrap().line), (code, 2));
    }
}

/// The legacy takes an address without a port for a firewall mark, and then complains of another line.
#[test]
fn a_virtual_without_a_port_is_hinted_at_where_the_complaint_is() {
    let advice = |address: &str| {
        let text = format!("# x\nvirtual={address}\n    real=10.0.0.1:80 gate\n    protocol=tcp\n");
        let parsed = parse(text.as_bytes(), "x.cf", &FakeHost::default());
        assert!(parsed.value.is_none());
        let last = parsed.diagnostics.last().unwrap().clone();
        let wanted = "protocol must be fwm if the virtual service is a fwmark (a number)";
        assert_eq!(
            (last.message.as_str(), last.span.unwrap().line),
            (wanted, 4)
        );
        last.advice
    };
    let wanted = Some("is the port missing on line 2?".to_owned());
    assert_eq!(advice("192.168.6.66"), wanted);
    assert_eq!(advice("7"), None);
}

/// A broken file still says where to log, if the error comes later.
#[test]
fn a_broken_file_says_where_it_logs_as_far_as_it_was_read() {
    let log = |text: &str| {
        let reading = ha_config::ldirectord::read(text.as_bytes(), "x.cf", &FakeHost::default());
        assert!(reading.parsed.value.is_none());
        reading.log
    };
    let file = |path: &str| LogTarget::File(path.to_owned());
    assert_eq!(log("logfile=\"/var/log/a\"\nx=1\n"), file("/var/log/a"));
    assert_eq!(
        log("x=1\nlogfile=\"/var/log/a\"\n"),
        file("/var/log/ldirectord.log")
    );
    assert_eq!(
        log("logfile=\"local0\"\nx=1\n"),
        LogTarget::Syslog("local0".to_owned())
    );
    let bad_receive = "virtual=10.0.0.1:80\n    real=10.0.0.2:80 gate\n    receive=\"a(\"\n";
    assert_eq!(
        log(&format!("{bad_receive}logfile=\"/var/log/a\"\n")),
        file("/var/log/a")
    );
}
