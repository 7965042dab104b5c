//! The same files, read by the legacy daemon and by us: same exit code, same words, same parameters.
//!
//! Runs the daemon of Debian's heartbeat 3.0.6 in namespaces of its own (network, mounts, host name, processes), so that
//! nothing of the machine is touched; a daemon that starts ends with its process namespace. Without that package, or
//! without root, the tests say so and pass. Differences of 3.0.6 that `config-files.md` 15 lists are evened out first.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ha_config::effective_configuration;
use support::{Files, INTERFACES, PROGRAMS, cases, is_standing, laboratory, legacy_messages};

const DAEMON: &str = "/usr/libexec/heartbeat/heartbeat";

/// Prepares the namespaces and runs the daemon with the files below `$1`; its words and its exit code go there as well.
const LABORATORY: &str = r#"
set -e
dir=$1
cat "$dir/host" > /proc/sys/kernel/hostname
ip link set lo up
while read -r name address; do
    # An interface needs a name that is free here and a peer to be up.
    ip link add "$name" type veth peer name "p$name"
    ip link set "p$name" up
    ip link set "$name" up
    if [ -n "$address" ]; then ip addr add "$address" brd + dev "$name"; fi
done < "$dir/interfaces"
mount -t tmpfs none /etc/ha.d
cp -p "$dir"/etc/* /etc/ha.d/ 2>/dev/null || true
mkdir -p /etc/ha.d/resource.d /etc/ha.d/rc.d
mount -t tmpfs none /var/lib/heartbeat
mkdir -p /var/lib/heartbeat/cores/root /var/lib/heartbeat/cores/hacluster
chown -R hacluster:haclient /var/lib/heartbeat
mount -t tmpfs none /run
mkdir -p /run/heartbeat /run/lock
mount -t tmpfs none /var/log
for libdir in lib lib64; do
    mkdir -p /run/upper.$libdir /run/work.$libdir
    mount -t overlay none -o lowerdir=/usr/$libdir,upperdir=/run/upper.$libdir,workdir=/run/work.$libdir /usr/$libdir
done
while read -r program; do
    mkdir -p "${program%/*}"
    printf '#!/bin/sh\nexit 100\n' > "$program"
    chmod 755 "$program"
done < "$dir/programs"
set +e
/usr/libexec/heartbeat/heartbeat -v < /dev/null > "$dir/stdout" 2> "$dir/stderr"
echo $? > "$dir/exit"
"#;

/// What a run of the legacy daemon yields.
struct Legacy {
    exit: i32,
    messages: Vec<String>,
    listing: String,
}

fn available() -> bool {
    let is_root =
        fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let reason = match () {
        () if !Path::new(DAEMON).exists() => "the legacy daemon is not installed",
        () if !is_root => "namespaces need root",
        () => return true,
    };
    eprintln!("skipped: {reason}");
    false
}

fn run(name: &str, files: &Files) -> Legacy {
    let dir = Directory::new(name);
    let etc = dir.0.join("etc");
    fs::create_dir_all(&etc).unwrap();
    let put = |name: &str, bytes: &Option<Vec<u8>>, mode: u32| {
        if let Some(bytes) = bytes {
            let path = etc.join(name);
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    put("ha.cf", &files.ha_cf, 0o644);
    put("authkeys", &files.authkeys, files.mode);
    put("haresources", &files.haresources, 0o644);
    put("nodeinfo", &files.nodeinfo, 0o644);
    fs::write(dir.0.join("host"), &files.host).unwrap();
    let addressed = INTERFACES
        .iter()
        .map(|(name, [a, b, c])| format!("{name} {a}.{b}.{c}.122/24\n"));
    fs::write(
        dir.0.join("interfaces"),
        addressed.chain(["eth8 \n".into()]).collect::<String>(),
    )
    .unwrap();
    fs::write(
        dir.0.join("programs"),
        PROGRAMS
            .iter()
            .map(|path| format!("{path}\n"))
            .collect::<String>(),
    )
    .unwrap();
    let status = Command::new("unshare")
        .args([
            "-nmupi",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
            LABORATORY,
            "sh",
        ])
        .arg(&dir.0)
        // A relative log file shall not land in the source tree.
        .current_dir(&dir.0)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(
        status.success(),
        "the laboratory for {name} could not be set up"
    );
    let read =
        |name: &str| String::from_utf8_lossy(&fs::read(dir.0.join(name)).unwrap()).into_owned();
    Legacy {
        exit: read("exit").trim().parse().unwrap(),
        messages: messages(&read("stderr")),
        listing: read("stdout"),
    }
}

/// A directory that vanishes with its value.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let name: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .take(40)
            .collect();
        let path =
            std::env::temp_dir().join(format!("ha-config-legacy-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Takes the daemon's standard error apart: `Nov 24 00:09:06 host heartbeat: [14]: ERROR: text` is a message, anything
/// else is either the rest of the message before it or was printed without being logged.
fn messages(stderr: &str) -> Vec<String> {
    // Printed without a newline in front of whatever comes next (`config-files.md` 4); not an error.
    let stderr = stderr
        .replace(
            "heartbeat: udpport setting must precede media statements",
            "",
        )
        .replace(
            "heartbeat: baudrate setting must precede media statements",
            "",
        );
    let mut messages: Vec<String> = Vec::new();
    for line in stderr.lines() {
        let logged = line
            .split_once(" heartbeat: [")
            .and_then(|(_, rest)| rest.split_once("]: "));
        match logged.and_then(|(_, text)| text.split_once(": ")) {
            Some((level, text)) => messages.push(format!("{level} {text}")),
            None if line.starts_with("heartbeat: ") || line.starts_with("Warn time [") => {
                messages.push(format!("STDERR {line}"));
            }
            None if line.is_empty() => {}
            None => match messages.last_mut() {
                Some(message) => {
                    message.push('\n');
                    message.push_str(line);
                }
                None => messages.push(format!("STDERR {line}")),
            },
        }
    }
    messages
        .into_iter()
        .map(|message| as_213_says(&message))
        .collect()
}

/// The differences of 3.0.6 that the reference lists.
fn as_213_says(message: &str) -> String {
    message
        .replace("/etc/ha.d//", "/etc/ha.d/")
        .replace("Pacemaker support", "Version 2 support")
        .replace("pacemaker is enabled", "crm is enabled")
        .replace(
            "http://linux-ha.org/wiki/Ha.cf#node_directive",
            "http://linux-ha.org/ha.cf/NodeDirective",
        )
}

/// Messages about a case. What comes after the configuration is validated is the daemon's life, not its configuration,
/// and the loss of ha_logd is noticed whenever something is logged.
fn judged(messages: &[String]) -> Vec<&str> {
    let resumes = "ERROR Bad nodename";
    let validated = messages
        .iter()
        .position(|message| message.starts_with("info Configuration validated"));
    messages
        .iter()
        .enumerate()
        .filter(|(position, message)| {
            validated.is_none_or(|validated| *position < validated)
                || message.starts_with(resumes)
                || message.contains("haresources")
                || message.contains("Configuration error")
        })
        .map(|(_, message)| message.as_str())
        .filter(|message| !is_standing(message) && !message.starts_with("debug "))
        .filter(|message| !message.contains("Initializing connection to logging daemon failed"))
        .collect()
}

/// Compares one set of files; the difference, if there is one.
fn compare(name: &str, files: &Files, legacy_exit: Option<i32>, texts: bool) -> Option<String> {
    let ours = files.load(&laboratory());
    let theirs = run(name, files);
    let mut wrong = Vec::new();
    let expected = legacy_exit.unwrap_or(ours.exit_code);
    if theirs.exit != expected {
        wrong.push(format!(
            "exit code: legacy {}, expected {expected}, ours {}",
            theirs.exit, ours.exit_code
        ));
    }
    let said = legacy_messages(&ours);
    if texts && judged(&said) != judged(&theirs.messages) {
        wrong.push(format!(
            "ours {:#?}\nlegacy {:#?}",
            judged(&said),
            judged(&theirs.messages)
        ));
    }
    // The legacy lists a ping node that is declared twice as two media.
    let twice = ours
        .diagnostics
        .iter()
        .any(|said| said.code == "duplicate-node");
    if let (Some(config), true, true, false) = (&ours.config, theirs.exit == 0, texts, twice) {
        let listing = effective_configuration(&config.ha_cf, &config.local_node);
        let (ours, theirs) = (comparable(&listing), comparable(&theirs.listing));
        let only = |these: &[String], those: &[String]| -> Vec<String> {
            these
                .iter()
                .filter(|line| !those.contains(line))
                .cloned()
                .collect()
        };
        if ours != theirs {
            wrong.push(format!(
                "-v: only ours {:#?}\nonly legacy {:#?}",
                only(&ours, &theirs),
                only(&theirs, &ours)
            ));
        }
    }
    (!wrong.is_empty()).then(|| format!("== {name} ==\n{}", wrong.join("\n")))
}

/// The `-v` listing without what 3.0.6 does differently: crm's new name and the default of syslogmsgfmt; and without the
/// nodes that the legacy has twice.
fn comparable(listing: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in listing.lines() {
        let line = line.replace("with: pacemaker on", "with: crm on");
        let skipped = ["pacemaker\t", "crm\t", "syslogmsgfmt\t"]
            .iter()
            .any(|start| line.starts_with(start));
        let again = line.starts_with("node ") && lines.contains(&line);
        if !skipped && !again {
            lines.push(line);
        }
    }
    lines
}

fn report(failures: Vec<String>) {
    assert!(
        failures.is_empty(),
        "{} differ\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn on_every_row_of_the_reference_table() {
    if !available() {
        return;
    }
    let failures = cases::all()
        .iter()
        .filter_map(|case| {
            compare(
                &case.name,
                &case.files,
                Some(case.legacy_exit),
                case.texts_differ.is_none(),
            )
        })
        .collect();
    report(failures);
}

#[test]
fn on_the_corpus() {
    if !available() {
        return;
    }
    let mut failures = Vec::new();
    for kind in ["ha.cf", "authkeys", "haresources"] {
        for (name, bytes) in support::corpus(kind) {
            let files = support::corpus_case(kind, &bytes);
            let ours = files.load(&laboratory());
            // Release 2 has other words there, and the same end.
            let release_2 = ours
                .diagnostics
                .iter()
                .any(|said| said.code == "crm-unsupported");
            failures.extend(compare(&format!("{kind} {name}"), &files, None, !release_2));
        }
    }
    report(failures);
}

/// Words for random lines: each directive with values good and bad. Left out is what 3.0.6 is known to do differently:
/// crashes (media without words, a second bad word of bcast, serial or ping), `crm`, duplicate nodes, stonith types.
const LINES: &[(&str, &[&str])] = &[
    (
        "keepalive",
        &[
            "2", "1500ms", "0", "x", "3 1", "1,2", "500msx", "2.5.1", "9",
        ],
    ),
    ("deadtime", &["10", "30", "4", "5000ms", "1h", "12.75", "0"]),
    ("deadping", &["10", "3", "x", "7001ms"]),
    ("warntime", &["5", "0", "x", "100"]),
    ("initdead", &["20", "120", "9", "3", "x"]),
    ("hopfudge", &["1", "255", "256", "x"]),
    ("udpport", &["694", "0", "5000", "123", "70000", "694x"]),
    ("baud", &["9600", "19200", "1", "38400 9600"]),
    ("watchdog", &["/dev/watchdog", "a b", "x"]),
    (
        "logfacility",
        &[
            "local0",
            "none",
            "kern",
            "LOCAL1",
            "security",
            "daemon mail",
        ],
    ),
    ("logfile", &["/var/log/ha-log", "/dev/null", "a b"]),
    ("debugfile", &["/var/log/ha-debug", "/dev/null"]),
    (
        "auto_failback",
        &["on", "off", "legacy", "x", "YES no", "Legacy"],
    ),
    ("nice_failback", &["on", "off", "x"]),
    ("rtprio", &["1", "99", "0", "x"]),
    ("hbgenmethod", &["file", "time", "x"]),
    ("realtime", &["on", "off", "x"]),
    ("msgfmt", &["classic", "netstring", "x"]),
    ("use_logd", &["yes", "no", "x", "on off"]),
    ("conn_logd_time", &["60", "1us", "5ms"]),
    ("log_badpack", &["on", "x"]),
    ("coredumps", &["on", "off", "x"]),
    ("coreroot", &["/var/tmp", "x"]),
    ("autojoin", &["none", "any", "other", "x"]),
    ("uuidfrom", &["file", "nodename", "x"]),
    ("compression", &["zlib", "bz2", "x"]),
    ("compression_threshold", &["2", "0", "1x"]),
    ("traditional_compression", &["on", "x"]),
    ("env", &["A=B", "A=B C=D,E=F", "=x", "foo"]),
    ("max_rexmit_delay", &["250", "0", "x"]),
    ("record_config_changes", &["on", "x"]),
    ("memreserve", &["6500", "0"]),
    ("cluster", &["a", "a b"]),
    ("quorum_server", &["q"]),
    ("node", &["lvs3", "LVS4,lvs5", "lvs6 lvs7"]),
    ("bcast", &["lo", "eth1", "eth0,eth2", "eth9"]),
    ("udp", &["lo"]),
    ("serial", &["/dev/null", "/dev/nosuch"]),
    ("ping", &["10.9.0.1", "nosuch.invalid"]),
    (
        "ucast",
        &[
            "eth0",
            "eth0 10.0.0.1",
            "eth0 nosuch.invalid",
            "eth0 10.0.0.1 x",
            "eth0,10.0.0.1",
        ],
    ),
    (
        "mcast",
        &[
            "eth0 225.0.0.1 694 1 0",
            "eth0 1.2.3.4 1 1 1",
            "eth0 225.0.0.1 0 1 0",
            "eth0 225.0.0.1 694 9 0",
        ],
    ),
    (
        "ping_group",
        &["g1 10.0.0.1", "g2", "g3 10.0.0.1 nosuch.invalid 10.0.0.2"],
    ),
    (
        "respawn",
        &[
            "root /bin/true",
            "root true",
            "nobodyatall /bin/true",
            "root /bin/nosuch a",
            "",
        ],
    ),
    // Without a command 3.0.6 reads on into what an earlier line left in its buffer.
    ("failfast", &["hacluster /bin/true -x y", "nobodyatall"]),
    (
        "apiauth",
        &[
            "a uid=root",
            "a gid=haclient",
            "b",
            "c uid=x",
            "d uid=1,2 gid=3",
            "ipfail uid=root",
            "e x=1",
        ],
    ),
    ("stonith_host", &["elsewhere x", "", "*"]),
    ("frob", &["nicate"]),
    ("Node", &["x"]),
];

/// A small generator of random numbers; the same seed gives the same files.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Some lines of the base are left out and some random ones added, in random order.
fn random_files(dice: &mut Dice) -> Files {
    let base = String::from_utf8(Files::base().ha_cf.unwrap()).unwrap();
    let mut lines: Vec<String> = base
        .lines()
        .filter(|_| dice.below(8) > 0)
        .map(str::to_owned)
        .collect();
    for _ in 0..dice.below(7) {
        let (name, values) = dice.pick(LINES);
        // A node twice and a bad medium after one of the same type are among the known differences.
        let once = ["bcast", "udp", "serial", "ping", "node", "ping_group"].contains(name);
        if once
            && lines
                .iter()
                .any(|line| line.split_whitespace().next() == Some(name))
            && *name != "node"
        {
            continue;
        }
        let value = dice.pick(values);
        if *name == "node" && lines.iter().any(|line| line.contains(value)) {
            continue;
        }
        let gap = dice.pick(&[" ", "\t", "  ", " , "]);
        let tail = dice.pick(&["", "", " ", "#x", " # a remark", "\r"]);
        let position = dice.below(lines.len() + 1);
        lines.insert(position, format!("{name}{gap}{value}{tail}"));
    }
    Files::base().ha_cf(lines.join("\n"))
}

/// How many random files to compare; none unless asked for, as each takes the legacy a tenth of a second.
const RANDOM_FILES: &str = "HA_LEGACY_RANDOM_FILES";

#[test]
fn on_random_files() {
    let count: u64 = std::env::var(RANDOM_FILES)
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or_default();
    if count == 0 {
        eprintln!("skipped: set {RANDOM_FILES} to the number of files to compare");
        return;
    }
    if !available() {
        return;
    }
    let compare_one = |seed: u64| {
        let files = random_files(&mut Dice(seed));
        let difference = compare(&format!("random {seed}"), &files, None, true)?;
        Some(format!(
            "{difference}\nha.cf:\n{}",
            String::from_utf8_lossy(&files.ha_cf.unwrap())
        ))
    };
    report((0..count).filter_map(compare_one).collect());
}
