//! Counts what is sent to the kernel's IPVS over netlink in this network namespace, by a `nlmon` device that hears all of it.

use std::cell::Cell;
use std::os::fd::{AsRawFd, OwnedFd};

use ha_lab::{LabError, Result};
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket,
    sockopt,
};

use crate::scene;

/// IPVS commands that change something (`ipvs-netlink.md`): new, set, delete of service and destination, flush.
const CHANGING: [u8; 7] = [1, 2, 3, 5, 6, 7, 17];

/// Listens from its making on.
pub struct NetlinkMonitor {
    packets: OwnedFd,
    family: u16,
    counted: Cell<usize>,
}

impl NetlinkMonitor {
    /// Makes the device and begins to listen.
    pub fn new() -> Result<Self> {
        scene::run("modprobe nlmon; ip link add nlmon0 type nlmon; ip link set nlmon0 up")?;
        let failed = |error: nix::errno::Errno| LabError::Io("packet socket".into(), error.into());
        let packets = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
            SockProtocol::EthAll,
        )
        .map_err(failed)?;
        only_requests(&packets)?;
        setsockopt(&packets, sockopt::RcvBufForce, &(64 << 20)).map_err(failed)?;
        Ok(NetlinkMonitor {
            packets,
            family: family()?,
            counted: Cell::new(0),
        })
    }

    /// How many changing commands were sent since the making.
    pub fn changes(&self) -> Result<usize> {
        let mut buffer = vec![0; 1 << 20];
        loop {
            match recvfrom::<LinkAddr>(self.packets.as_raw_fd(), &mut buffer) {
                Ok((length, _)) => {
                    let found = self.count(buffer.get(..length).unwrap_or_default());
                    self.counted.set(self.counted.get() + found);
                }
                Err(nix::errno::Errno::EAGAIN) => return Ok(self.counted.get()),
                Err(error) => return Err(LabError::Io("packet socket".into(), error.into())),
            }
        }
    }

    /// A datagram may hold several messages: length, type, flags, sequence, port; then the command.
    fn count(&self, mut bytes: &[u8]) -> usize {
        const REQUEST: u16 = 1;
        let mut found = 0;
        while let Some(header) = bytes.get(..20) {
            let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
            let kind = u16::from_ne_bytes([header[4], header[5]]);
            let flags = u16::from_ne_bytes([header[6], header[7]]);
            // The kernel's acknowledgement repeats a request inside a message of another type.
            if kind == self.family && flags & REQUEST != 0 && CHANGING.contains(&header[16]) {
                found += 1;
            }
            bytes = bytes
                .get(length.max(16).next_multiple_of(4)..)
                .unwrap_or_default();
        }
        found
    }
}

/// Has the kernel drop everything but requests. The answers to whoever reads the whole table are heard as well, in buffers of
/// 32 KiB each for a few lines, and with them in the way a change that was sent did not fit any more.
fn only_requests(packets: &OwnedFd) -> Result<()> {
    const REQUEST: u32 = 1;
    /// The low byte of the flags in the header of the first message (the machines of these tests are little-endian).
    const FLAGS: u32 = 6;
    let statement = |code: u32, jt, k| libc::sock_filter {
        code: u16::try_from(code).unwrap_or_default(),
        jt,
        jf: 0,
        k,
    };
    let program = [
        statement(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, FLAGS),
        statement(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 1, REQUEST),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0),
        statement(libc::BPF_RET | libc::BPF_K, 0, u32::MAX),
    ];
    let program = libc::sock_fprog {
        len: 4,
        filter: program.as_ptr().cast_mut(),
    };
    let length = u32::try_from(size_of::<libc::sock_fprog>()).unwrap_or_default();
    // SAFETY: `program` points to four instructions that live across the call; the kernel copies them.
    let done = unsafe {
        libc::setsockopt(
            packets.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            length,
        )
    };
    if done < 0 {
        let error = std::io::Error::last_os_error();
        return Err(LabError::Io("packet filter".into(), error));
    }
    Ok(())
}

/// The number that the kernel gave to IPVS among the generic families.
fn family() -> Result<u16> {
    let output = scene::sh("genl ctrl get name IPVS")
        .output()
        .map_err(|error| LabError::Io("genl".into(), error))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_once("ID: 0x")
        .and_then(|(_, rest)| u16::from_str_radix(rest.split_whitespace().next()?, 16).ok())
        .ok_or_else(|| LabError::unexpected(format!("genl says {text:?}")))
}
