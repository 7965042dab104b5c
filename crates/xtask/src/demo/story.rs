//! Log lines that tell the story; everything else stays in the log.

/// The files under `/var/log` that are read.
pub(super) const FILES: [&str; 2] = ["ha-log", "ldirectord.log"];

/// Of heartbeat's log, lines with one of these.
const HEARTBEAT: &[&str] = &[
    ": is dead",
    "is running ResourceManager",
    "Acquiring resource group",
    "Releasing resource group",
    "wants to go standby",
    "Heartbeat shutdown in progress",
    "Heartbeat shutdown complete",
    "Received shutdown notice",
    "Status update for node",
    "Heartbeat restart on node",
    "Configuration validated",
    "ERROR",
    "CRIT",
];

/// Of ldirectord's log, lines without any of these.
const NOT_OF_LDIRECTORD: &[&str] = &["Invoking", "Exiting with exit_status", "expire_"];

/// The line as it is told, or nothing. `file` is one of [`FILES`].
pub(super) fn told(file: &str, line: &str) -> Option<String> {
    if file == FILES[0] {
        let tells = HEARTBEAT.iter().any(|text| line.contains(text));
        return tells.then(|| format!("log: {}", without_heartbeats_prefix(line)));
    }
    let tells = !NOT_OF_LDIRECTORD.iter().any(|text| line.contains(text));
    tells.then(|| format!("ldirectord: {}", without_ldirectords_prefix(line)))
}

/// A line without program, process id and date, which say nothing new here.
fn without_heartbeats_prefix(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let dated = words
        .get(1)
        .is_some_and(|word| word.len() == 19 && word.contains('_'));
    if dated {
        words.get(2..).unwrap_or_default().join(" ")
    } else {
        words.join(" ")
    }
}

/// `[Fri Nov 27 19:16:30 2026|ldirectord.cf|123] text` without what is in brackets.
fn without_ldirectords_prefix(line: &str) -> &str {
    line.strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
        .map_or(line, |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_go_and_levels_stay() {
        let line = "heartbeat[98]: 2026/11/23_22:07:48 WARN: node lvs1.okooo.cn: is dead";
        assert_eq!(
            told("ha-log", line).as_deref(),
            Some("log: WARN: node lvs1.okooo.cn: is dead")
        );
        assert_eq!(told("ha-log", "heartbeat: something else"), None);
        assert_eq!(
            without_heartbeats_prefix("something else"),
            "something else"
        );
    }

    #[test]
    fn what_ldirectord_does_is_told() {
        let line =
            "[Fri Nov 27 19:16:30 2026|ldirectord.cf|71] Quiescent real server: 192.168.6.42:80";
        assert_eq!(
            told("ldirectord.log", line).as_deref(),
            Some("ldirectord: Quiescent real server: 192.168.6.42:80")
        );
        assert_eq!(
            told("ldirectord.log", "[x|y|1] Exiting with exit_status 0: fine"),
            None
        );
    }
}
