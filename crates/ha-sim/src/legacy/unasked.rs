//! Groups that the legacy holds in legacy mode without anybody having been asked, so that nobody can know.
//!
//! In coordinated mode it says what it holds, and a partner of ours sees the contradiction; in legacy mode nothing is said.

/// Why nobody was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unasked {
    /// It ran there already, left behind by a killed daemon (`resource-protocol.md` 2.4.5).
    Found,
    /// No status of the other had been heard when communication came up (2.10).
    NobodyActive,
    /// The process executed itself anew, and asks nobody (3.9).
    Anew,
    /// The process did not run for long, took everybody for dead, and whoever had restarted meanwhile was no healed partition
    /// (`docs/compatibility.md`).
    Starved,
    /// It had never heard the other one, which had heard it, so that nobody saw a partition (`docs/compatibility.md`).
    Unheard,
    /// 3.0.6 buried a node whose status was late, although it had just come (`wire-protocol.md` 6.4, step 4).
    Late,
}

impl Unasked {
    /// In words.
    pub(crate) fn quirk(self) -> &'static str {
        match self {
            Unasked::Found => {
                "in legacy mode nobody is asked for a group that runs already (2.4.5)"
            }
            Unasked::NobodyActive => "in legacy mode a returning node takes without asking (2.10)",
            Unasked::Anew => {
                "in legacy mode a node keeps what it has after heartbeat -r, whoever has it too (3.9)"
            }
            Unasked::Starved => {
                "in legacy mode a process that did not run buries everybody and keeps what it takes (6.6)"
            }
            Unasked::Unheard => {
                "in legacy mode a node that was never heard is no healed partition (wire-protocol.md 6.7)"
            }
            Unasked::Late => {
                "3.0.6 in legacy mode takes over from a node whose status was late (6.4)"
            }
        }
    }
}
