//! The workspace on disk, and cargo called on it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;

/// Optimised or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Release,
    Debug,
}

impl Profile {
    fn directory(self) -> &'static str {
        match self {
            Profile::Release => "release",
            Profile::Debug => "debug",
        }
    }
}

/// The top of the workspace.
pub(crate) fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// cargo, to be run in the workspace.
pub(crate) fn command() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace());
    cargo
}

/// Builds the programs of these packages.
///
/// # Errors
/// [`Failure::Start`] without cargo, [`Failure::Program`] when the build fails; cargo has then said why.
pub(crate) fn build(profile: Profile, packages: &[&str]) -> Result<(), Failure> {
    let mut cargo = command();
    cargo.arg("build").arg("--quiet").arg("--bins");
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    for package in packages {
        cargo.args(["-p", package]);
    }
    run(&mut cargo)
}

/// Runs a program to its end with our own terminal.
///
/// # Errors
/// [`Failure::Start`] and [`Failure::Program`].
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|source| Failure::Start {
        program: program.clone(),
        source,
    })?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::Program { program, status })
    }
}

/// Where cargo put the programs of a profile.
pub(crate) fn output(profile: Profile) -> PathBuf {
    target_directory().join(profile.directory())
}

/// Where the laboratory looks for an installed tree of ours.
pub(crate) fn stage() -> PathBuf {
    workspace().join("target/stage")
}

/// cargo's target directory. We live in it ourselves, and cargo marks it; this finds it wherever it was configured.
pub(crate) fn target_directory() -> PathBuf {
    let own = std::env::current_exe().ok();
    let marked = own
        .iter()
        .flat_map(|path| path.ancestors())
        .find(|dir| dir.join("CACHEDIR.TAG").is_file());
    marked.map_or_else(|| workspace().join("target"), Path::to_owned)
}
