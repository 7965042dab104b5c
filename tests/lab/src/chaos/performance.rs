//! Plays a plan: makes the faults of an episode happen, puts everything right, and waits until the cluster serves.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::evidence::Evidence;
use super::faults::{Deafens, Kind};
use super::hearing::Hearing;
use super::plan::{Episode, Planned};
use super::site::Site;
use super::watcher::Stage;
use crate::{LabError, Result, millis, seconds};

/// After the faults of an episode the cluster must serve within this time.
pub(crate) const RECOVERY_LIMIT: Duration = seconds(90);

/// It must serve for so long without a break.
const LASTING: Duration = seconds(2);

/// How an episode went. Times are from the beginning of the run.
pub(crate) struct Played {
    /// Its number in the plan.
    pub(crate) number: usize,
    pub(crate) episode: Episode,
    pub(crate) begin: Duration,
    /// When the last fault was over.
    pub(crate) over: Duration,
    /// When the cluster served again; none if a person had to help.
    pub(crate) serves: Option<Duration>,
    /// What else happened: faults that could not be made, machines that rebooted by themselves.
    pub(crate) notes: Vec<String>,
}

/// Everything that an episode is played with.
pub(crate) struct Performance<'a> {
    pub(crate) site: &'a Site,
    pub(crate) hearing: &'a Hearing,
    pub(crate) stage: &'a Stage,
    pub(crate) begun: Instant,
    /// The kinds of the episode before, whose traces may still appear.
    pub(crate) before: Vec<&'static Kind>,
    pub(crate) evidence: Evidence,
}

impl Performance<'_> {
    /// Plays one episode to its end.
    ///
    /// # Errors
    /// When the laboratory itself fails.
    pub(crate) fn play(&mut self, number: usize, episode: Episode) -> Result<Played> {
        self.stage.episode.store(number, Ordering::Relaxed);
        let begin = self.begun.elapsed();
        let notes = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for fault in &episode.faults {
                let (notes, this) = (&notes, &*self);
                scope.spawn(move || this.make(fault, notes));
            }
        });
        let over = self.begun.elapsed();
        let mut notes = notes.into_inner().expect("no panic while held");
        self.put_right(&episode, &mut notes);
        let mut serves = self.recover(&mut notes, RECOVERY_LIMIT);
        let kinds: Vec<&Kind> = episode.faults.iter().map(|fault| fault.kind).collect();
        self.look(number, &kinds);
        if serves.is_none() {
            self.help(&mut notes)?;
            // Serving again is what the next episode needs; this one has failed.
            self.recover(&mut notes, RECOVERY_LIMIT).ok_or_else(|| {
                LabError::unexpected(format!(
                    "not even fresh daemons serve\n{}",
                    self.site.lab.dump()
                ))
            })?;
            serves = None;
        }
        thread::sleep(episode.pause);
        self.look(number, &kinds);
        self.before = kinds;
        Ok(Played {
            number,
            episode,
            begin,
            over,
            serves,
            notes,
        })
    }

    /// Makes one fault happen, at its time and for its time.
    fn make(&self, fault: &Planned, notes: &Mutex<Vec<String>>) {
        thread::sleep(fault.at);
        let host = &self.site.nodes[fault.node];
        let deafens = match fault.kind.deafens {
            Deafens::Never => false,
            Deafens::Always => true,
            Deafens::Legacy => !host.is_ours(),
        };
        let deaf = deafens.then(|| self.hearing.deafen());
        let note = |what: &str, error: LabError| {
            let text = format!("{}: {what}: {error}", fault.kind.name);
            notes.lock().expect("no panic while held").push(text);
        };
        if let Err(error) = (fault.kind.begin)(self.site, host, fault.choice) {
            note("could not be made", error);
        }
        thread::sleep(fault.lasts);
        if let Err(error) = (fault.kind.end)(self.site, host, fault.choice) {
            note("could not be undone", error);
        }
        drop(deaf);
    }

    /// What one fault kept another from undoing; and machines that went down by themselves are switched on.
    fn put_right(&self, episode: &Episode, notes: &mut Vec<String>) {
        self.keep_running(notes);
        for fault in &episode.faults {
            let host = &self.site.nodes[fault.node];
            if let Err(error) = (fault.kind.end)(self.site, host, fault.choice) {
                notes.push(format!("{}: left over: {error}", fault.kind.name));
            }
        }
    }

    fn keep_running(&self, notes: &mut Vec<String>) {
        for host in &self.site.nodes {
            if host.is_up() && !host.heartbeat_pids().is_empty() {
                continue;
            }
            let _deaf = self.hearing.deafen();
            let what = if host.is_up() {
                "its daemon had ended"
            } else {
                "it had gone down by itself"
            };
            notes.push(format!("{} was started: {what}", host.name()));
            if let Err(error) = self.site.ensure_running(host) {
                notes.push(format!("{} could not be started: {error}", host.name()));
            }
        }
    }

    /// Waits until the cluster serves, for good: when it began to.
    fn recover(&self, notes: &mut Vec<String>, limit: Duration) -> Option<Duration> {
        let deadline = Instant::now() + limit;
        let mut since = None;
        while Instant::now() < deadline {
            if self.site.serves() {
                let since = *since.get_or_insert_with(|| self.begun.elapsed());
                if self.begun.elapsed() - since >= LASTING {
                    return Some(since);
                }
            } else {
                since = None;
                self.keep_running(notes);
            }
            thread::sleep(millis(100));
        }
        None
    }

    /// What a person does in the end: the daemons are started anew.
    fn help(&self, notes: &mut Vec<String>) -> Result<()> {
        notes.push(format!(
            "not serving after {} s: both daemons were killed and started",
            RECOVERY_LIMIT.as_secs()
        ));
        let _deaf = self.hearing.deafen();
        for host in &self.site.nodes {
            host.kill_heartbeat()?;
        }
        for host in &self.site.nodes {
            self.site.ensure_running(host)?;
        }
        Ok(())
    }

    fn look(&mut self, number: usize, kinds: &[&'static Kind]) {
        let all: Vec<&Kind> = kinds.iter().chain(&self.before).copied().collect();
        for host in &self.site.nodes {
            self.evidence.read(host, number, &all);
        }
    }

    /// Reads what the nodes said before the first fault, when nothing is explained.
    pub(crate) fn look_before(&mut self) {
        self.look(0, &[]);
    }
}
