//! The heartbeat daemon: the shell around `ha-cluster`.
//!
//! | module | responsible for |
//! |---|---|
//! | `options`, `control` | the command line; `-s`, `-k`, `-r` |
//! | `startup` | from the command line to a running loop, and from its end to the next process |
//! | `daemon` | the loop: read, feed the core, drain its actions, sleep |
//! | `links`, `mischief` | media; losing packets on purpose |
//! | `plan`, `jobs`, `native` | resource work that the core asks for |
//! | `fencing` | devices that reset dead nodes: judged at the start, asked by children |
//! | `clients` | `respawn` and `failfast` clients |
//! | `api` | the registration socket and the connections of local clients |
//! | `remarks` | what haresources asks for that cannot work here |
//! | `reload`, `files` | SIGHUP; reading /etc/ha.d |
//! | `settings`, `facts`, `logging` | between the configuration, the machine and the core |
//! | `identity`, `name_uuid` | who we are in this life: UUID and generation |
//! | `shell`, `timers`, `places` | small things |
#![forbid(unsafe_code)]

mod api;
mod apphbd;
mod clients;
mod control;
mod daemon;
mod deadlines;
mod facts;
mod fencing;
mod files;
mod identity;
mod jobs;
mod links;
mod logging;
mod mischief;
mod name_uuid;
mod native;
mod options;
mod places;
mod plan;
mod reload;
mod remarks;
mod settings;
mod shell;
mod startup;
mod timers;

use std::path::Path;
use std::process::ExitCode;

use ha_sys::terminal;

use options::{Mode, Options, UsageError};

/// Usage error, or help.
const EXIT_USAGE: u8 = 2;

/// The whole program.
pub fn main() -> ExitCode {
    ha_sys::daemon::close_inherited_descriptors();
    ha_sys::process::use_one_heap();
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_else(|| "heartbeat".into());
    let program = Path::new(&program)
        .file_name()
        .unwrap_or(&program)
        .to_string_lossy()
        .into_owned();
    match Options::parse(arguments) {
        Ok(options) => run(&options, &program),
        Err(UsageError) => {
            terminal::error(options::USAGE);
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn run(options: &Options, program: &str) -> ExitCode {
    match options.mode {
        Mode::Version => terminal::print(&format!("{}\n", ha_config::HEARTBEAT_VERSION)),
        Mode::ListDefaults if options.wiki => terminal::print(&ha_config::defaults_wiki()),
        Mode::ListDefaults => terminal::print(&ha_config::defaults_table()),
        Mode::Status => return control::status(program),
        Mode::Kill => return control::kill(),
        Mode::Start | Mode::Reload | Mode::Restarted => return startup::start(options, program),
    }
    ExitCode::SUCCESS
}
