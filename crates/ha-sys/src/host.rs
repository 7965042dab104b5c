//! What this host is called, and its interfaces and addresses as far as the configuration asks.

use std::ffi::CString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::sys::socket::{SockaddrLike, SockaddrStorage};

use crate::errno::check;

/// `uname -n`, as it is (not lower-cased).
pub fn uname_node() -> String {
    nix::sys::utsname::uname()
        .map(|names| names.nodename().to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The index of an interface.
///
/// # Errors
/// There is none of that name.
pub fn interface_index(interface: &str) -> io::Result<u32> {
    Ok(nix::net::if_::if_nametoindex(interface)?)
}

/// The IPv4 broadcast address of an interface or alias (`SIOCGIFBRDADDR`).
///
/// # Errors
/// `No such device`: no such interface; `Cannot assign requested address`: no address, or no such alias.
pub fn broadcast_address(interface: &str) -> io::Result<Ipv4Addr> {
    interface_query(interface, libc::SIOCGIFBRDADDR)
}

/// The first IPv4 address of an interface (`SIOCGIFADDR`).
///
/// # Errors
/// As for [`broadcast_address`].
pub fn interface_address(interface: &str) -> io::Result<Ipv4Addr> {
    interface_query(interface, libc::SIOCGIFADDR)
}

fn interface_query(interface: &str, request: libc::c_ulong) -> io::Result<Ipv4Addr> {
    // SAFETY: plain system call; the result is checked.
    let raw =
        check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: `raw` is a descriptor that nobody else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    // SAFETY: all-zero is a valid `ifreq`.
    let mut query: libc::ifreq = unsafe { std::mem::zeroed() };
    let name = interface.as_bytes();
    if name.is_empty() || name.len() >= query.ifr_name.len() || name.contains(&0) {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (slot, byte) in query.ifr_name.iter_mut().zip(name) {
        *slot = *byte as libc::c_char;
    }
    // SAFETY: `query` is a terminated request and a place for the answer.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), request as _, &mut query) })?;
    // SAFETY: the kernel filled the address member; an IPv4 socket answers with `sockaddr_in`, which is no larger and
    // no stricter aligned once copied out.
    let address: libc::sockaddr_in =
        unsafe { std::ptr::read_unaligned((&raw const query.ifr_ifru).cast()) };
    Ok(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)))
}

/// The first IPv4 address of a host name, or the address itself. May ask a name server, so it may block: only for use
/// before the loop starts.
///
/// # Errors
/// The resolver's text, such as `Name or service not known`.
pub fn resolve_ipv4(host: &str) -> io::Result<Ipv4Addr> {
    resolve(host, |address| match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    })
}

/// The first IPv6 address of a host name; as [`resolve_ipv4`].
///
/// # Errors
/// As there.
pub fn resolve_ipv6(host: &str) -> io::Result<Ipv6Addr> {
    resolve(host, |address| match address {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    })
}

fn resolve<T>(host: &str, pick: impl Fn(IpAddr) -> Option<T>) -> io::Result<T> {
    let found = (host, 0).to_socket_addrs().map_err(plain_resolver_error)?;
    found
        .map(|address: SocketAddr| address.ip())
        .find_map(pick)
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "No address associated with hostname",
            )
        })
}

/// The name of an address (reverse look-up). May ask a name server, so it may block.
pub fn name_of(address: IpAddr) -> Option<String> {
    let address = SockaddrStorage::from(SocketAddr::new(address, 0));
    let mut name = [0 as libc::c_char; 1025];
    // SAFETY: address and buffer are given with their true lengths; no buffer for the service is asked for.
    let result = unsafe {
        libc::getnameinfo(
            address.as_ptr(),
            address.len(),
            name.as_mut_ptr(),
            name.len() as libc::socklen_t,
            std::ptr::null_mut(),
            0,
            libc::NI_NAMEREQD,
        )
    };
    if result != 0 {
        return None;
    }
    // SAFETY: `getnameinfo` succeeded, so the buffer holds a terminated string.
    let name = unsafe { std::ffi::CStr::from_ptr(name.as_ptr()) };
    Some(name.to_string_lossy().into_owned())
}

/// The library wraps the resolver's text; operators know the bare one.
fn plain_resolver_error(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.strip_prefix("failed to lookup address information: ") {
        Some(bare) => io::Error::new(io::ErrorKind::NotFound, bare.to_owned()),
        None => error,
    }
}

/// The port of a UDP service in /etc/services.
pub fn udp_service_port(service: &str) -> Option<u16> {
    let name = CString::new(service).ok()?;
    // SAFETY: both strings are terminated; the returned record is static and read before anything else could ask.
    unsafe {
        let entry = libc::getservbyname(name.as_ptr(), c"udp".as_ptr());
        if entry.is_null() {
            None
        } else {
            u16::try_from((*entry).s_port).ok().map(u16::from_be)
        }
    }
}

/// The name of the UDP service at a port in /etc/services.
pub fn udp_service_name(port: u16) -> Option<String> {
    // SAFETY: as in `udp_service_port`; the name is copied at once.
    unsafe {
        let entry = libc::getservbyport(libc::c_int::from(port.to_be()), c"udp".as_ptr());
        if entry.is_null() {
            return None;
        }
        Some(
            std::ffi::CStr::from_ptr((*entry).s_name)
                .to_string_lossy()
                .into_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_known() {
        assert_eq!(interface_index("lo").unwrap(), 1);
        assert_eq!(interface_address("lo").unwrap(), Ipv4Addr::LOCALHOST);
    }

    #[test]
    fn unknown_interfaces_fail_with_the_legacy_texts() {
        for name in ["nosuchif9", "", "a-name-longer-than-any-interface"] {
            assert_eq!(
                crate::errno_text(&broadcast_address(name).unwrap_err()),
                "No such device",
                "{name}"
            );
        }
    }

    #[test]
    fn an_address_without_a_name_has_none() {
        // TEST-NET-1 has no names. The loopback address has one wherever /etc/hosts is as usual.
        assert_eq!(name_of([192, 0, 2, 7].into()), None);
        if std::fs::read_to_string("/etc/hosts").is_ok_and(|text| text.contains("127.0.0.1")) {
            assert!(name_of(Ipv4Addr::LOCALHOST.into()).is_some());
        }
    }

    #[test]
    fn addresses_resolve_to_themselves() {
        assert_eq!(
            resolve_ipv4("192.0.2.7").unwrap(),
            Ipv4Addr::new(192, 0, 2, 7)
        );
        assert_eq!(
            resolve_ipv6("2001:db8::7").unwrap().to_string(),
            "2001:db8::7"
        );
    }
}
