//! Who is not let in, what it is told, and what the log says of it (`client-api.md` 2.3, 5).

use std::collections::BTreeSet;

use ha_lab::{Host, Result, seconds, wait_until};

use super::Differences;
use super::words::{account, end, join, leave, refused, said, signed_on, welcome};
use crate::pair::Pair;

/// A sign-on of a process of root that is refused.
struct Refusal {
    what: &'static str,
    name: &'static str,
    /// Instead of its own.
    pid: Option<&'static str>,
    uid: &'static str,
    gid: &'static str,
    /// What the answer says, and what the leave message says.
    reason: &'static str,
    gone: &'static str,
    log: &'static [&'static str],
}

const REFUSALS: &[Refusal] = &[
    Refusal {
        what: "pid of another process",
        name: "tiny2",
        pid: Some("1"),
        uid: "0",
        gid: "0",
        reason: "pid mismatch",
        gone: "pid mismatch",
        log: &[
            "info: PID mismatch: 1 vs farside_pid: %",
            "WARN: Client [tiny2] pid 1 failed authorization [pid mismatch]",
            "ERROR: api_process_registration_msg: cannot add client(tiny2)",
        ],
    },
    Refusal {
        what: "pid of no process",
        name: "tiny2",
        pid: Some("99999"),
        uid: "0",
        gid: "0",
        reason: "bad pid",
        gone: "died",
        log: &[
            "WARN: api_add_client: bad pid [99999]",
            "ERROR: api_process_registration_msg: cannot add client()",
        ],
    },
    Refusal {
        what: "false uid",
        name: "tiny2",
        pid: None,
        uid: "1",
        gid: "0",
        reason: "incorrect/false credentials",
        gone: "incorrect/false credentials",
        log: &["ERROR: api_process_registration_msg: cannot add client(tiny2)"],
    },
    Refusal {
        what: "false gid",
        name: "tiny2",
        pid: None,
        uid: "0",
        gid: "1",
        reason: "incorrect/false credentials",
        gone: "incorrect/false credentials",
        log: &["ERROR: api_process_registration_msg: cannot add client(tiny2)"],
    },
    Refusal {
        what: "uid that is no number",
        name: "tiny2",
        pid: None,
        uid: "x",
        gid: "0",
        reason: "invalid id info",
        gone: "invalid id info",
        log: &[
            "ERROR: Client user/group id is incorrect [x] => -1 [0] => %",
            "ERROR: api_process_registration_msg: cannot add client(tiny2)",
        ],
    },
    Refusal {
        what: "not root's name",
        name: "ccm",
        pid: None,
        uid: "0",
        gid: "0",
        reason: "client failed authorization",
        gone: "client failed authorization",
        log: &[
            "WARN: Client [ccm] pid % failed authorization [client failed authorization]",
            "ERROR: api_process_registration_msg: cannot add client(ccm)",
        ],
    },
    Refusal {
        what: "name in use",
        name: "present",
        pid: None,
        uid: "0",
        gid: "0",
        reason: "duplicate add request",
        gone: "duplicate add request",
        log: &[
            "WARN: duplicate client add request [present] [%]",
            "ERROR: api_process_registration_msg: cannot add client()",
        ],
    },
];

pub fn check(pair: &Pair, differences: &mut Differences) -> Result<()> {
    let alpha = &pair.alpha;
    let _present = signed_on(alpha, "present")?;
    let mut reasons = BTreeSet::new();
    for refusal in REFUSALS {
        let mut client = alpha.api_client(refusal.name)?;
        let own_pid = client.pid().to_string();
        let before = log_lines(alpha).len();
        client.send(&[
            ("t", "hbapi-req"),
            ("reqtype", "signon"),
            ("dest", "alpha"),
            ("pid", refusal.pid.unwrap_or(&own_pid)),
            ("from_id", refusal.name),
            ("uid", refusal.uid),
            ("gid", refusal.gid),
        ])?;
        // Before the name is stored, the leave message has none.
        let name = match refusal.reason {
            "bad pid" | "duplicate add request" => "",
            _ => refusal.name,
        };
        let expected = [refused(refusal.reason), leave(name, refusal.gone), end()];
        differences.compare(refusal.what, &expected, &said(&mut client, 3)?);
        // Ours says the same of many only once a while.
        let repeated = alpha.is_ours() && !reasons.insert(refusal.reason);
        let expected = if repeated { &[] } else { refusal.log };
        // What is missing is shown by the comparison.
        let _ = wait_until("the log", seconds(3), || {
            log_lines(alpha).len() >= before + expected.len()
        });
        let lines = log_lines(alpha).split_off(before);
        differences.compare(&format!("{}: log", refusal.what), expected, &lines);
    }
    others_than_root(alpha, differences)
}

/// A uid has the names that the rules give it, and may look at everything as a casual client.
fn others_than_root(alpha: &Host, differences: &mut Differences) -> Result<()> {
    let (uid, gid) = account(alpha, "hacluster")?;
    let mut client = alpha.api_client_as("tiny2", uid, gid)?;
    client.request_signon()?;
    let reason = "client failed authorization";
    let expected = [refused(reason), leave("tiny2", reason), end()];
    differences.compare(
        "hacluster under root's name",
        &expected,
        &said(&mut client, 3)?,
    );

    let mut client = alpha.api_client_as("ccm", uid, gid)?;
    client.request_signon()?;
    let expected = [join("ccm", "alpha"), welcome()];
    differences.compare("hacluster as ccm", &expected, &said(&mut client, 2)?);

    let mut client = alpha.api_client_as("", uid, gid)?;
    client.request_signon()?;
    differences.compare(
        "hacluster as casual client",
        &[welcome()],
        &said(&mut client, 1)?,
    );
    Ok(())
}

/// The log without times, and without the messages that the legacy dumps.
fn log_lines(host: &Host) -> Vec<String> {
    let text = |line: &str| {
        let (_, rest) = line.split_once("]: ")?;
        // In the classic form the time comes second.
        let text = match rest.split_once(' ') {
            Some((time, text)) if time.contains('/') => text,
            _ => rest,
        };
        Some(text.to_owned())
    };
    host.log()
        .lines()
        .filter_map(text)
        .filter(|line| !line.contains(": MSG"))
        .collect()
}
