//! What the single types do.

pub(crate) mod agent;
pub(crate) mod external;
pub(crate) mod meatware;
pub(crate) mod ssh;
pub(crate) mod suicide;
