//! The state of the daemon as lines for the log, on SIGUSR1.

use std::time::Duration;

use lvs_director::{RealSnapshot, Snapshot};

/// A last answer is shown no longer than this.
const TEXT_MAX: usize = 80;

/// One line for the whole, one for each virtual service, one for each real server.
pub(crate) fn lines(snapshot: &Snapshot, now: Duration) -> Vec<String> {
    let reals = snapshot.virtuals.iter().flat_map(|service| &service.reals);
    let (mut count, mut up) = (0, 0);
    for real in reals {
        count += 1;
        up += usize::from(real.up);
    }
    let mut lines = vec![format!(
        "State: {} virtual services, {up} of {count} real servers up, {} checks running, table {}",
        snapshot.virtuals.len(),
        snapshot.checks_running,
        if snapshot.unsettled {
            "not settled"
        } else {
            "settled"
        }
    )];
    for service in &snapshot.virtuals {
        let fallback = if service.fallback_active {
            ", fallback serves"
        } else {
            ""
        };
        let up = service.reals.iter().filter(|real| real.up).count();
        lines.push(format!(
            "State: {}: {up} of {} up{fallback}",
            service.id,
            service.reals.len()
        ));
        for real in &service.reals {
            lines.push(format!("State: {} {}", service.id, line(real, now)));
        }
    }
    lines
}

fn line(real: &RealSnapshot, now: Duration) -> String {
    let state = match (real.maintenance, real.up) {
        (true, _) => "in maintenance",
        (false, true) => "up",
        (false, false) => "down",
    };
    let since = now.saturating_sub(real.since).as_secs();
    let next = match real.next_check {
        Some(at) => format!(
            "next check in {:.1} s",
            at.saturating_sub(now).as_secs_f64()
        ),
        None => "not checked".to_owned(),
    };
    let text = match real.text.as_str() {
        "" => "-",
        text => text
            .get(..text.floor_char_boundary(TEXT_MAX))
            .unwrap_or("-"),
    };
    format!(
        "{}: {state} for {since} s, {} failures, {next}, last: {text}",
        real.name, real.failures
    )
}

#[cfg(test)]
mod tests {
    use lvs_director::VirtualSnapshot;

    use super::*;

    #[test]
    fn says_what_an_operator_wants_to_know() {
        let second = Duration::from_secs;
        let real = RealSnapshot {
            name: "192.0.2.2:80".into(),
            up: true,
            maintenance: false,
            since: second(10),
            failures: 0,
            text: "200 OK".into(),
            next_check: Some(second(72)),
        };
        let down = RealSnapshot {
            name: "192.0.2.3:80".into(),
            up: false,
            maintenance: true,
            failures: 2,
            text: String::new(),
            next_check: None,
            ..real.clone()
        };
        let snapshot = Snapshot {
            virtuals: vec![VirtualSnapshot {
                id: "tcp:192.0.2.1:80".into(),
                fallback_active: true,
                reals: vec![real, down],
            }],
            checks_running: 1,
            unsettled: false,
        };
        assert_eq!(
            lines(&snapshot, Duration::from_millis(70_500)),
            [
                "State: 1 virtual services, 1 of 2 real servers up, 1 checks running, table settled",
                "State: tcp:192.0.2.1:80: 1 of 2 up, fallback serves",
                "State: tcp:192.0.2.1:80 192.0.2.2:80: up for 60 s, 0 failures, next check in 1.5 s, last: 200 OK",
                "State: tcp:192.0.2.1:80 192.0.2.3:80: in maintenance for 60 s, 2 failures, not checked, last: -",
            ]
        );
    }
}
