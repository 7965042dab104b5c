//! Resources that are nothing but a note of their own state: an empty file below `HA_RSCTMP`
//! (`resource-scripts.md` 1.5).

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;

use ha_resources::Paths;

/// A note.
#[derive(Clone, Debug)]
pub(crate) struct Note(PathBuf);

impl Note {
    /// The note of this name. What comes from an argument must not lead out of the directory.
    pub(crate) fn new(name: &str) -> Note {
        let paths = Paths::from_environment(|name| env::var_os(name));
        Note(paths.scratch.join(name.replace('/', "_")))
    }

    pub(crate) fn exists(&self) -> bool {
        self.0.is_file()
    }

    /// Makes the note, and the directory if nobody has yet: by hand a script may be called before heartbeat ever ran.
    pub(crate) fn make(&self) -> io::Result<()> {
        if let Some(parent) = self.0.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::File::create(&self.0).map(drop)
    }

    /// That there is none is no error.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
