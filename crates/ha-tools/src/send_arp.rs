//! `send_arp`: announces an address on an interface (`resource-scripts.md` 4), and how other tools start it in the
//! background.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use ha_net::pidfile::{PidFile, PidFileError};
use ha_net::{Announcement, ArpSocket, Link, Mac, Netlink, Plan};
use ha_resources::address::{AnnounceArguments, Site};
use ha_resources::{LogSettings, Paths, ScriptLog};
use ha_sys::signals::{Signal, SignalSource};
use ha_sys::{Interest, Poller, clock};

use crate::output;

/// The name in the log and in the process list, by which announcers are recognised.
const NAME: &str = "send_arp";

/// The one descriptor that we wait for.
const SIGNAL_TOKEN: u64 = 0;

/// The program. Exit code 0 when all was sent or SIGTERM ended it; the latter leaves the pid file behind, and who sent the
/// signal removes it.
pub fn main(_program: &OsStr, args: &[OsString]) -> i32 {
    let Some(arguments) = Arguments::parse(args) else {
        output::error(USAGE);
        return 1;
    };
    let log = ScriptLog::new(LogSettings::from_environment(|name| env::var_os(name)));
    let pidfile = arguments
        .pidfile
        .clone()
        .unwrap_or_else(|| default_pidfile(&arguments.address));
    let claim = match PidFile::claim(&pidfile) {
        Ok(claim) => claim,
        Err(error) => {
            log.log(NAME, &complaint(&error));
            return 1;
        }
    };
    if let Some(pid) = claim.replaced {
        log.log(NAME, &format!("info: Killed old send_arp process [{pid}]"));
    }
    let end = match prepare(&arguments) {
        Ok(announcement) => announce(announcement).unwrap_or_else(|error| {
            log.log(NAME, &format!("ERROR: {error}"));
            End::Failed
        }),
        Err(text) => {
            log.log(NAME, &format!("ERROR: {text}"));
            End::Failed
        }
    };
    if end == End::Terminated {
        return 0;
    }
    if let Err(error) = claim.file.release() {
        log.log(
            NAME,
            &format!(
                "WARN: Cannot remove pid-file [{}]: {error}",
                pidfile.display()
            ),
        );
    }
    i32::from(end == End::Failed)
}

/// How an announcement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Complete,
    Terminated,
    Failed,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Arguments {
    interval: Duration,
    pairs: u32,
    pidfile: Option<PathBuf>,
    device: String,
    address: String,
    /// `None` is `auto`: the device's own.
    mac: Option<Mac>,
}

impl Arguments {
    /// Options may stand anywhere. A number that is none, or not positive, is misuse: the legacy reads text as 0
    /// and sends nothing, or hangs.
    fn parse(args: &[OsString]) -> Option<Arguments> {
        let mut interval_ms = 1000;
        let mut pairs = 1;
        let mut pidfile = None;
        let mut positional = Vec::new();
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(argument) = parser.next().ok()? {
            match argument {
                lexopt::Arg::Short('i') => interval_ms = positive(&parser.value().ok()?)?,
                lexopt::Arg::Short('r') => pairs = positive(&parser.value().ok()?)?,
                lexopt::Arg::Short('p') => pidfile = Some(PathBuf::from(parser.value().ok()?)),
                lexopt::Arg::Value(word) => positional.push(word.to_string_lossy().into_owned()),
                _ => return None,
            }
        }
        // The last two, broadcast address and netmask, have been without meaning for ever.
        let [device, address, mac, _, _] = <[String; 5]>::try_from(positional).ok()?;
        let mac = match mac.eq_ignore_ascii_case("auto") {
            true => None,
            false => Some(mac.parse().ok()?),
        };
        Some(Arguments {
            interval: Duration::from_millis(u64::from(interval_ms)),
            pairs,
            pidfile,
            device,
            address,
            mac,
        })
    }
}

fn positive(text: &OsStr) -> Option<u32> {
    text.to_str()?.parse().ok().filter(|&number| number > 0)
}

/// `send_arp-<address>` in the directory of state files; the address as it was written.
pub(crate) fn default_pidfile(address: &str) -> PathBuf {
    let paths = Paths::from_environment(|name| env::var_os(name));
    // A name is resolved later; as part of a path it must not lead elsewhere.
    let name = format!("send_arp-{}", address.replace('/', "_"));
    paths.scratch.join("send_arp").join(name)
}

fn complaint(error: &PidFileError) -> String {
    match error {
        PidFileError::NotAbsolute(_) | PidFileError::NoPid(_) => format!("info: {error}"),
        PidFileError::Unkillable(..) | PidFileError::System(..) => format!("ERROR: {error}"),
    }
}

/// Finds out what and where to announce; or says why not.
fn prepare(arguments: &Arguments) -> Result<Announcement, String> {
    let address = resolve(&arguments.address)
        .ok_or_else(|| format!("Cannot resolve IP address [{}]", arguments.address))?;
    let device = arguments.device.split(':').next().unwrap_or_default();
    let link = Netlink::open()
        .and_then(|mut netlink| netlink.link_by_name(device))
        .map_err(|error| error.to_string())?;
    let no_mac = || format!("Cannot find mac address for {}", arguments.device);
    let link: Link = link.filter(|link| link.up).ok_or_else(no_mac)?;
    let own = link.mac.ok_or_else(no_mac)?;
    let plan = Plan::send_arp(arguments.interval, arguments.pairs);
    Ok(
        Announcement::new(&link.name, link.index, own, address, plan)
            .of(arguments.mac.unwrap_or(own)),
    )
}

/// The address itself, or what the name stands for.
fn resolve(text: &str) -> Option<Ipv4Addr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    (text, 0)
        .to_socket_addrs()
        .ok()?
        .find_map(|address| match address {
            SocketAddr::V4(address) => Some(*address.ip()),
            SocketAddr::V6(_) => None,
        })
}

/// Sends everything in its time.
fn announce(mut announcement: Announcement) -> Result<End, Box<dyn std::error::Error>> {
    let signals = SignalSource::new(&[Signal::SIGTERM])?;
    let mut poller = Poller::new()?;
    poller.add(&signals, SIGNAL_TOKEN, Interest::Read)?;
    let socket = ArpSocket::open()?;
    let mut ready = Vec::new();
    while let Some(deadline) = announcement.next_deadline(clock::monotonic()) {
        poller.wait(Some(deadline), &mut ready)?;
        if signals.read()?.is_some() {
            return Ok(End::Terminated);
        }
        for frame in announcement.due(clock::monotonic()) {
            socket.send(announcement.link, &frame)?;
        }
    }
    Ok(End::Complete)
}

/// Starts `send_arp` in the background for an address that an agent has just taken. Its pid file is complete when this
/// returns, so that a stop that follows at once finds it.
pub(crate) fn start_in_background(
    site: &Site,
    arguments: AnnounceArguments,
    announcement: &Announcement,
) -> io::Result<()> {
    let pidfile = site.announcer_pidfile(announcement.address);
    let words = arguments.words(&pidfile, &announcement.interface, announcement.address);
    start_named(&pidfile, &words, &Path::new(&site.library).join(NAME))
}

/// Starts `send_arp` in the background with these arguments; `pidfile` is the one that they name.
pub(crate) fn spawn(pidfile: &Path, arguments: &[String]) -> io::Result<()> {
    start_named(pidfile, arguments, Path::new(NAME))
}

/// `send_arp` with these arguments, in the foreground.
pub(crate) fn command(arguments: &[String]) -> Command {
    named(arguments, Path::new(NAME))
}

fn named(arguments: &[String], name: &Path) -> Command {
    let program = env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"));
    let mut command = Command::new(program);
    command.arg0(name).args(arguments);
    command
}

fn start_named(pidfile: &Path, arguments: &[String], name: &Path) -> io::Result<()> {
    // Nobody's pipe: a caller that reads our output would wait for the announcement's end.
    let child = named(arguments, name)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    PidFile::claim_for(pidfile, child.id()).map_err(io::Error::other)?;
    Ok(())
}

const USAGE: &str = "\
send_arp: announces an address by ARP.
  usage: send_arp [-i repeatinterval-ms] [-r repeatcount] [-p pidfile] \\
              device src_ip_addr src_hw_addr broadcast_ip_addr netmask

  where:
    repeatinterval-ms: time between two announcements, each a request and a
                 reply half an interval later (default 1000)

    repeatcount: number of announcements (default 1)

    pidfile: file for the process id; an announcer already in it is replaced

    device: network interface to send on

    src_ip_addr: address to announce

    src_hw_addr: hardware address to announce, as 12 hexadecimal digits with or
                 without colons, or \"auto\" for the device's own

    broadcast_ip_addr: ignored

    netmask: ignored
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Arguments> {
        let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        Arguments::parse(&args)
    }

    #[test]
    fn the_agents_call() {
        let arguments = parse("-i 500 -r 10 -p /run/x eth0 10.0.0.1 auto 10.0.0.1 ffffffffffff")
            .expect("valid");
        let expected = Arguments {
            interval: Duration::from_millis(500),
            pairs: 10,
            pidfile: Some("/run/x".into()),
            device: "eth0".to_owned(),
            address: "10.0.0.1".to_owned(),
            mac: None,
        };
        assert_eq!(arguments, expected);
    }

    #[test]
    fn defaults_and_hardware_addresses() {
        let arguments = parse("eth0:0 10.0.0.1 00a0cc34a878 x x").expect("valid");
        assert_eq!(
            (arguments.interval, arguments.pairs),
            (Duration::from_secs(1), 1)
        );
        assert_eq!(
            arguments.mac,
            parse("eth0:0 10.0.0.1 00:a0:cc:34:a8:78 x x").and_then(|other| other.mac)
        );
        assert_eq!(parse("eth0 10.0.0.1 AUTO x x").expect("valid").mac, None);
    }

    #[test]
    fn misuse() {
        for line in [
            "",
            "eth0 10.0.0.1 auto x",
            "eth0 10.0.0.1 auto x x x",
            "-h",
            "-i",
            "-x eth0 10.0.0.1 auto x x",
            "-i abc eth0 10.0.0.1 auto x x",
            "-r 0 eth0 10.0.0.1 auto x x",
            "-r -3 eth0 10.0.0.1 auto x x",
            "eth0 10.0.0.1 00a0cc x x",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn addresses_and_names() {
        assert_eq!(resolve("10.0.0.1"), Some(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(resolve("localhost"), Some(Ipv4Addr::LOCALHOST));
        assert_eq!(resolve("no such name"), None);
    }

    #[test]
    fn a_name_cannot_lead_out_of_the_directory() {
        let name = default_pidfile("../../x");
        assert_eq!(name.file_name(), Some(OsStr::new("send_arp-.._.._x")));
    }
}
