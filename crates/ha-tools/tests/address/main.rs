//! IPaddr, IPaddr2, findif and send_arp in a real network namespace, side by side with the installed legacy (Debian's
//! heartbeat 3.0.6 with resource-agents 4.12).
//!
//! Every test runs in namespaces of its own: eth0 192.168.6.122/24 and eth1 10.9.0.1/16 with the far ends p0 and p1 beside
//! them, and a default route through eth0. Without root, or without the legacy where it is compared with, a test says so and
//! passes.

mod agents;
mod announcements;
mod findif;
mod library;
mod sandbox;
