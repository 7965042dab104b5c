//! What clients are told without asking, and in which order: a peer stops, starts, loses its power; a ping node is lost
//! and comes back (`client-api.md` 4.2).

use ha_lab::{ApiClient, Host, Result, seconds, wait_until};

use super::words::SENT;
use super::{Differences, PING_NODE, started};
use crate::pair::Pair;

/// A client that keeps what it is told.
struct Watcher {
    client: ApiClient,
    told: Vec<String>,
}

impl Watcher {
    fn new(host: &Host, name: &str) -> Result<Self> {
        let mut client = host.api_client(name)?;
        client.request_signon()?;
        client.answer(seconds(5))?;
        let told = Vec::new();
        Ok(Watcher { client, told })
    }

    /// All messages since the last call, once it is quiet and one that begins like this is among them.
    fn until(&mut self, last: &str) -> Vec<String> {
        // What is missing in the end is shown by the comparison with what was expected.
        let _ = wait_until(last, seconds(30), || {
            let more = self.client.waiting();
            self.told.extend(more.iter().map(ToString::to_string));
            self.told.iter().any(|line| line.starts_with(last))
        });
        std::mem::take(&mut self.told)
            .iter()
            .map(|line| line.replace(&format!(", {SENT}"), ""))
            .collect()
    }
}

/// The messages with this source, a repetition shown once: how often a node repeats its state depends on how the events
/// of the other fall in between.
fn from(told: &[String], node: &str) -> Vec<String> {
    let source = format!("src={node}");
    let mut all: Vec<String> = told
        .iter()
        .filter(|line| line.contains(&source))
        .cloned()
        .collect();
    all.dedup();
    all
}

pub fn peer_and_ping_node(pair: &Pair) -> Result<()> {
    started(pair, &[])?;
    let mut differences = Differences::default();
    let mut named = Watcher::new(&pair.alpha, "watch")?;
    let mut casual = Watcher::new(&pair.alpha, "")?;
    let far = Watcher::new(&pair.beta, "watch")?;
    let joins = |node: &str| {
        format!(
            "t=hbapi-clstat, st=join, from_id=watch, to_id=watch, src={node}, info=signon, client_gen=*"
        )
    };
    let told = named.until(&joins("beta"));
    differences.compare("two of one name", &[joins("alpha"), joins("beta")], &told);

    ping_node(pair, &mut differences, &mut named, &mut casual)?;

    pair.beta.stop_heartbeat()?;
    drop(far);
    for (what, watcher) in [("named", &mut named), ("casual", &mut casual)] {
        let mut told = watcher.until(LINK_DEAD);
        told.retain(|line| !BY_PRODUCT.contains(&line.as_str()));
        differences.compare(&format!("a peer stops, told a {what} client"), STOP, &told);
    }

    pair.beta.start_heartbeat()?;
    pair.until_at("beta is back", seconds(45), "alpha", "beta")?;
    pair.until_quiet()?;
    let told = named.until("t=resource");
    let mut start_beta = START_BETA.to_vec();
    if pair.beta.is_ours() {
        // The legacy says that it has its own already when its scripts have started it, ours when that has been agreed.
        start_beta.remove(7);
    }
    differences.compare("a peer starts: itself", &start_beta, &from(&told, "beta"));
    differences.compare(
        "a peer starts: the other",
        START_ALPHA,
        &from(&told, "alpha"),
    );
    differences.compare(
        "a peer starts: first",
        &["t=ifstat, node=beta, ifname=eth0, st=up"],
        &told[..told.len().min(1)],
    );

    pair.beta.power_cut()?;
    pair.until_at("beta's group is taken over", seconds(45), "alpha", "alpha")?;
    let mut told = named.until("t=resource, rsc_hold=foreign, info=mach_down");
    if !told.iter().any(|line| line == LINK_DEAD) {
        told.append(&mut named.until(LINK_DEAD));
    }
    // Links are looked at four times a second; a fast take-over may be over before that.
    let link = told.iter().position(|line| line == LINK_DEAD);
    differences.compare(
        "a peer crashes: its link",
        &["told later than its death"],
        &[if link > Some(0) {
            "told later than its death"
        } else {
            "not told so"
        }],
    );
    told.retain(|line| line != LINK_DEAD);
    differences.compare("a peer crashes", CRASH, &told);
    differences.finish()
}

const STOP: &[&str] = &[
    "t=resource, rsc_hold=none, rtype=full, isstable=0, info=shutdown, src=beta",
    "t=shutdone, st=dead, src=beta",
    "t=resource, rsc_hold=all, rtype=full, isstable=1, info=req_our_resources(), src=alpha",
    "t=resource, rsc_hold=foreign, info=mach_down, src=alpha",
    "t=status, seq=*, ts=*, src=beta, st=dead",
    "t=stonith, node=beta, result=unneeded, src=alpha",
    "t=ifstat, node=beta, ifname=eth0, st=dead",
];

/// The legacy also takes what it has already (`resource-protocol.md` 2.4.3, 1) and says so, sooner or later than the rest.
const BY_PRODUCT: &[&str] = &[
    "t=ask_resources, rsc_hold=all, info=done, src=alpha",
    "t=resource, rsc_hold=all, rtype=full, isstable=1, src=alpha",
];

const START_BETA: &[&str] = &[
    "t=status, st=init, dt=1194, protocol=1, src=beta",
    "t=status, st=up, dt=1194, protocol=1, src=beta",
    "t=status, st=active, dt=1194, protocol=1, src=beta",
    "t=starting, src=beta",
    "t=resource, rsc_hold=none, rtype=full, isstable=0, src=beta",
    "t=resource, rsc_hold=none, rtype=full, isstable=1, src=beta",
    "t=ask_resources, rsc_hold=foreign, info=other, src=beta",
    "t=resource, rsc_hold=local, rtype=full, isstable=1, src=beta",
    "t=ask_resources, rsc_hold=foreign, info=done, src=beta",
    "t=resource, rsc_hold=local, rtype=full, isstable=1, src=beta",
];

const START_ALPHA: &[&str] = &[
    "t=resource, rsc_hold=all, rtype=full, isstable=1, src=alpha",
    "t=ask_resources, rsc_hold=foreign, info=me, src=alpha",
    "t=resource, rsc_hold=local, rtype=full, isstable=0, info=standby, src=alpha",
    "t=ask_resources, rsc_hold=foreign, info=done, src=alpha",
    "t=resource, rsc_hold=local, rtype=full, isstable=1, src=alpha",
];

const LINK_DEAD: &str = "t=ifstat, node=beta, ifname=eth0, st=dead";

const CRASH: &[&str] = &[
    "t=status, seq=*, ts=*, src=beta, st=dead",
    "t=stonith, node=beta, result=n_stnth, src=alpha",
    "t=resource, rsc_hold=all, rtype=full, isstable=1, info=req_our_resources(), src=alpha",
    "t=resource, rsc_hold=foreign, info=mach_down, src=alpha",
];

fn ping_node(
    pair: &Pair,
    differences: &mut Differences,
    named: &mut Watcher,
    casual: &mut Watcher,
) -> Result<()> {
    let gone = format!("t=status, seq=*, ts=*, src={PING_NODE}, st=dead, info=ping");
    let link = |state: &str| format!("t=ifstat, node={PING_NODE}, ifname={PING_NODE}, st={state}");
    let back = format!("t=NS_st, st=ping, info=ping, src={PING_NODE}, ts=*, auth=*");

    pair.lab.part(&pair.client, &pair.alpha)?;
    let lost = [gone.clone(), link("dead")];
    let found = if pair.alpha.is_ours() {
        // As in 2.1.
        vec![link("up"), back.clone()]
    } else {
        vec![link("up"), gone, back.clone()]
    };
    differences.compare("the ping node is lost", &lost, &named.until(&link("dead")));
    differences.compare(
        "the same, told a casual client",
        &lost,
        &casual.until(&link("dead")),
    );
    pair.lab.heal()?;
    differences.compare("the ping node is back", &found, &named.until(&back));
    differences.compare(
        "the same, told a casual client",
        &found,
        &casual.until(&back),
    );
    Ok(())
}
