//! Word from the kernel that interfaces or addresses have changed.
//!
//! What has changed is not told: whoever cares looks again. That makes lost notices harmless (the kernel drops them when
//! there are more than a socket holds, and says that it did), and a hundred of them cost one look.

use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use crate::error::NetError;

/// Links, IPv4 addresses, IPv6 addresses: the kernel's `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV6_IFADDR`.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;

/// Notices taken at once; a flood of them must not keep the caller's loop.
const BURST_MAX: usize = 256;

/// A socket that becomes readable whenever an interface appears, vanishes, goes up or down, or an address changes.
///
/// Non-blocking and close-on-exec.
#[derive(Debug)]
pub struct NetworkMonitor {
    socket: Socket,
}

impl NetworkMonitor {
    /// Opens the socket.
    ///
    /// # Errors
    /// The kernel has no route netlink, or no descriptor is left.
    pub fn open() -> Result<NetworkMonitor, NetError> {
        let failed = |source| NetError::system("watch the network", source);
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(failed)?;
        socket.bind(&SocketAddr::new(0, GROUPS)).map_err(failed)?;
        socket.set_non_blocking(true).map_err(failed)?;
        Ok(NetworkMonitor { socket })
    }

    /// Takes what is there; true if there was anything, also if it was that notices were lost.
    pub fn drain(&self) -> bool {
        let mut first = [0u8; 16];
        for count in 0..BURST_MAX {
            match self.socket.recv_from(&mut &mut first[..], 0) {
                // The rest of a notice is cut off by the kernel, and its beginning is of no interest either.
                Ok(_) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(_) => return count > 0,
            }
        }
        true
    }
}

impl AsFd for NetworkMonitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn ip(words: &str) -> bool {
        std::process::Command::new("ip")
            .args(words.split(' '))
            .status()
            .is_ok_and(|status| status.success())
    }

    #[test]
    fn each_change_is_noticed_and_quiet_is_quiet() {
        let thread = std::thread::spawn(|| {
            if nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).is_err() {
                eprintln!("skipped: a network of its own needs root");
                return;
            }
            let monitor = NetworkMonitor::open().unwrap();
            assert!(!monitor.drain());
            for change in [
                "link add v0 type veth peer name v1",
                "link set v0 up",
                "address add 10.0.0.1/24 dev v0",
                "address add fd00::1/64 dev v0 nodad",
                "link del v0",
            ] {
                assert!(ip(change), "{change}");
                // Notices about IPv6 come from a work queue of the kernel, when they come.
                let deadline = Instant::now() + Duration::from_secs(10);
                while !monitor.drain() {
                    assert!(Instant::now() < deadline, "{change}: no notice");
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}
