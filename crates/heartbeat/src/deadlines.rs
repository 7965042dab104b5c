//! How long resource scripts may run: for ever, as with the legacy, unless ha.cf says otherwise.
//!
//! The lines are `env STARTDEADLINE=2min` and the like. As `env` lines they are nothing to a legacy node, so that both nodes of
//! a mixed pair can have the same file; and scripts can see them, as `HA_STARTDEADLINE`.

use std::time::Duration;

use ha_resources::Action;

/// How long a script that was told to end has for it.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// The variable of ha.cf for an action; scripts see it with `HA_` in front.
fn variable(action: Action) -> Option<&'static str> {
    match action {
        Action::Start => Some("HA_STARTDEADLINE"),
        Action::Stop => Some("HA_STOPDEADLINE"),
        Action::Status => Some("HA_STATUSDEADLINE"),
        Action::LocalGive => None,
    }
}

/// The deadline of an action among these variables. The error is what the line should have been.
pub(crate) fn deadline(
    variables: &[(String, String)],
    action: Action,
) -> Result<Option<Duration>, String> {
    let Some(name) = variable(action) else {
        return Ok(None);
    };
    // The last line counts, as with every variable.
    let given = variables
        .iter()
        .rev()
        .find(|(known, _)| known == name || Some(known.as_str()) == name.strip_prefix("HA_"));
    match given {
        None => Ok(None),
        Some((_, text)) => time(text).map(Some).ok_or_else(|| {
            let name = name.trim_start_matches("HA_");
            format!(
                "env {name}={text}: expected a time such as 90, 90s or 5min; there is no deadline"
            )
        }),
    }
}

/// A positive number of seconds, or with a unit.
fn time(text: &str) -> Option<Duration> {
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit_ms = match unit.trim() {
        "" | "s" | "sec" => 1000,
        "ms" | "msec" => 1,
        "m" | "min" => 60_000,
        "h" | "hr" => 3_600_000,
        _ => return None,
    };
    let number: u64 = digits.parse().ok().filter(|&number| number > 0)?;
    Some(Duration::from_millis(number.checked_mul(unit_ms)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(lines: &[(&str, &str)], action: Action) -> Result<Option<Duration>, String> {
        let variables: Vec<(String, String)> = lines
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        deadline(&variables, action)
    }

    #[test]
    fn without_a_line_there_is_none() {
        for action in [
            Action::Start,
            Action::Stop,
            Action::Status,
            Action::LocalGive,
        ] {
            assert_eq!(ask(&[("OTHER", "1")], action), Ok(None));
        }
    }

    #[test]
    fn each_action_has_its_own_and_the_last_line_counts() {
        let lines = [
            ("STARTDEADLINE", "90"),
            ("STOPDEADLINE", "5min"),
            ("HA_STATUSDEADLINE", "1500ms"),
            ("STARTDEADLINE", "2min"),
        ];
        let of = |action| ask(&lines, action).expect("valid");
        assert_eq!(of(Action::Start), Some(Duration::from_secs(120)));
        assert_eq!(of(Action::Stop), Some(Duration::from_secs(300)));
        assert_eq!(of(Action::Status), Some(Duration::from_millis(1500)));
        assert_eq!(of(Action::LocalGive), None);
    }

    #[test]
    fn what_is_no_time_is_told_and_does_nothing() {
        for bad in [
            "",
            "0",
            "-1",
            "soon",
            "1d",
            "99999999999999999999",
            "18446744073709551615h",
        ] {
            let error = ask(&[("STARTDEADLINE", bad)], Action::Start).expect_err(bad);
            assert!(
                error.contains(bad) && error.contains("no deadline"),
                "{error}"
            );
        }
    }
}
