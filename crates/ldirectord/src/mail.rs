//! A mail as text (`ldirectord.md` 9).

use lvs_director::Mail;

/// Longest line of a header that we write: subjects quote no more than a log line.
const HEADER_MAX: usize = 900;

/// The whole mail, header and body. `date` is for mail that no local mail system completes.
pub(crate) fn compose(mail: &Mail, date: Option<&str>) -> String {
    let mut text = String::new();
    let mut header = |name: &str, value: &str| {
        text.push_str(&format!("{name}: {}\n", one_line(value)));
    };
    if let Some(date) = date {
        header("Date", date);
    }
    if let Some(from) = &mail.from {
        header("From", from);
    }
    header("To", &mail.to);
    header("Subject", &mail.subject);
    text.push('\n');
    text.push_str(&mail.body);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// A value for a header or an SMTP command: whatever would begin another line is gone.
pub(crate) fn one_line(value: &str) -> String {
    let mut clean: String = value
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    clean.truncate(clean.floor_char_boundary(HEADER_MAX));
    clean
}

/// `Mon, 23 Nov 2026 21:58:26 +0000`: seconds since 1970 as a date for mail, in universal time.
pub(crate) fn date(wall: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let days = wall / 86_400;
    // Years are counted from March, so that the leap day is the last of its year, in eras of 400 years.
    let since_march_0 = days + 719_468;
    let (era, day_of_era) = (since_march_0 / 146_097, since_march_0 % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    let name = |list: &[&'static str], at: u64| {
        let at = usize::try_from(at).unwrap_or(0);
        list.get(at).copied().unwrap_or("???")
    };
    format!(
        "{}, {day} {} {year} {:02}:{:02}:{:02} +0000",
        name(&DAYS, days % 7),
        name(&MONTHS, month),
        wall / 3_600 % 24,
        wall / 60 % 60,
        wall % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail() -> Mail {
        Mail {
            to: "ops@example.org".into(),
            from: None,
            smtp: None,
            subject: "Deleted real server: 192.0.2.2:80 (192.0.2.1:80)".into(),
            body: "Log-Message: x\nDaemon-Status: running\n".into(),
        }
    }

    #[test]
    fn has_a_header_and_a_body() {
        assert_eq!(
            compose(&mail(), None),
            "To: ops@example.org\nSubject: Deleted real server: 192.0.2.2:80 (192.0.2.1:80)\n\n\
             Log-Message: x\nDaemon-Status: running\n"
        );
        let full = compose(
            &Mail {
                from: Some("ld@example.org".into()),
                ..mail()
            },
            Some("Thu, 1 Jan 1970 00:00:00 +0000"),
        );
        assert!(full.starts_with(
            "Date: Thu, 1 Jan 1970 00:00:00 +0000\nFrom: ld@example.org\nTo: ops@example.org\n"
        ));
    }

    #[test]
    fn nothing_in_a_header_begins_another_line() {
        let evil = Mail {
            to: "a@b\r\nBcc: everybody@example.org".into(),
            subject: format!("x\nFrom: you\u{0}{}", "é".repeat(HEADER_MAX)),
            ..mail()
        };
        let text = compose(&evil, None);
        let header: Vec<_> = text.split("\n\n").next().unwrap().lines().collect();
        assert_eq!(header.len(), 2);
        assert_eq!(header[0], "To: a@b  Bcc: everybody@example.org");
        assert!(header[1].starts_with("Subject: x From: you é"));
        assert!(header[1].len() < HEADER_MAX + 20);
    }

    #[test]
    fn dates_are_those_of_rfc_5322() {
        for (wall, text) in [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (951_825_599, "Tue, 29 Feb 2000 11:59:59 +0000"),
            (1_795_471_106, "Mon, 23 Nov 2026 21:58:26 +0000"),
            (4_107_542_400, "Mon, 1 Mar 2100 00:00:00 +0000"),
        ] {
            assert_eq!(date(wall), text);
        }
    }
}
