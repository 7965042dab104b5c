//! What the clients saw, step by step.

use std::fmt::Write as _;
use std::time::Duration;

/// One step of the demonstration.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// What was done.
    pub(super) step: String,
    /// The longest time that a client was without an answer.
    pub(super) wait: Duration,
    /// Who answers now; nobody if the step failed.
    pub(super) served_by: Option<String>,
}

/// The table, one line per step, and how to read it.
pub(super) fn render(rows: &[Row], interval: Duration) -> String {
    let title = "what happened";
    let width = rows
        .iter()
        .map(|row| row.step.len())
        .chain([title.len()])
        .max()
        .unwrap_or_default();
    let mut text = format!("{title:width$}  {:>14}  served by\n", "client waited");
    for row in rows {
        let wait = format!("{:.3} s", row.wait.as_secs_f64());
        let server = row.served_by.as_deref().unwrap_or("nobody");
        let _ = writeln!(text, "{:width$}  {wait:>14}  {server}", row.step);
    }
    let _ = writeln!(
        text,
        "(A client asks every {} ms: {:.3} s is what it waits when nothing happens.)",
        interval.as_millis(),
        interval.as_secs_f64()
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let row = |step: &str, wait, server: Option<&str>| Row {
            step: step.into(),
            wait: Duration::from_millis(wait),
            served_by: server.map(Into::into),
        };
        let rows = [
            row("lvs1 crashes suddenly", 10_512, Some("lvs2")),
            row("back", 6, None),
        ];
        let wanted = "what happened           client waited  served by\n\
                      lvs1 crashes suddenly        10.512 s  lvs2\n\
                      back                          0.006 s  nobody\n\
                      (A client asks every 5 ms: 0.005 s is what it waits when nothing happens.)\n";
        assert_eq!(render(&rows, Duration::from_millis(5)), wanted);
    }
}
