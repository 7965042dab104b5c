//! Nodes, weights and sites that change by command (`resource-protocol.md` 7.3), as both nodes tell it in their logs and
//! to `cl_status`.

use std::sync::Arc;

use ha_lab::{Host, LabError, Result, seconds, wait_until};

use crate::pair::Pair;
use crate::runner::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "nodes_come_and_go_by_command",
        modes: &["on"],
        run: nodes,
    },
    Scenario {
        name: "weights_and_sites_by_command",
        modes: &["off"],
        run: properties,
    },
];

/// Waits until both logs have a line.
fn both_say(pair: &Pair, text: &str) -> Result<()> {
    for host in pair.nodes() {
        wait_until(&format!("{}: {text}", host.name()), seconds(15), || {
            host.log().lines().any(|line| line.ends_with(text))
        })?;
    }
    Ok(())
}

/// What the node's own `cl_status` prints.
fn cl_status(host: &Arc<Host>, words: &[&str]) -> Result<String> {
    let mut command = vec!["cl_status"];
    command.extend_from_slice(words);
    Ok(host.run(&command)?.stdout)
}

fn both_tell(pair: &Pair, words: &[&str], expected: &str) -> Result<()> {
    for host in pair.nodes() {
        let mut told = String::new();
        let what = format!("{} tells {words:?} {expected:?}", host.name());
        wait_until(&what, seconds(10), || {
            told = cl_status(host, words).unwrap_or_default();
            told == expected
        })
        .map_err(|error| LabError::unexpected(format!("{error}, but {told:?}")))?;
    }
    Ok(())
}

fn nodes(pair: &Pair) -> Result<()> {
    pair.settle()?;
    for (node, refusal) in [
        ("beta", "deletion failed: node beta is not dead"),
        // The node itself is not dead either.
        ("alpha", "deletion failed: node alpha is not dead"),
    ] {
        pair.alpha.tool("hb_delnode", &[node])?;
        both_say(pair, refusal)?;
    }
    pair.alpha.tool("hb_delnode", &["nosuch"])?;
    both_say(pair, "Removing node [nosuch] from configuration.")?;
    both_say(pair, "hb_remove_one_node: node nosuch not found in config")?;
    both_say(pair, "Deleting node nosuch failed")?;

    pair.beta.tool("hb_addnode", &["gamma", "Delta", "alpha"])?;
    both_say(
        pair,
        "hb_add_one_node: Adding new node[gamma] to configuration.",
    )?;
    both_say(
        pair,
        "hb_add_one_node: Adding new node[Delta] to configuration.",
    )?;
    both_say(pair, "hb_add_one_node: node(alpha) already exists")?;
    both_say(pair, "Add node alpha failed")?;
    both_tell(pair, &["listnodes", "-n"], "delta\ngamma\nbeta\nalpha\n")?;
    for node in ["gamma", "delta"] {
        both_say(pair, &format!("node {node}: is dead"))?;
        both_tell(pair, &["nodestatus", node], "dead\n")?;
    }

    pair.alpha.tool("hb_delnode", &["gamma"])?;
    both_say(
        pair,
        "deletion failed. We don't have all required nodes alive (delta is dead)",
    )?;
    pair.alpha.tool("hb_delnode", &["gamma", "delta"])?;
    both_say(pair, "Removing node [delta] from configuration.")?;
    both_tell(pair, &["listnodes", "-n"], "beta\nalpha\n")?;
    pair.until_at("nothing has moved", seconds(10), "alpha", "beta")
}

fn properties(pair: &Pair) -> Result<()> {
    pair.settle()?;
    both_tell(pair, &["nodeweight", "beta"], "100\n")?;
    both_tell(pair, &["nodesite", "beta"], "\n")?;
    pair.alpha.tool("hb_setweight", &["beta", "50"])?;
    pair.beta.tool("hb_setsite", &["BETA", "east"])?;
    both_tell(pair, &["nodeweight", "beta"], "50\n")?;
    both_tell(pair, &["nodesite", "beta"], "east\n")?;
    pair.alpha.tool("hb_setweight", &["nosuch", "5"])?;
    both_tell(pair, &["nodeweight", "alpha"], "100\n")
}
