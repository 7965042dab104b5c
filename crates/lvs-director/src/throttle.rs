//! Repeated conditions are logged when they change, then at a slow beat with a count.

use std::time::Duration;

/// A condition that stays the same is said again so often.
const BEAT: Duration = Duration::from_secs(300);

/// What was said last about one thing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Throttle {
    cause: Option<String>,
    said: Duration,
    unsaid: u64,
}

impl Throttle {
    /// Whether to say it now, and if so how often it came up unsaid since the last time.
    pub(crate) fn ask(&mut self, now: Duration, cause: &str) -> Option<u64> {
        let same = self.cause.as_deref() == Some(cause);
        if same && now < self.said + BEAT {
            self.unsaid = self.unsaid.saturating_add(1);
            return None;
        }
        let unsaid = if same { self.unsaid } else { 0 };
        self.cause = Some(cause.to_owned());
        self.said = now;
        self.unsaid = 0;
        Some(unsaid)
    }

    /// Whether [`Throttle::ask`] let this be said at this time.
    pub(crate) fn just_said(&self, now: Duration, cause: &str) -> bool {
        self.said == now && self.cause.as_deref() == Some(cause)
    }
}

/// ` (N more times)`, or nothing.
pub(crate) fn times(unsaid: u64) -> String {
    match unsaid {
        0 => String::new(),
        count => format!(" ({count} more times)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_changes_at_once_and_repetitions_slowly() {
        let mut throttle = Throttle::default();
        let at = Duration::from_secs;
        assert_eq!(throttle.ask(at(1), "a"), Some(0));
        assert_eq!(throttle.ask(at(2), "a"), None);
        assert_eq!(throttle.ask(at(3), "a"), None);
        assert_eq!(throttle.ask(at(301), "a"), Some(2));
        assert_eq!(throttle.ask(at(302), "b"), Some(0));
        assert_eq!(throttle.ask(at(303), "b"), None);
        assert!(throttle.just_said(at(302), "b"));
        assert!(!throttle.just_said(at(303), "b"));
        assert_eq!(times(0), "");
        assert_eq!(times(2), " (2 more times)");
    }
}
