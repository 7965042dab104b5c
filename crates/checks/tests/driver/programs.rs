//! Check programs.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use checks::{Outcome, Settings, Verdict};
use ha_config::ldirectord::{External, Probe, ProbeKind};
use ha_sys::child::End;
use ha_sys::clock::monotonic;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::bench::*;

/// A directory of its own that vanishes with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("checks-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// An executable script; the command for it.
    fn script(&self, name: &str, text: &str) -> String {
        let path = self.file(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn external(command: &str, timeout: Duration) -> Probe {
    let command = External {
        command: command.to_owned(),
        perl: false,
        arguments: ["192.168.6.66", "80", "192.168.6.42", "8080"].map(str::to_owned),
    };
    Probe {
        timeout,
        ..probe(closed_port(), ProbeKind::External(command))
    }
}

/// Tells the driver of children of this process that have ended. Children are told apart by their pid files, since the
/// pid is not known outside of the driver and other tests of this process have children of their own.
fn reap(it: &mut Loop, pid_file: &std::path::Path) {
    let Ok(text) = std::fs::read_to_string(pid_file) else {
        return;
    };
    for pid in text.lines().filter_map(|line| line.parse::<i32>().ok()) {
        let end = match waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => End::Code(code),
            Ok(WaitStatus::Signaled(_, signal, _)) => End::Signal(signal as i32),
            _ => continue,
        };
        assert!(it.child_ended(pid as u32, end));
    }
}

fn run(scratch: &Scratch, it: &mut Loop, body: &str, timeout: Duration) -> Outcome {
    let pids = scratch.file("pids");
    let _ = std::fs::remove_file(&pids);
    let command = scratch.script(
        "check",
        &format!("#!/bin/sh\necho $$ >> {}\n{body}\n", pids.display()),
    );
    it.start(1, &external(&format!("{command} one  two"), timeout));
    it.run_until(|it| {
        reap(it, &pids);
        it.outcomes.contains_key(&1)
    });
    it.outcomes.remove(&1).unwrap()
}

#[test]
fn status_decides_and_the_four_words_come_last() {
    let scratch = Scratch::new("status");
    let mut it = Loop::new();
    let up = run(
        &scratch,
        &mut it,
        "test \"$*\" = 'one two 192.168.6.66 80 192.168.6.42 8080'",
        PATIENCE,
    );
    assert_eq!(up, Outcome::Verdict(Verdict::up("-")));
    let down = run(&scratch, &mut it, "exit 3", PATIENCE);
    assert_eq!(down, Outcome::Verdict(Verdict::down("Exit status 3")));
    // The legacy took this for up.
    let killed = run(&scratch, &mut it, "kill -9 $$", PATIENCE);
    assert_eq!(
        killed,
        Outcome::Verdict(Verdict::down("Killed by signal 9"))
    );
    assert_eq!(it.checker.next_deadline(), None);
}

#[test]
fn a_program_that_is_not_there_is_down() {
    let verdict = check(&external("/nonexistent/check", PATIENCE));
    assert_eq!(verdict, Verdict::down("No such file or directory"));
}

#[test]
fn a_program_that_takes_too_long_ends_with_all_that_it_started() {
    let scratch = Scratch::new("long");
    let mut it = Loop::new();
    let body = format!(
        "trap '' TERM; sleep 1000 & echo $! > {}; wait; wait; sleep 1000",
        scratch.file("sleeper").display()
    );
    let begin = monotonic();
    let limit = Duration::from_millis(300);
    let outcome = run(&scratch, &mut it, &body, limit);
    assert_eq!(
        outcome,
        Outcome::Verdict(Verdict::down("Connection timed out"))
    );
    assert!(monotonic() - begin >= limit);
    // Killed after a time of grace; until then it counts among those that run.
    let pids = scratch.file("pids");
    it.run_until(|it| {
        reap(it, &pids);
        it.checker.next_deadline().is_none()
    });
    it.run_until(|_| {
        let Ok(text) = std::fs::read_to_string(scratch.file("sleeper")) else {
            return true;
        };
        let status = std::fs::read_to_string(format!("/proc/{}/stat", text.trim()));
        // Gone, or waiting for whoever inherited it.
        status.map_or(true, |status| status.contains(") Z "))
    });
}

#[test]
fn only_so_many_run_at_once() {
    let scratch = Scratch::new("queue");
    let mut it = Loop::with(Settings {
        externals_max: 2,
        ..Settings::default()
    });
    let (pids, gate) = (scratch.file("pids"), scratch.file("gate"));
    let command = scratch.script(
        "check",
        &format!(
            "#!/bin/sh\necho $$ >> {}\nuntil test -e {}; do sleep 0.01; done\n",
            pids.display(),
            gate.display()
        ),
    );
    for id in 0..5 {
        it.start(id, &external(&command, PATIENCE));
    }
    let begun = || std::fs::read_to_string(&pids).map_or(0, |text| text.lines().count());
    it.run_until(|_| begun() == 2);
    // A queued one can be cancelled as well.
    it.checker.cancel(monotonic(), 4, &it.poller);
    assert_eq!(it.checker.running(), 4);
    std::fs::write(&gate, "").unwrap();
    it.run_until(|it| {
        reap(it, &pids);
        it.outcomes.len() == 4
    });
    assert_eq!(begun(), 4);
    assert!(
        it.outcomes
            .values()
            .all(|outcome| *outcome == Outcome::Verdict(Verdict::up("-")))
    );
}
