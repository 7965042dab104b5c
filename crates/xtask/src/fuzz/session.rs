//! One target under libFuzzer.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use crate::Failure;

/// An input that takes longer than this is a finding, in seconds: a datagram or a line of a file takes microseconds. libFuzzer
/// goes by the clock on the wall, and a process of low priority was seen to stand still for 13 seconds on a busy machine.
const TIMEOUT_S: u64 = 60;

/// So is one that needs more memory than this, in MiB.
const MEMORY_MAX: u64 = 1024;

/// How much of what a failed target said is shown.
const SHOWN_LINES: usize = 12;

/// A target as the program lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) name: String,
    /// In bytes.
    length_max: usize,
    /// Where its corpus, seeds and findings are.
    folder: PathBuf,
}

/// Has the program write seeds and words of all targets below that directory, and list them.
pub(super) fn prepare(program: &Path, work: &Path) -> Result<Vec<Target>, Failure> {
    let start = |source| Failure::Start {
        program: program.display().to_string(),
        source,
    };
    let output = Command::new(program)
        .env("HA_FUZZ_PREPARE", work)
        .output()
        .map_err(start)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let targets: Vec<Target> = text
        .lines()
        .filter_map(|line| {
            let (name, length_max) = line.split_once(' ')?;
            Some(Target {
                name: name.to_owned(),
                length_max: length_max.parse().ok()?,
                folder: work.join(name),
            })
        })
        .collect();
    if !output.status.success() || targets.is_empty() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        return Err(Failure::Program {
            program: program.display().to_string(),
            status: output.status,
        });
    }
    for target in &targets {
        for name in ["corpus", "findings"] {
            let folder = target.folder.join(name);
            fs::create_dir_all(&folder).map_err(Failure::at(&folder))?;
        }
    }
    Ok(targets)
}

/// Runs one input and shows everything.
pub(super) fn replay(program: &Path, target: &Target, file: &Path) -> Result<ExitCode, Failure> {
    let status = fuzzer(program, target)
        .arg(file)
        .status()
        .map_err(|source| Failure::Start {
            program: program.display().to_string(),
            source,
        })?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn fuzzer(program: &Path, target: &Target) -> Command {
    let mut fuzzer = Command::new(program);
    fuzzer
        .env("HA_FUZZ_TARGET", &target.name)
        .env("RUST_BACKTRACE", "1")
        .arg(format!("-timeout={TIMEOUT_S}"))
        .arg(format!("-rss_limit_mb={MEMORY_MAX}"));
    fuzzer
}

/// A target that is being run.
#[derive(Debug)]
pub(super) struct Session {
    target: Target,
    child: Child,
    findings_before: usize,
}

impl Session {
    /// Starts a target for that time, or once over what is there.
    pub(super) fn start(
        program: &Path,
        target: Target,
        time: Option<Duration>,
    ) -> Result<Session, Failure> {
        let findings_before = target.findings().len();
        let path = target.folder.join("log");
        let log = File::create(&path).map_err(Failure::at(&path))?;
        let also = log.try_clone().map_err(Failure::at(&path))?;
        let mut fuzzer = fuzzer(program, &target);
        match time {
            Some(time) => fuzzer.arg(format!("-max_total_time={}", time.as_secs())),
            None => fuzzer.arg("-runs=0"),
        };
        let child = fuzzer
            .current_dir(&target.folder)
            .arg(format!("-max_len={}", target.length_max))
            .args(["-dict=words", "-artifact_prefix=findings/"])
            .args(["corpus", "seeds"])
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(also)
            .spawn()
            .map_err(|source| Failure::Start {
                program: program.display().to_string(),
                source,
            })?;
        Ok(Session {
            target,
            child,
            findings_before,
        })
    }

    /// Whether it has ended: how, or it goes on.
    pub(super) fn look(mut self) -> Result<Result<Ended, Session>, Failure> {
        let ended = self.child.try_wait().map_err(|source| Failure::Start {
            program: self.target.name.clone(),
            source,
        })?;
        Ok(match ended {
            None => Err(self),
            Some(status) => Ok(Ended {
                log: self.target.log(),
                new: self
                    .target
                    .findings()
                    .split_off(self.findings_before.min(self.target.findings().len())),
                target: self.target,
                status,
            }),
        })
    }
}

impl Target {
    fn log(&self) -> String {
        let bytes = fs::read(self.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Inputs that made it fail, oldest first.
    fn findings(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.folder.join("findings"));
        let mut files: Vec<_> = files
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| {
                let made = entry.metadata().and_then(|meta| meta.modified()).ok();
                (made, entry.path())
            })
            .collect();
        files.sort();
        files.into_iter().map(|(_, path)| path).collect()
    }
}

/// How a target ended.
#[derive(Debug)]
pub(super) struct Ended {
    target: Target,
    status: ExitStatus,
    log: String,
    /// Inputs that made it fail this time.
    new: Vec<PathBuf>,
}

impl Ended {
    pub(super) fn name(&self) -> &str {
        &self.target.name
    }

    /// 1 if it failed: libFuzzer ends with the first finding.
    pub(super) fn findings(&self) -> usize {
        usize::from(!self.status.success())
    }

    /// A line, or several after a failure.
    pub(super) fn text(&self) -> String {
        let name = &self.target.name;
        if self.status.success() {
            return format!("{name:22} {}", last_figures(&self.log));
        }
        let mut text = format!("{name:22} FAILED, {}:\n", self.status);
        for line in complaint(&self.log) {
            text.push_str(&format!("    {line}\n"));
        }
        text.push_str(&format!(
            "  all of it: {}\n",
            self.target.folder.join("log").display()
        ));
        for file in &self.new {
            text.push_str(&format!(
                "  the input: {file}\n  to see it again: cargo xtask fuzz {name} --replay {file}\n  \
                 to make it a test: copy it to tests/fuzz/findings/{name}/ under a name that says what was wrong\n",
                file = file.display()
            ));
        }
        text
    }
}

/// What libFuzzer said last about itself: `#4711 DONE cov: 17 ft: 20 corp: 5/60b ... exec/s: 99 rss: 30Mb`.
fn last_figures(log: &str) -> String {
    let line = log
        .lines()
        .rev()
        .find(|line| line.starts_with('#') && line.contains("cov:"));
    let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    let after = |name: &str| {
        let at = words.iter().position(|word| *word == name)?;
        words.get(at + 1).copied()
    };
    format!(
        "{} inputs, {} edges covered, {} kept, {} per second",
        words.first().unwrap_or(&"no").trim_start_matches('#'),
        after("cov:").unwrap_or("?"),
        after("corp:").unwrap_or("?"),
        after("exec/s:").unwrap_or("?"),
    )
}

/// The lines that say what was wrong.
fn complaint(log: &str) -> Vec<&str> {
    let begins = |line: &&str| line.contains("panicked at") || line.contains("ERROR: ");
    let lines: Vec<&str> = log.lines().collect();
    let start = lines.iter().position(begins);
    let from = start.unwrap_or(lines.len().saturating_sub(SHOWN_LINES));
    let lines = lines.into_iter().skip(from);
    lines
        .take_while(|line| !line.starts_with("stack backtrace"))
        .take(SHOWN_LINES)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "INFO: Seed: 1\n#2\tINITED cov: 3 ft: 4 corp: 1/1b exec/s: 0 rss: 26Mb\n\
        #4711\tDONE   cov: 17 ft: 20 corp: 5/60b lim: 4096 exec/s: 99 rss: 30Mb\nDone 4711 runs in 60 second(s)\n";

    #[test]
    fn figures_are_those_of_the_end() {
        assert_eq!(
            last_figures(LOG),
            "4711 inputs, 17 edges covered, 5/60b kept, 99 per second"
        );
        assert!(last_figures("").starts_with("no inputs"));
    }

    #[test]
    fn what_was_wrong_is_shown_without_the_backtrace() {
        let log =
            format!("{LOG}thread panicked at x.rs:1:2:\nleft: 1\nstack backtrace:\n0: main\n");
        assert_eq!(complaint(&log), ["thread panicked at x.rs:1:2:", "left: 1"]);
    }
}
