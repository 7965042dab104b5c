//! Pid 1 of a lab and of each of its hosts.
//!
//! It reaps orphans, answers the harness's questions, echoes UDP datagrams (so that a client can see who
//! serves an address), records the heartbeat packets of its host, and ends when the harness does.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, socket,
};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use crate::capture::{Direction, Recorder};
use crate::error::Doing;
use crate::helper::Options;
use crate::namespaces::{control_socket, die_with_parent, say};
use crate::{Result, rootfs};

/// The UDP port on which each host answers every datagram with its payload, a blank and the host's name.
pub const ECHO_PORT: u16 = 7;

/// Keeps a lab's namespaces: prepares the tmpfs for the hosts' disks, then waits for the end.
pub(crate) fn lab_init(options: &Options) -> Result<()> {
    die_with_parent()?;
    let control = control_socket()?;
    match rootfs::prepare_lab(options) {
        Ok(()) => say(&control, "ready")?,
        Err(error) => return say(&control, &format!("unavailable {error}")),
    }
    let mut line = String::new();
    let mut reader = BufReader::new(&control);
    while reader
        .read_line(&mut line)
        .doing(|| "control socket".into())?
        > 0
    {
        line.clear();
    }
    Ok(())
}

/// Becomes pid 1 of a host: builds its root file system, moves there, and serves.
pub(crate) fn host_init(options: &Options) -> Result<()> {
    die_with_parent()?;
    let control = control_socket()?;
    let name = options.get("name")?;
    match Init::new(options, name) {
        Ok(init) => {
            say(&control, "ready")?;
            init.serve(&control)
        }
        Err(error) => say(&control, &format!("error {error}")),
    }
}

struct Init {
    name: String,
    children: SignalFd,
    echo: UdpSocket,
    packets: OwnedFd,
    recorder: Recorder,
}

impl Init {
    fn new(options: &Options, name: &str) -> Result<Self> {
        nix::unistd::sethostname(name).doing(|| "host name".into())?;
        std::fs::create_dir_all(rootfs::host_dir(options, name)?)
            .doing(|| "host directory".into())?;
        let capture = File::options()
            .append(true)
            .create(true)
            .open(rootfs::host_dir(options, name)?.join("capture"))
            .doing(|| "capture file".into())?;
        rootfs::enter_host(options, name)?;
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        mask.thread_block().doing(|| "signal mask".into())?;
        // The signal mask is inherited, but this process starts no children of its own: commands enter
        // the namespaces from outside.
        let children = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .doing(|| "signalfd".into())?;
        let echo = UdpSocket::bind(("0.0.0.0", ECHO_PORT)).doing(|| "echo socket".into())?;
        echo.set_nonblocking(true).doing(|| "echo socket".into())?;
        // A packet socket without a protocol sees nothing.
        let wanted = options.find("capture") != Some("no");
        let packets = socket(
            AddressFamily::Packet,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            wanted.then_some(SockProtocol::EthAll),
        )
        .doing(|| "packet socket".into())?;
        Ok(Init {
            name: name.to_owned(),
            children,
            echo,
            packets,
            recorder: Recorder::new(capture),
        })
    }

    fn serve(mut self, control: &UnixStream) -> Result<()> {
        let mut requests = BufReader::new(control);
        let mut buffer = vec![0; 70_000];
        loop {
            let ready = {
                let mut fds = [
                    PollFd::new(control.as_fd(), PollFlags::POLLIN),
                    PollFd::new(self.children.as_fd(), PollFlags::POLLIN),
                    PollFd::new(self.echo.as_fd(), PollFlags::POLLIN),
                    PollFd::new(self.packets.as_fd(), PollFlags::POLLIN),
                ];
                if poll(&mut fds, PollTimeout::NONE).is_err() {
                    continue;
                }
                fds.map(|fd| fd.any().unwrap_or(false))
            };
            if ready[1] {
                while let Ok(Some(_)) = self.children.read_signal() {}
                reap();
            }
            if ready[2] {
                self.echo_all(&mut buffer);
            }
            if ready[3] {
                self.record_all(&mut buffer);
            }
            if ready[0] {
                let mut line = String::new();
                if requests.read_line(&mut line).unwrap_or(0) == 0 {
                    return Ok(());
                }
                answer(line.trim(), control)?;
            }
        }
    }

    fn echo_all(&self, buffer: &mut [u8]) {
        while let Ok((length, from)) = self.echo.recv_from(buffer) {
            let mut answer = buffer[..length].to_vec();
            answer.push(b' ');
            answer.extend_from_slice(self.name.as_bytes());
            let _ = self.echo.send_to(&answer, from);
        }
    }

    fn record_all(&mut self, buffer: &mut [u8]) {
        // Bounded, so that a flood of packets cannot starve the rest.
        for _ in 0..200 {
            let Ok((length, Some(from))) = recvfrom::<LinkAddr>(self.packets.as_raw_fd(), buffer)
            else {
                return;
            };
            let direction = if i32::from(from.pkttype()) == i32::from(libc::PACKET_OUTGOING) {
                Direction::Sent
            } else {
                Direction::Received
            };
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            self.recorder
                .record(now, direction, from.ifindex(), &buffer[..length]);
        }
    }
}

fn reap() {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Answers one question of the harness; the answer ends with a line holding a dot.
fn answer(question: &str, mut control: &UnixStream) -> Result<()> {
    let mut text = String::new();
    if question == "addresses" {
        for entry in nix::ifaddrs::getifaddrs().into_iter().flatten() {
            let address = entry.address.as_ref().and_then(|address| {
                let v4 = address.as_sockaddr_in().map(|a| a.ip().to_string());
                v4.or_else(|| address.as_sockaddr_in6().map(|a| a.ip().to_string()))
            });
            if let Some(address) = address {
                text.push_str(&format!("{} {address}\n", entry.interface_name));
            }
        }
    }
    text.push_str(".\n");
    control
        .write_all(text.as_bytes())
        .doing(|| "writing to the harness".into())
}
