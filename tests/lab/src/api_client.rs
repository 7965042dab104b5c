//! A bare client of the daemon's local API, for tests that must not share a library with the daemon.
//!
//! It knows three things and no more: the eight octets before a body, the shape of a body, and the five fields with
//! which every request begins. What a message means is the test's business. The process that holds the connection is a
//! helper with a pid of the host, because the daemon compares the pid that a client tells with the one that the kernel
//! tells; it only copies octets, so that a test may also send what is no message.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};

use crate::error::Doing;
use crate::helper::{MARKER, Options};
use crate::recorder::wait_for_the_end;
use crate::{Host, LabError, Result};

/// The octets before a body: its length and the magic, both in the order of the machine.
const HEAD: usize = 8;
const MAGIC: u32 = 0xabcd;

/// No frame of a daemon is longer; a longer one is an error of the daemon.
const BODY_MAX: usize = 262_144;

/// How long a daemon may take to close a connection whose far end has said that it is over.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);

/// Fields whose values differ from run to run.
const VARYING: [&str; 10] = [
    "seq",
    "hg",
    "ts",
    "ld",
    "auth",
    "client_gen",
    "(1)srcuuid",
    "(1)destuuid",
    "(1)queryuuid",
    "hbversion",
];

/// A message of the local API: fields in order.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiMessage(Vec<(String, String)>);

impl ApiMessage {
    /// A message with these fields.
    pub fn new(fields: &[(&str, &str)]) -> Self {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        ApiMessage(fields.iter().map(owned).collect())
    }

    /// The value of the first field with this name; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// The value of the first field with this name.
    pub fn find(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The octets of the body, with the final NUL.
    pub fn body(&self) -> Vec<u8> {
        let mut text = String::from(">>>\n");
        for (name, value) in &self.0 {
            let _ = writeln!(text, "{name}={value}");
        }
        text.push_str("<<<\n\0");
        text.into_bytes()
    }

    /// Reads a body; an error names what is wrong with it.
    fn parse(body: &[u8]) -> Result<Self> {
        let bad =
            |why: &str| LabError::unexpected(format!("{why}: {:?}", String::from_utf8_lossy(body)));
        let text = std::str::from_utf8(body).map_err(|_| bad("not text"))?;
        let fields = text
            .strip_prefix(">>>\n")
            .and_then(|rest| rest.strip_suffix("<<<\n\0"))
            .ok_or_else(|| bad("not framed like a message"))?;
        let split = |line: &str| {
            let (name, value) = line.split_once('=').ok_or_else(|| bad("no ="))?;
            Ok((name.to_owned(), value.to_owned()))
        };
        fields.lines().map(split).collect::<Result<_>>().map(Self)
    }
}

/// On one line, what differs from run to run as a star: `t=hbapi-clstat, st=join, client_gen=*`.
impl fmt::Display for ApiMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let varies = VARYING.contains(&name.as_str());
            write!(
                f,
                "{separator}{name}={}",
                if varies { "*" } else { value.as_str() }
            )?;
        }
        Ok(())
    }
}

impl fmt::Debug for ApiMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, value)| format!("{name}={value}")))
            .finish()
    }
}

/// One connection to the daemon's registration socket. Dropping it closes the connection without a word.
pub struct ApiClient {
    process: Child,
    stdin: Option<ChildStdin>,
    inbox: Receiver<Result<ApiMessage>>,
    held: VecDeque<ApiMessage>,
    /// Its pid on the host.
    pid: u32,
    ids: (u32, u32),
    name: String,
    node: String,
}

impl Host {
    /// Connects to the daemon as root.
    ///
    /// # Errors
    /// When the helper cannot be started or the daemon does not listen.
    pub fn api_client(&self, name: &str) -> Result<ApiClient> {
        self.api_client_as(name, 0, 0)
    }

    /// Connects to the daemon with these ids and no others. An empty name makes a casual client.
    ///
    /// # Errors
    /// As [`Host::api_client`].
    pub fn api_client_as(&self, name: &str, uid: u32, gid: u32) -> Result<ApiClient> {
        let exe = std::env::current_exe().doing(|| "path of this program".into())?;
        let mut process = self
            .lab()
            .nsenter(self.pid()?, &["-n", "-p"])
            .arg(exe)
            .args([MARKER, "api-client"])
            .arg(format!("dir=/proc/{}/root/run/heartbeat", self.pid()?))
            .args([format!("uid={uid}"), format!("gid={gid}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .doing(|| "starting an API client".into())?;
        let stdout = process.stdout.take();
        let mut stdout = BufReader::new(stdout.ok_or_else(|| LabError::unexpected("no pipe"))?);
        let mut line = String::new();
        stdout
            .read_line(&mut line)
            .doing(|| "reading an API client's first line".into())?;
        let Ok(pid) = line.trim_end().parse::<u32>() else {
            let _ = process.wait();
            return Err(LabError::unexpected(format!(
                "on {}: no connection to the daemon: {}",
                self.name(),
                line.trim_end()
            )));
        };
        let (sender, inbox) = mpsc::channel();
        thread::spawn(move || {
            while let Some(message) = read_frame(&mut stdout).transpose() {
                let over = message.is_err();
                if sender.send(message).is_err() || over {
                    return;
                }
            }
        });
        Ok(ApiClient {
            stdin: process.stdin.take(),
            process,
            inbox,
            held: VecDeque::new(),
            pid,
            ids: (uid, gid),
            name: if name.is_empty() {
                pid.to_string()
            } else {
                name.to_owned()
            },
            node: self.name().to_owned(),
        })
    }
}

impl ApiClient {
    /// Its pid on the host.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends octets as they are.
    ///
    /// # Errors
    /// When the helper is gone.
    pub fn send_octets(&mut self, octets: &[u8]) -> Result<()> {
        let Some(stdin) = self.stdin.as_mut() else {
            return Err(LabError::unexpected("the connection is closed"));
        };
        stdin
            .write_all(octets)
            .and_then(|()| stdin.flush())
            .doing(|| format!("sending as client {}", self.name))
    }

    /// Sends one frame with any body.
    ///
    /// # Errors
    /// As [`ApiClient::send_octets`].
    pub fn send_body(&mut self, body: &[u8]) -> Result<()> {
        self.send_octets(&frame(body))
    }

    /// Sends a message.
    ///
    /// # Errors
    /// As [`ApiClient::send_octets`].
    pub fn send(&mut self, fields: &[(&str, &str)]) -> Result<()> {
        self.send_body(&ApiMessage::new(fields).body())
    }

    /// Sends a request: the five fields that lead every request, then these.
    ///
    /// # Errors
    /// As [`ApiClient::send_octets`].
    pub fn request(&mut self, kind: &str, more: &[(&str, &str)]) -> Result<()> {
        let (pid, name, node) = (self.pid.to_string(), self.name.clone(), self.node.clone());
        let mut fields = vec![
            ("t", "hbapi-req"),
            ("reqtype", kind),
            ("dest", &node),
            ("pid", &pid),
            ("from_id", &name),
        ];
        fields.extend_from_slice(more);
        self.send(&fields)
    }

    /// Asks to be signed on, with its true ids; the answer is left to be read.
    ///
    /// # Errors
    /// As [`ApiClient::send_octets`].
    pub fn request_signon(&mut self) -> Result<()> {
        let (uid, gid) = (self.ids.0.to_string(), self.ids.1.to_string());
        self.request("signon", &[("uid", &uid), ("gid", &gid)])
    }

    /// The next message; `None` when the daemon has closed the connection.
    ///
    /// # Errors
    /// When nothing comes in time, or no message.
    pub fn receive(&mut self, limit: Duration) -> Result<Option<ApiMessage>> {
        if let Some(message) = self.held.pop_front() {
            return Ok(Some(message));
        }
        match self.inbox.recv_timeout(limit) {
            Ok(message) => message.map(Some),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(LabError::Timeout(
                format!("a message for client {}", self.name),
                limit,
            )),
        }
    }

    /// The next message of type `hbapi-resp`; all others that came before it are kept for [`ApiClient::receive`].
    ///
    /// # Errors
    /// When none comes in time, or the connection ends.
    pub fn answer(&mut self, limit: Duration) -> Result<ApiMessage> {
        let end = Instant::now() + limit;
        let mut passed = VecDeque::new();
        let found = loop {
            match self.receive(end.saturating_duration_since(Instant::now()))? {
                Some(message) if message.get("t") == "hbapi-resp" => break message,
                Some(other) => passed.push_back(other),
                None => return Err(LabError::unexpected("closed instead of answered")),
            }
        };
        passed.append(&mut self.held);
        self.held = passed;
        Ok(found)
    }

    /// All that has come so far and was not read yet.
    pub fn waiting(&mut self) -> Vec<ApiMessage> {
        let mut all = Vec::from(std::mem::take(&mut self.held));
        all.extend(self.inbox.try_iter().map_while(Result::ok));
        all
    }

    /// Closes the connection without a word.
    pub fn close(&mut self) {
        self.stdin = None;
        let _ = self.process.wait();
    }
}

impl Drop for ApiClient {
    fn drop(&mut self) {
        self.close();
    }
}

/// A body with its head.
fn frame(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&length.to_ne_bytes(), &MAGIC.to_ne_bytes(), body].concat()
}

/// Reads one frame; `None` at the end of the stream.
fn read_frame(stream: &mut BufReader<ChildStdout>) -> Result<Option<ApiMessage>> {
    let mut head = [0; HEAD];
    if stream.read_exact(&mut head).is_err() {
        return Ok(None);
    }
    let [a, b, c, d, e, f, g, h] = head;
    let length = usize::try_from(u32::from_ne_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    if u32::from_ne_bytes([e, f, g, h]) != MAGIC || length > BODY_MAX {
        return Err(LabError::unexpected(format!(
            "the daemon sent a frame with the head {head:02x?}"
        )));
    }
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).is_err() {
        return Err(LabError::unexpected("the daemon closed within a frame"));
    }
    ApiMessage::parse(&body).map(Some)
}

/// The helper process: takes its ids, connects, and copies both ways until either side ends.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut stdout = std::io::stdout();
    let mut socket = match connect(options) {
        Ok(socket) => socket,
        Err(error) => {
            println!("{error}");
            return Ok(());
        }
    };
    writeln!(stdout, "{}", std::process::id()).doing(|| "telling the pid".into())?;
    let mut sending = socket.try_clone().doing(|| "dup".into())?;
    if options.given("stalled").is_some() {
        wait_for_the_end();
        return Ok(());
    }
    thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut sending);
        wait_for_the_end();
        // Nothing more will be said. The daemon closes when it reads that, and only then this process ends: were it gone
        // before, the daemon would sometimes find a dead process instead of the end of a connection.
        let _ = sending.shutdown(Shutdown::Write);
        thread::sleep(CLOSE_LIMIT);
        std::process::exit(0);
    });
    let mut buffer = vec![0; 65_536];
    while let Ok(count) = socket.read(&mut buffer) {
        let Some(octets) = buffer.get(..count).filter(|octets| !octets.is_empty()) else {
            break;
        };
        if stdout
            .write_all(octets)
            .and_then(|()| stdout.flush())
            .is_err()
        {
            break;
        }
    }
    Ok(())
}

/// Connects as a user of the host: the directory is entered as root, searched as that user.
fn connect(options: &Options) -> Result<UnixStream> {
    let (uid, gid) = (options.number("uid")?, options.number("gid")?);
    let dir = options.get("dir")?;
    std::env::set_current_dir(dir).doing(|| dir.to_owned())?;
    if (uid, gid) != (0, 0) {
        setgroups(&[]).doing(|| "setgroups".into())?;
        setgid(Gid::from_raw(gid)).doing(|| "setgid".into())?;
        setuid(Uid::from_raw(uid)).doing(|| "setuid".into())?;
    }
    UnixStream::connect("register").doing(|| "register".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_back() {
        let message = ApiMessage::new(&[("t", "hbapi-resp"), ("site", ""), ("seq", "1f")]);
        assert_eq!(message.body(), b">>>\nt=hbapi-resp\nsite=\nseq=1f\n<<<\n\0");
        assert_eq!(ApiMessage::parse(&message.body()).unwrap(), message);
        assert_eq!(message.to_string(), "t=hbapi-resp, site=, seq=*");
    }

    #[test]
    fn what_is_no_message_is_named() {
        for body in [
            &b""[..],
            b"garbage\0",
            b">>>\nt\n<<<\n\0",
            b">>>\nt=x\n<<<\n",
        ] {
            assert!(ApiMessage::parse(body).is_err(), "{body:?}");
        }
    }
}
