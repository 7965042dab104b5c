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
    let mut files = ConfigFiles {
        ha_cf: content(paths::HA_CF),
        authkeys: content(paths::AUTHKEYS),
        haresources: content(paths::HARESOURCES),
        nodeinfo: content(paths::NODEINFO),
    };
    let loaded = load(&files, options, &Machine);
    files.authkeys.wipe();
    loaded
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
    let metadata = file.metadata()?;
    let mode = metadata.mode();
    // Room for all of it and for noticing the end: growing would leave copies of keys behind in freed memory.
    let room = metadata.len().min(FILE_MAX).saturating_add(32);
    let mut bytes = Vec::with_capacity(usize::try_from(room).unwrap_or_default());
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

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};
    use std::os::unix::fs::OpenOptionsExt;

    use ha_config::parse_authkeys;

    use super::*;

    /// The word that is looked for is kept in disguise, or the search would find itself.
    const DISGUISE: u8 = 0x55;

    fn disguised_word() -> Vec<u8> {
        let letters = (b'a'..=b'z').cycle().step_by(7);
        letters.take(40).map(|letter| letter ^ DISGUISE).collect()
    }

    /// Only the end of the word: what is freed soon has pointers of the allocator at its beginning.
    fn appears(memory: &[u8], disguised: &[u8]) -> bool {
        let disguised = &disguised[16..];
        memory.windows(disguised.len()).any(|window| {
            window
                .iter()
                .zip(disguised)
                .all(|(byte, other)| byte ^ DISGUISE == *other)
        })
    }

    /// Whether the word is anywhere in our writable memory. The buffer is wiped after each look.
    fn is_in_memory(disguised: &[u8]) -> bool {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let mut memory = File::open("/proc/self/mem").unwrap();
        let mut buffer = Vec::new();
        let mut found = false;
        for line in maps.lines() {
            let mut words = line.split_whitespace();
            let (range, rights) = (words.next().unwrap(), words.next().unwrap());
            let (start, end) = range.split_once('-').unwrap();
            let bound = |text| u64::from_str_radix(text, 16).unwrap();
            let (start, end) = (bound(start), bound(end));
            if !rights.starts_with("rw") || line.ends_with("[vvar]") {
                continue;
            }
            buffer.resize(usize::try_from(end - start).unwrap(), 0);
            let mut filled = 0;
            memory.seek(SeekFrom::Start(start)).unwrap();
            // What cannot be read, such as pages of a device, is not ours to look at.
            while let Ok(more @ 1..) = memory.read(&mut buffer[filled..]) {
                filled += more;
            }
            found |= appears(&buffer[..filled], disguised);
            ha_config::wipe(&mut buffer);
        }
        found
    }

    /// A core file, a swapped page or a leak of memory must not tell the keys of an authkeys that is not used any more.
    #[test]
    fn keys_that_are_dropped_leave_no_trace_in_memory() {
        let path = std::env::temp_dir().join(format!("authkeys-{}", std::process::id()));
        let disguised = disguised_word();
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .unwrap();
        file.write_all(b"auth 1\n1 sha1 ").unwrap();
        for byte in &disguised {
            file.write_all(&[byte ^ DISGUISE]).unwrap();
        }
        file.write_all(b"\n").unwrap();
        // Many, since the memory of one may be used again by chance.
        let mut contents: Vec<FileContent> =
            (0..64).map(|_| content(path.to_str().unwrap())).collect();
        fs::remove_file(&path).unwrap();
        let mut rings = Vec::new();
        for content in &mut contents {
            let FileContent::Read { bytes, mode } = content else {
                panic!("{content:?}");
            };
            let parsed = parse_authkeys(bytes, *mode, "authkeys");
            rings.push(parsed.value.expect("a good file"));
            content.wipe();
        }
        drop(contents);
        assert!(is_in_memory(&disguised), "the search finds what is there");
        drop(rings);
        assert!(!is_in_memory(&disguised), "what is dropped is wiped");
    }
}
