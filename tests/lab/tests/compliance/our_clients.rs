//! Our own clients beside Debian's, at either daemon: our cl_status says what Debian's says, but for what is different on
//! purpose because 2.1 said it so; our api_test tells what Debian's tells, and plays to the end.

use std::path::PathBuf;
use std::time::Instant;

use ha_lab::{Host, Implementation, LabError, Result, seconds, wait_until};

use crate::pair::Pair;
use crate::runner::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "our_cl_status",
        modes: &["on"],
        run: cl_status,
    },
    Scenario {
        name: "our_api_test",
        modes: &["on"],
        run: api_test,
    },
];

/// Where our programs are put, and where they are in the tree that we install.
const OUR_STATUS: (&str, &str) = ("/opt/ours/cl_status", "usr/bin/cl_status");
const OUR_API_TEST: (&str, &str) = ("/opt/ours/api_test", "usr/lib64/heartbeat/ha-tools");
/// Where Debian's programs are put, and where they are on this machine.
const DEBIANS_STATUS: (&str, &str) = ("/opt/debians/cl_status", "/usr/bin/cl_status");
const DEBIANS_API_TEST: (&str, &str) = ("/opt/debians/api_test", "/usr/libexec/heartbeat/api_test");

/// Command lines, asked of a node that runs.
const QUESTIONS: &[&str] = &[
    "nosuch",
    "hbstatus",
    "hbstatus -m",
    "hbstatus more words",
    "hbstatus -x",
    "hbstatus -v",
    "listnodes -v",
    "listnodes -vn",
    "listnodes -vp",
    "listnodes -vm",
    "listhblinks -v beta",
    "listhblinks -vm beta",
    "hbstatus -h",
    "hbstatus --help",
    "listnodes",
    "listnodes -m",
    "listnodes -n",
    "listnodes -p",
    "listnodes -n -p",
    "listnodes -np",
    "listnodes -mn",
    "listnodes -x",
    "listnodes -h",
    "listnodes alpha",
    "listnodes-and-more",
    "nodestatus alpha",
    "nodestatus ALPHA",
    "nodestatus -m ALPHA",
    "nodestatus beta",
    "nodestatus alpha beta",
    "nodestatus alpha -m",
    "nodestatus -m 10.0.0.9",
    "nodestatus 10.0.0.9",
    "nodestatus nosuch",
    "nodestatus -n alpha",
    "nodestatus -p alpha",
    "nodestatus -x alpha",
    "nodestatus",
    "nodestatus -m",
    "nodeweight alpha",
    "nodeweight -m beta",
    "nodeweight nosuch",
    "nodeweight",
    "nodeweight -x alpha",
    "nodesite alpha",
    "nodesite -m beta",
    "nodesite nosuch",
    "nodesite",
    "nodetype alpha",
    "nodetype -m 10.0.0.9",
    "nodetype nosuch",
    "nodetype",
    "listhblinks alpha",
    "listhblinks beta",
    "listhblinks -m beta",
    "listhblinks 10.0.0.9",
    "listhblinks nosuch",
    "listhblinks",
    "hblinkstatus beta eth0",
    "hblinkstatus -m beta eth0",
    "hblinkstatus 10.0.0.9 10.0.0.9",
    "hblinkstatus beta eth9",
    "hblinkstatus nosuch eth0",
    "hblinkstatus beta",
    "hblinkstatus",
    "clientstatus alpha ping",
    "clientstatus beta ping 4000",
    "clientstatus -m beta ping 4000",
    "clientstatus 10.0.0.9 ping",
    "clientstatus nosuch ping",
    "clientstatus beta",
    "clientstatus",
    "rscstatus",
    "rscstatus -m",
    "rscstatus -x",
    "test -x alpha",
    "clientstatus -x alpha",
    "hblinkstatus -x alpha",
    "listhblinks -x alpha",
    "nodetype -x alpha",
    "nodesite -x alpha",
    "rscstatus word",
    "hbparameter",
    "hbparameter -p",
    "hbparameter -p keepalive",
    "hbparameter -m -p keepalive",
    "hbparameter -pdeadtime",
    "hbparameter -p deadping",
    "hbparameter -p initdead",
    "hbparameter -p warntime",
    "hbparameter -p auto_failback",
    "hbparameter -p hbversion",
    "hbparameter -p pacemaker",
    "hbparameter -p crm",
    "hbparameter -p debug",
    "hbparameter -p udpport",
    "hbparameter -p node",
    "hbparameter -p nosuch",
    "hbparameter -x",
    "hbparameter keepalive",
    "test",
    "test -m",
    "test word",
];

/// What is asked when heartbeat does not run.
const QUESTIONS_TO_NOBODY: &[&str] = &[
    "hbstatus",
    "listnodes",
    "nodestatus",
    "rscstatus",
    "hbparameter -p keepalive",
    "hbparameter",
    "nosuch",
    "test",
];

fn cl_status(pair: &Pair) -> Result<()> {
    let mut differences = Vec::new();
    for host in pair.nodes() {
        install(host)?;
        compare(host, QUESTIONS_TO_NOBODY, &mut differences)?;
    }
    configure(pair)?;
    pair.settle()?;
    for host in pair.nodes() {
        compare(host, QUESTIONS, &mut differences)?;
    }
    if !differences.is_empty() {
        return Err(LabError::unexpected(differences.join("\n")));
    }
    for host in pair.nodes() {
        anybody_may_ask(host)?;
    }
    a_daemon_that_hangs(&pair.alpha)
}

/// The installed program, of either make, runs for the group haclient.
fn anybody_may_ask(host: &Host) -> Result<()> {
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let program = ["/usr/bin/cl_status", "rscstatus"];
    let words = [&["setpriv"], &nobody[..], &program[..]].concat();
    let output = host.run(&words)?;
    if output.stdout != "local\n" {
        return Err(LabError::unexpected(format!(
            "nobody is told on {}: {output:?}",
            host.name()
        )));
    }
    Ok(())
}

/// Neither program waits for it: after five seconds they end and say nothing.
fn a_daemon_that_hangs(host: &Host) -> Result<()> {
    host.sh("kill -STOP $(cat /var/run/heartbeat.pid)")?;
    for program in [DEBIANS_STATUS.0, OUR_STATUS.0] {
        let output = host.run(&[program, "listnodes"])?;
        if output.code() != 12 || !(output.stdout + &output.stderr).is_empty() {
            return Err(LabError::unexpected(format!(
                "{program} did not end by its alarm"
            )));
        }
    }
    host.sh("kill -CONT $(cat /var/run/heartbeat.pid)")?;
    Ok(())
}

/// Debian's says what it is told. At a legacy daemon an answer is late sooner or later; then it takes every later one
/// for the one before, and gives up (`client-api.md` 1.5). Ours says the same and goes on: two of them find each other
/// and play.
fn api_test(pair: &Pair) -> Result<()> {
    for host in pair.nodes() {
        install(host)?;
    }
    configure(pair)?;
    pair.settle()?;
    // It notices a signal only when there is something to read.
    let program = DEBIANS_API_TEST.0;
    let debians = pair
        .alpha
        .run(&["timeout", "-s", "INT", "-k", "2", "10", program])?;
    let program = OUR_API_TEST.0;
    for host in pair.nodes() {
        // Whatever a shell starts in the background does not hear SIGINT.
        host.sh(&format!(
            "{{ env --default-signal=INT {program} 2>/tmp/api_test; echo exit $? >>/tmp/api_test; }} \
             </dev/null >/dev/null 2>&1 &"
        ))?;
    }
    let said = |host: &Host| host.sh("cat /tmp/api_test").map(|output| output.stdout);
    let played = pair.nodes().into_iter().try_for_each(|host| {
        let answers = format!("of type [pingreply] from [{}]", pair.other(host).name());
        wait_until("the other's answers to a ping", seconds(30), || {
            said(host).is_ok_and(|text| text.matches(&answers).count() >= 10)
        })
    });
    let ended = played.and_then(|()| {
        pair.nodes().into_iter().try_for_each(|host| {
            host.sh(&format!("kill -INT $(pidof {program})"))?;
            wait_until("the end of api_test", seconds(10), || {
                said(host).is_ok_and(|text| text.ends_with("\nexit 0\n"))
            })
        })
    });
    let ours = [said(&pair.alpha)?, said(&pair.beta)?];
    if let Err(error) = ended {
        let [one, other] = ours;
        return Err(LabError::unexpected(format!("{error}\n{one}\n{other}")));
    }
    let told = [&debians.stderr, &ours[0]].map(|text| {
        let before = text.split("Starting node walk").next().unwrap_or_default();
        before
            .lines()
            .filter_map(told_by_daemon)
            .collect::<Vec<_>>()
    });
    if told[0] != told[1] || told[0].len() < 10 {
        return Err(LabError::unexpected(format!(
            "Debian's and ours: {told:#?}"
        )));
    }
    Ok(())
}

/// What stands behind the level of a line of api_test, but for its process id.
fn told_by_daemon(line: &str) -> Option<String> {
    let level = ["info: ", "ERROR: "];
    let text = level.iter().find_map(|level| line.split_once(level))?.1;
    (!text.starts_with("PID=")).then(|| text.to_owned())
}

/// Brings the programs of both makes.
fn install(host: &Host) -> Result<()> {
    let stage = Implementation::Ours
        .stage()
        .ok_or_else(|| LabError::Unavailable("our installed tree".into()))?;
    let ours = [OUR_STATUS, OUR_API_TEST].map(|(to, from)| (to, stage.join(from)));
    let debians = [DEBIANS_STATUS, DEBIANS_API_TEST].map(|(to, from)| (to, PathBuf::from(from)));
    for (to, from) in ours.into_iter().chain(debians) {
        let octets = std::fs::read(&from)
            .map_err(|error| LabError::Unavailable(format!("{}: {error}", from.display())))?;
        host.write_octets(to, &octets, 0o555)?;
    }
    Ok(())
}

/// A ping node, and root may be the client `ping`.
fn configure(pair: &Pair) -> Result<()> {
    for host in pair.nodes() {
        let file = pair
            .ha_cf(host)
            .line("ping 10.0.0.9")
            .line("apiauth ping uid=root");
        host.write("/etc/ha.d/ha.cf", &file.text())?;
    }
    Ok(())
}

fn compare(host: &Host, questions: &[&str], differences: &mut Vec<String>) -> Result<()> {
    for question in questions {
        let (mut debians, mut ours);
        // What another node has to say may come after the patience of one of the two: a legacy daemon takes up to 0.4 s.
        let again = Instant::now() + seconds(20);
        loop {
            debians = said(host, DEBIANS_STATUS.0, question)?;
            ours = said(host, OUR_STATUS.0, question)?;
            let too_late = debians != ours && question.starts_with("clientstatus");
            if !too_late || Instant::now() >= again {
                break;
            }
        }
        let expected = as_in_21(question, &debians);
        if expected != ours {
            let name = host.name();
            differences.push(format!(
                "{name}: cl_status {question}\n  Debian's {debians:#?}\n  expected {expected:#?}\n  ours     {ours:#?}"
            ));
        }
    }
    Ok(())
}

/// What Debian's 3.0.6 said, changed to what 2.1 would have said.
fn as_in_21(question: &str, debians: &[String]) -> Vec<String> {
    let lines = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect();
    let not_signed_on = debians.iter().any(|line| line.ends_with(STOPPED));
    match question {
        // 2.1 asks although it is not signed on.
        "hbparameter -p keepalive" if not_signed_on => lines(&[
            "log: ERROR: Cannot get parameter keepalive's value",
            "log: ERROR: REASON: not signed on",
            "exit 1",
        ]),
        "hbparameter" if not_signed_on => {
            lines(&["log: ERROR: parameter name required", "exit 11"])
        }
        // 2.1 gives no reason.
        "listhblinks nosuch" => lines(&[
            "log: ERROR: Cannot start heartbeat link interface walk.",
            "log: ERROR: REASON: ",
            "exit 13",
        ]),
        // Options of hbstatus are those of release 3; others are none of its business.
        _ if question.starts_with("hbstatus") => debians
            .iter()
            .filter(|line| !line.starts_with("err: hbstatus: invalid option"))
            .cloned()
            .collect(),
        _ => debians
            .iter()
            .map(|line| {
                line.replace(STOPPED, "Can't initiate connection  to heartbeat")
                    .replace("\tthis node has the", "\tthis node have the")
            })
            .collect(),
    }
}

const STOPPED: &str = "Can't initiate connection to heartbeat";

/// The text of a log line: `MONTH DAY TIME HOST cl_status: [PID]: TEXT` of 3.0.6, `cl_status[PID]: DATE TEXT` of 2.1 and
/// ours.
fn without_stamp(line: &str) -> Option<&str> {
    if let Some((_, rest)) = line.split_once(" cl_status: [") {
        return Some(rest.split_once("]: ")?.1);
    }
    let rest = line.strip_prefix("cl_status[")?;
    let (pid, rest) = rest.split_once("]: ")?;
    let (date, text) = rest.split_once(' ')?;
    let proper = pid.parse::<u32>().is_ok() && date.len() == "2026/11/27_19:34:56".len();
    proper.then_some(text)
}

/// Everything that a call says: the lines of both outputs, without what makes a log line of them, and the exit code.
fn said(host: &Host, program: &str, question: &str) -> Result<Vec<String>> {
    let words: Vec<&str> = [program]
        .into_iter()
        .chain(question.split_whitespace())
        .collect();
    let output = host.run(&words)?;
    let mut lines: Vec<String> = output
        .stdout
        .lines()
        .map(|line| format!("out: {line}"))
        .collect();
    lines.extend(output.stderr.lines().map(|line| match without_stamp(line) {
        Some(text) => format!("log: {text}"),
        None => format!("err: {line}"),
    }));
    lines.push(format!("exit {}", output.code()));
    Ok(lines)
}
