//! Builds with coverage counters, with a sanitizer, or with both.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::{Failure, cargo};

/// What watches memory while the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sanitizer {
    /// Nothing: fast, and enough for safe code.
    None,
    /// AddressSanitizer.
    Address,
}

impl Sanitizer {
    pub(super) fn parse(text: &str) -> Result<Sanitizer, String> {
        match text {
            "none" => Ok(Sanitizer::None),
            "address" => Ok(Sanitizer::Address),
            _ => Err(format!("'{text}' is neither none nor address")),
        }
    }

    /// Build options, and the directory below cargo's own where such builds are kept.
    fn flags(self) -> (&'static [&'static str], &'static str) {
        match self {
            Sanitizer::None => (&[], "fuzzing/build"),
            Sanitizer::Address => (&["-Zsanitizer=address"], "fuzzing/build-address"),
        }
    }
}

/// What libFuzzer needs to see which code an input reaches, and with what its parts are compared. `cargo fuzz` uses the same.
const COVERAGE: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

/// Checks that an optimised build would leave out.
const CHECKS: &[&str] = &["-Cdebug-assertions", "-Coverflow-checks"];

/// Packages with `unsafe` in them.
const UNSAFE: &[&str] = &["ha-sys", "ha-net"];

/// Builds all targets into one program and tells where it is.
pub(super) fn build(sanitizer: Sanitizer) -> Result<PathBuf, Failure> {
    let triple = triple()?;
    let (mut build, directory) = instrumented("build", sanitizer, &[COVERAGE, CHECKS].concat())?;
    build
        .args(["--quiet", "--release", "--target", &triple])
        .args(["-p", "ha-fuzz", "--features", "libfuzzer", "--bin", "fuzz"]);
    cargo::run(&mut build)?;
    Ok(directory.join(triple).join("release/fuzz"))
}

/// Runs `sanitize` with the rest of the command line: the tests of the packages with `unsafe` in them, or of those that
/// are named, under AddressSanitizer.
///
/// # Errors
/// [`Failure::Usage`]; [`Failure::Program`] when a test fails or does not compile.
pub fn sanitize(mut arguments: lexopt::Parser) -> Result<ExitCode, Failure> {
    use lexopt::prelude::*;

    let mut packages: Vec<String> = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(package) => packages.push(package.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if packages.is_empty() {
        packages = UNSAFE.iter().map(|name| (*name).to_owned()).collect();
    }
    let triple = triple()?;
    let (mut test, _) = instrumented("test", Sanitizer::Address, CHECKS)?;
    test.args(["--target", &triple, "--lib", "--bins", "--tests"]);
    for package in &packages {
        test.args(["-p", package]);
    }
    // Children of tests that end by a signal or by exec never come to free what they have.
    test.env(
        "ASAN_OPTIONS",
        "detect_leaks=0:detect_stack_use_after_return=1",
    );
    cargo::run(&mut test)?;
    Ok(ExitCode::SUCCESS)
}

/// A call of cargo with these flags for what it builds, and the directory that it builds in. With `--target` the flags do
/// not concern programs that run during the build.
fn instrumented(
    command: &str,
    sanitizer: Sanitizer,
    flags: &[&str],
) -> Result<(Command, PathBuf), Failure> {
    let (own, directory) = sanitizer.flags();
    let directory = cargo::target_directory()?.join(directory);
    let mut cargo = cargo::command();
    cargo.arg(command).env("CARGO_TARGET_DIR", &directory).env(
        "CARGO_ENCODED_RUSTFLAGS",
        [own, flags].concat().join("\x1f"),
    );
    if sanitizer != Sanitizer::None {
        // A stable compiler has the sanitizers, too, but has to be told that we know what is not settled yet.
        cargo.env("RUSTC_BOOTSTRAP", "1");
    }
    Ok((cargo, directory))
}

/// The name of this machine's kind, which the compiler knows.
fn triple() -> Result<String, Failure> {
    let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&program)
        .arg("-vV")
        .output()
        .map_err(|source| Failure::Start {
            program: program.to_string_lossy().into_owned(),
            source,
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .ok_or(Failure::Program {
            program: "rustc -vV".to_owned(),
            status: output.status,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_names_the_machine() {
        assert!(triple().unwrap().contains('-'));
    }

    /// What has `unsafe` in it says so by not forbidding it.
    #[test]
    fn every_package_with_unsafe_is_sanitized() {
        let crates = cargo::workspace().join("crates");
        let mut found = Vec::new();
        for entry in std::fs::read_dir(crates).unwrap().flatten() {
            let root = ["lib.rs", "main.rs"]
                .map(|name| std::fs::read_to_string(entry.path().join("src").join(name)));
            let roots: Vec<String> = root.into_iter().flatten().collect();
            if !roots.is_empty()
                && !roots
                    .iter()
                    .all(|text| text.contains("#![forbid(unsafe_code)]"))
            {
                found.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        found.sort();
        let mut known = UNSAFE.to_vec();
        known.sort();
        assert_eq!(found, known);
    }
}
