//! Files and processes of a host, reached from outside without starting a process.
//!
//! Paths are resolved inside the host's root by the kernel (`openat2` with `RESOLVE_IN_ROOT`): an absolute
//! symbolic link such as `/var/run` -> `/run` must never lead out to the machine's own files.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

use crate::error::Doing;
use crate::{Host, LabError, Result};

/// One process of a host.
pub(crate) struct Process {
    /// Its number on the host.
    pub(crate) pid: u32,
    /// The path of its program on the host; empty for a zombie.
    pub(crate) exe: String,
    /// Its command line or title.
    pub(crate) command: String,
}

impl Host {
    /// Writes a file with mode 0644, making its directory.
    ///
    /// # Errors
    /// When the host is off or the file cannot be written.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        self.write_mode(path, text, 0o644)
    }

    /// Writes a file with a mode such as `0o755`, making its directory. A changed file has a new
    /// modification time even within one second of the old one's.
    ///
    /// # Errors
    /// As [`Host::write`].
    pub fn write_mode(&self, path: &str, text: &str, mode: u32) -> Result<()> {
        self.write_octets(path, text.as_bytes(), mode)
    }

    /// As [`Host::write_mode`], for a file that is no text.
    ///
    /// # Errors
    /// As [`Host::write`].
    pub fn write_octets(&self, path: &str, octets: &[u8], mode: u32) -> Result<()> {
        if let Some((parent, _)) = path
            .rsplit_once('/')
            .filter(|(parent, _)| !parent.is_empty())
            && self.open(parent, OFlag::O_PATH, 0).is_err()
        {
            self.sh(&format!("mkdir -p '{parent}'"))?;
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC;
        let mut file = self.open(path, flags, mode)?;
        let doing = || format!("writing {path} on {}", self.name());
        file.write_all(octets).doing(doing)?;
        // The mode given at creation is cut by the umask, and an old file keeps its own.
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
            .doing(doing)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When the host is off or the file cannot be read.
    pub fn read(&self, path: &str) -> Result<String> {
        let mut bytes = Vec::new();
        let mut file = self.open(path, OFlag::O_RDONLY, 0)?;
        file.read_to_end(&mut bytes)
            .doing(|| format!("reading {path} on {}", self.name()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether a file exists.
    pub fn exists(&self, path: &str) -> bool {
        self.open(path, OFlag::O_PATH, 0).is_ok()
    }

    /// Removes a file; nothing if it is not there.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, path: &str) -> Result<()> {
        self.sh(&format!("rm -f '{path}'")).map(drop)
    }

    pub(crate) fn write_to_fifo(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let mut fifo = self.open(path, OFlag::O_WRONLY | OFlag::O_NONBLOCK, 0)?;
        fifo.write_all(bytes)
            .doing(|| format!("writing to {path} on {}", self.name()))
    }

    /// All processes of the host.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let Ok(pid) = self.pid() else {
            return Vec::new();
        };
        let proc = PathBuf::from(format!("/proc/{pid}/root/proc"));
        let mut found: Vec<Process> = std::fs::read_dir(&proc)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let pid = entry.file_name().to_str()?.parse().ok()?;
                let exe = std::fs::read_link(entry.path().join("exe")).unwrap_or_default();
                let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                let command = String::from_utf8_lossy(&command).replace('\0', " ");
                Some(Process {
                    pid,
                    exe: exe.to_string_lossy().into_owned(),
                    command: command.trim().to_owned(),
                })
            })
            .collect();
        found.sort_by_key(|process| process.pid);
        found
    }

    fn open(&self, path: &str, flags: OFlag, mode: u32) -> Result<File> {
        let root = Path::new("/proc")
            .join(self.pid()?.to_string())
            .join("root");
        let root = File::open(&root).doing(|| format!("{}", root.display()))?;
        let create = if flags.contains(OFlag::O_CREAT) {
            Mode::from_bits_truncate(mode)
        } else {
            Mode::empty()
        };
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .mode(create)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        openat2(&root, path, how)
            .map(File::from)
            .map_err(|error| LabError::Io(format!("{path} on {}", self.name()), error.into()))
    }
}
