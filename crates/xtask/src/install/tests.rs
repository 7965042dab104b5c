//! Installation on a machine: a made-up root directory, with files of an earlier heartbeat in it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::place::{Sources, place_on_machine, take_from_machine};
use super::{LibDir, is_this_machine, tree};
use crate::scratch::Scratch;

/// The old package's files: path, contents, mode.
const OLD: &[(&str, &str, u32)] = &[
    ("etc/init.d/heartbeat", "old init script", 0o755),
    ("etc/ha.d/ha.cf", "node a b", 0o644),
    ("etc/ha.d/rc.d/status", "old handler", 0o755),
    ("etc/logrotate.d/heartbeat", "old rotation", 0o644),
    ("usr/bin/cl_status", "old cl_status", 0o2755),
    ("usr/share/man/man8/heartbeat.8.gz", "old page", 0o644),
];

struct Machine {
    scratch: Scratch,
}

impl Machine {
    fn new(old: &[(&str, &str, u32)]) -> Machine {
        let machine = Machine {
            scratch: Scratch::new(),
        };
        for (path, contents, mode) in old {
            machine.write(path, contents, *mode);
        }
        fs::create_dir_all(machine.root()).unwrap();
        let built = machine.scratch.path().join("built");
        fs::create_dir_all(&built).unwrap();
        for name in [
            "heartbeat",
            "ha-tools",
            "ldirectord",
            "stonith",
            "cl_status",
        ] {
            fs::write(built.join(name), format!("our {name}")).unwrap();
        }
        machine
    }

    fn root(&self) -> PathBuf {
        self.scratch.path().join("root")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    fn kept(&self, path: &str) -> PathBuf {
        self.at("var/lib/heartbeat-replaced").join(path)
    }

    fn write(&self, path: &str, contents: &str, mode: u32) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn read(&self, path: &str) -> String {
        read(&self.at(path))
    }

    /// Installs this version, with texts from `texts`.
    fn install_from(&self, texts: PathBuf) -> Vec<String> {
        let sources = Sources {
            programs: self.scratch.path().join("built"),
            texts,
        };
        let tree = tree::tree(LibDir::Lib64);
        place_on_machine(&tree, &sources, LibDir::Lib64, &self.root()).unwrap()
    }

    fn install(&self) -> Vec<String> {
        self.install_from(crate::cargo::workspace().join("compat"))
    }

    /// Installs a version whose init script is another one.
    fn install_next_version(&self) -> Vec<String> {
        let texts = self.scratch.path().join("next");
        copy_tree(&crate::cargo::workspace().join("compat"), &texts);
        fs::write(texts.join("init.d/heartbeat"), "next init script").unwrap();
        self.install_from(texts)
    }

    /// Every file and link: contents or text, and mode.
    fn all(&self) -> BTreeMap<PathBuf, (String, u32)> {
        let mut all = BTreeMap::new();
        collect(&self.root(), &mut all);
        all
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn collect(directory: &Path, all: &mut BTreeMap<PathBuf, (String, u32)>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            collect(&path, all);
        } else if meta.is_symlink() {
            let text = fs::read_link(&path).unwrap().display().to_string();
            all.insert(path, (text, 0));
        } else {
            all.insert(path.clone(), (read(&path), meta.mode() & 0o7777));
        }
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_second_installation_does_not_overwrite_the_original() {
    let machine = Machine::new(OLD);
    machine.install();
    let original = machine.kept("original/etc/init.d/heartbeat");
    assert_eq!(read(&original), "old init script");
    machine.install_next_version();
    assert_eq!(machine.read("etc/init.d/heartbeat"), "next init script");
    assert_eq!(read(&original), "old init script");
    // Our first version is nothing to keep.
    assert_eq!(names(&machine.kept("")), ["installed", "original"]);
}

#[test]
fn ours_is_never_kept() {
    let machine = Machine::new(&[]);
    machine.install();
    machine.install_next_version();
    machine.install();
    assert_eq!(names(&machine.kept("")), ["installed"]);
}

#[test]
fn a_change_in_a_file_of_ours_is_kept_apart_from_the_original() {
    let machine = Machine::new(OLD);
    machine.install();
    for (change, copy) in [("one", "later-1"), ("two", "later-2")] {
        machine.write("etc/init.d/heartbeat", change, 0o755);
        let notes = machine.install();
        let copy = machine.kept(copy).join("etc/init.d/heartbeat");
        assert_eq!(read(&copy), change);
        let note = format!("kept as {}", copy.display());
        assert!(notes.iter().any(|line| line.ends_with(&note)), "{notes:?}");
    }
    let original = machine.kept("original/etc/init.d/heartbeat");
    assert_eq!(read(&original), "old init script");
}

#[test]
fn nothing_is_kept_where_others_read_it() {
    let machine = Machine::new(OLD);
    machine.install();
    for (directory, wanted) in [
        ("etc/logrotate.d", vec!["heartbeat", "ldirectord"]),
        ("etc/init.d", vec!["heartbeat", "ldirectord", "logd"]),
    ] {
        assert_eq!(names(&machine.at(directory)), wanted);
    }
    // Programs that run for others are among what is kept.
    let mode = fs::metadata(machine.kept("")).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o700);
}

#[test]
fn a_compressed_page_of_the_old_package_does_not_go_before_ours() {
    let machine = Machine::new(OLD);
    machine.install();
    assert!(!machine.at("usr/share/man/man8/heartbeat.8.gz").exists());
    assert!(machine.at("usr/share/man/man8/heartbeat.8").exists());
    let original = machine.kept("original/usr/share/man/man8/heartbeat.8.gz");
    assert_eq!(read(&original), "old page");
}

#[test]
fn the_way_back_leaves_what_was_there() {
    let machine = Machine::new(OLD);
    symlink("elsewhere", machine.at("etc/ha.d/rc.d/ip-request")).unwrap();
    let before = machine.all();
    machine.install();
    machine.install_next_version();
    assert_ne!(machine.all(), before);
    assert_eq!(
        take_from_machine(&machine.root()).unwrap(),
        Vec::<String>::new()
    );
    assert_eq!(machine.all(), before);
    assert!(!machine.kept("").exists());
    assert!(take_from_machine(&machine.root()).is_err());
}

#[test]
fn the_way_back_leaves_changes_alone() {
    let machine = Machine::new(OLD);
    machine.install();
    machine.write("etc/init.d/heartbeat", "mine", 0o755);
    machine.write("etc/ha.d/resource.d/IPaddr", "mine", 0o755);
    let notes = take_from_machine(&machine.root()).unwrap();
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert_eq!(machine.read("etc/init.d/heartbeat"), "mine");
    assert_eq!(machine.read("etc/ha.d/resource.d/IPaddr"), "mine");
    let original = machine.kept("original/etc/init.d/heartbeat");
    assert_eq!(read(&original), "old init script");
    assert_eq!(names(&machine.kept("")), ["original"]);
}

/// The record is written first: what was put in place then is known as ours, and what was not is still an original.
#[test]
fn an_installation_that_was_cut_short_is_made_good_by_the_next() {
    let machine = Machine::new(OLD);
    let before = machine.all();
    // A directory in the place of a file ends it in the middle.
    let stone = machine.at("usr/sbin/ha_logger/stone");
    fs::create_dir_all(&stone).unwrap();
    let sources = Sources {
        programs: machine.scratch.path().join("built"),
        texts: crate::cargo::workspace().join("compat"),
    };
    let tree = tree::tree(LibDir::Lib64);
    assert!(place_on_machine(&tree, &sources, LibDir::Lib64, &machine.root()).is_err());
    assert_ne!(machine.read("etc/init.d/heartbeat"), "old init script");
    fs::remove_dir_all(machine.at("usr/sbin/ha_logger")).unwrap();
    machine.install_next_version();
    assert_eq!(names(&machine.kept("")), ["installed", "original"]);
    take_from_machine(&machine.root()).unwrap();
    assert_eq!(machine.all(), before);
}

#[test]
fn what_keeps_systemd_from_starting_us_is_said() {
    let machine = Machine::new(&[(
        "usr/lib/systemd/system/heartbeat.service",
        "[Service]",
        0o644,
    )]);
    let old =
        "systemd takes /usr/lib/systemd/system/heartbeat.service before /etc/init.d/heartbeat";
    symlink("usr/lib", machine.at("lib")).unwrap();
    let notes = machine.install();
    let found: Vec<_> = notes.iter().filter(|note| note.contains("takes")).collect();
    assert!(found.len() == 1 && found[0].starts_with(old), "{notes:?}");

    fs::remove_file(machine.at("usr/lib/systemd/system/heartbeat.service")).unwrap();
    fs::create_dir_all(machine.at("etc/systemd/system")).unwrap();
    fs::create_dir_all(machine.at("run/systemd/system")).unwrap();
    symlink(
        "/dev/null",
        machine.at("etc/systemd/system/heartbeat.service"),
    )
    .unwrap();
    let notes = machine.install();
    for wanted in ["systemctl unmask heartbeat", "systemctl daemon-reload"] {
        assert!(notes.iter().any(|note| note.ends_with(wanted)), "{notes:?}");
    }
    assert!(!notes.iter().any(|note| note.contains("takes")));
}

#[test]
fn this_machine_is_known_by_any_name_of_its_root() {
    for name in ["/", "//", "/.", "/usr/.."] {
        assert!(is_this_machine(Path::new(name)), "{name}");
    }
    assert!(!is_this_machine(Path::new("/usr")));
    assert!(!is_this_machine(Path::new("/no/such/directory")));
}
