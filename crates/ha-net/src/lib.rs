//! Links, IPv4 and IPv6 addresses and routes over route netlink, ARP announcements over packet sockets, and the kernel's
//! table of virtual services over generic netlink.
//!
//! The crate has a pure half and a half that talks to the kernel:
//!
//! * pure: [`ArpFrame`] and [`advertisement`] (bytes of a frame), [`Announcement`] (when to send which frame), [`RivalWatch`] (who else claims
//!   an address of ours), [`route::select`] (which route leads to an address), [`netlink_decode`] (what the kernel answers);
//! * kernel: [`Netlink`] (ask and change), [`ArpSocket`] (send and hear frames), [`pidfile`] (the pid file by which
//!   announcing processes of either implementation find and replace each other), [`Ipvs`] (read and change the table whose
//!   values are in the crate `ipvs`), [`ipvs_sysctl`] (its switches), [`NetworkMonitor`] (notices that something changed).
//!
//! Nothing here knows resources, groups or the cluster; that is `ha-resources` and above.

mod address;
mod announcement;
mod arp;
mod arp_socket;
mod default_route;
mod error;
mod ipvs_socket;
pub mod ipvs_sysctl;
mod kernel_socket;
mod link;
mod neighbour;
mod netlink;
pub mod netlink_decode;
mod network_monitor;
pub mod pidfile;
mod rival;
pub mod route;

pub use address::{Address, Family, Scope};
pub use announcement::{Announcement, Frames, Plan};
pub use arp::{ArpFrame, FRAME_LEN, Mac, ParseMacError, Purpose};
pub use arp_socket::{ArpSocket, Heard};
pub use default_route::DefaultRoute;
pub use error::{NetError, Trouble};
pub use ipvs_socket::{Ipvs, Reading};
pub use link::Link;
pub use neighbour::{ADVERTISEMENT_LEN, ALL_NODES_MAC, advertisement};
pub use netlink::Netlink;
pub use network_monitor::NetworkMonitor;
pub use rival::{Rival, RivalWatch};
pub use route::Route;
