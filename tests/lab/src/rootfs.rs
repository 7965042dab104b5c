//! The disks of the hosts: overlays over the machine's system directories, a private tmpfs on top.
//!
//! Layers of a host's `/usr`, `/etc`, `/var` ..., uppermost first:
//!
//! ```text
//! hosts/NAME/upper/DIR   what the host writes (kept over a power cut)
//! stage/DIR              ours only: the tree of `cargo xtask install`
//! mask/DIR               ours only: white-outs for everything that the legacy packages install
//! /DIR                   the machine
//! ```
//!
//! All of it lives on a tmpfs in the lab's mount namespace, over a directory that nothing else needs.
//! The machine's own files are never written; `/run`, `/tmp` and `/var/run` are empty at each boot; `/var/log` and
//! `/var/lib/heartbeat` begin empty and survive a power cut. One overlay per directory, because the
//! kernel refuses a layer that has other mounts beneath it in a user namespace, and `/` always has.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use crate::error::Doing;
use crate::helper::Options;
use crate::implementation::LEGACY_PATHS;
use crate::{LabError, Result};

/// A directory of every machine over which the lab's tmpfs can be mounted: one that holds neither the
/// running program nor the tree to install.
pub(crate) fn choose_lab_dir() -> Result<PathBuf> {
    let exe = std::env::current_exe().unwrap_or_default();
    ["/mnt", "/media", "/srv", "/boot"]
        .into_iter()
        .map(PathBuf::from)
        .find(|dir| {
            dir.is_dir()
                && !exe.starts_with(dir)
                && !Path::new(env!("CARGO_MANIFEST_DIR")).starts_with(dir)
        })
        .ok_or_else(|| LabError::Unavailable("no directory to mount the lab's tmpfs on".into()))
}

/// The directory of a host's layers, as seen in the lab's mount namespace.
pub(crate) fn host_dir(options: &Options, name: &str) -> Result<PathBuf> {
    Ok(Path::new(options.get("dir")?).join("hosts").join(name))
}

/// Mounts the lab's tmpfs. Runs once per lab, in its init.
pub(crate) fn prepare_lab(options: &Options) -> Result<()> {
    let dir = Path::new(options.get("dir")?);
    make_private()?;
    mount_fs("tmpfs", dir, "tmpfs", "mode=755")?;
    create_dir(&dir.join("hosts"))
}

/// Copies the installed tree to the lab's tmpfs (overlayfs refuses a layer inside another layer) and
/// prepares the mask. Runs once per lab that has a host of ours, in the lab's mount namespace.
pub(crate) fn prepare_stage(options: &Options) -> Result<()> {
    let (dir, stage) = (Path::new(options.get("dir")?), options.get("stage")?);
    let copied = Command::new("cp")
        .arg("-a")
        .arg(stage)
        .arg(dir.join("stage"))
        .output()
        .doing(|| "cp".into())?;
    if !copied.status.success() {
        let text = String::from_utf8_lossy(&copied.stderr).into_owned();
        return Err(LabError::Command(format!("copying {stage}: {text}")));
    }
    prepare_mask(&dir.join("mask"))
}

/// Hides each of the legacy's paths with a white-out (a character device 0:0).
fn prepare_mask(mask: &Path) -> Result<()> {
    create_dir(mask)?;
    for path in legacy_files() {
        let hidden = mask.join(path.strip_prefix("/").unwrap_or(&path));
        if let Some(parent) = hidden.parent() {
            fs::create_dir_all(parent).doing(|| format!("{}", parent.display()))?;
        }
        white_out(&hidden)?;
    }
    Ok(())
}

/// Makes a path vanish from the layers below.
fn white_out(path: &Path) -> Result<()> {
    mknod(path, SFlag::S_IFCHR, Mode::empty(), makedev(0, 0))
        .doing(|| format!("white-out {}", path.display()))
}

/// The paths that a pattern stands for: itself, or with a trailing `*` all that begin like it.
fn matches_of(pattern: &str) -> Vec<PathBuf> {
    let Some(prefix) = pattern.strip_suffix('*') else {
        let path = PathBuf::from(pattern);
        return if path.symlink_metadata().is_ok() {
            vec![path]
        } else {
            Vec::new()
        };
    };
    let Some((directory, start)) = prefix.rsplit_once('/') else {
        return Vec::new();
    };
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(start))
        .map(|entry| entry.path())
        .collect()
}

/// The directories of the machine that a host sees. Where some are symbolic links, so they are on the host.
const SYSTEM_DIRS: &[&str] = &[
    "bin", "etc", "lib", "lib32", "lib64", "libx32", "opt", "sbin", "usr", "var",
];

/// Builds the root file system of the host and makes it this process's root.
pub(crate) fn enter_host(options: &Options, name: &str) -> Result<()> {
    make_private()?;
    let dir = host_dir(options, name)?;
    let fresh = !dir.join("upper").exists();
    for part in ["upper", "work", "root", "log", "varlib"] {
        create_dir(&dir.join(part))?;
    }
    if fresh {
        first_boot(&dir.join("upper"), name)?;
    }
    let root = dir.join("root");
    // A tmpfs of its own, because a root must be a mount.
    mount_fs("tmpfs", &root, "tmpfs", "mode=755")?;
    for part in SYSTEM_DIRS {
        mount_system_dir(options, &dir, part)?;
    }
    for empty in [
        "dev", "proc", "sys", "run", "tmp", "root", "mnt", "srv", "home",
    ] {
        create_dir(&root.join(empty))?;
    }
    mount_system(&root)?;
    mount_runtime(&root, &dir)?;
    change_root(&root)
}

/// Lays the overlay for one directory, or repeats the symbolic link that stands in its place.
fn mount_system_dir(options: &Options, dir: &Path, part: &str) -> Result<()> {
    let machine = Path::new("/").join(part);
    let target = dir.join("root").join(part);
    if let Ok(link) = fs::read_link(&machine) {
        return symlink(link, &target).doing(|| format!("link {part}"));
    }
    if !machine.is_dir() {
        return Ok(());
    }
    let (upper, work) = (dir.join("upper").join(part), dir.join("work").join(part));
    for needed in [&target, &upper, &work] {
        create_dir(needed)?;
    }
    let mut lower = Vec::new();
    if options.find("layers") == Some("ours") {
        let lab = Path::new(options.get("dir")?);
        lower.extend(
            [lab.join("stage").join(part), lab.join("mask").join(part)]
                .into_iter()
                .filter(|l| l.is_dir()),
        );
    }
    lower.push(machine);
    let lower: Vec<_> = lower.iter().map(|layer| layer.to_string_lossy()).collect();
    let mut data = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.join(":"),
        upper.display(),
        work.display()
    );
    if options.find("rootless").is_some() {
        data.push_str(",userxattr");
    }
    mount_fs("overlay", &target, "overlay", &data)
}

/// What an installer and an administrator did before the first boot. Done in the upper layer itself: in
/// a user namespace the machine's directories cannot be copied up, because their owner is not mapped.
fn first_boot(upper: &Path, name: &str) -> Result<()> {
    for dir in [
        "etc/ha.d/resource.d",
        "var/log",
        "var/lib/heartbeat",
        "var/tmp",
    ] {
        create_dir(&upper.join(dir))?;
    }
    // Whatever configuration the machine itself has is none of the host's business.
    for file in ["ha.cf", "authkeys", "haresources", "conf", "ldirectord.cf"] {
        if Path::new("/etc/ha.d").join(file).symlink_metadata().is_ok() {
            white_out(&upper.join("etc/ha.d").join(file))?;
        }
    }
    write(&upper.join("etc/hostname"), &format!("{name}\n"))?;
    write(
        &upper.join("etc/hosts"),
        &format!("127.0.0.1 localhost\n127.0.1.1 {name}\n"),
    )?;
    let group = with_account("/etc/group", "haclient", "haclient:x:398:")?;
    let gid = group
        .lines()
        .find_map(|line| {
            line.strip_prefix("haclient:x:")?
                .split(':')
                .next()
                .map(str::to_owned)
        })
        .unwrap_or_else(|| "398".into());
    let user = format!(
        "hacluster:x:397:{gid}:heartbeat user:/var/lib/heartbeat/cores/hacluster:/usr/sbin/nologin"
    );
    write(&upper.join("etc/group"), &group)?;
    write(
        &upper.join("etc/passwd"),
        &with_account("/etc/passwd", "hacluster", &user)?,
    )
}

/// The machine's passwd or group, with a line added unless the name is there already.
fn with_account(path: &str, name: &str, line: &str) -> Result<String> {
    let mut text = fs::read_to_string(path).doing(|| path.to_owned())?;
    if !text
        .lines()
        .any(|known| known.split(':').next() == Some(name))
    {
        text.push_str(line);
        text.push('\n');
    }
    Ok(text)
}

/// `/proc`, `/sys` and a small `/dev`.
fn mount_system(root: &Path) -> Result<()> {
    mount_fs("proc", &root.join("proc"), "proc", "")?;
    if mount_fs("sysfs", &root.join("sys"), "sysfs", "").is_err() {
        // Some containers refuse a new sysfs; without it only interface statistics are missed.
        bind(Path::new("/sys"), &root.join("sys"), MsFlags::MS_REC)?;
    }
    let dev = root.join("dev");
    mount_fs("tmpfs", &dev, "tmpfs", "mode=755")?;
    for device in ["null", "zero", "full", "random", "urandom", "tty"] {
        File::create(dev.join(device)).doing(|| format!("/dev/{device}"))?;
        bind(
            &Path::new("/dev").join(device),
            &dev.join(device),
            MsFlags::empty(),
        )?;
    }
    create_dir(&dev.join("shm"))?;
    create_dir(&dev.join("pts"))?;
    mount_fs(
        "devpts",
        &dev.join("pts"),
        "devpts",
        "newinstance,ptmxmode=0666",
    )?;
    for (link, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, dev.join(link)).doing(|| format!("/dev/{link}"))?;
    }
    Ok(())
}

/// The directories that begin empty: `/run` and `/tmp` at each boot, logs and daemon state at the first.
fn mount_runtime(root: &Path, dir: &Path) -> Result<()> {
    mount_fs("tmpfs", &root.join("run"), "tmpfs", "mode=755")?;
    create_dir(&root.join("run/lock"))?;
    fs::set_permissions(root.join("run/lock"), Permissions::from_mode(0o1777))
        .doing(|| "/run/lock".into())?;
    // What the packages' tmpfiles entries make at boot. Without the second one the legacy's IPaddr fails.
    create_dir(&root.join("run/heartbeat"))?;
    create_dir(&root.join("run/resource-agents"))?;
    mount_fs("tmpfs", &root.join("tmp"), "tmpfs", "mode=1777")?;
    bind(&dir.join("log"), &root.join("var/log"), MsFlags::empty())?;
    bind(
        &dir.join("varlib"),
        &root.join("var/lib/heartbeat"),
        MsFlags::empty(),
    )?;
    for user in ["root", "nobody", "hacluster"] {
        create_dir(&root.join("var/lib/heartbeat/cores").join(user))?;
    }
    // Everywhere the one is a link to the other; a tree that brings a directory `/var/run` hides the link.
    let var_run = root.join("var/run");
    if !var_run.is_symlink() {
        bind(&root.join("run"), &var_run, MsFlags::empty())?;
    }
    Ok(())
}

/// Moves a mounted tree to another place.
pub(crate) fn move_mount(from: &Path, to: &Path) -> Result<()> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_MOVE, None::<&str>)
        .doing(|| format!("moving {} to {}", from.display(), to.display()))
}

/// Everything on this machine that the legacy packages installed.
pub(crate) fn legacy_files() -> Vec<PathBuf> {
    LEGACY_PATHS
        .iter()
        .flat_map(|pattern| matches_of(pattern))
        .collect()
}

/// Makes `root` the root of this mount namespace and lets go of everything else.
pub(crate) fn change_root(root: &Path) -> Result<()> {
    std::env::set_current_dir(root).doing(|| "chdir".into())?;
    nix::unistd::pivot_root(".", ".").doing(|| "pivot_root".into())?;
    umount2(".", MntFlags::MNT_DETACH).doing(|| "umount of the old root".into())?;
    std::env::set_current_dir("/").doing(|| "chdir".into())
}

/// Keeps what is mounted from here on in this mount namespace.
pub(crate) fn make_private() -> Result<()> {
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )
    .doing(|| "making the mounts private".into())
}

/// Mounts a file system by its kind.
pub(crate) fn mount_fs(source: &str, target: &Path, kind: &str, data: &str) -> Result<()> {
    mount(
        Some(source),
        target,
        Some(kind),
        MsFlags::empty(),
        Some(data),
    )
    .doing(|| format!("mounting {kind} on {}", target.display()))
}

fn bind(source: &Path, target: &Path, more: MsFlags) -> Result<()> {
    mount(
        Some(source),
        target,
        None::<&str>,
        MsFlags::MS_BIND | more,
        None::<&str>,
    )
    .doing(|| format!("binding {} to {}", source.display(), target.display()))
}

/// Makes a directory with its parents.
pub(crate) fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).doing(|| format!("mkdir {}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).doing(|| format!("writing {}", path.display()))
}
