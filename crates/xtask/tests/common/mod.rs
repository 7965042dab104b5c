//! A host's files in a temporary directory, with the scripts of `compat/` rewritten to look there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A host's files in a temporary directory, removed when dropped.
pub struct Host {
    root: PathBuf,
}

impl Host {
    /// An empty host with `/etc/ha.d/shellfuncs` and the usual directories.
    pub fn new() -> Host {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let root =
            std::env::temp_dir().join(format!("xtask-script-{}-{number}", std::process::id()));
        let host = Host { root };
        for directory in [
            "etc/ha.d/rc.d",
            "etc/ha.d/resource.d",
            "usr/lib64/heartbeat",
            "usr/share/heartbeat",
            "var/lock/subsys",
        ] {
            fs::create_dir_all(host.path(directory)).unwrap();
        }
        host.write(
            "etc/ha.d/shellfuncs",
            &host.compat("ha.d/shellfuncs"),
            0o755,
        );
        host
    }

    /// A path on the host, without the leading slash.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A file of `compat/` as it would be installed, with every path of the system moved below this host's root.
    pub fn compat(&self, name: &str) -> String {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../compat")
            .join(name);
        let mut text = fs::read_to_string(source)
            .unwrap()
            .replace("@HA_BIN@", "/usr/lib64/heartbeat");
        let root = self.root.to_str().unwrap();
        for top in [
            "/etc/",
            "/var/",
            "/usr/lib64/heartbeat",
            "/usr/share/heartbeat",
            "/usr/sbin/",
        ] {
            text = text.replace(top, &format!("{root}{top}"));
        }
        text
    }

    /// Text with this host's root taken out again, so that it can be compared.
    pub fn plain(&self, text: &str) -> String {
        text.replace(self.root.to_str().unwrap(), "")
    }

    /// Runs a shell with these arguments, a bare environment and no terminal.
    pub fn shell(&self, shell: &str, arguments: &[&str]) -> Outcome {
        let output = Command::new(shell)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Outcome::of(self, output)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// What a script said and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl Outcome {
    fn of(host: &Host, output: Output) -> Outcome {
        Outcome {
            stdout: host.plain(&String::from_utf8(output.stdout).unwrap()),
            stderr: host.plain(&String::from_utf8(output.stderr).unwrap()),
            code: output.status.code().unwrap_or(-1),
        }
    }
}

/// The shells of this machine that may be /bin/sh somewhere.
pub fn shells() -> Vec<&'static str> {
    let present = |shell: &&str| {
        Command::new(shell)
            .args(["-c", ":"])
            .status()
            .is_ok_and(|status| status.success())
    };
    let shells: Vec<_> = ["sh", "dash", "bash", "ksh"]
        .into_iter()
        .filter(present)
        .collect();
    assert!(!shells.is_empty());
    shells
}
