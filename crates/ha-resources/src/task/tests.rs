//! The rules of `resource-protocol.md` 1.5 to 1.7, one test each. A test plays the scripts and compares the whole
//! sequence of steps.

use std::path::PathBuf;

use ha_config::haresources;

use super::*;
use crate::{Group, LogLine, Lookup, NativeAgent, Script, Severity};

/// A machine with the scripts `IPaddr` (our own), and every name that begins with a lower-case letter.
#[derive(Default)]
struct Machine {
    local_giveip: bool,
}

impl Lookup for Machine {
    fn script(&self, name: &str) -> Option<Script> {
        let native = (name == "IPaddr").then_some(NativeAgent::IpAddr);
        let known = native.is_some() || name.starts_with(|first: char| first.is_ascii_lowercase());
        known.then(|| Script {
            path: PathBuf::from(format!("/r/{name}")),
            native,
        })
    }

    fn local_giveip(&self) -> Option<PathBuf> {
        self.local_giveip.then(|| PathBuf::from("/rc/local_giveip"))
    }
}

fn groups(text: &str) -> Vec<Group> {
    haresources::parse(text.as_bytes()).groups
}

/// The plainest of results.
fn succeeds(invocation: &Invocation) -> RunResult {
    match invocation.action {
        Action::Status => RunResult {
            code: 3,
            stdout: b"stopped\n".to_vec(),
        },
        _ => RunResult::code(0),
    }
}

fn running() -> RunResult {
    RunResult {
        code: 0,
        stdout: b"running\n".to_vec(),
    }
}

/// Plays a task to its end: the steps as lines, and the outcome. Debug lines are left out.
fn play(task: Task, scripts: impl FnMut(&Invocation) -> RunResult) -> (Vec<String>, Outcome) {
    play_on(&Machine::default(), task, scripts)
}

fn play_on(
    machine: &Machine,
    mut task: Task,
    mut scripts: impl FnMut(&Invocation) -> RunResult,
) -> (Vec<String>, Outcome) {
    let mut steps = Vec::new();
    loop {
        match task.next(machine) {
            Step::Run(invocation) => {
                steps.push(format!("$ {}", invocation.command_line()));
                task.ended(scripts(&invocation));
            }
            Step::Wait(pause) => steps.push(format!("wait {pause:?}")),
            Step::Log(LogLine {
                severity: Severity::Debug,
                ..
            }) => {}
            Step::Log(line) if line.program == "ResourceManager" => steps.push(line.to_string()),
            Step::Log(line) => steps.push(format!("{}: {line}", line.program)),
            Step::Reboot { word } => steps.push(format!("reboot because of {word}")),
            Step::Done(outcome) => {
                assert_eq!(
                    task.next(machine),
                    Step::Done(outcome.clone()),
                    "the end is the end"
                );
                return (steps, outcome);
            }
        }
    }
}

#[track_caller]
fn assert_steps(steps: &[String], expected: &[&str]) {
    assert_eq!(
        steps,
        expected,
        "\n got:\n{}\n\n expected:\n{}\n",
        steps.join("\n"),
        expected.join("\n")
    );
}

fn take(text: &str) -> Task {
    Task::take_groups(groups(text), StopRetries::default())
}

fn give(text: &str) -> Task {
    Task::give_groups(groups(text), StopRetries::default())
}

#[test]
fn a_group_starts_left_to_right_after_a_status_each() {
    let (steps, outcome) = play(take("Alpha 10.0.0.1/24 web::a::b mail"), succeeds);
    assert_steps(
        &steps,
        &[
            "info: Acquiring resource group: alpha 10.0.0.1/24 web::a::b mail",
            "$ /r/IPaddr 10.0.0.1/24 status",
            "info: Running /r/IPaddr 10.0.0.1/24 start",
            "$ /r/IPaddr 10.0.0.1/24 start",
            "$ /r/web a b status",
            "info: Running /r/web a b start",
            "$ /r/web a b start",
            "$ /r/mail status",
            "info: Running /r/mail start",
            "$ /r/mail start",
        ],
    );
    assert_eq!(outcome, Outcome::default());
}

#[test]
fn what_runs_is_not_started_again() {
    let (steps, outcome) = play(take("alpha web mail"), |invocation| {
        match invocation.word.as_str() {
            "web" => running(),
            _ => succeeds(invocation),
        }
    });
    assert_steps(
        &steps,
        &[
            "info: Acquiring resource group: alpha web mail",
            "$ /r/web status",
            "$ /r/mail status",
            "info: Running /r/mail start",
            "$ /r/mail start",
        ],
    );
    assert_eq!(outcome, Outcome::default());
}

#[test]
fn the_exit_code_of_status_does_not_count() {
    let (steps, _) = play(take("alpha web"), |invocation| match invocation.action {
        Action::Status => RunResult {
            code: 1,
            stdout: b"is running".to_vec(),
        },
        _ => unreachable!("nothing to start"),
    });
    assert_eq!(steps.last().unwrap(), "$ /r/web status");
}

/// Trace `v213-start-failure.txt`, without the standby that the legacy asks for afterwards.
#[test]
fn a_failed_start_gives_the_whole_group_up_and_leaves_the_others_alone() {
    let (steps, outcome) = play(take("alpha web mail last\nbeta other"), |invocation| {
        let fails = invocation.word == "mail" && invocation.action == Action::Start;
        if fails {
            RunResult::code(1)
        } else {
            succeeds(invocation)
        }
    });
    assert_steps(
        &steps,
        &[
            "info: Acquiring resource group: alpha web mail last",
            "$ /r/web status",
            "info: Running /r/web start",
            "$ /r/web start",
            "$ /r/mail status",
            "info: Running /r/mail start",
            "$ /r/mail start",
            "ERROR: Return code 1 from /r/mail",
            "CRIT: Giving up resources due to failure of mail",
            "info: Releasing resource group: alpha web mail last",
            "info: Running /r/last stop",
            "$ /r/last stop",
            "info: Running /r/mail stop",
            "$ /r/mail stop",
            "info: Running /r/web stop",
            "$ /r/web stop",
            "info: Acquiring resource group: beta other",
            "$ /r/other status",
            "info: Running /r/other start",
            "$ /r/other start",
        ],
    );
    assert_eq!(
        outcome,
        Outcome {
            failed: vec!["web".into()],
            ..Outcome::default()
        }
    );
}

#[test]
fn a_script_that_does_not_exist_fails_the_start_and_is_never_run() {
    let (steps, outcome) = play(take("alpha web Nosuch::x"), succeeds);
    assert_steps(
        &steps,
        &[
            "info: Acquiring resource group: alpha web Nosuch::x",
            "$ /r/web status",
            "info: Running /r/web start",
            "$ /r/web start",
            "ERROR: Cannot locate resource script Nosuch",
            "CRIT: Giving up resources due to failure of Nosuch::x",
            "info: Releasing resource group: alpha web Nosuch::x",
            "ERROR: Cannot locate resource script Nosuch",
            "info: Running /r/web stop",
            "$ /r/web stop",
        ],
    );
    assert_eq!(outcome.failed, ["web"]);
    assert_eq!(outcome.stop_failed, ["Nosuch::x"]);
}

#[test]
fn a_group_stops_right_to_left_without_asking_for_its_status() {
    let (steps, outcome) = play(give("alpha web mail\nbeta other"), succeeds);
    assert_steps(
        &steps,
        &[
            "info: Releasing resource group: alpha web mail",
            "info: Running /r/mail stop",
            "$ /r/mail stop",
            "info: Running /r/web stop",
            "$ /r/web stop",
            "info: Releasing resource group: beta other",
            "info: Running /r/other stop",
            "$ /r/other stop",
        ],
    );
    assert_eq!(outcome, Outcome::default());
}

#[test]
fn a_failed_stop_is_tried_again_after_a_second() {
    let mut tries = 0;
    let (steps, outcome) = play(give("alpha web"), |_| {
        tries += 1;
        RunResult::code(if tries < 3 { 4 } else { 0 })
    });
    assert_steps(
        &steps,
        &[
            "info: Releasing resource group: alpha web",
            "info: Running /r/web stop",
            "$ /r/web stop",
            "ERROR: Return code 4 from /r/web",
            "wait 1s",
            "info: Retrying failed stop operation [web]",
            "info: Running /r/web stop",
            "$ /r/web stop",
            "ERROR: Return code 4 from /r/web",
            "wait 1s",
            "info: Retrying failed stop operation [web]",
            "info: Running /r/web stop",
            "$ /r/web stop",
        ],
    );
    assert_eq!(outcome, Outcome::default());
}

/// Trace `stop-failure-not-running.txt`.
#[test]
fn after_eleven_failed_stops_of_a_stopped_resource_the_rest_goes_on() {
    let (steps, outcome) = play(give("alpha first web"), |invocation| {
        match invocation.action {
            Action::Stop if invocation.word == "web" => RunResult::code(1),
            _ => succeeds(invocation),
        }
    });
    assert_eq!(
        steps.iter().filter(|step| *step == "$ /r/web stop").count(),
        11
    );
    assert_eq!(steps.iter().filter(|step| *step == "wait 1s").count(), 10);
    assert_steps(
        &steps[steps.len() - 8..],
        &[
            "$ /r/web stop",
            "ERROR: Return code 1 from /r/web",
            "$ /r/web status",
            "ERROR: Resource script for web probably not LSB-compliant.",
            "WARN: it (web) MUST succeed on a stop when already stopped",
            "WARN: Machine reboot narrowly avoided!",
            "info: Running /r/first stop",
            "$ /r/first stop",
        ],
    );
    assert_eq!(
        outcome,
        Outcome {
            stop_failed: vec!["web".into()],
            ..Outcome::default()
        }
    );
}

/// Trace `stop-failure-reboot.txt`: with the reboot command replaced by a stub, the legacy goes on too.
#[test]
fn a_resource_that_still_runs_after_all_tries_reboots_the_machine() {
    let task = Task::give_groups(groups("alpha first web"), StopRetries::at_most(0));
    let (steps, outcome) = play(task, |invocation| {
        match (invocation.word.as_str(), invocation.action) {
            ("web", Action::Stop) => RunResult::code(4),
            ("web", Action::Status) => running(),
            _ => succeeds(invocation),
        }
    });
    assert_steps(
        &steps,
        &[
            "info: Releasing resource group: alpha first web",
            "info: Running /r/web stop",
            "$ /r/web stop",
            "ERROR: Return code 4 from /r/web",
            "$ /r/web status",
            "CRIT: Resource STOP failure. Reboot required!",
            "CRIT: Killing heartbeat ungracefully!",
            "reboot because of web",
            "info: Running /r/first stop",
            "$ /r/first stop",
        ],
    );
    assert_eq!(
        outcome,
        Outcome {
            unstoppable: vec!["web".into()],
            stop_code: 4,
            ..Outcome::default()
        }
    );
}

#[test]
fn the_number_of_stop_retries_comes_from_the_environment() {
    let tries = |value| {
        let mut tries = 0;
        let task = Task::give_groups(groups("alpha web"), StopRetries::from_variable(value));
        let (_, outcome) = play(task, |invocation| {
            tries += u32::from(invocation.action == Action::Stop);
            RunResult::code(i32::from(tries < 200))
        });
        (tries, outcome.stop_failed.len())
    };
    assert_eq!(tries(None), (11, 1));
    assert_eq!(tries(Some("2")), (3, 1));
    assert_eq!(tries(Some("many")), (11, 1));
    assert_eq!(tries(Some("0")), (200, 0), "for ever, until it succeeds");
    assert_eq!(tries(Some("-1")), (200, 0));
}

#[test]
fn a_failed_start_followed_by_a_failed_stop_retries_the_stop() {
    let task = Task::take_groups(groups("alpha web"), StopRetries::at_most(1));
    let (steps, outcome) = play(task, |invocation| match invocation.action {
        Action::Start | Action::Stop => RunResult::code(1),
        _ => succeeds(invocation),
    });
    assert_eq!(
        steps.iter().filter(|step| *step == "$ /r/web stop").count(),
        2
    );
    assert_eq!(outcome.failed, ["web"]);
    assert_eq!(outcome.stop_failed, ["web"]);
}

#[test]
fn a_query_asks_for_the_key_resource_only_and_changes_nothing() {
    let task = Task::query_keys(groups("alpha web mail\nalpha other\nalpha Nosuch"));
    let (steps, outcome) = play(task, |invocation| match invocation.word.as_str() {
        "web" => running(),
        _ => succeeds(invocation),
    });
    assert_steps(
        &steps,
        &[
            "$ /r/web status",
            "$ /r/other status",
            "ERROR: Cannot locate resource script Nosuch",
        ],
    );
    assert_eq!(
        outcome,
        Outcome {
            wanted: vec!["other".into(), "Nosuch".into()],
            ..Outcome::default()
        }
    );
}

fn request(text: &str) -> Task {
    Task::give_if_running(groups(text).remove(0), StopRetries::default())
}

#[test]
fn a_request_for_a_group_that_does_not_run_is_answered_at_once() {
    let (steps, outcome) = play(request("alpha web mail"), succeeds);
    assert_steps(&steps, &["$ /r/web status"]);
    assert!(!outcome.owned);
}

#[test]
fn a_request_for_a_group_that_runs_gives_it_up_after_telling_the_administrators_script() {
    let runs = |invocation: &Invocation| match invocation.action {
        Action::Status => running(),
        Action::LocalGive => RunResult::code(9),
        _ => succeeds(invocation),
    };
    let given = [
        "info: Releasing resource group: alpha web mail",
        "info: Running /r/mail stop",
        "$ /r/mail stop",
        "info: Running /r/web stop",
        "$ /r/web stop",
    ];
    let (steps, outcome) = play(request("alpha web mail"), runs);
    assert_steps(&steps, &[&["$ /r/web status"], given.as_slice()].concat());
    assert!(outcome.owned);

    let (steps, outcome) = play_on(
        &Machine { local_giveip: true },
        request("alpha web mail"),
        runs,
    );
    assert_steps(
        &steps,
        &[
            &["$ /r/web status", "$ /rc/local_giveip ip-request"],
            given.as_slice(),
        ]
        .concat(),
    );
    assert!(outcome.owned);
}

#[test]
fn a_takeover_speaks_as_mach_down() {
    let task = Task::mach_down(
        "beta",
        groups("beta web\nbeta mail"),
        true,
        StopRetries::default(),
    )
    .preceded_by(LogLine::harc("/etc/ha.d/rc.d/status", "status"));
    let (steps, _) = play(task, |_| running());
    assert_steps(
        &steps,
        &[
            "harc: info: Running /etc/ha.d/rc.d/status status",
            "mach_down: info: Taking over resource group web",
            "info: Acquiring resource group: beta web",
            "$ /r/web status",
            "mach_down: info: Taking over resource group mail",
            "info: Acquiring resource group: beta mail",
            "$ /r/mail status",
            "mach_down: info: /usr/share/heartbeat/mach_down: nice_failback: foreign resources acquired",
            "mach_down: info: mach_down takeover complete for node beta.",
        ],
    );
    let (steps, _) = play(
        Task::mach_down("beta", Vec::new(), false, StopRetries::default()),
        succeeds,
    );
    assert_steps(
        &steps,
        &["mach_down: info: mach_down takeover complete for node beta."],
    );
}

#[test]
fn a_group_without_resources_is_no_trouble() {
    for task in [
        take("alpha"),
        give("alpha"),
        Task::query_keys(groups("alpha")),
        request("alpha"),
    ] {
        let (steps, outcome) = play(task, |_| unreachable!("nothing to run"));
        assert!(
            steps
                .iter()
                .all(|step| step.ends_with("resource group: alpha")),
            "{steps:?}"
        );
        assert_eq!(outcome, Outcome::default());
    }
}

#[test]
fn native_agents_are_marked() {
    let mut natives = Vec::new();
    play(take("alpha 10.0.0.1 web"), |invocation| {
        natives.push(invocation.native);
        succeeds(invocation)
    });
    assert_eq!(
        natives,
        [
            Some(NativeAgent::IpAddr),
            Some(NativeAgent::IpAddr),
            None,
            None
        ]
    );
}

#[test]
fn debug_lines_stand_around_each_start_and_stop() {
    let mut task = take("alpha web::x");
    let mut lines = Vec::new();
    loop {
        match task.next(&Machine::default()) {
            Step::Log(line) if line.severity == Severity::Debug => lines.push(line.to_string()),
            Step::Run(invocation) => {
                lines.push(format!("$ {}", invocation.command_line()));
                task.ended(succeeds(&invocation));
            }
            Step::Done(_) => break,
            _ => {}
        }
    }
    assert_steps(
        &lines,
        &[
            "$ /r/web x status",
            "debug: Starting /r/web x start",
            "$ /r/web x start",
            "debug: /r/web x start done. RC=0",
        ],
    );
}

#[test]
#[should_panic(expected = "while a script runs")]
fn asking_for_a_step_while_a_script_runs_is_a_mistake() {
    let mut task = Task::query_keys(groups("alpha web"));
    let machine = Machine::default();
    assert!(matches!(task.next(&machine), Step::Run(_)));
    task.next(&machine);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn any_groups() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            "[a-c](::[x-z]{0,2}){0,2}",
            Just("10.0.0.1".to_owned()),
            Just("Nosuch".to_owned())
        ];
        let line = (
            prop_oneof!["alpha", "beta"],
            prop::collection::vec(word, 0..4),
        )
            .prop_map(|(node, words)| format!("{node} {}", words.join(" ")));
        prop::collection::vec(line, 0..4).prop_map(|lines| lines.join("\n"))
    }

    proptest! {
        /// Whatever scripts answer, a task ends, and a group that is not reported as failed had each of its resources
        /// running or started.
        #[test]
        fn every_task_ends(text in any_groups(), answers in prop::collection::vec(0u8..4, 0..64)) {
            let mut answers = answers.into_iter().cycle();
            let mut next = move || answers.next().unwrap_or(0);
            let mut failures = 0;
            let task = Task::take_groups(groups(&text), StopRetries::at_most(2));
            let (steps, outcome) = play(task, |invocation| {
                let answer = next();
                let failed = answer == 0 && invocation.action == Action::Start;
                failures += usize::from(failed);
                match invocation.action {
                    Action::Status if answer == 1 => running(),
                    Action::Status => RunResult::default(),
                    _ => RunResult::code(i32::from(answer == 0)),
                }
            });
            let given_up = steps.iter().filter(|step| step.starts_with("CRIT: Giving up")).count();
            let missing = steps.windows(2).filter(|pair| {
                pair[0].starts_with("ERROR: Cannot locate") && pair[1].starts_with("CRIT: Giving up")
            }).count();
            prop_assert_eq!(outcome.failed.len(), given_up);
            prop_assert_eq!(outcome.failed.len(), failures + missing);
        }
    }
}
