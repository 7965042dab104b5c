//! Recordings of the legacy as phases, and their lines in a form that can be compared.

use std::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub(crate) config: String,
    pub(crate) second: String,
    pub(crate) before: Vec<String>,
    pub(crate) servers: Vec<(String, String)>,
    pub(crate) phases: Vec<Phase>,
}

#[derive(Debug, Default)]
pub(crate) struct Phase {
    pub(crate) at: Duration,
    pub(crate) stimuli: Vec<(String, String)>,
    pub(crate) log: Vec<String>,
    pub(crate) commands: Vec<String>,
    /// The last table that was seen, as lines.
    pub(crate) table: Option<Vec<String>>,
}

impl Recording {
    pub(crate) fn parse(text: &str, version: &str) -> Recording {
        let mut recording = Recording::default();
        let mut section = String::new();
        let mut in_table = false;
        for line in text.lines() {
            if line.starts_with('[') && line.ends_with(']') {
                section = line.trim_matches(['[', ']']).to_owned();
                continue;
            }
            match section.as_str() {
                section if section.starts_with("file /etc/ha.d/") && section.ends_with(".cf") => {
                    recording.config.push_str(&format!("{line}\n"));
                }
                "second config" => recording.second.push_str(&format!("{line}\n")),
                "before" => recording.before.push(line.to_owned()),
                "servers at the beginning" => {
                    if let Some((server, state)) = line.split_once(' ') {
                        recording.servers.push((server.into(), state.into()));
                    }
                }
                section if section == format!("run {version}") => {
                    recording.event(line, &mut in_table);
                }
                _ => {}
            }
        }
        assert!(!recording.phases.is_empty(), "no run {version}");
        recording
    }

    fn event(&mut self, line: &str, in_table: &mut bool) {
        let Some(rest) = line.strip_prefix('+') else {
            if *in_table
                && let Some(table) = self
                    .phases
                    .last_mut()
                    .and_then(|phase| phase.table.as_mut())
            {
                table.push(line.trim().to_owned());
            }
            return;
        };
        let (time, rest) = rest.split_at(6);
        let at = Duration::from_secs_f64(time.parse().expect("a time"));
        let kind = rest[1..8].trim();
        let text = rest.get(9..).unwrap_or_default().to_owned();
        *in_table = kind == "table";
        if matches!(kind, "cmd" | "server" | "file") {
            let silent = self.phases.last().is_some_and(|phase| {
                phase.log.is_empty()
                    && phase.commands.is_empty()
                    && at < phase.at + Duration::from_millis(900)
            });
            if !silent {
                self.phases.push(Phase {
                    at,
                    ..Phase::default()
                });
            }
        }
        // Of what was there before anything was done only the table is shown.
        let Some(phase) = self.phases.last_mut() else {
            return;
        };
        match kind {
            "cmd" | "server" | "file" => phase.stimuli.push((kind.into(), text)),
            "log" => phase.log.push(text),
            "ipvsadm" => phase.commands.push(text),
            "table" => phase.table = Some(Vec::new()),
            _ => {}
        }
    }
}

/// A command with its options in one order and without those that say nothing.
#[allow(clippy::unnecessary_wraps)] // the same shape as the functions for log lines
pub(crate) fn command(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut head = Vec::new();
    let mut options: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let value = words.get(at + 1).copied().unwrap_or_default();
        at += 2;
        match (*word, value) {
            ("-x" | "-y", "0") | ("-M", "255.255.255.255") | ("--tun-type", _) => {}
            ("-A" | "-E" | "-D" | "-a" | "-e" | "-d", _) => {
                at -= 1;
                head.push((*word).to_owned());
            }
            ("-t" | "-u" | "-f", value) => head.push(format!("{word} {value}")),
            ("-g" | "-m" | "-i" | "-o" | "-6", _) => {
                at -= 1;
                options.push((*word).to_owned());
            }
            (word, value) => options.push(format!("{word} {value}")),
        }
    }
    let rank = |option: &String| match option.get(..2) {
        Some("-r") => 0,
        Some("-g" | "-m" | "-i") => 1,
        Some("-w") => 2,
        Some("-s") => 3,
        _ => 4,
    };
    options.sort_by_key(|option| (rank(option), option.clone()));
    head.extend(options);
    Some(head.join(" "))
}

/// A line of the log, if it is the core's. That a count is reset is only said where there is one to speak of; 4.12 said it
/// each time.
pub(crate) fn log_line(line: &str) -> Option<String> {
    let line = counted_line(line)?;
    (!line.starts_with("Resetting soft failure count")).then_some(line)
}

/// A line of the log, if it is the core's and not the shell's.
pub(crate) fn counted_line(line: &str) -> Option<String> {
    const OTHERS: [&str; 11] = [
        "Reloading Linux Director",
        "Configuration file",
        " - reread new",
        " - ignore new",
        "Invoking ldirectord",
        "Starting Linux Director",
        "ldirectord for ",
        "Exiting from",
        "system(",
        "Error [",
        "(line)",
    ];
    if OTHERS.iter().any(|start| line.starts_with(start)) || line.trim().is_empty() {
        return None;
    }
    // 2.1 has no readdquiescent and one text for both.
    Some(line.replace("Readd Quiescent", "Quiescent"))
}

/// Sorts neighbours of one kind.
pub(crate) fn in_any_order(lines: Vec<String>) -> Vec<String> {
    let kind = |line: &String| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let weightless = line.ends_with("-w 0") || line.ends_with("set to 0)");
        (
            words.first().map(|word| (*word).to_owned()),
            line.contains("server"),
            weightless,
        )
    };
    let mut sorted: Vec<String> = Vec::new();
    for run in lines.chunk_by(|a, b| kind(a) == kind(b)) {
        let mut run = run.to_vec();
        run.sort();
        sorted.extend(run);
    }
    sorted
}
