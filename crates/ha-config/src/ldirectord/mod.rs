//! ldirectord.cf: virtual services, their real servers, and how these are checked (`ldirectord.md` 3 to 5).
//!
//! | module | responsible for |
//! |---|---|
//! | `model` | what a file means: one value per virtual service, defaults and globals already applied |
//! | `probe` | what one check of a real server does |

mod model;
mod probe;

pub use model::{
    AlertStates, Alerts, Fallback, Ldirectord, LogTarget, Real, State, VirtualService,
    protocol_word,
};
pub use probe::{
    CheckPlan, External, HttpMethod, Negotiate, Password, Probe, ProbeKind, ServiceCheck, TlsVerify,
};
