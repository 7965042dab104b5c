//! A recorded scenario: what was done to a director, and what it did.
//!
//! The files in `scenarios/` are recordings of real legacy daemons (2.1.3, in two cases a later snapshot, and 4.12.0) on a
//! real IPVS. A file holds the configuration, what the real servers answer at the beginning, and for each version a
//! timeline: what was done (`cmd`, `server`, `file`) and what was seen (`log`, `ipvsadm`, `table`, `exit`). A timeline is
//! read as *phases*: something is done, then things happen until all is quiet.

use std::collections::BTreeMap;
use std::time::Duration;

/// Things done less than this apart, with nothing seen in between, were meant to happen at once.
const AT_ONCE: Duration = Duration::from_millis(900);

/// A recording that was quiet for this long before the next thing was done shows that nothing more would have come.
const QUIET: Duration = Duration::from_millis(2_000);

/// One file of `scenarios/`.
#[derive(Debug, Default)]
pub struct Scenario {
    /// The file's name without `.txt`.
    pub name: String,
    /// Files that exist before the first thing is done: path and text.
    pub files: Vec<(String, String)>,
    /// The configuration that takes the first one's place when the timeline says so.
    pub second_config: Option<String>,
    /// A shell script that runs before the first thing is done.
    pub before: String,
    /// What listens at the beginning: `ADDRESS:PORT` and what it does.
    pub servers: Vec<(String, String)>,
    /// One for each version recorded.
    pub runs: Vec<Run>,
}

/// What one version did.
#[derive(Debug, Default)]
pub struct Run {
    /// `2.1.3`, `4.12.0`, or a description.
    pub version: String,
    /// The table before anything was done.
    pub table_before: Table,
    /// In the order of time.
    pub phases: Vec<Phase>,
    /// What stood in files afterwards, and what the real servers received: title and lines.
    pub leftovers: Vec<(String, Vec<String>)>,
}

/// Something is done, then things happen.
#[derive(Debug, Default)]
pub struct Phase {
    /// Done at once.
    pub stimuli: Vec<Stimulus>,
    /// Texts of the log, in order.
    pub log: Vec<String>,
    /// The commands by which the legacy changed the table.
    pub changes: Vec<String>,
    /// States of the table, each after a change.
    pub tables: Vec<Table>,
    /// How the commands of the phase ended.
    pub exits: Vec<Exit>,
    /// Whether the recording shows that nothing more would have come.
    pub quiet_after: bool,
}

/// Something done to the director or to a real server.
#[derive(Clone, Debug)]
pub enum Stimulus {
    /// A shell command, waited for.
    Command(String),
    /// A shell command left running, its output kept.
    Background(String),
    /// A real server changes: `ADDRESS:PORT`, and what it does from now on.
    Server(String, String),
    /// A file is rewritten: its path, and the recorder's words for the new text.
    File(String, String),
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The exit code.
    pub code: i32,
    /// What it printed, standard output and standard error together, without white space at the ends.
    pub output: String,
}

/// A table as `ipvsadm -Sn` prints it, independent of the order of its lines: each service with its real servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table(pub BTreeMap<String, Vec<String>>);

impl Table {
    /// From the lines of `ipvsadm -Sn`.
    pub fn from_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut table = Table::default();
        let mut service = String::new();
        for line in lines {
            let line = line.trim();
            if line.starts_with("-A") {
                service = line.to_owned();
                table.0.entry(service.clone()).or_default();
            } else if line.starts_with("-a") {
                table
                    .0
                    .entry(service.clone())
                    .or_default()
                    .push(line.to_owned());
            }
        }
        for servers in table.0.values_mut() {
            servers.sort();
        }
        table
    }

    /// All lines, services in front of their servers.
    pub fn lines(&self) -> Vec<String> {
        if self.0.is_empty() {
            return vec!["(empty)".to_owned()];
        }
        self.0
            .iter()
            .flat_map(|(service, servers)| {
                std::iter::once(service.clone()).chain(servers.iter().cloned())
            })
            .collect()
    }
}

impl Scenario {
    /// Reads a file. The error says which line is not understood.
    pub fn parse(name: &str, text: &str) -> Result<Scenario, String> {
        let mut scenario = Scenario {
            name: name.to_owned(),
            ..Scenario::default()
        };
        for (title, lines) in sections(text) {
            let whole = || {
                lines
                    .iter()
                    .map(|line| format!("{line}\n"))
                    .collect::<String>()
            };
            if let Some(version) = title.strip_prefix("run ") {
                let (table_before, phases) = phases(&lines)?;
                scenario.runs.push(Run {
                    version: version.to_owned(),
                    table_before,
                    phases,
                    leftovers: Vec::new(),
                });
            } else if let Some(run) = scenario.runs.last_mut() {
                let lines = lines.iter().map(|line| (*line).to_owned()).collect();
                run.leftovers.push((title.to_owned(), lines));
            } else if let Some(path) = title.strip_prefix("file ") {
                scenario.files.push((path.to_owned(), whole()));
            } else {
                match title {
                    "" => {}
                    "before" => scenario.before = whole(),
                    "second config" => scenario.second_config = Some(whole()),
                    "servers at the beginning" => {
                        scenario.servers = lines
                            .iter()
                            .filter_map(|line| line.split_once(' '))
                            .filter(|(server, _)| server.contains(':'))
                            .map(|(server, state)| (server.to_owned(), state.to_owned()))
                            .collect();
                    }
                    other => return Err(format!("unknown section [{other}]")),
                }
            }
        }
        if scenario.runs.is_empty() {
            return Err("no run".into());
        }
        Ok(scenario)
    }
}

/// Cuts a file at its headings. White space at the end of a section is not part of it.
fn sections(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut sections = vec![("", Vec::new())];
    for line in text.lines() {
        if let Some(title) = heading(line) {
            sections.push((title, Vec::new()));
        } else if let Some((_, lines)) = sections.last_mut() {
            lines.push(line);
        }
    }
    for (_, lines) in &mut sections {
        while lines.last().is_some_and(|line| line.is_empty()) {
            lines.pop();
        }
    }
    sections
}

/// The title of a heading line. Lines of log files begin with a bracket as well.
fn heading(line: &str) -> Option<&str> {
    if line.starts_with("[wire]") {
        return Some("wire");
    }
    let title = line.strip_prefix('[')?.strip_suffix(']')?;
    ["file ", "run ", "servers at", "before", "second config"]
        .iter()
        .any(|start| title.starts_with(start))
        .then_some(title)
}

/// The table before the first thing is done, and the phases.
fn phases(lines: &[&str]) -> Result<(Table, Vec<Phase>), String> {
    let mut table_before = Table::default();
    let mut phases: Vec<Phase> = Vec::new();
    let mut last_seen = Duration::ZERO;
    let mut lines = lines.iter().peekable();
    while let Some(line) = lines.next() {
        let bad = || format!("line not understood: {line}");
        let seconds: f64 = line
            .get(1..7)
            .and_then(|time| time.parse().ok())
            .ok_or_else(bad)?;
        let time = Duration::from_secs_f64(seconds);
        let kind = line.get(8..15).ok_or_else(bad)?.trim();
        let text = line.get(16..).unwrap_or_default();
        let mut more = Vec::new();
        while let Some(next) = lines.next_if(|next| next.starts_with("      ")) {
            more.push(next.trim());
        }
        if let Some(stimulus) = stimulus(kind, text) {
            let joins = phases
                .last()
                .is_some_and(|phase| phase.is_silent() && time.saturating_sub(last_seen) < AT_ONCE);
            if !joins {
                if let Some(phase) = phases.last_mut() {
                    phase.quiet_after = time.saturating_sub(last_seen) >= QUIET;
                }
                phases.push(Phase::default());
            }
            if let Some(phase) = phases.last_mut() {
                phase.stimuli.push(stimulus);
            }
        } else if kind == "table" && phases.is_empty() {
            table_before = Table::from_lines(more.iter().copied());
        } else {
            let phase = phases.last_mut().ok_or_else(bad)?;
            match kind {
                "log" => phase.log.push(text.to_owned()),
                "ipvsadm" => phase.changes.push(text.trim().to_owned()),
                "table" => phase.tables.push(Table::from_lines(more.iter().copied())),
                "exit" => phase.exits.push(exit(text, &more).ok_or_else(bad)?),
                _ => return Err(bad()),
            }
        }
        last_seen = time;
    }
    Ok((table_before, phases))
}

fn stimulus(kind: &str, text: &str) -> Option<Stimulus> {
    match kind {
        "cmd" => Some(match text.strip_suffix("(in background)") {
            Some(command) => Stimulus::Background(command.trim().to_owned()),
            None => Stimulus::Command(text.to_owned()),
        }),
        "server" => {
            let (server, state) = text.split_once(" -> ")?;
            Some(Stimulus::Server(server.to_owned(), state.to_owned()))
        }
        "file" => {
            let (path, words) = text.split_once(" rewritten: ")?;
            Some(Stimulus::File(path.to_owned(), words.to_owned()))
        }
        _ => None,
    }
}

/// `rc=0 after 1.4s output: TEXT`, further lines of the output below.
fn exit(text: &str, more: &[&str]) -> Option<Exit> {
    let (code, rest) = text.strip_prefix("rc=")?.split_once(' ')?;
    let first = rest
        .split_once(" output: ")
        .map_or("", |(_, output)| output);
    let output = std::iter::once(first)
        .chain(more.iter().copied())
        .collect::<Vec<_>>()
        .join("\n");
    Some(Exit {
        code: code.parse().ok()?,
        output: output.trim().to_owned(),
    })
}

impl Phase {
    fn is_silent(&self) -> bool {
        self.log.is_empty()
            && self.tables.is_empty()
            && self.exits.is_empty()
            && self.changes.is_empty()
    }
}
