//! The configuration file: where it is, what it says, and whether it has changed.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ha_config::ldirectord::{Ldirectord, LogTarget, legacy_text, read as read_configuration};
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
    /// Others than owner and group may read it. A change of rights alone is no reason to load it again.
    for_everybody: bool,
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
    /// Where it wants to log, as far as it is understood; none if it could not be read.
    pub(crate) log: Option<LogTarget>,
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
            Ok((mut bytes, stamp)) => {
                let reading = read_configuration(&bytes, &self.name, &Machine::default());
                let parsed = reading.parsed;
                let told = stamp.for_everybody && has_passwords(&bytes);
                ha_config::wipe(&mut bytes);
                let (remarks, diagnostics): (Vec<_>, Vec<_>) =
                    parsed.diagnostics.iter().partition(|said| {
                        said.origin == Origin::Ours && said.severity > Severity::Error
                    });
                let texts = |said: Vec<&Diagnostic>| {
                    said.into_iter()
                        .map(|said| legacy_text(said, pid))
                        .collect()
                };
                let mut remarks: Vec<String> = texts(remarks);
                if told {
                    remarks.push(format!(
                        "{name} has passwords in it and everybody may read it: chmod o-r {name}",
                        name = self.name
                    ));
                }
                Loaded {
                    config: parsed.value,
                    diagnostics: texts(diagnostics),
                    remarks,
                    log: Some(reading.log),
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
                log: None,
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
                Ok((mut bytes, stamp)) => {
                    ha_config::wipe(&mut bytes);
                    if known.is_some_and(|known| known.digest == stamp.digest) {
                        Look::Same(stamp)
                    } else {
                        Look::Changed(stamp)
                    }
                }
                Err(_) => Look::Unreadable,
            },
        }
    }
}

/// Whether a line sets a password or a shared secret.
fn has_passwords(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    lines.any(|line| {
        let line = line.trim_ascii_start();
        let value = [&b"passwd"[..], b"secret"]
            .into_iter()
            .find_map(|name| line.strip_prefix(name));
        value.is_some_and(|rest| rest.trim_ascii_start().starts_with(b"="))
    })
}

fn read(path: &Path) -> io::Result<(Vec<u8>, Stamp)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let modified = modified(&metadata);
    let for_everybody = metadata.mode() & 0o004 != 0;
    // Room for all of it: growing would leave copies of passwords behind in freed memory.
    let room = metadata.len().min(LEN_MAX).saturating_add(32);
    let mut bytes = Vec::with_capacity(usize::try_from(room).unwrap_or_default());
    file.take(LEN_MAX).read_to_end(&mut bytes)?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    let digest = hasher.finish();
    let stamp = Stamp {
        modified,
        digest,
        for_everybody,
    };
    Ok((bytes, stamp))
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

    #[test]
    fn passwords_that_everybody_may_read_are_told() {
        use std::os::unix::fs::PermissionsExt;

        let dir = Scratch::new();
        let path = dir.path("x.cf");
        let text = "virtual=192.0.2.1:3306\n\treal=192.0.2.2:3306 gate\n\tservice=mysql\n\tlogin=\"a\"\n\tpasswd = \"hush\"\n# end\n";
        fs::write(&path, text).unwrap();
        let file = ConfigFile::find(path.to_str().unwrap(), &Places::default()).unwrap();
        let told = |mode| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let remarks = file.load().remarks;
            assert!(!remarks.iter().any(|text| text.contains("hush")));
            remarks
                .iter()
                .any(|text| text.contains("has passwords in it"))
        };
        assert!(told(0o644));
        assert!(!told(0o640));
        fs::write(&path, GOOD).unwrap();
        assert!(!told(0o644), "there are none");
    }
}
