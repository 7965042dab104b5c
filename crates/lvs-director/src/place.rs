//! Where a real server stands in the configuration.

/// Positions of a virtual service and of a real server in it, both in file order. Valid until the next reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) service: usize,
    pub(crate) real: usize,
}
