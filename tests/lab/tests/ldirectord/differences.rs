//! Which recording is the measure for whom, and where the one under test is meant to differ from it.
//!
//! Ours is measured by 2.1.3 where it was recorded, else by 4.12.0. Each row of [`DIFFERENCES`] says what differs and why;
//! what is not listed there has to be as recorded.

use ha_lab::{Implementation, LabError, Result};

use crate::expectation::Expectation;
use crate::scenario::{Run, Scenario, Stimulus, Table};
use crate::texts;

/// One deliberate difference.
struct Difference {
    under_test: Implementation,
    /// The number of the scenario, such as `07`; empty for all.
    scenario: &'static str,
    /// The phase, counted from 0; all without one.
    phase: Option<usize>,
    what: What,
    /// Why it is meant to be so.
    #[allow(dead_code, reason = "for the reader of this table")]
    reason: &'static str,
}

enum What {
    /// Texts of the log that contain these words are not said.
    Unsaid(&'static str),
    /// This text is said in place of the recorded one.
    Instead(&'static str, &'static str),
    /// This text is said besides.
    Said(&'static str),
    /// These texts are said before all others.
    SaidFirst(&'static [&'static str]),
    /// Texts with these words may be said or not.
    MaybeSaid(&'static str),
    /// The settled table is this one.
    TableIs(&'static [&'static str]),
    /// What was recorded under this title is not compared.
    NotLeft(&'static str),
    /// Of the output in the foreground only the log's texts are compared.
    OnlyLog,
    /// Commands of the phase end with this code.
    Code(i32),
    /// Commands of the phase print this line as well, at the end.
    Prints(&'static str),
    /// A start recorded with 4.12 goes as 2.1 would: see [`start_as_2_1`].
    StartAs21,
}

use Implementation::{Legacy, Ours};
use What::{
    Code, Instead, MaybeSaid, NotLeft, OnlyLog, Prints, Said, SaidFirst, StartAs21, TableIs, Unsaid,
};

const fn differs(
    under_test: Implementation,
    scenario: &'static str,
    phase: Option<usize>,
    what: What,
    reason: &'static str,
) -> Difference {
    Difference {
        under_test,
        scenario,
        phase,
        what,
        reason,
    }
}

const NO_COMMANDS: &str = "no command is run that could fail: the kernel is spoken to directly";
const ONE_PROCESS: &str = "one process does all checks, fork= changes nothing";
const KNOWS_WHO_IS_UP: &str =
    "2.1's parent with fork=yes never learnt who is up, and purged only the services";
const FORCED_PORT: &str =
    "a gate server whose port is not the service's stayed at weight 0 for ever in the legacy";
const PURE_DIFFERENCE: &str =
    "a reload or a start that finds the service as it is to be does not touch it";
const AS_2_1: &str =
    "4.12 lets each server in before its first check, and counts failures of one; 2.1 did neither";
const PINNED: &str = "clients pinned to a dead server are warned of, with the sysctl that frees them; the legacy is silent";
const STOP_WITHOUT_FILE: &str = "nothing runs, and that is what stop is for";
const WHY_IN_THE_LOG: &str =
    "what is wrong with the file was only printed, which heartbeat keeps in a debugfile at most";
const MATTER_OF_TIME: &str =
    "whether one more repetition falls due before the next check is a matter of time";
const NO_MAILS_FOR_NOTHING: &str =
    "2.1 repeats mails about a fallback that is no longer needed, for ever";

const DIFFERENCES: &[Difference] = &[
    differs(
        Legacy,
        "28",
        None,
        NotLeft("file mail"),
        "its mail module does not call a sendmail of the search path: none was recorded either",
    ),
    differs(
        Legacy,
        "28",
        Some(2),
        MaybeSaid("Inaccessible real server"),
        MATTER_OF_TIME,
    ),
    differs(Ours, "", None, Unsaid("system("), NO_COMMANDS),
    differs(
        Ours,
        "",
        None,
        MaybeSaid("Main loop woke up too late"),
        "it measures its own lateness; here many share one processor",
    ),
    differs(Ours, "", None, StartAs21, AS_2_1),
    differs(
        Ours,
        "06",
        None,
        Unsaid("Resetting soft failure count"),
        AS_2_1,
    ),
    differs(
        Ours,
        "09",
        None,
        Unsaid("Resetting soft failure count"),
        AS_2_1,
    ),
    differs(
        Ours,
        "12",
        None,
        Unsaid("Resetting soft failure count"),
        AS_2_1,
    ),
    differs(
        Ours,
        "15",
        Some(0),
        MaybeSaid("Warning: persistent clients of "),
        PINNED,
    ),
    differs(
        Ours,
        "17",
        Some(0),
        MaybeSaid("Warning: persistent clients of "),
        PINNED,
    ),
    differs(
        Ours,
        "37",
        Some(0),
        MaybeSaid("Warning: persistent clients of "),
        PINNED,
    ),
    differs(
        Ours,
        "16",
        Some(0),
        Instead(
            "Added real server: 192.168.6.46:15080 (192.168.6.66:80) (Weight set to 3)",
            "Restored real server: 192.168.6.46:15080 (192.168.6.66:80) (Weight set to 3)",
        ),
        FORCED_PORT,
    ),
    differs(Ours, "16", Some(0), TableIs(MASQ_BOTH), FORCED_PORT),
    differs(
        Ours,
        "16",
        Some(1),
        TableIs(&[
            "-A -t 192.168.6.66:80 -s wrr",
            "-a -t 192.168.6.66:80 -r 192.168.6.42:15080 -m -w 0",
            "-a -t 192.168.6.66:80 -r 192.168.6.46:80 -g -w 3",
        ]),
        FORCED_PORT,
    ),
    differs(
        Ours,
        "16",
        Some(2),
        Said(
            "Quiescent real server: 192.168.6.46:80 mapped from 192.168.6.46:15080 (192.168.6.66:80) (Weight set to 0)",
        ),
        FORCED_PORT,
    ),
    differs(
        Ours,
        "16",
        Some(2),
        TableIs(&[
            "-A -t 192.168.6.66:80 -s wrr",
            "-a -t 192.168.6.66:80 -r 192.168.6.42:15080 -m -w 0",
            "-a -t 192.168.6.66:80 -r 192.168.6.46:80 -g -w 0",
        ]),
        FORCED_PORT,
    ),
    differs(
        Ours,
        "16",
        Some(4),
        Instead(
            "Added real server: 192.168.6.46:15080 (192.168.6.66:80) (Weight set to 3)",
            "Restored real server: 192.168.6.46:15080 (192.168.6.66:80) (Weight set to 3)",
        ),
        FORCED_PORT,
    ),
    differs(Ours, "16", Some(4), TableIs(MASQ_BOTH), FORCED_PORT),
    differs(Ours, "16", Some(5), Unsaid(" server: "), PURE_DIFFERENCE),
    differs(
        Ours,
        "16",
        Some(5),
        Unsaid("Purged real server (start)"),
        PURE_DIFFERENCE,
    ),
    differs(Ours, "16", Some(5), TableIs(MASQ_BOTH), FORCED_PORT),
    differs(
        Ours,
        "24",
        None,
        Unsaid("Child not running for "),
        ONE_PROCESS,
    ),
    differs(Ours, "24", None, Unsaid("Spawned child "), ONE_PROCESS),
    differs(
        Ours,
        "24",
        Some(3),
        Said("Purged real server (stop): 192.168.6.42:80 (192.168.6.66:80)"),
        KNOWS_WHO_IS_UP,
    ),
    differs(
        Ours,
        "24",
        Some(3),
        Said("Purged real server (stop): 192.168.6.46:80 (192.168.6.66:80)"),
        KNOWS_WHO_IS_UP,
    ),
    differs(
        Ours,
        "24",
        Some(3),
        Said("Purged real server (stop): 192.168.6.42:81 (192.168.6.66:81)"),
        KNOWS_WHO_IS_UP,
    ),
    differs(
        Ours,
        "28",
        None,
        Unsaid("Inaccessible real server: 127.0.0.1:80"),
        NO_MAILS_FOR_NOTHING,
    ),
    differs(
        Ours,
        "28",
        Some(2),
        MaybeSaid("Inaccessible real server"),
        MATTER_OF_TIME,
    ),
    differs(
        Ours,
        "29",
        None,
        Unsaid("Resetting soft failure count"),
        AS_2_1,
    ),
    differs(
        Ours,
        "31",
        None,
        Unsaid("Resetting soft failure count"),
        AS_2_1,
    ),
    differs(
        Ours,
        "32",
        None,
        Unsaid("Resetting soft failure count"),
        AS_2_1,
    ),
    differs(
        Ours,
        "32",
        Some(3),
        Unsaid("Changed virtual server"),
        PURE_DIFFERENCE,
    ),
    differs(
        Ours,
        "33",
        None,
        Unsaid("Resetting soft failure count"),
        AS_2_1,
    ),
    differs(
        Ours,
        "34",
        None,
        Unsaid("Resetting soft failure count"),
        AS_2_1,
    ),
    differs(
        Ours,
        "25",
        None,
        Unsaid("Changed virtual server"),
        PURE_DIFFERENCE,
    ),
    differs(
        Ours,
        "29",
        None,
        NotLeft("file /run/test/fbc.log"),
        "at a start of 4.12 each server is briefly in, and the command is stopped and started once more",
    ),
    differs(
        Ours,
        "34",
        Some(2),
        MaybeSaid("failed: No such destination"),
        "an entry taken out by hand is missed when it is to be changed; that is said, and it is added",
    ),
    differs(Ours, "36", Some(1), Code(0), STOP_WITHOUT_FILE),
    differs(
        Ours,
        "36",
        Some(1),
        Unsaid("Exiting with exit_status 1"),
        STOP_WITHOUT_FILE,
    ),
    differs(
        Ours,
        "37",
        Some(0),
        MaybeSaid("an empty virtualhost sends an empty Host header"),
        "the file is taken as it is, but its author should know",
    ),
    differs(Ours, "38", Some(2), Code(0), STOP_WITHOUT_FILE),
    differs(
        Ours,
        "38",
        Some(2),
        Unsaid("Exiting with exit_status 1"),
        STOP_WITHOUT_FILE,
    ),
    differs(Ours, "39", Some(1), Code(0), STOP_WITHOUT_FILE),
    differs(
        Ours,
        "39",
        Some(1),
        Unsaid("Exiting with exit_status 2"),
        STOP_WITHOUT_FILE,
    ),
    differs(
        Ours,
        "39",
        None,
        Prints("  (lines of a virtual section must begin with a tab or four blanks)"),
        "the error is the legacy's, the advice is ours",
    ),
    differs(
        Ours,
        "39",
        None,
        SaidFirst(&[
            "Error [N] reading file /etc/ha.d/conf/ldresource.cf at line 11: Unknown command real=192.168.6.42:80 gate 2",
            "(line)",
            "(line)   (lines of a virtual section must begin with a tab or four blanks)",
        ]),
        WHY_IN_THE_LOG,
    ),
    differs(
        Ours,
        "40",
        None,
        OnlyLog,
        "what a check says while it works is its own; the texts of the log are the interface",
    ),
];

/// Scenario 16 with both servers in service.
const MASQ_BOTH: &[&str] = &[
    "-A -t 192.168.6.66:80 -s wrr",
    "-a -t 192.168.6.66:80 -r 192.168.6.42:15080 -m -w 2",
    "-a -t 192.168.6.66:80 -r 192.168.6.46:80 -g -w 3",
];

/// The recording by which `under_test` is measured.
pub fn side(scenario: &Scenario, under_test: Implementation) -> Result<&Run> {
    let versions: &[&str] = match (under_test, number(scenario)) {
        (Implementation::Legacy, _) => &["4.12.0"],
        // 2.1.3 did not know the monitorfile yet, 2.1.4 does.
        (Implementation::Ours, "07") => &["snapshot of 9 Aug 2008 (possibly 2.1.4)"],
        (Implementation::Ours, _) => &["2.1.3", "4.12.0"],
    };
    versions
        .iter()
        .find_map(|version| scenario.runs.iter().find(|run| run.version == *version))
        .ok_or_else(|| {
            LabError::unexpected(format!("{} has no run of {versions:?}", scenario.name))
        })
}

/// Makes the deliberate differences part of what is expected.
pub fn apply(
    scenario: &Scenario,
    under_test: Implementation,
    phase: usize,
    expected: &mut Expectation,
) {
    let here = |difference: &&Difference| difference.phase.is_none_or(|only| only == phase);
    for difference in applicable(scenario, under_test).filter(here) {
        match difference.what {
            Unsaid(words) => expected.log.retain(|text| !text.contains(words)),
            Instead(recorded, other) => {
                for text in expected.log.iter_mut().filter(|text| *text == recorded) {
                    other.clone_into(text);
                }
            }
            Said(text) => expected.say_before_the_service_goes(text),
            SaidFirst(texts) => {
                let texts = texts.iter().map(|text| (*text).to_owned());
                expected.log.splice(0..0, texts);
            }
            MaybeSaid(words) => {
                expected.log.retain(|text| !text.contains(words));
                expected.maybe_said.push(words.to_owned());
            }
            TableIs(lines) => expected.settle_at(Table::from_lines(lines.iter().copied())),
            Code(code) => {
                for exit in &mut expected.exits {
                    exit.code = code;
                }
            }
            Prints(line) => {
                for exit in &mut expected.exits {
                    exit.output = format!("{}\n\n{line}", exit.output);
                }
            }
            StartAs21 => {
                let by_4_12 = side(scenario, under_test).is_ok_and(|run| run.version == "4.12.0");
                if by_4_12 && starts(expected) {
                    start_as_2_1(expected);
                }
            }
            NotLeft(_) | OnlyLog => {}
        }
    }
}

fn starts(expected: &Expectation) -> bool {
    expected
        .stimuli
        .iter()
        .any(|stimulus| matches!(stimulus, Stimulus::Command(script) if script.ends_with(" start")))
}

/// 4.12 lets each server in with its full weight, takes it out again, and then waits for its first check; with each the
/// fallback goes and comes. 2.1 begins with weight 0 (its default is `quiescent=yes`) and the fallback in place.
fn start_as_2_1(expected: &mut Expectation) {
    expected
        .log
        .retain(|text| !text.starts_with("Resetting soft failure count"));
    let mut log: Vec<String> = Vec::new();
    let mut pending: Vec<String> = std::mem::take(&mut expected.log);
    pending.reverse();
    while let Some(text) = pending.pop() {
        let subject = texts::subject(&text);
        let is = |text: &str, start: &str, about: &texts::Subject| {
            text.starts_with(start) && texts::subject(text) == *about
        };
        if subject.server.is_none() {
            log.push(text);
        } else if is(&text, "Added fallback server", &subject) && log.contains(&text) {
            // It has been there all the time: neither did it go before.
            log.retain(|other| !is(other, "Deleted fallback server", &subject));
        } else if let Some(rest) = text.strip_prefix("Readd ") {
            log.push(rest.to_owned());
        } else if is(&text, "Quiescent real server", &subject) {
            // What let it in before its first check.
            let added = log
                .iter()
                .any(|other| is(other, "Added real server", &subject));
            let restored = log
                .iter()
                .any(|other| is(other, "Restored real server", &subject));
            log.retain(|other| {
                !is(other, "Added real server", &subject)
                    && !is(other, "Restored real server", &subject)
            });
            if added || !restored {
                log.push(text);
            }
        } else if is(&text, "Deleted real server", &subject) {
            log.retain(|other| !is(other, "Added real server", &subject));
            log.push(format!(
                "{} (Weight set to 0)",
                text.replace("Deleted real server", "Quiescent real server")
            ));
        } else if is(&text, "Added real server", &subject)
            && log
                .iter()
                .any(|other| is(other, "Quiescent real server", &subject))
        {
            log.push(text.replace("Added real server", "Restored real server"));
        } else {
            log.push(text);
        }
    }
    expected.log = log;
    expected.may_be_quiescent();
}

/// Whether of the output in the foreground only the log's texts are compared.
pub fn only_log(scenario: &Scenario, under_test: Implementation) -> bool {
    applicable(scenario, under_test).any(|difference| matches!(difference.what, OnlyLog))
}

/// Whether what was recorded under `title` is not to be compared.
pub fn leaves_out(scenario: &Scenario, under_test: Implementation, title: &str) -> bool {
    applicable(scenario, under_test)
        .any(|difference| matches!(difference.what, NotLeft(other) if other == title))
}

fn applicable(
    scenario: &Scenario,
    under_test: Implementation,
) -> impl Iterator<Item = &'static Difference> {
    let number = number(scenario).to_owned();
    DIFFERENCES.iter().filter(move |difference| {
        difference.under_test == under_test
            && (difference.scenario.is_empty() || difference.scenario == number)
    })
}

fn number(scenario: &Scenario) -> &str {
    scenario.name.split('-').next().unwrap_or_default()
}
