//! The workspace on disk, and cargo called on it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
///
/// # Errors
/// As [`target_directory`].
pub(crate) fn output(profile: Profile) -> Result<PathBuf, Failure> {
    Ok(target_directory()?.join(profile.directory()))
}

/// Where the laboratory looks for an installed tree of ours.
pub(crate) fn stage() -> PathBuf {
    workspace().join("target/stage")
}

/// cargo's target directory, wherever it was configured, as cargo itself says.
///
/// # Errors
/// [`Failure::Start`] without cargo, [`Failure::Program`] when it does not know; it has then said why.
pub(crate) fn target_directory() -> Result<PathBuf, Failure> {
    ask_target_directory(command())
}

fn ask_target_directory(mut cargo: Command) -> Result<PathBuf, Failure> {
    cargo
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .stderr(Stdio::inherit());
    let program = cargo.get_program().to_string_lossy().into_owned();
    let output = cargo.output().map_err(|source| Failure::Start {
        program: program.clone(),
        source,
    })?;
    Some(String::from_utf8_lossy(&output.stdout))
        .filter(|_| output.status.success())
        .and_then(|json| in_metadata(&json))
        .ok_or(Failure::Program {
            program: format!("{program} metadata"),
            status: output.status,
        })
}

/// Picks the target directory out of what `cargo metadata` prints. It stands behind the list of packages, which may have a
/// key of this name among their own.
fn in_metadata(json: &str) -> Option<PathBuf> {
    const KEY: &str = "\"target_directory\":\"";

    let mut letters = json[json.rfind(KEY)? + KEY.len()..].chars();
    let mut path = String::new();
    loop {
        match letters.next()? {
            '"' => return Some(path.into()),
            '\\' => match letters.next()? {
                letter @ ('"' | '\\' | '/') => path.push(letter),
                _ => return None,
            },
            letter => path.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    /// cargo marks a target directory only when it makes it itself.
    #[test]
    fn a_target_directory_that_was_there_before_cargo_is_found() {
        let scratch = Scratch::new();
        let mut cargo = command();
        cargo.env("CARGO_TARGET_DIR", scratch.path());
        assert_eq!(ask_target_directory(cargo).unwrap(), scratch.path());
    }

    #[test]
    fn the_target_directory_is_read_from_the_metadata() {
        let json = r#"{"packages":[{"metadata":{"target_directory":"/no"}}],"target_directory":"/a \"b\" \\c/é","version":1}"#;
        assert_eq!(in_metadata(json), Some(r#"/a "b" \c/é"#.into()));
        assert_eq!(in_metadata("{}"), None);
        assert_eq!(in_metadata(r#""target_directory":"/cut"#), None);
    }
}
