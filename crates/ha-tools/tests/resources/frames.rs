//! What comes out at the far end of eth0.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Hears every frame on an interface.
pub struct Ear {
    socket: OwnedFd,
}

impl Ear {
    pub fn at(link: &str) -> Ear {
        let name = CString::new(link).expect("a name");
        let protocol = (libc::ETH_P_ALL as u16).to_be();
        // SAFETY: plain system calls; `name` and `address` live across them, and the length is the address's own. The
        // descriptor has no other owner.
        unsafe {
            let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
            let fd = libc::socket(libc::AF_PACKET, kind, 0);
            assert!(fd >= 0, "a packet socket");
            let socket = OwnedFd::from_raw_fd(fd);
            let mut address: libc::sockaddr_ll = mem::zeroed();
            address.sll_family = libc::AF_PACKET as u16;
            address.sll_protocol = protocol;
            address.sll_ifindex =
                i32::try_from(libc::if_nametoindex(name.as_ptr())).expect("index");
            let length = mem::size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            let bound = libc::bind(fd, (&raw const address).cast(), length);
            assert_eq!(bound, 0, "bound to {link}");
            Ear { socket }
        }
    }

    /// The different frames heard since the last question that are wanted.
    pub fn frames(&self, wanted: fn(&[u8]) -> bool) -> BTreeSet<Vec<u8>> {
        let mut frames = BTreeSet::new();
        let mut buffer = [0u8; 2048];
        loop {
            // SAFETY: the buffer lives across the call and the length is its own.
            let length = unsafe {
                libc::recv(
                    self.socket.as_raw_fd(),
                    buffer.as_mut_ptr().cast(),
                    buffer.len(),
                    0,
                )
            };
            let Ok(length) = usize::try_from(length) else {
                return frames;
            };
            let frame = &buffer[..length];
            if wanted(frame) {
                frames.insert(frame.to_vec());
            }
        }
    }
}

/// An ARP frame of the reference's address.
pub fn is_announcement(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[8, 6]) && frame.get(28..32) == Some(&[192, 168, 6, 66])
}

/// A neighbour advertisement that nobody asked for.
pub fn is_advertisement(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[0x86, 0xdd])
        && frame.get(54) == Some(&136)
        && frame.get(58..62) == Some(&[0x20, 0, 0, 0])
}
