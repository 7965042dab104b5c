//! What is known of the kernel's table, what it is asked, and what it refused.

use std::collections::BTreeMap;
use std::time::Duration;

use ha_config::OsError;
use ipvs::{Change, Refusal, ServiceKey, Table};

use crate::plan::Step;
use crate::throttle::Throttle;

/// The table is read again so often, to see whether somebody took something of ours away.
pub(crate) const AUDIT_INTERVAL: Duration = Duration::from_secs(30);

/// First pause after a refusal.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// Longest pause after a refusal.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// What the kernel is being asked. One thing at a time.
#[derive(Clone, Debug, Default)]
pub(crate) enum Asked {
    /// Nothing.
    #[default]
    Nothing,
    /// To show its table.
    Table,
    /// To make these changes.
    Changes(Vec<Step>),
}

/// A pause that grows with every refusal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble {
    pause: Option<Duration>,
    pub(crate) retry_at: Duration,
    /// What was refused belonged to a takeover: strangers have to leave still.
    pub(crate) in_takeover: bool,
    pub(crate) throttle: Throttle,
}

impl Trouble {
    /// It was refused (again). When the refusal only shows that our view of the table was out of date, the first look is
    /// taken at once.
    pub(crate) fn refused(&mut self, now: Duration, out_of_date: bool) {
        let pause = match self.pause {
            None if out_of_date => Duration::ZERO,
            None => PAUSE_MIN,
            Some(pause) => (pause * 2).clamp(PAUSE_MIN, PAUSE_MAX),
        };
        self.pause = Some(pause);
        self.retry_at = now + pause;
    }
}

/// The kernel as the core sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kernel {
    /// As last read, with our own changes since; none: it cannot be read.
    pub(crate) table: Option<Table>,
    pub(crate) asked: Asked,
    /// Read it as soon as nothing is asked.
    pub(crate) read_wanted: bool,
    pub(crate) next_audit: Duration,
    /// The table could not be read.
    pub(crate) unreadable: Option<Trouble>,
    /// Virtual services of which the kernel refused something.
    pub(crate) troubles: BTreeMap<ServiceKey, Trouble>,
}

impl Kernel {
    /// An answer is awaited.
    pub(crate) fn is_busy(&self) -> bool {
        !matches!(self.asked, Asked::Nothing)
    }

    /// Nothing is to be tried with this service now.
    pub(crate) fn is_resting(&self, key: &ServiceKey, now: Duration) -> bool {
        self.troubles
            .get(key)
            .is_some_and(|trouble| trouble.retry_at > now)
    }

    /// When the table is to be read next, as far as is known.
    pub(crate) fn next_read(&self) -> Option<Duration> {
        if self.is_busy() {
            return None;
        }
        if let Some(unreadable) = &self.unreadable {
            return Some(unreadable.retry_at);
        }
        let retry = self.troubles.values().map(|trouble| trouble.retry_at).min();
        Some(retry.map_or(self.next_audit, |retry| retry.min(self.next_audit)))
    }
}

/// Why a change was refused, in `ipvsadm`'s words where it has some.
pub fn refusal_text(change: &Change, refusal: &Refusal) -> String {
    match refusal {
        Refusal::Invalid(invalid) => invalid.to_string(),
        Refusal::Errno(errno) => match change.errno_text(*errno) {
            Some(text) => text.to_owned(),
            None => OsError::from_errno(*errno).text,
        },
        Refusal::NoIpvs => "the kernel has no IPVS".to_owned(),
        Refusal::Unknown => "the kernel's answer was lost".to_owned(),
    }
}

/// Whether a refusal shows that the table is not what we took it for.
pub(crate) fn is_out_of_date(change: &Change, refusal: &Refusal) -> bool {
    const ENOENT: i32 = OsError::ENOENT;
    const ESRCH: i32 = 3;
    const EEXIST: i32 = 17;
    match (change, refusal) {
        (_, Refusal::Unknown | Refusal::Errno(ESRCH | EEXIST)) => true,
        // With a service it means that there is no such scheduler.
        (Change::AddService(_) | Change::EditService(_), _) => false,
        (_, Refusal::Errno(errno)) => *errno == ENOENT,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use ipvs::{Family, Service};

    use super::*;

    #[test]
    fn errors_in_words() {
        let key = ServiceKey::Mark {
            mark: 1,
            family: Family::V4,
        };
        let change = Change::AddService(Service::new(key, "wrr"));
        for (refusal, text) in [
            (Refusal::Errno(17), "Service already exists"),
            (
                Refusal::Errno(OsError::ENOENT),
                "Scheduler or persistence engine not found",
            ),
            (Refusal::Errno(OsError::EPERM), "Operation not permitted"),
            (
                Refusal::Invalid(ipvs::Invalid::MarkZero),
                "firewall mark 0 is no mark",
            ),
            (Refusal::NoIpvs, "the kernel has no IPVS"),
            (Refusal::Unknown, "the kernel's answer was lost"),
        ] {
            assert_eq!(refusal_text(&change, &refusal), text);
        }
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let mut trouble = Trouble::default();
        let now = Duration::from_secs(100);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            trouble.refused(now, true);
            pauses.push((trouble.retry_at - now).as_secs());
        }
        assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 30, 30]);
        let mut trouble = Trouble::default();
        trouble.refused(now, false);
        assert_eq!(trouble.retry_at - now, Duration::from_secs(1));
    }
}
