//! A laboratory for clusters: a bridge in a network namespace, hosts in namespaces of their own, and
//! tools to hurt them.
//!
//! A [`Lab`] is one segment (or several). A [`Host`] has its own network, mounts, process ids, host name
//! and root file system: an overlay over the machine's `/`, so everything installed is there and nothing
//! written there survives. A host runs the legacy packages or our installed tree ([`Implementation`]), or
//! nothing but the tools (a client, a router). Faults are real ones: carrier loss, dropped packets, power
//! cuts. Everything ends when the program that made the lab ends, however it ends.
//!
//! ```no_run
//! use ha_lab::{HaCf, HostSpec, Implementation, Lab, PowerUp};
//!
//! ha_lab::run_if_helper(); // the very first thing main() does
//! let lab = Lab::new("demo")?;
//! let alpha = lab.host(HostSpec::new("alpha").runs(Implementation::Legacy).nic("eth0", "10.0.0.1/24"))?;
//! alpha.write("/etc/ha.d/ha.cf", HaCf::for_tests(&["alpha", "beta"]).bcast("eth0").text().as_str())?;
//! alpha.start_heartbeat()?;
//! lab.wait_until("alpha holds the address", ha_lab::seconds(30), || alpha.has_address("10.0.0.100"))?;
//! alpha.power_cut()?;
//! alpha.power_up(PowerUp::DiskKept)?;
//! # Ok::<(), ha_lab::LabError>(())
//! ```
//!
//! The harness needs root, or a kernel that lets an ordinary user make user namespaces; [`Lab::new`] says
//! which of its needs is not met, and a caller that can live without reports a skip.
#![forbid(unsafe_code)]

mod api_client;
mod browser;
mod capture;
pub mod chaos;
mod control;
mod crowd;
mod disk;
mod error;
mod exec;
mod fault;
mod ha_cf;
mod helper;
mod host;
mod hostfs;
mod implementation;
mod init;
mod lab;
mod listener;
mod machine;
mod namespaces;
mod probe;
mod recorder;
mod rootfs;
mod send;
pub mod soak;
mod spinner;
mod test_rsc;
mod vitals;
mod wait;
mod web;

pub use api_client::{ApiClient, ApiMessage};
pub use browser::{Browser, Request};
pub use capture::{CapturedPacket, Direction};
pub use crowd::Crowd;
pub use disk::Disk;
pub use error::LabError;
pub use exec::Output;
pub use fault::Loss;
pub use ha_cf::{Authkeys, HaCf};
pub use helper::{run_if_helper, run_if_helper_or};
pub use host::{Host, HostSpec, PowerUp};
pub use implementation::Implementation;
pub use init::ECHO_PORT;
pub use lab::{Lab, LabOptions};
pub use listener::{Intervals, Listener};
pub use machine::{
    COMMAND_LIMIT, GuestJob, GuestProgram, KernelOptions, UserModeKernel, check_user_mode_kernel,
};
pub use probe::{Gap, Probe, ProbeReport};
pub use spinner::Spinner;
pub use test_rsc::{Misbehaviour, TestRsc, TestRscCall};
pub use vitals::Vitals;
pub use wait::{millis, seconds, wait_until};
pub use web::WebServer;

/// The result of everything the harness does.
pub type Result<T, E = LabError> = std::result::Result<T, E>;
