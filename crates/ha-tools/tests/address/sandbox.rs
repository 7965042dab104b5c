//! The namespace, the two implementations, and what can be seen from outside.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Set in the copy of the test that runs inside.
const INSIDE: &str = "HA_ADDRESS_TEST_INSIDE";

/// The network of the reference.
const NETWORK: &str = "
mount -t tmpfs scratch /run && mkdir /run/ours /run/theirs /run/bin &&
ip link set lo up &&
ip link add eth0 type veth peer name p0 && ip link add eth1 type veth peer name p1 &&
ip address add 192.168.6.122/24 brd + dev eth0 && ip address add 10.9.0.1/16 brd + dev eth1 &&
for link in eth0 p0 eth1 p1; do
    echo 1 > /proc/sys/net/ipv6/conf/$link/disable_ipv6
    ip link set $link up || exit 1
done
ip route add default via 192.168.6.1
";

/// Whose programs are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Ours,
    Theirs,
}

/// What a test needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    Root,
    RootAndLegacy,
}

/// Runs `body` in namespaces of its own. `name` is the test's own path, by which the copy finds it.
pub fn in_namespace(name: &str, needs: Needs, body: fn()) {
    if env::var_os(INSIDE).is_some() {
        run("sh", ["-ec", NETWORK], &[]).succeeds();
        for tool in ["IPaddr", "IPaddr2", "findif", "send_arp"] {
            let link = Path::new("/run/bin").join(tool);
            symlink(env!("CARGO_BIN_EXE_ha-tools"), link).expect("a link");
        }
        body();
        return;
    }
    if let Some(reason) = obstacle(needs) {
        eprintln!("skipped {name}: {reason}");
        return;
    }
    let output = Command::new("unshare")
        .args([
            "--net",
            "--mount",
            "--pid",
            "--ipc",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ])
        .arg(env::current_exe().expect("our own path"))
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    // A wrong name would run nothing, successfully.
    let ran = text.contains("test result: ok. 1 passed");
    assert!(
        output.status.success() && ran,
        "{name} inside its namespace:\n{text}\n{errors}"
    );
}

/// Why the test cannot run here.
fn obstacle(needs: Needs) -> Option<String> {
    let trial = Command::new("unshare")
        .args([
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
            "true",
        ])
        .stderr(Stdio::null())
        .status();
    if !trial.is_ok_and(|status| status.success()) {
        return Some("namespaces need root".to_owned());
    }
    let legacy = [
        Side::Theirs.program("IPaddr"),
        Side::Theirs.program("IPaddr2"),
        Side::Theirs.program("findif"),
        Side::Theirs.program("send_arp"),
        PathBuf::from("/usr/lib/ocf/resource.d/heartbeat/IPaddr2"),
    ];
    let missing = legacy.into_iter().find(|path| !path.exists());
    match missing {
        Some(path) if needs == Needs::RootAndLegacy => Some(format!("no {}", path.display())),
        _ => None,
    }
}

impl Side {
    pub const BOTH: [Side; 2] = [Side::Ours, Side::Theirs];

    pub fn program(self, tool: &str) -> PathBuf {
        let directory = match (self, tool) {
            (Side::Ours, _) => "/run/bin",
            (Side::Theirs, "findif" | "send_arp") => "/usr/libexec/heartbeat",
            (Side::Theirs, _) => "/etc/ha.d/resource.d",
        };
        Path::new(directory).join(tool)
    }

    /// `HA_RSCTMP`.
    pub fn scratch(self) -> &'static Path {
        Path::new(match self {
            Side::Ours => "/run/ours",
            Side::Theirs => "/run/theirs",
        })
    }

    /// The announcer's pid file; Debian's agents have moved it.
    pub fn pidfile(self, ip: &str) -> PathBuf {
        let name = format!("send_arp-{ip}");
        self.scratch().join("send_arp").join(name)
    }

    /// Runs a program with nothing but `variables` and the place of its state files in its environment.
    pub fn call<'a>(
        self,
        tool: &str,
        arguments: impl IntoIterator<Item = &'a str>,
        variables: &[(&str, &str)],
    ) -> Finished {
        let scratch = self.scratch().to_str().expect("a text");
        let mut variables = variables.to_vec();
        variables.push(("HA_RSCTMP", scratch));
        run(self.program(tool), arguments, &variables)
    }
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    pub fn succeeds(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    pub fn last_line(&self) -> &str {
        self.stdout.lines().last().unwrap_or_default()
    }
}

pub fn run<'a>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = &'a str>,
    variables: &[(&str, &str)],
) -> Finished {
    // Standard error goes to a file: an announcer in the background may keep it open.
    let errors = Path::new("/run/stderr");
    let output = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stderr(fs::File::create(errors).map_or_else(|_| Stdio::null(), Stdio::from))
        .output()
        .expect("the program can be run");
    Finished {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: fs::read_to_string(errors).unwrap_or_default(),
    }
}

pub fn ip(command: &str) -> String {
    run("ip", command.split_whitespace(), &[]).succeeds()
}

/// Every IPv4 address: interface, address, broadcast, scope, label.
pub fn addresses() -> Vec<String> {
    let words = |line: &str| -> Vec<String> {
        let line = line.split('\\').next().unwrap_or_default();
        line.split_whitespace().skip(1).map(str::to_owned).collect()
    };
    ip("-o -4 address")
        .lines()
        .map(|line| words(line).join(" "))
        .collect()
}

/// Waits until something is so.
pub fn until<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
