//! What the address agents ask of the kernel.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;

use ha_net::{Address, Family, Link, NetError, Netlink, Route, pidfile};

/// Everything outside the agents' own state files. [`Netlink`] is the real one.
pub trait Kernel {
    /// All interfaces.
    fn links(&mut self) -> Result<Vec<Link>, NetError>;
    /// The interface of that name.
    fn link_by_name(&mut self, name: &str) -> Result<Option<Link>, NetError>;
    /// The interface with that index.
    fn link_by_index(&mut self, index: u32) -> Result<Option<Link>, NetError>;
    /// All IPv4 addresses, in the kernel's order.
    fn addresses(&mut self) -> Result<Vec<Address>, NetError>;
    /// The IPv4 routes of the main table, in the kernel's order.
    fn routes(&mut self) -> Result<Vec<Route>, NetError>;
    /// Adds an address.
    fn add_address(&mut self, address: &Address) -> Result<(), NetError>;
    /// Deletes an address.
    fn delete_address(&mut self, address: &Address) -> Result<(), NetError>;
    /// Switches an interface on or off.
    fn set_link_up(&mut self, index: u32, up: bool) -> Result<(), NetError>;
    /// Deletes the host route to an address.
    fn delete_host_route(&mut self, ip: Ipv4Addr, link: Option<u32>) -> Result<(), NetError>;
    /// Ends the announcing process named in a pid file, if any, and removes the file. Returns its pid.
    fn retire_announcer(&mut self, pidfile: &Path) -> io::Result<Option<i32>>;
}

impl Kernel for Netlink {
    fn links(&mut self) -> Result<Vec<Link>, NetError> {
        Netlink::links(self)
    }

    fn link_by_name(&mut self, name: &str) -> Result<Option<Link>, NetError> {
        Netlink::link_by_name(self, name)
    }

    fn link_by_index(&mut self, index: u32) -> Result<Option<Link>, NetError> {
        Netlink::link_by_index(self, index)
    }

    fn addresses(&mut self) -> Result<Vec<Address>, NetError> {
        Netlink::addresses(self, Family::V4)
    }

    fn routes(&mut self) -> Result<Vec<Route>, NetError> {
        Netlink::routes(self)
    }

    fn add_address(&mut self, address: &Address) -> Result<(), NetError> {
        Netlink::add_address(self, address)
    }

    fn delete_address(&mut self, address: &Address) -> Result<(), NetError> {
        Netlink::delete_address(self, address)
    }

    fn set_link_up(&mut self, index: u32, up: bool) -> Result<(), NetError> {
        Netlink::set_link_up(self, index, up)
    }

    fn delete_host_route(&mut self, ip: Ipv4Addr, link: Option<u32>) -> Result<(), NetError> {
        Netlink::delete_host_route(self, ip, link)
    }

    fn retire_announcer(&mut self, path: &Path) -> io::Result<Option<i32>> {
        pidfile::retire(path)
    }
}
