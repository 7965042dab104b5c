//! Is the loop on time? A daemon that others suffer from when it is late should be the first to know.

use std::time::Duration;

/// How often lateness is worth a line.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// Measures how long after its deadline the loop woke up.
#[derive(Debug)]
pub struct Lateness {
    limit: Duration,
    next_line: Duration,
    unsaid: u32,
    worst: Duration,
}

impl Lateness {
    /// Lateness above `limit` is worth a line.
    pub fn new(limit: Duration) -> Lateness {
        Lateness {
            limit,
            next_line: Duration::ZERO,
            unsaid: 0,
            worst: Duration::ZERO,
        }
    }

    /// The line to be logged, at most one a minute.
    pub fn measure(&mut self, deadline: Duration, woke: Duration) -> Option<String> {
        let late = woke.saturating_sub(deadline);
        if late <= self.limit {
            return None;
        }
        self.unsaid = self.unsaid.saturating_add(1);
        self.worst = self.worst.max(late);
        if woke < self.next_line {
            return None;
        }
        let text = format!(
            "Main loop woke up too late: {} times since the last such line, at worst by {} ms",
            self.unsaid,
            self.worst.as_millis()
        );
        self.next_line = woke + SAID_EVERY;
        self.unsaid = 0;
        self.worst = Duration::ZERO;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speaks_at_once_and_then_once_a_minute() {
        let ms = Duration::from_millis;
        let mut lateness = Lateness::new(ms(100));
        assert_eq!(lateness.measure(ms(1000), ms(1100)), None);
        assert_eq!(
            lateness.measure(ms(1000), ms(900)),
            None,
            "early is not late"
        );
        let first = lateness.measure(ms(1000), ms(1101)).unwrap();
        assert!(
            first.ends_with("1 times since the last such line, at worst by 101 ms"),
            "{first}"
        );
        assert_eq!(lateness.measure(ms(2000), ms(2500)), None);
        assert_eq!(lateness.measure(ms(3000), ms(3200)), None);
        let later = lateness.measure(ms(70_000), ms(70_150)).unwrap();
        assert!(
            later.ends_with("3 times since the last such line, at worst by 500 ms"),
            "{later}"
        );
    }
}
