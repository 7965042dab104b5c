//! The namespaces, our scripts in them, Debian's beside them, and stand-ins for programs that are not here.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Name and body. The body says why it cannot run, or panics.
pub type Test = (&'static str, fn() -> Result<(), Skip>);

/// Why a test cannot run here.
#[derive(Debug)]
pub struct Skip(pub String);

/// How a test ended.
pub enum End {
    Passed,
    Skipped(String),
    Failed(String),
}

/// Set to the test's name in the copy of this program that runs inside.
const INSIDE: &str = "HA_RESOURCE_TEST_INSIDE";
const SKIPPED: i32 = 77;
/// Our installation: `/run` is empty at the start.
const TREE: &str = "/run/tree";
/// Found before all other programs: the scripts put `HA_BIN` in front.
const STAND_INS: &str = "/run/tree/bin";

/// The network of the reference, with IPv6. What is written to `/etc` is seen by nobody else.
const SURROUNDINGS: &str = "
mount --make-rprivate / && mount -t tmpfs scratch /run &&
mkdir -p /run/ours /run/theirs /run/resource-agents /run/heartbeat /run/mnt /run/etc/up /run/etc/work &&
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc/up,workdir=/run/etc/work etc /etc && mkdir -p /etc/xinetd.d &&
ip link set lo up &&
ip link add eth0 type veth peer name p0 && ip link add eth1 type veth peer name p1 &&
for link in eth0 p0 eth1 p1; do
    case $link in p*) echo 1 > /proc/sys/net/ipv6/conf/$link/disable_ipv6 ;; esac
    ip link set $link up || exit 1
done
ip address add 192.168.6.122/24 brd + dev eth0 && ip address add 192.168.6.66/24 dev eth0 &&
ip address add 10.9.0.1/16 brd + dev eth1 && ip address add fd00:6::122/64 dev eth0 nodad &&
ip route add default via 192.168.6.1
";

/// Runs the test that this copy was started for.
pub fn inside(tests: &[Test]) -> Option<i32> {
    let name = env::var(INSIDE).ok()?;
    let (_, body) = tests.iter().find(|test| test.0 == name)?;
    run("sh", &["-ec", SURROUNDINGS]).succeeds();
    install();
    Some(match body() {
        Ok(()) => 0,
        Err(Skip(reason)) => {
            println!("{reason}");
            SKIPPED
        }
    })
}

/// Starts a copy of this program for one test.
pub fn outside(name: &str) -> End {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args([
            "--net",
            "--mount",
            "--pid",
            "--ipc",
            "--uts",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ]);
        command
    };
    let trial = unshare().arg("true").stderr(Stdio::null()).status();
    if !trial.is_ok_and(|status| status.success()) {
        return End::Skipped("namespaces need root".to_owned());
    }
    let output = unshare()
        .arg(env::current_exe().expect("our own path"))
        .env(INSIDE, name)
        .stdin(Stdio::null())
        .output()
        .expect("unshare");
    let text = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => End::Passed,
        Some(SKIPPED) => End::Skipped(text.trim().to_owned()),
        _ => End::Failed(format!("{text}{}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// Our scripts, as `cargo xtask install` lays them out.
fn install() {
    let compat = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../compat");
    let copy = |from: &str, to: &str| {
        fs::create_dir_all(Path::new(TREE).join(to)).expect("a directory");
        for entry in fs::read_dir(compat.join(from)).expect(from) {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name");
            let text = fs::read_to_string(&path).expect("a text");
            let target = Path::new(TREE).join(to).join(name);
            write_program(&target, &text.replace("@HA_BIN@", &format!("{TREE}/bin")));
        }
    };
    copy("ocf", "bin");
    copy("ha.d", "ha.d");
    copy("resource.d", "ha.d/resource.d");
    for name in [
        "AudibleAlarm",
        "Delay",
        "IPsrcaddr",
        "IPv6addr",
        "SendArp",
        "portblock",
    ] {
        let link = Path::new(TREE).join("ha.d/resource.d").join(name);
        symlink(env!("CARGO_BIN_EXE_ha-tools"), link).expect("a link");
    }
}

fn write_program(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
}

/// A program that the machine may not have, as lines of shell. What it was called with is in `/run/calls`.
pub fn stand_in(name: &str, body: &str) {
    let text = format!("#!/bin/sh\necho \"{name} $*\" >>/run/calls\n{body}\n");
    write_program(&Path::new(STAND_INS).join(name), &text);
}

/// The calls of stand-ins so far.
pub fn calls() -> String {
    fs::read_to_string("/run/calls").unwrap_or_default()
}

/// Whose script is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Ours,
    Theirs,
}

/// Skips without Debian's script and its agent.
pub fn need_legacy(name: &str) -> Result<(), Skip> {
    for directory in ["/etc/ha.d/resource.d", "/usr/lib/ocf/resource.d/heartbeat"] {
        let path = Path::new(directory).join(name);
        if !path.exists() {
            return Err(Skip(format!("no {}", path.display())));
        }
    }
    Ok(())
}

/// Skips without a program.
pub fn need(program: &str) -> Result<(), Skip> {
    let found = run("sh", &["-c", &format!("command -v {program}")]);
    match found.code {
        0 => Ok(()),
        _ => Err(Skip(format!("there is no {program}"))),
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

    /// Exit code and last line.
    pub fn end(&self) -> (i32, String) {
        let line = self.stdout.lines().last().unwrap_or_default();
        (self.code, line.to_owned())
    }
}

pub fn run(program: &str, arguments: &[&str]) -> Finished {
    run_with(program, arguments, &[])
}

fn run_with(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    // Files, not pipes: what a script leaves in the background must not hold us up.
    let [out, err] = ["/run/stdout", "/run/stderr"];
    let file = |path: &str| fs::File::create(path).map_or_else(|_| Stdio::null(), Stdio::from);
    let status = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", format!("{STAND_INS}:/usr/sbin:/usr/bin:/sbin:/bin"))
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(file(out))
        .stderr(file(err))
        .status()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = |path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    Finished {
        code: status.code().unwrap_or(-1),
        stdout: text(out),
        stderr: text(err),
    }
}

/// A script of ours or of Debian's.
#[derive(Clone, Debug)]
pub struct Script<'a> {
    pub side: Side,
    pub name: &'a str,
    pub arguments: Vec<&'a str>,
    pub variables: Vec<(&'a str, &'a str)>,
}

impl<'a> Script<'a> {
    pub fn new(side: Side, name: &'a str, arguments: &[&'a str]) -> Script<'a> {
        Script {
            side,
            name,
            arguments: arguments.to_vec(),
            variables: Vec::new(),
        }
    }

    pub fn ours(name: &'a str, arguments: &[&'a str]) -> Script<'a> {
        Script::new(Side::Ours, name, arguments)
    }

    pub fn with(mut self, name: &'a str, value: &'a str) -> Script<'a> {
        self.variables.push((name, value));
        self
    }

    /// Runs an operation.
    pub fn call(&self, operation: &str) -> Finished {
        let mut arguments = self.arguments.clone();
        arguments.push(operation);
        self.call_with(&arguments)
    }

    /// Runs the script with these words.
    pub fn call_with(&self, words: &[&str]) -> Finished {
        let mut variables = self.variables.clone();
        let directory = match self.side {
            Side::Ours => {
                variables.push(("HA_DIR", "/run/tree/ha.d"));
                variables.push(("HA_BIN", "/run/tree/bin"));
                variables.push(("HA_RSCTMP", "/run/ours"));
                "/run/tree/ha.d/resource.d"
            }
            Side::Theirs => {
                variables.push(("HA_RSCTMP", "/run/theirs"));
                "/etc/ha.d/resource.d"
            }
        };
        run_with(&format!("{directory}/{}", self.name), words, &variables)
    }

    pub fn expect(&self, operation: &str, code: i32, line: &str) {
        let finished = self.call(operation);
        assert_eq!(
            finished.end(),
            (code, line.to_owned()),
            "{} {:?} {operation}: {finished:?}",
            self.name,
            self.arguments
        );
    }

    /// A whole life. `here` tells whether the thing that the script makes is there.
    pub fn lives(&self, here: impl Fn() -> bool) {
        let stopped = |script: &Self| script.expect("status", 7, "INFO:  Resource is stopped");
        assert!(!here(), "{} is here before its start", self.name);
        stopped(self);
        self.expect("start", 0, "INFO:  Success");
        assert!(here(), "{} is not here after its start", self.name);
        self.expect("start", 0, "INFO:  Success");
        self.expect("status", 0, "INFO:  Running OK");
        self.expect("monitor", 0, "INFO:  Running OK");
        assert!(here(), "{} is not here any more", self.name);
        self.expect("stop", 0, "INFO:  Success");
        assert!(!here(), "{} is here after its stop", self.name);
        self.expect("stop", 0, "INFO:  Success");
        stopped(self);
    }

    /// What a wrong call is answered, and the description.
    pub fn answers_wrong_calls(&self) {
        let unknown = self.call("restart");
        let said = format!("{}{}", unknown.stdout, unknown.stderr);
        assert_eq!(unknown.code, 1, "{said}");
        assert!(said.contains("ERROR: Unknown operation: restart"), "{said}");
        for finished in [
            &unknown,
            &self.call("usage"),
            &self.call("help"),
            &self.call(""),
        ] {
            assert_eq!(finished.code, 1, "{finished:?}");
            let said = format!("{}{}", finished.stdout, finished.stderr);
            let lower = said.to_lowercase();
            assert!(lower.contains("usage: "), "{said}");
            assert!(
                said.contains("(start|stop|status|usage|meta-data)"),
                "{said}"
            );
        }
        let description = self.call("meta-data").succeeds();
        // The description needs none of the words.
        assert_eq!(self.call_with(&["meta-data"]).succeeds(), description);
        let name = format!("<resource-agent name=\"{}\">", self.name);
        assert!(description.starts_with("<?xml"), "{description}");
        assert!(description.contains(&name), "{description}");
        assert!(
            description.ends_with("</resource-agent>\n"),
            "{description}"
        );
    }

    /// With so many words less it is no call at all.
    pub fn refuses(&self, words: &[&str]) {
        let finished = self.call_with(words);
        assert_eq!(finished.code, 1, "{words:?}: {finished:?}");
        let said = format!("{}{}", finished.stdout, finished.stderr).to_lowercase();
        assert!(said.contains("usage: "), "{words:?}: {said}");
    }
}

/// Waits until something is so.
pub fn until(what: &str, mut question: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !question() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
