//! What can go wrong between us and the kernel.

use std::error::Error;
use std::fmt;
use std::io;

/// A request to the kernel that did not succeed.
#[derive(Debug)]
pub struct NetError {
    /// What was attempted, as a phrase that follows "cannot": `add an address`.
    pub doing: &'static str,
    /// Why it failed.
    pub trouble: Trouble,
}

/// Why a request failed.
#[derive(Debug)]
pub enum Trouble {
    /// The kernel refused, or a system call failed.
    System(io::Error),
    /// No answer came within the time allowed.
    TimedOut,
    /// The answer could not be understood.
    Malformed,
    /// The kernel has no IPVS: its module is not loaded.
    NoIpvs,
}

impl NetError {
    pub(crate) fn system(doing: &'static str, source: impl Into<io::Error>) -> NetError {
        NetError {
            doing,
            trouble: Trouble::System(source.into()),
        }
    }

    pub(crate) fn last(doing: &'static str) -> NetError {
        NetError::system(doing, io::Error::last_os_error())
    }

    pub(crate) fn refused(doing: &'static str, errno: i32) -> NetError {
        NetError::system(doing, io::Error::from_raw_os_error(errno))
    }

    pub(crate) fn timed_out(doing: &'static str) -> NetError {
        NetError {
            doing,
            trouble: Trouble::TimedOut,
        }
    }

    pub(crate) fn malformed(doing: &'static str) -> NetError {
        NetError {
            doing,
            trouble: Trouble::Malformed,
        }
    }

    /// The errno, when the system gave one (`libc::EEXIST` and the like).
    pub fn errno(&self) -> Option<i32> {
        match &self.trouble {
            Trouble::System(source) => source.raw_os_error(),
            Trouble::TimedOut | Trouble::Malformed | Trouble::NoIpvs => None,
        }
    }
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: ", self.doing)?;
        match &self.trouble {
            Trouble::System(source) => source.fmt(f),
            Trouble::TimedOut => f.write_str("no answer from the kernel in time"),
            Trouble::Malformed => f.write_str("answer not understood"),
            Trouble::NoIpvs => f.write_str("no IPVS in the kernel"),
        }
    }
}

impl Error for NetError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.trouble {
            Trouble::System(source) => Some(source),
            Trouble::TimedOut | Trouble::Malformed | Trouble::NoIpvs => None,
        }
    }
}
