//! The time of day, for people.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells local time. The offset from UTC is asked for once; it does not change during a demonstration.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    offset_seconds: i64,
}

impl Clock {
    pub(super) fn new() -> Clock {
        let output = Command::new("date").arg("+%z").output();
        let text = output
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
            .unwrap_or_default();
        Clock {
            offset_seconds: offset(&text).unwrap_or(0),
        }
    }

    /// A clock at this offset, in seconds: for where nobody can be asked.
    pub(super) fn with_offset(offset_seconds: i64) -> Clock {
        Clock { offset_seconds }
    }

    /// Its offset from UTC in seconds.
    pub(super) fn offset_seconds(&self) -> i64 {
        self.offset_seconds
    }

    /// The present moment as `hh:mm:ss.mmm`.
    pub(super) fn now(&self) -> String {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or(0) + self.offset_seconds;
        time_of_day(seconds, since.subsec_millis())
    }
}

fn time_of_day(seconds: i64, millis: u32) -> String {
    let day = seconds.rem_euclid(86_400);
    format!(
        "{:02}:{:02}:{:02}.{millis:03}",
        day / 3600,
        day / 60 % 60,
        day % 60
    )
}

/// Reads what `date +%z` prints: sign, two digits of hours, two of minutes. In seconds.
fn offset(text: &str) -> Option<i64> {
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let hours: i64 = text.get(1..3)?.parse().ok()?;
    let minutes: i64 = text.get(3..5)?.parse().ok()?;
    Some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets() {
        assert_eq!(offset("+0000"), Some(0));
        assert_eq!(offset("+0530"), Some(19_800));
        assert_eq!(offset("-0800"), Some(-28_800));
        assert_eq!(offset(""), None);
        assert_eq!(offset("UTC"), None);
    }

    #[test]
    fn the_day_wraps() {
        assert_eq!(time_of_day(-1, 7), "23:59:59.007");
        assert_eq!(time_of_day(86_400 + 3_661, 0), "01:01:01.000");
    }
}
