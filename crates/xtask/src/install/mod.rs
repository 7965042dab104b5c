//! `cargo xtask install`: a complete tree at the places of heartbeat 2.1.4.
//!
//! [`tree`] says what lies where; [`place`] puts it there. The tree can be moved as a whole: every link in it is
//! relative. On a machine, [`kept`] remembers what is ours and what was there before, for `cargo xtask uninstall`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::Failure;
use crate::cargo::{self, Profile};

mod kept;
mod place;
#[cfg(test)]
mod tests;
pub mod tree;
mod units;

pub use tree::LibDir;

/// Runs `install` with the rest of the command line.
///
/// # Errors
/// [`Failure::Usage`]; [`Failure::Program`] when the build fails; [`Failure::File`] when the tree cannot be written.
pub fn run(mut arguments: lexopt::Parser) -> Result<ExitCode, Failure> {
    use lexopt::prelude::*;

    let mut destination: Option<PathBuf> = None;
    let mut libdir = LibDir::Lib64;
    let mut profile = Profile::Release;
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("destdir") => destination = Some(arguments.value()?.into()),
            Long("libdir") => {
                let word = arguments.value()?.string()?;
                libdir = LibDir::from_word(&word).ok_or_else(|| {
                    Failure::Usage(format!("--libdir is lib64 or lib, not {word}"))
                })?;
            }
            Long("release") => profile = Profile::Release,
            Long("debug") => profile = Profile::Debug,
            other => return Err(other.unexpected().into()),
        }
    }
    let Some(destination) = destination else {
        return Err(Failure::Usage(
            "install needs --destdir DIR (--destdir / for this machine)".into(),
        ));
    };
    let notes = install(&destination, libdir, profile)?;
    for note in notes {
        println!("note: {note}");
    }
    println!("installed below {}", destination.display());
    Ok(ExitCode::SUCCESS)
}

/// Builds the programs and lays out the tree below `destination`. Returns what could not be done without being an
/// error, such as an owner that this machine does not know.
///
/// # Errors
/// As [`run`].
pub(crate) fn install(
    destination: &Path,
    libdir: LibDir,
    profile: Profile,
) -> Result<Vec<String>, Failure> {
    cargo::build(profile, &["heartbeat", "ha-tools", "ldirectord", "stonith"])?;
    let sources = place::Sources {
        programs: cargo::output(profile)?,
        texts: cargo::workspace().join("compat"),
    };
    let tree = tree::tree(libdir);
    if is_this_machine(destination) {
        place::place_on_machine(&tree, &sources, libdir, destination)
    } else {
        place::place(&tree, &sources, libdir, destination)
    }
}

/// The root directory, however it is written.
fn is_this_machine(destination: &Path) -> bool {
    std::fs::canonicalize(destination).is_ok_and(|path| path == Path::new("/"))
}

/// Runs `uninstall` with the rest of the command line: takes from this machine what `install --destdir /` put there.
///
/// # Errors
/// [`Failure::Usage`], also where nothing was installed; [`Failure::File`].
pub fn undo(mut arguments: lexopt::Parser) -> Result<ExitCode, Failure> {
    if let Some(argument) = arguments.next()? {
        return Err(argument.unexpected().into());
    }
    for note in place::take_from_machine(Path::new("/"))? {
        println!("note: {note}");
    }
    println!("uninstalled; what stood in the same places before is there again");
    Ok(ExitCode::SUCCESS)
}
