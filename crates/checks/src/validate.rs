//! What can be wrong with a probe before it is ever run.

use ha_config::ldirectord::{Probe, ProbeKind};

use crate::{Pattern, PatternError};

/// Says what is wrong with a probe: a `receive` that does not compile. The server then counts as down, and the loader
/// warns (in the legacy it passed the parser and killed the daemon at the first good answer, `ldirectord.md` 6.5).
///
/// # Errors
/// See [`PatternError`].
pub fn validate(probe: &Probe) -> Result<(), PatternError> {
    match &probe.kind {
        ProbeKind::Negotiate(negotiate) => Pattern::compile(&negotiate.receive).map(|_| ()),
        ProbeKind::Connect | ProbeKind::Ping { .. } | ProbeKind::External(_) => Ok(()),
    }
}
