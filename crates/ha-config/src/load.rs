//! All files together: the legacy's processing order, messages and exit codes (`config-files.md` 4).

use ha_wire::KeyRing;

use crate::authkeys::parse_authkeys;
use crate::diagnostic::{Diagnostic, Severity};
use crate::facts::{Facts, OsError};
use crate::ha_cf::Reading;
use crate::ha_cf::model::HaCf;
use crate::haresources::{self, HaResources};
use crate::nodeinfo::parse_nodeinfo;
use crate::paths;

/// What the caller found at a file's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileContent {
    /// The file was read.
    Read {
        /// All of it.
        bytes: Vec<u8>,
        /// Its mode as fstat(2) tells it.
        mode: u32,
    },
    /// It could not be read.
    Unreadable(OsError),
}

impl FileContent {
    /// A file that was read.
    pub fn read(bytes: impl Into<Vec<u8>>, mode: u32) -> Self {
        FileContent::Read {
            bytes: bytes.into(),
            mode,
        }
    }

    /// Overwrites what was read, once it has been understood: a file of keys must not stay in freed memory.
    pub fn wipe(&mut self) {
        if let FileContent::Read { bytes, .. } = self {
            ha_wire::wipe(bytes);
        }
    }

    /// A file that is not there.
    pub fn missing() -> Self {
        FileContent::Unreadable(OsError::from_errno(OsError::ENOENT))
    }
}

/// The contents of /etc/ha.d, as far as the daemon reads it.
#[derive(Clone, Debug)]
pub struct ConfigFiles {
    /// [`paths::HA_CF`]
    pub ha_cf: FileContent,
    /// [`paths::AUTHKEYS`]
    pub authkeys: FileContent,
    /// [`paths::HARESOURCES`]
    pub haresources: FileContent,
    /// [`paths::NODEINFO`]
    pub nodeinfo: FileContent,
}

/// What the command line has to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// False with `-M`: haresources is neither read nor required.
    pub managed: bool,
    /// The number of `-d` options.
    pub debug_from_options: i32,
    /// `-r` or `-R`: other exit codes, and no announcement of a start.
    pub restart_or_reload: bool,
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions {
            managed: true,
            debug_from_options: 0,
            restart_or_reload: false,
        }
    }
}

/// A configuration that the daemon can run with.
#[derive(Clone, Debug)]
pub struct Config {
    /// ha.cf.
    pub ha_cf: HaCf,
    /// authkeys.
    pub keys: KeyRing,
    /// haresources; empty when resources are not managed.
    pub haresources: HaResources,
    /// Our node name in lower case: `uname -n`, or what nodeinfo says.
    pub local_node: String,
}

/// The outcome of [`load`].
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration, or none when it is refused.
    pub config: Option<Config>,
    /// Everything to be said, in the legacy's order.
    pub diagnostics: Vec<Diagnostic>,
    /// 0, or what the program must exit with.
    pub exit_code: i32,
}

/// Reads and judges all files.
///
/// The exit code of a refusal is 6, or 1 for `-r` and `-R`; 4 in both cases when the file at fault may not be read
/// (`config-files.md` 1).
pub fn load(files: &ConfigFiles, options: &LoadOptions, facts: &dyn Facts) -> Loaded {
    let mut diagnostics = Vec::new();
    match try_load(files, options, facts, &mut diagnostics) {
        Ok(config) => Loaded {
            config: Some(config),
            diagnostics,
            exit_code: 0,
        },
        Err(fault) => {
            let message = "Configuration error, heartbeat not started.";
            diagnostics.push(error("configuration-error", message));
            let exit_code = match fault {
                Fault::Permission => EXIT_PERMISSION,
                Fault::Content if options.restart_or_reload => EXIT_RELOAD,
                Fault::Content => EXIT_NOT_CONFIGURED,
            };
            Loaded {
                config: None,
                diagnostics,
                exit_code,
            }
        }
    }
}

/// LSB "insufficient privilege".
const EXIT_PERMISSION: i32 = 4;
/// LSB "not configured".
const EXIT_NOT_CONFIGURED: i32 = 6;
/// What `-r` and `-R` say instead.
const EXIT_RELOAD: i32 = 1;

/// Why a configuration is refused.
enum Fault {
    /// A file may not be read.
    Permission,
    /// Anything else.
    Content,
}

impl From<&OsError> for Fault {
    fn from(reason: &OsError) -> Self {
        if reason.is_permission() {
            Fault::Permission
        } else {
            Fault::Content
        }
    }
}

fn try_load(
    files: &ConfigFiles,
    options: &LoadOptions,
    facts: &dyn Facts,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Config, Fault> {
    let local_node = local_node(&files.nodeinfo, facts);
    let mut reading = Reading::new(
        paths::HA_CF,
        &local_node,
        options.managed,
        options.debug_from_options,
        facts,
    );
    read_ha_cf(&files.ha_cf, &mut reading, diagnostics).inspect_err(|_| {
        diagnostics.push(error(
            "ha-cf",
            "Heartbeat not started: configuration error.",
        ))
    })?;
    let keys = read_authkeys(&files.authkeys, diagnostics).inspect_err(|_| {
        diagnostics.push(error("authkeys", "Authentication configuration error."))
    })?;
    reading.judge();
    let judged = reading.finish();
    diagnostics.extend(judged.diagnostics);
    let ha_cf = judged.value.ok_or(Fault::Content)?;
    if !options.restart_or_reload {
        let version = crate::HEARTBEAT_VERSION;
        diagnostics.push(info("validated", "*".repeat(26)));
        diagnostics.push(info(
            "validated",
            format!("Configuration validated. Starting heartbeat {version}"),
        ));
    }
    let haresources = if options.managed {
        read_haresources(&files.haresources, &ha_cf, diagnostics)?
    } else {
        HaResources::default()
    };
    Ok(Config {
        ha_cf,
        keys,
        haresources,
        local_node,
    })
}

/// `uname -n` in lower case, unless nodeinfo says otherwise.
fn local_node(nodeinfo: &FileContent, facts: &dyn Facts) -> String {
    let written = match nodeinfo {
        FileContent::Read { bytes, .. } => parse_nodeinfo(bytes),
        FileContent::Unreadable(_) => None,
    };
    written.unwrap_or_else(|| facts.node_name().to_ascii_lowercase())
}

fn read_ha_cf(
    file: &FileContent,
    reading: &mut Reading<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<(), Fault> {
    match file {
        FileContent::Read { bytes, .. } => {
            let accepted = reading.read(bytes);
            diagnostics.append(&mut reading.take_diagnostics());
            if accepted {
                Ok(())
            } else {
                Err(Fault::Content)
            }
        }
        FileContent::Unreadable(reason) => {
            let message = format!("Cannot open config file [{}]", paths::HA_CF);
            diagnostics.push(error("ha-cf-unreadable", message).advise(reason.text.clone()));
            point_to_sample(paths::HA_CF, diagnostics);
            Err(reason.into())
        }
    }
}

fn read_authkeys(file: &FileContent, diagnostics: &mut Vec<Diagnostic>) -> Result<KeyRing, Fault> {
    match file {
        FileContent::Read { bytes, mode } => {
            let parsed = parse_authkeys(bytes, *mode, paths::AUTHKEYS);
            diagnostics.extend(parsed.diagnostics);
            parsed.value.ok_or(Fault::Content)
        }
        FileContent::Unreadable(reason) => {
            // Both blanks are the legacy's.
            let message = format!("Cannot open keyfile [{}].  Stop.", paths::AUTHKEYS);
            diagnostics.push(error("authkeys-unreadable", message).advise(reason.text.clone()));
            Err(reason.into())
        }
    }
}

fn read_haresources(
    file: &FileContent,
    ha_cf: &HaCf,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<HaResources, Fault> {
    match file {
        FileContent::Read { bytes, .. } => {
            if let Some(bad) =
                haresources::check_nodes(bytes, paths::HARESOURCES, |node| ha_cf.has_node(node))
            {
                diagnostics.push(bad);
                return Err(Fault::Content);
            }
            let parsed = haresources::parse(bytes);
            diagnostics.extend(haresources::remarks(&parsed, paths::HARESOURCES));
            Ok(parsed)
        }
        FileContent::Unreadable(reason) => {
            let message = format!("Cannot open resources file [{}]", paths::HARESOURCES);
            diagnostics.push(error("haresources-unreadable", message).advise(reason.text.clone()));
            point_to_sample(paths::HARESOURCES, diagnostics);
            Err(reason.into())
        }
    }
}

fn point_to_sample(file: &str, diagnostics: &mut Vec<Diagnostic>) {
    for text in [
        format!("An annotated sample {file} file is provided in the documentation."),
        format!("Please copy it to {file}, read it, customize it, and try again."),
    ] {
        diagnostics.push(info("sample", text));
    }
}

fn error(code: &'static str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::legacy(Severity::Error, code, message)
}

fn info(code: &'static str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::legacy(Severity::Info, code, message)
}
