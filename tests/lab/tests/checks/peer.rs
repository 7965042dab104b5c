//! Peers that misbehave, inside the host's network.
//!
//! They are a second life of this program: it reads one line for each peer, `KIND`, the opening and the endless part
//! separated by [`SEPARATOR`] (with `\r` and `\n` spelt out), writes the port of each, and serves until its standard input
//! ends.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use ha_lab::{LabError, Result};
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};

use crate::site::Site;

const MARKER: &str = "--misbehave";
const SEPARATOR: char = '\x1f';

/// Between two bytes of a slow answer.
const DRIP: Duration = Duration::from_millis(50);

/// What a peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misdeed {
    /// Accepts and says nothing.
    Silent,
    /// Says the opening and nothing more.
    FallsSilent,
    /// Says the opening, then the endless part for ever, a byte every 50 ms.
    Drips,
    /// Says the opening and resets the connection.
    Resets,
    /// Says the opening, then the endless part for ever, as fast as it can.
    Endless,
    /// Datagrams: takes them and says nothing.
    SilentUdp,
    /// Datagrams: answers each with the opening, then the endless part, one byte a datagram every 50 ms.
    DripsUdp,
    /// Datagrams: answers each with the opening, then many with the endless part.
    EndlessUdp,
    /// ftp: begins a transfer and falls silent.
    FtpFallsSilent,
    /// ftp: resets the data connection in the middle.
    FtpResets,
    /// ftp: the file has no end.
    FtpEndless,
    /// ftp: agrees to connect to us, but does not; tells a wrong address for the way back, which works.
    FtpFirewalled,
}

const MISDEEDS: &[Misdeed] = &[
    Misdeed::Silent,
    Misdeed::FallsSilent,
    Misdeed::Drips,
    Misdeed::Resets,
    Misdeed::Endless,
    Misdeed::SilentUdp,
    Misdeed::DripsUdp,
    Misdeed::EndlessUdp,
    Misdeed::FtpFallsSilent,
    Misdeed::FtpResets,
    Misdeed::FtpEndless,
    Misdeed::FtpFirewalled,
];

/// One peer to be.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What it does.
    pub misdeed: Misdeed,
    /// The beginning of what it says; the beginning of the file for ftp.
    pub opening: &'static str,
    /// What it says again and again.
    pub endless: &'static str,
}

/// Running peers. Dropping it ends them.
pub struct Peers {
    process: Child,
    /// The port of each, in the order of the plans.
    pub ports: Vec<u16>,
}

/// Starts a peer for each plan on 127.0.0.1 of the site's host.
///
/// # Errors
/// When the process cannot be started.
pub fn start(site: &Site, plans: &[Plan]) -> Result<Peers> {
    let mut process = site
        .second_life(&[MARKER])?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| LabError::Io("starting peers".into(), error))?;
    let stdout = process.stdout.take();
    let mut peers = Peers {
        process,
        ports: Vec::new(),
    };
    if let Some(stdin) = &mut peers.process.stdin {
        for plan in plans {
            let _ = writeln!(stdin, "{}", line(plan));
        }
        let _ = writeln!(stdin);
    }
    let lines = BufReader::new(stdout.ok_or_else(|| LabError::unexpected("no pipe"))?).lines();
    peers.ports = lines
        .map_while(std::result::Result::ok)
        .map_while(|line| line.parse().ok())
        .take(plans.len())
        .collect();
    if peers.ports.len() == plans.len() {
        Ok(peers)
    } else {
        Err(LabError::unexpected("the peers did not start"))
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // They end when their standard input does.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn line(plan: &Plan) -> String {
    let number = MISDEEDS.iter().position(|misdeed| *misdeed == plan.misdeed);
    let spelt = |text: &str| text.replace('\r', "\\r").replace('\n', "\\n");
    format!(
        "{}{SEPARATOR}{}{SEPARATOR}{}",
        number.expect("all are listed"),
        spelt(plan.opening),
        spelt(plan.endless)
    )
}

/// Serves and exits if this process was started for it; returns at once otherwise.
pub fn run_if_peer() {
    if std::env::args().nth(1).as_deref() != Some(MARKER) {
        return;
    }
    let mut lines = std::io::stdin().lock().lines();
    for line in lines.by_ref().map_while(std::result::Result::ok) {
        if line.is_empty() {
            break;
        }
        println!("{}", serve(&line));
    }
    for _ in lines {}
    std::process::exit(0);
}

/// Starts one peer; its port.
fn serve(line: &str) -> u16 {
    let mut words = line.split(SEPARATOR);
    let misdeed = words
        .next()
        .and_then(|number| MISDEEDS.get(number.parse::<usize>().ok()?).copied())
        .expect("a known misdeed");
    let mut text = || {
        let text = words.next().expect("three words");
        text.replace("\\r", "\r").replace("\\n", "\n").into_bytes()
    };
    let (opening, endless) = (text(), text());
    if matches!(
        misdeed,
        Misdeed::SilentUdp | Misdeed::DripsUdp | Misdeed::EndlessUdp
    ) {
        return serve_datagrams(misdeed, opening, endless);
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for connection in listener.incoming().map_while(std::result::Result::ok) {
            let (opening, endless) = (opening.clone(), endless.clone());
            // The end of a connection is an error for a thread that writes to it, and ends it.
            thread::spawn(move || misbehave(misdeed, &connection, &opening, &endless));
        }
    });
    port
}

fn serve_datagrams(misdeed: Misdeed, opening: Vec<u8>, endless: Vec<u8>) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = socket.local_addr().expect("bound").port();
    thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok((_, from)) = socket.recv_from(&mut buffer) {
            if misdeed == Misdeed::EndlessUdp {
                let _ = socket.send_to(&opening, from);
                let much = endless.repeat(1 + 1000 / endless.len());
                // Some get lost on the way.
                for _ in 0..20_000 {
                    let _ = socket.send_to(&much, from);
                }
            }
            if misdeed == Misdeed::DripsUdp {
                for byte in opening.iter().chain(endless.iter().cycle()).take(1000) {
                    let _ = socket.send_to(&[*byte], from);
                    thread::sleep(DRIP);
                }
            }
        }
    });
    port
}

fn misbehave(
    misdeed: Misdeed,
    mut connection: &TcpStream,
    opening: &[u8],
    endless: &[u8],
) -> std::io::Result<()> {
    match misdeed {
        Misdeed::Silent => {}
        Misdeed::FallsSilent => connection.write_all(opening)?,
        Misdeed::Drips => drip(connection, opening, endless)?,
        Misdeed::Resets => {
            connection.write_all(opening)?;
            return reset(connection);
        }
        Misdeed::Endless => pour(connection, opening, endless)?,
        _ => ftp(misdeed, connection, opening, endless)?,
    }
    // Until the other side hangs up.
    std::io::copy(&mut connection, &mut std::io::sink()).map(drop)
}

fn drip(mut connection: &TcpStream, opening: &[u8], endless: &[u8]) -> std::io::Result<()> {
    for byte in opening.iter().chain(endless.iter().cycle()) {
        connection.write_all(&[*byte])?;
        thread::sleep(DRIP);
    }
    Ok(())
}

fn pour(mut connection: &TcpStream, opening: &[u8], endless: &[u8]) -> std::io::Result<()> {
    connection.write_all(opening)?;
    let much = endless.repeat(1 + 16_000 / endless.len());
    loop {
        connection.write_all(&much)?;
    }
}

/// Closing then sends a reset instead of an orderly end.
fn reset(connection: &TcpStream) -> std::io::Result<()> {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    Ok(setsockopt(connection, sockopt::Linger, &linger)?)
}

fn ftp(
    misdeed: Misdeed,
    mut connection: &TcpStream,
    opening: &[u8],
    endless: &[u8],
) -> std::io::Result<()> {
    connection.write_all(b"220 ready\r\n")?;
    let mut client = None;
    let mut listener = None;
    for line in BufReader::new(connection).lines() {
        let line = line?;
        let word = line.split(' ').next().unwrap_or_default();
        let reply = match word {
            "USER" => "331 and the password?\r\n".to_owned(),
            "PORT" => {
                client = active_address(&line);
                "200 ok\r\n".to_owned()
            }
            "PASV" => {
                let bound = TcpListener::bind("127.0.0.1:0")?;
                let port = bound.local_addr()?.port();
                listener = Some(bound);
                // Documentation's address: whoever connects to it gets nowhere.
                format!("227 here (192,0,2,99,{},{})\r\n", port >> 8, port & 255)
            }
            "RETR" => {
                connection.write_all(b"150 here it comes\r\n")?;
                let data = match (&listener, client) {
                    (Some(listener), _) => listener.accept()?.0,
                    (None, Some(client)) if misdeed != Misdeed::FtpFirewalled => {
                        TcpStream::connect(client)?
                    }
                    _ => continue,
                };
                transfer(misdeed, &data, opening, endless)?;
                drop(data);
                match misdeed {
                    Misdeed::FtpFirewalled => "226 done\r\n".to_owned(),
                    _ => "426 broken\r\n".to_owned(),
                }
            }
            "QUIT" => return connection.write_all(b"221 bye\r\n"),
            _ => "200 ok\r\n".to_owned(),
        };
        connection.write_all(reply.as_bytes())?;
    }
    Ok(())
}

fn transfer(
    misdeed: Misdeed,
    mut data: &TcpStream,
    opening: &[u8],
    endless: &[u8],
) -> std::io::Result<()> {
    match misdeed {
        Misdeed::FtpFallsSilent => {
            data.write_all(opening)?;
            std::io::copy(&mut data, &mut std::io::sink()).map(drop)
        }
        Misdeed::FtpEndless => pour(data, opening, endless),
        Misdeed::FtpResets => {
            data.write_all(opening)?;
            reset(data)
        }
        _ => data.write_all(opening),
    }
}

/// The address in `PORT a,b,c,d,e,f`.
fn active_address(line: &str) -> Option<SocketAddr> {
    let numbers: Vec<u8> = line
        .strip_prefix("PORT ")?
        .split(',')
        .map(|number| number.parse().ok())
        .collect::<Option<_>>()?;
    let [a, b, c, d, e, f] = numbers.as_slice() else {
        return None;
    };
    Some(SocketAddr::from((
        [*a, *b, *c, *d],
        u16::from_be_bytes([*e, *f]),
    )))
}
