//! ldirectord: the shell around `lvs-director`.
//!
//! | module | responsible for |
//! |---|---|
//! | `options` | the command line |
#![forbid(unsafe_code)]

mod options;

use std::process::ExitCode;

use options::{Options, UsageError};

/// The command line makes no sense.
const EXIT_USAGE: u8 = 255;

/// The whole program.
pub fn main() -> ExitCode {
    ha_sys::daemon::close_inherited_descriptors();
    ha_sys::process::use_one_heap();
    match Options::parse(std::env::args_os().skip(1)) {
        Ok(Options::Version) => {
            print!("{VERSION_TEXT}");
            ExitCode::SUCCESS
        }
        Ok(_) => {
            eprintln!("ldirectord: this version cannot direct anything yet, and is not installed");
            ExitCode::FAILURE
        }
        Err(UsageError { complaint }) => {
            if let Some(complaint) = complaint {
                eprintln!("{complaint}");
            }
            print!("{}", options::USAGE);
            ExitCode::from(EXIT_USAGE)
        }
    }
}

const VERSION_TEXT: &str = "\
Linux Director v1.186-ha-2.1.4
1999-2006 Jacob Rief, Horms and others
<http://www.vergenet.net/linux/ldirectord/>

";
