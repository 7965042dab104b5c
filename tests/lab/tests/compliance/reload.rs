//! Debug levels and re-reading of files (`install-and-cli.md` 7): what a signal changes, and what it must not.

use std::sync::Arc;

use ha_lab::{Authkeys, Host, LabError, Result, seconds, wait_until};

use crate::pair::Pair;
use crate::runner::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "debug_levels_by_signal",
        modes: &["on"],
        run: debug_levels,
    },
    Scenario {
        name: "reload_takes_what_has_changed",
        modes: &["on", "legacy"],
        run: changed,
    },
    Scenario {
        name: "reload_refuses_broken_files",
        modes: &["off"],
        run: broken,
    },
];

fn signal(host: &Host, name: &str) -> Result<()> {
    host.sh(&format!("kill -{name} $(cat /var/run/heartbeat.pid)"))
        .map(drop)
}

fn pid(host: &Host) -> Result<String> {
    host.read("/var/run/heartbeat.pid")
}

/// How often the log says something.
fn said(host: &Host, text: &str) -> usize {
    host.log().matches(text).count()
}

/// Sends a signal and waits until the log says something once more than before.
fn signalled(host: &Host, name: &str, text: &str) -> Result<()> {
    let before = said(host, text);
    signal(host, name)?;
    wait_until(
        &format!("{} says {text:?}", host.name()),
        seconds(30),
        || said(host, text) > before,
    )
}

/// Up, up, down, down, and not below zero.
fn debug_levels(pair: &Pair) -> Result<()> {
    pair.settle()?;
    for host in pair.nodes() {
        let version = said(host, "info: heartbeat: version ");
        for (name, level) in [
            ("USR1", 1),
            ("USR1", 2),
            ("USR2", 1),
            ("USR2", 0),
            ("USR2", 0),
        ] {
            let text = format!("debug: debug now set to {level} [pid ");
            let before = host.log_file("ha-debug").matches(&text).count();
            signal(host, name)?;
            wait_until(&format!("{name}: {text}"), seconds(20), || {
                host.log_file("ha-debug").matches(&text).count() > before
            })?;
        }
        // Once more at the step from 0 to 1.
        if said(host, "info: heartbeat: version ") != version + 1 {
            return Err(LabError::unexpected(format!(
                "{} did not say its version once",
                host.name()
            )));
        }
    }
    pair.check("alpha", "beta", &[])
}

/// Nothing, authkeys, ha.cf: each has its own text, and only the last one starts anew, with the same pid and without
/// letting go of a resource.
fn changed(pair: &Pair) -> Result<()> {
    pair.settle()?;
    for host in pair.nodes() {
        let before = pid(host)?;
        signalled(host, "HUP", "info: Configuration unchanged.")?;
        let keys = Authkeys::new(pair.variant.auth, "the secret");
        let more = format!("{}7 crc\n", keys.text());
        host.write_mode("/etc/ha.d/authkeys", &more, 0o600)?;
        signalled(host, "HUP", "info: Rereading authentication file.")?;
        pair.stays("nobody moves", seconds(2), || pair.is_at("alpha", "beta"))?;
        let file = host.read("/etc/ha.d/ha.cf")?;
        host.write("/etc/ha.d/ha.cf", &format!("{file}# one more line\n"))?;
        reload_by_command(host, 0)?;
        for text in [
            "info: Heartbeat restart triggered.",
            "info: Restarting heartbeat.",
            "info: Performing heartbeat restart exec.",
        ] {
            wait_until(text, seconds(60), || said(host, text) == 1)?;
        }
        pair.stays("resources stay where they are", seconds(3), || {
            pair.is_at("alpha", "beta")
        })?;
        wait_until("it is active again", seconds(60), || {
            said(host, "Local status now set to: 'active'") == 2
        })?;
        if pid(host)? != before {
            return Err(LabError::unexpected("another pid".to_owned()));
        }
        pair.check_views()?;
    }
    // A legacy partner may acknowledge a message of the daemon's former life; the new one does not know it.
    pair.check("alpha", "beta", &["corrupted ackseq"])
}

/// `heartbeat -r`.
fn reload_by_command(host: &Host, expected: i32) -> Result<()> {
    let output = host.run(&[host.daemon()?, "-r"])?;
    if output.code() != expected {
        return Err(LabError::unexpected(format!("-r: {output:?}")));
    }
    let text = match expected {
        0 => "to reread config files",
        _ => "NOT restarted",
    };
    if !output.stderr.contains(text) {
        return Err(LabError::unexpected(format!("-r: {output:?}")));
    }
    Ok(())
}

/// `-r` refuses; a signal that comes from elsewhere changes nothing here. It ended the legacy.
fn broken(pair: &Pair) -> Result<()> {
    pair.settle()?;
    for host in pair.nodes() {
        let before = pid(host)?;
        let good = host.read("/etc/ha.d/ha.cf")?;
        let keys = host.read("/etc/ha.d/authkeys")?;
        for (file, bad) in [
            ("/etc/ha.d/ha.cf", format!("{good}nonsense 1\n")),
            ("/etc/ha.d/authkeys", "auth 3\n1 crc\n".to_owned()),
        ] {
            let old = if file.ends_with("ha.cf") {
                &good
            } else {
                &keys
            };
            host.write_mode(file, &bad, 0o600)?;
            reload_by_command(host, 1)?;
            if host.is_ours() {
                signalled(host, "HUP", "Heartbeat NOT restarted")?;
            }
            pair.stays("nothing happens", seconds(2), || {
                pair.is_at("alpha", "beta")
            })?;
            host.write_mode(file, old, 0o600)?;
        }
        still_there(host, &before)?;
    }
    // Each text says what is wrong with the files.
    pair.check(
        "alpha",
        "beta",
        &[
            "nonsense",
            "Illegal directive",
            "lists all directives",
            "onfiguration error",
            "not found in keyfile",
            "line of key 3",
            "NOT restarted",
        ],
    )
}

fn still_there(host: &Arc<Host>, before: &str) -> Result<()> {
    if pid(host)? != before || said(host, "Performing heartbeat restart exec.") > 0 {
        return Err(LabError::unexpected(format!(
            "{} started anew",
            host.name()
        )));
    }
    Ok(())
}
