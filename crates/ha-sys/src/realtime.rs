//! Real-time priority and locked memory: what keeps us punctual on a machine that is short of both.

use std::io;

use crate::errno::check;

/// What could not be had. Neither is fatal (`install-and-cli.md` 8).
#[derive(Debug, Default)]
pub struct RealtimeResult {
    /// The scheduler refused.
    pub priority: Option<io::Error>,
    /// Memory could not be locked.
    pub memory: Option<io::Error>,
}

/// The text when locked memory is refused (two blanks).
pub const MEMLOCK_TOO_SMALL: &str =
    "Cannot lock ourselves into memory:  System limits on locked-in memory are too small.";

/// Gives the calling thread `SCHED_RR` at `priority` (1 to 99) and locks all memory, present and future.
///
/// Children start with ordinary scheduling whatever we are (`SCHED_RESET_ON_FORK`), and locks are not inherited by
/// them. Threads started earlier keep their ordinary priority.
pub fn make_realtime(priority: i32) -> RealtimeResult {
    RealtimeResult {
        priority: set_priority(priority).err(),
        memory: lock_memory().err(),
    }
}

fn set_priority(priority: i32) -> io::Result<()> {
    // SAFETY: all-zero is valid for this plain structure (some C libraries have more members than the one set here).
    let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    parameters.sched_priority = priority;
    // SAFETY: 0 is the calling thread; `parameters` outlives the call.
    check(unsafe {
        libc::sched_setscheduler(0, libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, &parameters)
    })?;
    Ok(())
}

fn lock_memory() -> io::Result<()> {
    raise_limit(nix::sys::resource::Resource::RLIMIT_MEMLOCK);
    Ok(nix::sys::mman::mlockall(
        nix::sys::mman::MlockAllFlags::MCL_CURRENT | nix::sys::mman::MlockAllFlags::MCL_FUTURE,
    )?)
}

/// Raises the core file limit as far as allowed, or turns core files off (`coredumps`).
pub fn set_core_dumps(enabled: bool) {
    if enabled {
        raise_limit(nix::sys::resource::Resource::RLIMIT_CORE);
    } else {
        let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
    }
}

/// To unlimited, or else to the hard limit. Failing is no error: the consequence will be.
fn raise_limit(resource: nix::sys::resource::Resource) {
    use nix::sys::resource::{RLIM_INFINITY, getrlimit, setrlimit};
    if setrlimit(resource, RLIM_INFINITY, RLIM_INFINITY).is_err()
        && let Ok((_, hard)) = getrlimit(resource)
    {
        let _ = setrlimit(resource, hard, hard);
    }
}
