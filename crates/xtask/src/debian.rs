//! Debian packages: which are missing, and how they get here.
//!
//! As root they are installed; otherwise the line to run is printed. Packages of daemons (the legacy heartbeat) must not
//! start anything on this machine, so a policy is in force while they are installed.

use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Failure, cargo};

/// Something that must be on the machine: a file that proves it, and the package that has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    /// A file of the package: a path, or the name of a program.
    pub(crate) proof: &'static str,
    /// The package.
    pub(crate) package: &'static str,
}

/// What the laboratory is made of.
pub(crate) const LAB: &[Need] = &[
    Need {
        proof: "ip",
        package: "iproute2",
    },
    Need {
        proof: "nsenter",
        package: "util-linux",
    },
    Need {
        proof: "awk",
        package: "mawk",
    },
];

/// What the tests use beyond [`LAB`]: network faults, and the legacy as the other node.
pub(crate) const TESTS: &[Need] = &[
    Need {
        proof: "nft",
        package: "nftables",
    },
    Need {
        proof: "ping",
        package: "iputils-ping",
    },
    Need {
        proof: "killall",
        package: "psmisc",
    },
    // Serial lines between hosts.
    Need {
        proof: "socat",
        package: "socat",
    },
    Need {
        proof: "/usr/libexec/heartbeat/heartbeat",
        package: "heartbeat",
    },
    Need {
        proof: "/usr/lib/heartbeat/ha_logd",
        package: "cluster-glue",
    },
    Need {
        proof: "/usr/lib/ocf/resource.d/heartbeat/IPaddr2",
        package: "resource-agents",
    },
    Need {
        proof: "/usr/sbin/ldirectord",
        package: "ldirectord",
    },
];

/// Servers that ldirectord's checks are tried against. Large, and some have installation scripts that are hard to please
/// (inn2 wants a host name with a domain, so it is not among them): what cannot be had is skipped.
pub(crate) const SERVERS: &[Need] = &[
    Need {
        proof: "/usr/sbin/nginx",
        package: "nginx-light",
    },
    Need {
        proof: "/usr/sbin/vsftpd",
        package: "vsftpd",
    },
    Need {
        proof: "/usr/sbin/postfix",
        package: "postfix",
    },
    Need {
        proof: "/usr/lib/dovecot/pop3",
        package: "dovecot-pop3d",
    },
    Need {
        proof: "/usr/lib/dovecot/imap",
        package: "dovecot-imapd",
    },
    Need {
        proof: "/usr/bin/openssl",
        package: "openssl",
    },
    Need {
        proof: "/usr/sbin/leafnode",
        package: "leafnode",
    },
    Need {
        proof: "/usr/sbin/inetd",
        package: "openbsd-inetd",
    },
    Need {
        proof: "/usr/sbin/kamailio",
        package: "kamailio",
    },
    Need {
        proof: "/usr/sbin/named",
        package: "bind9",
    },
    Need {
        proof: "/usr/sbin/slapd",
        package: "slapd",
    },
    Need {
        proof: "/usr/sbin/mariadbd",
        package: "mariadb-server",
    },
    Need {
        proof: "/usr/share/postgresql-common/pg_wrapper",
        package: "postgresql",
    },
    Need {
        proof: "/usr/sbin/freeradius",
        package: "freeradius",
    },
];

/// A fence agent that switches nothing. Without it one scenario is skipped.
pub(crate) const FENCING: &[Need] = &[Need {
    proof: "/usr/sbin/fence_dummy",
    package: "fence-agents",
}];

/// What compiles libFuzzer.
pub(crate) const FUZZING: &[Need] = &[Need {
    proof: "g++",
    package: "g++",
}];

/// Directors to compare ours with.
pub(crate) const DIRECTORS: &[Need] = &[
    Need {
        proof: "/usr/sbin/ldirectord",
        package: "ldirectord",
    },
    Need {
        proof: "/usr/sbin/keepalived",
        package: "keepalived",
    },
];

/// A kernel with IPVS as an ordinary process, and what loads its modules and shows its tables.
pub(crate) const KERNEL: &[Need] = &[
    Need {
        proof: "linux.uml",
        package: "user-mode-linux",
    },
    Need {
        proof: "modprobe",
        package: "kmod",
    },
    Need {
        proof: "ipvsadm",
        package: "ipvsadm",
    },
];

/// Sees to it that everything needed is here, as far as we may; says what is still missing.
///
/// # Errors
/// [`Failure::Program`] when apt-get fails.
pub(crate) fn provide(needs: &[&[Need]]) -> Result<(), Failure> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    let line = format!(
        "apt-get install -y --no-install-recommends {}",
        missing.join(" ")
    );
    if !is_here("apt-get") {
        println!(
            "Missing here: {} (names of Debian packages). What needs them will be skipped.",
            missing.join(" ")
        );
        return Ok(());
    }
    if !is_root() {
        println!(
            "Missing here; what needs it will be skipped. To install it, run as root:\n  {line}"
        );
        return Ok(());
    }
    println!("Installing what is missing: {line}");
    let _quiet = StartsNothing::begin()?;
    if apt_get(&["install"], &missing).is_err() {
        // A fresh machine has no package lists, an old one has stale ones.
        apt_get(&["update"], &[])?;
        apt_get(&["install"], &missing)?;
    }
    Ok(())
}

/// As [`provide`], for what can be done without: a package that cannot be installed is told with the reason, and keeps
/// neither the others nor the run from going on.
pub(crate) fn provide_where_possible(needs: &[Need]) {
    let Err(failure) = provide(&[needs]) else {
        return;
    };
    println!("Not everything could be installed ({failure}); trying one by one.");
    for need in needs.iter().filter(|need| !is_here(need.proof)) {
        let done = StartsNothing::begin().and_then(|_quiet| apt_get(&["install"], &[need.package]));
        if let Err(failure) = done {
            println!("{} could not be installed: {failure}", need.package);
        }
    }
    let missing = missing(&[needs]);
    if !missing.is_empty() {
        println!(
            "Missing here: {}. What needs them will be skipped.",
            missing.join(" ")
        );
    }
}

fn missing(needs: &[&[Need]]) -> Vec<&'static str> {
    needs
        .iter()
        .flat_map(|list| list.iter())
        .filter(|need| !is_here(need.proof))
        .map(|need| need.package)
        .collect()
}

fn apt_get(words: &[&str], packages: &[&str]) -> Result<(), Failure> {
    let mut apt = Command::new("apt-get");
    apt.args(words)
        .args(["-qq", "-o", "Dpkg::Use-Pty=0"])
        // Somebody else's apt-get, or a mirror that does not answer.
        .args(["-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=2"])
        .stdin(Stdio::null())
        .env("DEBIAN_FRONTEND", "noninteractive");
    if !packages.is_empty() {
        apt.args(["-y", "--no-install-recommends"]).args(packages);
    }
    // Its talk goes to stderr: stdout is for results.
    apt.stdout(io::stderr());
    cargo::run(&mut apt)
}

/// Whether a file exists, or a program is in the search path or in the system directories that users often lack.
pub(crate) fn is_here(proof: &str) -> bool {
    if proof.starts_with('/') {
        return Path::new(proof).exists();
    }
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin"])
        .any(|directory| Path::new(directory).join(proof).is_file())
}

/// Whether we are root, as the owner of our own process entry shows.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

/// While it lives, package scripts start no services: Debian asks `policy-rc.d`, and 101 means "not allowed".
struct StartsNothing(Option<PathBuf>);

impl StartsNothing {
    fn begin() -> Result<StartsNothing, Failure> {
        let path = PathBuf::from("/usr/sbin/policy-rc.d");
        let policy = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(&path);
        match policy {
            Ok(mut file) => {
                io::Write::write_all(&mut file, b"#!/bin/sh\nexit 101\n")
                    .map_err(Failure::at(&path))?;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
                    .map_err(Failure::at(&path))?;
                Ok(StartsNothing(Some(path)))
            }
            // The machine has a policy of its own, as containers do.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(StartsNothing(None)),
            Err(error) => Err(Failure::at(&path)(error)),
        }
    }
}

impl Drop for StartsNothing {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scenarios of checks have a table of their own, since they skip by it.
    #[test]
    fn every_server_of_the_checks_is_provided() {
        let path = crate::cargo::workspace().join("tests/lab/tests/checks/needs.rs");
        let text = fs::read_to_string(path).unwrap();
        let values = |field: &str| -> Vec<String> {
            text.lines()
                .filter_map(|line| line.trim().strip_prefix(field)?.strip_prefix(": \""))
                .filter_map(|rest| rest.strip_suffix("\","))
                .map(str::to_owned)
                .collect()
        };
        let wanted: Vec<_> = values("proof").into_iter().zip(values("package")).collect();
        let provided: Vec<_> = SERVERS
            .iter()
            .map(|need| (need.proof.to_owned(), need.package.to_owned()))
            .collect();
        assert!(!wanted.is_empty());
        assert_eq!(wanted, provided);
    }

    #[test]
    fn programs_and_files_are_found() {
        assert!(is_here("sh"));
        assert!(is_here("/etc/passwd"));
        assert!(!is_here("no-such-program-anywhere"));
        assert!(!is_here("/no/such/file"));
    }
}
