//! What another node has told of the groups.

use std::time::Duration;

use super::Word;

/// Kept for each node; without meaning in a cluster of two.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer {
    /// Its last word. Of a node that died it is what may still run there; of one that restarted, what its predecessor
    /// held, until it speaks itself.
    pub(crate) word: Word,
    /// It has told that word in its present life, and we have heard everything since.
    pub(crate) fresh: bool,
    /// Since when we wait for its word, if it is not fresh.
    pub(crate) doubted: Duration,
    /// It has said in its present life that its communication is up.
    pub(crate) here: bool,
    /// It is shutting down.
    pub(crate) leaving: bool,
    /// It speaks the protocol of two nodes only.
    pub(crate) legacy: bool,
    /// Since when.
    pub(crate) legacy_since: Option<Duration>,
    /// It died, and there is no telling what it held.
    pub(crate) unknown: bool,
    /// It died, and its word counts for nothing any more: it was reset, or nobody can reset it.
    pub(crate) cleared: bool,
}

impl Peer {
    /// What it told must be told anew before it is believed.
    pub(crate) fn doubt(&mut self, now: Duration) {
        self.doubted = now;
        self.fresh = false;
        self.here = false;
        self.leaving = false;
        self.unknown = false;
        self.cleared = false;
        self.word.settled = false;
        self.word.gives.clear();
        self.word.failed.clear();
        self.word.takes.clear();
    }

    /// Nothing that it held before can run there now.
    pub(crate) fn clear(&mut self) {
        self.cleared = true;
        self.unknown = false;
        self.word = Word::default();
    }
}
