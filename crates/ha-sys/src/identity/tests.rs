//! Identities that survive power cuts, failing disks and damaged files.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::durable::RealDisk;
use crate::durable::testing::{Cut, FakeDisk};
use crate::process::testing::ScratchDir;

const UUID: &str = "/state/hb_uuid";
const GENERATION: &str = "/state/hb_generation";
const COPY: &str = "/state/hb_identity";
const WALL: u64 = 1_700_000_000;

const BOTH: Wanted = Wanted {
    uuid: true,
    generation: true,
    wall: WALL,
};

/// A start with a random source that never yields the same twice.
fn start(disk: &FakeDisk, seed: u8) -> Result<Found, IdentityError> {
    start_at(disk, seed, WALL)
}

fn start_at(disk: &FakeDisk, seed: u8, wall: u64) -> Result<Found, IdentityError> {
    let places = Places {
        uuid: Path::new(UUID),
        generation: Path::new(GENERATION),
        copy: Path::new(COPY),
    };
    establish(disk, places, Wanted { wall, ..BOTH }, |bytes| {
        *bytes = [seed; 16];
        Ok(())
    })
}

fn who(found: &Found) -> ([u8; 16], u64) {
    (found.uuid.unwrap(), found.generation.unwrap())
}

/// A disk on which the node has run before, and what it was then.
fn lived() -> (FakeDisk, [u8; 16], u64) {
    let disk = FakeDisk::default();
    start(&disk, 1).unwrap();
    let (uuid, generation) = who(&start(&disk, 2).unwrap());
    assert_eq!(generation, WALL + 2);
    (disk, uuid, generation)
}

/// Each start is cut off after each of its system calls, with each kind of loss; what `damage` does to the disk comes
/// before. The node always comes back as itself, with a greater generation; so it does after every later start.
fn cut_everywhere(damage: impl Fn(&FakeDisk)) {
    let (disk, uuid, used) = lived();
    damage(&disk);
    let whole = disk.after_power_cut(Cut::Everything);
    assert_eq!(who(&start(&whole, 3).unwrap()), (uuid, used + 1));
    let calls = whole.calls();
    assert!(calls > 10, "{calls}");
    for stop in 0..=calls {
        for cut in Cut::ALL {
            let case = format!("stopped after {stop} calls, {cut:?}");
            let attempt = disk.after_power_cut(Cut::Everything);
            attempt.fail_after(stop);
            // Whoever returned an identity may have used it.
            let known = start(&attempt, 4).map_or((uuid, used), |found| who(&found));
            let again = attempt.after_power_cut(cut);
            // The clock's battery may be empty, too.
            let (uuid, next) = who(&start_at(&again, 5, 0).expect(&case));
            assert_eq!(uuid, known.0, "{case}");
            assert!(next > known.1, "{case}: {next} after {}", known.1);
            let last = who(&start(&again.after_power_cut(Cut::Nothing), 6).expect(&case));
            assert_eq!(last, (uuid, next + 1), "{case}");
        }
    }
}

#[test]
fn the_power_may_fail_at_any_call() {
    cut_everywhere(|_| {});
}

#[test]
fn the_power_may_fail_at_any_call_of_a_recovery() {
    cut_everywhere(|disk| disk.put(UUID, b"half of "));
    cut_everywhere(|disk| disk.put(GENERATION, b""));
    cut_everywhere(|disk| {
        disk.put(UUID, b"");
        disk.put(GENERATION, &[0; 16]);
    });
}

#[test]
fn the_power_may_fail_at_any_call_while_the_copy_is_missing_or_damaged() {
    cut_everywhere(|disk| disk.delete(COPY));
    cut_everywhere(|disk| disk.put(COPY, b"uuid=14df500c-05"));
}

/// An identity that nobody has seen may be lost, but what a first start returned is kept.
#[test]
fn the_power_may_fail_at_any_call_of_the_first_start() {
    let whole = FakeDisk::default();
    start(&whole, 1).unwrap();
    for stop in 0..=whole.calls() {
        for cut in Cut::ALL {
            let case = format!("stopped after {stop} calls, {cut:?}");
            let disk = FakeDisk::default();
            disk.fail_after(stop);
            let first = start(&disk, 1);
            let again = disk.after_power_cut(cut);
            let second = who(&start(&again, 2).expect(&case));
            if let Ok(first) = first {
                let (uuid, generation) = who(&first);
                assert_eq!(second.0, uuid, "{case}");
                assert!(second.1 > generation, "{case}");
            }
            let third = who(&start(&again.after_power_cut(Cut::Nothing), 3).expect(&case));
            assert_eq!(third, (second.0, second.1 + 1), "{case}");
        }
    }
}

/// A number behind so much white space that only its first digits were read would be lower than what peers remember.
#[test]
fn half_a_number_is_no_generation() {
    let disk = FakeDisk::default();
    let text = format!("{:>70}\n", WALL + 5);
    disk.put(GENERATION, text.as_bytes());
    let (_, generation) = who(&start(&disk, 1).unwrap());
    assert_eq!(generation, WALL + 1);
}

/// The same for a cut while the machine runs, long after the start.
#[test]
fn what_was_returned_is_on_the_platter() {
    for cut in Cut::ALL {
        let (disk, uuid, used) = lived();
        let again = disk.after_power_cut(cut);
        assert_eq!(who(&start(&again, 9).unwrap()), (uuid, used + 1));
    }
}

#[test]
fn a_disk_that_cannot_be_written_is_an_error_and_only_a_remark_for_the_copy() {
    let (disk, ..) = lived();
    let whole = disk.after_power_cut(Cut::Everything);
    start(&whole, 3).unwrap();
    let (mut refused, mut remarked) = (0, 0);
    for stop in 0..whole.calls() {
        let attempt = disk.after_power_cut(Cut::Everything);
        attempt.fail_after(stop);
        match start(&attempt, 3) {
            Err(error) => {
                assert_ne!(error.path, Path::new(COPY));
                refused += 1;
            }
            Ok(found) => {
                let last = found.remarks.last();
                assert!(matches!(last, Some(Remark::CopyFailed(..))), "{last:?}");
                remarked += 1;
            }
        }
    }
    assert!(refused > 5 && remarked > 5, "{refused} {remarked}");
}

#[test]
fn a_damaged_uuid_is_restored_from_the_copy_and_said() {
    for (content, text) in [
        (&b""[..], "0 bytes instead of 16"),
        (b"short", "5 bytes instead of 16"),
        (&[0; 16], "all zeros"),
        (
            b"9f1c6f0e-7f5f-4a3c-8c57-2d6c3d1f0f55\n",
            "more than 16 bytes",
        ),
    ] {
        let (disk, uuid, _) = lived();
        disk.put(UUID, content);
        let found = start(&disk, 7).unwrap();
        assert_eq!(found.uuid, Some(uuid));
        assert_eq!(
            found.remarks[0].to_string(),
            format!("{UUID} is damaged ({text}): this node's uuid is restored from the copy")
        );
        assert!(found.remarks[0].is_warning());
        assert_eq!(disk.get(UUID).unwrap(), uuid);
        assert!(start(&disk, 8).unwrap().remarks.is_empty());
    }
}

#[test]
fn a_damaged_uuid_without_a_copy_is_said_before_a_new_one_is_made() {
    let (disk, uuid, _) = lived();
    disk.put(UUID, b"short");
    disk.delete(COPY);
    let found = start(&disk, 7).unwrap();
    assert_ne!(found.uuid, Some(uuid));
    let texts: Vec<_> = found.remarks.iter().map(Remark::to_string).collect();
    assert_eq!(
        texts,
        [
            "/state/hb_uuid is damaged (5 bytes instead of 16) and there is no copy of it",
            "No uuid found for current node - generating a new uuid."
        ]
    );
    // One that is too long is read as the legacy reads it.
    disk.delete(COPY);
    disk.put(UUID, b"0123456789abcdefg");
    let found = start(&disk, 8).unwrap();
    assert_eq!(found.uuid, Some(*b"0123456789abcdef"));
}

/// Removing the file is how a new identity is asked for, on a machine that is a copy of another one.
#[test]
fn a_removed_uuid_is_replaced_and_stays() {
    let (disk, uuid, _) = lived();
    disk.delete(UUID);
    let found = start(&disk, 7).unwrap();
    assert_ne!(found.uuid, Some(uuid));
    assert_eq!(found.remarks, [Remark::UuidMade]);
    assert_eq!(start(&disk, 8).unwrap().uuid, found.uuid);
    disk.put(UUID, b"short");
    assert_eq!(start(&disk, 9).unwrap().uuid, found.uuid);
}

#[test]
fn a_uuid_from_elsewhere_is_taken_and_said() {
    let (disk, ..) = lived();
    disk.put(UUID, b"0123456789abcdef");
    let found = start(&disk, 7).unwrap();
    assert_eq!(found.uuid, Some(*b"0123456789abcdef"));
    assert_eq!(found.remarks, [Remark::UuidReplaced(UUID.into())]);
    assert!(start(&disk, 8).unwrap().remarks.is_empty());
}

#[test]
fn the_first_generation_is_the_time_plus_one_in_sixteen_bytes() {
    let disk = FakeDisk::default();
    let found = start(&disk, 1).unwrap();
    assert_eq!(found.generation, Some(WALL + 1));
    assert_eq!(
        found.remarks,
        [Remark::UuidMade, Remark::GenerationMissing(WALL + 1)]
    );
    assert_eq!(disk.get(GENERATION).unwrap(), b"     1700000001\n");
    let found = start_at(&disk, 2, 5).unwrap();
    assert_eq!(found.generation, Some(WALL + 2));
    assert!(found.remarks.is_empty());
    assert_eq!(disk.get(GENERATION).unwrap(), b"     1700000002\n");
}

#[test]
fn a_broken_generation_file_never_leads_to_a_small_number() {
    for content in [
        &b""[..],
        b"garbage\n",
        b"-3\n",
        b"12x\n",
        b"0\n",
        b"\xff\xfe\n",
        b"99999999999999999999999\n",
    ] {
        let (disk, _, used) = lived();
        disk.put(GENERATION, content);
        // A clock without a battery does not matter, since the copy knows.
        let found = start_at(&disk, 3, 60).unwrap();
        assert_eq!(found.remarks, [Remark::GenerationBroken(used + 1)]);
        assert_eq!(found.generation, Some(used + 1));
        // Without the copy the time of day has to do.
        disk.put(GENERATION, content);
        disk.delete(COPY);
        let found = start_at(&disk, 4, WALL + 99).unwrap();
        assert_eq!(found.generation, Some(WALL + 100));
    }
}

#[test]
fn a_generation_file_from_a_backup_is_not_believed() {
    let (disk, _, used) = lived();
    disk.put(GENERATION, b"              7\n");
    let found = start(&disk, 3).unwrap();
    assert_eq!(found.generation, Some(used + 1));
    assert_eq!(
        found.remarks[0].to_string(),
        format!("{GENERATION} says 7, but this node has used {used} already: going on from there")
    );
    // The legacy may have counted on meanwhile, without the copy.
    disk.put(GENERATION, b"     1800000000\n");
    let found = start(&disk, 4).unwrap();
    assert_eq!(found.generation, Some(1_800_000_001));
    assert!(found.remarks.is_empty());
}

#[test]
fn what_comes_from_elsewhere_touches_no_file() {
    let disk = FakeDisk::default();
    let places = Places {
        uuid: Path::new(UUID),
        generation: Path::new(GENERATION),
        copy: Path::new(COPY),
    };
    let nothing = Wanted {
        uuid: false,
        generation: false,
        wall: WALL,
    };
    let found = establish(&disk, places, nothing, |_| Ok(())).unwrap();
    assert_eq!((found.uuid, found.generation), (None, None));
    assert_eq!(disk.calls(), 0);
    // And what stands in the copy is kept while it is not asked for.
    let (disk, uuid, _) = lived();
    let generation_only = Wanted {
        uuid: false,
        ..BOTH
    };
    establish(&disk, places, generation_only, |_| Ok(())).unwrap();
    disk.put(UUID, b"");
    assert_eq!(start(&disk, 8).unwrap().uuid, Some(uuid));
}

#[test]
fn on_a_real_disk() {
    let dir = ScratchDir::new();
    let path = |name: &str| dir.path().join(name);
    let (uuid, generation, copy) = (path("hb_uuid"), path("hb_generation"), path("hb_identity"));
    let places = Places {
        uuid: &uuid,
        generation: &generation,
        copy: &copy,
    };
    let random = |bytes: &mut [u8; 16]| random_bytes(bytes);
    let first = establish(&RealDisk, places, BOTH, random).unwrap();
    assert_eq!(first.uuid.unwrap()[6] >> 4, 4, "version");
    let second = establish(&RealDisk, places, BOTH, random).unwrap();
    assert_eq!(
        who(&second),
        (first.uuid.unwrap(), first.generation.unwrap() + 1)
    );
    let mode = std::fs::metadata(&uuid).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
    let nowhere = path("none/hb_uuid");
    let error = establish(
        &RealDisk,
        Places {
            uuid: &nowhere,
            ..places
        },
        BOTH,
        random,
    )
    .unwrap_err();
    assert_eq!(error.error.kind(), io::ErrorKind::NotFound);
    assert_eq!(error.path, nowhere);
}
