//! What is known of a node, the own one included (`wire-protocol.md` 5.1, 6.1, 6.5).

use std::collections::BTreeMap;
use std::time::Duration;

/// Status words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Init,
    Up,
    Active,
    Dead,
}

impl Word {
    pub(super) fn word(self) -> &'static str {
        match self {
            Word::Init => "init",
            Word::Up => "up",
            Word::Active => "active",
            Word::Dead => "dead",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<Word> {
        [Word::Init, Word::Up, Word::Active, Word::Dead]
            .into_iter()
            .find(|known| known.word().eq_ignore_ascii_case(word))
    }

    /// It can be asked for something.
    pub(super) fn is_live(self) -> bool {
        matches!(self, Word::Up | Word::Active)
    }
}

pub(super) struct Peer {
    pub(super) uuid: [u8; 16],
    pub(super) status: Word,
    /// Something of it was heard since it was declared dead last.
    pub(super) heard: bool,
    /// It may hold something: it has started, and has not said `shutdone` since.
    pub(super) has_resources: bool,

    // Numbers.
    pub(super) generation: u64,
    pub(super) last_seq: Option<u64>,
    /// Numbers that are missing, and when each is asked for next.
    pub(super) missing: BTreeMap<u64, Option<Duration>>,
    /// What it has acknowledged of ours.
    pub(super) acked: u64,
    pub(super) ack_trigger: u64,

    // Its last status.
    pub(super) status_ts: u64,
    pub(super) status_seq: u64,
    pub(super) status_at: Duration,
    /// No status yet since it (re)started.
    pub(super) fresh: bool,
    /// How long it may be silent: what it says itself (6.4, step 6).
    pub(super) patience: Duration,

    /// By medium: the link is up, and when it was refreshed last.
    pub(super) links: Vec<(bool, Duration)>,
}

impl Peer {
    pub(super) fn new(now: Duration, deadtime: Duration, media: usize, ack_trigger: u64) -> Peer {
        Peer {
            uuid: [0; 16],
            status: Word::Init,
            heard: false,
            has_resources: false,
            generation: 0,
            last_seq: None,
            missing: BTreeMap::new(),
            acked: 0,
            ack_trigger,
            status_ts: 0,
            status_seq: 0,
            status_at: now,
            fresh: true,
            patience: deadtime,
            links: vec![(false, now); media],
        }
    }

    /// When the next of its missing messages is asked for.
    pub(super) fn next_request(&self) -> Option<Duration> {
        self.missing.values().copied().flatten().min()
    }

    /// What is forgotten when it is declared dead (6.6). Its generation is kept.
    ///
    /// Quirk: whatever it said in that life, statuses excepted, is believed once more when somebody says it again, because
    /// no number of it is known any more (5.2, rule 6).
    pub(super) fn forget(&mut self) {
        self.heard = false;
        self.status_ts = 0;
        self.missing.clear();
        self.last_seq = None;
        self.acked = 0;
    }
}
