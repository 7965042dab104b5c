//! Classes of messages; a client's mask says which of them it wants to see (`client-api.md` 3.1).

/// Why a message is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// It means something (KEEPIT).
    Kept,
    /// A status that says what was known (NOCHANGE).
    NoChange,
    /// It is not for us, or too old (DROPIT).
    Dropped,
    /// It came over another link already (DUPLICATE).
    Duplicate,
    /// A client asked for something (APICALL).
    Request,
    /// Somebody wants something sent again, or acknowledges (PROTOCOL).
    Protocol,
}

impl Class {
    /// Its bit in a mask.
    pub(crate) fn bit(self) -> u32 {
        match self {
            Class::Kept => 0x01,
            Class::NoChange => 0x02,
            Class::Dropped => 0x04,
            Class::Duplicate => 0x08,
            Class::Request => 0x10,
            Class::Protocol => 0x20,
        }
    }
}

/// What a new client sees.
pub(crate) const DEFAULT_MASK: u32 = 0x01;
/// Every class there is.
pub(crate) const ALL_CLASSES: u32 = 0x3f;
/// The classes that are for looking over the daemon's shoulder; only root may have them.
pub(crate) const DEBUG_CLASSES: u32 = ALL_CLASSES & !DEFAULT_MASK;
