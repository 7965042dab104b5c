//! Small things about our own process and others: signals to send, our executable, replacing our own image.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// The file that we execute, as the kernel names it. After an upgrade in place the name ends in ` (deleted)`, which is
/// cut off: the new file at the same place is what we want to run next.
///
/// # Errors
/// /proc is not mounted.
pub fn own_executable() -> io::Result<PathBuf> {
    let link = std::fs::read_link("/proc/self/exe")?;
    let bytes = link.as_os_str().as_bytes();
    Ok(match bytes.strip_suffix(b" (deleted)") {
        Some(bare) => PathBuf::from(OsStr::from_bytes(bare)),
        None => link,
    })
}

/// Sends a signal to one process.
///
/// # Errors
/// As `kill(2)`.
pub fn signal_process(pid: u32, signal: Signal) -> io::Result<()> {
    Ok(kill(to_pid(pid)?, signal)?)
}

/// Sends a signal to a process group.
///
/// # Errors
/// As `killpg(2)`.
pub fn signal_group(leader: u32, signal: Signal) -> io::Result<()> {
    Ok(killpg(to_pid(leader)?, signal)?)
}

/// The process exists (it may be a zombie, and may belong to somebody else).
pub fn exists(pid: u32) -> bool {
    match to_pid(pid).map(|pid| kill(pid, None)) {
        Ok(Ok(())) | Ok(Err(nix::errno::Errno::EPERM)) => true,
        Ok(Err(_)) | Err(_) => false,
    }
}

/// The user that a process runs as; none if there is no such process, or if it keeps that to itself.
pub fn effective_user(pid: u32) -> Option<u32> {
    let about = std::fs::metadata(format!("/proc/{pid}")).ok()?;
    Some(about.uid())
}

/// Raises the number of descriptors that we may have to what the administrator allows at most, and further if we may.
/// Returns how many that is now. Children inherit it.
///
/// # Errors
/// As `getrlimit(2)`. Not being allowed more is no error.
pub fn raise_descriptor_limit(wanted: u64) -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= wanted {
        return Ok(soft);
    }
    if hard < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted).is_ok() {
        return Ok(wanted);
    }
    let reachable = hard.min(wanted);
    match setrlimit(Resource::RLIMIT_NOFILE, reachable, hard) {
        Ok(()) => Ok(reachable),
        Err(_) => Ok(soft),
    }
}

/// Pid 0 and numbers past the signed range mean "a whole group" or "everybody" to `kill(2)`; they are refused here.
fn to_pid(pid: u32) -> io::Result<Pid> {
    match i32::try_from(pid) {
        Ok(pid) if pid > 0 => Ok(Pid::from_raw(pid)),
        _ => Err(io::Error::from_raw_os_error(libc::ESRCH)),
    }
}

/// Replaces our image, keeping the pid and the environment. Returns only on failure.
///
/// Signals that are blocked stay so: one that arrives before the new image is ready for it waits, instead of killing a
/// process that holds resources.
pub fn execute(program: &Path, arguments: &[&str]) -> io::Error {
    let to_c =
        |text: &[u8]| CString::new(text).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
    let program_c = match to_c(program.as_os_str().as_bytes()) {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut argv = vec![program_c.clone()];
    for argument in arguments {
        match to_c(argument.as_bytes()) {
            Ok(argument) => argv.push(argument),
            Err(error) => return error,
        }
    }
    match nix::unistd::execv(&program_c, &argv) {
        Err(error) => error.into(),
        Ok(never) => match never {},
    }
}

/// Keeps the C library from giving every thread a heap of its own. Each such heap reserves tens of megabytes of address
/// space, which counts against the limit on locked memory.
pub fn use_one_heap() {
    // SAFETY: sets a tunable of the allocator; documented to be callable at any time.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Scratch directories for tests.
#[cfg(test)]
pub(crate) mod testing {
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A directory of its own that vanishes with the value.
    pub(crate) struct ScratchDir(PathBuf);

    impl ScratchDir {
        pub(crate) fn new() -> ScratchDir {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("ha-sys-{}-{number}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            ScratchDir(path)
        }

        pub(crate) fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for ScratchDir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_descriptors_is_raised_and_never_lowered() {
        let (before, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(raise_descriptor_limit(1).unwrap(), before);
        assert_eq!(raise_descriptor_limit(hard).unwrap(), hard);
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (hard, hard));
    }

    #[test]
    fn never_signals_everybody() {
        for pid in [0, u32::MAX, 1 << 31] {
            assert!(signal_process(pid, Signal::SIGCONT).is_err());
            assert!(signal_group(pid, Signal::SIGCONT).is_err());
            assert!(!exists(pid));
        }
        assert!(exists(std::process::id()));
    }

    #[test]
    fn a_failed_exec_returns() {
        let error = execute(Path::new("/nonexistent/program"), &["-R"]);
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(own_executable().unwrap().is_absolute());
    }
}
