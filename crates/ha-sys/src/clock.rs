//! The two clocks, and local calendar time for log lines.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `CLOCK_BOOTTIME`: what every time-out is measured with. Never goes back, whatever the administrator does to the
/// calendar, and does not stop while the machine is suspended: the others have not waited either, and we have to notice
/// that we were away.
pub fn monotonic() -> Duration {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a valid place for the result; this clock exists since Linux 2.6.39.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut now) };
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// `CLOCK_REALTIME` in seconds since 1970; 0 if the clock stands before that.
pub fn wall() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| age.as_secs())
}

/// A moment on the local calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// Full year.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60 (leap second).
    pub second: u8,
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

impl LocalTime {
    /// Converts seconds since 1970 by the machine's time zone.
    pub fn at(wall: u64) -> LocalTime {
        let seconds = libc::time_t::try_from(wall).unwrap_or(libc::time_t::MAX);
        // SAFETY: `tm` is plain data, all-zero is valid; both pointers are valid for the call.
        let tm = unsafe {
            let mut tm: libc::tm = std::mem::zeroed();
            libc::localtime_r(&seconds, &mut tm);
            tm
        };
        let small = |value: libc::c_int| u8::try_from(value).unwrap_or(0);
        LocalTime {
            year: tm.tm_year.saturating_add(1900),
            month: small(tm.tm_mon) + 1,
            day: small(tm.tm_mday),
            hour: small(tm.tm_hour),
            minute: small(tm.tm_min),
            second: small(tm.tm_sec),
        }
    }

    /// `2026/11/23_22:07:48`, the stamp of the legacy's log files.
    pub fn stamp(&self) -> String {
        format!(
            "{:04}/{:02}/{:02}_{:02}:{:02}:{:02}",
            self.year, self.month, self.day, self.hour, self.minute, self.second
        )
    }

    /// `Mon Nov 23 21:58:26 2026`, as `ctime(3)` in the C locale: the day of the month is padded with a blank.
    pub fn ctime(&self) -> String {
        format!(
            "{} {} {}",
            DAYS.get(self.weekday()).copied().unwrap_or("???"),
            self.syslog_stamp(' '),
            self.year
        )
    }

    /// 0 is Sunday. The rule of Gauss: a year is counted from March, so that the leap day is its last.
    fn weekday(&self) -> usize {
        const BEFORE_MONTH: [i32; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
        let year = self.year - i32::from(self.month < 3);
        let month = usize::from(self.month).saturating_sub(1);
        let days = year + year.div_euclid(4) - year.div_euclid(100)
            + year.div_euclid(400)
            + BEFORE_MONTH.get(month).copied().unwrap_or(0)
            + i32::from(self.day);
        usize::try_from(days.rem_euclid(7)).unwrap_or(0)
    }

    /// `Nov 23 22:07:48` with a two-digit day, as in files written with `syslogmsgfmt yes`; `pad` is what stands
    /// before a one-digit day (`0` in files, a blank towards syslog).
    pub fn syslog_stamp(&self, pad: char) -> String {
        let month = MONTHS
            .get(usize::from(self.month).saturating_sub(1))
            .copied()
            .unwrap_or("???");
        let day = if self.day < 10 {
            format!("{pad}{}", self.day)
        } else {
            self.day.to_string()
        };
        format!(
            "{month} {day} {:02}:{:02}:{:02}",
            self.hour, self.minute, self.second
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_have_the_legacy_form() {
        let time = LocalTime {
            year: 2026,
            month: 11,
            day: 3,
            hour: 2,
            minute: 7,
            second: 48,
        };
        assert_eq!(time.stamp(), "2026/11/03_02:07:48");
        assert_eq!(time.syslog_stamp('0'), "Nov 03 02:07:48");
        assert_eq!(time.syslog_stamp(' '), "Nov  3 02:07:48");
    }

    #[test]
    fn ctime_is_that_of_the_c_library() {
        let at = |year, month, day| LocalTime {
            year,
            month,
            day,
            hour: 21,
            minute: 8,
            second: 6,
        };
        // As printed by date(1).
        for (time, text) in [
            (at(2026, 11, 23), "Mon Nov 23 21:08:06 2026"),
            (at(1970, 1, 1), "Thu Jan  1 21:08:06 1970"),
            (at(2000, 2, 29), "Tue Feb 29 21:08:06 2000"),
            (at(2000, 3, 1), "Wed Mar  1 21:08:06 2000"),
            (at(2100, 12, 31), "Fri Dec 31 21:08:06 2100"),
            (at(2024, 2, 4), "Sun Feb  4 21:08:06 2024"),
        ] {
            assert_eq!(time.ctime(), text);
        }
    }

    #[test]
    fn monotonic_never_goes_back() {
        let first = monotonic();
        assert!(monotonic() >= first);
    }
}
