//! What is installed, and where: the list of `install-and-cli.md` 1.1 as far as this version covers it.
//!
//! Five programs are installed. `heartbeat` and `ldirectord` are the daemons; `cl_status` has a group of its own when it
//! runs, and so contains nothing else; `stonith` resets nodes, for people and for the daemon; `ha-tools` is everything small, and finds out by the name it was called with what it shall be. The stock resource scripts and message handlers are links to it as well: the
//! daemon knows them by that and does their work itself, while a file that the administrator puts in the place of such
//! a link is run as a script.

/// The library directory of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LibDir {
    /// `/usr/lib64`, as on 64-bit Red Hat systems; the article's ha.cf names it.
    Lib64,
    /// `/usr/lib`.
    Lib,
}

impl LibDir {
    /// Reads the word of `--libdir`.
    pub fn from_word(word: &str) -> Option<LibDir> {
        match word {
            "lib64" => Some(LibDir::Lib64),
            "lib" => Some(LibDir::Lib),
            _ => None,
        }
    }

    /// Where scripts of fencing devices lie.
    pub fn fencing_scripts(self) -> [&'static str; 3] {
        match self {
            LibDir::Lib64 => [
                "/usr/lib64/stonith",
                "/usr/lib64/stonith/plugins",
                "/usr/lib64/stonith/plugins/external",
            ],
            LibDir::Lib => [
                "/usr/lib/stonith",
                "/usr/lib/stonith/plugins",
                "/usr/lib/stonith/plugins/external",
            ],
        }
    }

    /// Where heartbeat's programs lie; `HA_BIN` in scripts.
    pub fn programs(self) -> &'static str {
        match self {
            LibDir::Lib64 => "/usr/lib64/heartbeat",
            LibDir::Lib => "/usr/lib/heartbeat",
        }
    }
}

/// The directory of architecture-independent programs, `HA_NOARCHBIN` in scripts.
const SHARE: &str = "/usr/share/heartbeat";
/// Where tutorials tell people to copy their first configuration from.
const DOC: &str = "/usr/share/doc/heartbeat-2.1.4";
/// The same of ldirectord, which was a package of its own.
const DIRECTOR_DOC: &str = "/usr/share/doc/heartbeat-ldirectord-2.1.4";
/// The director of virtual services; the link among the resource scripts leads to it.
const DIRECTOR: &str = "/usr/sbin/ldirectord";
/// What anybody may ask the daemon with. The register socket lies in a directory that only the group may enter, and the
/// daemon of 2.1 answers only to it (`client-api.md` 1.1 and 5).
const STATUS: &str = "/usr/bin/cl_status";
/// Resets nodes. The daemon calls it by a name of its own, so as not to depend on whose command lies in that place.
const STONITH: &str = "/usr/sbin/stonith";
/// Where manual pages lie, by section.
pub(super) const MAN: &str = "/usr/share/man";

/// One thing in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where, as an absolute path of the installed system.
    pub path: String,
    /// What.
    pub what: What,
}

/// What an [`Entry`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A directory of this mode and owner.
    Directory {
        /// Permission bits.
        mode: u32,
        /// User name; the group is the user's own.
        owner: &'static str,
    },
    /// A program that cargo built, of this name.
    Program(&'static str),
    /// A program that belongs to this group when it runs: mode 2555, owner root.
    GroupProgram {
        /// Its name.
        program: &'static str,
        /// The group. Where there is none of this name, the program is an ordinary one.
        group: &'static str,
    },
    /// A file of `compat/`, with `@HA_BIN@` replaced by the programs' directory.
    Text {
        /// Path below `compat/`.
        source: String,
        /// Permission bits.
        mode: u32,
    },
    /// A symbolic link to this absolute path of the installed system, written as a relative one.
    Link(String),
    /// The same, unless something stands there already that is not such a link: the path is another package's
    /// (`resource-agents`), whose file has the same names in it.
    LinkUnlessThere(String),
}

/// Directories beyond the usual ones of the system: path, mode, owner (`install-and-cli.md` 1.1 and 3).
const DIRECTORIES: &[(&str, u32, &str)] = &[
    ("/etc/ha.d", 0o755, "root"),
    ("/etc/ha.d/rc.d", 0o755, "root"),
    ("/etc/ha.d/resource.d", 0o755, "root"),
    ("/usr/share/heartbeat", 0o755, "root"),
    (DOC, 0o755, "root"),
    (DIRECTOR_DOC, 0o755, "root"),
    ("/var/lib/heartbeat", 0o755, "root"),
    ("/var/lib/heartbeat/cores", 0o755, "root"),
    ("/var/lib/heartbeat/cores/root", 0o700, "root"),
    ("/var/lib/heartbeat/cores/nobody", 0o700, "nobody"),
    ("/var/lib/heartbeat/cores/hacluster", 0o700, "hacluster"),
    ("/var/run/heartbeat", 0o755, "root"),
];

/// Files of `compat/`: source, place, mode.
const TEXTS: &[(&str, &str, u32)] = &[
    ("ha.d/harc", "/etc/ha.d/harc", 0o755),
    ("ha.d/shellfuncs", "/etc/ha.d/shellfuncs", 0o755),
    ("ha.d/README.config", "/etc/ha.d/README.config", 0o644),
    ("share/ha_log.sh", "/usr/share/heartbeat/ha_log.sh", 0o755),
    ("init.d/heartbeat", "/etc/init.d/heartbeat", 0o755),
    ("init.d/ldirectord", "/etc/init.d/ldirectord", 0o755),
    ("init.d/logd", "/etc/init.d/logd", 0o755),
    ("logrotate.d/heartbeat", "/etc/logrotate.d/heartbeat", 0o644),
    (
        "logrotate.d/ldirectord",
        "/etc/logrotate.d/ldirectord",
        0o644,
    ),
    (
        "systemd/ldirectord.service",
        "/usr/lib/systemd/system/ldirectord.service",
        0o644,
    ),
];

/// Samples, from `compat/doc/`: where, and which.
const SAMPLES: &[(&str, &str)] = &[
    (DOC, "README"),
    (DOC, "apphbd.cf"),
    (DOC, "authkeys"),
    (DOC, "ha.cf"),
    (DOC, "haresources"),
    (DOC, "logd.cf"),
    (DOC, "startstop"),
    (DIRECTOR_DOC, "ldirectord.cf"),
];

/// Manual pages, from `compat/man/`.
const MANUALS: &[&str] = &[
    "apphbd.8",
    "authkeys.5",
    "cl_status.1",
    "cl_respawn.1",
    "ha.cf.5",
    "ha_logd.8",
    "ha_logger.1",
    "haresources.5",
    "hb_addnode.1",
    "hb_delnode.1",
    "hb_setweight.1",
    "hb_setsite.1",
    "hb_standby.1",
    "hb_takeover.1",
    "heartbeat.8",
    "ipfail.8",
    "ldirectord.8",
    "meatclient.8",
    "stonith.8",
];

/// Tools that lie beside the daemon.
const LIB_TOOLS: &[&str] = &[
    "api_test", "apphbd", "findif", "ha_logd", "ipfail", "mlock", "send_arp",
];

/// Tools in the directories of commands.
const COMMANDS: &[&str] = &["/usr/bin/cl_respawn", "/usr/sbin/ha_logger"];

/// Tools of [`SHARE`]. Scripts in the field call them by either directory, so each is linked into the other.
const SHARE_TOOLS: &[&str] = &[
    "ResourceManager",
    "ha_propagate",
    "hb_addnode",
    "hb_delnode",
    "hb_setsite",
    "hb_setweight",
    "hb_standby",
    "hb_takeover",
    "mach_down",
    "req_resource",
];

/// Stock handlers of cluster messages.
const HANDLERS: &[&str] = &[
    "ask_resources",
    "hb_takeover",
    "ip-request",
    "ip-request-resp",
    "status",
];

/// Stock resource scripts that are programs of ours.
const RESOURCES: &[&str] = &[
    "AudibleAlarm",
    "Delay",
    "IPaddr",
    "IPaddr2",
    "IPsrcaddr",
    "IPv6addr",
    "SendArp",
    "portblock",
];

/// Stock resource scripts that are scripts, from `compat/resource.d/`, and what they share.
const RESOURCE_TEXTS: &[&str] = &[
    "Filesystem",
    "ICP",
    "LVM",
    "LVSSyncDaemonSwap",
    "LinuxSCSI",
    "MailTo",
    "OCF",
    "Raid1",
    "ServeRAID",
    "WAS",
    "WinPopup",
    "Xinetd",
    "apache",
    "db2",
    "hto-mapfuncs",
    "ids",
];

/// What agents source, from `compat/ocf/`: beside the programs, and under the names by which agents of heartbeat 2.1 and
/// later ones look for it.
const AGENT_TEXTS: &[&str] = &[
    "ocf-binaries",
    "ocf-directories",
    "ocf-returncodes",
    "ocf-shellfuncs",
];
const OCF: &str = "/usr/lib/ocf";

/// Everything that is installed, directories before what lies in them.
pub fn tree(libdir: LibDir) -> Vec<Entry> {
    let lib = libdir.programs();
    let tools = format!("{lib}/ha-tools");
    let mut entries = Vec::new();
    let mut add = |path: String, what: What| entries.push(Entry { path, what });

    for (path, mode, owner) in DIRECTORIES {
        add((*path).into(), What::Directory { mode: *mode, owner });
    }
    add(
        lib.into(),
        What::Directory {
            mode: 0o755,
            owner: "root",
        },
    );
    add(format!("{lib}/heartbeat"), What::Program("heartbeat"));
    add(tools.clone(), What::Program("ha-tools"));
    add(DIRECTOR.into(), What::Program("ldirectord"));
    for path in libdir.fencing_scripts() {
        add(
            path.into(),
            What::Directory {
                mode: 0o755,
                owner: "root",
            },
        );
    }
    add(STONITH.into(), What::Program("stonith"));
    add("/usr/sbin/meatclient".into(), What::Link(STONITH.into()));
    add(format!("{lib}/stonith-device"), What::Link(STONITH.into()));
    add(
        STATUS.into(),
        What::GroupProgram {
            program: "cl_status",
            group: "haclient",
        },
    );
    for (source, path, mode) in TEXTS {
        add(
            (*path).into(),
            What::Text {
                source: (*source).into(),
                mode: *mode,
            },
        );
    }
    for (directory, name) in SAMPLES {
        add(
            format!("{directory}/{name}"),
            What::Text {
                source: format!("doc/{name}"),
                mode: 0o644,
            },
        );
    }
    for name in MANUALS {
        let section = name.rsplit('.').next().unwrap_or_default();
        add(
            format!("{MAN}/man{section}/{name}"),
            What::Text {
                source: format!("man/{name}"),
                mode: 0o644,
            },
        );
    }
    for name in LIB_TOOLS {
        add(format!("{lib}/{name}"), What::Link(tools.clone()));
    }
    for path in COMMANDS {
        add((*path).into(), What::Link(tools.clone()));
    }
    for name in SHARE_TOOLS {
        add(format!("{SHARE}/{name}"), What::Link(tools.clone()));
        add(
            format!("{lib}/{name}"),
            What::Link(format!("{SHARE}/{name}")),
        );
    }
    for name in HANDLERS {
        add(format!("/etc/ha.d/rc.d/{name}"), What::Link(tools.clone()));
    }
    for name in RESOURCES {
        add(
            format!("/etc/ha.d/resource.d/{name}"),
            What::Link(tools.clone()),
        );
    }
    for name in RESOURCE_TEXTS {
        add(
            format!("/etc/ha.d/resource.d/{name}"),
            What::Text {
                source: format!("resource.d/{name}"),
                mode: 0o755,
            },
        );
    }
    for name in AGENT_TEXTS {
        let text = format!("{lib}/{name}");
        add(
            text.clone(),
            What::Text {
                source: format!("ocf/{name}"),
                mode: 0o755,
            },
        );
        add(
            format!("{OCF}/lib/heartbeat/{name}"),
            What::LinkUnlessThere(text.clone()),
        );
        add(
            format!("{OCF}/resource.d/heartbeat/.{name}"),
            What::LinkUnlessThere(text),
        );
    }
    add(
        "/etc/ha.d/resource.d/ldirectord".into(),
        What::Link(DIRECTOR.into()),
    );
    entries
}

/// The relative text of a link at `from` that leads to `to`, both absolute.
pub(crate) fn relative(from: &str, to: &str) -> String {
    let directory: Vec<&str> = from.split('/').filter(|part| !part.is_empty()).collect();
    let directory = &directory[..directory.len().saturating_sub(1)];
    let target: Vec<&str> = to.split('/').filter(|part| !part.is_empty()).collect();
    let shared = directory
        .iter()
        .zip(&target)
        .take_while(|(a, b)| a == b)
        .count();
    let up = std::iter::repeat_n("..", directory.len() - shared);
    up.chain(target[shared..].iter().copied())
        .collect::<Vec<_>>()
        .join("/")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn modes(libdir: LibDir) -> BTreeMap<String, What> {
        let entries = tree(libdir);
        let count = entries.len();
        let map: BTreeMap<String, What> = entries.into_iter().map(|e| (e.path, e.what)).collect();
        assert_eq!(map.len(), count, "a path is listed twice");
        map
    }

    /// Runnable as a program: a program, a link to one, or an executable text.
    fn executable(what: &What) -> bool {
        match what {
            What::Program(_)
            | What::GroupProgram { .. }
            | What::Link(_)
            | What::LinkUnlessThere(_) => true,
            What::Text { mode, .. } => *mode == 0o755,
            What::Directory { .. } => false,
        }
    }

    /// The part of `install-and-cli.md` 1.1 that this version covers, written out path by path.
    #[test]
    fn the_legacy_file_list_is_there() {
        for (libdir, lib) in [
            (LibDir::Lib64, "/usr/lib64/heartbeat"),
            (LibDir::Lib, "/usr/lib/heartbeat"),
        ] {
            let tree = modes(libdir);
            let programs = [
                "heartbeat",
                "api_test",
                "apphbd",
                "ha_logd",
                "ipfail",
                "findif",
                "mlock",
                "send_arp",
                "hb_standby",
                "hb_takeover",
                "hb_addnode",
                "hb_delnode",
                "hb_setweight",
                "hb_setsite",
                "ha_propagate",
                "ResourceManager",
                "mach_down",
                "req_resource",
            ];
            let fixed = [
                "/etc/ha.d/harc",
                "/etc/ha.d/shellfuncs",
                "/etc/ha.d/rc.d/ask_resources",
                "/etc/ha.d/rc.d/hb_takeover",
                "/etc/ha.d/rc.d/ip-request",
                "/etc/ha.d/rc.d/ip-request-resp",
                "/etc/ha.d/rc.d/status",
                "/etc/ha.d/resource.d/IPaddr",
                "/etc/ha.d/resource.d/IPaddr2",
                "/etc/ha.d/resource.d/AudibleAlarm",
                "/etc/ha.d/resource.d/Delay",
                "/etc/ha.d/resource.d/IPsrcaddr",
                "/etc/ha.d/resource.d/IPv6addr",
                "/etc/ha.d/resource.d/SendArp",
                "/etc/ha.d/resource.d/portblock",
                "/etc/ha.d/resource.d/ldirectord",
                "/etc/init.d/heartbeat",
                "/etc/init.d/ldirectord",
                "/usr/bin/cl_status",
                "/etc/init.d/logd",
                "/usr/bin/cl_respawn",
                "/usr/sbin/ha_logger",
                "/usr/sbin/ldirectord",
                "/usr/sbin/stonith",
                "/usr/sbin/meatclient",
                "/usr/share/heartbeat/hb_standby",
                "/usr/share/heartbeat/hb_takeover",
                "/usr/share/heartbeat/hb_addnode",
                "/usr/share/heartbeat/hb_delnode",
                "/usr/share/heartbeat/hb_setweight",
                "/usr/share/heartbeat/hb_setsite",
                "/usr/share/heartbeat/ha_propagate",
                "/usr/share/heartbeat/ResourceManager",
                "/usr/share/heartbeat/mach_down",
                "/usr/share/heartbeat/req_resource",
            ];
            let wanted = programs
                .iter()
                .map(|name| format!("{lib}/{name}"))
                .chain(fixed.map(String::from));
            for path in wanted {
                assert!(
                    tree.get(&path).is_some_and(executable),
                    "{path} is missing or not executable"
                );
            }
            for path in [
                "/etc/ha.d/README.config",
                "/etc/logrotate.d/heartbeat",
                "/etc/logrotate.d/ldirectord",
                "/usr/share/doc/heartbeat-ldirectord-2.1.4/ldirectord.cf",
                "/usr/share/doc/heartbeat-2.1.4/ha.cf",
                "/usr/share/doc/heartbeat-2.1.4/haresources",
                "/usr/share/doc/heartbeat-2.1.4/authkeys",
                "/usr/share/doc/heartbeat-2.1.4/logd.cf",
                "/usr/share/doc/heartbeat-2.1.4/apphbd.cf",
                "/usr/share/man/man8/apphbd.8",
                "/usr/share/man/man8/ha_logd.8",
                "/usr/share/man/man1/cl_respawn.1",
                "/usr/share/man/man1/ha_logger.1",
                "/usr/share/man/man8/heartbeat.8",
                "/usr/share/man/man8/stonith.8",
                "/usr/share/man/man8/meatclient.8",
                "/usr/share/man/man1/cl_status.1",
                "/usr/share/man/man1/hb_standby.1",
                "/usr/share/man/man1/hb_takeover.1",
                "/usr/share/man/man1/hb_addnode.1",
                "/usr/share/man/man1/hb_delnode.1",
                "/usr/share/man/man1/hb_setweight.1",
                "/usr/share/man/man1/hb_setsite.1",
            ] {
                assert!(
                    matches!(tree.get(path), Some(What::Text { mode: 0o644, .. })),
                    "{path}"
                );
            }
        }
    }

    /// The legacy installs none of these: they are the administrator's.
    #[test]
    fn no_configuration_is_installed() {
        let tree = modes(LibDir::Lib64);
        for path in [
            "/etc/ha.d/ha.cf",
            "/etc/ha.d/authkeys",
            "/etc/ha.d/haresources",
            "/etc/ha.d/conf",
            "/etc/ha.d/ldirectord.cf",
            "/etc/default/ldirectord",
            "/etc/logd.cf",
        ] {
            assert!(!tree.contains_key(path), "{path}");
        }
    }

    #[test]
    fn every_stock_resource_script_is_there() {
        let tree = modes(LibDir::Lib64);
        let names = "apache AudibleAlarm db2 Delay Filesystem hto-mapfuncs ICP ids IPaddr IPaddr2 IPsrcaddr IPv6addr \
             LinuxSCSI LVM LVSSyncDaemonSwap MailTo OCF portblock Raid1 SendArp ServeRAID WAS WinPopup Xinetd";
        for name in names.split_whitespace() {
            let path = format!("/etc/ha.d/resource.d/{name}");
            assert!(tree.get(&path).is_some_and(executable), "{path}");
        }
        for path in [
            "/usr/lib64/heartbeat/ocf-shellfuncs",
            "/usr/lib64/heartbeat/ocf-returncodes",
            "/usr/lib/ocf/resource.d/heartbeat/.ocf-shellfuncs",
            "/usr/lib/ocf/lib/heartbeat/ocf-shellfuncs",
        ] {
            assert!(tree.get(path).is_some_and(executable), "{path}");
        }
    }

    #[test]
    fn every_link_leads_to_something_installed() {
        let tree = modes(LibDir::Lib64);
        for (path, what) in &tree {
            if let What::Link(target) | What::LinkUnlessThere(target) = what {
                assert!(tree.contains_key(target), "{path} -> {target}");
            }
        }
    }

    #[test]
    fn directories_come_before_what_lies_in_them() {
        let entries = tree(LibDir::Lib);
        for (at, entry) in entries.iter().enumerate() {
            let parent = entry
                .path
                .rsplit_once('/')
                .map(|(parent, _)| parent)
                .unwrap_or_default();
            let later = entries[at..]
                .iter()
                .any(|e| e.path == parent && matches!(e.what, What::Directory { .. }));
            assert!(!later, "{} comes before its directory", entry.path);
        }
    }

    #[test]
    fn links_are_relative() {
        let tools = "/usr/lib64/heartbeat/ha-tools";
        assert_eq!(relative("/usr/lib64/heartbeat/findif", tools), "ha-tools");
        assert_eq!(
            relative("/etc/ha.d/resource.d/ldirectord", DIRECTOR),
            "../../../usr/sbin/ldirectord"
        );
        assert_eq!(
            relative("/usr/share/heartbeat/hb_standby", tools),
            "../../lib64/heartbeat/ha-tools"
        );
        assert_eq!(
            relative("/etc/ha.d/rc.d/status", tools),
            "../../../usr/lib64/heartbeat/ha-tools"
        );
        assert_eq!(
            relative("/usr/lib64/heartbeat/x", "/usr/share/heartbeat/x"),
            "../../share/heartbeat/x"
        );
    }
}
