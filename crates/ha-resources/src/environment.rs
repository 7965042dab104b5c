//! The environment of resource scripts and message handlers (`resource-protocol.md` 4.2).
//!
//! A customised script relies on three layers: where things are and how to log (fixed at daemon start), one
//! `HA_<directive>` for each ha.cf parameter, and one `HA_<field>` for each field of the message that it is run for.
//! Later layers win, except that neither a parameter nor a message may touch the variables of the first layer: the
//! legacy lets a message field called `FUNCS` choose the file that every handler sources.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::{Paths, SHARE_DIRECTORY};

/// Date format of log lines written by scripts. The legacy's daemon hands out a tab at the end, and 2.1's `shellfuncs`
/// replaces it by this blank, which is what its logs show.
pub const DATE_FORMAT: &str = "%Y/%m/%d_%T ";

/// Search path when the daemon itself was started with none.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is fixed while the daemon runs.
#[derive(Clone, Debug, Default)]
pub struct Settings<'a> {
    /// Where things are.
    pub paths: Paths,
    /// `HA_BIN`, see [`Paths::library`].
    pub library: &'a str,
    /// `HA_CURHOST`: our node name.
    pub host: &'a str,
    /// Each ha.cf parameter with its value as the API shows it, defaults included: `HA_<name>`.
    pub parameters: &'a [(String, String)],
    /// `env NAME=VALUE` directives: `HA_<NAME>`.
    pub variables: &'a [(String, String)],
    /// `HA_LOGFILE`.
    pub logfile: Option<&'a str>,
    /// `HA_DEBUGLOG`; `/dev/null` when absent.
    pub debugfile: Option<&'a str>,
    /// `HA_LOGFACILITY`, if syslog is used.
    pub facility: Option<&'a str>,
    /// `HA_LOGD`: log through ha_logd.
    pub logd: bool,
    /// `HA_DEBUG`, set when not zero.
    pub debug_level: u32,
    /// `HA_STOPRETRYMAX` and other variables of the daemon's own environment that scripts inherit.
    pub inherited: Vec<(OsString, OsString)>,
}

/// What a script is run for; decides the variables beyond [`Settings`].
#[derive(Clone, Copy, Debug)]
pub enum Occasion<'a> {
    /// A standby step or the shutdown.
    Handover,
    /// The query for our own groups at start-up or after a death.
    Acquisition {
        /// Coordinated mode.
        nice: bool,
        /// Nobody is there to be asked.
        dont_ask: bool,
    },
    /// A message handler and all that it runs.
    Notification {
        /// Every string field of the message.
        fields: &'a [(String, String)],
        /// Our own status (`up`, `active`), despite the variable's name.
        own_status: &'a str,
        /// Coordinated mode.
        nice: bool,
    },
}

/// The whole environment, ready to be given to a child in place of the daemon's own.
pub fn environment(
    settings: &Settings<'_>,
    occasion: Occasion<'_>,
) -> BTreeMap<OsString, OsString> {
    let mut variables = Variables(settings.inherited.iter().cloned().collect());
    for (name, value) in settings.parameters {
        variables.set_free(name, value);
    }
    for (name, value) in settings.variables {
        variables.set_free(name, value);
    }
    if let Occasion::Notification { fields, .. } = occasion {
        for (name, value) in fields {
            variables.set_free(name, value);
        }
    }
    set_fixed(&mut variables, settings);
    match occasion {
        Occasion::Handover => {}
        Occasion::Acquisition { nice, dont_ask } => {
            variables.set_if(nice, "HA_NICEFAILBACK", "yes");
            variables.set_if(dont_ask, "HA_DONTASK", "yes");
        }
        Occasion::Notification {
            own_status, nice, ..
        } => {
            variables.set("HA_OSTATUS", own_status);
            variables.set_if(nice, "HA_NICEFAILBACK", "yes");
            // Whether a peer may be asked is not for the peer to say.
            variables.0.remove(&OsString::from("HA_DONTASK"));
        }
    }
    variables.0
}

fn set_fixed(variables: &mut Variables, settings: &Settings<'_>) {
    for (name, value) in places(&settings.paths, settings.library) {
        variables.set_path(name, value);
    }
    variables.set_search_path(settings.library);
    variables.set("HA_DATEFMT", DATE_FORMAT);
    variables.set("HA_CURHOST", settings.host);
    variables.set("HA_DEBUGLOG", settings.debugfile.unwrap_or("/dev/null"));
    variables.set("HA_LOGD", if settings.logd { "yes" } else { "no" });
    variables.set_or_remove("HA_LOGFILE", settings.logfile);
    variables.set_or_remove("HA_LOGFACILITY", settings.facility);
    let level = settings.debug_level.to_string();
    variables.set_or_remove("HA_DEBUG", (settings.debug_level > 0).then_some(&level));
    variables.set_english();
}

/// The environment that a command-line tool gives to the scripts it runs: its own, completed as `shellfuncs` would.
/// Other than in the daemon, what is there already counts.
pub fn completed(
    own: BTreeMap<OsString, OsString>,
    paths: &Paths,
    library: &str,
) -> BTreeMap<OsString, OsString> {
    let mut variables = Variables(own);
    for (name, value) in places(paths, library) {
        variables.0.entry(name.into()).or_insert(value);
    }
    variables
        .0
        .entry("HA_DATEFMT".into())
        .or_insert_with(|| DATE_FORMAT.into());
    variables
        .0
        .entry("HA_DEBUGLOG".into())
        .or_insert_with(|| "/dev/null".into());
    variables.set_search_path(library);
    variables.set_english();
    variables.0
}

/// Where things are, for scripts.
fn places(paths: &Paths, library: &str) -> [(&'static str, OsString); 17] {
    [
        ("HA_DIR", paths.config.clone().into()),
        ("HA_RCDIR", paths.handlers.clone().into()),
        ("HA_CONFDIR", paths.config.join("conf").into()),
        ("HA_CF", paths.config.join("ha.cf").into()),
        ("HA_FUNCS", paths.config.join("shellfuncs").into()),
        ("HA_RESOURCEDIR", paths.resources.clone().into()),
        ("HA_FIFO", paths.fifo.clone().into()),
        ("HA_RSCTMP", paths.scratch.clone().into()),
        ("HA_VARLIB", "/var/lib/heartbeat".into()),
        ("HA_VARRUN", "/var/run/".into()),
        ("HA_VARLOCK", "/var/lock/subsys/".into()),
        ("HA_BIN", library.into()),
        ("HA_NOARCHBIN", SHARE_DIRECTORY.into()),
        ("HA_SBIN_DIR", "/usr/sbin".into()),
        ("HA_DOCDIR", "/usr/share/doc/heartbeat-2.1.4".into()),
        ("OCF_ROOT", "/usr/lib/ocf".into()),
        ("OCF_AGENTS", "/usr/lib/ocf/resource.d/heartbeat/".into()),
    ]
}

struct Variables(BTreeMap<OsString, OsString>);

impl Variables {
    fn set(&mut self, name: &str, value: &str) {
        self.set_path(name, value);
    }

    fn set_path(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    /// Prefixes the directories of heartbeat's programs, once.
    fn set_search_path(&mut self, library: &str) {
        let inherited = self
            .0
            .get(&OsString::from("PATH"))
            .map(|path| path.to_string_lossy().into_owned());
        let path = inherited
            .filter(|path| !path.is_empty())
            .unwrap_or_else(|| DEFAULT_PATH.to_owned());
        let prefix = format!("{library}:/usr/sbin:{SHARE_DIRECTORY}:");
        if !path.starts_with(&prefix) {
            self.set("PATH", &format!("{prefix}{path}"));
        }
    }

    /// Scripts are judged by English words in their output.
    fn set_english(&mut self) {
        self.0.remove(&OsString::from("LANGUAGE"));
        self.set("LC_ALL", "C");
    }

    fn set_if(&mut self, condition: bool, name: &str, value: &str) {
        self.set_or_remove(name, condition.then_some(value));
    }

    /// An absent value must not shine through from the daemon's own environment or from a message.
    fn set_or_remove(&mut self, name: &str, value: Option<impl AsRef<str>>) {
        match value {
            Some(value) => self.set(name, value.as_ref()),
            None => {
                self.0.remove(&OsString::from(name));
            }
        }
    }

    /// Sets `HA_<name>` from outside the program. What no environment can hold is left out.
    fn set_free(&mut self, name: &str, value: &str) {
        if !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0') {
            self.set(&format!("HA_{name}"), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings<'static> {
        Settings {
            library: "/usr/lib64/heartbeat",
            host: "alpha",
            ..Settings::default()
        }
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn get(variables: &BTreeMap<OsString, OsString>, name: &str) -> Option<String> {
        variables
            .get(&OsString::from(name))
            .map(|value| value.to_string_lossy().into_owned())
    }

    /// Every variable of the trace of the 3.0.6 daemon that is not a parameter of its own, with the values of 2.1.
    #[test]
    fn a_handler_sees_what_the_legacy_shows() {
        let parameters = pairs(&[
            ("auto_failback", "on"),
            ("deadping", "5000ms"),
            ("keepalive", "1"),
        ]);
        let fields = pairs(&[
            ("t", "ip-request-resp"),
            ("src", "alpha"),
            ("ipaddr", "10.0.0.1/24"),
            ("auth", "1 c30c9cea"),
        ]);
        let settings = Settings {
            parameters: &parameters,
            logfile: Some("/var/log/ha-log"),
            debugfile: Some("/var/log/ha-debug"),
            ..settings()
        };
        let occasion = Occasion::Notification {
            fields: &fields,
            own_status: "active",
            nice: true,
        };
        let variables = environment(&settings, occasion);
        for (name, value) in [
            ("HA_BIN", "/usr/lib64/heartbeat"),
            ("HA_CURHOST", "alpha"),
            ("HA_DATEFMT", "%Y/%m/%d_%T "),
            ("HA_DEBUGLOG", "/var/log/ha-debug"),
            ("HA_DIR", "/etc/ha.d"),
            ("HA_DOCDIR", "/usr/share/doc/heartbeat-2.1.4"),
            ("HA_FIFO", "/var/lib/heartbeat/fifo"),
            ("HA_FUNCS", "/etc/ha.d/shellfuncs"),
            ("HA_LOGD", "no"),
            ("HA_LOGFILE", "/var/log/ha-log"),
            ("HA_NICEFAILBACK", "yes"),
            ("HA_OSTATUS", "active"),
            ("HA_RCDIR", "/etc/ha.d/rc.d"),
            ("HA_RESOURCEDIR", "/etc/ha.d/resource.d"),
            ("HA_RSCTMP", "/var/run/heartbeat/rsctmp"),
            ("HA_auth", "1 c30c9cea"),
            ("HA_auto_failback", "on"),
            ("HA_deadping", "5000ms"),
            ("HA_ipaddr", "10.0.0.1/24"),
            ("HA_src", "alpha"),
            ("HA_t", "ip-request-resp"),
            ("LC_ALL", "C"),
            ("OCF_AGENTS", "/usr/lib/ocf/resource.d/heartbeat/"),
            ("OCF_ROOT", "/usr/lib/ocf"),
        ] {
            assert_eq!(get(&variables, name).as_deref(), Some(value), "{name}");
        }
        for name in ["HA_DONTASK", "HA_LOGFACILITY", "HA_DEBUG"] {
            assert_eq!(get(&variables, name), None, "{name}");
        }
    }

    #[test]
    fn occasions_differ_in_three_variables() {
        let shown = |occasion| {
            let variables = environment(&settings(), occasion);
            ["HA_NICEFAILBACK", "HA_DONTASK", "HA_OSTATUS"]
                .map(|name| get(&variables, name).is_some())
        };
        assert_eq!(shown(Occasion::Handover), [false, false, false]);
        assert_eq!(
            shown(Occasion::Acquisition {
                nice: true,
                dont_ask: true
            }),
            [true, true, false]
        );
        assert_eq!(
            shown(Occasion::Acquisition {
                nice: false,
                dont_ask: false
            }),
            [false, false, false]
        );
        let legacy = Occasion::Notification {
            fields: &[],
            own_status: "up",
            nice: false,
        };
        assert_eq!(shown(legacy), [false, false, true]);
    }

    #[test]
    fn a_message_overrides_parameters_but_not_the_fixed_variables() {
        let parameters = pairs(&[("debug", "0"), ("hg", "parameter")]);
        let fields = pairs(&[
            ("hg", "field"),
            ("FUNCS", "/tmp/evil"),
            ("NICEFAILBACK", "yes"),
            ("DONTASK", "yes"),
            ("LOGFACILITY", "x"),
        ]);
        let settings = Settings {
            parameters: &parameters,
            ..settings()
        };
        let occasion = Occasion::Notification {
            fields: &fields,
            own_status: "up",
            nice: false,
        };
        let variables = environment(&settings, occasion);
        assert_eq!(get(&variables, "HA_hg").unwrap(), "field");
        assert_eq!(get(&variables, "HA_FUNCS").unwrap(), "/etc/ha.d/shellfuncs");
        assert_eq!(get(&variables, "HA_NICEFAILBACK"), None);
        assert_eq!(get(&variables, "HA_DONTASK"), None);
        assert_eq!(get(&variables, "HA_LOGFACILITY"), None);
    }

    #[test]
    fn what_no_environment_can_hold_is_left_out() {
        let fields = pairs(&[("a=b", "x"), ("", "x"), ("nul", "a\0b"), ("fine", "")]);
        let occasion = Occasion::Notification {
            fields: &fields,
            own_status: "up",
            nice: false,
        };
        let variables = environment(&settings(), occasion);
        assert!(
            variables
                .keys()
                .all(|name| !name.to_string_lossy().contains('='))
        );
        assert_eq!(get(&variables, "HA_nul"), None);
        assert_eq!(get(&variables, "HA_fine").as_deref(), Some(""));
    }

    #[test]
    fn inherited_variables_pass_and_the_search_path_gets_prefixes() {
        let inherited = vec![
            ("PATH".into(), "/bin".into()),
            ("HA_STOPRETRYMAX".into(), "3".into()),
            ("LANGUAGE".into(), "de".into()),
            ("HA_DONTASK".into(), "yes".into()),
        ];
        let acquisition = Occasion::Acquisition {
            nice: true,
            dont_ask: false,
        };
        let variables = environment(
            &Settings {
                inherited,
                debug_level: 2,
                ..settings()
            },
            acquisition,
        );
        assert_eq!(
            get(&variables, "PATH").unwrap(),
            "/usr/lib64/heartbeat:/usr/sbin:/usr/share/heartbeat:/bin"
        );
        assert_eq!(get(&variables, "HA_STOPRETRYMAX").unwrap(), "3");
        assert_eq!(get(&variables, "HA_DEBUG").unwrap(), "2");
        assert_eq!(get(&variables, "HA_DONTASK"), None);
        assert_eq!(get(&variables, "LANGUAGE"), None);
        let variables = environment(&settings(), Occasion::Handover);
        assert!(get(&variables, "PATH").unwrap().ends_with(DEFAULT_PATH));
    }

    #[test]
    fn a_tool_completes_its_environment_without_replacing_anything() {
        let own = BTreeMap::from([
            ("HA_DIR".into(), "/mine".into()),
            ("HA_FIFO".into(), "/f".into()),
        ]);
        let paths = Paths::from_environment(|name| own.get(&OsString::from(name)).cloned());
        let variables = completed(own, &paths, "/usr/lib64/heartbeat");
        assert_eq!(get(&variables, "HA_DIR").unwrap(), "/mine");
        assert_eq!(get(&variables, "HA_FIFO").unwrap(), "/f");
        assert_eq!(
            get(&variables, "HA_RESOURCEDIR").unwrap(),
            "/mine/resource.d"
        );
        assert_eq!(get(&variables, "HA_DEBUGLOG").unwrap(), "/dev/null");
        let again = completed(variables.clone(), &paths, "/usr/lib64/heartbeat");
        assert_eq!(again, variables, "twice is once");
    }
}
