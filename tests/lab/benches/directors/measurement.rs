//! One run: a director alone in namespaces of the guest, with its real servers in another.
//!
//! ```text
//! va 192.168.6.1/24 ───── vb 192.168.6.2, and every address of 10.88.0.0/16
//! 192.168.6.66            (namespace "rs")
//! ```
//!
//! What it finds goes to standard output, a word and numbers per line; where processor time is to be read, the harness
//! listens ([`crate::meter`]).

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ha_lab::{GuestProgram, LabError, Result, millis, seconds};

use crate::contestant::{Contestant, SERVICE};
use crate::farm::Farm;

/// Its words: the director's name and program, the number of real servers, how many seconds its start may take, and which
/// round it is.
pub const PROGRAM: GuestProgram = GuestProgram {
    name: "director-measurement",
    run,
};

/// How often the table is looked at.
const LOOK: Duration = millis(10);

/// For how long the guest is watched while the director does what it always does, a second after the start: whole rounds of
/// checks.
const SETTLE: Duration = seconds(1);
const COUNTED: Duration = seconds(4);

/// Servers that fail, one after the other.
const FAILURES: u32 = 2;

/// How long a failure may stay unnoticed.
const LIMIT: Duration = seconds(60);

fn run(words: &[String]) -> Result<()> {
    let [who, program, servers, patience, round] = words else {
        return Err(LabError::unexpected("five words"));
    };
    let contestant =
        Contestant::of_word(who).ok_or_else(|| LabError::unexpected(format!("who is {who}?")))?;
    let number = |text: &str| {
        text.parse::<u32>()
            .map_err(|_| LabError::unexpected(format!("{text:?} is no number")))
    };
    let servers = number(servers)?;
    let patience = seconds(number(patience)?.into());
    let mut phase = Phase(number(round)? * FAILURES * 2);
    let _ = ha_sys::process::raise_descriptor_limit(8192);
    prepare()?;
    let reals: Vec<Ipv4Addr> = (0..servers).map(real).collect();
    let mut farm = Farm::start("/run/netns/rs", reals.clone())?;

    let begun = Instant::now();
    contestant.start(program, &reals)?;
    // All but the one that hangs.
    let healthy: BTreeSet<Ipv4Addr> = reals.iter().skip(1).copied().collect();
    if !until(patience, || in_service() == healthy) {
        println!("unfinished {} {}", in_service().len(), patience.as_secs());
        return Ok(());
    }
    println!("start {}", begun.elapsed().as_secs_f64());

    sleep(SETTLE);
    println!("count begins {}", farm.checks());
    sleep(COUNTED);
    println!("count ends {}", farm.checks());

    for victim in 1..=FAILURES.min(servers.saturating_sub(1)) {
        sleep(phase.next());
        farm.set(victim, false)?;
        wait("out", || !in_service().contains(&real(victim)))?;
        sleep(phase.next());
        farm.set(victim, true)?;
        wait("back", || in_service().contains(&real(victim)))?;
    }
    Ok(())
}

/// Moments of the interval of one second that are spread over it, however few are taken; the same for every director.
struct Phase(u32);

impl Phase {
    fn next(&mut self) -> Duration {
        self.0 += 1;
        // Steps of the golden section.
        Duration::from_secs_f64(f64::from(self.0) * 0.618_034 % 1.0)
    }
}

fn real(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 88, 0, 1)) + number)
}

fn until(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !holds() {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(LOOK);
    }
    true
}

fn wait(what: &str, holds: impl FnMut() -> bool) -> Result<()> {
    let begun = Instant::now();
    if !until(LIMIT, holds) {
        return Err(LabError::unexpected(format!(
            "{what}: not within {} s",
            LIMIT.as_secs()
        )));
    }
    println!("{what} {}", begun.elapsed().as_secs_f64());
    Ok(())
}

/// The real servers with a weight, by the kernel's own list: `  -> 0A580001:0050      Route   1      0          0`.
fn in_service() -> BTreeSet<Ipv4Addr> {
    let list = fs::read_to_string("/proc/net/ip_vs").unwrap_or_default();
    list.lines()
        .filter_map(|line| {
            let mut words = line.trim_start().strip_prefix("-> ")?.split_whitespace();
            let address = words.next()?.split(':').next()?;
            let weight: u32 = words.nth(1)?.parse().ok()?;
            let address = u32::from_str_radix(address, 16).ok()?;
            (weight > 0).then(|| Ipv4Addr::from(address))
        })
        .collect()
}

fn prepare() -> Result<()> {
    let script = format!(
        "set -e
         for place in /run /var/log /etc/ha.d; do mkdir -p $place; mount -t tmpfs bench $place; done
         mkdir -p /run/netns /run/lock
         ip netns add rs
         ip link set lo up
         ip link add va type veth peer name vb netns rs
         ip addr add 192.168.6.1/24 dev va
         ip addr add {SERVICE}/32 dev va
         ip link set va up
         ip route add 10.88.0.0/16 via 192.168.6.2
         ip -n rs link set lo up
         ip -n rs addr add 192.168.6.2/24 dev vb
         ip -n rs link set vb up
         ip -n rs route add local 10.88.0.0/16 dev lo"
    );
    let output = Command::new("/bin/sh")
        .args(["-c", &script])
        .output()
        .map_err(|error| LabError::Io("sh".into(), error))?;
    if output.status.success() {
        return Ok(());
    }
    Err(LabError::Command(
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}
