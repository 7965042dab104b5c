//! The one table of directives: the parser, its advice on unknown ones, and the tests of manual page and compatibility
//! page read it.

use super::value::assignment;

/// Where a directive may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Outside of virtual sections, from the first column on.
    Global,
    /// In a virtual section, indented.
    Section,
    /// In both; the section's counts for its virtual service.
    Both,
}

/// Which version a directive comes from (`ldirectord.md` 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// 2.1.3 and 2.1.4.
    Release2,
    /// ldirectord 4.12.
    Release4,
    /// It is ours.
    Here,
    /// Older ones had it; it is refused with a text of its own.
    Refused,
}

/// A directive of ldirectord.cf.
#[derive(Clone, Copy, Debug)]
pub struct Directive {
    /// Keyword, case sensitive.
    pub name: &'static str,
    /// Where it may stand.
    pub place: Place,
    /// Where it comes from.
    pub since: Since,
    /// What it takes, for people.
    pub value: &'static str,
    /// What holds without it, for people; empty if there is nothing.
    pub default: &'static str,
}

const fn directive(
    name: &'static str,
    place: Place,
    since: Since,
    value: &'static str,
    default: &'static str,
) -> Directive {
    Directive {
        name,
        place,
        since,
        value,
        default,
    }
}

use Place::{Both, Global, Section};
use Since::{Here, Refused, Release2, Release4};

/// All of them.
pub const DIRECTIVES: &[Directive] = &[
    directive("virtual", Global, Release2, "address:port or mark", ""),
    directive("virtual6", Global, Release4, "[address]:port or mark", ""),
    directive("autoreload", Global, Release2, "yes or no", "no"),
    directive("callback", Global, Release2, "\"path\"", ""),
    directive(
        "logfile",
        Global,
        Release2,
        "\"path\" or \"facility\"",
        "/var/log/ldirectord.log",
    ),
    directive("execute", Global, Release2, "configuration", ""),
    directive("supervised", Global, Release2, "yes or no", "no"),
    directive("fork", Global, Release2, "yes or no", "no"),
    directive("readdquiescent", Global, Release4, "yes or no", "yes"),
    directive("emailalertfrom", Global, Release4, "address", ""),
    directive("maintenancedir", Global, Release4, "directory", ""),
    directive("timeout", Global, Refused, "", ""),
    directive("connecttimeout", Both, Refused, "", ""),
    directive("checktimeout", Both, Release2, "seconds", "5"),
    directive("negotiatetimeout", Both, Release2, "seconds", "30"),
    directive("checkinterval", Both, Release2, "seconds", "10"),
    directive("checkcount", Both, Release2, "number", "1"),
    directive("failurecount", Both, Release4, "number", "1"),
    directive("quiescent", Both, Release2, "yes or no", "yes"),
    directive("cleanstop", Both, Release4, "yes or no", "yes"),
    directive("fallback", Both, Release2, "address[:port] [method]", ""),
    directive("fallback6", Both, Release4, "[address]:port [method]", ""),
    directive("fallbackcommand", Both, Release4, "command", ""),
    directive("emailalert", Both, Release2, "address", ""),
    directive("emailalertfreq", Both, Release2, "seconds", "0"),
    directive("emailalertstatus", Both, Release2, "words", "all"),
    directive("smtp", Both, Release4, "host", ""),
    directive("tlsverify", Both, Here, "yes or no", "no"),
    directive("tlscafile", Both, Here, "\"path\"", ""),
    directive(
        "real",
        Section,
        Release2,
        "address[->address][:port] method [weight] [\"request\", \"receive\"] [l:n] [u:n]",
        "",
    ),
    directive(
        "real6",
        Section,
        Release4,
        "[address]:port method [weight] [\"request\", \"receive\"] [l:n] [u:n]",
        "",
    ),
    directive(
        "checktype",
        Section,
        Release2,
        "kind or number",
        "negotiate",
    ),
    directive("service", Section, Release2, "protocol", "by port"),
    directive("checkcommand", Section, Release2, "command", "/bin/true"),
    directive(
        "checkport",
        Section,
        Release2,
        "port",
        "that of the real server",
    ),
    directive("request", Section, Release2, "\"text\"", "/"),
    directive("receive", Section, Release2, "\"regular expression\"", ""),
    directive("httpmethod", Section, Release2, "GET or HEAD", "GET"),
    directive("virtualhost", Section, Release2, "name", ""),
    directive("login", Section, Release2, "\"text\"", ""),
    directive("passwd", Section, Release2, "\"text\"", ""),
    directive("database", Section, Release2, "\"text\"", ""),
    directive("secret", Section, Release2, "\"text\"", ""),
    directive("load", Section, Release2, "\"text\"", ""),
    directive("scheduler", Section, Release2, "name", "wrr"),
    directive("persistent", Section, Release2, "seconds", ""),
    directive("netmask", Section, Release2, "netmask", "255.255.255.255"),
    directive("protocol", Section, Release2, "tcp, udp or fwm", "tcp"),
    directive("monitorfile", Section, Release2, "path", ""),
    directive("ops", Section, Release4, "yes or no", "no"),
    directive("schedflags", Section, Release4, "flags", ""),
    directive("servicename", Section, Release4, "text", ""),
    directive("comment", Section, Release4, "text", ""),
];

/// The directive that a line begins with, if it may stand in this place, and its value. Sections are opened elsewhere.
pub(super) fn find(line: &[u8], place: Place) -> Option<(&'static Directive, &[u8])> {
    DIRECTIVES
        .iter()
        .filter(|directive| directive.place == place || directive.place == Both)
        .filter(|directive| !matches!(directive.name, "virtual" | "virtual6"))
        .find_map(|directive| Some((directive, assignment(directive.name, line)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stands_in_the_table_once() {
        for directive in DIRECTIVES {
            let same = DIRECTIVES
                .iter()
                .filter(|other| other.name == directive.name);
            assert_eq!(same.count(), 1, "{}", directive.name);
        }
        assert!(find(b"real=x", Place::Global).is_none());
        assert!(find(b"fork=no", Place::Section).is_none());
        assert!(find(b"virtual=x", Place::Global).is_none());
    }
}
