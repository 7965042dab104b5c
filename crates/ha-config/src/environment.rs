//! The environment that every child of the daemon gets (`resource-protocol.md` 4.2, `config-files.md` 9).

use std::ffi::OsString;

use crate::ha_cf::model::HaCf;
use crate::paths;

/// Variables and values in a fixed order: the constants first, then one `HA_<directive>` per parameter, then the `env`
/// directives, which may override all of them. A child gets these and nothing of the daemon's own besides `PATH`.
///
/// `ocf_root` is where the OCF agents are installed.
pub fn environment(ha_cf: &HaCf, local_node: &str, ocf_root: &str) -> Vec<(OsString, OsString)> {
    let mut variables: Vec<(OsString, OsString)> = Vec::new();
    let mut set = |name: String, value: OsString| {
        // A name set twice has its last value; execve(2) would pass both.
        let name = OsString::from(name);
        variables.retain(|(known, _)| *known != name);
        variables.push((name, value));
    };
    set("HA_DIR".into(), paths::HA_D.into());
    set(
        "HA_FUNCS".into(),
        format!("{}/shellfuncs", paths::HA_D).into(),
    );
    set("HA_DATEFMT".into(), "%Y/%m/%d_%T\t".into());
    set("HA_CURHOST".into(), local_node.into());
    set("OCF_ROOT".into(), ocf_root.into());
    let destinations = ha_cf.log_destinations();
    // Without a file the variables are there and empty; with syslog alone they name the null device.
    set(
        "HA_LOGFILE".into(),
        ha_cf.logfile.clone().unwrap_or_default().into(),
    );
    set(
        "HA_DEBUGLOG".into(),
        ha_cf.debugfile.clone().unwrap_or_default().into(),
    );
    if let Some(facility) = &destinations.facility {
        set("HA_LOGFACILITY".into(), facility.name().into());
    }
    if ha_cf.debug > 0 {
        set("HA_DEBUG".into(), ha_cf.debug.to_string().into());
    }
    set(
        "HA_COMPRESSION".into(),
        ha_cf.compression.algorithm.name().into(),
    );
    for (name, value) in &ha_cf.parameters {
        set(format!("HA_{name}"), value.into());
    }
    for (name, value) in &ha_cf.env {
        set(format!("HA_{name}"), value.into());
    }
    variables
}
