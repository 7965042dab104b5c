//! The commands, found out by the name that we were called with.

mod command;
mod help;
mod meatclient;
mod options;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use crate::Places;

/// The entry of the program.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let rest: Vec<OsString> = arguments.collect();
    let name = Path::new(&program)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let places = Places::default();
    let program = program.to_string_lossy();
    let code = match name.as_str() {
        "meatclient" => meatclient::main(&program, rest, &places),
        "stonith-device" => crate::task::main(&places),
        _ => command::main(&program, rest, &places),
    };
    ExitCode::from(code)
}
