//! Children other than check programs: fallback commands, callbacks, other instances, mails, modprobe.
//!
//! Jobs of one lane run one after the other, so that a `stop` never overtakes a `start`; lanes do not wait for each other.
//! Nobody waits for a child: its end is told by [`Children::ended`].

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use ha_sys::child::{End, Spawn};
use ha_sys::signals::Signal;
use ha_sys::{errno_text, process};

use crate::log::Log;
use crate::places::first_executable;

/// Children at a time.
const RUNNING_MAX: usize = 32;

/// Mails at a time: a mail system that hangs must not fill the process table.
const MAILS_MAX: usize = 4;

/// Jobs that wait for their turn; more are dropped, which is logged.
const WAITING_MAX: usize = 512;

/// A child that takes longer is told to end.
const PATIENCE: Duration = Duration::from_secs(300);

/// Time between being told to end and being killed.
const GRACE: Duration = Duration::from_secs(5);

/// What a child is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// `fallbackcommand`, of this virtual service.
    Fallback(String),
    /// `callback`
    Callback,
    /// An `execute=` line.
    Execute(String),
    /// The local mail program.
    Mail,
    /// Loading the kernel's module.
    Module,
}

/// A child to be started.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) purpose: Purpose,
    /// As log lines show it.
    pub(crate) shown: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) input: Option<Vec<u8>>,
}

impl Job {
    /// A text for the shell.
    pub(crate) fn shell(purpose: Purpose, text: String) -> Job {
        Job {
            purpose,
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), text.clone().into()],
            shown: text,
            input: None,
        }
    }

    /// See [`instance_call`].
    pub(crate) fn instance(text: &str, command: &str) -> Job {
        let (arguments, shown) = instance_call(text, command);
        Job {
            arguments: arguments.into(),
            ..Job::shell(Purpose::Execute(text.to_owned()), shown)
        }
    }
}

/// `ldirectord TEXT COMMAND`, by the shell, because the text may carry quotes (`ldirectord.md` 2): arguments of `/bin/sh`,
/// and how it is shown.
pub(crate) fn instance_call(text: &str, command: &str) -> ([OsString; 3], String) {
    let own = process::own_executable().unwrap_or_else(|_| "/usr/sbin/ldirectord".into());
    let shown = format!("{} {text} {command}", own.display());
    let script = format!("exec \"$0\" {text} {command}");
    (["-c".into(), script.into(), own.into()], shown)
}

#[derive(Debug)]
struct Running {
    purpose: Purpose,
    shown: String,
    /// When to be harder on it.
    deadline: Duration,
    told_to_end: bool,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Children {
    log: Log,
    running: HashMap<u32, Running>,
    waiting: VecDeque<Job>,
    sendmail: Option<PathBuf>,
}

impl Children {
    /// None yet. `sendmail`: where a local mail program may be.
    pub(crate) fn new(log: Log, sendmail: &[PathBuf]) -> Children {
        Children {
            log,
            running: HashMap::new(),
            waiting: VecDeque::new(),
            sendmail: first_executable(sendmail).cloned(),
        }
    }

    /// Starts a job, or has it wait for its turn.
    pub(crate) fn add(&mut self, now: Duration, job: Job) {
        if self.waiting.len() >= WAITING_MAX {
            self.failed(&job.purpose, &job.shown, "too many commands wait");
            return;
        }
        self.waiting.push_back(job);
        self.start_waiting(now);
    }

    /// Hands a mail to the local mail program.
    pub(crate) fn mail(&mut self, now: Duration, text: String) {
        let Some(program) = self.sendmail.clone() else {
            self.failed(&Purpose::Mail, "sendmail", "there is none");
            return;
        };
        let job = Job {
            purpose: Purpose::Mail,
            shown: program.display().to_string(),
            program,
            arguments: vec!["-oi".into(), "-t".into()],
            input: Some(text.into_bytes()),
        };
        self.add(now, job);
    }

    /// Whether a job with this purpose runs or waits.
    pub(crate) fn any(&self, wanted: impl Fn(&Purpose) -> bool) -> bool {
        let waiting = self.waiting.iter().map(|job| &job.purpose);
        let running = self.running.values().map(|child| &child.purpose);
        waiting.chain(running).any(wanted)
    }

    /// A child has ended; false if it was none of ours.
    pub(crate) fn ended(&mut self, now: Duration, pid: u32, end: End) -> bool {
        let Some(child) = self.running.remove(&pid) else {
            return false;
        };
        match end {
            End::Code(0) => {}
            End::Code(code) => {
                self.failed(&child.purpose, &child.shown, &format!("exit status {code}"));
            }
            End::Signal(number) if child.told_to_end => {
                let why = format!("took longer than {} s", PATIENCE.as_secs());
                let _ = number;
                self.failed(&child.purpose, &child.shown, &why);
            }
            End::Signal(number) => {
                self.failed(&child.purpose, &child.shown, &format!("signal {number}"));
            }
        }
        self.start_waiting(now);
        true
    }

    /// When [`Children::timer`] has to be called next.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.running.values().map(|child| child.deadline).min()
    }

    /// Ends what takes too long.
    pub(crate) fn timer(&mut self, now: Duration) {
        for (pid, child) in &mut self.running {
            if child.deadline > now {
                continue;
            }
            let signal = match child.told_to_end {
                false => Signal::SIGTERM,
                true => Signal::SIGKILL,
            };
            child.told_to_end = true;
            child.deadline = now + GRACE;
            let _ = process::signal_group(*pid, signal);
        }
    }

    /// Before we end: whatever waits is started now.
    pub(crate) fn hurry(&mut self, now: Duration) {
        for job in std::mem::take(&mut self.waiting) {
            self.start(now, job);
        }
    }

    fn start_waiting(&mut self, now: Duration) {
        let mut at = 0;
        while self.running.len() < RUNNING_MAX {
            let Some(job) = self.waiting.get(at) else {
                return;
            };
            // An earlier job of the lane that still waits comes first.
            let earlier = self.waiting.iter().take(at);
            let blocked = earlier.filter(|other| other.purpose == job.purpose).count()
                + self.running_of(&job.purpose);
            if blocked >= lane_max(&job.purpose) {
                at += 1;
            } else if let Some(job) = self.waiting.remove(at) {
                self.start(now, job);
            }
        }
    }

    fn running_of(&self, purpose: &Purpose) -> usize {
        let same = |child: &&Running| child.purpose == *purpose;
        self.running.values().filter(same).count()
    }

    fn start(&mut self, now: Duration, job: Job) {
        if self.log.debugging() {
            self.log.line(format!("Running system({})", job.shown));
        }
        let mut spawn = Spawn::new(&job.program);
        spawn.arguments = job.arguments;
        spawn.environment = std::env::vars_os().collect();
        spawn.input = job.input;
        match spawn.start() {
            Ok(child) => {
                let running = Running {
                    purpose: job.purpose,
                    shown: job.shown,
                    deadline: now + PATIENCE,
                    told_to_end: false,
                };
                self.running.insert(child.pid, running);
            }
            Err(error) => self.failed(&job.purpose, &job.shown, &errno_text(&error)),
        }
    }

    fn failed(&self, purpose: &Purpose, shown: &str, why: &str) {
        let text = match purpose {
            Purpose::Mail => format!("failed to send email message: {shown}: {why}"),
            _ => format!("system({shown}) failed: {why}"),
        };
        self.log.line(text);
    }
}

fn lane_max(purpose: &Purpose) -> usize {
    match purpose {
        Purpose::Mail => MAILS_MAX,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::sync::Mutex;
    use std::time::Instant;

    use super::*;
    use crate::log::Target;
    use crate::scratch::Scratch;

    /// [`ha_sys::child::reap`] takes any child of the process, so these tests run one after the other.
    static REAPING: Mutex<()> = Mutex::new(());

    const NOW: Duration = Duration::from_secs(1);

    fn children(dir: &Scratch, sendmail: &[PathBuf]) -> Children {
        let log = Log::new("i", Target::File(dir.path("log")));
        Children::new(log, sendmail)
    }

    fn run_dry(children: &mut Children) {
        let until = Instant::now() + Duration::from_secs(20);
        while children.any(|_| true) {
            assert!(Instant::now() < until, "{children:?}");
            while let Some((pid, end)) = ha_sys::child::reap() {
                children.ended(NOW, pid, end);
            }
            std::thread::yield_now();
        }
    }

    fn text(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn one_lane_keeps_its_order_and_failures_are_logged() {
        let _alone = REAPING.lock().unwrap_or_else(|error| error.into_inner());
        let dir = Scratch::new();
        let mut children = children(&dir, &[]);
        let out = dir.path("out").display().to_string();
        for word in ["start", "stop", "start"] {
            let text = format!("read x </dev/null; echo {word} >>{out}; [ {word} = start ]");
            children.add(NOW, Job::shell(Purpose::Fallback("v".into()), text));
        }
        assert_eq!(children.running.len(), 1, "one at a time");
        children.add(NOW, Job::shell(Purpose::Callback, "kill -9 $$".into()));
        assert_eq!(children.running.len(), 2, "another lane");
        run_dry(&mut children);
        assert_eq!(text(Path::new(&out)), "start\nstop\nstart\n");
        let log = text(&dir.path("log"));
        assert_eq!(log.lines().count(), 2, "{log}");
        assert!(log.contains("[ stop = start ]) failed: exit status 1\n"));
        assert!(log.contains("system(kill -9 $$) failed: signal 9\n"));
    }

    #[test]
    fn a_child_that_takes_too_long_is_ended() {
        let _alone = REAPING.lock().unwrap_or_else(|error| error.into_inner());
        let dir = Scratch::new();
        let mut children = children(&dir, &[]);
        children.add(NOW, Job::shell(Purpose::Callback, "sleep 600".into()));
        let deadline = children.next_deadline().unwrap();
        assert_eq!(deadline, NOW + PATIENCE);
        children.timer(NOW);
        assert_eq!(children.next_deadline(), Some(deadline), "not yet");
        children.timer(deadline);
        run_dry(&mut children);
        assert!(
            text(&dir.path("log")).ends_with("system(sleep 600) failed: took longer than 300 s\n")
        );
    }

    #[test]
    fn a_mail_reaches_the_mail_program_or_the_log_says_so() {
        let _alone = REAPING.lock().unwrap_or_else(|error| error.into_inner());
        let dir = Scratch::new();
        let program = dir.path("sendmail");
        let script = format!(
            "#!/bin/sh\necho \"$@\" >{0}; cat >>{0}\n",
            dir.path("mail").display()
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut good = children(&dir, &[dir.path("none"), program]);
        good.mail(NOW, "To: a@b\n\nbody\n".into());
        run_dry(&mut good);
        assert_eq!(text(&dir.path("mail")), "-oi -t\nTo: a@b\n\nbody\n");
        let mut none = children(&dir, &[dir.path("none")]);
        none.mail(NOW, "To: a@b\n\nbody\n".into());
        assert!(text(&dir.path("log")).contains("] failed to send email message: "));
    }
}
