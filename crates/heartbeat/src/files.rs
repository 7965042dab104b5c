//! Reading /etc/ha.d, and noticing that it has changed.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;

use ha_config::{ConfigFiles, FileContent, LoadOptions, Loaded, OsError, load, paths};

use crate::facts::Machine;

/// No configuration file is anywhere near this long; a device or a runaway file must not fill our memory.
const FILE_MAX: u64 = 16 * 1024 * 1024;

/// Reads and judges everything. May ask a name server, so it must not be called from the loop.
pub(crate) fn load_all(options: &LoadOptions) -> Loaded {
    let files = ConfigFiles {
        ha_cf: content(paths::HA_CF),
        authkeys: content(paths::AUTHKEYS),
        haresources: content(paths::HARESOURCES),
        nodeinfo: content(paths::NODEINFO),
    };
    load(&files, options, &Machine)
}

/// One file and its mode.
pub(crate) fn content(path: &str) -> FileContent {
    match read(path) {
        Ok((bytes, mode)) => FileContent::read(bytes, mode),
        Err(error) => FileContent::Unreadable(OsError::from(error)),
    }
}

fn read(path: &str) -> io::Result<(Vec<u8>, u32)> {
    let file = File::open(path)?;
    let mode = file.metadata()?.mode();
    let mut bytes = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut bytes)?;
    Ok((bytes, mode))
}

/// When the two files that a reload looks at were last changed. haresources is not among them (`install-and-cli.md`
/// 7.2): it is read at every use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamps {
    pub(crate) ha_cf: Option<SystemTime>,
    pub(crate) authkeys: Option<SystemTime>,
}

impl Stamps {
    /// Now. To be taken before the files are read, so that a change in between is noticed at the next reload.
    pub(crate) fn now() -> Stamps {
        let changed = |path| {
            fs::metadata(path)
                .and_then(|metadata| metadata.modified())
                .ok()
        };
        Stamps {
            ha_cf: changed(paths::HA_CF),
            authkeys: changed(paths::AUTHKEYS),
        }
    }
}
