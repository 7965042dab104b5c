//! Who holds what: the `starting` and `resource` messages, first acquisition (`resource-protocol.md` 2.2 to 2.4.2,
//! 2.4.5). Standby is in [`crate::standby`], death in [`crate::recovery`].

use std::collections::HashSet;
use std::time::Duration;

use ha_wire::Message;

use crate::audit::Audit;
use crate::core::Core;
use crate::mutation::{Mutation, broken};
use crate::node::{Node, Status};
use crate::throttle::Cause;
use crate::{Config, FailedGroup, Hold, Level};

/// How long a node waits before its first acquisition when nobody tells it that it may (TAKEOVER_TIME).
const FIRST_ACQUISITION_WAIT: Duration = Duration::from_secs(10);

/// How often a delayed failback, or another wish that waits for a stable cluster, is tried again (2.6).
pub(crate) const RETRY: Duration = Duration::from_secs(1);

/// How long we wait for any word on resources before we ask again: longer than the other's own wait of ten seconds,
/// during which it rightly says nothing. The legacy waits for ever when `starting` or its answer got lost.
const ASK_AGAIN: Duration = Duration::from_secs(15);

/// RSTATE of 2.2; the numbers appear in log texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RState {
    /// Links not up.
    Init = 0,
    /// `starting` sent.
    Starting = 1,
    /// Both sent it.
    BothStarting = 2,
    /// A resource message was processed.
    Received = 3,
    Stable = 4,
    Shutdown = 5,
}

/// STANDBY of 2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standby {
    Not = 0,
    /// We asked to give away.
    Me = 1,
    /// The other asked.
    Other = 2,
    /// Released (or acquiring): one more word is due.
    Done = 3,
}

/// What we know of the other's holdings, where something may have been missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// Nothing was missed.
    Known,
    /// We must ask.
    Wanted,
    /// We have asked.
    Asked,
}

/// The resource state of this node.
#[derive(Debug)]
pub(crate) struct Resources {
    pub(crate) state: RState,
    /// What we hold.
    pub(crate) ihold: Hold,
    /// What the other claims, in its own view.
    pub(crate) ohold: Hold,
    pub(crate) ostable: bool,
    pub(crate) standby: Standby,
    pub(crate) standby_deadline: Option<Duration>,
    /// The last standby's set, in its giver's view.
    pub(crate) standby_kind: Hold,
    pub(crate) takeover_in_progress: bool,
    pub(crate) needs_failback: bool,
    first_acquisition: Option<Duration>,
    /// In legacy mode: we have not taken our groups yet, because we do not know yet whom to ask.
    first_acquisition_waits: bool,
    /// When to ask again while nobody has told us anything.
    pub(crate) ask_again: Option<Duration>,
    /// Until then what is read may have been waiting since before the others declared us dead.
    pub(crate) old_words_until: Duration,
    /// When what we hold is said once more, because an old word of ours went out again.
    say_again: Option<Duration>,
    /// Whether what we know of the other may be out of date.
    pub(crate) word: Word,
    pub(crate) failback_retry: Option<Duration>,
    /// The standby under way is an automatic failback of ours.
    pub(crate) failback_asked: bool,
    local_done: bool,
    foreign_done: bool,
    announced: bool,
    /// Executed with `-R`: what the process before us held is still there.
    pub(crate) inherited: Option<Hold>,
    /// Halves that a killed predecessor may have left running here.
    unchecked: Hold,
    pub(crate) audit: Audit,
    /// Groups that could not be started here and shall go to the other node.
    pub(crate) failed: Vec<FailedGroup>,
    /// Keys of groups that went to the other node for that reason, lest they go to and fro.
    pub(crate) moved: HashSet<String>,
    pub(crate) move_retry: Option<Duration>,
}

impl Resources {
    pub(crate) fn new(config: &Config) -> Resources {
        // `-R` without `-C` in coordinated mode assumes the local groups (3.9).
        let inherited = config
            .restart
            .as_ref()
            .map(|restart| restart.held.unwrap_or(Hold::LOCAL));
        Resources {
            state: RState::Init,
            ihold: Hold::NONE,
            ohold: Hold::NONE,
            ostable: false,
            standby: Standby::Not,
            standby_deadline: None,
            standby_kind: Hold::ALL,
            takeover_in_progress: false,
            needs_failback: false,
            first_acquisition: None,
            first_acquisition_waits: false,
            ask_again: None,
            old_words_until: Duration::ZERO,
            say_again: None,
            word: Word::Known,
            failback_retry: None,
            failback_asked: false,
            local_done: false,
            foreign_done: false,
            announced: false,
            inherited,
            // Our predecessor may have been executed anew before it looked.
            unchecked: Hold::ALL.without(inherited.unwrap_or(Hold::NONE)),
            audit: Audit::default(),
            failed: Vec::new(),
            moved: HashSet::new(),
            move_retry: None,
        }
    }
}

impl Core {
    /// Coordinated mode: `auto_failback on` or `off`. With more than two nodes `legacy` is `on`: a node that takes what
    /// is its own without asking, and tells nobody, cannot be one of several.
    pub(crate) fn nice(&self) -> bool {
        self.config.auto_failback.nice() || self.legacy_among_several()
    }

    /// Groups go home by themselves.
    pub(crate) fn auto(&self) -> bool {
        self.config.auto_failback.auto() || self.legacy_among_several()
    }

    /// `legacy` stands in ha.cf and cannot be.
    pub(crate) fn legacy_among_several(&self) -> bool {
        !self.config.auto_failback.nice() && self.in_crowd()
    }

    /// What a process that is executed in our place finds here; none if we have not begun to take anything, so that it
    /// must start as from the command line.
    pub(crate) fn left_to_successor(&self) -> Option<Hold> {
        let rsc = &self.rsc;
        if !self.comm_up || rsc.first_acquisition_waits {
            // Executed with `-R` ourselves, we may hold what we have not spoken of yet.
            return rsc.inherited;
        }
        Some(rsc.ihold)
    }

    /// Whose groups that is.
    pub(crate) fn owners_left(&self) -> Vec<String> {
        match &self.config.restart {
            Some(restart) if !self.comm_up => restart.owners.clone(),
            _ if self.in_crowd() => self.owners_held(),
            // Of two nodes the halves say it, as the legacy's do.
            _ => Vec::new(),
        }
    }

    /// The predicate S of 2.2: nothing is under way.
    pub(crate) fn stable(&self) -> bool {
        let rsc = &self.rsc;
        if !self.nice() {
            return self.jobs.idle();
        }
        if self.shutdown.in_progress() && rsc.state == RState::Init {
            return true;
        }
        if self.in_crowd() {
            return self.crowd_is_stable();
        }
        rsc.ostable
            && !rsc.takeover_in_progress
            && rsc.standby == Standby::Not
            && rsc.standby_deadline.is_none()
            && self.jobs.idle()
            && matches!(rsc.state, RState::Stable | RState::Shutdown | RState::Init)
    }

    /// Communication is up: the resource protocol begins.
    pub(crate) fn start_resources(&mut self) {
        if self.nodes.iter().all(|node| !node.is_dead()) {
            self.rsc.foreign_done = true;
        }
        if self.in_crowd() {
            self.start_crowd();
        } else if self.nice() {
            if let Some(held) = self.rsc.inherited {
                self.info(format!(
                    "restart: local resources already acquired, holding {held}."
                ));
                self.rsc.ihold = held;
            }
            self.rsc.state = RState::Starting;
            self.ask_for_resources();
        } else {
            self.rsc.first_acquisition_waits = true;
            self.acquire_when_peers_are_known();
        }
    }

    /// Legacy mode: whether we may take our groups or have to ask depends on who is active, so we first hear what each
    /// living peer's status is. (The legacy decides at once, and then takes what a peer holds without asking; 2.10.)
    pub(crate) fn acquire_when_peers_are_known(&mut self) {
        // One that is not active yet may have been executed anew, holds what it held before, and would not answer yet.
        let known =
            |node: &Node| node.is_dead() || (node.interval_known && node.status == Status::Active);
        let unknown = !self.peers().all(known);
        if !self.rsc.first_acquisition_waits || unknown || self.fencing.pending() {
            return;
        }
        self.rsc.first_acquisition_waits = false;
        let somebody = self.peers().any(|node| node.status.live());
        if self.rsc.inherited.take().is_some() {
            // Executed anew, we hold what our predecessor held. (The legacy leaves it at that, and two hold the same when
            // that happened while they did not hear each other.)
            if !somebody {
                return;
            }
            self.rsc.unchecked = Hold::ALL;
        }
        if somebody {
            self.release_stale(Hold::FOREIGN);
        }
        self.acquire_local(false);
    }

    /// Makes the other say what it holds, and then tells it what we hold.
    pub(crate) fn ask_for_resources(&mut self) {
        if self.in_crowd() {
            return self.ask_crowd();
        }
        self.rsc.ostable = false;
        self.rsc.ask_again = Some(self.now.mono + ASK_AGAIN);
        if self.rsc.word == Word::Wanted && self.now.mono >= self.rsc.old_words_until {
            self.rsc.word = Word::Asked;
        }
        let mut message = Message::new();
        message.push("t", "starting");
        self.send(message);
    }

    /// The other is active, nothing is under way here, and yet it has not told us that it is stable.
    fn waits_for_a_word(&self) -> bool {
        let untold = matches!(self.rsc.state, RState::Starting | RState::BothStarting)
            || !self.rsc.ostable
            || self.rsc.word != Word::Known
            // The first acquisition waits for it (a takeover has declared everything stable meanwhile).
            || (self.rsc.state == RState::Received && self.somebody_is_silent());
        untold
            && !broken(Mutation::NeverAsksAgain)
            && self.nice()
            && self.comm_up
            && self.config.managed
            && self.rsc.standby == Standby::Not
            && self.jobs.idle()
            && !self.shutdown.in_progress()
            && self.peers().any(|node| node.status == Status::Active)
    }

    // ---- starting (2.4.1) ----------------------------------------------------------------------------------------

    pub(crate) fn receive_starting(&mut self, source: &str, message: &Message) {
        self.retry_shutdown();
        // It says nothing of what its sender holds, so that a word on that which it has overtaken still counts.
        let seq = message.hex("seq").unwrap_or(0);
        let newest = self.find(source).map_or(u64::MAX, |node| node.resource_seq);
        if !self.config.managed || !self.nice() || seq < newest {
            return;
        }
        if self.in_crowd() {
            return self.crowd_starting(source);
        }
        let both = match self.rsc.state {
            RState::Init => {
                self.error("Received 'starting' message in state 0");
                return;
            }
            RState::Starting => true,
            // The legacy stops here with an error, and a peer that restarted meanwhile is never answered.
            RState::BothStarting | RState::Received | RState::Stable | RState::Shutdown => false,
        };
        if both {
            self.foreign_work_done("HB_R_BOTHSTARTING");
        }
        // Whoever asks is in the midst of nothing. (The legacy asks when it starts, one of ours also when it has missed
        // something.)
        self.cancel_standby();
        self.rsc.ostable = false;
        if self.rsc.takeover_in_progress {
            self.warn("T_STARTING received during takeover.");
        }
        let stable = self.rsc.state == RState::Stable;
        self.send_resource(stable, None);
        if both {
            self.rsc.state = RState::BothStarting;
        }
    }

    // ---- resource (2.4.2) ----------------------------------------------------------------------------------------

    pub(crate) fn send_resource(&mut self, stable: bool, info: Option<&str>) {
        if self.in_crowd() {
            return self.tell_crowd(info);
        }
        // What we still let go of is nobody's to take yet.
        let giving = self.jobs.giving();
        let (stable, info) = match info {
            None if self.shutdown.releasing() => (false, Some("shutdown")),
            None if giving => (false, Some("standby")),
            _ => (stable, info),
        };
        let mut message = Message::new();
        message.push("t", "resource");
        message.push("rsc_hold", self.rsc.ihold.word());
        message.push("rtype", "full");
        message.push("isstable", if stable { "1" } else { "0" });
        if let Some(info) = info {
            message.push("info", info);
        }
        self.send(message);
    }

    pub(crate) fn send_state(&mut self) {
        let stable = self.rsc.state == RState::Stable;
        self.send_resource(stable, None);
    }

    /// An old word of ours goes out once more. The legacy takes what comes last for the latest one, so it is told what holds
    /// now, as soon as the old one has surely come.
    pub(crate) fn old_word_went_out(&mut self) {
        if broken(Mutation::OvertakenBelieved) {
            // Either precaution mends what the lack of the other does.
            return;
        }
        self.rsc.say_again = Some(self.now.mono + self.config.max_rexmit_delay);
    }

    /// One of ours knows better, and is not disturbed by it. In a standby a word is due anyway.
    pub(crate) fn say_again(&mut self) {
        self.rsc.say_again = None;
        let settled = self.rsc.state == RState::Stable && self.rsc.standby == Standby::Not;
        let concerned = self.nice() && self.config.managed && !self.in_crowd();
        if settled && concerned && !self.shutdown.in_progress() {
            self.send_state();
        }
    }

    pub(crate) fn receive_resource(&mut self, source: &str, message: &Message) {
        self.retry_shutdown();
        if !self.config.managed || !self.nice() {
            return;
        }
        let Some(word) = message.text("rsc_hold") else {
            self.resource_error("resource message without rsc_hold field.".to_owned());
            return;
        };
        let hold = Hold::from_word(word).unwrap_or_else(|| {
            let word: String = word.chars().take(32).collect();
            self.resource_error(format!("encode_resources: bad resource type [{word}]"));
            Hold::NONE
        });
        if self.in_crowd() {
            return self.crowd_resource(source, message);
        }
        match self.rsc.state {
            RState::Init => {
                self.resource_error("resource message received in state 0".to_owned());
                return;
            }
            RState::Starting | RState::BothStarting => {
                self.rsc.state = RState::Received;
                // What an earlier question that nobody answered has left would be over at once.
                let now = self.now.mono;
                self.rsc.first_acquisition = self.rsc.first_acquisition.filter(|due| *due > now);
                if !self.auto() {
                    self.foreign_work_done("T_RESOURCES");
                }
            }
            _ => {}
        }
        if self.rsc.inherited.take().is_some() {
            self.rsc.state = RState::Stable;
        }
        if self.is_overtaken(source, message) {
            return;
        }
        let update = |old: Hold| {
            if message.text("rtype") == Some("full") || hold == Hold::NONE {
                hold
            } else {
                old.with(hold)
            }
        };
        if self.is_us(source) {
            self.rsc.ihold = update(self.rsc.ihold);
            self.own_resource(message.text("info"));
        } else {
            self.rsc.ohold = update(self.rsc.ohold);
            // Who has not acquired anything yet holds nothing either, but is about to.
            let settled = message.text("isstable") == Some("1");
            let leaving = message.text("info") == Some("shutdown");
            let giving = message.text("info") == Some("standby");
            self.lets_go(source, !settled && (leaving || giving));
            self.holdings_told(source, settled || leaving);
            self.other_resource(message);
        }
        if self.rsc.state == RState::Received && self.rsc.first_acquisition.is_none() {
            self.rsc.first_acquisition = Some(self.now.mono + FIRST_ACQUISITION_WAIT);
        }
        self.audit();
        self.retry_shutdown();
    }

    /// A message about resources that was lost and came again, or took longer, says nothing against a newer one.
    pub(crate) fn is_overtaken(&mut self, source: &str, message: &Message) -> bool {
        let seq = message.hex("seq").unwrap_or(0);
        let Some(node) = self.find_mut(source) else {
            return true;
        };
        let overtaken = seq < node.resource_seq && !broken(Mutation::OvertakenBelieved);
        node.resource_seq = node.resource_seq.max(seq);
        overtaken
    }

    fn own_resource(&mut self, info: Option<&str>) {
        if self.rsc.ihold.local {
            self.local_work_done("T_RESOURCES(us)");
        }
        match info {
            Some("mach_down") => {
                self.info("mach_down takeover complete.");
                self.rsc.takeover_in_progress = false;
                self.rsc.ihold.foreign = true;
                self.rsc.needs_failback = true;
                self.rsc.ostable = true;
                self.foreign_work_done("mach_down");
            }
            Some("shutdown") => self.rsc.state = RState::Shutdown,
            _ => {}
        }
    }

    fn other_resource(&mut self, message: &Message) {
        if self.rsc.word == Word::Asked {
            self.rsc.word = Word::Known;
        }
        if message.text("info") == Some("standby") {
            self.giver_releases();
        }
        match message.text("isstable") {
            Some("1") if self.rsc.word == Word::Wanted => self.rsc.ostable = false,
            Some("1") if self.rsc.ostable => {}
            Some("1") => {
                self.info("remote resource transition completed.");
                self.rsc.ostable = true;
                self.send_state();
                self.try_failback();
            }
            Some(_) => self.rsc.ostable = false,
            None => {}
        }
        if self.rsc.state == RState::Stable && self.rsc.ostable {
            self.release_left_behind();
        }
        if matches!(self.rsc.state, RState::Stable | RState::Shutdown) || !self.rsc.ostable {
            return;
        }
        self.info("remote resource transition completed.");
        self.acquire_local(false);
        self.rsc.state = RState::Stable;
        self.send_resource(true, None);
        self.release_left_behind();
        self.try_failback();
        self.foreign_work_done("T_RESOURCES(them)");
        if !self.auto() && self.rsc.ohold.foreign {
            self.local_work_done("T_RESOURCES(them)");
        }
    }

    pub(crate) fn resource_error(&mut self, text: String) {
        self.log_limited(Cause::Resource, || vec![(Level::Error, text)]);
    }

    /// What we do not hold and the other does may still run here if our predecessor was killed: one holder, not two.
    fn release_left_behind(&mut self) {
        // What we took ourselves is known to be ours from now on.
        self.rsc.unchecked = self.rsc.unchecked.without(self.rsc.ihold);
        self.release_stale(self.rsc.ohold.mirror());
    }

    fn release_stale(&mut self, others: Hold) {
        let set = others.without(others.without(self.rsc.unchecked));
        if set != Hold::NONE && !broken(Mutation::LeftBehindStays) {
            self.rsc.unchecked = self.rsc.unchecked.without(set);
            self.start_release_stale(set);
        }
    }

    // ---- Acquiring our own (2.4.5) -------------------------------------------------------------------------------

    /// Takes the groups of our own lines, unless somebody has them.
    pub(crate) fn acquire_local(&mut self, forced: bool) {
        if !self.config.managed || self.shutdown.in_progress() {
            return;
        }
        if self.nice() {
            let others = self.rsc.ohold.foreign && !broken(Mutation::TakesWhatIsTaken);
            let taken = others || self.rsc.ihold.local;
            if !forced && taken && self.rsc.standby == Standby::Not {
                self.info("Local Resource acquisition completed. (none)");
                return;
            }
            self.rsc.ihold.local = true;
        }
        let dont_ask = self.active_count() < 2;
        self.start_acquire_local(dont_ask);
    }

    pub(crate) fn local_work_done(&mut self, reason: &str) {
        self.rsc.local_done = true;
        self.announce_acquisition(reason);
    }

    pub(crate) fn foreign_work_done(&mut self, reason: &str) {
        self.rsc.foreign_done = true;
        self.announce_acquisition(reason);
    }

    fn announce_acquisition(&mut self, reason: &str) {
        if self.rsc.local_done && self.rsc.foreign_done && !self.rsc.announced {
            self.rsc.announced = true;
            self.info(format!("Initial resource acquisition complete ({reason})"));
        }
    }

    // ---- Timers --------------------------------------------------------------------------------------------------

    pub(crate) fn resource_deadline(&self) -> Option<Duration> {
        if self.in_crowd() {
            return self.crowd_deadline();
        }
        let rsc = &self.rsc;
        let first = self
            .first_acquisition_due()
            .filter(|_| rsc.state == RState::Received);
        [
            first,
            rsc.ask_again,
            rsc.say_again,
            rsc.standby_deadline,
            rsc.failback_retry,
            rsc.move_retry,
            rsc.audit.deadline(self.punctuality.judge_from),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Silence that we did not listen to permits nothing: the other may have told us meanwhile that it holds everything.
    /// Who is active and has not said a word on what it holds is asked again; its word must have got lost. And what the
    /// other is letting go of, because it shuts down or because a standby came to nothing when we started, is
    /// not free before it says so, or dies.
    fn first_acquisition_due(&self) -> Option<Duration> {
        let due = self.rsc.first_acquisition?;
        let told = !self.somebody_is_silent();
        // A node that is about to be reset may have taken everything when it heard us last; what follows its reset takes our
        // groups, too.
        let safe = !self.fencing.pending();
        (told && safe && self.is_free()).then(|| due.max(self.punctuality.judge_from))
    }

    /// An active node has not told us what it holds, or what it told may be out of date.
    fn somebody_is_silent(&self) -> bool {
        let untold = self.rsc.word != Word::Known;
        let silent =
            |node: &Node| node.status == Status::Active && (untold || node.resource_seq == 0);
        self.peers().any(silent)
    }

    /// Nobody is letting go of anything at the moment.
    pub(crate) fn is_free(&self) -> bool {
        self.peers().all(|node| !node.letting_go)
    }

    pub(crate) fn lets_go(&mut self, name: &str, letting_go: bool) {
        if let Some(node) = self.find_mut(name) {
            node.letting_go = letting_go;
        }
    }

    pub(crate) fn run_resource_timers(&mut self) {
        if self.in_crowd() {
            return self.run_crowd_timers();
        }
        let now = self.now.mono;
        let due = |when: Option<Duration>| when.is_some_and(|when| when <= now);
        if self.nice() && self.rsc.state == RState::Received && due(self.first_acquisition_due()) {
            self.rsc.state = RState::Stable;
            self.acquire_local(false);
            self.info("local resource transition completed.");
            self.send_resource(true, None);
            self.audit();
        }
        if due(self.rsc.standby_deadline) {
            self.standby_timed_out();
        }
        if due(self.rsc.say_again) {
            self.say_again();
        }
        if due(self.rsc.failback_retry) {
            self.rsc.failback_retry = None;
            self.try_failback();
        }
        if due(self.rsc.move_retry) {
            self.rsc.move_retry = None;
            self.try_move_failed();
        }
        if !self.waits_for_a_word() {
            self.rsc.ask_again = None;
        } else if due(self.rsc.ask_again) {
            if self.rsc.word != Word::Wanted {
                // A legacy node that has heard a first `starting` answers no second one, but waits for a word on what we
                // hold. It comes first: a question that arrives after it still counts.
                self.send_state();
            }
            self.ask_for_resources();
        } else {
            let wait = match self.rsc.word {
                Word::Wanted => RETRY,
                Word::Known | Word::Asked => ASK_AGAIN,
            };
            self.rsc.ask_again.get_or_insert(now + wait);
        }
        self.run_audit_timers();
    }
}
