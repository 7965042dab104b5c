//! `use_apphbd`: `apphbd` watches the main loop (`client-api.md` 10; texts and times as 3.0.6 shows them).
//!
//! Nothing here waits: what the monitor answers is read at the next sign of life. The legacy gives up for good when the
//! monitor is not there or ends; we look for it again.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use ha_ipc::channel::Channel;
use ha_sys::log::{Priority, connect_now};
use ha_sys::{errno_text, process};
use ha_wire::apphb::Request;

const NAME: &str = "heartbeat";
const INSTANCE: &str = "master_control_process";

/// When a monitor that is not there, or does not answer, is looked for again.
const PAUSE: Duration = Duration::from_secs(30);

const ECONNRESET: i32 = 104;
const ETIMEDOUT: i32 = 110;
const EBADMSG: i32 = 74;

/// What the monitor is told of us.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// Where it listens.
    pub(crate) socket: PathBuf,
    /// Time between two signs of life.
    pub(crate) every: Duration,
    /// Silence that it shall remark.
    pub(crate) warning: Duration,
    /// Silence that it shall take for our death.
    pub(crate) interval: Duration,
}

/// Our registration, or the search for somebody to register with.
pub(crate) struct Watched {
    terms: Terms,
    registration: Option<Registration>,
    /// That there is no monitor has been said.
    complained: bool,
}

struct Registration {
    channel: Channel,
    /// The time at which an answer is missing; none once we are registered.
    answer_due: Option<Duration>,
}

/// Why nobody watches us.
#[derive(Debug)]
enum Trouble {
    Register(io::Error),
    Beat(io::Error),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Register(error) => {
                write!(f, "Unable to register with apphbd.: {}", errno_text(error))
            }
            Trouble::Beat(error) => write!(f, "apphb_hb() failed.: {}", errno_text(error)),
        }
    }
}

impl Watched {
    pub(crate) fn new(terms: Terms) -> Watched {
        Watched {
            terms,
            registration: None,
            complained: false,
        }
    }

    /// A sign of life, or a step towards the registration. What to log, and after which time to come again.
    pub(crate) fn beat(&mut self, now: Duration) -> (Option<(Priority, String)>, Duration) {
        let done = match &mut self.registration {
            Some(registration) => registration.beat(now),
            None => Registration::ask(&self.terms, now).map(|asked| {
                self.registration = Some(asked);
                false
            }),
        };
        match done {
            Ok(registered) => {
                let news = registered.then(|| {
                    self.complained = false;
                    let text = format!("Registered with apphbd as {NAME}/{INSTANCE}.");
                    (Priority::Info, text)
                });
                (news, self.terms.every)
            }
            Err(trouble) => {
                self.registration = None;
                let first = !std::mem::replace(&mut self.complained, true);
                let news = first.then(|| (Priority::Error, trouble.to_string()));
                (news, PAUSE)
            }
        }
    }
}

impl Registration {
    fn ask(terms: &Terms, now: Duration) -> Result<Registration, Trouble> {
        let connect = || Channel::new(connect_now(&terms.socket)?);
        let mut registration = Registration {
            channel: connect().map_err(Trouble::Register)?,
            answer_due: Some(now + PAUSE),
        };
        let pid = std::process::id();
        for request in [
            Request::Register {
                name: NAME.into(),
                instance: INSTANCE.into(),
                directory: std::env::current_dir()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                pid,
                uid: process::effective_user(pid).unwrap_or(0),
            },
            Request::Interval(milliseconds(terms.interval)),
            Request::Warning(milliseconds(terms.warning)),
        ] {
            registration.send(&request).map_err(Trouble::Register)?;
        }
        Ok(registration)
    }

    /// True if we have just been registered.
    fn beat(&mut self, now: Duration) -> Result<bool, Trouble> {
        let registered = self.read_answers().map_err(|error| self.trouble(error))?;
        match self.answer_due {
            None => self.send(&Request::Beat).map_err(Trouble::Beat)?,
            Some(due) if now >= due => {
                let error = io::Error::from_raw_os_error(ETIMEDOUT);
                return Err(Trouble::Register(error));
            }
            Some(_) => self
                .channel
                .flush()
                .map_err(closed)
                .map_err(Trouble::Register)?,
        }
        Ok(registered)
    }

    /// Each answer is an errno; the first is about the registration itself.
    fn read_answers(&mut self) -> io::Result<bool> {
        let mut registered = false;
        while let Some(answer) = self.channel.receive().map_err(closed)? {
            match answer
                .first_chunk()
                .map(|octets| i32::from_ne_bytes(*octets))
            {
                Some(0) => registered |= self.answer_due.take().is_some(),
                Some(errno) => return Err(io::Error::from_raw_os_error(errno)),
                None => return Err(io::Error::from_raw_os_error(EBADMSG)),
            }
        }
        Ok(registered)
    }

    fn send(&mut self, request: &Request) -> io::Result<()> {
        self.channel.send(&request.encode()).map_err(closed)
    }

    fn trouble(&self, error: io::Error) -> Trouble {
        match self.answer_due {
            Some(_) => Trouble::Register(error),
            None => Trouble::Beat(error),
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Without these words the monitor would say that we hung up. It does no harm if they get lost.
        let _ = self.send(&Request::Unregister);
    }
}

/// Whatever ends a connection, in the system's words.
fn closed<T>(_: T) -> io::Error {
    io::Error::from_raw_os_error(ECONNRESET)
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn second(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    /// A monitor's socket in a directory of its own.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Place {
            let name = format!("apphbd-{name}-{}", std::process::id());
            let directory = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&directory).unwrap();
            Place(directory)
        }

        fn terms(&self) -> Terms {
            Terms {
                socket: self.0.join("comm"),
                every: second(1),
                warning: second(5),
                interval: second(10),
            }
        }

        fn monitor(&self) -> UnixListener {
            let _ = std::fs::remove_file(self.0.join("comm"));
            UnixListener::bind(self.0.join("comm")).unwrap()
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn accept(listener: &UnixListener) -> Channel {
        Channel::new(listener.accept().unwrap().0).unwrap()
    }

    fn heard(channel: &mut Channel) -> Vec<Request> {
        let mut requests = Vec::new();
        while let Ok(Some(body)) = channel.receive() {
            requests.extend(Request::decode(body));
        }
        requests
    }

    fn answer(channel: &mut Channel, code: i32) {
        channel.send(&code.to_ne_bytes()).unwrap();
    }

    fn text(news: Option<(Priority, String)>) -> String {
        news.map(|(_, text)| text).unwrap_or_default()
    }

    #[test]
    fn registers_beats_and_takes_leave() {
        let place = Place::new("registers");
        let listener = place.monitor();
        let mut watched = Watched::new(place.terms());
        assert_eq!(watched.beat(second(0)), (None, second(1)));
        let mut monitor = accept(&listener);
        let requests = heard(&mut monitor);
        assert!(matches!(
            requests.as_slice(),
            [Request::Register { name, instance, pid, .. }, Request::Interval(10_000), Request::Warning(5000)]
                if name == NAME && instance == INSTANCE && *pid == std::process::id()
        ));
        // Not before it is answered.
        assert_eq!(watched.beat(second(1)), (None, second(1)));
        assert_eq!(heard(&mut monitor), []);
        for _ in 0..3 {
            answer(&mut monitor, 0);
        }
        let said = text(watched.beat(second(2)).0);
        assert_eq!(
            said,
            "Registered with apphbd as heartbeat/master_control_process."
        );
        assert_eq!(watched.beat(second(3)), (None, second(1)));
        assert_eq!(heard(&mut monitor), [Request::Beat, Request::Beat]);
        drop(watched);
        assert_eq!(heard(&mut monitor), [Request::Unregister]);
    }

    #[test]
    fn a_monitor_that_is_missing_is_told_once_and_found_again() {
        let place = Place::new("missing");
        let mut watched = Watched::new(place.terms());
        let (news, pause) = watched.beat(second(0));
        assert!(text(news).starts_with("Unable to register with apphbd.: "));
        assert_eq!(pause, PAUSE);
        assert_eq!(watched.beat(second(30)), (None, PAUSE));
        let listener = place.monitor();
        watched.beat(second(60));
        let mut monitor = accept(&listener);
        answer(&mut monitor, 0);
        assert!(text(watched.beat(second(61)).0).starts_with("Registered "));
        // It ends: said, and looked for again.
        drop((monitor, listener));
        let (news, pause) = watched.beat(second(62));
        assert_eq!(text(news), "apphb_hb() failed.: Connection reset by peer");
        assert_eq!(pause, PAUSE);
        let listener = place.monitor();
        watched.beat(second(92));
        answer(&mut accept(&listener), 0);
    }

    #[test]
    fn a_monitor_that_refuses_or_never_answers() {
        let place = Place::new("refuses");
        let listener = place.monitor();
        let mut watched = Watched::new(place.terms());
        watched.beat(second(0));
        let mut monitor = accept(&listener);
        answer(&mut monitor, 17);
        let (news, pause) = watched.beat(second(1));
        assert_eq!(text(news), "Unable to register with apphbd.: File exists");
        assert_eq!(pause, PAUSE);
        let mut silent = Watched::new(place.terms());
        silent.beat(second(0));
        let _stopped = accept(&listener);
        assert_eq!(silent.beat(second(29)), (None, second(1)));
        let (news, _) = silent.beat(second(30));
        assert_eq!(
            text(news),
            "Unable to register with apphbd.: Connection timed out"
        );
    }
}
