//! The one table of directives: parser, `-D`, `-v`, defaults and messages all read it.

use crate::ha_cf::draft::{Draft, Given, Refused};
use crate::ha_cf::{clients, media, options, stonith};

/// Handles one word of an option directive.
pub(crate) type WordHandler = fn(&mut Draft<'_>, &Given<'_>) -> Result<(), Refused>;

/// Handles a line: everything after the directive's name.
pub(crate) type LineHandler = fn(&mut Draft<'_>, &Given<'_>) -> Result<(), Refused>;

/// How the rest of a line is handed over (`config-files.md` 2, step 10).
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// Split at white space and commas; the handler sees one word after the other.
    Words(WordHandler),
    /// The handler gets the whole rest of the line.
    Line(LineHandler),
}

/// One directive.
#[derive(Clone, Copy)]
pub(crate) struct Directive {
    /// Its name, case sensitive.
    pub(crate) name: &'static str,
    /// How its words are handed over, and to whom.
    pub(crate) shape: Shape,
    /// The value that stands in when the file does not give one; goes through the same handler.
    pub(crate) default: Option<&'static str>,
    /// Its description in the `-D` and `-v` listings.
    pub(crate) description: &'static str,
    /// Whether its value is a parameter: told to clients and exported to children.
    pub(crate) recorded: bool,
}

const fn option(
    name: &'static str,
    handler: WordHandler,
    default: Option<&'static str>,
    description: &'static str,
) -> Directive {
    Directive {
        name,
        shape: Shape::Words(handler),
        default,
        description,
        recorded: true,
    }
}

const fn unrecorded(
    name: &'static str,
    handler: WordHandler,
    description: &'static str,
) -> Directive {
    Directive {
        name,
        shape: Shape::Words(handler),
        default: None,
        description,
        recorded: false,
    }
}

const fn line(name: &'static str, handler: LineHandler, description: &'static str) -> Directive {
    Directive {
        name,
        shape: Shape::Line(handler),
        default: None,
        description,
        recorded: false,
    }
}

/// Every directive, option directives first and in the legacy's order: it decides the order of the listings, of the
/// parameters and of the defaults (`config-files.md` 9).
pub(crate) const DIRECTIVES: &[Directive] = &[
    option(
        "cluster",
        options::cluster,
        Some("linux-ha"),
        "the name of cluster",
    ),
    unrecorded("node", options::node, "list of cluster members"),
    option(
        "hopfudge",
        options::hopfudge,
        Some("1"),
        "# of hops above cluster size",
    ),
    option(
        "keepalive",
        options::keepalive,
        Some("1000ms"),
        "keepalive time",
    ),
    option(
        "deadtime",
        options::deadtime,
        Some("30000ms"),
        "node deadtime",
    ),
    option("deadping", options::deadping, None, "ping deadtime"),
    option("initdead", options::initdead, None, "initial deadtime"),
    option("warntime", options::warntime, None, "warning time"),
    option("watchdog", options::watchdog, None, "watchdog device"),
    option("baud", options::baud, Some("19200"), "baud rate"),
    option("udpport", options::udpport, None, "UDP port number"),
    option(
        "logfacility",
        options::logfacility,
        None,
        "syslog log facility",
    ),
    option("logfile", options::logfile, None, "log file"),
    option("debugfile", options::debugfile, None, "debug file"),
    unrecorded(
        "nice_failback",
        options::nice_failback,
        "nice failback (obsolete)",
    ),
    option(
        "auto_failback",
        options::auto_failback,
        Some("legacy"),
        "auto failback",
    ),
    option("rtprio", options::rtprio, None, "realtime priority"),
    option(
        "hbgenmethod",
        options::hbgenmethod,
        Some("file"),
        "protocol generation computation method",
    ),
    option(
        "realtime",
        options::realtime,
        Some("true"),
        "enable realtime behavior?",
    ),
    option("debug", options::debug, None, "debug level"),
    option(
        "msgfmt",
        options::msgfmt,
        Some("classic"),
        "message format in the wire",
    ),
    option("use_logd", options::use_logd, None, "use logging daemon"),
    option(
        "conn_logd_time",
        options::conn_logd_time,
        Some("60"),
        "the interval to reconnect to logd",
    ),
    unrecorded("use_apphbd", options::use_apphbd, "register with apphbd"),
    option(
        "log_badpack",
        options::log_badpack,
        Some("true"),
        "warn about bad packets",
    ),
    option(
        "syslogmsgfmt",
        options::syslogmsgfmt,
        Some("false"),
        "log to files in syslog format",
    ),
    option(
        "coredumps",
        options::coredumps,
        Some("true"),
        "enable Linux-HA core dumps",
    ),
    option(
        "coreroot",
        options::coreroot,
        None,
        "set root directory of core dump area",
    ),
    option(
        "crm",
        options::crm,
        Some("false"),
        "enable release 2 style resource management",
    ),
    option(
        "autojoin",
        options::autojoin,
        Some("none"),
        "set automatic join mode/style",
    ),
    option(
        "uuidfrom",
        options::uuidfrom,
        Some("file"),
        "set the source for uuid",
    ),
    option(
        "compression",
        options::compression,
        Some("zlib"),
        "set compression module",
    ),
    option(
        "compression_threshold",
        options::compression_threshold,
        Some("2"),
        "set compression threshold",
    ),
    option(
        "traditional_compression",
        options::traditional_compression,
        Some("no"),
        "set traditional_compression",
    ),
    unrecorded(
        "env",
        options::env,
        "set an environment variable for children",
    ),
    option(
        "max_rexmit_delay",
        options::max_rexmit_delay,
        Some("250"),
        "set the maximum rexmit delay time",
    ),
    option(
        "record_config_changes",
        options::crm_boolean,
        Some("on"),
        "record changes to the cib (valid only with: crm on)",
    ),
    option(
        "record_pengine_inputs",
        options::crm_boolean,
        Some("on"),
        "record the input used by the policy engine (valid only with: crm on)",
    ),
    option(
        "enable_config_writes",
        options::crm_boolean,
        Some("on"),
        "write configuration changes to disk (valid only with: crm on)",
    ),
    option(
        "memreserve",
        options::memreserve,
        Some("6500"),
        "number of kbytes to preallocate in heartbeat",
    ),
    option(
        "quorum_server",
        options::quorum_server,
        None,
        "the name or ip of quorum server",
    ),
    // Media. Which of them parse their own line is a matter of the legacy's plugins.
    unrecorded("bcast", media::bcast, "UDP/IP broadcast"),
    unrecorded("serial", media::serial, "serial ring"),
    unrecorded("ping", media::ping, "ping membership"),
    unrecorded("ping6", media::ping6, "ping6 membership"),
    line("ucast", media::ucast, "UDP/IP unicast"),
    line("mcast", media::mcast, "UDP/IP multicast"),
    line("ping_group", media::ping_group, "ping group membership"),
    line("ucast6", media::ucast6, "UDP/IPv6 unicast"),
    // The description is 3.0.6's.
    line("mcast6", media::mcast6, "UDP/IP multicast"),
    // Whole-line directives.
    line(
        "stonith",
        stonith::stonith,
        "fencing device with a configuration file",
    ),
    line(
        "stonith_host",
        stonith::stonith_host,
        "fencing device with parameters",
    ),
    line("apiauth", clients::apiauth, "who may use the client API"),
    line(
        "respawn",
        clients::respawn,
        "client to start and keep running",
    ),
    line(
        "failfast",
        clients::failfast,
        "client whose death reboots the machine",
    ),
];

/// The directive of this exact name.
pub(crate) fn find(name: &str) -> Option<&'static Directive> {
    DIRECTIVES.iter().find(|directive| directive.name == name)
}

/// The known name that differs least from `name`, if it is close enough to be what was meant.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    // `keepalive=2` and the like: the name is there, the separator is not one.
    let stem = name.split(['=', ':', ',', ';']).next().unwrap_or_default();
    let length = stem.chars().count();
    let differences_max = length / 4;
    let candidates = DIRECTIVES
        .iter()
        // So many letters more or less are as many differences; a file of noise is not to take minutes.
        .filter(|directive| directive.name.len().abs_diff(length) <= differences_max)
        .map(|directive| (edit_distance(stem, directive.name), directive.name));
    let (distance, nearest) = candidates.min()?;
    (distance <= differences_max).then_some(nearest)
}

/// Levenshtein distance; names are short, the first 64 characters tell enough.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().take(64).enumerate() {
        let (mut diagonal, mut left_of) = (i, i + 1);
        for (r, place) in right.iter().zip(row.iter_mut().skip(1)) {
            let before = std::mem::replace(&mut diagonal, *place);
            let substituted = before + usize::from(l != *r);
            left_of = substituted.min(*place + 1).min(left_of + 1);
            *place = left_of;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (position, directive) in DIRECTIVES.iter().enumerate() {
            let first = DIRECTIVES
                .iter()
                .position(|other| other.name == directive.name);
            assert_eq!(first, Some(position), "{}", directive.name);
        }
    }

    fn page(name: &str) -> String {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(name);
        std::fs::read_to_string(&path).unwrap()
    }

    #[test]
    fn the_compatibility_page_tells_the_standing_of_every_directive() {
        let page = page("docs/compatibility.md");
        let section = page
            .split("\n## ")
            .find(|section| section.starts_with("Directives of ha.cf\n"))
            .unwrap();
        let mut told: Vec<&str> = section
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split(" | ").next())
            .flat_map(|cell| cell.split('`').step_by(2))
            .filter(|word| !word.is_empty())
            .collect();
        told.sort_unstable();
        let mut known: Vec<&str> = DIRECTIVES.iter().map(|one| one.name).collect();
        // Another word for bcast, and media that no build for 2.1.4's systems had.
        known.extend(["udp", "hbaping", "openais", "rds", "tipc"]);
        known.sort_unstable();
        assert_eq!(told, known);
    }

    #[test]
    fn the_manual_describes_every_directive() {
        let page = page("compat/man/ha.cf.5");
        let described = |name: &str| {
            page.lines()
                .filter(|line| line.starts_with(".It Ic ") || line.starts_with(".Ic "))
                .any(|line| line.split_whitespace().any(|word| word == name))
        };
        let missing: Vec<&str> = DIRECTIVES
            .iter()
            .map(|one| one.name)
            .filter(|name| !described(name))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn distances() {
        for (left, right, distance) in [
            ("kitten", "sitting", 3),
            ("", "abc", 3),
            ("abc", "", 3),
            ("flaw", "lawn", 2),
            ("node", "node", 0),
        ] {
            assert_eq!(edit_distance(left, right), distance, "{left} {right}");
        }
    }

    #[test]
    fn typing_mistakes_are_understood() {
        assert_eq!(nearest("Keepalive"), Some("keepalive"));
        assert_eq!(nearest("keepalive=2"), Some("keepalive"));
        assert_eq!(nearest("auto_fallback"), Some("auto_failback"));
        assert_eq!(nearest("frobnicate"), None);
        assert_eq!(nearest(""), None);
    }
}
