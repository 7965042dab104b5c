//! ldirectord.cf: virtual services, their real servers, and how these are checked (`ldirectord.md` 3 to 5).
//!
//! | module | responsible for |
//! |---|---|
//! | `parse` | a file line by line, and what is said about it |
//! | `table` | all directives |
//! | `global`, `shared`, `section` | what each directive takes |
//! | `taken`, `advice` | what becomes of a line, and what to do about it |
//! | `address`, `value` | the grammars of values |
//! | `draft` | what has been read so far |
//! | `resolve`, `check` | names, ports, defaults; how a real server is checked |
//! | `receive` | whether what answers are compared with can be compared with |
//! | `model` | what a file means: one value per virtual service, defaults and globals already applied |
//! | `probe` | what one check of a real server does |
//! | `host`, `services` | questions to the machine |

mod address;
mod advice;
mod check;
mod draft;
mod global;
mod host;
mod model;
mod parse;
mod probe;
mod receive;
mod resolve;
mod section;
pub mod services;
mod shared;
mod table;
mod taken;
mod value;

pub use host::{FakeHost, Host};
pub use model::{
    AlertStates, Alerts, Fallback, Ldirectord, LogTarget, Real, State, VirtualService,
    protocol_word,
};
pub use parse::{Reading, legacy_text, parse, read};
pub use probe::{
    CheckPlan, External, HttpMethod, Negotiate, Password, Probe, ProbeKind, ServiceCheck, TlsVerify,
};
pub use table::{DIRECTIVES, Directive, Place, Since};
