//! The segment(s) that connect the hosts.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use crate::control::Control;
use crate::helper::MARKER;
use crate::host::{Host, HostSpec};
use crate::{Implementation, LabError, Result, exec, rootfs, wait};

/// How a lab is made; `LabOptions::default()` suits almost everybody.
#[derive(Clone, Debug, Default)]
pub struct LabOptions {
    /// Use a user namespace even when root. Without root it is used in any case.
    pub rootless: bool,
}

/// One laboratory: network segments, the hosts on them, and the faults between them.
///
/// Dropping it ends every host. It also ends when this process dies, in whatever way.
pub struct Lab {
    inner: Arc<Inner>,
    hosts: Mutex<Vec<Weak<Host>>>,
}

/// What hosts need of their lab for as long as they live.
pub(crate) struct Inner {
    pub(crate) name: String,
    pub(crate) rootless: bool,
    pub(crate) dir: PathBuf,
    // Kept for its Drop: the namespaces end with it.
    _control: Control,
    pid: i32,
    staged: Mutex<bool>,
    networks: Mutex<HashSet<String>>,
    next_host: AtomicU32,
    pub(crate) faults: Mutex<crate::fault::Faults>,
}

impl Lab {
    /// Makes a lab. `name` is for messages only.
    ///
    /// # Errors
    /// [`LabError::Unavailable`] when the machine does not let us.
    pub fn new(name: &str) -> Result<Self> {
        Self::with_options(name, &LabOptions::default())
    }

    /// Makes a lab with options.
    ///
    /// # Errors
    /// As [`Lab::new`].
    pub fn with_options(name: &str, options: &LabOptions) -> Result<Self> {
        for tool in ["ip", "nsenter", "cp"] {
            require_tool(tool)?;
        }
        let rootless = options.rootless || !nix::unistd::geteuid().is_root();
        let dir = rootfs::choose_lab_dir()?;
        let mut arguments = vec![format!("dir={}", dir.display())];
        if rootless {
            arguments.push("rootless=yes".into());
        }
        let control = Control::start("lab", &arguments, map_ids)?;
        let pid = control.pid();
        let inner = Inner {
            name: name.to_owned(),
            rootless,
            dir,
            _control: control,
            pid,
            staged: Mutex::new(false),
            networks: Mutex::default(),
            next_host: AtomicU32::new(1),
            faults: Mutex::default(),
        };
        inner.ip("link set lo up\n")?;
        Ok(Lab {
            inner: Arc::new(inner),
            hosts: Mutex::default(),
        })
    }

    /// Makes a host, connects it and boots it.
    ///
    /// # Errors
    /// [`LabError::Unavailable`] when its implementation cannot be run here; else what went wrong.
    pub fn host(&self, spec: HostSpec) -> Result<Arc<Host>> {
        let number = self.inner.next_host.fetch_add(1, Ordering::Relaxed);
        let host = Arc::new(Host::create(Arc::clone(&self.inner), spec, number)?);
        self.hosts
            .lock()
            .expect("no panic while held")
            .push(Arc::downgrade(&host));
        Ok(host)
    }

    /// All hosts that still exist, in the order of their making.
    pub fn hosts(&self) -> Vec<Arc<Host>> {
        self.hosts
            .lock()
            .expect("no panic while held")
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
    }

    /// The name given at its making.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Whether it lives in a user namespace.
    pub fn is_rootless(&self) -> bool {
        self.inner.rootless
    }

    /// Waits for a condition; a time-out's text includes [`Lab::dump`].
    ///
    /// # Errors
    /// [`LabError::Timeout`].
    pub fn wait_until(
        &self,
        what: &str,
        limit: Duration,
        condition: impl FnMut() -> bool,
    ) -> Result<()> {
        wait::wait_until(what, limit, condition)
    }

    /// Everything about every host, for a person who has to find out why a test failed.
    pub fn dump(&self) -> String {
        let mut text = format!("==== lab {} ====\n", self.inner.name);
        for host in self.hosts() {
            text.push_str(&host.dump());
        }
        let _ = writeln!(
            text,
            "==== heartbeat packets as sent, all hosts, by time ===="
        );
        let mut packets: Vec<_> = self
            .hosts()
            .iter()
            .flat_map(|host| {
                let name = host.name().to_owned();
                host.captured()
                    .into_iter()
                    .filter(|packet| packet.direction == crate::Direction::Sent)
                    .map(move |packet| {
                        (
                            packet.time,
                            name.clone(),
                            packet.interface,
                            packet.summary(),
                        )
                    })
            })
            .collect();
        packets.sort();
        for (time, name, interface, summary) in packets {
            let _ = writeln!(
                text,
                "{:.3} {name} if{interface} {summary}",
                time.as_secs_f64()
            );
        }
        text
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

impl Inner {
    /// The pid of the lab's init.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// A command of the machine, run in the bridge's network namespace.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.nsenter(self.pid, &["-n"]);
        command.arg(program);
        command
    }

    /// `nsenter` into the namespaces of `pid`, ready for the program and its arguments.
    pub(crate) fn nsenter(&self, pid: i32, namespaces: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("-t").arg(pid.to_string()).args(namespaces);
        if self.rootless {
            command.args(["-U", "--preserve-credentials"]);
        }
        command.arg("--");
        command
    }

    /// Runs lines of `ip -batch` in the bridge's namespace.
    pub(crate) fn ip(&self, lines: &str) -> Result<()> {
        let mut command = self.command("sh");
        command.args(["-c", "printf %s \"$1\" | ip -batch -", "sh", lines]);
        exec::run_ok(command).map(drop)
    }

    /// Makes the bridge of a network if it is not there yet.
    pub(crate) fn ensure_network(&self, network: &str) -> Result<()> {
        let mut networks = self.networks.lock().expect("no panic while held");
        if networks.insert(network.to_owned()) {
            // No spanning tree, no snooping: a plain switch that forwards at once.
            self.ip(&format!(
                "link add {network} type bridge stp_state 0 forward_delay 0 mcast_snooping 0\nlink set {network} up\n"
            ))?;
        }
        Ok(())
    }

    /// Puts our installed tree and the mask into the lab, once.
    pub(crate) fn ensure_stage(&self) -> Result<()> {
        let mut staged = self.staged.lock().expect("no panic while held");
        if *staged {
            return Ok(());
        }
        Implementation::Ours.check_available()?;
        let stage = Implementation::Ours.stage().unwrap_or_default();
        let stage = stage.canonicalize().unwrap_or(stage);
        let exe =
            std::env::current_exe().map_err(|e| LabError::Io("path of this program".into(), e))?;
        let mut command = self.nsenter(self.pid, &["-m"]);
        command.arg(exe).args([MARKER, "stage"]);
        command
            .arg(format!("dir={}", self.dir.display()))
            .arg(format!("stage={}", stage.display()));
        exec::run_ok(command)?;
        *staged = true;
        Ok(())
    }

    /// The directory of a host's layers, reachable from this process.
    pub(crate) fn host_dir(&self, name: &str) -> PathBuf {
        let dir = self.dir.strip_prefix("/").unwrap_or(&self.dir);
        Path::new("/proc")
            .join(self.pid.to_string())
            .join("root")
            .join(dir)
            .join("hosts")
            .join(name)
    }
}

/// Maps the ids of a helper that has just entered a user namespace: a whole range if the machine has one
/// for us in `/etc/subuid`, else only our own id as root.
pub(crate) fn map_ids(pid: u32) -> Result<()> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    if uid.is_root() {
        // Root may map what it likes; the range keeps accounts such as hacluster usable.
        let all = "0 0 65536\n";
        return write_map(pid, "uid_map", all).and_then(|()| write_map(pid, "gid_map", all));
    }
    let ranges = |tool: &str, own: String| {
        Command::new(tool)
            .args([
                pid.to_string(),
                "0".into(),
                own,
                "1".into(),
                "1".into(),
                "100000".into(),
                "65535".into(),
            ])
            .output()
            .is_ok_and(|output| output.status.success())
    };
    if ranges("newuidmap", uid.to_string()) && ranges("newgidmap", gid.to_string()) {
        return Ok(());
    }
    write_map(pid, "setgroups", "deny")?;
    write_map(pid, "gid_map", &format!("0 {gid} 1\n"))?;
    write_map(pid, "uid_map", &format!("0 {uid} 1\n"))
}

fn write_map(pid: u32, file: &str, text: &str) -> Result<()> {
    let path = format!("/proc/{pid}/{file}");
    std::fs::write(&path, text)
        .map_err(|error| LabError::Unavailable(format!("user namespace: {path}: {error}")))
}

/// Checks that a program is in the search path (or in the system directories, which users often lack).
pub(crate) fn require_tool(tool: &str) -> Result<()> {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = path
        .split(':')
        .chain(["/usr/sbin", "/sbin"])
        .any(|dir| Path::new(dir).join(tool).exists());
    if found {
        Ok(())
    } else {
        Err(LabError::Unavailable(format!(
            "the program {tool} is not installed"
        )))
    }
}
