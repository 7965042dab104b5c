//! Inside the guest: its pid 1, and the server that runs jobs.
//!
//! Pid 1 lays an overlay over the machine's root, loads the modules, installs the implementation under test, and then
//! does nothing but reap. The server is a process of its own, so that waiting for a job never races with reaping.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::signal::{Signal, killpg};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;

use super::frames::Frame;
use super::modules_of;
use crate::error::Doing;
use crate::helper::{MARKER, Options};
use crate::rootfs::{change_root, create_dir, legacy_files, make_private, mount_fs, move_mount};
use crate::{LabError, Result};

/// The serial line to the harness.
const LINE: &str = "/dev/ttyS0";

/// Modules that jobs rely on. IPVS loads its schedulers by itself.
const MODULES: &[&str] = &[
    "ip_vs",
    "veth",
    "bridge",
    "dummy",
    "nf_tables",
    "nft_chain_nat",
    "nft_ct",
    "nf_conntrack",
];

/// The environment of everything in the guest.
const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    ("HOME", "/root"),
    ("LC_ALL", "C"),
    ("TZ", "UTC"),
];

/// Pid 1 of the guest. Never returns: without pid 1 a kernel panics, so the end is a power-off.
pub(crate) fn guest_init(options: &Options) -> Result<()> {
    if let Err(error) = set_up(options).and_then(|()| serve_as_init(options)) {
        eprintln!("guest: {error}");
        if let Ok(mut line) = open_line() {
            let frame = Frame::new(0, "failed", &[error.to_string().as_bytes()]);
            let _ = line.write_all(frame.encode().as_bytes());
        }
    }
    // The harness closes its end when it has read everything; nothing here needs to be kept.
    let _ = reboot(RebootMode::RB_POWER_OFF);
    Ok(())
}

fn set_up(options: &Options) -> Result<()> {
    make_private()?;
    mount_fs("proc", Path::new("/proc"), "proc", "")?;
    mount_fs("sysfs", Path::new("/sys"), "sysfs", "")?;
    let dir = Path::new(options.get("dir")?);
    mount_fs("tmpfs", dir, "tmpfs", "mode=755")?;
    let release =
        fs::read_to_string("/proc/sys/kernel/osrelease").doing(|| "kernel release".into())?;
    let release = release.trim();
    enter_overlay(dir, release)?;
    for module in MODULES {
        // Some kernels have one of them built in, and a job says better than we could what it misses.
        let _ = guest_command("modprobe").args(["-q", module]).status();
    }
    match options.find("layers") {
        Some("ours") => install_ours(Path::new(options.get("stage")?))?,
        Some("legacy") | None => {}
        Some(other) => return Err(LabError::unexpected(format!("unknown layers {other}"))),
    }
    for (empty, mode) in [("/run", 0o755), ("/tmp", 0o1777), ("/var/log", 0o755)] {
        mount_fs(
            "tmpfs",
            Path::new(empty),
            "tmpfs",
            &format!("mode={mode:o}"),
        )?;
    }
    runtime_dirs()?;
    let up = guest_command("ip")
        .args(["link", "set", "lo", "up"])
        .status();
    up.doing(|| "ip".into()).map(drop)
}

/// Makes an overlay over the machine's root the root: lower layer hostfs, upper layer memory.
fn enter_overlay(dir: &Path, release: &str) -> Result<()> {
    let (upper, work, root, modules) = (
        dir.join("upper"),
        dir.join("work"),
        dir.join("root"),
        dir.join("modules/lib/modules"),
    );
    for needed in [&upper, &work, &root, &modules] {
        create_dir(needed)?;
    }
    // Debian keeps the modules apart from those of real kernels; for this one command a directory of links is enough.
    symlink(modules_of(release), modules.join(release)).doing(|| "link to the modules".into())?;
    let loaded = guest_command("modprobe")
        .arg("-d")
        .arg(dir.join("modules"))
        .arg("overlay")
        .output()
        .doing(|| "modprobe".into())?;
    if !loaded.status.success() {
        return Err(LabError::Command(format!(
            "modprobe overlay: {}",
            String::from_utf8_lossy(&loaded.stderr)
        )));
    }
    let layers = format!(
        "lowerdir=/,upperdir={},workdir={}",
        upper.display(),
        work.display()
    );
    mount_fs("overlay", &root, "overlay", &layers)?;
    let lib = if root.join("lib").is_symlink() {
        root.join("usr/lib")
    } else {
        root.join("lib")
    };
    create_dir(&lib.join("modules"))?;
    let here = lib.join("modules").join(release);
    if here.symlink_metadata().is_err() {
        symlink(modules_of(release), here).doing(|| "link to the modules".into())?;
    }
    for part in ["proc", "sys", "dev"] {
        move_mount(&Path::new("/").join(part), &root.join(part))?;
    }
    change_root(&root)
}

/// The legacy goes, our installed tree comes.
fn install_ours(stage: &Path) -> Result<()> {
    for path in legacy_files() {
        let gone = if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        gone.doing(|| format!("removing {}", path.display()))?;
    }
    // Not with cp: where the machine has a link to a directory (/lib, /var/run), the files belong behind the link.
    let copied = guest_command("sh")
        .args([
            "-c",
            "tar -C \"$1\" -cf - . | tar -C / -xf - --keep-directory-symlink",
            "sh",
        ])
        .arg(stage)
        .output()
        .doing(|| "tar".into())?;
    if copied.status.success() {
        return Ok(());
    }
    Err(LabError::Command(format!(
        "copying {}: {}",
        stage.display(),
        String::from_utf8_lossy(&copied.stderr)
    )))
}

/// What tmpfiles entries make at boot.
pub(crate) fn runtime_dirs() -> Result<()> {
    for dir in [
        "/run/lock",
        "/run/heartbeat",
        "/run/resource-agents",
        "/dev/shm",
        "/dev/pts",
    ] {
        create_dir(Path::new(dir))?;
    }
    fs::set_permissions("/run/lock", fs::Permissions::from_mode(0o1777))
        .doing(|| "/run/lock".into())
}

/// Starts the server and reaps until it ends.
fn serve_as_init(options: &Options) -> Result<()> {
    let server = guest_command("/proc/self/exe")
        .args([MARKER, "guest-server"])
        .args(options.as_arguments())
        .spawn()
        .doing(|| "starting the guest's server".into())?;
    let server = Pid::from_raw(i32::try_from(server.id()).unwrap_or(-1));
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _)) if pid == server => {
                return Ok(());
            }
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return Ok(()),
        }
    }
}

/// The serial line, as a plain channel of bytes.
fn open_line() -> Result<File> {
    let line = File::options()
        .read(true)
        .write(true)
        .open(LINE)
        .doing(|| LINE.into())?;
    let mut mode = tcgetattr(&line).doing(|| LINE.into())?;
    cfmakeraw(&mut mode);
    tcsetattr(&line, SetArg::TCSANOW, &mode).doing(|| LINE.into())?;
    Ok(line)
}

/// Running jobs, by number: the process groups to kill.
type Running = Arc<Mutex<HashMap<u64, Pid>>>;

/// Takes jobs from the harness until the line ends.
pub(crate) fn guest_server(_options: &Options) -> Result<()> {
    let line = open_line()?;
    let out = Arc::new(Mutex::new(line.try_clone().doing(|| "dup".into())?));
    let running = Running::default();
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    send(&out, &Frame::new(0, "ready", &[release.trim().as_bytes()]));
    for text in BufReader::new(line).lines() {
        let Ok(frame) = text
            .doing(|| LINE.into())
            .and_then(|text| Frame::decode(&text))
        else {
            continue;
        };
        match frame.kind.as_str() {
            "run" => run_job(&frame, &out, &running),
            "kill" => {
                let running = running.lock().expect("no panic while held");
                if let Some(&group) = running.get(&frame.job) {
                    let _ = killpg(group, Signal::SIGKILL);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Starts a job; threads forward its output, and its end when all of that is out.
fn run_job(frame: &Frame, out: &Arc<Mutex<File>>, running: &Running) {
    let number = frame.job;
    match spawn_job(frame) {
        Ok(mut child) => {
            let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(-1));
            running
                .lock()
                .expect("no panic while held")
                .insert(number, group);
            let streams = [
                (
                    "out",
                    child
                        .stdout
                        .take()
                        .map(|s| Box::new(s) as Box<dyn Read + Send>),
                ),
                (
                    "err",
                    child
                        .stderr
                        .take()
                        .map(|s| Box::new(s) as Box<dyn Read + Send>),
                ),
            ];
            let (out, running) = (Arc::clone(out), Arc::clone(running));
            thread::spawn(move || {
                thread::scope(|scope| {
                    for (kind, stream) in streams {
                        let out = &out;
                        scope
                            .spawn(move || stream.map(|stream| forward(number, kind, stream, out)));
                    }
                });
                let status = child.wait().map_or(255 << 8, |status| status.into_raw());
                running.lock().expect("no panic while held").remove(&number);
                send(
                    &out,
                    &Frame::new(number, "end", &[status.to_string().as_bytes()]),
                );
            });
        }
        Err(error) => {
            send(
                out,
                &Frame::new(number, "err", &[error.to_string().as_bytes()]),
            );
            send(
                out,
                &Frame::new(number, "end", &[(127 << 8).to_string().as_bytes()]),
            );
        }
    }
}

fn spawn_job(frame: &Frame) -> Result<Child> {
    let words: Vec<String> = (1..frame.words.len())
        .map(|index| frame.text(index))
        .collect();
    let mut command = if frame.text(0) == "job" {
        let mut command = guest_command("/proc/self/exe");
        command.args([MARKER, "job"]);
        for (index, word) in words.iter().enumerate() {
            command.arg(format!("word{index}={word}"));
        }
        command
    } else {
        let mut command = guest_command(words.first().map_or("", String::as_str));
        command.args(words.get(1..).unwrap_or_default());
        command
    };
    command
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .doing(|| format!("starting {words:?}"))
}

fn forward(number: u64, kind: &str, mut stream: Box<dyn Read + Send>, out: &Mutex<File>) {
    let mut buffer = [0; 1000];
    while let Ok(length) = stream.read(&mut buffer) {
        if length == 0 {
            return;
        }
        send(out, &Frame::new(number, kind, &[&buffer[..length]]));
    }
}

fn send(out: &Mutex<File>, frame: &Frame) {
    let mut line = out.lock().expect("no panic while held");
    // When the harness is gone, so is this kernel in a moment.
    let _ = line.write_all(frame.encode().as_bytes());
}

/// A command with the guest's environment and nothing else.
fn guest_command(program: &str) -> Command {
    let mut command = Command::new(resolve(program));
    command.env_clear().envs(ENVIRONMENT.iter().copied());
    command
}

/// The kernel starts pid 1 without a search path of ours: look programs up in the guest's own.
fn resolve(program: &str) -> PathBuf {
    if program.contains('/') {
        return PathBuf::from(program);
    }
    let path = ENVIRONMENT
        .iter()
        .find(|(name, _)| *name == "PATH")
        .map_or("", |(_, path)| path);
    path.split(':')
        .map(|dir| Path::new(dir).join(program))
        .find(|path| path.is_file())
        .unwrap_or_else(|| PathBuf::from(program))
}
