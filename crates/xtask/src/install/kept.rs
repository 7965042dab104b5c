//! What is ours on a machine, and what stood there before.
//!
//! Below [`DIRECTORY`] lie, where no other program looks for scripts or settings:
//!
//! * `installed`: what we put on the machine, one thing a line: `file`, the SHA-256 of its contents and the path, or `link`,
//!   its text and the path, with tabs between. Only what matches its line is ours. While an installation runs there are
//!   lines for the old and the new version, so that one which was cut short is understood, too.
//! * `original/PATH`: the first thing that stood at PATH and was not ours. It is never written again.
//! * `later-N/PATH`: what else was not ours when a later installation came: a file of ours with changes in it, or that of a
//!   package which was installed over ours. N is the first number that is free for the path.
//!
//! What is kept has the owner, mode and time that it had; the directory is root's alone, since among it may be programs
//! that run for others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::place::{below, put_file, set_mode, temporary};
use crate::Failure;

/// Where all this lies.
pub(super) const DIRECTORY: &str = "/var/lib/heartbeat-replaced";

/// How we know a thing as ours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    /// A regular file with contents of this SHA-256, in hexadecimal.
    File(String),
    /// A symbolic link with this text.
    Link(String),
}

impl Mark {
    pub(super) fn of_file(contents: &[u8]) -> Mark {
        let digest = Sha256::digest(contents);
        Mark::File(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The mark of what stands there; `None` if it is nothing, or something else than a file or link.
    fn at(path: &Path) -> Result<Option<Mark>, Failure> {
        let Some(meta) = look(path)? else {
            return Ok(None);
        };
        if meta.is_symlink() {
            let text = fs::read_link(path).map_err(Failure::at(path))?;
            // Ours are all UTF-8.
            return Ok(Some(Mark::Link(text.to_string_lossy().into_owned())));
        }
        if !meta.is_file() {
            return Ok(None);
        }
        let contents = fs::read(path).map_err(Failure::at(path))?;
        Ok(Some(Mark::of_file(&contents)))
    }
}

/// What is where, by absolute path of the installed system.
pub(super) type Marks = BTreeMap<String, BTreeSet<Mark>>;

/// Where a copy was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Copied {
    /// Among the originals.
    Original,
    /// Here, since there is an original already.
    Later(PathBuf),
}

/// The record of a machine, and the keeper of what was there before.
#[derive(Debug)]
pub(super) struct Kept {
    root: PathBuf,
    ours: Marks,
}

impl Kept {
    /// Reads the record below this root; it is empty where nothing of ours was ever installed.
    pub(super) fn read(root: &Path) -> Result<Kept, Failure> {
        let record = below(root, DIRECTORY).join("installed");
        let text = match fs::read_to_string(&record) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Failure::at(&record)(error)),
        };
        let mut ours = Marks::new();
        for line in text.lines() {
            let mut fields = line.splitn(3, '\t');
            let (kind, value, path) = (fields.next(), fields.next(), fields.next());
            let (mark, path) = match (kind, value, path) {
                (Some("file"), Some(digest), Some(path)) => (Mark::File(digest.into()), path),
                (Some("link"), Some(target), Some(path)) => (Mark::Link(target.into()), path),
                _ => {
                    let error = io::Error::new(io::ErrorKind::InvalidData, "no record of ours");
                    return Err(Failure::at(&record)(error));
                }
            };
            ours.entry(path.into()).or_default().insert(mark);
        }
        Ok(Kept {
            root: root.into(),
            ours,
        })
    }

    /// Was anything installed?
    pub(super) fn is_empty(&self) -> bool {
        self.ours.is_empty()
    }

    /// Notes that these things are about to be put in place.
    pub(super) fn expect(&mut self, coming: &Marks) -> Result<(), Failure> {
        for (path, marks) in coming {
            let known = self.ours.entry(path.clone()).or_default();
            known.extend(marks.iter().cloned());
        }
        self.write()
    }

    /// Notes that they stand there, and nothing else of ours. What an earlier version left at other paths stays known.
    pub(super) fn done(&mut self, standing: Marks) -> Result<(), Failure> {
        self.ours.extend(standing);
        self.write()
    }

    fn write(&self) -> Result<(), Failure> {
        let mut text = String::new();
        for (path, marks) in &self.ours {
            for mark in marks {
                let (kind, value) = match mark {
                    Mark::File(digest) => ("file", digest),
                    Mark::Link(target) => ("link", target),
                };
                text.push_str(&format!("{kind}\t{value}\t{path}\n"));
            }
        }
        let directory = self.directory()?;
        put_file(&directory.join("installed"), text.as_bytes(), 0o644)
    }

    fn directory(&self) -> Result<PathBuf, Failure> {
        let directory = below(&self.root, DIRECTORY);
        fs::create_dir_all(&directory).map_err(Failure::at(&directory))?;
        set_mode(&directory, 0o700)?;
        Ok(directory)
    }

    /// Does something of ours stand there?
    pub(super) fn is_ours(&self, path: &str) -> Result<bool, Failure> {
        let Some(marks) = self.ours.get(path) else {
            return Ok(false);
        };
        Ok(Mark::at(&below(&self.root, path))?.is_some_and(|mark| marks.contains(&mark)))
    }

    /// Keeps a copy of what stands at a path, unless it is ours. Tells where the copy is.
    pub(super) fn keep(&self, path: &str) -> Result<Option<Copied>, Failure> {
        let from = below(&self.root, path);
        let Some(mark) = Mark::at(&from)? else {
            return Ok(None);
        };
        if self.is_ours(path)? {
            return Ok(None);
        }
        let directory = self.directory()?;
        let names = std::iter::once("original".into()).chain((1..).map(|n| format!("later-{n}")));
        for (number, name) in names.enumerate() {
            let to = below(&directory.join(name), path);
            match Mark::at(&to)? {
                // By an installation that was cut short, or it came back.
                Some(kept) if kept == mark => break,
                Some(_) => {}
                None => {
                    copy(&from, &to)?;
                    return Ok(Some(match number {
                        0 => Copied::Original,
                        _ => Copied::Later(to),
                    }));
                }
            }
        }
        Ok(None)
    }

    /// The same for a thing that is no longer to stand there, without anything in its place.
    pub(super) fn move_away(&self, path: &str) -> Result<Option<Copied>, Failure> {
        let copied = self.keep(path)?;
        let place = below(&self.root, path);
        if !self.is_ours(path)? && Mark::at(&place)?.is_some() {
            fs::remove_file(&place).map_err(Failure::at(&place))?;
        }
        Ok(copied)
    }

    /// Takes away what is ours and puts the originals in their places. Where something stands that is not ours, it stays, and
    /// so does what was kept for the place. Returns notes about that.
    pub(super) fn undo(self) -> Result<Vec<String>, Failure> {
        let mut notes = Vec::new();
        for path in self.ours.keys() {
            let place = below(&self.root, path);
            if self.is_ours(path)? {
                fs::remove_file(&place).map_err(Failure::at(&place))?;
            } else if look(&place)?.is_some() {
                notes.push(format!("{path} is not as it was installed, and stays"));
            }
        }
        let directory = below(&self.root, DIRECTORY);
        let original = directory.join("original");
        for path in files_below(&original)? {
            let kept = original.join(&path);
            let place = self.root.join(&path);
            if look(&place)?.is_some() {
                notes.push(format!("{} stays there", kept.display()));
                continue;
            }
            copy(&kept, &place)?;
            fs::remove_file(&kept).map_err(Failure::at(&kept))?;
        }
        remove_empty(&original);
        let record = directory.join("installed");
        fs::remove_file(&record).map_err(Failure::at(&record))?;
        // Not if there is still something in it.
        let _ = fs::remove_dir(&directory);
        Ok(notes)
    }
}

/// What stands there, without following a link; `None` for nothing.
fn look(path: &Path) -> Result<Option<fs::Metadata>, Failure> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(meta)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(Failure::at(path)(error)),
    }
}

/// Copies a file or link with owner, mode and time, under a temporary name first. The two places may be on different file
/// systems.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(Failure::at(parent))?;
    }
    let temporary = temporary(to);
    let meta = fs::symlink_metadata(from).map_err(Failure::at(from))?;
    let (owner, group) = (Some(meta.uid()), Some(meta.gid()));
    if meta.is_symlink() {
        let text = fs::read_link(from).map_err(Failure::at(from))?;
        symlink(text, &temporary).map_err(Failure::at(&temporary))?;
        lchown(&temporary, owner, group).map_err(Failure::at(&temporary))?;
    } else {
        fs::copy(from, &temporary).map_err(Failure::at(from))?;
        lchown(&temporary, owner, group).map_err(Failure::at(&temporary))?;
        // In this order, because a change of the owner takes the bits for other users away.
        set_mode(&temporary, meta.permissions().mode() & 0o7777)?;
        let times = meta
            .modified()
            .map(|time| fs::FileTimes::new().set_modified(time));
        times
            .and_then(|times| fs::File::open(&temporary)?.set_times(times))
            .map_err(Failure::at(&temporary))?;
    }
    fs::rename(&temporary, to).map_err(Failure::at(to))
}

/// All that is no directory below this one, relative to it.
fn files_below(top: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        let path = top.join(&directory);
        if look(&path)?.is_none() {
            continue;
        }
        for entry in fs::read_dir(&path).map_err(Failure::at(&path))? {
            let entry = entry.map_err(Failure::at(&path))?;
            let name = directory.join(entry.file_name());
            let kind = entry.file_type().map_err(Failure::at(&entry.path()))?;
            if kind.is_dir() {
                directories.push(name);
            } else {
                files.push(name);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Removes directories that have nothing in them but such directories.
fn remove_empty(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty(&entry.path());
        }
    }
    let _ = fs::remove_dir(directory);
}
