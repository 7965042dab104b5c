//! The director's surroundings: a network with real servers, and directories that begin empty.
//!
//! ```text
//! the job's network namespace            the namespace "rs"
//!   va 192.168.6.1/24, fd00:6::1/64 ───── vb 192.168.6.42 .46 .47 .48, fd00:6::42
//!   virtual addresses 192.168.6.66 .67
//! ```

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use ha_lab::{LabError, Result};
use nix::mount::{MsFlags, mount};

use crate::scenario::Scenario;

/// The file of the real servers' network namespace.
pub const REAL_SERVERS: &str = "/run/netns/rs";

/// Where the director logs.
pub const LOG: &str = "/var/log/ldirectord.log";

/// Where a director in the foreground prints.
pub const FOREGROUND: &str = "/run/test/foreground";

/// What the stand-in of sendmail was given.
pub const MAIL: &str = "/run/test/mail";

/// The search path of everything that a scenario runs.
pub const PATH: &str = "/run/test/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Lays out directories, network and files. Called in the job's own namespaces.
pub fn prepare(scenario: &Scenario) -> Result<()> {
    directories()?;
    network()?;
    mail()?;
    for (path, text) in &scenario.files {
        write(path, text)?;
    }
    if !scenario.before.is_empty() {
        let done = sh(&scenario.before)
            .status()
            .map_err(|error| LabError::Io("the scenario's preparation".into(), error))?;
        if !done.success() {
            return Err(LabError::unexpected("the scenario's preparation failed"));
        }
    }
    Ok(())
}

/// A shell command with the scenario's search path, in the root directory.
pub fn sh(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", script])
        .env("PATH", PATH)
        .current_dir("/")
        .stdin(Stdio::null());
    command
}

/// Writes a file, executable if it is a script; its time of change is new even within one second.
pub fn write(path: &str, text: &str) -> Result<()> {
    let doing = |error| LabError::Io(format!("writing {path}"), error);
    if let Some(parent) = Path::new(path).parent() {
        fs::create_dir_all(parent).map_err(doing)?;
    }
    fs::write(path, text).map_err(doing)?;
    let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(doing)
}

fn directories() -> Result<()> {
    tmpfs("/run", "mode=755")?;
    tmpfs("/var/log", "mode=755")?;
    tmpfs("/tmp", "mode=1777")?;
    for dir in [
        "/run/lock/subsys",
        "/run/test/bin",
        "/run/netns",
        "/tmp/upper",
        "/tmp/work",
        "/etc/ha.d",
    ] {
        make_dir(dir)?;
    }
    mount(
        Some("overlay"),
        "/etc/ha.d",
        Some("overlay"),
        MsFlags::empty(),
        Some("lowerdir=/etc/ha.d,upperdir=/tmp/upper,workdir=/tmp/work"),
    )
    .map_err(|error| LabError::Io("overlay on /etc/ha.d".into(), error.into()))?;
    // Whatever configuration the machine itself has is none of the scenario's business.
    let _ = fs::remove_file("/etc/ha.d/ldirectord.cf");
    let _ = fs::remove_dir_all("/etc/ha.d/conf");
    make_dir("/etc/ha.d/resource.d")?;
    // The packages of the time had this link, Debian's ldirectord leaves it out when heartbeat is not there.
    if fs::symlink_metadata("/etc/ha.d/resource.d/ldirectord").is_err() {
        symlink("/usr/sbin/ldirectord", "/etc/ha.d/resource.d/ldirectord")
            .map_err(|error| LabError::Io("link to ldirectord".into(), error))?;
    }
    Ok(())
}

fn network() -> Result<()> {
    run("ip netns add rs
         ip -batch - <<end
link set lo up
link add va type veth peer name vb netns rs
addr add 192.168.6.1/24 dev va
addr add 192.168.6.66/32 dev va
addr add 192.168.6.67/32 dev va
addr add fd00:6::1/64 dev va nodad
addr add fd00:6::66/128 dev va nodad
link set va up
end
         ip -n rs -batch - <<end
link set lo up
addr add 192.168.6.42/24 dev vb
addr add 192.168.6.46/24 dev vb
addr add 192.168.6.47/24 dev vb
addr add 192.168.6.48/24 dev vb
addr add fd00:6::42/64 dev vb nodad
link set vb up
end")
}

/// A sendmail that keeps what it is given, for whoever looks it up in the search path or at its usual place.
fn mail() -> Result<()> {
    let text = format!("#!/bin/sh\n{{ echo \"== $*\"; cat; echo; }} >> {MAIL}\n");
    write("/run/test/sendmail", &text)?;
    let place = "/usr/sbin/sendmail";
    if fs::metadata(place).is_err() {
        // Only into the guest's memory, never to the machine.
        write(place, "")?;
    }
    mount(
        Some("/run/test/sendmail"),
        place,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .map_err(|error| LabError::Io("the stand-in of sendmail".into(), error.into()))
}

fn tmpfs(place: &str, options: &str) -> Result<()> {
    mount(
        Some("tmpfs"),
        place,
        Some("tmpfs"),
        MsFlags::empty(),
        Some(options),
    )
    .map_err(|error| LabError::Io(format!("tmpfs on {place}"), error.into()))
}

fn make_dir(path: &str) -> Result<()> {
    fs::create_dir_all(path).map_err(|error| LabError::Io(format!("mkdir {path}"), error))
}

/// Runs a script and demands success.
pub fn run(script: &str) -> Result<()> {
    let output = sh(&format!("set -e\n{script}"))
        .output()
        .map_err(|error| LabError::Io("sh".into(), error))?;
    let _ = std::io::stdout().flush();
    if output.status.success() {
        return Ok(());
    }
    Err(LabError::Command(format!(
        "{script}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )))
}
