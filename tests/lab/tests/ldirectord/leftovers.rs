//! What a scenario leaves: files that its scripts and the director wrote, and what the real servers received.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;

use ha_lab::{Implementation, LabError, Result};

use crate::expectation::shown;
use crate::real_server::parse_address;
use crate::scenario::{Run, Scenario};
use crate::{differences, scene, texts};

/// Compares everything that the recording kept.
pub fn check(
    scenario: &Scenario,
    run: &Run,
    under_test: Implementation,
    received: &[(SocketAddr, Vec<u8>)],
) -> Result<()> {
    for (title, lines) in &run.leftovers {
        if differences::leaves_out(scenario, under_test, title) {
            continue;
        }
        let (seen, wanted) = match title.as_str() {
            "wire" | "file requests seen by the servers" => {
                let recorded: Vec<_> = lines.iter().filter_map(|line| recorded(line)).collect();
                (requests(received), requests(&recorded))
            }
            "file output of the foreground process" => {
                let text = read(scene::FOREGROUND)?;
                let seen: Vec<&str> = text.lines().collect();
                let only_log = differences::only_log(scenario, under_test);
                (foreground(&seen, only_log), foreground(lines, only_log))
            }
            "file /var/log/mon.log" => {
                let text = read("/var/log/mon.log")?;
                let seen: Vec<&str> = text.lines().collect();
                (monitored(&seen), monitored(lines))
            }
            // The recorder found no mail: the stand-in of its time was not the one that was called.
            "file mail" => (mails(&read(scene::MAIL)?), announced_mails()?),
            other => {
                let path = other.strip_prefix("file ").unwrap_or(other);
                let text = read(path)?;
                (text.lines().map(str::to_owned).collect(), lines.clone())
            }
        };
        let wanted: Vec<String> = wanted
            .into_iter()
            .filter(|line: &String| !line.is_empty())
            .collect();
        if seen != wanted {
            return Err(LabError::unexpected(format!(
                "left behind, {title}:\nseen:\n{}\nexpected:\n{}",
                shown(&seen),
                shown(&wanted)
            )));
        }
    }
    Ok(())
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).map_err(|error| LabError::Io(format!("reading {path}"), error))
}

/// What the servers were asked. A connection without a request counts where there is no other: the director may have ended
/// between the one and the other.
fn requests(received: &[(SocketAddr, Vec<u8>)]) -> Vec<String> {
    let asked: BTreeSet<SocketAddr> = received
        .iter()
        .filter(|(_, bytes)| !bytes.is_empty())
        .map(|(server, _)| *server)
        .collect();
    let counts = |server: &SocketAddr, bytes: &[u8]| !bytes.is_empty() || !asked.contains(server);
    let counted = received
        .iter()
        .filter(|(server, bytes)| counts(server, bytes));
    distinct(counted.map(|(server, bytes)| request(*server, bytes)))
}

/// What of a request matters: the server, the path, the name it was called by. A connection without a request is said
/// as well.
fn request(server: SocketAddr, bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let path = text.split_whitespace().nth(1).unwrap_or("(none)");
    let host = text
        .lines()
        .find_map(|line| line.strip_prefix("Host: "))
        .unwrap_or("(none)");
    format!("{server} path {path} host {host}")
}

/// `[TIME] ADDRESS_PORT <- b'BYTES'`, as Python shows bytes.
fn recorded(line: &str) -> Option<(SocketAddr, Vec<u8>)> {
    let (server, bytes) = line.split_once(" <- ")?;
    let server = server.split_whitespace().last()?.replace('_', ":");
    let bytes = bytes.trim_start_matches("b'").trim_end_matches('\'');
    let bytes = bytes.replace("\\r\\n", "\r\n");
    Some((parse_address(&server).ok()?, bytes.into_bytes()))
}

/// The output of a director in the foreground. Supervised it is a log, whose order means something; with `-d` the rounds
/// repeat as long as it runs, so that only what is said counts. Warnings of the legacy's interpreter are not its own words.
fn foreground(lines: &[impl AsRef<str>], only_log: bool) -> Vec<String> {
    // The last one is ours, and said when many share one processor.
    const BESIDE_THE_POINT: [&str; 4] = [
        "... (rounds",
        "Client-Date: ",
        "Use of uninitialized value",
        "Main loop woke up too late",
    ];
    let lines: Vec<&str> = lines
        .iter()
        .map(AsRef::as_ref)
        .filter(|line| {
            let text = after_time(line);
            !BESIDE_THE_POINT.iter().any(|start| text.starts_with(start))
        })
        .filter(|line| {
            let chatter = ["DEBUG", "Running ", "Client-Warning: "];
            !only_log || !chatter.iter().any(|start| line.starts_with(start))
        })
        .collect();
    if lines.iter().all(|line| line.starts_with('[')) {
        let texts: Vec<String> = lines
            .iter()
            .map(|line| texts::masked(after_time(line)))
            .collect();
        return texts::orders(&texts).into_values().flatten().collect();
    }
    distinct(lines.into_iter().map(texts::masked))
}

fn distinct(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    let distinct: BTreeSet<String> = texts.into_iter().collect();
    distinct.into_iter().collect()
}

fn after_time(line: &str) -> &str {
    line.split_once("] ").map_or(line, |(_, text)| text)
}

/// What a monitor file tells: for each server its states, without repetitions.
fn monitored(lines: &[impl AsRef<str>]) -> Vec<String> {
    let mut last: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines {
        let text = after_time(after_time(line.as_ref()));
        let server = text.split(" [").next().unwrap_or(text);
        let states = last.entry(server.to_owned()).or_default();
        if states.last().map(String::as_str) != Some(text) {
            states.push(text.to_owned());
        }
    }
    last.into_values().flatten().collect()
}

/// The subjects of the mails that the stand-in was given.
fn mails(text: &str) -> Vec<String> {
    let mut subjects: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("Subject: "))
        .map(str::to_owned)
        .collect();
    subjects.sort();
    subjects
}

/// The subjects of the mails that the log tells of.
fn announced_mails() -> Result<Vec<String>> {
    let mut subjects: Vec<String> = read(scene::LOG)?
        .lines()
        .map(texts::of_log_line)
        .filter_map(|text| text.strip_prefix("emailalert: ").map(str::to_owned))
        .collect();
    subjects.sort();
    Ok(subjects)
}
