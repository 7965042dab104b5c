//! A crowd of local clients that do everything wrong, in one process of a host.
//!
//! The helper obeys one word per line and answers each with one line when it is done. Everything that it has opened
//! stays open until it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::error::Doing;
use crate::helper::{MARKER, Options};
use crate::{Host, LabError, Result};

/// The word before each body.
const MAGIC: u32 = 0xabcd;

/// Octets in a message of the flood.
const FLOOD_TEXT: usize = 3000;

/// How long the flood goes on when nobody is cut off.
const FLOOD_LIMIT: Duration = Duration::from_secs(20);

/// A running crowd.
pub struct Crowd {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Host {
    /// Starts a crowd on this host; nothing is connected yet.
    ///
    /// # Errors
    /// When the helper cannot be started.
    pub fn crowd(&self) -> Result<Crowd> {
        let exe = std::env::current_exe().doing(|| "path of this program".into())?;
        let mut process = self
            .lab()
            .nsenter(self.pid()?, &["-n", "-p"])
            .arg(exe)
            .args([MARKER, "crowd"])
            .arg(format!("dir=/proc/{}/root/run/heartbeat", self.pid()?))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .doing(|| "starting a crowd".into())?;
        let missing = || LabError::unexpected("no pipe to the crowd");
        Ok(Crowd {
            stdin: process.stdin.take().ok_or_else(missing)?,
            stdout: BufReader::new(process.stdout.take().ok_or_else(missing)?),
            process,
        })
    }
}

impl Crowd {
    /// Connects so often, and says how many connections there are.
    ///
    /// # Errors
    /// When the helper fails.
    pub fn connect(&mut self, count: usize) -> Result<usize> {
        self.order(&format!("connect {count}"))
    }

    /// Each tenth connection goes wrong in its own way, or is the beginning of a flood. How many could say their line.
    ///
    /// # Errors
    /// When the helper fails.
    pub fn misbehave(&mut self) -> Result<usize> {
        self.order("misbehave")
    }

    /// Those who have signed on send messages to themselves as fast as they can and read none, until all are cut off.
    /// How many were not, after a while.
    ///
    /// # Errors
    /// When the helper fails.
    pub fn flood(&mut self) -> Result<usize> {
        self.order("flood")
    }

    /// How many connections are still open.
    ///
    /// # Errors
    /// When the helper fails.
    pub fn open(&mut self) -> Result<usize> {
        self.order("open")
    }

    fn order(&mut self, order: &str) -> Result<usize> {
        writeln!(self.stdin, "{order}").doing(|| format!("telling the crowd to {order}"))?;
        let mut line = String::new();
        self.stdout
            .read_line(&mut line)
            .doing(|| format!("waiting for the crowd to {order}"))?;
        let number = line.trim_end().parse();
        number.map_err(|_| LabError::unexpected(format!("the crowd should {order}, says {line:?}")))
    }

    /// Everybody goes at once.
    ///
    /// # Errors
    /// When the helper does not end.
    pub fn leave(mut self) -> Result<()> {
        drop(self.stdin);
        self.process.wait().doing(|| "the crowd's end".into())?;
        Ok(())
    }
}

/// The helper process.
pub(crate) fn run(options: &Options) -> Result<()> {
    let dir = options.get("dir")?;
    std::env::set_current_dir(dir).doing(|| dir.to_owned())?;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).doing(|| "getrlimit".into())?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).doing(|| "setrlimit".into())?;
    let mut members = Members(Vec::new());
    for line in std::io::stdin().lines() {
        let line = line.doing(|| "reading an order".into())?;
        let mut words = line.split(' ');
        let number = match (words.next(), words.next()) {
            (Some("connect"), Some(count)) => members.connect(count.parse().unwrap_or(0))?,
            (Some("misbehave"), None) => members.misbehave(),
            (Some("flood"), None) => members.flood(),
            (Some("open"), None) => members.open(),
            _ => return Err(LabError::unexpected(format!("order {line:?}"))),
        };
        println!("{number}");
    }
    Ok(())
}

struct Member {
    stream: UnixStream,
    /// It never reads; whether it has been cut off shows when it says something.
    blind: bool,
    /// It floods, and what is left of the message that it is sending.
    flood: Option<Vec<u8>>,
}

struct Members(Vec<Member>);

impl Members {
    fn connect(&mut self, count: usize) -> Result<usize> {
        for _ in 0..count {
            let stream = UnixStream::connect("register").doing(|| "register".into())?;
            stream
                .set_nonblocking(true)
                .doing(|| "nonblocking".into())?;
            self.0.push(Member {
                stream,
                blind: false,
                flood: None,
            });
        }
        Ok(self.0.len())
    }

    fn misbehave(&mut self) -> usize {
        let mut said = 0;
        for (number, member) in self.0.iter_mut().enumerate() {
            let name = format!("crowd{number}");
            member.blind = number % 10 >= 8;
            let octets = match number % 10 {
                // Says nothing at all.
                0 => Vec::new(),
                // Speaks another language.
                1 => b"GET / HTTP/1.0\r\n\r\n".to_vec(),
                // Heads that no frame can have.
                2 => head(-1),
                3 => head(300_000),
                // Never finishes a large frame.
                4 => [head(200_000), vec![b'x'; 150_000]].concat(),
                // A name that is not for it, and a process that does not exist.
                5 => sign_on("ccm", std::process::id()),
                6 => sign_on(&name, 4_000_000),
                // Signs on and hangs up in the middle of the next frame.
                7 => {
                    let mut octets = sign_on(&name, std::process::id());
                    octets.extend([head(100), b"half".to_vec()].concat());
                    octets
                }
                // Wants to see everything and never looks.
                8 => {
                    let filter = request(&name, std::process::id(), "setfilter", "fmask=3f\n");
                    [sign_on(&name, std::process::id()), filter].concat()
                }
                _ => {
                    member.flood = Some(Vec::new());
                    sign_on(&name, std::process::id())
                }
            };
            said += usize::from(say(&mut member.stream, &octets));
            if number % 10 == 7 {
                let _ = member.stream.shutdown(std::net::Shutdown::Both);
            }
        }
        said
    }

    fn flood(&mut self) -> usize {
        let text = format!("t=crowdtest\ntext={}\n", "x".repeat(FLOOD_TEXT));
        let message = frame(&text);
        let end = Instant::now() + FLOOD_LIMIT;
        loop {
            let mut left = 0;
            for member in self.0.iter_mut() {
                let Some(rest) = member.flood.as_mut() else {
                    continue;
                };
                if rest.is_empty() {
                    rest.extend_from_slice(&message);
                }
                match member.stream.write(rest) {
                    Ok(count) => drop(rest.drain(..count)),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => {
                        member.flood = None;
                        continue;
                    }
                }
                left += 1;
            }
            if left == 0 || Instant::now() >= end {
                // From now on everybody looks, to find out who is still connected.
                self.0.iter_mut().for_each(|member| member.blind = false);
                return left;
            }
            // The other node has to get a turn on this machine, too.
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Reads away what was said, and counts who is still connected.
    fn open(&mut self) -> usize {
        let mut buffer = vec![0; 65_536];
        self.0.retain_mut(|member| {
            if member.blind {
                return true;
            }
            loop {
                match member.stream.read(&mut buffer) {
                    Ok(0) => return false,
                    Ok(_) => {}
                    Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
                }
            }
        });
        self.0.len()
    }
}

/// Says all of it, unless the daemon has had enough.
fn say(stream: &mut UnixStream, mut octets: &[u8]) -> bool {
    let end = Instant::now() + Duration::from_secs(5);
    while !octets.is_empty() {
        match stream.write(octets) {
            Ok(count) => octets = octets.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if Instant::now() >= end {
                    return false;
                }
                thread::sleep(Duration::from_millis(1));
            }
            Err(_) => return false,
        }
    }
    true
}

fn head(length: i32) -> Vec<u8> {
    [length.to_ne_bytes(), MAGIC.to_ne_bytes()].concat()
}

fn frame(fields: &str) -> Vec<u8> {
    let body = format!(">>>\n{fields}<<<\n\0");
    let length = i32::try_from(body.len()).unwrap_or(i32::MAX);
    [head(length), body.into_bytes()].concat()
}

fn request(name: &str, pid: u32, kind: &str, more: &str) -> Vec<u8> {
    frame(&format!(
        "t=hbapi-req\nreqtype={kind}\ndest=here\npid={pid}\nfrom_id={name}\n{more}"
    ))
}

fn sign_on(name: &str, pid: u32) -> Vec<u8> {
    request(name, pid, "signon", "uid=0\ngid=0\n")
}
