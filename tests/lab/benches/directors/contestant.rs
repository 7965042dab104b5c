//! How each director is configured and started.

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

use ha_lab::{LabError, Result};

/// The service that all of them direct.
pub const SERVICE: &str = "192.168.6.66";

const LDIRECTORD_CF: &str = "/etc/ha.d/ldirectord.cf";
const KEEPALIVED_CONF: &str = "/etc/ha.d/keepalived.conf";

/// A director.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contestant {
    /// Debian's ldirectord, `fork=no`.
    Legacy,
    /// Debian's keepalived, health checks only.
    Keepalived,
    /// This project's ldirectord.
    Ours,
}

impl Contestant {
    /// In the order of the table.
    pub const ALL: [Contestant; 3] = [Contestant::Legacy, Contestant::Keepalived, Contestant::Ours];

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Contestant::Legacy => "legacy",
            Contestant::Keepalived => "keepalived",
            Contestant::Ours => "ours",
        }
    }

    /// The one of that name.
    pub fn of_word(word: &str) -> Option<Contestant> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }

    /// Its program; ours is below `stage`.
    ///
    /// # Errors
    /// [`LabError::Unavailable`] if it is not there.
    pub fn program(self, stage: Option<&Path>) -> Result<String> {
        let path = match self {
            Contestant::Legacy => "/usr/sbin/ldirectord".into(),
            Contestant::Keepalived => "/usr/sbin/keepalived".into(),
            Contestant::Ours => stage
                .map(|stage| stage.canonicalize().unwrap_or_else(|_| stage.to_owned()))
                .unwrap_or_default()
                .join("usr/sbin/ldirectord"),
        };
        if path.is_file() {
            return Ok(path.to_string_lossy().into_owned());
        }
        Err(LabError::Unavailable(format!("no {}", path.display())))
    }

    /// Starts it with these real servers. It ends with the job.
    pub fn start(self, program: &str, reals: &[Ipv4Addr]) -> Result<()> {
        let (file, text) = match self {
            Contestant::Keepalived => (KEEPALIVED_CONF, keepalived_conf(reals)),
            _ => (LDIRECTORD_CF, ldirectord_cf(reals)),
        };
        fs::write(file, text).map_err(|error| LabError::Io(file.into(), error))?;
        let mut command = Command::new(program);
        match self {
            // In the foreground, checks only.
            Contestant::Keepalived => command.args(["-n", "-C", "-f", file]),
            _ => command.arg("start"),
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .spawn()
            .map_err(|error| LabError::Io(program.into(), error))?;
        Ok(())
    }
}

fn ldirectord_cf(reals: &[Ipv4Addr]) -> String {
    let mut text = format!(
        "checktimeout=3\ncheckinterval=1\nautoreload=no\nlogfile=\"/var/log/ldirectord.log\"\nquiescent=yes\n\
         virtual={SERVICE}:80\n"
    );
    for real in reals {
        let _ = writeln!(text, "\treal={real}:80 gate 1");
    }
    text.push_str(
        "\tservice=http\n\trequest=\"index.html\"\n\treceive=\"ok\"\n\tscheduler=wrr\n\tprotocol=tcp\n\tchecktype=negotiate\n",
    );
    text
}

/// The same in its words: servers begin without service, one failure is enough, and a failed one has weight 0.
fn keepalived_conf(reals: &[Ipv4Addr]) -> String {
    let mut text = format!(
        "virtual_server {SERVICE} 80 {{\n delay_loop 1\n lb_algo wrr\n lb_kind DR\n protocol TCP\n alpha\n"
    );
    for real in reals {
        let _ = writeln!(
            text,
            " real_server {real} 80 {{\n  weight 1\n  inhibit_on_failure\n  HTTP_GET {{\n   url {{\n    path /index.html\n    status_code 200\n   }}\n   connect_timeout 3\n   retry 0\n   delay_before_retry 1\n  }}\n }}"
        );
    }
    text.push_str("}\n");
    text
}

/// Which versions are compared.
pub fn versions() -> String {
    let of = |package: &str| {
        let output = Command::new("dpkg-query")
            .args(["-W", "-f", "${Version}", package])
            .output();
        output
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default()
    };
    format!(
        "ldirectord {}, keepalived {}",
        of("ldirectord"),
        of("keepalived")
    )
}
