//! Who is at the other end of a unix socket.

use std::io;
use std::os::fd::AsFd;

use nix::sys::socket::{getsockopt, sockopt};

/// What the kernel noted of a peer when it connected (`SO_PEERCRED`). The ids are the effective ones; supplementary
/// groups are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCredentials {
    /// Process id; 0 if the peer lives in a pid namespace that we cannot see.
    pub pid: u32,
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
}

/// The peer of a connected unix socket.
///
/// # Errors
/// As `getsockopt(2)`.
pub fn peer_credentials(socket: impl AsFd) -> io::Result<PeerCredentials> {
    let found = getsockopt(&socket, sockopt::PeerCredentials)?;
    Ok(PeerCredentials {
        pid: u32::try_from(found.pid()).unwrap_or(0),
        uid: found.uid(),
        gid: found.gid(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_has_ourselves_at_both_ends() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let peer = peer_credentials(&one).unwrap();
        assert_eq!(peer.pid, std::process::id());
        assert_eq!(peer.uid, nix::unistd::geteuid().as_raw());
        assert_eq!(peer.gid, nix::unistd::getegid().as_raw());
    }
}
