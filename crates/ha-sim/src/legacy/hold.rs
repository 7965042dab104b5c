//! Which half of haresources: the lines with our name, and all others (`resource-protocol.md` 2.2).

use std::fmt;

/// Two flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) local: bool,
    pub(crate) foreign: bool,
}

impl Held {
    pub(crate) const NONE: Held = Held {
        local: false,
        foreign: false,
    };
    pub(crate) const LOCAL: Held = Held {
        local: true,
        foreign: false,
    };
    pub(crate) const FOREIGN: Held = Held {
        local: false,
        foreign: true,
    };
    pub(crate) const ALL: Held = Held {
        local: true,
        foreign: true,
    };

    pub(crate) fn word(self) -> &'static str {
        match (self.local, self.foreign) {
            (false, false) => "none",
            (true, false) => "local",
            (false, true) => "foreign",
            (true, true) => "all",
        }
    }

    /// A word of `rsc_hold`; what is no such word counts as none (2.4.2).
    pub(crate) fn from_word(word: &str) -> Held {
        [Held::LOCAL, Held::FOREIGN, Held::ALL]
            .into_iter()
            .find(|held| held.word() == word)
            .unwrap_or(Held::NONE)
    }

    pub(crate) fn with(self, other: Held) -> Held {
        Held {
            local: self.local || other.local,
            foreign: self.foreign || other.foreign,
        }
    }

    pub(crate) fn without(self, other: Held) -> Held {
        Held {
            local: self.local && !other.local,
            foreign: self.foreign && !other.foreign,
        }
    }

    /// The same lines from the other node's point of view.
    pub(crate) fn mirror(self) -> Held {
        Held {
            local: self.foreign,
            foreign: self.local,
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
