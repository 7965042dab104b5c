//! heartbeat's configuration: ha.cf, authkeys, haresources and the small files beside them.
//!
//! Bytes go in, typed values and [`Diagnostic`]s come out. Nothing here opens a file, asks the kernel or looks up a name:
//! what a configuration needs to know of its host is asked through [`Facts`].
//!
//! | module | responsible for |
//! |---|---|
//! | `lines` | physical lines and words, as the legacy's line buffer sees them |
//! | `ha_cf` | ha.cf: grammar, table of directives, values, defaults, cross-checks |
//! | `authkeys` | the key ring |
//! | [`haresources`] | resource groups |
//! | [`ldirectord`] | ldirectord.cf |
//! | `apphbd_cf` | apphbd.cf, of the monitor of application heartbeats |
//! | `logd_cf` | logd.cf, of the logging daemon |
//! | `nodeinfo`, `test_options` | the small files |
//! | `load` | all of them together: order, messages, exit codes |
//! | `listing` | what `-D` and `-v` print |
//! | `facts`, [`testing`] | questions to the host, and a made-up host that answers them |
//! | `diagnostic` | diagnostics as data |
//!
//! The rules come from the reference document `config-files.md`; comments cite its sections.
#![forbid(unsafe_code)]

mod apphbd_cf;
mod authkeys;
mod diagnostic;
mod facts;
mod ha_cf;
pub mod haresources;
pub mod ldirectord;
mod lines;
mod listing;
mod load;
mod logd_cf;
mod nodeinfo;
pub mod paths;
mod test_options;
pub mod testing;

pub use apphbd_cf::{ApphbdCf, parse_apphbd_cf};
pub use authkeys::parse_authkeys;
pub use diagnostic::{Diagnostic, Origin, Parsed, Severity, Span};
pub use facts::{Facts, OsError, PathKind, User};
pub use ha_cf::model::{
    ApiAuth, AutoFailback, AutoJoin, ClientChild, Facility, GenerationMethod, HaCf,
    LogDestinations, MEDIA_MAX, Medium, NODES_MAX, Node, NodeKind, Stonith, StonithSource,
    UuidFrom,
};
pub use ha_cf::{node_names, parse_ha_cf};
pub use ha_wire::wipe;
pub use haresources::{Group, HaResources, ResourceWord};
pub use listing::{defaults_table, defaults_wiki, effective_configuration};
pub use load::{Config, ConfigFiles, FileContent, LoadOptions, Loaded, load};
pub use logd_cf::{LogdCf, parse_logd_cf};
pub use nodeinfo::parse_nodeinfo;
pub use test_options::{TestOptions, parse_test_options};

/// The release that we stand in for. Logs and clients see it as heartbeat's version.
pub const HEARTBEAT_VERSION: &str = "2.1.4";
