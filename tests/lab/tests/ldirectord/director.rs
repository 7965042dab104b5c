//! A director that a test drives step by step, for behaviour that no recording shows.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ha_lab::{LabError, Result, seconds, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::expectation::shown;
use crate::real_server::RealServers;
use crate::scenario::{Scenario, Table};
use crate::{player, scene, texts};

/// How long anything may take that the director does by itself.
pub const LIMIT: Duration = seconds(60);

const CONFIG: &str = "/etc/ha.d/ldirectord.cf";
const PID_FILE: &str = "/var/run/ldirectord.ldirectord.pid";

/// The director of this job, its configuration and its real servers.
pub struct Director {
    /// What listens in the namespace of the real servers.
    pub servers: RealServers,
    /// How much of the log was looked at before.
    log_mark: usize,
}

impl Director {
    /// Lays out the scene with this configuration. Nothing runs yet.
    pub fn new(config: &str) -> Result<Self> {
        scene::prepare(&Scenario {
            files: vec![(CONFIG.to_owned(), config.to_owned())],
            ..Scenario::default()
        })?;
        Ok(Director {
            servers: RealServers::new(scene::REAL_SERVERS),
            log_mark: 0,
        })
    }

    /// Writes another configuration.
    pub fn configure(&self, config: &str) -> Result<()> {
        scene::write(CONFIG, config)
    }

    /// Runs `ldirectord WORD` and demands exit code 0.
    pub fn command(&self, word: &str) -> Result<()> {
        scene::run(&format!("/usr/sbin/ldirectord {word}"))
    }

    /// Stops it, and waits until it is gone.
    pub fn stop(&self) -> Result<()> {
        let pid = self.pid()?;
        self.command("stop")?;
        wait_until("the end of the director", LIMIT, || !is_alive(pid))
    }

    /// Its process, from the pid file.
    pub fn pid(&self) -> Result<i32> {
        fs::read_to_string(PID_FILE)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .ok_or_else(|| LabError::unexpected("no pid in the pid file"))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.pid()?), signal)
            .map_err(|error| LabError::Io("kill".into(), error.into()))
    }

    /// Kills it, so that it can tidy up nothing, and waits until it is gone.
    pub fn kill(&self) -> Result<()> {
        let pid = self.pid()?;
        self.signal(Signal::SIGKILL)?;
        wait_until("the death of the director", LIMIT, || !is_alive(pid))
    }

    /// Whether the process of the pid file runs.
    pub fn is_running(&self) -> bool {
        self.pid().is_ok_and(is_alive)
    }

    /// Waits until the table is this, given as lines of `ipvsadm -Sn`.
    pub fn wait_table(&self, lines: &[&str]) -> Result<()> {
        let wanted = Table::from_lines(lines.iter().copied());
        let deadline = Instant::now() + LIMIT;
        loop {
            let table = player::table()?;
            if table == wanted {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(LabError::unexpected(format!(
                    "the table is\n{}\nit should become\n{}\nthe log since the last step\n{}",
                    shown(&table.lines()),
                    shown(&wanted.lines()),
                    shown(&self.news())
                )));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Demands that `line` is in the table whenever it is looked at, as long as `until` does not hold.
    pub fn never_without(&self, line: &str, mut until: impl FnMut(&Table) -> bool) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let table = player::table()?;
            if !table.lines().iter().any(|other| other == line) {
                return Err(LabError::unexpected(format!(
                    "the table was without {line}\n{}",
                    shown(&table.lines())
                )));
            }
            if until(&table) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(LabError::unexpected(format!(
                    "nothing came of it; the table is\n{}\nthe log\n{}",
                    shown(&table.lines()),
                    shown(&self.news())
                )));
            }
        }
    }

    /// The texts of the log since [`Director::mark`].
    pub fn news(&self) -> Vec<String> {
        self.log().split_off(self.log_mark)
    }

    /// What is in the log from here on is new.
    pub fn mark(&mut self) {
        self.log_mark = self.log().len();
    }

    /// Waits until a new text of the log contains `words`.
    pub fn wait_log(&self, words: &str) -> Result<()> {
        wait_until(&format!("{words:?} in the log"), LIMIT, || {
            self.news().iter().any(|text| text.contains(words))
        })
        .map_err(|error| LabError::unexpected(format!("{error}\nit says\n{}", shown(&self.news()))))
    }

    fn log(&self) -> Vec<String> {
        fs::read_to_string(scene::LOG)
            .unwrap_or_default()
            .lines()
            .map(texts::of_log_line)
            .collect()
    }
}

/// The lines of a table that are not in another.
pub fn only_in(one: &Table, other: &Table) -> Vec<String> {
    let others: BTreeSet<String> = other.lines().into_iter().collect();
    one.lines()
        .into_iter()
        .filter(|line| !others.contains(line))
        .collect()
}

fn is_alive(pid: i32) -> bool {
    // A process that is dead but not yet reaped has an empty command line.
    fs::read(Path::new("/proc").join(pid.to_string()).join("cmdline"))
        .is_ok_and(|words| !words.is_empty())
}
