//! Clients that the daemon starts itself (`client-api.md` 6), with the lines of an old ha.cf as they stand.

use std::thread;

use ha_lab::{Host, LabError, Result, seconds, wait_until};

use super::{Differences, debian, prepare};
use crate::pair::Pair;

/// What the lines of an old ha.cf expect where Debian has no program.
const IPFAIL: &str = "/usr/lib64/heartbeat/ipfail";

/// A managed client: what ha.cf says of it, and its script.
struct Managed {
    user: &'static str,
    name: &'static str,
    script: &'static str,
}

/// Tells how it was started, then waits for its end and tells that.
const LASTING: &str = r#"
env >/var/log/$name.env
(
    id -un
    id -gn
    umask
    pwd
    readlink /proc/$$/fd/*
    [ "$(ps -o pgid= -p $$ | tr -d ' ')" = $$ ] && echo leads its process group
) >/var/log/$name.state 2>&1
trap 'echo "$name ends" >>/var/log/respawned; exit 0' TERM
echo "$name begins" >>/var/log/respawned
while :; do sleep 0.2; done
"#;

const MANAGED: &[Managed] = &[
    Managed {
        user: "root",
        name: "first",
        script: LASTING,
    },
    Managed {
        user: "hacluster",
        name: "second",
        script: LASTING,
    },
    Managed {
        user: "root",
        name: "hundred",
        script: "echo hundred >>/var/log/respawned\nexit 100\n",
    },
    Managed {
        user: "root",
        name: "hasty",
        script: "echo hasty >>/var/log/respawned\nexit 0\n",
    },
    Managed {
        user: "root",
        name: "third",
        script: LASTING,
    },
];

/// The environment on alpha, in the order of the names, without what the shell adds.
const ENVIRONMENT: &[&str] = &[
    "HA_COLOUR=blue",
    "HA_COMPRESSION=zlib",
    "HA_CURHOST=alpha",
    "HA_DATEFMT=%Y/%m/%d_%T\t",
    "HA_DEBUGLOG=/var/log/ha-debug",
    "HA_DIR=/etc/ha.d/",
    "HA_FUNCS=/etc/ha.d//shellfuncs",
    "HA_LOGFACILITY=none",
    "HA_LOGFILE=/var/log/ha-log",
    "HA_auto_failback=on",
    "HA_autojoin=none",
    "HA_baud=19200",
    "HA_cluster=linux-ha",
    "HA_compression=zlib",
    "HA_compression_threshold=2",
    "HA_conn_logd_time=60",
    "HA_coredumps=true",
    "HA_deadping=2500ms",
    "HA_deadtime=2500ms",
    "HA_debug=0",
    "HA_debugfile=/var/log/ha-debug",
    "HA_enable_config_writes=on",
    "HA_hbgenmethod=file",
    "HA_hopfudge=1",
    "HA_initdead=4000ms",
    "HA_keepalive=300ms",
    "HA_log_badpack=true",
    "HA_logfacility=none",
    "HA_logfile=/var/log/ha-log",
    "HA_max_rexmit_delay=250",
    "HA_memreserve=6500",
    "HA_msgfmt=classic",
    "HA_pacemaker=false",
    "HA_realtime=true",
    "HA_record_config_changes=on",
    "HA_record_pengine_inputs=on",
    "HA_syslogmsgfmt=true",
    "HA_traditional_compression=no",
    "HA_udpport=694",
    "HA_uuidfrom=file",
    "HA_warntime=1250ms",
    "HOME=/root",
    "LANG=C",
    "OCF_ROOT=/usr/lib/ocf",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
];

/// What 3.0.6 and ours set differently; an empty line stands for a variable that 2.1 does not know.
const AS_IN_2_1: &[(&str, &str)] = &[
    ("HA_COMPRESSION=zlib", ""),
    ("HA_DATEFMT=%Y/%m/%d_%T\t", "HA_DATEFMT=%Y/%m/%d_%T "),
    ("HA_DIR=/etc/ha.d/", "HA_DIR=/etc/ha.d"),
    (
        "HA_FUNCS=/etc/ha.d//shellfuncs",
        "HA_FUNCS=/etc/ha.d/shellfuncs",
    ),
    ("HA_pacemaker=false", "HA_crm=false"),
    ("HA_syslogmsgfmt=true", "HA_syslogmsgfmt=false"),
    (
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PATH=/usr/lib64/heartbeat:/usr/sbin:/usr/share/heartbeat:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
];

/// What a shell sets itself, and the terminal of whoever runs the tests.
const OF_THE_SHELL: [&str; 5] = ["PWD=", "OLDPWD=", "SHLVL=", "_=", "TERM="];

pub fn managed_clients(pair: &Pair) -> Result<()> {
    let mut lines = vec![
        format!("respawn root {IPFAIL}"),
        "apiauth ipfail gid=root uid=root".to_owned(),
        "env COLOUR=blue".to_owned(),
    ];
    for client in MANAGED {
        lines.push(format!("respawn {} /opt/{}", client.user, client.name));
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    prepare(pair, &lines)?;
    if pair.beta.is_ours() {
        // The legacy waits for such a one for ever.
        let file = pair.beta.read("/etc/ha.d/ha.cf")?;
        pair.beta.write(
            "/etc/ha.d/ha.cf",
            &format!("{file}respawn root /opt/deaf\n"),
        )?;
        pair.beta.write_mode(
            "/opt/deaf",
            "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n",
            0o755,
        )?;
    }
    for host in pair.nodes() {
        install(host)?;
    }
    pair.settle()?;
    let alpha = &pair.alpha;
    let mut differences = Differences::default();
    for (name, user, group) in [
        ("first", "root", "root"),
        ("second", "hacluster", "haclient"),
    ] {
        how_it_was_started(&mut differences, alpha, name, user, group)?;
    }
    let mut casual = alpha.api_client("")?;
    casual.request_signon()?;
    casual.answer(seconds(5))?;
    casual.request("clientstatus", &[("node", "alpha"), ("cn", "ipfail")])?;
    let seen = casual.answer(seconds(5))?.to_string();
    let online = "t=hbapi-resp, reqtype=clientstatus, subt=respond-cstatus, cs=online, result=OK";
    differences.compare("ipfail of the old line", &[online], &[seen]);
    wait_until("the hasty one is given up", seconds(40), || {
        alpha.log().contains("respawning too fast")
    })?;
    // Killed by a signal, it comes back like any other.
    alpha.sh("kill -9 $(pgrep -of /opt/third)")?;
    wait_until("the third one is back", seconds(20), || {
        count(alpha, "third begins") == 2
    })?;
    thread::scope(|scope| {
        let beta = scope.spawn(|| pair.beta.stop_heartbeat());
        let alpha = alpha.stop_heartbeat();
        beta.join()
            .map_err(|_| LabError::unexpected("stopping beta panicked"))?
            .and(alpha)
    })?;
    if pair.beta.is_ours() {
        let log = pair.beta.log();
        let killed = log.lines().any(|line| {
            line.contains("WARN: killing /opt/deaf process group")
                && line.ends_with("with signal 9")
        });
        differences.compare(
            "the deaf client is killed",
            &["true"],
            &[killed.to_string()],
        );
    }

    logged(&mut differences, alpha);
    let all = alpha.read("/var/log/respawned")?;
    let ends: Vec<&str> = all.lines().filter(|line| line.ends_with("ends")).collect();
    differences.compare(
        "the order of their ends",
        &["third ends", "second ends", "first ends"],
        &ends,
    );
    for (line, expected) in [
        ("hasty", 11),
        ("hundred", 1),
        ("first begins", 1),
        ("third begins", 2),
    ] {
        let what = format!("how often {line}");
        differences.compare(
            &what,
            &[expected.to_string()],
            &[count(alpha, line).to_string()],
        );
    }
    differences.finish()
}

fn install(host: &Host) -> Result<()> {
    if !host.exists(IPFAIL) {
        let program = debian("ipfail");
        host.sh(&format!(
            "mkdir -p /usr/lib64/heartbeat && ln -s {program} {IPFAIL}"
        ))?;
    }
    host.sh("chmod 1777 /var/log; touch /var/log/respawned; chmod 666 /var/log/respawned")?;
    for client in MANAGED {
        let script = format!("#!/bin/sh\nname={}\n{}", client.name, client.script);
        host.write_mode(&format!("/opt/{}", client.name), &script, 0o755)?;
    }
    Ok(())
}

/// How many lines of the clients' notes are this one.
fn count(host: &Host, line: &str) -> usize {
    let notes = host.log_file("respawned");
    notes.lines().filter(|note| *note == line).count()
}

fn how_it_was_started(
    differences: &mut Differences,
    host: &Host,
    name: &str,
    user: &str,
    group: &str,
) -> Result<()> {
    let begins = format!("{name} begins");
    wait_until(&begins, seconds(20), || count(host, &begins) == 1)?;
    let script = format!("/opt/{name}");
    let expected = [
        user,
        group,
        "0022",
        "/var/lib/heartbeat/cores/root",
        "/dev/null",
        "/dev/null",
        // The shell reads the script from a descriptor of its own.
        &script,
        "/dev/null",
        "leads its process group",
    ];
    let state = host.log_file(&format!("{name}.state"));
    differences.compare(
        &format!("{name}'s state"),
        &expected,
        &Vec::from_iter(state.lines()),
    );
    let environment = host.log_file(&format!("{name}.env"));
    let mut seen: Vec<&str> = environment
        .lines()
        .filter(|line| !OF_THE_SHELL.iter().any(|own| line.starts_with(own)))
        .collect();
    let mut expected = ENVIRONMENT.to_vec();
    if host.is_ours() {
        for line in &mut expected {
            if let Some((_, ours)) = AS_IN_2_1.iter().find(|(theirs, _)| theirs == line) {
                *line = ours;
            }
        }
        expected.retain(|line| !line.is_empty());
        // The daemon sets what `shellfuncs` would set, so that scripts need not read it; that is more than the legacy sets.
        let known = |line: &str| {
            let name = line.split('=').next().unwrap_or(line);
            expected
                .iter()
                .any(|line| line.split('=').next() == Some(name))
        };
        seen.retain(|line| known(line));
    }
    expected.sort_unstable();
    seen.sort_unstable();
    differences.compare(&format!("{name}'s environment"), &expected, &seen);
    Ok(())
}

/// The daemon's own words about each client.
fn logged(differences: &mut Differences, host: &Host) {
    let log = host.log();
    // The end of a client that was told to end is not worth a line to the legacy.
    let end = log
        .lines()
        .position(|line| line.contains("killing /opt/third process group"))
        .unwrap_or(usize::MAX);
    let about = |name: &str| -> Vec<&str> {
        let path = format!("/opt/{name}");
        log.lines()
            .enumerate()
            .filter(|(at, line)| *at <= end || !line.contains("info: Managed "))
            .map(|(_, line)| line)
            .filter(|line| line.contains(&path))
            .filter_map(|line| line.split_once("]: "))
            // In the classic form the time comes second.
            .map(|(_, text)| match text.split_once(' ') {
                Some((time, rest)) if time.contains('/') => rest,
                _ => text,
            })
            .collect()
    };
    let first = [
        "info: Starting child client \"/opt/first\" (0,0)",
        "info: Starting \"/opt/first\" as uid 0  gid 0 (pid %)",
        "info: killing /opt/first process group % with signal 15",
    ];
    differences.compare("the log about a client", &first, &about("first"));
    let third = [
        "info: Starting child client \"/opt/third\" (0,0)",
        "info: Starting \"/opt/third\" as uid 0  gid 0 (pid %)",
        "WARN: Managed /opt/third process % killed by signal 9%.",
        "ERROR: Respawning client \"/opt/third\":",
        "info: Starting child client \"/opt/third\" (0,0)",
        "info: Starting \"/opt/third\" as uid 0  gid 0 (pid %)",
        "info: killing /opt/third process group % with signal 15",
    ];
    differences.compare("the log about a killed client", &third, &about("third"));
    let hundred = [
        "info: Starting child client \"/opt/hundred\" (0,0)",
        "info: Starting \"/opt/hundred\" as uid 0  gid 0 (pid %)",
        "WARN: Managed /opt/hundred process % exited with return code 100.",
        "info: client [/opt/hundred] is not running.",
    ];
    differences.compare("the log about exit 100", &hundred, &about("hundred"));
    let mut hasty = Vec::new();
    for run in 1..=11 {
        hasty.extend([
            "info: Starting child client \"/opt/hasty\" (0,0)",
            "info: Starting \"/opt/hasty\" as uid 0  gid 0 (pid %)",
            "info: Managed /opt/hasty process % exited with return code 0.",
        ]);
        hasty.push(if run == 11 {
            "ERROR: Client /opt/hasty \"respawning too fast\""
        } else {
            "ERROR: Respawning client \"/opt/hasty\":"
        });
    }
    hasty.push("info: client [/opt/hasty] is not running.");
    differences.compare("the log about a hasty client", &hasty, &about("hasty"));
}

/// Without such a client the machine is of no use (`failfast`).
pub fn vital_client(pair: &Pair) -> Result<()> {
    prepare(pair, &["failfast root /opt/vital"])?;
    for host in pair.nodes() {
        host.write_mode("/opt/vital", VITAL, 0o755)?;
        host.write_mode(
            "/sbin/reboot",
            "#!/bin/sh\necho \"$@\" > /var/log/reboot-called\n",
            0o755,
        )?;
    }
    pair.settle()?;
    let alpha = &pair.alpha;
    alpha.write("/tmp/fail", "")?;
    // The legacy asks the kernel itself; ours calls the command, which tells the kernel.
    wait_until("the reboot", seconds(20), || {
        alpha.exists("/var/log/reboot-called") || !alpha.is_up()
    })?;
    let mut differences = Differences::default();
    if alpha.is_ours() {
        let arguments = alpha.log_file("reboot-called");
        differences.compare("reboot's arguments", &["-nf"], &[arguments.trim_end()]);
    }
    let log = alpha.log();
    let about: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("/opt/vital"))
        .collect();
    let expected = [
        "%info: Starting child client \"/opt/vital\" (0,0)",
        "%info: Starting \"/opt/vital\" as uid 0  gid 0 (pid %)",
        "%WARN: Managed /opt/vital process % exited with return code 1.",
        "%EMERG: Rebooting system.  Reason: /opt/vital",
    ];
    differences.compare("the log", &expected, &about);
    alpha.power_cut()?;
    pair.until_at("beta took over", seconds(20), "beta", "beta")?;
    differences.finish()
}

const VITAL: &str = "#!/bin/sh\nwhile ! [ -e /tmp/fail ]; do sleep 0.1; done\nexit 1\n";
