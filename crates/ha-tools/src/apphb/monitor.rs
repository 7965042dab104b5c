//! Who is watched, and who has been silent for too long. No socket, no clock.

use std::collections::BTreeMap;
use std::time::Duration;

use ha_sys::log::Priority;
use ha_wire::apphb::Request;

const EPERM: i32 = 1;
const ESRCH: i32 = 3;
const EEXIST: i32 = 17;
const EINVAL: i32 = 22;

/// What the monitor wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Write this.
    Log(Priority, String),
    /// Answer this connection.
    Reply(u64, i32),
    /// Close this connection.
    Close(u64),
    /// Restart the machine.
    Reboot,
}

/// Who is at the other end of a connection, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) pid: u32,
    pub(super) uid: u32,
}

/// An application that is watched.
#[derive(Debug)]
struct Watched {
    name: String,
    instance: String,
    interval: Option<Duration>,
    warning: Option<Duration>,
    boot: bool,
    last: Duration,
    missing: bool,
}

#[derive(Debug)]
struct Connection {
    peer: Peer,
    watched: Option<Watched>,
}

impl Connection {
    /// As log lines name it.
    fn label(&self) -> Option<String> {
        let watched = self.watched.as_ref()?;
        let (name, instance, pid) = (&watched.name, &watched.instance, self.peer.pid);
        Some(format!("apphb client '{name}' / '{instance}' (pid {pid})"))
    }
}

/// All connections.
#[derive(Debug, Default)]
pub(super) struct Monitor {
    connections: BTreeMap<u64, Connection>,
    acts: Vec<Act>,
}

impl Monitor {
    /// How many are connected.
    pub(super) fn count(&self) -> usize {
        self.connections.len()
    }

    /// What is to be done since the last call, in order.
    pub(super) fn take_acts(&mut self) -> Vec<Act> {
        std::mem::take(&mut self.acts)
    }

    /// When [`Monitor::look`] has something to find.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.connections
            .values()
            .filter_map(|connection| due(connection.watched.as_ref()?))
            .min()
    }

    /// Somebody has connected.
    pub(super) fn connected(&mut self, id: u64, peer: Peer) {
        let connection = Connection {
            peer,
            watched: None,
        };
        self.connections.insert(id, connection);
    }

    /// The connection is gone without a farewell.
    pub(super) fn hung_up(&mut self, id: u64) {
        if let Some(label) = self.connections.get(&id).and_then(Connection::label) {
            self.log(Priority::Warn, format!("{label} hangup"));
        }
        self.remove(id);
    }

    /// A message has come.
    pub(super) fn heard(&mut self, now: Duration, id: u64, body: &[u8]) {
        let Some(request) = Request::decode(body) else {
            return;
        };
        if request == Request::Beat {
            self.beat(now, id);
            return;
        }
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let ended = request == Request::Unregister && connection.watched.is_some();
        let code = answer(connection, now, request);
        self.acts.push(Act::Reply(id, code));
        if ended {
            self.remove(id);
            self.acts.push(Act::Close(id));
        }
    }

    /// Finds who has been silent for too long.
    pub(super) fn look(&mut self, now: Duration) {
        let mut acts = Vec::new();
        for connection in self.connections.values_mut() {
            let late = connection
                .watched
                .as_ref()
                .and_then(due)
                .is_some_and(|due| due <= now);
            let label = connection.label().filter(|_| late);
            if let (Some(label), Some(watched)) = (label, connection.watched.as_mut()) {
                watched.missing = true;
                if watched.boot {
                    let text = format!("Critical {label} failed to heartbeat");
                    acts.push(Act::Log(Priority::Emerg, text));
                    let text = format!("Rebooting system.  Reason: {}", watched.name);
                    acts.push(Act::Log(Priority::Emerg, text));
                    acts.push(Act::Reboot);
                } else {
                    acts.push(Act::Log(
                        Priority::Warn,
                        format!("{label} failed to heartbeat"),
                    ));
                }
            }
        }
        self.acts.append(&mut acts);
    }

    fn beat(&mut self, now: Duration, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let label = connection.label();
        let (Some(label), Some(watched)) = (label, connection.watched.as_mut()) else {
            return;
        };
        let silence = now.saturating_sub(watched.last);
        watched.last = now;
        let resumed = std::mem::take(&mut watched.missing);
        let late = resumed || watched.warning.is_some_and(|warning| silence > warning);
        if resumed {
            self.log(Priority::Info, format!("{label} resumed heartbeats"));
        }
        if late {
            let silence = silence.as_millis();
            self.log(
                Priority::Info,
                format!("{label} late heartbeat: {silence} ms"),
            );
        }
    }

    fn remove(&mut self, id: u64) {
        if let Some(connection) = self.connections.remove(&id)
            && connection.watched.is_some()
        {
            let pid = connection.peer.pid;
            self.log(
                Priority::Info,
                format!("apphb_client_remove: client: {pid}"),
            );
        }
    }

    fn log(&mut self, priority: Priority, text: String) {
        self.acts.push(Act::Log(priority, text));
    }
}

/// When an application that is not known to be silent has been silent for too long.
fn due(watched: &Watched) -> Option<Duration> {
    let interval = watched.interval.filter(|_| !watched.missing)?;
    Some(watched.last.saturating_add(interval))
}

/// Does what is asked; the answer is 0 or an errno.
fn answer(connection: &mut Connection, now: Duration, request: Request) -> i32 {
    let peer = connection.peer;
    let span = |ms: u64| (ms > 0).then(|| Duration::from_millis(ms));
    match (request, &mut connection.watched) {
        (Request::Unknown, _) => EINVAL,
        (Request::Register { .. }, Some(_)) => EEXIST,
        (Request::Register { pid, .. }, None) if pid != peer.pid => EINVAL,
        (Request::Register { name, instance, .. }, watched) => {
            *watched = Some(Watched {
                name,
                instance,
                // Until it says how long it may be silent, it may be so for ever.
                interval: None,
                warning: None,
                boot: false,
                last: now,
                missing: false,
            });
            0
        }
        (Request::Malformed, _) => EINVAL,
        (_, None) => ESRCH,
        (Request::Interval(ms), Some(watched)) => {
            watched.interval = span(ms);
            watched.last = now;
            0
        }
        (Request::Warning(ms), Some(watched)) => {
            watched.warning = span(ms);
            0
        }
        // Whoever may connect could restart the machine otherwise.
        (Request::Boot(true), Some(_)) if peer.uid != 0 => EPERM,
        (Request::Boot(boot), Some(watched)) => {
            watched.boot = boot;
            0
        }
        (Request::Unregister | Request::Beat, Some(_)) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: Peer = Peer { pid: 7, uid: 0 };

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    fn register(name: &str, pid: u32) -> Vec<u8> {
        Request::Register {
            name: name.into(),
            instance: "inst".into(),
            directory: "/".into(),
            pid,
            uid: 0,
        }
        .encode()
    }

    fn texts(monitor: &mut Monitor) -> Vec<String> {
        let acts = monitor.take_acts();
        acts.into_iter()
            .filter_map(|act| match act {
                Act::Log(_, text) => Some(text),
                _ => None,
            })
            .collect()
    }

    fn code(monitor: &mut Monitor, now: u64, body: &[u8]) -> Vec<Act> {
        monitor.heard(ms(now), 1, body);
        monitor.take_acts()
    }

    fn watched(interval: u64) -> Monitor {
        let mut monitor = Monitor::default();
        monitor.connected(1, ROOT);
        monitor.heard(ms(0), 1, &register("app", 7));
        monitor.heard(ms(0), 1, &Request::Interval(interval).encode());
        monitor.take_acts();
        monitor
    }

    /// The answers of 3.0.6's apphbd to the same messages.
    #[test]
    fn answers_are_those_of_the_legacy() {
        let mut monitor = Monitor::default();
        monitor.connected(1, ROOT);
        let reply = |code| vec![Act::Reply(1, code)];
        assert_eq!(
            code(&mut monitor, 0, &Request::Interval(9).encode()),
            reply(3)
        );
        assert_eq!(code(&mut monitor, 0, &Request::Beat.encode()), []);
        assert_eq!(code(&mut monitor, 0, b"xyz\0\0\0\0\0"), reply(22));
        assert_eq!(
            code(&mut monitor, 0, &Request::Unregister.encode()),
            reply(3)
        );
        assert_eq!(code(&mut monitor, 0, &register("app", 99999)), reply(22));
        assert_eq!(code(&mut monitor, 0, &register("", 7)), reply(22));
        assert_eq!(code(&mut monitor, 0, &register("app", 7)), reply(0));
        assert_eq!(code(&mut monitor, 0, &register("app", 7)), reply(17));
        for request in [
            Request::Interval(0),
            Request::Warning(200),
            Request::Boot(false),
        ] {
            assert_eq!(code(&mut monitor, 0, &request.encode()), reply(0));
        }
        assert_eq!(code(&mut monitor, 0, b"setint\0\0"), reply(22));
        assert_eq!(code(&mut monitor, 0, b"abc"), []);
        assert_eq!(
            code(&mut monitor, 0, &Request::Unregister.encode()),
            [
                Act::Reply(1, 0),
                Act::Log(Priority::Info, "apphb_client_remove: client: 7".into()),
                Act::Close(1)
            ]
        );
        assert_eq!(monitor.count(), 0);
    }

    #[test]
    fn silence_is_told_once_and_its_end_too() {
        let mut monitor = watched(300);
        assert_eq!(monitor.next_deadline(), Some(ms(300)));
        monitor.look(ms(299));
        assert!(texts(&mut monitor).is_empty());
        monitor.look(ms(300));
        monitor.look(ms(900));
        assert_eq!(
            texts(&mut monitor),
            ["apphb client 'app' / 'inst' (pid 7) failed to heartbeat"]
        );
        assert_eq!(monitor.next_deadline(), None);
        monitor.heard(ms(1000), 1, &Request::Beat.encode());
        assert_eq!(
            texts(&mut monitor),
            [
                "apphb client 'app' / 'inst' (pid 7) resumed heartbeats",
                "apphb client 'app' / 'inst' (pid 7) late heartbeat: 1000 ms"
            ]
        );
        assert_eq!(monitor.next_deadline(), Some(ms(1300)));
    }

    #[test]
    fn late_is_not_missing() {
        let mut monitor = watched(300);
        monitor.heard(ms(0), 1, &Request::Warning(200).encode());
        monitor.take_acts();
        monitor.heard(ms(200), 1, &Request::Beat.encode());
        assert!(texts(&mut monitor).is_empty());
        monitor.heard(ms(450), 1, &Request::Beat.encode());
        assert_eq!(
            texts(&mut monitor),
            ["apphb client 'app' / 'inst' (pid 7) late heartbeat: 250 ms"]
        );
    }

    #[test]
    fn only_root_may_have_the_machine_restarted() {
        let mut monitor = watched(300);
        assert_eq!(
            code(&mut monitor, 0, &Request::Boot(true).encode()),
            [Act::Reply(1, 0)]
        );
        monitor.look(ms(300));
        let acts = monitor.take_acts();
        assert_eq!(acts.last(), Some(&Act::Reboot));
        let text = "Critical apphb client 'app' / 'inst' (pid 7) failed to heartbeat";
        assert_eq!(acts.first(), Some(&Act::Log(Priority::Emerg, text.into())));

        monitor.connected(1, Peer { pid: 7, uid: 103 });
        monitor.heard(ms(0), 1, &register("app", 7));
        monitor.take_acts();
        assert_eq!(
            code(&mut monitor, 0, &Request::Boot(true).encode()),
            [Act::Reply(1, EPERM)]
        );
    }

    #[test]
    fn who_goes_without_a_word_is_told_about_if_he_was_watched() {
        let mut monitor = watched(300);
        monitor.connected(2, ROOT);
        monitor.hung_up(2);
        assert!(texts(&mut monitor).is_empty());
        monitor.hung_up(1);
        assert_eq!(
            texts(&mut monitor),
            [
                "apphb client 'app' / 'inst' (pid 7) hangup",
                "apphb_client_remove: client: 7"
            ]
        );
        assert_eq!(monitor.next_deadline(), None);
    }
}
