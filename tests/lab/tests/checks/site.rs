//! A host with services, and what is expected of them.

use std::process::Command;
use std::sync::{Arc, Mutex};

use ha_lab::{Host, HostSpec, Lab, LabError, Result};

use crate::check::{self, Answer, Check};
use crate::needs::Need;

/// A host, services on it, and looks at them.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name in the report; each look adds its own.
    pub name: &'static str,
    /// Packages without which it is skipped.
    pub needs: &'static [Need],
    /// It starts daemons that change their user, which takes more than a user namespace always has.
    pub as_root: bool,
    /// What is done and demanded.
    pub run: fn(&Site) -> Result<()>,
}

/// A host for one scenario.
pub struct Site {
    lab: Lab,
    host: Arc<Host>,
    looks: Mutex<Vec<Look>>,
}

/// One look and how it went.
#[derive(Clone, Debug)]
pub struct Look {
    /// Of what.
    pub name: String,
    /// What is wrong, if anything.
    pub complaint: Option<String>,
}

/// What a check should find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Up.
    Up,
    /// Down, with this in its text.
    Down(&'static str),
}

impl Site {
    /// Boots the host.
    ///
    /// # Errors
    /// [`LabError::Unavailable`] when the machine does not let us.
    pub fn new(scenario: &Scenario) -> Result<Site> {
        let lab = Lab::new(scenario.name)?;
        if scenario.as_root && lab.is_rootless() {
            return Err(LabError::Unavailable("needs root".into()));
        }
        let host = lab.host(HostSpec::new("server"))?;
        Ok(Site {
            lab,
            host,
            looks: Mutex::default(),
        })
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Writes a file on the host.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        self.host.write(path, text)
    }

    /// Runs a line of shell on the host and demands success.
    ///
    /// # Errors
    /// When it fails.
    pub fn sh(&self, script: &str) -> Result<()> {
        self.host.sh(script).map(drop)
    }

    /// A command that runs this program again in the host's network, but with the machine's files.
    ///
    /// # Errors
    /// When the host is off.
    pub fn second_life(&self, words: &[&str]) -> Result<Command> {
        let exe = std::env::current_exe()
            .map_err(|error| LabError::Io("path of this program".into(), error))?;
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.host.pid()?.to_string(), "-n"]);
        if self.lab.is_rootless() {
            command.args(["-U", "--preserve-credentials"]);
        }
        command.arg("--").arg(exe).args(words);
        Ok(command)
    }

    /// Waits until something accepts connections on a port of the host (any of its addresses).
    ///
    /// # Errors
    /// When nothing does within 20 s.
    pub fn wait_for_port(&self, port: u16) -> Result<()> {
        self.wait_for_socket("tcp", port)
    }

    /// As [`Site::wait_for_port`], for datagrams.
    ///
    /// # Errors
    /// As [`Site::wait_for_port`].
    pub fn wait_for_udp_port(&self, port: u16) -> Result<()> {
        self.wait_for_socket("udp", port)
    }

    fn wait_for_socket(&self, protocol: &str, port: u16) -> Result<()> {
        let pid = self.host.pid()?;
        // States of /proc/net: 0A listens, 07 is a datagram socket without a peer.
        let state = if protocol == "tcp" { "0A" } else { "07" };
        let suffix = format!(":{port:04X}");
        let is_bound = |family: &str| {
            let table = std::fs::read_to_string(format!("/proc/{pid}/net/{protocol}{family}"));
            table.unwrap_or_default().lines().any(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                words.get(1).is_some_and(|local| local.ends_with(&suffix))
                    && words.get(3) == Some(&state)
            })
        };
        let what = format!("{protocol} port {port} of the host is in use");
        self.lab
            .wait_until(&what, ha_lab::seconds(20), || is_bound("") || is_bound("6"))
    }

    /// Runs checks, all at once, and notes whether they find what they should.
    ///
    /// # Errors
    /// When the checks cannot be run at all.
    pub fn expect(&self, looks: &[(&str, Check, Expected)]) -> Result<()> {
        let checks: Vec<Check> = looks.iter().map(|(_, check, _)| check.clone()).collect();
        let answers = check::run(self, &checks)?;
        for ((name, _, expected), answer) in looks.iter().zip(answers) {
            self.note(name, complaint(*expected, &answer));
        }
        Ok(())
    }

    /// Notes how a look went.
    pub fn note(&self, name: &str, complaint: Option<String>) {
        let name = name.to_owned();
        let look = Look { name, complaint };
        self.looks.lock().expect("no panic while held").push(look);
    }

    /// All looks so far.
    pub fn looks(&self) -> Vec<Look> {
        self.looks.lock().expect("no panic while held").clone()
    }
}

fn complaint(expected: Expected, answer: &Answer) -> Option<String> {
    let right = match expected {
        Expected::Up => answer.up,
        Expected::Down(part) => !answer.up && answer.text.contains(part),
    };
    (!right).then(|| format!("expected {expected:?}, found {answer:?}"))
}
