//! Messages between the clients of two nodes, and what a client's mask lets through (`client-api.md` 3.1, 3.23).

use ha_lab::{LabError, Result, seconds, wait_until};

use super::words::{LIMIT, SENT, join, said, signed_on, waiting};
use super::{Differences, PING_NODE};
use crate::pair::Pair;

/// A message reaches the client of the same name on each node, or on one, and nobody else.
pub fn to_the_cluster(pair: &Pair, differences: &mut Differences) -> Result<()> {
    let mut stranger = signed_on(&pair.alpha, "stranger")?;
    let mut here = signed_on(&pair.alpha, "tiny")?;
    let mut there = signed_on(&pair.beta, "tiny")?;
    differences.compare(
        "the far client's coming",
        &[join("tiny", "beta")],
        &said(&mut here, 1)?,
    );

    let sent = |rest: &str, dest: &str| {
        format!(
            "t=tinytest, hello={rest}from_id=tiny, to_id=tiny, client_gen=*, {dest}src=alpha, {SENT}"
        )
    };
    here.send(&[("t", "tinytest"), ("hello", "world")])?;
    let expected = [sent("world, ", "")];
    differences.compare(
        "to all, seen by the sender",
        &expected,
        &said(&mut here, 1)?,
    );
    differences.compare(
        "to all, seen by the other",
        &expected,
        &said(&mut there, 1)?,
    );
    here.send(&[("t", "tinytest"), ("hello", "far"), ("dest", "beta")])?;
    here.send(&[("t", "tinytest"), ("hello", "near"), ("dest", "alpha")])?;
    here.send(&[("t", "tinytest"), ("hello", "again")])?;
    let (far, near) = (
        sent("far, dest=beta, ", "(1)destuuid=*, "),
        sent("near, dest=alpha, ", "(1)destuuid=*, "),
    );
    let again = sent("again, ", "");
    differences.compare(
        "to one node, seen by the sender",
        &[near, again.clone()],
        &said(&mut here, 2)?,
    );
    differences.compare(
        "to one node, seen by the other",
        &[far, again],
        &said(&mut there, 2)?,
    );

    here.send(&[("t", "query-cstatus"), ("cn", "tiny"), ("from_id", "tiny")])?;
    let mut seen = said(&mut here, 2)?;
    seen.sort();
    let answer = |node: &str| {
        format!(
            "t=respond-cstatus, dest=alpha, result=OK, cn=tiny, to_id=tiny, cs=online, (1)destuuid=*, src={node}, {SENT}"
        )
    };
    differences.compare(
        "who has a client tiny",
        &[answer("alpha"), answer("beta")],
        &seen,
    );

    let left = |reason: &str| {
        format!(
            "t=hbapi-clstat, st=leave, from_id=tiny, to_id=tiny, src=beta, info={reason}, client_gen=*, {SENT}"
        )
    };
    there.request("signoff", &[])?;
    differences.compare(
        "the far client signed off",
        &[left("signoff")],
        &said(&mut here, 1)?,
    );
    let mut there = signed_on(&pair.beta, "tiny")?;
    there.close();
    let expected = [join("tiny", "beta"), left("EOF")];
    differences.compare("the far client closed", &expected, &said(&mut here, 2)?);

    pair.alpha.fifo(&[("t", "fifotest"), ("x", "1")])?;
    pair.alpha
        .fifo(&[("t", "fifotest"), ("x", "2"), ("to_id", "tiny")])?;
    let whole = format!("t=fifotest, x=1, src=alpha, {SENT}");
    let addressed = format!("t=fifotest, x=2, to_id=tiny, src=alpha, {SENT}");
    differences.compare(
        "from the FIFO",
        &[whole.clone(), addressed],
        &said(&mut here, 2)?,
    );
    differences.compare(
        "from the FIFO, seen by another",
        &[whole],
        &said(&mut stranger, 1)?,
    );
    differences.compare(
        "nothing else for the stranger",
        &[] as &[&str],
        &waiting(&mut stranger),
    );
    Ok(())
}

/// What a client with a wider mask sees (`client-api.md` 3.1).
pub fn filters(pair: &Pair, differences: &mut Differences) -> Result<()> {
    let mut client = signed_on(&pair.alpha, "tiny5")?;
    client.request("setfilter", &[("fmask", "3f")])?;
    differences.compare(
        "all classes",
        &["t=hbapi-resp, reqtype=setfilter, result=OK"],
        &[client.answer(LIMIT)?.to_string()],
    );
    let wanted = [
        format!("t=status, st=active, dt=9c4, protocol=1, src=alpha, {SENT}"),
        format!("t=status, st=active, dt=9c4, protocol=1, src=beta, {SENT}"),
        format!("t=NS_st, st=ping, info=ping, src={PING_NODE}, ts=*, auth=*"),
    ];
    let mut seen: Vec<String> = Vec::new();
    wait_until("heartbeats are shown", seconds(10), || {
        seen.extend(client.waiting().iter().map(ToString::to_string));
        wanted.iter().all(|wanted| seen.contains(wanted))
    })
    .map_err(|error| LabError::unexpected(format!("{error}; seen {seen:#?}")))?;
    client.request("getparm", &[("pname", "keepalive")])?;
    let own = format!(
        "t=hbapi-req, reqtype=getparm, dest=alpha, pid={}, from_id=tiny5, pname=keepalive",
        client.pid()
    );
    let mut seen: Vec<String> = Vec::new();
    wait_until("the own request is shown", seconds(10), || {
        seen.extend(client.waiting().iter().map(ToString::to_string));
        seen.contains(&own)
    })
    .map_err(|error| LabError::unexpected(format!("{error}; seen {seen:#?}")))?;
    client.request("setfilter", &[("fmask", "1")])?;
    client.answer(LIMIT)?;
    Ok(())
}
