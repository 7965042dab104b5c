//! Files of state that may have been damaged: who the node is (`wire-protocol.md` 5.3, 8.2), and pid files.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use ha_sys::durable::Disk;
use ha_sys::identity::{Found, Places, Wanted, establish};
use ha_sys::pidfile;

use crate::Target;
use crate::config::{BETWEEN, split};
use crate::seeds::{self, Seed};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "identity_files",
        run: identity,
        seeds: identities,
        words: identity_words,
        length_max: 512,
    },
    Target {
        name: "pid_file",
        run: pid_file,
        seeds: pid_files,
        words: seeds::no_words,
        length_max: 64,
    },
];

const UUID: &str = "/state/hb_uuid";
const GENERATION: &str = "/state/hb_generation";
const COPY: &str = "/state/hb_identity";
const WALL: u64 = 1_700_000_000;

/// A disk that keeps everything.
#[derive(Default)]
struct Memory(RefCell<BTreeMap<PathBuf, Vec<u8>>>);

impl Memory {
    fn content(&self, path: &str) -> Vec<u8> {
        let files = self.0.borrow();
        files.get(Path::new(path)).cloned().unwrap_or_default()
    }
}

impl Disk for Memory {
    type File = PathBuf;

    fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        assert!(limit <= 4096, "a bounded look at a small file");
        let files = self.0.borrow();
        let head = |bytes: &Vec<u8>| bytes.iter().copied().take(limit).collect();
        Ok(files.get(path).map(head))
    }

    fn create(&self, path: &Path) -> io::Result<PathBuf> {
        let before = self.0.borrow_mut().insert(path.to_owned(), Vec::new());
        assert!(before.is_none(), "{} was there", path.display());
        Ok(path.to_owned())
    }

    fn write(&self, file: &mut PathBuf, content: &[u8]) -> io::Result<()> {
        let mut files = self.0.borrow_mut();
        files.entry(file.clone()).or_default().extend(content);
        Ok(())
    }

    fn sync(&self, _: &PathBuf) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut files = self.0.borrow_mut();
        let content = files.remove(from).expect("a file to rename");
        files.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.borrow_mut().remove(path);
        Ok(())
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// A start of the node. At the first the clock is right, later its battery is empty.
fn start(disk: &Memory, wall: u64, seed: u8) -> Found {
    let places = Places {
        uuid: Path::new(UUID),
        generation: Path::new(GENERATION),
        copy: Path::new(COPY),
    };
    let wanted = Wanted {
        uuid: true,
        generation: true,
        wall,
    };
    let random = |bytes: &mut [u8; 16]| {
        *bytes = [seed; 16];
        Ok(())
    };
    establish(disk, places, wanted, random).expect("a disk without faults")
}

/// Three files of any content, each of which may be missing: the node comes up with an identity that it keeps from then on,
/// with generations that only rise, and after one start all files are sound.
fn identity(bytes: &[u8]) {
    let disk = Memory::default();
    let given = split(bytes);
    for (path, content) in [UUID, GENERATION, COPY].iter().zip(&given) {
        // A part that says so is a file that is not there.
        if *content != b"-" {
            let mut files = disk.0.borrow_mut();
            files.insert(PathBuf::from(path), content.to_vec());
        }
    }
    let uuid_before = disk.content(UUID);
    let generation_before = disk.content(GENERATION);

    let first = start(&disk, WALL, 7);
    let uuid = first.uuid.expect("it was wanted");
    let generation = first.generation.expect("it was wanted");
    assert_ne!(uuid, [0; 16], "nobody");
    if uuid_before.len() == 16 && uuid_before != [0; 16] {
        assert_eq!(uuid_before, uuid, "a sound file is believed");
    }
    let written = std::str::from_utf8(&generation_before).unwrap_or_default();
    // A sign is nothing that anybody writes.
    let written = Some(written.trim()).filter(|text| !text.starts_with('+'));
    let written = written.and_then(|text| text.parse::<u64>().ok());
    let written = written.unwrap_or(0);
    // A longer file and a larger number are damage: no node starts that often. Then the number is one of today.
    if generation_before.len() <= 64 && (1..1 << 47).contains(&written) {
        assert!(generation > written, "{generation} after {written}");
    } else {
        assert!(generation > WALL, "{generation}");
    }
    for remark in &first.remarks {
        assert!(!remark.to_string().is_empty());
    }
    assert_eq!(disk.content(UUID), uuid);

    // Near the end of all numbers none can follow for long.
    if generation >= 1 << 47 {
        return;
    }
    for later in 1..=2 {
        let next = start(&disk, 0, 9);
        assert_eq!(next.uuid, Some(uuid));
        assert_eq!(next.generation, Some(generation + later));
        assert_eq!(next.remarks, [], "all was sound after the first start");
    }
    let files = disk.0.borrow();
    assert_eq!(files.len(), 3, "nothing is left over: {files:?}");
}

/// Files as a node leaves them.
fn identities() -> Vec<Seed> {
    let disk = Memory::default();
    start(&disk, WALL, 1);
    start(&disk, WALL, 2);
    let [uuid, generation, copy] = [UUID, GENERATION, COPY].map(|path| disk.content(path));
    let none = || b"-".to_vec();
    let sets = [
        ("sound", [uuid.clone(), generation.clone(), copy.clone()]),
        ("first-start", [none(), none(), none()]),
        ("legacy", [uuid.clone(), generation.clone(), none()]),
        ("half-uuid", [uuid[..7].to_vec(), generation, copy.clone()]),
        ("no-number", [uuid.clone(), b"\0\0\0".to_vec(), copy]),
        (
            "no-copy",
            [[0; 16].to_vec(), b"x\n".to_vec(), b"uuid=14".to_vec()],
        ),
        (
            "longer-uuid",
            [[&uuid[..], b"x"].concat(), b" 12 ".to_vec(), none()],
        ),
    ];
    sets.into_iter()
        .map(|(name, files)| (name.to_owned(), files.join(BETWEEN)))
        .collect()
}

fn identity_words() -> Vec<Vec<u8>> {
    let mut words = seeds::words(
        "uuid= generation= crc= - 00000000-0000-0000-0000-000000000000 1700000002 281474976710656 18446744073709551615",
    );
    words.push(BETWEEN.to_vec());
    words.push(b"              1\n".to_vec());
    words
}

/// A number that is read stands in the file, and can be a process; our own file is read as what we wrote.
fn pid_file(bytes: &[u8]) {
    let Some(pid) = pidfile::parse(bytes) else {
        return;
    };
    assert!(pid > 0 && i32::try_from(pid).is_ok(), "{pid}");
    let text = String::from_utf8_lossy(bytes);
    let digits = text.trim_start().trim_start_matches('0');
    assert!(digits.starts_with(&pid.to_string()), "{text:?}: {pid}");
    assert_eq!(pidfile::parse(format!("{pid:>10}\n").as_bytes()), Some(pid));
}

fn pid_files() -> Vec<Seed> {
    seeds::texts(&[b"      4711\n", b"4711", b"0\n", b"2147483648\n", b" 12 13"])
}
