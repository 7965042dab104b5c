//! A disk that can lose its power after any system call, and everything that was not synced with it.
//!
//! Contents and names are kept twice: as processes see them, and as they stand on the platter. `fsync` of a file carries
//! its content over, that of the directory its names. What else reaches the platter is up to the machine, so a power cut
//! comes in kinds.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::Disk;

/// What is on the platter besides what was synced, when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nothing.
    Nothing,
    /// Names, but no contents: files are empty.
    NamesOnly,
    /// Names, and the first half of contents.
    Torn,
    /// Names, and contents full of zeros.
    Zeroed,
    /// Contents, but no names.
    ContentsOnly,
    /// Everything.
    Everything,
}

impl Cut {
    pub(crate) const ALL: [Cut; 6] = [
        Cut::Nothing,
        Cut::NamesOnly,
        Cut::Torn,
        Cut::Zeroed,
        Cut::ContentsOnly,
        Cut::Everything,
    ];
}

#[derive(Clone, Debug, Default)]
struct Inode {
    seen: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    /// Calls that still succeed.
    calls_left: Option<usize>,
    calls: usize,
}

/// The disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeDisk(RefCell<State>);

impl FakeDisk {
    /// The call after the next `calls` fails, and so do all later ones. A write that fails has written its first half.
    pub(crate) fn fail_after(&self, calls: usize) {
        self.0.borrow_mut().calls_left = Some(calls);
    }

    /// How many calls that change something were made.
    pub(crate) fn calls(&self) -> usize {
        self.0.borrow().calls
    }

    /// The disk as it is found when the power is back.
    pub(crate) fn after_power_cut(&self, cut: Cut) -> FakeDisk {
        let state = self.0.borrow();
        let names = match cut {
            Cut::Nothing | Cut::ContentsOnly => &state.synced_names,
            _ => &state.names,
        };
        let content = |inode: &Inode| match cut {
            _ if inode.seen == inode.synced => inode.synced.clone(),
            Cut::Nothing => inode.synced.clone(),
            Cut::NamesOnly => Vec::new(),
            Cut::Torn => inode.seen[..inode.seen.len() / 2].to_vec(),
            Cut::Zeroed => vec![0; inode.seen.len()],
            Cut::ContentsOnly | Cut::Everything => inode.seen.clone(),
        };
        let inodes = state.inodes.iter().map(content).map(|content| Inode {
            seen: content.clone(),
            synced: content,
        });
        FakeDisk(RefCell::new(State {
            inodes: inodes.collect(),
            names: names.clone(),
            synced_names: names.clone(),
            ..State::default()
        }))
    }

    /// A file that has been there for long.
    pub(crate) fn put(&self, path: &str, content: &[u8]) {
        let mut state = self.0.borrow_mut();
        let number = state.inodes.len();
        state.inodes.push(Inode {
            seen: content.to_vec(),
            synced: content.to_vec(),
        });
        state.names.insert(path.into(), number);
        state.synced_names.insert(path.into(), number);
    }

    pub(crate) fn delete(&self, path: &str) {
        let mut state = self.0.borrow_mut();
        state.names.remove(Path::new(path));
        state.synced_names.remove(Path::new(path));
    }

    pub(crate) fn get(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.0.borrow();
        let number = *state.names.get(Path::new(path))?;
        Some(state.inodes[number].seen.clone())
    }

    /// True if the call may be made.
    fn count(&self) -> bool {
        let mut state = self.0.borrow_mut();
        state.calls += 1;
        match &mut state.calls_left {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    fn call(&self) -> io::Result<()> {
        match self.count() {
            true => Ok(()),
            false => Err(io::Error::from_raw_os_error(libc::EIO)),
        }
    }
}

impl Disk for FakeDisk {
    type File = usize;

    fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        self.call()?;
        let state = self.0.borrow();
        Ok(state.names.get(path).map(|number| {
            let content = &state.inodes[*number].seen;
            content[..content.len().min(limit as usize)].to_vec()
        }))
    }

    fn create(&self, path: &Path) -> io::Result<usize> {
        self.call()?;
        let mut state = self.0.borrow_mut();
        if state.names.contains_key(path) {
            return Err(io::Error::from_raw_os_error(libc::EEXIST));
        }
        let number = state.inodes.len();
        state.inodes.push(Inode::default());
        state.names.insert(path.to_owned(), number);
        Ok(number)
    }

    fn write(&self, file: &mut usize, content: &[u8]) -> io::Result<()> {
        let whole = self.count();
        let part = if whole {
            content
        } else {
            &content[..content.len() / 2]
        };
        self.0.borrow_mut().inodes[*file].seen.extend(part);
        match whole {
            true => Ok(()),
            false => Err(io::Error::from_raw_os_error(libc::ENOSPC)),
        }
    }

    fn sync(&self, file: &usize) -> io::Result<()> {
        self.call()?;
        let mut state = self.0.borrow_mut();
        let inode = &mut state.inodes[*file];
        inode.synced = inode.seen.clone();
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call()?;
        let mut state = self.0.borrow_mut();
        let number = state
            .names
            .remove(from)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))?;
        state.names.insert(to.to_owned(), number);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call()?;
        self.0.borrow_mut().names.remove(path);
        Ok(())
    }

    fn sync_directory(&self, _directory: &Path) -> io::Result<()> {
        self.call()?;
        let mut state = self.0.borrow_mut();
        state.synced_names = state.names.clone();
        Ok(())
    }
}
