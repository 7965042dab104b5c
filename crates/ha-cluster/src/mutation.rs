//! Deliberately broken variants of the core, to see whether the simulator's judges notice (`docs/simulation.md`).
//!
//! Without the feature `mutations`, as in every ordinary build, none can be chosen and the compiler removes them.

macro_rules! mutations {
    ($($(#[doc = $text:literal])+ $variant:ident = $name:literal,)+) => {
        /// A rule of the core that is broken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutation {
            $($(#[doc = $text])+ $variant,)+
        }

        impl Mutation {
            /// All of them.
            #[cfg(feature = "mutations")]
            pub const ALL: &[Mutation] = &[$(Mutation::$variant),+];

            /// Its name on command lines.
            #[cfg(feature = "mutations")]
            pub fn name(self) -> &'static str {
                match self {
                    $(Mutation::$variant => $name,)+
                }
            }
        }
    };
}

mutations! {
    /// A node is declared dead after half of its dead time.
    EarlyDeath = "early-death",
    /// What we did not listen to counts as silence.
    StallsJudge = "stalls-judge",
    /// A takeover does not wait for the reset.
    TakeoverBeforeReset = "takeover-before-reset",
    /// A reset that failed counts as one that succeeded.
    FailedResetCounts = "failed-reset-counts",
    /// The giver of a standby says that it has released when it begins to.
    DoneBeforeRelease = "done-before-release",
    /// A node that shuts down says that it has released when it begins to.
    ShutdoneBeforeRelease = "shutdone-before-release",
    /// Our own groups are taken even if the other says that it has them.
    TakesWhatIsTaken = "takes-what-is-taken",
    /// What is known not to be ours is not released if a killed predecessor left it behind.
    LeftBehindStays = "left-behind-stays",
    /// A healed partition changes nothing.
    HealIgnored = "heal-ignored",
    /// Contradictions about ownership are not mended.
    NoAudit = "no-audit",
    /// The taker of a standby waits an hour for the giver.
    TakerWaitsAnHour = "taker-waits-an-hour",
    /// Nobody asks again when an answer got lost.
    NeverAsksAgain = "never-asks-again",
    /// Lost packets are not asked for.
    NoRetransmission = "no-retransmission",
    /// An older word about resources counts after a newer one.
    /// It says nothing once more after an old word of its own went out again either.
    OvertakenBelieved = "overtaken-believed",
    /// Signatures are not checked.
    UnsignedBelieved = "unsigned-believed",
    /// Messages of a former life are believed.
    FormerLifeBelieved = "former-life-believed",
    /// A new life of a node continues the numbers of the former.
    NumbersGoOn = "numbers-go-on",
    /// All sent messages are kept.
    HistoryUnbounded = "history-unbounded",
    /// All messages for `rc.d` are kept.
    QueueUnbounded = "queue-unbounded",
    /// With more than two nodes every survivor takes what a dead node held.
    EverybodyTakes = "everybody-takes",
}

#[cfg(feature = "mutations")]
thread_local! {
    static CHOSEN: std::cell::Cell<Option<Mutation>> = const { std::cell::Cell::new(None) };
}

/// Breaks the cores of this thread in one way, or mends them.
#[cfg(feature = "mutations")]
pub fn choose(mutation: Option<Mutation>) {
    CHOSEN.set(mutation);
}

/// The rule is broken in this thread.
#[cfg(feature = "mutations")]
pub(crate) fn broken(mutation: Mutation) -> bool {
    CHOSEN.get() == Some(mutation)
}

/// No rule is ever broken.
#[cfg(not(feature = "mutations"))]
pub(crate) const fn broken(_: Mutation) -> bool {
    false
}
