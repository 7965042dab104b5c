//! A bad network: loss, cuts in one and both directions, foreign keys, garbage.

use ha_lab::{Authkeys, Direction, Host, LabError, Loss, Result, millis, seconds, wait_until};

use crate::pair::Pair;
use crate::runner::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "twenty_percent_loss",
        modes: &["on", "off"],
        run: loss,
    },
    Scenario {
        name: "partition_and_heal",
        modes: &["on", "off", "legacy"],
        run: partition,
    },
    Scenario {
        name: "carrier_lost_and_back",
        modes: &["on"],
        run: carrier,
    },
    Scenario {
        name: "one_way_cut_outgoing",
        modes: &["on"],
        run: |pair| one_way(pair, Loss::Outgoing),
    },
    Scenario {
        name: "one_way_cut_incoming",
        modes: &["on"],
        run: |pair| one_way(pair, Loss::Incoming),
    },
    Scenario {
        name: "different_keys",
        modes: &["on"],
        run: different_keys,
    },
    Scenario {
        name: "wrong_key_index",
        modes: &["on"],
        run: wrong_index,
    },
    Scenario {
        name: "garbage_on_the_port",
        modes: &["on"],
        run: garbage,
    },
];

/// Documented for a healed partition, where both held everything.
const SPLIT: &[&str] = &[
    "returning after partition",
    "Both machines own our resources!",
    "Both machines own foreign resources!",
    // 3.0.6 only.
    "Late heartbeat: Node",
    // What was said into the void is asked for when it is too late.
    "Cannot rexmit pkt",
    "Irretrievably lost packet",
    "lost a lot of packets!",
    // The other's words of before.
    "Ignored standby message",
];

fn loss(pair: &Pair) -> Result<()> {
    pair.settle()?;
    pair.lab
        .lose(&pair.alpha, None, Loss::HeartbeatPercent(20))?;
    pair.stays("nothing moves", seconds(12), || pair.is_at("alpha", "beta"))?;
    pair.alpha.tool("hb_standby", &["all"])?;
    pair.until_at("standby in spite of the loss", seconds(40), "beta", "beta")?;
    pair.lab.heal()?;
    for host in pair.nodes() {
        if host.log().contains("is dead") {
            return Err(LabError::unexpected(format!(
                "{} declared a death",
                host.name()
            )));
        }
    }
    pair.stays("the groups stay", seconds(5), || pair.is_at("beta", "beta"))?;
    pair.check(
        "beta",
        "beta",
        &[
            "Cannot rexmit pkt",
            "Irretrievably lost packet",
            // The giver's announcement was lost and came again after the hand-over.
            "Both machines own",
        ],
    )
}

/// After the heal each group is at one place; in the end at home, since both start anew.
fn healed(pair: &Pair) -> Result<()> {
    wait_until("one holder of each group", seconds(90), || {
        pair.one_holder_each()
    })?;
    pair.check_views()?;
    wait_until("it lasts", seconds(90), || {
        pair.stays("one holder each", seconds(8), || pair.one_holder_each())
            .is_ok()
    })?;
    pair.check_views()?;
    pair.check_logs(SPLIT)
}

fn both_hold_everything(pair: &Pair) -> Result<()> {
    wait_until("both hold everything", seconds(20), || {
        pair.runs_on("a").len() == 2 && pair.runs_on("b").len() == 2
    })
}

fn partition(pair: &Pair) -> Result<()> {
    pair.settle()?;
    pair.lab.part(&pair.alpha, &pair.beta)?;
    both_hold_everything(pair)?;
    pair.lab.heal()?;
    healed(pair)
}

fn carrier(pair: &Pair) -> Result<()> {
    pair.settle()?;
    pair.lab.cut(&pair.alpha, None)?;
    both_hold_everything(pair)?;
    pair.lab.heal()?;
    healed(pair)
}

fn one_way(pair: &Pair, loss: Loss) -> Result<()> {
    pair.settle()?;
    pair.lab.lose(&pair.alpha, None, loss)?;
    let deaf = if loss == Loss::Outgoing {
        &pair.beta
    } else {
        &pair.alpha
    };
    let speaker = pair.other(deaf).name().to_owned();
    wait_until("the deaf one declares a death", seconds(20), || {
        deaf.log().contains(&format!("node {speaker}: is dead"))
    })?;
    pair.stays("a while", seconds(2), || true)?;
    pair.lab.heal()?;
    healed(pair)
}

/// Nobody believes the other; each serves everything, as if alone.
fn each_alone(pair: &Pair) -> Result<()> {
    pair.start_both()?;
    both_hold_everything(pair)?;
    for host in pair.nodes() {
        if !host.log().contains("is dead") {
            return Err(LabError::unexpected(format!(
                "{} believed a foreign key",
                host.name()
            )));
        }
    }
    pair.stays("nobody believes anybody", seconds(3), || {
        pair.runs_on("a").len() == 2
    })
}

fn different_keys(pair: &Pair) -> Result<()> {
    pair.set_key(&pair.alpha, &Authkeys::new("sha1", "mine"))?;
    pair.set_key(&pair.beta, &Authkeys::new("sha1", "yours"))?;
    each_alone(pair)?;
    // The cure: the same key, and a restart of one.
    pair.beta.stop_heartbeat()?;
    pair.set_key(&pair.beta, &Authkeys::new("sha1", "mine"))?;
    pair.beta.start_heartbeat()?;
    pair.check_views()?;
    wait_until("one holder of each group", seconds(90), || {
        pair.one_holder_each()
    })?;
    wait_until("it lasts", seconds(60), || {
        pair.stays("one holder each", seconds(4), || pair.one_holder_each())
            .is_ok()
    })
}

fn wrong_index(pair: &Pair) -> Result<()> {
    pair.set_key(&pair.alpha, &Authkeys::with_index(1, "md5", "the secret"))?;
    pair.set_key(&pair.beta, &Authkeys::with_index(2, "md5", "the secret"))?;
    each_alone(pair)
}

/// Random, truncated, huge, signed with a wrong key, replayed: nothing changes, and the log does not grow without bound.
fn garbage(pair: &Pair) -> Result<()> {
    pair.settle()?;
    let captured: Vec<Vec<u8>> = pair
        .alpha
        .captured()
        .into_iter()
        .filter(|packet| packet.direction == Direction::Received)
        .map(|packet| packet.payload)
        .take(200)
        .collect();
    if captured.len() < 20 {
        return Err(LabError::unexpected(format!(
            "only {} packets were captured",
            captured.len()
        )));
    }
    let lines_before = pair.nodes().map(|host| host.log().lines().count());
    let (mild, vicious) = bad_packets(&captured);
    if pair.variant.medium == "mcast" {
        pair.client.sh("ip route add 225.0.0.0/8 dev eth0")?;
        throw(
            pair,
            "225.0.0.1",
            pair.nodes().into_iter().all(|host| host.is_ours()),
            &mild,
            &vicious,
        )?;
    } else {
        throw(pair, "10.0.0.1", pair.alpha.is_ours(), &mild, &vicious)?;
        throw(pair, "10.0.0.2", pair.beta.is_ours(), &mild, &vicious)?;
    }
    let count = mild.len() + vicious.len();
    pair.stays("nothing moves", seconds(3), || pair.is_at("alpha", "beta"))?;
    pair.check_views()?;
    for (host, before) in pair.nodes().into_iter().zip(lines_before) {
        bounded_growth(host, before, count)?;
    }
    pair.alpha.tool("hb_standby", &["all"])?;
    pair.until_at("it still works", seconds(25), "beta", "beta")
}

/// The master process of 3.0.6 dies of some of the vicious ones, whoever sent them: it gets only the mild ones.
fn throw(
    pair: &Pair,
    target: &str,
    all: bool,
    mild: &[Vec<u8>],
    vicious: &[Vec<u8>],
) -> Result<()> {
    pair.client.send_datagrams(target, 694, mild, millis(2))?;
    if all {
        pair.client
            .send_datagrams(target, 694, vicious, millis(2))?;
    }
    Ok(())
}

/// Replayed packets and random bytes; and packets that look right at first.
fn bad_packets(captured: &[Vec<u8>]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut mild, mut vicious) = (captured.to_vec(), Vec::new());
    let mut seed = 1u64;
    for (round, packet) in captured.iter().cycle().take(400).enumerate() {
        let mut random = || {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as u8
        };
        mild.push((0..round % 700).map(|_| random()).collect());
        let mut damaged = packet.clone();
        let at = round % damaged.len();
        damaged[at] ^= 1 << (round % 8);
        vicious.push(damaged);
        vicious.push(packet[..packet.len() * (round % 10) / 10].to_vec());
        vicious.push([&b">>>\n"[..], &[random(), random()]].concat());
        vicious.push([&b"###\n9999999999:(0)"[..], &[random()]].concat());
    }
    vicious.push(vec![b'x'; 60_000]);
    vicious.push([&b">>>\n"[..], &vec![b'='; 60_000]].concat());
    (mild, vicious)
}

/// The legacy logs every bad packet, with a dump; ours logs the first and then counts.
fn bounded_growth(host: &Host, before: usize, packets: usize) -> Result<()> {
    let grown = host.log().lines().count() - before;
    if host.is_ours() && grown > packets / 4 {
        return Err(LabError::unexpected(format!(
            "{grown} lines on {} for {packets} bad packets",
            host.name()
        )));
    }
    Ok(())
}
