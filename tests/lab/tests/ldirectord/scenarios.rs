//! The recorded scenarios, each a job in the guest.

use std::fs;
use std::path::{Path, PathBuf};

use ha_lab::{GuestProgram, Implementation, LabError, Result, UserModeKernel, seconds};

use crate::player;
use crate::scenario::Scenario;

/// Plays one scenario; its words are the file's name without `.txt`, and `ours` or `legacy`.
pub const PROGRAM: GuestProgram = GuestProgram {
    name: "scenario",
    run: in_the_guest,
};

/// The names of all scenarios, in order.
pub fn names() -> Result<Vec<String>> {
    let dir = directory();
    let mut names: Vec<String> = fs::read_dir(&dir)
        .map_err(|error| LabError::Io(dir.display().to_string(), error))?
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_suffix(".txt").map(str::to_owned)
        })
        .collect();
    names.sort();
    Ok(names)
}

/// Runs one in the guest.
pub fn run(kernel: &UserModeKernel, name: &str, under_test: Implementation) -> Result<()> {
    let output = kernel
        .start_job(PROGRAM.name, &[name, under_test.word()])?
        .finish(seconds(400))?;
    if output.status.success() {
        return Ok(());
    }
    Err(LabError::unexpected(format!(
        "{}{}",
        output.stdout, output.stderr
    )))
}

fn in_the_guest(words: &[String]) -> Result<()> {
    let (name, under_test) = match words {
        [name, word] if word == "legacy" => (name, Implementation::Legacy),
        [name, _] => (name, Implementation::Ours),
        _ => {
            return Err(LabError::unexpected(
                "a scenario's name and what is under test",
            ));
        }
    };
    let path = path(name);
    let text = fs::read_to_string(&path)
        .map_err(|error| LabError::Io(path.display().to_string(), error))?;
    let scenario = Scenario::parse(name, &text)
        .map_err(|why| LabError::unexpected(format!("{name}: {why}")))?;
    player::play(&scenario, under_test)
}

/// The file of a scenario.
pub fn path(name: &str) -> PathBuf {
    directory().join(format!("{name}.txt"))
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ldirectord/scenarios")
}
