//! `api_test`: an example of a client (`client-api.md` 8). It asks for nearly everything, tells what it hears, and plays
//! ping with its likes on other nodes until it is interrupted.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use ha_ipc::client::{Client, ClientError, NodeEntry, SignOn, filter};
use ha_sys::log::{Logger, Priority, Sinks};
use ha_sys::signals::{Signal, SignalSource};
use ha_sys::{Interest, Poller, clock};
use ha_wire::Message;

/// The name by which it signs on; `apiauth` knows it.
const CLIENT_NAME: &str = "ping";

/// Parameters that every daemon is believed to have. (No usual one has the last.)
const MANDATORY: &[&str] = &[
    "hbversion",
    "hopfudge",
    "keepalive",
    "deadtime",
    "deadping",
    "warntime",
    "initdead",
    "baud",
    "udpport",
    "auto_failback",
    "hbgenmethod",
    "realtime",
    "debug",
    "normalpoll",
];

/// Parameters that ha.cf may leave out.
const OPTIONAL: &[&str] = &["logfile", "debugfile", "logfacility", "rtprio", "watchdog"];

/// How long another node has to say whether it has a client of our name.
const CLIENT_STATUS_TIMEOUT: Duration = Duration::from_millis(100);

/// The pause before the game, in which the others may sign on.
const PAUSE: Duration = Duration::from_secs(5);

/// Answers to one ping.
const REPLIES: u32 = 10;

/// What was tried, with the legacy's exit code for its failure as far as that is known.
struct Failure {
    text: &'static str,
    code: i32,
    error: ClientError,
}

fn failure(text: &'static str, code: i32) -> impl FnOnce(ClientError) -> Failure {
    move |error| Failure { text, code, error }
}

pub(crate) fn main(program: &OsStr, _args: &[OsString]) -> i32 {
    let sinks = Sinks {
        stderr: true,
        ..Sinks::default()
    };
    let log = Logger::new(&program.to_string_lossy(), sinks);
    log.log(Priority::Info, format!("PID={}", std::process::id()));
    match play(&log) {
        Ok(()) => 0,
        Err(Failure { text, code, error }) => {
            log.log(Priority::Error, text);
            let reason = error.legacy_reason();
            log.log(Priority::Error, format!("REASON: {reason}"));
            code
        }
    }
}

fn play(log: &Logger) -> Result<(), Failure> {
    let system = |error: std::io::Error| failure("Cannot wait for signals", 2)(error.into());
    let signals = SignalSource::new(&[Signal::SIGTERM, Signal::SIGINT]).map_err(system)?;
    log.log(Priority::Info, "Signing in with heartbeat");
    let mut client = SignOn::named(CLIENT_NAME)
        .connect()
        .map_err(failure("Cannot sign on with heartbeat", 1))?;
    ask_for_likes(&mut client).map_err(failure("Cannot ask for client status", 3))?;
    log.log(Priority::Info, "Setting message filter mode");
    client
        .set_filter(filter::KEEPIT)
        .map_err(failure("Cannot set message filter", 4))?;
    tell_parameters(log, &mut client).map_err(failure("Cannot get parameters", 5))?;
    tell_nodes(log, &mut client)?;
    log.log(Priority::Info, "Sleeping...");
    let mut game = Game {
        log,
        client,
        heard: 0,
    };
    game.run(&signals).map_err(failure("Cannot play ping", 7))?;
    game.client
        .sign_off()
        .map_err(failure("Cannot sign off from heartbeat.", 10))
}

/// Asks all nodes at once who has a client of our name; the answers come as messages.
fn ask_for_likes(client: &mut Client) -> Result<(), ClientError> {
    client.number_of_nodes()?;
    let mut message = Message::new();
    message.push("t", "query-cstatus");
    message.push("cn", CLIENT_NAME);
    message.push("from_id", CLIENT_NAME);
    client.send(&message)
}

fn tell_parameters(log: &Logger, client: &mut Client) -> Result<(), ClientError> {
    for &name in MANDATORY {
        let told = match name {
            "hbversion" => client.session().version.clone(),
            _ => None,
        };
        let value = match told {
            Some(value) => Some(value),
            None => client.parameter(name)?,
        };
        match value {
            Some(value) => log.log(Priority::Info, format!("Parameter {name} is [{value}]")),
            // The spelling is the legacy's.
            None => log.log(
                Priority::Error,
                format!("Mandantory Parameter {name} is not available!"),
            ),
        }
    }
    for &name in OPTIONAL {
        if let Some(value) = client.parameter(name)? {
            log.log(
                Priority::Info,
                format!("Optional Parameter {name} is [{value}]"),
            );
        }
    }
    match client.resources() {
        Ok(held) => log.log(Priority::Info, format!("Current resource status: {held}")),
        // A cluster whose resources heartbeat does not manage.
        Err(ClientError::Rejected { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

fn tell_nodes(log: &Logger, client: &mut Client) -> Result<(), Failure> {
    log.log(Priority::Info, "Starting node walk");
    let nodes = client
        .nodes()
        .map_err(failure("Cannot start node walk", 5))?;
    for NodeEntry { name, status, .. } in nodes.into_iter().rev() {
        let status = match status {
            Some(status) => status,
            None => client
                .node_status(&name)
                .map_err(failure("Cannot get node status", 5))?,
        };
        log.log(
            Priority::Info,
            format!("Cluster node: {name}: status: {status}"),
        );
        let links = client
            .links(&name)
            .map_err(failure("Cannot start if walk", 6))?;
        for link in links.into_iter().rev() {
            let status = match link.status {
                Some(status) => status,
                None => client
                    .link_status(&name, &link.name)
                    .map_err(failure("Cannot get link status", 6))?,
            };
            log.log(
                Priority::Info,
                format!("\tnode {name}: intf: {} ifstatus: {status}", link.name),
            );
        }
        let status = match client.client_status(&name, CLIENT_NAME, CLIENT_STATUS_TIMEOUT) {
            Ok(status) => status.word(),
            Err(error) if error.is_fatal() => {
                return Err(failure("Cannot get client status", 6)(error));
            }
            Err(_) => "timeout",
        };
        log.log(
            Priority::Info,
            format!("{name}/api_test status: [{status}]"),
        );
    }
    Ok(())
}

struct Game<'a> {
    log: &'a Logger,
    client: Client,
    heard: u32,
}

const DAEMON: u64 = 0;
const SIGNALS: u64 = 1;

impl Game<'_> {
    /// Waits, sends a ping to all, and answers what it hears, until a signal comes.
    fn run(&mut self, signals: &SignalSource) -> Result<(), ClientError> {
        let mut poller = Poller::new()?;
        poller.add(signals, SIGNALS, Interest::Read)?;
        let mut ready = Vec::new();
        // Messages wait until the game begins, as with the legacy.
        let begin = clock::monotonic() + PAUSE;
        while clock::monotonic() < begin {
            poller.wait(Some(begin), &mut ready)?;
            if signals.read()?.is_some() {
                return Ok(());
            }
        }
        self.begin()?;
        poller.add(&self.client, DAEMON, self.client.interest())?;
        while signals.read()?.is_none() {
            while let Some(message) = self.client.try_receive()? {
                self.heard(&message)?;
            }
            poller.modify(&self.client, DAEMON, self.client.interest())?;
            poller.wait(None, &mut ready)?;
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), ClientError> {
        let mut ping = Message::new();
        ping.push("t", "ping");
        self.client.send(&ping)?;
        self.log.log(Priority::Info, "Sent ping request to cluster");
        self.log.log(Priority::Info, "Waiting for messages...");
        Ok(())
    }

    fn heard(&mut self, message: &Message) -> Result<(), ClientError> {
        if let Some(update) = update(message) {
            self.log.log(Priority::Notice, update);
            return Ok(());
        }
        self.heard = self.heard.saturating_add(1);
        let kind = message.kind().unwrap_or("?");
        let source = message.text("src").unwrap_or("?");
        self.log.log(
            Priority::Notice,
            format!(
                "Got message {} of type [{kind}] from [{source}]",
                self.heard
            ),
        );
        if kind != "ping" {
            return Ok(());
        }
        let mut reply = Message::new();
        reply.push("t", "pingreply");
        for number in 0..REPLIES {
            self.client.send_to_node(source, &reply)?;
            self.log.log(
                Priority::Info,
                format!("Sent ping reply({number}) to [{source}]"),
            );
        }
        Ok(())
    }
}

/// What a message about a node, link or client says (`client-api.md` 4.2).
fn update(message: &Message) -> Option<String> {
    let text = |field| message.text(field).unwrap_or("?");
    let kind = message.kind()?.to_ascii_lowercase();
    Some(match kind.as_str() {
        "status" | "ns_st" => format!(
            "Status update: Node {} now has status {}",
            text("src"),
            text("st")
        ),
        "ifstat" => format!(
            "Link Status update: Link {}/{} now has status {}",
            text("node"),
            text("ifname"),
            text("st")
        ),
        "hbapi-clstat" => format!(
            "Status update: Client {}/{} now has status [{}]",
            text("src"),
            text("from_id"),
            text("st")
        ),
        "respond-cstatus" => format!(
            "Status update: Client {}/{} now has status [{}]",
            text("src"),
            text("cn"),
            text("cs")
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(fields: &[(&str, &str)]) -> Message {
        let mut message = Message::new();
        for (name, value) in fields {
            message.push(name, value);
        }
        message
    }

    #[test]
    fn what_is_told_of_what_is_heard() {
        for (fields, line) in [
            (
                &[("t", "status"), ("st", "dead"), ("src", "nodeb")][..],
                "Status update: Node nodeb now has status dead",
            ),
            (
                &[("t", "NS_st"), ("st", "ping"), ("src", "10.0.0.9")],
                "Status update: Node 10.0.0.9 now has status ping",
            ),
            (
                &[
                    ("t", "ifstat"),
                    ("node", "nodeb"),
                    ("ifname", "eth0"),
                    ("st", "up"),
                ],
                "Link Status update: Link nodeb/eth0 now has status up",
            ),
            (
                &[
                    ("t", "hbapi-clstat"),
                    ("st", "leave"),
                    ("from_id", "ping"),
                    ("src", "nodeb"),
                ],
                "Status update: Client nodeb/ping now has status [leave]",
            ),
            (
                &[
                    ("t", "respond-cstatus"),
                    ("cn", "ping"),
                    ("cs", "offline"),
                    ("src", "nodeb"),
                ],
                "Status update: Client nodeb/ping now has status [offline]",
            ),
        ] {
            assert_eq!(update(&message(fields)).as_deref(), Some(line));
        }
        assert_eq!(update(&message(&[("t", "pingreply")])), None);
    }
}
