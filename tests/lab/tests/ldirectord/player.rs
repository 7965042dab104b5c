//! Plays what a recording did, and looks on as the recorder did.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ha_lab::{Implementation, LabError, Result, millis, seconds};

use crate::expectation::{Expectation, Observation, Verdict, shown};
use crate::leftovers;
use crate::real_server::RealServers;
use crate::scenario::{Exit, Run, Scenario, Stimulus, Table};
use crate::{differences, scene, texts};

/// How often log and table are looked at.
const LOOK: Duration = millis(20);

/// How long a settled state must hold where the recording was quiet: twice the scenarios' checkinterval.
const HOLD: Duration = seconds(2);

/// How long a phase may take: the longest recorded takes 10 s.
const PHASE_LIMIT: Duration = seconds(60);

/// Plays one scenario against the director that is installed here. Called in a job's own namespaces.
pub fn play(scenario: &Scenario, under_test: Implementation) -> Result<()> {
    let run = differences::side(scenario, under_test)?;
    scene::prepare(scenario)?;
    let mut player = Player::new(scenario)?;
    for (server, state) in &scenario.servers {
        player.servers.set(server, state)?;
    }
    let mut settled = run.table_before.clone();
    for (number, phase) in run.phases.iter().enumerate() {
        let mut expected = Expectation::new(phase, &settled);
        differences::apply(scenario, under_test, number, &mut expected);
        player.phase(&expected).map_err(|error| {
            LabError::unexpected(format!("phase {number}, {:?}:\n{error}", phase.stimuli))
        })?;
        settled = expected.table;
    }
    player.finish(run, under_test)
}

struct Player<'a> {
    scenario: &'a Scenario,
    servers: RealServers,
    log: LogFile,
    /// The text of the kernel's own list, to see cheaply whether the table may have changed.
    listed: String,
    table: Table,
    background: Vec<Child>,
}

impl<'a> Player<'a> {
    fn new(scenario: &'a Scenario) -> Result<Self> {
        let mut player = Player {
            scenario,
            servers: RealServers::new(scene::REAL_SERVERS),
            log: LogFile::default(),
            listed: String::new(),
            table: Table::default(),
            background: Vec::new(),
        };
        player.look_at_table()?;
        Ok(player)
    }

    fn phase(&mut self, expected: &Expectation) -> Result<()> {
        let mut seen = Observation {
            tables: vec![self.table.clone()],
            ..Observation::default()
        };
        let mut running = Vec::new();
        for stimulus in &expected.stimuli {
            self.act(stimulus, &mut running)?;
        }
        // A director in the foreground has no log to tell a state that it passes through from the one where it stays.
        let in_foreground = expected
            .stimuli
            .iter()
            .any(|stimulus| matches!(stimulus, Stimulus::Background(_)));
        let hold = if in_foreground { HOLD * 3 } else { HOLD };
        let deadline = Instant::now() + PHASE_LIMIT;
        let mut met_since: Option<Instant> = None;
        loop {
            self.look(&mut seen, &mut running)?;
            match expected.judge(&seen) {
                Verdict::Met => {
                    let since = *met_since.get_or_insert_with(Instant::now);
                    if !expected.quiet_after || since.elapsed() >= hold {
                        return Ok(());
                    }
                }
                Verdict::Wrong(why) => return Err(LabError::unexpected(why)),
                Verdict::Pending(_) if in_foreground => met_since = None,
                Verdict::Pending(why) if met_since.is_some() => {
                    return Err(LabError::unexpected(format!("it did not last: {why}")));
                }
                Verdict::Pending(why) if Instant::now() >= deadline => {
                    return Err(LabError::unexpected(format!(
                        "not within {} s: {why}\nseen in the log:\n{}",
                        PHASE_LIMIT.as_secs(),
                        shown(&seen.log)
                    )));
                }
                Verdict::Pending(_) => {}
            }
            thread::sleep(LOOK);
        }
    }

    fn act(&mut self, stimulus: &Stimulus, running: &mut Vec<Running>) -> Result<()> {
        match stimulus {
            Stimulus::Server(server, state) => self.servers.set(server, state),
            Stimulus::File(path, words) => scene::write(path, &self.new_text(path, words)?),
            Stimulus::Command(script) => {
                running.push(Running::start(script)?);
                Ok(())
            }
            Stimulus::Background(script) => {
                let doing = |error| LabError::Io(scene::FOREGROUND.into(), error);
                let out = File::create(scene::FOREGROUND).map_err(doing)?;
                let both = out.try_clone().map_err(doing)?;
                let child = scene::sh(&with_full_path(script))
                    .stdout(out)
                    .stderr(both)
                    .spawn()
                    .map_err(doing)?;
                self.background.push(child);
                Ok(())
            }
        }
    }

    /// The text that the recorder's words describe.
    fn new_text(&self, path: &str, words: &str) -> Result<String> {
        let second = self.scenario.second_config.as_deref().unwrap_or_default();
        let first = self.scenario.files.iter().find(|(file, _)| file == path);
        if words.contains("third config: second plus a line") {
            let line = words.split('"').nth(1).unwrap_or_default();
            Ok(format!("{second}{line}\n"))
        } else if words.contains("second config") {
            Ok(second.to_owned())
        } else if words.contains("first config again") {
            Ok(first.map(|(_, text)| text.clone()).unwrap_or_default())
        } else {
            Err(LabError::unexpected(format!(
                "not understood: {path} {words}"
            )))
        }
    }

    fn look(&mut self, seen: &mut Observation, running: &mut Vec<Running>) -> Result<()> {
        while let Some(first) = running.first_mut() {
            let Some(exit) = first.ended()? else { break };
            running.remove(0);
            seen.exits.push(exit);
        }
        self.look_at_table()?;
        if seen.tables.last() != Some(&self.table) {
            seen.tables.push(self.table.clone());
        }
        seen.log.extend(self.log.new_texts()?);
        Ok(())
    }

    fn look_at_table(&mut self) -> Result<()> {
        let listed = fs::read_to_string("/proc/net/ip_vs").unwrap_or_default();
        let listed: String = listed.lines().skip(3).map(without_counters).collect();
        if listed != self.listed {
            self.table = table()?;
            self.listed = listed;
        }
        Ok(())
    }

    fn finish(self, run: &Run, under_test: Implementation) -> Result<()> {
        for mut child in self.background {
            let deadline = Instant::now() + seconds(20);
            while child
                .try_wait()
                .map_err(|error| LabError::Io("waiting".into(), error))?
                .is_none()
            {
                if Instant::now() >= deadline {
                    return Err(LabError::unexpected(
                        "the director in the foreground did not end",
                    ));
                }
                thread::sleep(LOOK);
            }
        }
        let received: Vec<(SocketAddr, Vec<u8>)> = self.servers.received();
        leftovers::check(self.scenario, run, under_test, &received)
    }
}

/// The table, as the administrator's tool prints it.
pub fn table() -> Result<Table> {
    let output = Command::new("ipvsadm")
        .arg("-Sn")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| LabError::Io("ipvsadm".into(), error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(Table::from_lines(text.lines()))
}

/// A server's line of the kernel's list ends with its numbers of connections, which are not part of the table.
fn without_counters(line: &str) -> String {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    if words.first() == Some(&"->") {
        words.truncate(4);
    }
    words.join(" ") + "\n"
}

/// In the recordings the shell found a script, and the kernel handed the interpreter its full path as its name.
fn with_full_path(script: &str) -> String {
    if let Some(rest) = script.strip_prefix("ldirectord ") {
        return format!("/usr/sbin/ldirectord {rest}");
    }
    script.replace("exec ldirectord ", "exec /usr/sbin/ldirectord ")
}

/// A command that has not ended yet. Its output goes to a file: a daemon that keeps it open does not hold us up.
struct Running {
    child: Child,
    output: File,
}

impl Running {
    fn start(script: &str) -> Result<Self> {
        let doing = |error| LabError::Io(format!("starting {script}"), error);
        let output = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open("/run/test/output")
            .map_err(doing)?;
        fs::remove_file("/run/test/output").map_err(doing)?;
        let child = scene::sh(&with_full_path(script))
            .stdout(output.try_clone().map_err(doing)?)
            .stderr(output.try_clone().map_err(doing)?)
            .spawn()
            .map_err(doing)?;
        Ok(Running { child, output })
    }

    fn ended(&mut self) -> Result<Option<Exit>> {
        let doing = |error| LabError::Io("a command".into(), error);
        let Some(status) = self.child.try_wait().map_err(doing)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        self.output.seek(SeekFrom::Start(0)).map_err(doing)?;
        self.output.read_to_end(&mut bytes).map_err(doing)?;
        Ok(Some(Exit {
            code: status.code().unwrap_or(-1),
            output: String::from_utf8_lossy(&bytes).trim().to_owned(),
        }))
    }
}

/// The director's log, read as it grows.
#[derive(Default)]
struct LogFile {
    read: usize,
}

impl LogFile {
    fn new_texts(&mut self) -> Result<Vec<String>> {
        let bytes = match fs::read(scene::LOG) {
            Ok(bytes) => bytes,
            Err(_) => return Ok(Vec::new()),
        };
        let new = bytes.get(self.read..).unwrap_or_default();
        let whole = new
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |end| end + 1);
        self.read += whole;
        Ok(String::from_utf8_lossy(&new[..whole])
            .lines()
            .map(texts::of_log_line)
            .collect())
    }
}
