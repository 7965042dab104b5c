//! One machine of the laboratory.

use std::fmt::Write as _;
use std::io::{Read, Seek, SeekFrom};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::capture::{self, CapturedPacket};
use crate::control::Control;
use crate::lab::Inner;
use crate::{Implementation, LabError, Output, Result, exec, fault, seconds};

/// How a host is to be made.
#[derive(Clone, Debug)]
pub struct HostSpec {
    name: String,
    implementation: Option<Implementation>,
    nics: Vec<Nic>,
    disk_mib: Option<u32>,
    captures: bool,
}

#[derive(Clone, Debug)]
struct Nic {
    name: String,
    network: String,
    addresses: Vec<String>,
}

impl HostSpec {
    /// A host with this name (its `uname -n`), without heartbeat and without network.
    pub fn new(name: &str) -> Self {
        HostSpec {
            name: name.to_owned(),
            implementation: None,
            nics: Vec::new(),
            disk_mib: None,
            captures: true,
        }
    }

    /// It has this heartbeat installed.
    #[must_use]
    pub fn runs(mut self, implementation: Implementation) -> Self {
        self.implementation = Some(implementation);
        self
    }

    /// `/var/log` and `/var/lib/heartbeat` are disks of their own of this size each, so that they can be full
    /// ([`Host::fill_disk`]).
    #[must_use]
    pub fn disks(mut self, mib: u32) -> Self {
        self.disk_mib = Some(mib);
        self
    }

    /// Heartbeat packets are not recorded: for runs of hours, and where the recorder would cost too much.
    #[must_use]
    pub fn without_capture(mut self) -> Self {
        self.captures = false;
        self
    }

    /// A network card on the network `lan`, with an address such as `10.0.0.1/24`.
    #[must_use]
    pub fn nic(self, name: &str, address: &str) -> Self {
        self.nic_on(name, "lan", &[address])
    }

    /// A network card on a network of its own choice, with any number of addresses.
    #[must_use]
    pub fn nic_on(mut self, name: &str, network: &str, addresses: &[&str]) -> Self {
        self.nics.push(Nic {
            name: name.to_owned(),
            network: network.to_owned(),
            addresses: addresses.iter().map(|&a| a.to_owned()).collect(),
        });
        self
    }
}

/// What is left when a host is switched on again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerUp {
    /// The whole disk, as after a power cut.
    DiskKept,
    /// The disk, but `/var/lib/heartbeat` is empty: generation and uuid are lost.
    StateLost,
}

/// One machine: namespaces for network, mounts, processes and host name, with an init of ours as pid 1.
pub struct Host {
    lab: Arc<Inner>,
    spec: HostSpec,
    number: u32,
    power: Mutex<Option<Control>>,
}

impl Host {
    pub(crate) fn create(lab: Arc<Inner>, spec: HostSpec, number: u32) -> Result<Self> {
        match spec.implementation {
            Some(Implementation::Ours) => lab.ensure_stage()?,
            Some(Implementation::Legacy) => Implementation::Legacy.check_available()?,
            None => {}
        }
        let host = Host {
            lab,
            spec,
            number,
            power: Mutex::new(None),
        };
        if let Some(mib) = host.spec.disk_mib {
            host.make_disks(mib)?;
        }
        host.boot()?;
        Ok(host)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The heartbeat installed on it.
    pub fn implementation(&self) -> Option<Implementation> {
        self.spec.implementation
    }

    /// Whether it runs our heartbeat.
    pub fn is_ours(&self) -> bool {
        self.spec.implementation == Some(Implementation::Ours)
    }

    /// The pid of its init as seen from outside, for `nsenter` by hand.
    ///
    /// # Errors
    /// When it is switched off.
    pub fn pid(&self) -> Result<i32> {
        let power = self.power.lock().expect("no panic while held");
        power
            .as_ref()
            .map(Control::pid)
            .ok_or_else(|| self.is_off())
    }

    // Power

    /// Cuts the power: every process is gone at once, the links lose their carrier. Nothing if it is off.
    ///
    /// # Errors
    /// When a link cannot be removed.
    pub fn power_cut(&self) -> Result<()> {
        let control = self.power.lock().expect("no panic while held").take();
        if let Some(mut control) = control {
            control.kill();
            // The far ends vanish with the host's namespace, but only after a while: a host that is
            // switched on again needs the names now.
            for nic in 0..self.spec.nics.len() {
                let _ = self.lab.ip(&format!("link del {}\n", self.port(nic)));
            }
        }
        Ok(())
    }

    /// Switches it on again.
    ///
    /// # Errors
    /// When it runs, or cannot boot.
    pub fn power_up(&self, how: PowerUp) -> Result<()> {
        if how == PowerUp::StateLost {
            let varlib = self.lab.host_dir(self.name()).join("varlib");
            std::fs::remove_dir_all(&varlib)
                .map_err(|e| LabError::Io(format!("{}", varlib.display()), e))?;
        }
        self.boot()
    }

    /// Whether the power is on. A host whose init has ended (a program called `reboot`) counts as off.
    pub fn is_up(&self) -> bool {
        let mut power = self.power.lock().expect("no panic while held");
        let alive = power
            .as_mut()
            .is_some_and(|control| control.ask("ping").is_ok());
        if !alive {
            *power = None;
        }
        alive
    }

    fn boot(&self) -> Result<()> {
        let mut power = self.power.lock().expect("no panic while held");
        if power.is_some() {
            return Err(LabError::unexpected(format!(
                "{} is switched on already",
                self.name()
            )));
        }
        let mut arguments = vec![
            format!("name={}", self.name()),
            format!("lab={}", self.lab.pid()),
            format!("dir={}", self.lab.dir.display()),
        ];
        if self.is_ours() {
            arguments.push("layers=ours".into());
        }
        if !self.spec.captures {
            arguments.push("capture=no".into());
        }
        if self.lab.rootless {
            arguments.push("rootless=yes".into());
        }
        let control = Control::start("host", &arguments, |_| Ok(()))?;
        self.connect(control.pid())?;
        *power = Some(control);
        Ok(())
    }

    /// Plugs in the network cards: a veth pair each, the far end on the bridge.
    fn connect(&self, pid: i32) -> Result<()> {
        let (mut outside, mut inside) = (String::new(), String::from("link set lo up\n"));
        for (index, nic) in self.spec.nics.iter().enumerate() {
            self.lab.ensure_network(&nic.network)?;
            let (port, name) = (self.port(index), &nic.name);
            // A machine keeps its hardware address over a power cut, or its peers' ARP tables would lie.
            let mac = format!("02:48:42:00:{:02x}:{index:02x}", self.number & 255);
            let _ = writeln!(
                outside,
                "link add {port} type veth peer name {name} address {mac} netns {pid}"
            );
            let _ = writeln!(outside, "link set {port} master {}", nic.network);
            let _ = writeln!(outside, "link set {port} up");
            for address in &nic.addresses {
                let broadcast = if address.contains(':') {
                    "nodad"
                } else {
                    "broadcast +"
                };
                let _ = writeln!(inside, "addr add {address} {broadcast} dev {name}");
            }
            let _ = writeln!(inside, "link set {name} up");
        }
        self.lab.ip(&outside)?;
        let mut command = self.lab.nsenter(pid, &["-n"]);
        command.args(["sh", "-c", "printf %s \"$1\" | ip -batch -", "sh", &inside]);
        exec::run_ok(command)?;
        self.lab.reapply_faults()
    }

    /// The bridge's port for one of the cards.
    pub(crate) fn port(&self, nic: usize) -> String {
        format!("h{}p{nic}", self.number)
    }

    /// The bridge's ports for a card by name, or for all cards.
    pub(crate) fn ports(&self, nic: Option<&str>) -> Vec<String> {
        let cards = self.spec.nics.iter().enumerate();
        cards
            .filter(|(_, card)| nic.is_none_or(|name| card.name == name))
            .map(|(i, _)| self.port(i))
            .collect()
    }

    pub(crate) fn lab(&self) -> &Arc<Inner> {
        &self.lab
    }

    // Commands

    /// A command to be run on this host by the caller: with a terminal, in the background, as needed.
    ///
    /// # Errors
    /// When it is switched off.
    pub fn command(&self, program: &str) -> Result<Command> {
        let mut command = self
            .lab
            .nsenter(self.pid()?, &["-m", "-n", "-u", "-i", "-p"]);
        command
            .arg(program)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("HOME", "/root")
            .env("LANG", "C")
            .envs(std::env::var_os("TERM").map(|term| ("TERM", term)));
        Ok(command)
    }

    /// Runs a program to its end (at most 60 s) and says how it ended.
    ///
    /// # Errors
    /// When it cannot be started or does not end; a bad exit code is not an error.
    pub fn run(&self, words: &[&str]) -> Result<Output> {
        self.run_for(words, seconds(60))
    }

    /// As [`Host::run`] with another time limit.
    ///
    /// # Errors
    /// As [`Host::run`].
    pub fn run_for(&self, words: &[&str], limit: Duration) -> Result<Output> {
        let (program, arguments) = words
            .split_first()
            .ok_or_else(|| LabError::unexpected("empty command"))?;
        let mut command = self.command(program)?;
        command.args(arguments);
        exec::run(command, limit)
    }

    /// Runs a line of shell and demands success.
    ///
    /// # Errors
    /// When it fails or takes longer than 60 s.
    pub fn sh(&self, script: &str) -> Result<Output> {
        self.run(&["sh", "-c", script])?
            .success()
            .map_err(|error| LabError::Command(format!("on {}: {script}: {error}", self.name())))
    }

    // Network, seen from the host

    /// All its addresses, as pairs of interface and address. Cheap: no process is started.
    pub fn addresses(&self) -> Vec<(String, String)> {
        let mut power = self.power.lock().expect("no panic while held");
        let Some(control) = power.as_mut() else {
            return Vec::new();
        };
        let answer = control.ask("addresses").unwrap_or_default();
        answer
            .iter()
            .filter_map(|line| line.split_once(' '))
            .map(|(interface, address)| (interface.to_owned(), address.to_owned()))
            .collect()
    }

    /// Whether it holds an address (without prefix length).
    pub fn has_address(&self, address: &str) -> bool {
        self.addresses().iter().any(|(_, held)| held == address)
    }

    /// Whether it gets an answer to one ICMP echo within a second.
    ///
    /// # Errors
    /// When ping cannot be run.
    pub fn pings(&self, address: &str) -> Result<bool> {
        Ok(self
            .run(&["ping", "-c", "1", "-W", "1", "-n", address])?
            .status
            .success())
    }

    // Heartbeat

    /// Starts the daemon directly, without the init script.
    ///
    /// # Errors
    /// When it is not installed or refuses to start.
    pub fn start_heartbeat(&self) -> Result<()> {
        let daemon = self.daemon()?;
        let output = self.run(&[daemon])?;
        output
            .success()
            .map(drop)
            .map_err(|e| LabError::Command(format!("on {}: {daemon}: {e}", self.name())))
    }

    /// Starts it as an operator does.
    ///
    /// # Errors
    /// When the script fails.
    pub fn start_by_init_script(&self) -> Result<Output> {
        self.run(&["/etc/init.d/heartbeat", "start"])?
            .success()
            .map_err(|e| LabError::Command(format!("on {}: init script: {e}", self.name())))
    }

    /// Stops it gracefully (`heartbeat -k`) and waits for its end.
    ///
    /// # Errors
    /// When it fails or takes longer than 90 s.
    pub fn stop_heartbeat(&self) -> Result<()> {
        let daemon = self.daemon()?;
        let output = self.run_for(&[daemon, "-k"], seconds(90))?;
        output
            .success()
            .map(drop)
            .map_err(|e| LabError::Command(format!("on {}: {daemon} -k: {e}", self.name())))
    }

    /// Kills all heartbeat processes with SIGKILL; addresses and resources stay as they are.
    ///
    /// # Errors
    /// When the kill command cannot be run.
    pub fn kill_heartbeat(&self) -> Result<()> {
        let pids: Vec<String> = self.heartbeat_pids().iter().map(u32::to_string).collect();
        if !pids.is_empty() {
            // A process of the legacy may end by itself meanwhile (its master is gone): not an error.
            self.run(&["sh", "-c", &format!("kill -9 {}", pids.join(" "))])?;
        }
        crate::wait_until("the heartbeat processes are gone", seconds(10), || {
            self.heartbeat_pids().is_empty()
        })
    }

    /// The daemon's path on this host.
    ///
    /// # Errors
    /// When no heartbeat is installed.
    pub fn daemon(&self) -> Result<&'static str> {
        let implementation = self.spec.implementation;
        implementation
            .map(Implementation::daemon)
            .ok_or_else(|| LabError::unexpected(format!("{} has no heartbeat", self.name())))
    }

    /// `heartbeat -s`: whether it says that it runs.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn heartbeat_says_running(&self) -> Result<bool> {
        Ok(self.run(&[self.daemon()?, "-s"])?.code() == 0)
    }

    /// The daemon's processes, as numbered on the host.
    pub fn heartbeat_pids(&self) -> Vec<u32> {
        let Ok(daemon) = self.daemon() else {
            return Vec::new();
        };
        self.processes()
            .into_iter()
            .filter(|p| p.exe.trim_end_matches(" (deleted)") == daemon)
            .map(|p| p.pid)
            .collect()
    }

    /// Runs one of the scripts in the shared directory, such as `hb_standby`.
    ///
    /// # Errors
    /// When it fails.
    pub fn tool(&self, name: &str, arguments: &[&str]) -> Result<Output> {
        let share = self
            .spec
            .implementation
            .unwrap_or(Implementation::Legacy)
            .share();
        let path = format!("{share}/{name}");
        let mut words = vec![path.as_str()];
        words.extend_from_slice(arguments);
        self.run(&words)?
            .success()
            .map_err(|e| LabError::Command(format!("on {}: {}: {e}", self.name(), words.join(" "))))
    }

    /// Puts a message into the daemon's FIFO.
    ///
    /// # Errors
    /// When no daemon reads it.
    pub fn fifo(&self, fields: &[(&str, &str)]) -> Result<()> {
        let mut message = String::from(">>>\n");
        for (name, value) in fields {
            let _ = writeln!(message, "{name}={value}");
        }
        message.push_str("<<<\n");
        self.write_to_fifo("/var/lib/heartbeat/fifo", message.as_bytes())
    }

    // Evidence

    /// The log file so far (`/var/log/ha-log`), also of a host that is off.
    pub fn log(&self) -> String {
        self.log_file("ha-log")
    }

    /// A file under `/var/log`; empty if it does not exist.
    pub fn log_file(&self, name: &str) -> String {
        let path = self.lab.host_dir(self.name()).join("log").join(name);
        std::fs::read(path)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// What has been added to the log file since it had `length` bytes, up to the last whole line, and its length there.
    pub fn log_since(&self, length: u64) -> (String, u64) {
        let path = self.lab.host_dir(self.name()).join("log/ha-log");
        let mut bytes = Vec::new();
        if let Ok(mut file) = std::fs::File::open(path)
            && file.seek(SeekFrom::Start(length)).is_ok()
        {
            let _ = file.read_to_end(&mut bytes);
        }
        let whole = bytes
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        bytes.truncate(whole);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (text, length + whole as u64)
    }

    /// The heartbeat packets that this host sent and received since its making.
    pub fn captured(&self) -> Vec<CapturedPacket> {
        let path = self.lab.host_dir(self.name()).join("capture");
        capture::parse(&std::fs::read(path).unwrap_or_default())
    }

    /// State, addresses, processes, logs: for a person.
    pub fn dump(&self) -> String {
        let kind = self
            .spec
            .implementation
            .map_or("no heartbeat", Implementation::word);
        let state = if self.is_up() { "up" } else { "off" };
        let mut text = format!("---- {} ({kind}, {state}) ----\n", self.name());
        for (interface, address) in self.addresses() {
            let _ = writeln!(text, "  {interface} {address}");
        }
        for process in self.processes() {
            let _ = writeln!(text, "  {} {}", process.pid, process.command);
        }
        for file in ["ha-log", "ha-debug", "TestRsc"] {
            let _ = writeln!(text, "-- {} /var/log/{file}", self.name());
            text.push_str(&self.log_file(file));
        }
        text
    }

    pub(crate) fn is_off(&self) -> LabError {
        LabError::unexpected(format!("{} is switched off", self.name()))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.power_cut();
        fault::forget(self);
    }
}
