//! The sub-commands.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use ha_ipc::client::{Client, ClientError, ClientStatus, LinkEntry, NodeEntry, SignOn};

use crate::arguments::{Arguments, Subcommand};
use crate::report::{BAD_PARAMETER, NORMAL_FAILURE, OK, Report, Trouble, UNKNOWN_ERROR};

/// For how long `clientstatus` waits for another node unless told otherwise.
const CLIENT_STATUS_TIMEOUT: Duration = Duration::from_millis(500);

/// Answers the command line, asking the daemon behind this socket.
pub(crate) fn run(args: &[OsString], socket: &Path) -> Report {
    let Some((name, rest)) = args.split_first().filter(|(name, _)| *name != "-h") else {
        return Report::say(HELP, OK);
    };
    let name = name.to_string_lossy();
    let Some(subcommand) = Subcommand::from_word(&name) else {
        return Report::logged([format!("{name}: invalid sub-command.")], BAD_PARAMETER);
    };
    match SignOn::casual().socket(socket).connect() {
        Ok(mut client) => {
            let report = with_client(subcommand, rest, &mut client);
            // We have our answer; whether the daemon hears of our leaving matters no more.
            let _ = client.sign_off();
            report
        }
        Err(error) => without_client(subcommand, rest, &error),
    }
}

/// The daemon cannot be asked.
fn without_client(subcommand: Subcommand, rest: &[OsString], error: &ClientError) -> Report {
    match subcommand {
        Subcommand::HbStatus => {
            Report::say("Heartbeat is stopped on this machine.\n", NORMAL_FAILURE)
        }
        // Release 2.1 goes on without being signed on, and finds that out later.
        Subcommand::HbParameter => match Arguments::parse(subcommand, rest) {
            Err(text) => bad_option(subcommand, &text),
            Ok(arguments) => match arguments.parameter {
                None => Report::logged(["parameter name required".to_owned()], BAD_PARAMETER),
                Some(name) => Report::failed(
                    &format!("Cannot get parameter {name}'s value"),
                    "not signed on",
                    NORMAL_FAILURE,
                ),
            },
        },
        _ => Report::failed(
            "Cannot signon with heartbeat",
            &error.legacy_reason(),
            NORMAL_FAILURE,
        ),
    }
}

fn with_client(subcommand: Subcommand, rest: &[OsString], client: &mut Client) -> Report {
    // Two look at no option that they do not know.
    match subcommand {
        Subcommand::HbStatus => return running(client, rest),
        Subcommand::Test => return test(client),
        _ => {}
    }
    let arguments = match Arguments::parse(subcommand, rest) {
        Ok(arguments) => arguments,
        Err(text) => return bad_option(subcommand, &text),
    };
    let words: Vec<&str> = arguments.words.iter().map(String::as_str).collect();
    let human = arguments.human;
    match (subcommand, words.as_slice()) {
        (Subcommand::ListNodes, _) => list_nodes(client, &arguments),
        (Subcommand::NodeStatus, [node, ..]) => node_status(client, node, human),
        (Subcommand::NodeWeight, [node, ..]) => node_weight(client, node, human),
        (Subcommand::NodeSite, [node, ..]) => node_site(client, node, human),
        (Subcommand::NodeType, [node, ..]) => node_type(client, node, human),
        (Subcommand::ListHbLinks, [node, ..]) => list_links(client, node, &arguments),
        (Subcommand::HbLinkStatus, [node, link, ..]) => link_status(client, node, link, human),
        (Subcommand::ClientStatus, [node, name, rest @ ..]) => {
            client_status(client, node, name, rest.first().copied())
        }
        (Subcommand::RscStatus, _) => resources(client, human),
        (Subcommand::HbParameter, _) => parameter(client, arguments.parameter.as_deref(), human),
        (Subcommand::NodeStatus | Subcommand::NodeWeight | Subcommand::NodeSite, []) => {
            Report::printed("Not enough parameters.", BAD_PARAMETER)
        }
        _ => Report::printed("No enough parameter.", BAD_PARAMETER),
    }
}

/// What `getopt(3)` prints, and the legacy after it.
fn bad_option(subcommand: Subcommand, text: &str) -> Report {
    let what = match subcommand {
        Subcommand::ListNodes | Subcommand::ListHbLinks | Subcommand::HbParameter => {
            "character code"
        }
        _ => "character",
    };
    Report {
        stdout: String::new(),
        troubles: vec![
            Trouble::Printed(format!("{}: {text}", subcommand.word())),
            Trouble::Logged(format!("Error: getopt returned{what} ?.")),
        ],
        code: BAD_PARAMETER,
    }
}

/// One line that answers: the bare value, or a sentence.
fn answer(human: bool, value: &str, sentence: String, code: u8) -> Report {
    let line = if human { sentence } else { value.to_owned() };
    Report::say(line + "\n", code)
}

/// Heartbeat runs; with `-v` also what it is and what it sees.
fn running(client: &mut Client, rest: &[OsString]) -> Report {
    let verbose = Arguments::parse(Subcommand::HbStatus, rest).is_ok_and(|found| found.verbose);
    if !verbose {
        return Report::say("Heartbeat is running on this machine.\n", OK);
    }
    let version = match client.session().version.clone() {
        Some(version) => version,
        None => match client.parameter("hbversion") {
            Ok(version) => version.unwrap_or_default(),
            Err(error) => return walk_failed(NODE_WALK, &error),
        },
    };
    let manager = match client.session().pacemaker.as_deref() {
        None | Some("" | "false" | "no" | "off") => "haresources",
        Some(_) => "pacemaker",
    };
    let arguments = Arguments {
        verbose,
        ..Arguments::default()
    };
    let mut report = list_nodes(client, &arguments);
    let head = format!("version:\t{version}\nmanaged by:\t\"{manager}\"\n");
    report.stdout.insert_str(0, &head);
    report
}

const NODE_WALK: &str = "Cannot start node walk";

fn walk_failed(text: &str, error: &ClientError) -> Report {
    Report::failed(text, &error.legacy_reason(), UNKNOWN_ERROR)
}

/// The nodes, last of ha.cf first. With `-v` also what and how they are, and their links.
fn list_nodes(client: &mut Client, arguments: &Arguments) -> Report {
    let mut text = String::new();
    if arguments.human {
        text.push_str("The nodes are as follow:\n");
    }
    match put_nodes(client, arguments, &mut text) {
        Ok(()) => Report::say(text, OK),
        Err(error) => walk_failed(NODE_WALK, &error),
    }
}

/// Types and statuses come with the list from newer daemons; 2.1 is asked for each.
fn put_nodes(
    client: &mut Client,
    arguments: &Arguments,
    text: &mut String,
) -> Result<(), ClientError> {
    let wanted = match (arguments.normal, arguments.ping) {
        (true, false) => Some("normal"),
        (false, true) => Some("ping"),
        _ => None,
    };
    for node in client.nodes()?.into_iter().rev() {
        let NodeEntry { name, kind, status } = node;
        let kind = match kind {
            None if wanted.is_some() || arguments.verbose => Some(client.node_type(&name)?),
            kind => kind,
        };
        if wanted.is_some() && kind.as_deref() != wanted {
            continue;
        }
        if !arguments.verbose {
            text.push_str(&format!("{name}\n"));
            continue;
        }
        let status = match status {
            Some(status) => status,
            None => client.node_status(&name)?,
        };
        let kind = kind.unwrap_or_default();
        text.push_str(&format!("\n{name}\t{status}\t(nodetype: {kind})\n"));
        put_links(client, &name, arguments, text)?;
    }
    Ok(())
}

/// The links of a node, last first.
fn put_links(
    client: &mut Client,
    node: &str,
    arguments: &Arguments,
    text: &mut String,
) -> Result<(), ClientError> {
    let links = client.links(node)?;
    if arguments.human {
        text.push_str("\tthis node have the following heartbeat links:\n");
    }
    for LinkEntry { name, status } in links.into_iter().rev() {
        if !arguments.verbose {
            text.push_str(&format!("\t{name}\n"));
            continue;
        }
        let status = match status {
            Some(status) => status,
            None => client.link_status(node, &name)?,
        };
        text.push_str(&format!("\t{name}\t{status}\n"));
    }
    Ok(())
}

/// The answer to a question about one node went wrong; mostly there is none of that name.
const BAD_NODE: &str = "Error. May be due to incorrect node name";

fn node_status(client: &mut Client, node: &str, human: bool) -> Report {
    let Ok(status) = client.node_status(node) else {
        return Report::printed(BAD_NODE, BAD_PARAMETER);
    };
    let good = ["active", "up", "ping"]
        .iter()
        .any(|word| status.starts_with(word));
    let code = if good { OK } else { NORMAL_FAILURE };
    let sentence = format!("The cluster node {node} is {status}");
    answer(human, &status, sentence, code)
}

fn node_weight(client: &mut Client, node: &str, human: bool) -> Report {
    let Ok(weight) = client.node_weight(node) else {
        return Report::printed("Error. Maybe due to incorrect node name.", BAD_PARAMETER);
    };
    let sentence = format!("The weight of the cluster node {node} is {weight}");
    answer(human, &weight.to_string(), sentence, OK)
}

fn node_site(client: &mut Client, node: &str, human: bool) -> Report {
    let Ok(site) = client.node_site(node) else {
        return Report::printed(BAD_NODE, BAD_PARAMETER);
    };
    let sentence = format!("The site of the cluster node {node} is {site}");
    answer(human, &site, sentence, OK)
}

fn node_type(client: &mut Client, node: &str, human: bool) -> Report {
    let Ok(kind) = client.node_type(node) else {
        return Report::printed(BAD_NODE, BAD_PARAMETER);
    };
    let sentence = format!("The node {node}'s type: {kind}");
    answer(human, &kind, sentence, OK)
}

/// Release 2.1 gives no reason for a failure.
fn list_links(client: &mut Client, node: &str, arguments: &Arguments) -> Report {
    let mut text = String::new();
    match put_links(client, node, arguments, &mut text) {
        Ok(()) => Report::say(text, OK),
        Err(_) => Report::failed(
            "Cannot start heartbeat link interface walk.",
            "",
            UNKNOWN_ERROR,
        ),
    }
}

fn link_status(client: &mut Client, node: &str, link: &str, human: bool) -> Report {
    let Ok(status) = client.link_status(node, link) else {
        return Report::failed("Cannot get heartbeat link status", "", UNKNOWN_ERROR);
    };
    let code = if status == "up" { OK } else { NORMAL_FAILURE };
    let sentence = format!("The node {node}'s heartbeat link {link} is {status}");
    answer(human, &status, sentence, code)
}

fn client_status(client: &mut Client, node: &str, name: &str, timeout: Option<&str>) -> Report {
    // A number as C reads it. What is no time at all still lets an answer through that is already there.
    let timeout = timeout.map_or(CLIENT_STATUS_TIMEOUT, |text| {
        let digits: String = text
            .trim_start()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        Duration::from_millis(digits.parse().unwrap_or(0))
    });
    match client.client_status(node, name, timeout) {
        Ok(status) => {
            let code = match status {
                ClientStatus::Online => 0,
                ClientStatus::Offline => 1,
                ClientStatus::Join => 2,
                ClientStatus::Leave => 3,
            };
            Report::say(format!("{status}\n"), code)
        }
        Err(_) => Report::failed(
            &format!("Cannot get heartbeat client {name}'s status"),
            // The legacy does not tell a node that does not exist from one that does not answer.
            "No timely response.",
            UNKNOWN_ERROR,
        ),
    }
}

fn resources(client: &mut Client, human: bool) -> Report {
    match client.resources() {
        Ok(held) => {
            let sentence = format!("This node is holding {held} resources.");
            answer(human, &held, sentence, OK)
        }
        Err(error) => Report::failed(
            "Cannot get cluster resource status",
            &error.legacy_reason(),
            UNKNOWN_ERROR,
        ),
    }
}

fn parameter(client: &mut Client, name: Option<&str>, human: bool) -> Report {
    let Some(name) = name else {
        return Report::logged(["parameter name required".to_owned()], BAD_PARAMETER);
    };
    // Two are told at sign-on by newer daemons.
    let known = match name {
        "hbversion" => client.session().version.clone(),
        "pacemaker" => client.session().pacemaker.clone(),
        _ => None,
    };
    let value = match known {
        Some(value) => Ok(Some(value)),
        None => client.parameter(name),
    };
    match value {
        Ok(Some(value)) => {
            let sentence = format!("Heartbeat parameter {name}'s value: {value}");
            answer(human, &value, sentence, OK)
        }
        unset => {
            let reason = unset
                .err()
                .map_or(String::new(), |error| error.legacy_reason());
            Report::failed(
                &format!("Cannot get parameter {name}'s value"),
                &reason,
                NORMAL_FAILURE,
            )
        }
    }
}

/// A few things at once; the texts are the legacy's.
fn test(client: &mut Client) -> Report {
    let held = match client.resources() {
        Ok(held) => held,
        Err(error) => {
            return Report::failed(
                "Cannot get cluster resource status",
                &error.legacy_reason(),
                UNKNOWN_ERROR,
            );
        }
    };
    let session = client.session();
    Report::say(
        format!(
            "Dead time: {}\n keeplive time: {}\n mynodeid: {}\n rsc: {held}\n",
            session.deadtime.as_millis(),
            session.keepalive.as_millis(),
            session.node
        ),
        OK,
    )
}

const HELP: &str = "\
Usage: cl_status <sub-command> [<options>] [<parameters>]

Asks the heartbeat daemon of this machine.

Sub-commands:
hbstatus
	whether heartbeat runs here
listnodes [-n | -p]
	the nodes of the cluster; with -n only normal ones,
	with -p only ping nodes
nodestatus <node-name>
	the status of a node
nodetype <node-name>
	its type
nodeweight <node-name>
	its weight
nodesite <node-name>
	its site
listhblinks <node-name>
	the heartbeat links of a node
hblinkstatus <node-name> <link-name>
	the status of one of them
clientstatus <node-name> <client-id> [<timeout>]
	whether a client is signed on at a node; the timeout
	is in milliseconds (default 500)
rscstatus
	which resources this node holds
hbparameter -p <parameter-name>
	the value of a parameter of ha.cf

Option of most sub-commands:
	-m	an answer for people, not for scripts
Options of hbstatus, listnodes and listhblinks:
	-v	more: version, types, links and their statuses

Exit codes: 0 yes or done, 1 no, 11 wrong call, 12 no answer
within 5 seconds, 13 any other trouble.
";
