//! `Filesystem`, `LVM`, `Raid1`, `LinuxSCSI`, `ServeRAID`, `ICP`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::sandbox::{Script, Side, Skip, Test, calls, need, need_legacy, run, stand_in, until};

pub const TESTS: &[Test] = &[
    ("Filesystem_lives_on_a_loop_device", filesystem_lives),
    ("Filesystem_beside_the_legacy", filesystem_beside_the_legacy),
    ("Filesystem_ends_who_is_in_the_way", filesystem_ends_users),
    ("Filesystem_binds_a_directory", filesystem_binds),
    ("Filesystem_refuses", filesystem_refuses),
    ("LVM_on_a_loop_device", lvm_on_loop),
    ("LVM_lives", lvm_lives),
    ("Raid1_on_loop_devices", raid_on_loop),
    ("Raid1_lives", raid_lives),
    ("LinuxSCSI_lives", scsi_lives),
    ("ServeRAID_lives", serveraid_lives),
    ("ICP_lives", icp_lives),
];

/// A loop device, given back at the end.
struct Loop(String);

impl Loop {
    fn new(number: u32, megabytes: u32) -> Result<Loop, Skip> {
        need("losetup")?;
        let image = format!("/run/disk{number}");
        run("truncate", &["-s", &format!("{megabytes}M"), &image]).succeeds();
        let made = run("losetup", &["--find", "--show", &image]);
        match made.code {
            0 => Ok(Loop(made.stdout.trim().to_owned())),
            _ => Err(Skip(format!("no loop device: {}", made.stderr.trim()))),
        }
    }

    fn with_ext4(number: u32) -> Result<Loop, Skip> {
        need("mkfs.ext4")?;
        let device = Loop::new(number, 8)?;
        run("mkfs.ext4", &["-q", &device.0]).succeeds();
        match run("mount", &[&device.0, "/run/mnt"]).code {
            0 => drop(run("umount", &["/run/mnt"])),
            _ => return Err(Skip("the kernel cannot mount ext4".to_owned())),
        }
        Ok(device)
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        run("losetup", &["--detach", &self.0]);
    }
}

fn is_mounted(point: &str) -> bool {
    let mounts = fs::read_to_string("/proc/mounts").expect("mounts");
    mounts
        .lines()
        .any(|line| line.split(' ').nth(1) == Some(point))
}

fn programs() -> Result<(), Skip> {
    for program in ["fuser", "modprobe", "fsck", "mount", "umount"] {
        need(program)?;
    }
    Ok(())
}

fn filesystem_lives() -> Result<(), Skip> {
    programs()?;
    let device = Loop::with_ext4(0)?;
    for arguments in [
        vec![device.0.as_str(), "/run/mnt"],
        vec![device.0.as_str(), "/run/mnt//", "ext4"],
        vec![device.0.as_str(), "/run/mnt", "ext4", "noatime,ro"],
    ] {
        let script = Script::ours("Filesystem", &arguments);
        script.lives(|| is_mounted("/run/mnt"));
    }
    let script = Script::ours("Filesystem", &[&device.0, "/run/mnt", "ext4", "noatime,ro"]);
    script.expect("start", 0, "INFO:  Success");
    let mounts = fs::read_to_string("/proc/mounts").expect("mounts");
    let line = mounts.lines().find(|line| line.contains(" /run/mnt "));
    assert!(
        line.is_some_and(|line| line.contains(" ro,") && line.contains("noatime")),
        "{line:?}"
    );
    // What is mounted below goes first.
    run("mount", &["-o", "remount,rw", "/run/mnt"]).succeeds();
    run("mkdir", &["/run/mnt/below"]).succeeds();
    run("mount", &["-t", "tmpfs", "below", "/run/mnt/below"]).succeeds();
    script.expect("stop", 0, "INFO:  Success");
    assert!(!is_mounted("/run/mnt") && !is_mounted("/run/mnt/below"));
    // By a symbolic link, which is nowhere in the kernel's list.
    std::os::unix::fs::symlink("/run/mnt", "/run/link").expect("a link");
    Script::ours("Filesystem", &[&device.0, "/run/link"]).lives(|| is_mounted("/run/mnt"));
    script.answers_wrong_calls();
    script.refuses(&[]);
    script.refuses(&[&device.0, "start"]);
    Ok(())
}

fn filesystem_beside_the_legacy() -> Result<(), Skip> {
    programs()?;
    need_legacy("Filesystem")?;
    let device = Loop::with_ext4(0)?;
    let [ours, theirs] = [Side::Ours, Side::Theirs].map(|side| {
        let script = Script::new(side, "Filesystem", &[&device.0, "/run/mnt", "ext4"]);
        [
            "status", "start", "start", "status", "stop", "stop", "status",
        ]
        .map(|operation| {
            let end = script.call(operation).end();
            (operation, end, is_mounted("/run/mnt"))
        })
    });
    assert_eq!(ours, theirs);
    Ok(())
}

fn filesystem_ends_users() -> Result<(), Skip> {
    programs()?;
    let device = Loop::with_ext4(0)?;
    let script = Script::ours("Filesystem", &[&device.0, "/run/mnt", "ext4"]);
    script.expect("start", 0, "INFO:  Success");
    let mut user = Command::new("sleep")
        .arg("1000")
        .current_dir("/run/mnt")
        .stdin(Stdio::null())
        .spawn()
        .expect("sleep");
    let cwd = format!("/proc/{}/cwd", user.id());
    until("it is in the way", || {
        fs::read_link(&cwd).is_ok_and(|path| path == Path::new("/run/mnt"))
    });
    script.expect("stop", 0, "INFO:  Success");
    assert!(!is_mounted("/run/mnt"));
    assert!(!user.wait().expect("it ended").success());
    Ok(())
}

fn filesystem_binds() -> Result<(), Skip> {
    programs()?;
    fs::create_dir("/run/source").expect("a directory");
    fs::write("/run/source/file", "").expect("a file");
    let script = Script::ours("Filesystem", &["/run/source", "/run/mnt"]);
    script.lives(|| is_mounted("/run/mnt"));
    script.expect("start", 0, "INFO:  Success");
    assert!(Path::new("/run/mnt/file").exists());
    script.expect("stop", 0, "INFO:  Success");
    Ok(())
}

fn filesystem_refuses() -> Result<(), Skip> {
    programs()?;
    for arguments in [
        vec!["/dev/no-such-device", "/run/mnt"],
        vec!["/dev/no-such-device", "/run/mnt", "ext4"],
        vec!["/run/mnt", "/no/such/directory"],
        vec!["server:/path", "/run/mnt", "nosuchtype"],
        vec!["", "/run/mnt"],
    ] {
        let script = Script::ours("Filesystem", &arguments);
        script.expect("start", 2, "ERROR:  Illegal argument");
        if !arguments.contains(&"") {
            script.expect("status", 7, "INFO:  Resource is stopped");
            script.expect("stop", 0, "INFO:  Success");
        }
    }
    // A file system that is broken beyond automatic repair.
    stand_in("fsck", "exit 4");
    let device = Loop::new(1, 1)?;
    let script = Script::ours("Filesystem", &[&device.0, "/run/mnt"]);
    script.expect("start", 1, "ERROR:  Generic error");
    Ok(())
}

fn lvm_on_loop() -> Result<(), Skip> {
    need("vgcreate")?;
    if !Path::new("/dev/mapper/control").exists() {
        return Err(Skip("the kernel has no device mapper".to_owned()));
    }
    let device = Loop::new(0, 32)?;
    let group = format!("hatest{}", std::process::id());
    run("pvcreate", &["-q", &device.0]).succeeds();
    run("vgcreate", &["-q", &group, &device.0]).succeeds();
    run("lvcreate", &["-q", "-n", "one", "-L", "4M", &group]).succeeds();
    run("vgchange", &["-a", "n", &group]).succeeds();
    let volume = format!("/dev/mapper/{group}-one");
    Script::ours("LVM", &[&group]).lives(|| Path::new(&volume).exists());
    run("vgremove", &["-f", &group]).succeeds();
    Ok(())
}

/// A volume manager that remembers in a file whether its one group is active.
fn lvm_lives() -> Result<(), Skip> {
    stand_in("vgscan", "");
    stand_in("vgck", "[ ! -e /run/damaged ]");
    stand_in(
        "vgchange",
        "case \"$*\" in
        --version) echo '  LVM version:     2.03.16(2)' ;;
        '-a y web') : >/run/active ;;
        '-a n web') [ ! -e /run/busy ] && rm -f /run/active ;;
        *) exit 5 ;;
        esac",
    );
    stand_in(
        "vgdisplay",
        "case \"$*\" in *web) ;; *) echo 'Volume group not found' >&2; exit 5 ;; esac
        [ -e /run/active ] && status=available || status='NOT available'
        printf '  VG Status             resizable\\n  LV Status              %s\\n' \"$status\"",
    );
    let script = Script::ours("LVM", &["web"]);
    script.lives(|| Path::new("/run/active").exists());
    assert!(calls().contains("vgscan"));
    script.expect("start", 0, "INFO:  Success");
    fs::write("/run/damaged", "").expect("written");
    script.expect("status", 1, "ERROR:  Generic error");
    fs::remove_file("/run/damaged").expect("removed");
    fs::write("/run/busy", "").expect("written");
    script.expect("stop", 1, "ERROR:  Generic error");
    let missing = Script::ours("LVM", &["other"]);
    missing.expect("status", 7, "INFO:  Resource is stopped");
    missing.expect("start", 1, "ERROR:  Generic error");
    missing.expect("stop", 0, "INFO:  Success");
    stand_in("vgchange", "exit 127");
    script.expect("status", 1, "ERROR:  Generic error");
    script.answers_wrong_calls();
    script.refuses(&[]);
    script.refuses(&["start"]);
    Ok(())
}

fn raid_on_loop() -> Result<(), Skip> {
    need("mdadm")?;
    if !Path::new("/proc/mdstat").exists() {
        return Err(Skip("the kernel has no software raid".to_owned()));
    }
    let disks = [Loop::new(0, 16)?, Loop::new(1, 16)?];
    let device = "/dev/md119";
    let create = [
        "--create",
        device,
        "--run",
        "--level=1",
        "--raid-devices=2",
        &disks[0].0,
        &disks[1].0,
    ];
    run("mdadm", &create).succeeds();
    let scan = run("mdadm", &["--detail", "--scan"]).succeeds();
    fs::write("/run/mdadm.conf", scan).expect("written");
    let node = run("stat", &["-c", "%t %T", device]).succeeds();
    run("mdadm", &["--stop", device]).succeeds();
    if !Path::new(device).exists() {
        let numbers: Vec<u32> = node
            .split_whitespace()
            .map(|word| u32::from_str_radix(word, 16).expect("a number"))
            .collect();
        let [major, minor] = [0, 1].map(|at: usize| numbers[at].to_string());
        run("mknod", &[device, "b", &major, &minor]).succeeds();
    }
    let active =
        || fs::read_to_string("/proc/mdstat").is_ok_and(|text| text.contains("md119 : active"));
    Script::ours("Raid1", &["/run/mdadm.conf", device]).lives(active);
    run("rm", &["-f", device]);
    Ok(())
}

/// A raid that is a line in a file. Its device is any block device.
fn raid_lives() -> Result<(), Skip> {
    programs()?;
    let device = Loop::with_ext4(0)?;
    let name = device.0.trim_start_matches("/dev/");
    fs::write("/run/mdadm.conf", "").expect("written");
    fs::write("/run/mdstat", "Personalities : [raid1]\n").expect("written");
    stand_in(
        "mdadm",
        &format!(
            "case \"$*\" in
            '--assemble {0} --config=/run/mdadm.conf') echo '{name} : active raid1 sdb1[1] sda1[0]' >>/run/mdstat ;;
            '--stop {0}') sed -i '/{name}/d' /run/mdstat ;;
            *) exit 2 ;;
            esac",
            device.0
        ),
    );
    let script =
        Script::ours("Raid1", &["/run/mdadm.conf", &device.0]).with("MD_LIST", "/run/mdstat");
    let active =
        || fs::read_to_string("/run/mdstat").is_ok_and(|text| text.contains("active raid1"));
    script.lives(active);
    assert_eq!(
        script.call("status").stdout,
        "stopped\nINFO:  Resource is stopped\n"
    );
    script.expect("start", 0, "INFO:  Success");
    assert_eq!(script.call("status").stdout, "running\nINFO:  Running OK\n");
    // It is unmounted before it is stopped; and nobody starts it while it is mounted.
    run("mount", &[&device.0, "/run/mnt"]).succeeds();
    script.expect("start", 1, "ERROR:  Generic error");
    script.expect("stop", 0, "INFO:  Success");
    assert!(!is_mounted("/run/mnt") && !active());
    for arguments in [
        ["/no/such/file", device.0.as_str()],
        ["/run/mdadm.conf", "/dev/null"],
    ] {
        for operation in ["start", "stop", "status"] {
            Script::ours("Raid1", &arguments).expect(operation, 2, "ERROR:  Illegal argument");
        }
    }
    script.answers_wrong_calls();
    script.refuses(&[]);
    script.refuses(&["/run/mdadm.conf", "start"]);
    Ok(())
}

/// The kernel's list is a file here, so that nothing happens when an order is written into it: what a test can see is the order.
fn scsi_lives() -> Result<(), Skip> {
    const HOST: &str = "Attached devices:\nHost: scsi2 Channel: 00 Id: 01 Lun: 00\n  Vendor: X\n";
    let list = || fs::read_to_string("/run/scsi").expect("a list");
    fs::write("/run/scsi", HOST).expect("written");
    let script = |device| Script::ours("LinuxSCSI", &[device]).with("SCSI_LIST", "/run/scsi");
    for (device, code) in [
        ("2:0:1", 0),
        ("2:0:1:0", 0),
        ("2:0:1:1", 7),
        ("0:0:1", 7),
        ("2:0:2", 7),
    ] {
        assert_eq!(script(device).call("status").code, code, "{device}");
    }
    script("2:0:1").expect("start", 0, "INFO:  Success");
    script("0:0:5").expect("stop", 0, "INFO:  Success");
    assert_eq!(list(), HOST, "nothing was to be done");
    script("0:0:5:3").expect("start", 1, "ERROR:  Generic error");
    assert!(
        list().ends_with("scsi add-single-device 0 0 5 3\n"),
        "{}",
        list()
    );
    script("2:0:1").expect("stop", 1, "ERROR:  Generic error");
    assert!(
        list().ends_with("scsi remove-single-device 2 0 1 0\n"),
        "{}",
        list()
    );
    for bad in ["", "x", "1:2", "1:2:3:4:5", "1:2:x"] {
        script(bad).expect("start", 2, "ERROR:  Illegal argument");
    }
    script("2:0:1").answers_wrong_calls();
    script("2:0:1").refuses(&[]);
    script("2:0:1").refuses(&["start"]);
    Ok(())
}

fn serveraid_lives() -> Result<(), Skip> {
    stand_in(
        "ipssend",
        "case \"$1\" in
        getconfig)
            printf 'Logical drive number 1\\n   RAID level : 1\\n   Merge group number : 3\\n'
            if [ -e /run/merged ]; then
                printf 'Logical drive number 2\\n   RAID level : %s\\n   Merge group number : 2\\n' \"$(cat /run/level)\"
            fi ;;
        MERGE) [ \"$4\" = OWN ] && : >/run/merged ;;
        UNMERGE) rm -f /run/merged ;;
        SYNCH) ;;
        esac",
    );
    fs::write("/run/level", "1").expect("written");
    fs::write("/run/scsi", "").expect("written");
    fs::create_dir_all("/run/ips/4").expect("a directory");
    let script = |adapter, group| {
        Script::ours("ServeRAID", &[adapter, group])
            .with("IPS_LIST", "/run/ips")
            .with("SCSI_LIST", "/run/scsi")
    };
    let merged = || Path::new("/run/merged").exists();
    script("1", "2").lives(merged);
    let calls = calls();
    assert!(
        calls.contains("MERGE 1 2 PARTNER") && calls.contains("MERGE 1 2 OWN"),
        "{calls}"
    );
    fs::write("/run/level", "5").expect("written");
    script("1", "2").expect("start", 1, "ERROR:  Generic error");
    assert!(!merged(), "level 5 is given back");
    for (adapter, group) in [("1", "0"), ("1", "9"), ("x", "1"), ("2", "1")] {
        script(adapter, group).expect("status", 2, "ERROR:  Illegal argument");
    }
    script("1", "2").answers_wrong_calls();
    script("1", "2").refuses(&["1", "start"]);
    Ok(())
}

fn icp_lives() -> Result<(), Skip> {
    stand_in("blockdev", "");
    let script = Script::ours("ICP", &["3", "/dev/null"]);
    script.expect("status", 7, "INFO:  Resource is stopped");
    script.expect("start", 5, "ERROR:  Program is not installed");
    script.expect("stop", 0, "INFO:  Success");
    stand_in(
        "icpclucon",
        "case \"$2\" in
        -status) [ -e /run/reserved ] && echo 'Drive is reserved by this host' || echo 'Drive is not reserved' ;;
        -reserve) exit 1 ;;
        -force) : >/run/reserved ;;
        -release) rm -f /run/reserved ;;
        esac",
    );
    let script = script.with("ICPCLUCON", "/run/tree/bin/icpclucon");
    script.lives(|| Path::new("/run/reserved").exists());
    script.answers_wrong_calls();
    script.refuses(&["3", "start"]);
    Ok(())
}
