//! Media beyond UDP on one interface (`wire-protocol.md` 6.5 and 7, `config-files.md` 6): serial lines, pings, IPv6, several
//! links at once, interfaces that come and go, and the ways to pack a message.
//!
//! Both nodes have a second card, `eth1`, on a network of its own. A serial line is a pseudo-terminal on each node whose
//! ends are joined by datagrams over that network: what is sent while the cable is cut is lost, as on a line.

use std::sync::Arc;

use ha_lab::{Direction, HaCf, Host, LabError, Result, millis, seconds, wait_until};

use crate::pair::Pair;
use crate::runner::Scenario;

/// The longest first: the last to begin are the last to end.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "media_interface_comes_and_goes",
        modes: &["on"],
        run: interface_comes_and_goes,
    },
    Scenario {
        name: "media_serial_line",
        modes: &["on"],
        run: serial_line,
    },
    Scenario {
        name: "media_two_networks_cut_and_flapping",
        modes: &["on"],
        run: two_networks,
    },
    Scenario {
        name: "media_ipv6",
        modes: &["off"],
        run: ipv6,
    },
    Scenario {
        name: "media_ping_and_ping_group",
        modes: &["on"],
        run: pings,
    },
    Scenario {
        name: "media_two_on_one_interface",
        modes: &["on"],
        run: two_on_one_interface,
    },
    Scenario {
        name: "media_large_messages_packed",
        modes: &["on", "off"],
        run: large_messages,
    },
];

/// Each node's ha.cf, with lines that may depend on the node.
fn configure(pair: &Pair, file: impl Fn(&Host, HaCf) -> HaCf) -> Result<()> {
    for host in pair.nodes() {
        let plain = HaCf::for_tests(&["alpha", "beta"]).auto_failback(pair.variant.failback);
        host.write("/etc/ha.d/ha.cf", &file(host, plain).text())?;
    }
    Ok(())
}

/// 1 for alpha, 2 for beta: the last part of their addresses.
fn own(host: &Host) -> u32 {
    if host.name() == "alpha" { 1 } else { 2 }
}

fn peer(host: &Host) -> u32 {
    3 - own(host)
}

/// Waits until a node's log has said `text` at least `times` times.
fn said(host: &Host, text: &str, times: usize) -> Result<()> {
    let what = format!("{} says \"{text}\" ({times})", host.name());
    wait_until(&what, seconds(20), || {
        host.log().matches(text).count() >= times
    })
}

/// Both nodes say it of each other's link.
fn link_said(pair: &Pair, link: &str, word: &str, times: usize) -> Result<()> {
    for host in pair.nodes() {
        let peer = pair.other(host).name();
        said(host, &format!("Link {peer}:{link} {word}."), times)?;
    }
    Ok(())
}

/// Nobody was declared dead in all this.
fn nobody_died(pair: &Pair) -> Result<()> {
    for (host, peer) in [(&pair.alpha, "beta"), (&pair.beta, "alpha")] {
        let text = format!("node {peer}: is dead");
        if host.log().contains(&text) {
            let host = host.name();
            return Err(LabError::unexpected(format!("{host} says \"{text}\"")));
        }
    }
    Ok(())
}

/// The daemon's process, and how many descriptors it has open.
fn descriptors(host: &Host) -> Result<(String, usize)> {
    let output =
        host.sh("pid=$(cat /var/run/heartbeat.pid); echo $pid; ls /proc/$pid/fd | wc -l")?;
    let mut lines = output.stdout.lines().map(str::trim);
    let pid = lines.next().unwrap_or_default().to_owned();
    let count = lines.next().and_then(|word| word.parse().ok());
    count
        .map(|count| (pid, count))
        .ok_or_else(|| LabError::unexpected(output.stdout))
}

/// The same process as before, with no more descriptors.
fn no_leak(host: &Host, before: &(String, usize)) -> Result<()> {
    wait_until("as many descriptors as before", seconds(10), || {
        descriptors(host).is_ok_and(|(pid, count)| pid == before.0 && count <= before.1)
    })
}

// ---- Serial --------------------------------------------------------------------------------------------------------

const TTY: &str = "/dev/ttyHA";

/// What is said of a line or a card that is not there, at most.
const WRITE_FAILURES: &[&str] = &[
    "Unable to send HBcomm packet",
    "write failure on",
    "Error sending packet",
    "TTY write failure on",
    "EOF in ttygets",
];

/// Joins a new pseudo-terminal to the cable. The pid of what joins them. The socket is not connected, so that it is
/// not told that nobody listens at the far end.
fn plug_in(host: &Host) -> Result<String> {
    let (own, peer) = (own(host), peer(host));
    let line = format!(
        "setsid socat -b 256 pty,raw,echo=0,link={TTY} UDP-DATAGRAM:10.0.1.{peer}:7000,bind=10.0.1.{own}:7000 \
         >/dev/null 2>&1 & echo $!"
    );
    let pid = host.sh(&line)?.stdout.trim().to_owned();
    wait_until("the line is there", seconds(10), || {
        host.run(&["test", "-c", TTY])
            .is_ok_and(|output| output.status.success())
    })?;
    Ok(pid)
}

fn serial_line(pair: &Pair) -> Result<()> {
    if pair.alpha.run(&["which", "socat"])?.code() != 0 {
        return Err(LabError::Unavailable(
            "the program socat is not installed".into(),
        ));
    }
    let joined = plug_in(&pair.alpha)?;
    plug_in(&pair.beta)?;
    configure(pair, |_, file| {
        file.line("baud 115200")
            .line(&format!("serial {TTY}"))
            .bcast("eth0")
    })?;
    pair.settle()?;
    link_said(pair, TTY, "up", 1)?;
    // Noise on the line: messages around it may be lost, the line lives.
    for noise in [
        "garbage",
        ">>>\\nt=status\\n",
        "<<<\\n",
        "\\377\\200\\0\\n>>>\\n###\\n12:",
    ] {
        pair.alpha.sh(&format!("printf '{noise}' >{TTY}"))?;
    }
    // The network is gone, the line remains.
    pair.lab.cut(&pair.alpha, Some("eth0"))?;
    link_said(pair, "eth0", "dead", 1)?;
    pair.standby(&pair.alpha, "all", "beta", "beta")?;
    pair.lab.heal()?;
    link_said(pair, "eth0", "up", 2)?;
    // The cable is pulled and plugged in again.
    pair.lab.cut(&pair.alpha, Some("eth1"))?;
    link_said(pair, TTY, "dead", 1)?;
    pair.lab.heal()?;
    link_said(pair, TTY, "up", 2)?;
    pair.stays("nothing moves", millis(500), || pair.is_at("beta", "beta"))?;
    if pair.alpha.is_ours() {
        // The whole device goes and comes, as an adapter does.
        let before = descriptors(&pair.alpha)?;
        pair.alpha.sh(&format!("kill {joined}"))?;
        said(&pair.alpha, &format!("serial {TTY}: not there now."), 1)?;
        plug_in(&pair.alpha)?;
        said(&pair.alpha, "Communications restart succeeded.", 1)?;
        pair.lab.cut(&pair.alpha, Some("eth0"))?;
        pair.stays("the line carries it", seconds(4), || {
            pair.is_at("beta", "beta")
        })?;
        no_leak(&pair.alpha, &before)?;
    }
    nobody_died(pair)?;
    let noise = [
        "NV failure",
        "Input string",
        "sp=",
        "depth=",
        "MSG",
        "authentication",
    ];
    pair.check("beta", "beta", &[WRITE_FAILURES, &noise].concat())
}

// ---- Several links ---------------------------------------------------------------------------------------------------

/// One network is cut, then the other; then one has a loose contact, and a hundred times the carrier is lost and found.
/// Here also: netstrings, and large messages that nothing packs.
fn two_networks(pair: &Pair) -> Result<()> {
    configure(pair, |_, file| {
        file.line("msgfmt netstring")
            .line("compression_threshold 1")
            .bcast("eth0")
            .line("mcast eth1 225.0.0.1 694 1 0")
            .bcast("eth1")
    })?;
    pair.settle()?;
    large_orders(pair, None)?;
    let before: Vec<_> = pair
        .nodes()
        .into_iter()
        .map(|host| descriptors(host))
        .collect::<Result<_>>()?;
    for nic in ["eth1", "eth0"] {
        link_said(pair, nic, "up", 1)?;
        pair.lab.cut(&pair.alpha, Some(nic))?;
        link_said(pair, nic, "dead", 1)?;
        if !pair.is_at("alpha", "beta") {
            return Err(LabError::unexpected("a group moved"));
        }
        pair.lab.heal()?;
        link_said(pair, nic, "up", 2)?;
    }
    for _ in 0..100 {
        pair.lab.cut(&pair.beta, Some("eth1"))?;
        pair.lab.heal()?;
    }
    // The network's address changes for another; broadcasts follow it.
    for host in pair.nodes().into_iter().filter(|host| host.is_ours()) {
        host.sh(&format!(
            "ip addr flush dev eth1 scope global && ip addr add 10.0.9.{}/24 broadcast + dev eth1",
            own(host)
        ))?;
    }
    for (host, before) in pair.nodes().into_iter().zip(&before) {
        no_leak(host, before)?;
    }
    // What tells that it still works: the other network goes away altogether.
    pair.lab.cut(&pair.alpha, Some("eth0"))?;
    link_said(pair, "eth0", "dead", 2)?;
    pair.standby(&pair.alpha, "all", "beta", "beta")?;
    nobody_died(pair)?;
    pair.check("beta", "beta", WRITE_FAILURES)
}

/// The article's `bcast eth0` and `ucast eth0 PEER`: two links with one name in the list, of which only the first is ever
/// brought up to date; what comes twice is dropped.
fn two_on_one_interface(pair: &Pair) -> Result<()> {
    configure(pair, |host, file| {
        file.bcast("eth0")
            .ucast("eth0", &format!("10.0.0.{}", peer(host)))
    })?;
    pair.settle()?;
    for host in pair.nodes() {
        let peer = pair.other(host).name();
        let listed = host.sh(&format!("cl_status listhblinks {peer}"))?.stdout;
        let names: Vec<&str> = listed.split_whitespace().collect();
        let links = links_of(host, peer)?;
        // The cl_status of 3.0.6 shows the first of the two, those of 2.1 and ours show both.
        let shown: &[&str] = if host.is_ours() {
            &["eth0", "eth0"]
        } else {
            &["eth0"]
        };
        if names != shown || links != ["eth0 up", "eth0 dead"] {
            let text = format!("listhblinks: {listed:?}, iflist: {links:?}");
            return Err(LabError::unexpected(text));
        }
    }
    for host in pair.nodes() {
        let ups = format!("Link {}:eth0 up.", pair.other(host).name());
        if host.log().matches(&ups).count() != 1 {
            return Err(LabError::unexpected(format!("not once: {ups}")));
        }
    }
    // The service addresses that came to eth0 meanwhile are no reason to open its media anew.
    for host in pair.nodes() {
        if host.log().contains("Communications restart") {
            let text = format!("{} has opened a medium anew", host.name());
            return Err(LabError::unexpected(text));
        }
    }
    nobody_died(pair)?;
    pair.check("alpha", "beta", &[])
}

/// What the daemon tells a client of the links to a node.
fn links_of(host: &Host, node: &str) -> Result<Vec<String>> {
    let mut client = host.api_client("")?;
    client.request_signon()?;
    client.answer(seconds(10))?;
    client.request("iflist", &[("node", node)])?;
    let mut links = Vec::new();
    loop {
        let link = client.answer(seconds(10))?;
        links.push(format!("{} {}", link.get("ifname"), link.get("st")));
        if link.get("result") != "ok/more" {
            return Ok(links);
        }
    }
}

fn ipv6(pair: &Pair) -> Result<()> {
    for host in pair.nodes() {
        let own = own(host);
        host.sh(&format!(
            "ip addr add fd00::{own}/64 nodad dev eth0; ip addr add fd00:1::{own}/64 nodad dev eth1"
        ))?;
    }
    pair.client.sh("ip addr add fd00::9/64 nodad dev eth0")?;
    configure(pair, |host, file| {
        file.line(&format!("ucast6 eth0 fd00::{}", peer(host)))
            .line("mcast6 eth1 ff05::694 694 1 0")
            .line("ping6 fd00::9")
            .line("deadping 2")
    })?;
    pair.settle()?;
    link_said(pair, "eth0", "up", 1)?;
    link_said(pair, "eth1", "up", 1)?;
    for host in pair.nodes() {
        said(host, "Link fd00::9:fd00::9 up.", 1)?;
        said(host, "Status update for node fd00::9: status ping", 1)?;
    }
    pair.lab.cut(&pair.alpha, Some("eth0"))?;
    link_said(pair, "eth0", "dead", 1)?;
    said(&pair.alpha, "node fd00::9: is dead", 1)?;
    pair.standby(&pair.alpha, "all", "beta", "beta")?;
    pair.lab.heal()?;
    link_said(pair, "eth0", "up", 2)?;
    said(&pair.alpha, "Link fd00::9:fd00::9 up.", 2)?;
    pair.lab.cut(&pair.alpha, Some("eth1"))?;
    link_said(pair, "eth1", "dead", 1)?;
    pair.takeover(&pair.alpha, "all", "alpha", "alpha")?;
    nobody_died(pair)?;
    // 3.0.6 judges ping nodes like any other.
    let allowed = [WRITE_FAILURES, &["Late heartbeat: Node fd00::9"]].concat();
    pair.check("alpha", "alpha", &allowed)
}

// ---- Pings -----------------------------------------------------------------------------------------------------------

/// A ping node lives while it answers, a group while one of its members does.
fn pings(pair: &Pair) -> Result<()> {
    let answer = |word: &str, address: &str| {
        let line = format!("ip addr {word} {address}/32 dev eth0");
        pair.client.sh(&line).map(drop)
    };
    for address in ["10.0.0.6", "10.0.0.7", "10.0.0.8"] {
        answer("add", address)?;
    }
    configure(pair, |_, file| {
        file.bcast("eth0")
            .line("ping 10.0.0.6")
            .line("ping_group gates 10.0.0.7 10.0.0.8")
            .line("deadping 2")
    })?;
    pair.settle()?;
    let all_say = |text: &str, times: usize| {
        pair.nodes()
            .into_iter()
            .try_for_each(|host| said(host, text, times))
    };
    for name in ["10.0.0.6", "gates"] {
        all_say(&format!("Link {name}:{name} up."), 1)?;
        all_say(&format!("Status update for node {name}: status ping"), 1)?;
    }
    answer("del", "10.0.0.7")?;
    answer("del", "10.0.0.6")?;
    all_say("node 10.0.0.6: is dead", 1)?;
    all_say("Link 10.0.0.6:10.0.0.6 dead.", 1)?;
    pair.stays("one member is enough", seconds(1), || {
        pair.nodes()
            .into_iter()
            .all(|host| !host.log().contains("node gates: is dead"))
    })?;
    answer("del", "10.0.0.8")?;
    all_say("node gates: is dead", 1)?;
    all_say("Link gates:gates dead.", 1)?;
    answer("add", "10.0.0.6")?;
    answer("add", "10.0.0.7")?;
    for name in ["10.0.0.6", "gates"] {
        all_say(&format!("Link {name}:{name} up."), 2)?;
        all_say(&format!("Status update for node {name}: status ping"), 2)?;
    }
    nobody_died(pair)?;
    let late = [
        "Late heartbeat: Node 10.0.0.6",
        "Late heartbeat: Node gates",
    ];
    pair.check("alpha", "beta", &[WRITE_FAILURES, &late].concat())
}

// ---- Interfaces that come and go -------------------------------------------------------------------------------------

/// An interface of its own before the second card, which can be removed without removing the card.
fn make_interface(host: &Host) -> Result<()> {
    host.sh(&format!(
        "ip link show br0 >/dev/null 2>&1 || {{
             ip link add br0 type bridge forward_delay 0 mcast_snooping 0 &&
             ip link set eth1 master br0 && ip link set br0 up; }} &&
         ip link add hb0 type veth peer name hb0p && ip link set hb0p master br0 &&
         ip addr add 10.0.7.{}/24 broadcast + dev hb0 && ip link set hb0p up && ip link set hb0 up",
        own(host)
    ))
    .map(drop)
}

/// Only ours follow: a `ucast` for an interface that is missing, a `mcast` for one without address. The legacy refuses to
/// start, or dies, or waits two minutes; and of an interface that was removed and made again it never hears another word
/// (seen on 3.0.6).
fn interface_comes_and_goes(pair: &Pair) -> Result<()> {
    configure(pair, |host, file| {
        let file = file
            .bcast("eth0")
            .ucast("hb0", &format!("10.0.7.{}", peer(host)));
        match host.is_ours() {
            true => file.line("mcast hb1 225.0.0.2 695 1 0"),
            false => file,
        }
    })?;
    let ours: Vec<&Arc<Host>> = pair
        .nodes()
        .into_iter()
        .filter(|host| host.is_ours())
        .collect();
    for host in pair.nodes() {
        match host.is_ours() {
            true => host
                .sh("ip link add hb1 type bridge && ip link set hb1 up")
                .map(drop),
            false => make_interface(host),
        }?;
    }
    pair.settle()?;
    for host in &ours {
        for medium in ["ucast hb0", "mcast hb1"] {
            said(
                host,
                &format!("{medium}: not there now. Waiting for it to appear."),
                1,
            )?;
        }
        host.sh("ip addr add 10.0.6.1/24 dev hb1")?;
        said(host, "Communications restart succeeded.", 1)?;
        make_interface(host)?;
        said(host, "Communications restart succeeded.", 2)?;
    }
    link_said(pair, "hb0", "up", 1)?;
    for (turn, host) in ours.iter().enumerate() {
        let before = descriptors(host)?;
        host.sh("ip link del hb0")?;
        link_said(pair, "hb0", "dead", turn + 1)?;
        make_interface(host)?;
        link_said(pair, "hb0", "up", turn + 2)?;
        // And so quickly that nobody notices.
        let text = "Communications restart succeeded.";
        for _ in 0..5 {
            let times = host.log().matches(text).count();
            host.sh("ip link del hb0")?;
            make_interface(host)?;
            said(host, text, times + 1)?;
        }
        // Another address in between: the peer's line names the old one, so that is where it has to go again.
        host.sh("ip addr flush dev hb0 && ip addr add 10.0.8.1/24 dev hb0")?;
        host.sh(&format!(
            "ip addr flush dev hb0 && ip addr add 10.0.7.{}/24 dev hb0",
            own(host)
        ))?;
        no_leak(host, &before)?;
    }
    nobody_died(pair)?;
    let allowed = [
        WRITE_FAILURES,
        &[
            "error setting option SO_BINDTODEVICE",
            "Unable to retrieve local interface address",
        ],
    ]
    .concat();
    pair.check("alpha", "beta", &allowed)
}

// ---- Packing ---------------------------------------------------------------------------------------------------------

/// How messages are packed, by mode.
fn packing(mode: &str) -> (&'static [&'static str], &'static str) {
    match mode {
        "on" => (
            &[
                "compression zlib",
                "compression_threshold 1",
                "traditional_compression on",
            ],
            "zlib",
        ),
        _ => (
            &[
                "msgfmt netstring",
                "compression bz2",
                "compression_threshold 4",
                "traditional_compression on",
            ],
            "bz2",
        ),
    }
}

fn large_messages(pair: &Pair) -> Result<()> {
    let (lines, algorithm) = packing(pair.variant.failback);
    configure(pair, |_, file| {
        lines
            .iter()
            .fold(file.bcast("eth0"), |file, line| file.line(line))
    })?;
    pair.settle()?;
    large_orders(pair, Some(algorithm))?;
    nobody_died(pair)?;
    pair.check("alpha", "beta", &[])
}

/// An order of 40 KiB is heard and followed by the other node, both ways; packed where that is asked for. The daemon
/// looks at three of its fields; the rest is ballast that has to come through the digest.
fn large_orders(pair: &Pair, algorithm: Option<&str>) -> Result<()> {
    let ballast: Vec<(String, String)> = (0..160u64)
        .map(|number| {
            let digits = format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            (format!("f{number}"), digits.repeat(16))
        })
        .collect();
    for (host, weight) in pair.nodes().into_iter().zip(["7", "8"]) {
        let mut message = vec![("t", "setweight"), ("node", "beta"), ("weight", weight)];
        let more = ballast.iter();
        message.extend(more.map(|(name, value)| (name.as_str(), value.as_str())));
        host.fifo(&message)?;
        let other = pair.other(host);
        let what = format!("{} has heard the order of {}", other.name(), host.name());
        wait_until(&what, seconds(15), || {
            other
                .run(&["cl_status", "nodeweight", "beta"])
                .is_ok_and(|output| output.stdout.trim() == weight)
        })?;
        packed_as(host, algorithm)?;
    }
    for host in pair.nodes() {
        if host.log().contains("Irretrievably lost packet") {
            let text = format!("{} lost packets", host.name());
            return Err(LabError::unexpected(text));
        }
    }
    Ok(())
}

/// What a node has sent in packed form is as it should be. Of a long datagram the capture has the first fragment: the
/// name of the packed field, and the first octets of what the algorithm made.
fn packed_as(host: &Host, algorithm: Option<&str>) -> Result<()> {
    const FIELD: &[u8] = b"(1)_compressed_payload=";
    let begins = match algorithm {
        Some("bz2") => Some(&b"BZh"[..]),
        Some(_) => Some(&b"\x78"[..]),
        None => None,
    };
    let beginning = |payload: &[u8]| {
        let at = payload
            .windows(FIELD.len())
            .position(|part| part == FIELD)?;
        Some(payload[at + FIELD.len()..].to_vec())
    };
    let packed = || -> Vec<Vec<u8>> {
        host.captured()
            .into_iter()
            .filter(|packet| packet.direction == Direction::Sent)
            .filter_map(|packet| beginning(&packet.payload))
            .collect()
    };
    // The capture is written beside the traffic, a little later.
    let right = || match begins {
        Some(magic) => {
            let packed = packed();
            !packed.is_empty() && packed.iter().all(|octets| octets.starts_with(magic))
        }
        None => packed().is_empty(),
    };
    if wait_until("the capture shows it", seconds(5), right).is_ok() {
        return Ok(());
    }
    let packed = packed();
    let first = packed.first().map(|octets| octets.get(..4));
    Err(LabError::unexpected(format!(
        "{}: {} packed messages, the first begins with {first:?}",
        host.name(),
        packed.len()
    )))
}
