//! The configuration file: where it is, what it says, and whether it has changed.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ha_config::ldirectord::{Ldirectord, legacy_text, parse};
use ha_config::{Diagnostic, Origin, Severity};

use crate::machine::Machine;
use crate::places::Places;

/// No configuration is longer.
const LEN_MAX: u64 = 64 << 20;

/// A configuration file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigFile {
    /// As messages name it.
    pub(crate) name: String,
    /// For opening it from wherever we are.
    path: PathBuf,
}

/// What a file looked like: when anything of this differs it has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: (i64, i64),
    digest: u64,
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// None if it is broken.
    pub(crate) config: Option<Ldirectord>,
    /// What there is to say about it, in the legacy's form.
    pub(crate) diagnostics: Vec<String>,
    /// Advice of ours on what the legacy takes in silence. For the log: on a terminal or in a resource's output nobody expects it.
    pub(crate) remarks: Vec<String>,
    /// What it looked like; none if it could not be read.
    pub(crate) stamp: Option<Stamp>,
}

/// How a file compares with its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// No change; a new stamp if only its time differs.
    Same(Stamp),
    /// Other content.
    Changed(Stamp),
    /// It cannot be read.
    Unreadable,
}

impl ConfigFile {
    /// The first plain file of that name (`ldirectord.md` 1.1).
    pub(crate) fn find(word: &str, places: &Places) -> Option<ConfigFile> {
        let candidates = places
            .configurations
            .iter()
            // Joined as text: an absolute name goes below the directory, too, where it is not found.
            .map(|directory| PathBuf::from(format!("{}/{word}", directory.display())))
            .chain([PathBuf::from(word)]);
        let found = candidates.into_iter().find(|path| path.is_file())?;
        Some(ConfigFile {
            name: found.to_string_lossy().into_owned(),
            path: std::path::absolute(&found).unwrap_or(found),
        })
    }

    /// Reads and parses it. May block for name servers.
    pub(crate) fn load(&self) -> Loaded {
        let pid = std::process::id();
        match read(&self.path) {
            Ok((bytes, stamp)) => {
                let parsed = parse(&bytes, &self.name, &Machine::default());
                let (remarks, diagnostics): (Vec<_>, Vec<_>) =
                    parsed.diagnostics.iter().partition(|said| {
                        said.origin == Origin::Ours && said.severity > Severity::Error
                    });
                let texts = |said: Vec<&Diagnostic>| {
                    said.into_iter()
                        .map(|said| legacy_text(said, pid))
                        .collect()
                };
                Loaded {
                    config: parsed.value,
                    diagnostics: texts(diagnostics),
                    remarks: texts(remarks),
                    stamp: Some(stamp),
                }
            }
            Err(error) => Loaded {
                config: None,
                diagnostics: vec![format!(
                    "Error [{pid}]: can not open file {}: {}",
                    self.name,
                    ha_sys::errno_text(&error)
                )],
                remarks: Vec::new(),
                stamp: None,
            },
        }
    }

    /// Compares with what it looked like. The content is read only when the time differs.
    pub(crate) fn look(&self, known: Option<Stamp>) -> Look {
        let Ok(metadata) = fs::metadata(&self.path) else {
            return Look::Unreadable;
        };
        match known {
            Some(known) if modified(&metadata) == known.modified => Look::Same(known),
            _ => match read(&self.path) {
                Ok((_, stamp)) if known.is_some_and(|known| known.digest == stamp.digest) => {
                    Look::Same(stamp)
                }
                Ok((_, stamp)) => Look::Changed(stamp),
                Err(_) => Look::Unreadable,
            },
        }
    }
}

fn read(path: &Path) -> io::Result<(Vec<u8>, Stamp)> {
    let file = File::open(path)?;
    let modified = modified(&file.metadata()?);
    let mut bytes = Vec::new();
    file.take(LEN_MAX).read_to_end(&mut bytes)?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    let digest = hasher.finish();
    Ok((bytes, Stamp { modified, digest }))
}

fn modified(metadata: &fs::Metadata) -> (i64, i64) {
    (metadata.mtime(), metadata.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::scratch::Scratch;

    const GOOD: &str = "virtual=192.0.2.1:80\n\treal=192.0.2.2:80 gate\n\tchecktype=off\n# end\n";

    #[test]
    fn is_looked_for_in_the_directories_first() {
        let dir = Scratch::new();
        let places = Places {
            configurations: vec![dir.path("ha.d"), dir.path("ha.d/conf")],
            ..Places::default()
        };
        fs::create_dir_all(dir.path("ha.d/conf")).unwrap();
        fs::create_dir(dir.path("ha.d/x.cf")).unwrap();
        assert_eq!(ConfigFile::find("x.cf", &places), None, "a directory");
        let conf = dir.path("ha.d/conf/x.cf");
        fs::write(&conf, GOOD).unwrap();
        let found = ConfigFile::find("x.cf", &places).unwrap();
        assert_eq!(found.name, conf.to_str().unwrap());
        let found = ConfigFile::find(conf.to_str().unwrap(), &places).unwrap();
        assert_eq!(found.name, conf.to_str().unwrap());
        assert!(found.load().config.is_some());
    }

    #[test]
    fn a_change_is_one_of_content() {
        let dir = Scratch::new();
        let path = dir.path("x.cf");
        fs::write(&path, GOOD).unwrap();
        let file = ConfigFile::find(path.to_str().unwrap(), &Places::default()).unwrap();
        let stamp = file.load().stamp.unwrap();
        assert_eq!(file.look(Some(stamp)), Look::Same(stamp));
        let touch = |seconds| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(time)
                .unwrap();
        };
        touch(1000);
        let Look::Same(touched) = file.look(Some(stamp)) else {
            panic!("the content is the same");
        };
        assert_ne!(touched, stamp);
        fs::write(&path, "bogus=1\n").unwrap();
        touch(999);
        let Look::Changed(stamp) = file.look(Some(touched)) else {
            panic!("an older time and another content");
        };
        let loaded = file.load();
        assert_eq!((loaded.config.is_none(), loaded.stamp), (true, Some(stamp)));
        let pid = std::process::id();
        assert_eq!(
            loaded.diagnostics,
            [format!(
                "Error [{pid}] reading file {} at line 1: Unknown command bogus=1\n ",
                file.name
            )]
        );
        fs::remove_file(&path).unwrap();
        assert_eq!(file.look(Some(stamp)), Look::Unreadable);
        assert!(file.load().diagnostics[0].ends_with(": No such file or directory"));
    }
}
