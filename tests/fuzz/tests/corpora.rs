//! Every target takes all of its seeds and every input that once made one fail.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ha_fuzz::{findings, findings_folder, targets};

#[test]
fn every_target_takes_its_seeds() {
    for target in targets() {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for (name, bytes) in seeds {
            println!("{}: {name}", target.name);
            (target.run)(&bytes);
        }
    }
}

/// The name of the file says what was wrong; it is shown when it is wrong again.
#[test]
fn what_once_failed_does_not_fail_again() {
    for target in targets() {
        for (name, bytes) in findings(target) {
            println!("{}: {name}", target.name);
            (target.run)(&bytes);
        }
    }
}

/// Seeds cut short and with a byte changed here and there: cheap, and the beginning of every fuzzing.
#[test]
fn every_target_takes_damaged_seeds() {
    for target in targets() {
        for (name, bytes) in (target.seeds)() {
            println!("{}: {name}", target.name);
            let mut damaged = bytes.clone();
            for at in (0..bytes.len()).step_by((bytes.len() / 8).max(1)) {
                (target.run)(&bytes[..at]);
                damaged[at] = damaged[at].wrapping_add(1);
                (target.run)(&damaged);
            }
        }
    }
}

#[test]
fn every_target_takes_nothing_at_all() {
    for target in targets() {
        (target.run)(b"");
        (target.run)(&vec![0; target.length_max]);
        (target.run)(&vec![b'\n'; target.length_max]);
        (target.run)(&vec![0xff; target.length_max]);
    }
}

#[test]
fn names_are_unique_and_every_finding_has_a_target() {
    let names: BTreeSet<&str> = targets().map(|target| target.name).collect();
    assert_eq!(names.len(), targets().count());
    let any = targets().next().expect("there are targets");
    let findings = findings_folder(any);
    let top = findings.parent().map_or(Path::new(""), |parent| parent);
    for folder in fs::read_dir(top).into_iter().flatten().flatten() {
        let name = folder.file_name().to_string_lossy().into_owned();
        assert!(
            !folder.path().is_dir() || names.contains(name.as_str()),
            "findings of {name}, which is no target"
        );
    }
}
