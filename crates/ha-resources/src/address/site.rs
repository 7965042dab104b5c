//! Where the agents keep their state, and how the announcing process is called.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use crate::Paths;

/// The agents' surroundings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// `HA_RSCTMP`: state files, shared with the legacy's scripts (`resource-scripts.md` 5.4, 4.2).
    pub scratch: PathBuf,
    /// `HA_BIN`: only for the paths that log lines name.
    pub library: PathBuf,
    /// Our user is root. `IPaddr2` refuses to start and stop otherwise.
    pub privileged: bool,
}

impl Site {
    /// With the machine's paths. `library` is `HA_BIN`.
    pub fn new(paths: &Paths, library: &Path, privileged: bool) -> Site {
        Site {
            scratch: paths.scratch.clone(),
            library: library.to_owned(),
            privileged,
        }
    }

    /// The directory of alias locks and hidden loopback addresses.
    pub(crate) fn state_directory(&self) -> PathBuf {
        self.scratch.join("IPaddr")
    }

    /// The pid file of the process that announces an address. The daemon announces without a process and never puts
    /// its own pid there, for a script would kill it.
    pub fn announcer_pidfile(&self, ip: Ipv4Addr) -> PathBuf {
        self.scratch.join("send_arp").join(format!("send_arp-{ip}"))
    }

    pub(crate) fn findif(&self) -> String {
        self.library.join("findif").display().to_string()
    }
}

/// How the `send_arp` command is called in the background for an agent's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnounceArguments {
    /// `-i`, in milliseconds.
    pub interval_ms: u32,
    /// `-r`.
    pub pairs: u32,
    /// The two last words, which send_arp ignores: `None` stands for the address and `ffffffffffff`.
    pub ignored: Option<&'static str>,
}

impl AnnounceArguments {
    /// For `IPaddr`: as in the legacy, 20 frames in 4.75 s.
    pub const IPADDR: AnnounceArguments = AnnounceArguments {
        interval_ms: 500,
        pairs: 10,
        ignored: None,
    };

    /// For `IPaddr2`: the legacy's interval but 7 pairs in place of 5, so that the last frames leave after 1.1, 1.2 and
    /// 1.3 s. The legacy ends after 0.9 s, and a receiver may ignore everything for one second
    /// ([`ha_net::Plan::Takeover`]).
    pub const IPADDR2: AnnounceArguments = AnnounceArguments {
        interval_ms: 200,
        pairs: 7,
        ignored: Some("not_used"),
    };

    /// The words behind the program's name.
    pub fn words(&self, pidfile: &Path, nic: &str, ip: Ipv4Addr) -> Vec<String> {
        let (broadcast, netmask) = match self.ignored {
            Some(word) => (word.to_owned(), word.to_owned()),
            None => (ip.to_string(), "ffffffffffff".to_owned()),
        };
        vec![
            "-i".to_owned(),
            self.interval_ms.to_string(),
            "-r".to_owned(),
            self.pairs.to_string(),
            "-p".to_owned(),
            pidfile.display().to_string(),
            nic.to_owned(),
            ip.to_string(),
            "auto".to_owned(),
            broadcast,
            netmask,
        ]
    }
}
