//! Jobs against real scripts in a directory of their own.
//!
//! One test at a time has children: whoever learns of a child's end must be the one who started it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use ha_cluster::{Hold, Notification};
use ha_resources::Paths;
use ha_resources::address::Site;
use ha_sys::log::{Logger, Sinks};
use ha_sys::{Poller, child, clock};

use super::*;
use crate::timers::Timers;

static CHILDREN: Mutex<()> = Mutex::new(());

/// A configuration directory, the jobs that use it, and a small loop around them.
struct Bench {
    root: PathBuf,
    jobs: Jobs,
    shell: Shell,
    ended: Vec<(u64, JobOutcome)>,
    _alone: MutexGuard<'static, ()>,
}

/// `start` and `stop` write a line; `start` of a word in `slow` waits until somebody opens its gate.
const SCRIPT: &str = r#"#!/bin/sh
cd "$TREE"
me=$(basename $0)
case $1 in
status) if [ -e is.$me ]; then echo running; else echo stopped; fi; exit 0;;
esac
echo "$me $1 begins" >> events
if [ -p gate.$me ] && [ $1 = start ]; then read line < gate.$me; fi
case $1 in
start) [ ! -e broken.$me ] || exit 3; touch is.$me;;
stop) rm -f is.$me;;
esac
echo "$me $1 ends" >> events
"#;

impl Bench {
    fn new(haresources: &str) -> Bench {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let alone = CHILDREN
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let root =
            std::env::temp_dir().join(format!("heartbeat-jobs-{}-{number}", std::process::id()));
        for directory in ["resource.d", "rc.d"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        fs::write(root.join("haresources"), haresources).unwrap();
        for name in ["one", "two", "three"] {
            write_script(&root.join("resource.d").join(name), SCRIPT);
        }
        let paths = Paths::from_environment(|name| {
            (name == "HA_DIR").then(|| root.clone().into_os_string())
        });
        let site = Site::new(&paths, Path::new("/nonexistent"), false);
        let settings = JobSettings {
            local: "alpha".into(),
            installed: Installed::new(paths, "/nonexistent/ha-tools"),
            library: "/nonexistent".into(),
            parameters: Vec::new(),
            variables: Vec::new(),
            logfile: None,
            debugfile: None,
            facility: None,
            logd: false,
            inherited: vec![
                ("TREE".into(), root.clone().into()),
                ("PATH".into(), "/usr/bin:/bin".into()),
            ],
            directory: root.clone(),
            known: RefCell::default(),
        };
        let shell = Shell {
            poller: Poller::new().unwrap(),
            logger: Logger::new("heartbeat", Sinks::default()),
            timers: Timers::default(),
            debug: 0,
        };
        let jobs = Jobs::new(settings, NativeAgents::new(site));
        Bench {
            root,
            jobs,
            shell,
            ended: Vec::new(),
            _alone: alone,
        }
    }

    fn start(&mut self, id: u64, job: Job) {
        self.jobs.start(&mut self.shell, JobId(id), &job);
    }

    /// Turns the loop until a condition holds.
    #[track_caller]
    fn until(&mut self, what: &str, condition: impl Fn(&Bench) -> bool) {
        let deadline = clock::monotonic() + Duration::from_secs(30);
        let mut ready = Vec::new();
        loop {
            while let Some((pid, end)) = child::reap() {
                assert!(
                    self.jobs.child_ended(&mut self.shell, pid, end),
                    "a stranger's child"
                );
            }
            while let Some(due) = self.shell.timers.pop_due(clock::monotonic()) {
                match due {
                    Due::ResumeJob(id) => self.jobs.resume(&mut self.shell, id),
                    Due::ScriptDeadline { child } => {
                        self.jobs.end_overdue(&mut self.shell, child);
                    }
                    Due::KillScript { child } => self.jobs.kill_overdue(child),
                    _ => {}
                }
            }
            let ended = self.jobs.take_ended();
            self.ended
                .extend(ended.into_iter().map(|(id, outcome)| (id.0, outcome)));
            if condition(self) {
                return;
            }
            assert!(
                clock::monotonic() < deadline,
                "never: {what}\n{}",
                self.events()
            );
            // There is no SIGCHLD to wake us here.
            let nap = clock::monotonic() + Duration::from_millis(2);
            self.shell.poller.wait(Some(nap), &mut ready).unwrap();
            for event in ready.drain(..) {
                if let Some(Token::Output(pid)) = Token::from_number(event.token) {
                    self.jobs.output_ready(&self.shell, pid);
                }
            }
        }
    }

    fn outcome(&mut self, id: u64) -> JobOutcome {
        self.until("the job's end", |bench| {
            bench.ended.iter().any(|(ended, _)| *ended == id)
        });
        self.ended
            .iter()
            .find(|(ended, _)| *ended == id)
            .unwrap()
            .1
            .clone()
    }

    fn report(&mut self, id: u64) -> Report {
        match self.outcome(id) {
            JobOutcome::Native(report) => report,
            other => panic!("{other:?}"),
        }
    }

    fn events(&self) -> String {
        fs::read_to_string(self.root.join("events")).unwrap_or_default()
    }

    fn gate(&self, name: &str) -> PathBuf {
        let gate = self.root.join(format!("gate.{name}"));
        let made = std::process::Command::new("mkfifo")
            .arg(&gate)
            .status()
            .unwrap();
        assert!(made.success());
        gate
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.jobs.signal_all(Signal::SIGKILL);
        while self.jobs.any_child() && !std::thread::panicking() {
            self.until("all children are gone", |bench| !bench.jobs.any_child());
        }
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn write_script(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn notification(kind: &str, fields: &[(&str, &str)]) -> Job {
    let fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Job::Notify(Notification {
        kind: kind.into(),
        fields,
        own_status: "active",
        nice: true,
    })
}

#[test]
fn a_group_is_started_in_order_and_what_runs_is_left_alone() {
    let mut bench = Bench::new("alpha one two\nbeta three\n");
    bench.start(1, Job::Acquire { set: Hold::LOCAL });
    assert!(bench.report(1).failed.is_empty());
    assert_eq!(
        bench.events(),
        "one start begins\none start ends\ntwo start begins\ntwo start ends\n"
    );
    bench.start(
        2,
        Job::AcquireLocal {
            dont_ask: true,
            nice: true,
        },
    );
    let report = bench.report(2);
    assert_eq!(
        (report.keys, report.wanted),
        (vec!["one".to_owned()], vec![])
    );
    fs::remove_file(bench.root.join("is.one")).unwrap();
    bench.start(
        3,
        Job::AcquireLocal {
            dont_ask: true,
            nice: true,
        },
    );
    assert_eq!(bench.report(3).wanted, ["one"]);
}

#[test]
fn jobs_over_one_group_follow_each_other_and_others_do_not_wait() {
    let mut bench = Bench::new("alpha one\nbeta three\n");
    let gate = bench.gate("one");
    bench.start(1, Job::Acquire { set: Hold::LOCAL });
    bench.until("the start hangs", |bench| {
        bench.events() == "one start begins\n"
    });
    bench.start(2, Job::Release { set: Hold::LOCAL });
    bench.start(3, Job::Acquire { set: Hold::FOREIGN });
    bench.report(3);
    assert_eq!(
        bench.events(),
        "one start begins\nthree start begins\nthree start ends\n"
    );
    fs::write(&gate, "go\n").unwrap();
    bench.report(2);
    let first: Vec<u64> = bench.ended.iter().map(|(id, _)| *id).collect();
    assert_eq!(first, [3, 1, 2]);
    assert!(
        bench
            .events()
            .ends_with("one start ends\none stop begins\none stop ends\n"),
        "{}",
        bench.events()
    );
}

#[test]
fn a_script_that_hangs_holds_up_only_its_own_group() {
    let mut bench = Bench::new("alpha one\nalpha two\nbeta three\n");
    let gate = bench.gate("one");
    bench.start(1, Job::Acquire { set: Hold::ALL });
    bench.until("the start hangs", |bench| {
        bench.events() == "one start begins\n"
    });
    let running = |bench: &Bench| {
        bench
            .jobs
            .runs
            .iter()
            .find_map(|run| run.child.as_ref().map(|child| child.pid))
    };
    let pid = running(&bench).expect("the script that hangs");
    bench.jobs.script_is_slow(&mut bench.shell, pid);
    bench.until("the others are started", |bench| {
        bench.events().ends_with("three start ends\n")
    });
    assert!(
        bench.ended.is_empty(),
        "the job is not over while a part of it hangs"
    );
    fs::write(&gate, "go\n").unwrap();
    assert!(bench.report(1).failed.is_empty());
    assert_eq!(bench.ended.len(), 1, "one job ends once");
    let expected = "one start begins\ntwo start begins\ntwo start ends\nthree start begins\nthree start ends\n\
                    one start ends\n";
    assert_eq!(bench.events(), expected);
}

#[test]
fn a_start_past_its_deadline_is_ended_and_has_failed() {
    let mut bench = Bench::new("alpha one\n");
    let lines = [("STARTDEADLINE", "50ms"), ("STATUSDEADLINE", "1h")];
    bench.jobs.settings.variables = lines
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    // Nobody will ever open it.
    bench.gate("one");
    bench.start(1, Job::Acquire { set: Hold::ALL });
    let report = bench.report(1);
    assert_eq!(report.failed.len(), 1, "{report:?}");
    let expected = "one start begins\none stop begins\none stop ends\n";
    assert_eq!(bench.events(), expected, "what was begun is stopped");
}

#[test]
fn a_group_that_fails_is_stopped_whole_and_named_with_its_owner() {
    let mut bench = Bench::new("alpha one two\nbeta three\n");
    fs::write(bench.root.join("broken.one"), "").unwrap();
    fs::write(bench.root.join("broken.three"), "").unwrap();
    bench.start(1, Job::Acquire { set: Hold::ALL });
    let failed: Vec<_> = bench
        .report(1)
        .failed
        .into_iter()
        .map(|group| (group.key, group.ours))
        .collect();
    assert_eq!(
        failed,
        [("one".to_owned(), true), ("three".to_owned(), false)]
    );
    let expected = "one start begins\ntwo stop begins\ntwo stop ends\none stop begins\none stop ends\n\
                    three start begins\nthree stop begins\nthree stop ends\n";
    assert_eq!(bench.events(), expected);
}

/// The legacy reads a pipe to its end, which a background process of the script's may never let come.
#[test]
fn an_answer_is_not_held_up_by_what_a_script_leaves_behind() {
    let mut bench = Bench::new("alpha one\n");
    let script = "#!/bin/sh\nsleep 1000 &\necho $! > \"$TREE/left\"\necho is running\n";
    write_script(&bench.root.join("resource.d/one"), script);
    bench.start(
        1,
        Job::AcquireLocal {
            dont_ask: true,
            nice: true,
        },
    );
    assert!(bench.report(1).wanted.is_empty());
    let left: u32 = fs::read_to_string(bench.root.join("left"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    process::signal_process(left, Signal::SIGKILL).unwrap();
}

#[test]
fn an_edited_file_counts_at_the_next_job() {
    let mut bench = Bench::new("alpha one\n");
    fs::write(bench.root.join("haresources"), "alpha two\n").unwrap();
    bench.start(1, Job::Acquire { set: Hold::LOCAL });
    bench.report(1);
    assert_eq!(bench.events(), "two start begins\ntwo start ends\n");
}

/// Without a descriptor to read the file with, a node gave everything away and released nothing, and after a death took
/// nothing and said that it held it.
#[test]
fn a_file_that_cannot_be_read_is_taken_as_it_was() {
    let mut bench = Bench::new("alpha one\nbeta two\n");
    bench.start(1, Job::Acquire { set: Hold::ALL });
    bench.until("both run", |bench| bench.ended.len() == 1);
    // There, and not to be read, also by root.
    fs::remove_file(bench.root.join("haresources")).unwrap();
    fs::create_dir(bench.root.join("haresources")).unwrap();
    bench.start(2, Job::Release { set: Hold::ALL });
    bench.until("both are released", |bench| bench.ended.len() == 2);
    assert!(!bench.root.join("is.one").exists());
    assert!(!bench.root.join("is.two").exists());
}

#[test]
fn a_stale_group_is_released_only_if_it_runs() {
    let mut bench = Bench::new("alpha one\nbeta three\n");
    fs::write(bench.root.join("is.three"), "").unwrap();
    bench.start(1, Job::ReleaseStale { set: Hold::ALL });
    bench.report(1);
    assert_eq!(bench.events(), "three stop begins\nthree stop ends\n");
    fs::write(bench.root.join("is.one"), "").unwrap();
    bench.start(
        2,
        notification("ip-request", &[("src", "beta"), ("ipaddr", "one")]),
    );
    assert!(bench.report(2).owned);
    bench.start(
        3,
        notification("ip-request", &[("src", "beta"), ("ipaddr", "one")]),
    );
    assert!(!bench.report(3).owned);
}

#[test]
fn messages_go_to_the_administrators_script_or_to_nobody() {
    let mut bench = Bench::new("alpha one\n");
    bench.start(1, notification("mine", &[]));
    assert!(matches!(bench.outcome(1), JobOutcome::NoHandler));
    write_script(
        &bench.root.join("harc"),
        "#!/bin/sh\necho \"$0 $* $HA_word\" > \"$TREE/seen\"; exit 5\n",
    );
    write_script(&bench.root.join("rc.d/mine"), "");
    bench.start(2, notification("mine", &[("word", "hello")]));
    assert!(matches!(bench.outcome(2), JobOutcome::Script { code: 5 }));
    let seen = fs::read_to_string(bench.root.join("seen")).unwrap();
    assert!(seen.ends_with("harc mine hello\n"), "{seen}");
    // His own handler of a stock message stands before ours.
    write_script(&bench.root.join("rc.d/status"), "");
    bench.start(
        3,
        notification("status", &[("st", "dead"), ("src", "beta")]),
    );
    assert!(matches!(bench.outcome(3), JobOutcome::Script { code: 5 }));
}

#[test]
fn a_resource_that_never_stops_asks_for_the_reboot() {
    let mut bench = Bench::new("alpha one\n");
    bench
        .jobs
        .settings
        .inherited
        .push(("HA_STOPRETRYMAX".into(), "1".into()));
    write_script(
        &bench.root.join("resource.d/one"),
        "#!/bin/sh\necho running; exit 1\n",
    );
    bench.start(1, Job::GiveUpAll);
    bench.until("the reboot", |bench| {
        bench.jobs.reboot_for.as_deref() == Some("one")
    });
}

#[test]
fn a_release_does_not_overtake_what_goes_on_beside_a_script_that_hangs() {
    let mut bench = Bench::new("alpha one\nalpha two\n");
    let gate = bench.gate("one");
    bench.start(1, Job::Acquire { set: Hold::LOCAL });
    bench.until("the start hangs", |bench| {
        bench.events() == "one start begins\n"
    });
    bench.start(2, Job::GiveUpAll);
    let pid = bench
        .jobs
        .runs
        .iter()
        .find_map(|run| run.child.as_ref().map(|child| child.pid));
    bench
        .jobs
        .script_is_slow(&mut bench.shell, pid.expect("the script that hangs"));
    bench.until("the other is started", |bench| {
        bench.events().ends_with("two start ends\n")
    });
    fs::write(&gate, "go\n").unwrap();
    bench.report(2);
    let stops = "one start ends\none stop begins\none stop ends\ntwo stop begins\ntwo stop ends\n";
    assert!(bench.events().ends_with(stops), "{}", bench.events());
}

#[test]
fn nothing_is_started_after_the_scripts_were_told_to_end() {
    let mut bench = Bench::new("alpha one\nalpha two\n");
    bench.gate("one");
    bench.start(1, Job::Acquire { set: Hold::LOCAL });
    bench.until("the start hangs", |bench| {
        bench.events() == "one start begins\n"
    });
    assert!(bench.jobs.signal_all(Signal::SIGKILL));
    bench.until("no script runs", |bench| !bench.jobs.any_child());
    assert_eq!(bench.events(), "one start begins\n");
    assert!(bench.ended.is_empty());
}
