//! The types of devices: which there are, and what became of the rest.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::{Level, Places, Say};

/// A type of device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `external/<name>`: a script with the legacy's contract.
    External(String),
    /// `fence_<name>`, also `fence/<name>` and `rhcs/<name>`: a fence agent.
    Agent(String),
    /// A human being.
    Meatware,
    /// Nothing is done, and success reported. For tests.
    Null,
    /// Remote login and `reboot`. For tests.
    Ssh,
    /// This node resets itself.
    Suicide,
}

/// A type that there is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKind {
    /// What to use instead.
    pub advice: Option<String>,
}

/// The legacy's compiled types for hardware, and the fence agent of the same devices (`stonith.md` 11.2).
const COMPILED: [(&str, Option<&str>); 16] = [
    ("apcmaster", Some("fence_apc")),
    ("apcmastersnmp", Some("fence_apc_snmp")),
    ("apcsmart", None),
    ("baytech", None),
    ("bladehpi", Some("fence_bladecenter")),
    ("cyclades", None),
    ("drac3", Some("fence_drac")),
    ("ibmhmc", Some("fence_lpar")),
    ("ipmilan", Some("fence_ipmilan")),
    ("nw_rpc100s", None),
    ("rcd_serial", None),
    ("rps10", None),
    ("vacm", None),
    ("wti_mpc", Some("fence_wti")),
    ("wti_nps", Some("fence_wti")),
    ("external", None),
];

/// The types that need nothing installed.
const BUILT_IN: [(&str, Kind); 4] = [
    ("meatware", Kind::Meatware),
    ("null", Kind::Null),
    ("ssh", Kind::Ssh),
    ("suicide", Kind::Suicide),
];

impl Kind {
    /// The type of a name. Scripts and agents have to be there.
    ///
    /// # Errors
    /// It is not known, or not installed.
    pub fn find(name: &str, places: &Places) -> Result<Kind, UnknownKind> {
        if let Some((_, kind)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return Ok(kind.clone());
        }
        if let Some(script) = name.strip_prefix("external/") {
            return match places.external_script(script) {
                Some(_) => Ok(Kind::External(script.to_owned())),
                None => Err(unknown(format!(
                    "there is no script {script} in {}",
                    directories(&places.external)
                ))),
            };
        }
        let agent = ["fence_", "fence/", "rhcs/"]
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix));
        if let Some(agent) = agent {
            // Both spellings are seen: rhcs/ipmilan, rhcs/fence_ipmilan.
            let agent = agent.strip_prefix("fence_").unwrap_or(agent);
            return match places.agent(agent) {
                Some(_) => Ok(Kind::Agent(agent.to_owned())),
                None => Err(unknown(format!(
                    "there is no fence_{agent} in {}; it is a package of its own",
                    directories(&places.agents)
                ))),
            };
        }
        let compiled = COMPILED.iter().find(|(known, _)| *known == name);
        Err(match compiled {
            Some((_, Some(agent))) => {
                unknown(format!("this type is not part of this version: use {agent}"))
            }
            Some((_, None)) => unknown(
                "this type is not part of this version and has no fence agent: use a script of type external"
                    .to_owned(),
            ),
            None => UnknownKind { advice: None },
        })
    }

    /// Its name, as listed.
    pub fn name(&self) -> String {
        match self {
            Kind::External(name) => format!("external/{name}"),
            Kind::Agent(name) => format!("fence_{name}"),
            Kind::Meatware => "meatware".into(),
            Kind::Null => "null".into(),
            Kind::Ssh => "ssh".into(),
            Kind::Suicide => "suicide".into(),
        }
    }

    /// Fence agents have dozens of parameters: theirs are `name=value`, never positional.
    pub(crate) fn takes_names(&self) -> bool {
        matches!(self, Kind::Agent(_))
    }
}

fn unknown(advice: String) -> UnknownKind {
    UnknownKind {
        advice: Some(advice),
    }
}

fn directories(directories: &[std::path::PathBuf]) -> String {
    let words: Vec<String> = directories
        .iter()
        .map(|directory| directory.display().to_string())
        .collect();
    words.join(" or ")
}

/// All types that can be used here, sorted.
pub fn list(places: &Places, say: &mut Say<'_>) -> Vec<String> {
    let mut names: BTreeSet<String> = BUILT_IN
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    for directory in &places.external {
        for (name, path) in files(directory) {
            match safety(&path) {
                Safety::Safe => {
                    names.insert(format!("external/{name}"));
                }
                Safety::Writable => say(
                    Level::Warn,
                    &format!(
                        "Executable file {} ignored (writable by group/others)",
                        path.display()
                    ),
                ),
                Safety::NoProgram => {}
            }
        }
    }
    for directory in &places.agents {
        for (name, path) in files(directory) {
            if name.starts_with("fence_") && safety(&path) == Safety::Safe && !is_daemon(&name) {
                names.insert(name);
            }
        }
    }
    names.into_iter().collect()
}

/// Programs of fencing daemons that lie among the agents.
fn is_daemon(name: &str) -> bool {
    matches!(
        name,
        "fence_virtd" | "fence_sanlockd" | "fence_node" | "fence_tool" | "fence_legacy"
    )
}

fn files(directory: &Path) -> Vec<(String, std::path::PathBuf)> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .filter(|(name, _)| !name.starts_with('.'))
        .collect()
}

/// Whether a file is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Safety {
    /// It is.
    Safe,
    /// Group or others could change what we run as root.
    Writable,
    /// It is not a regular file with an execute bit.
    NoProgram,
}

pub(crate) fn safety(path: &Path) -> Safety {
    match std::fs::metadata(path) {
        Ok(about) if about.is_file() => match about.permissions().mode() {
            mode if mode & 0o111 == 0 => Safety::NoProgram,
            mode if mode & 0o022 != 0 => Safety::Writable,
            _ => Safety::Safe,
        },
        _ => Safety::NoProgram,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_types_are_refused_with_the_agent_to_use() {
        let places = Places::default();
        let advice = |name| Kind::find(name, &places).unwrap_err().advice.unwrap();
        assert!(advice("apcmaster").ends_with("use fence_apc"));
        assert!(advice("rps10").contains("external"));
        assert!(advice("fence_no_such_agent").contains("/usr/sbin"));
        assert!(advice("external/../../../../bin/sh").contains("no script"));
        assert_eq!(
            Kind::find("nosuch", &places),
            Err(UnknownKind { advice: None })
        );
        assert_eq!(Kind::find("null", &places), Ok(Kind::Null));
    }
}
