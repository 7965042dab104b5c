//! `cargo xtask demo`: the article's pair of directors, live.
//!
//! Two directors, two real servers, a router and clients, connected by a bridge, in a user-mode kernel that has IPVS
//! ([`guest`]). Both directors run heartbeat with `ha.d-examples/lvs-dr-article`, started through its init script, and
//! heartbeat runs ldirectord. The clients fetch pages from the virtual address while a real server dies and returns, and
//! while the directors crash, return, stand by and stop.
//!
//! With `--no-lvs` there is nothing behind the directors, which answer a client themselves; the hosts are then network
//! namespaces of this machine, and only heartbeat is seen.
//!
//! Nothing is left behind, however the demonstration ends: the kernel and the namespaces end with this process, and with
//! them everything that runs or was written in them.

use std::process::ExitCode;

use ha_lab::{Implementation, LabError};

use crate::cargo::{self, Profile};
use crate::install::{self, LibDir};
use crate::{Failure, debian};

mod audience;
mod clock;
mod guest;
mod play;
mod real_servers;
mod scene;
mod story;
mod table;
mod watch;

use clock::Clock;
use scene::Scene;
use watch::Watch;

pub use guest::PROGRAM;

/// Why a wait may be shorter than the dead time.
const DEAD_TIME: &str = "\
(A director is dead 10 s after its last sign of life. It gives one every 2 s, so that when it crashes the last one is up
to 2 s old, and the other director takes over after 8 to 10 s.)
";

/// What the command line asks for.
#[derive(Clone, Copy, Debug, Default)]
struct Options {
    /// Timers below a second instead of the article's.
    fast: bool,
    /// Without ldirectord in haresources, and without a kernel of our own.
    no_lvs: bool,
    clock: Clock,
}

/// Runs `demo` with the rest of the command line. The exit code is 1 when the client ended unserved.
///
/// # Errors
/// [`Failure::Usage`]; what went wrong with the build or the laboratory.
pub fn run(mut arguments: lexopt::Parser) -> Result<ExitCode, Failure> {
    use lexopt::prelude::*;

    let mut options = Options {
        clock: Clock::new(),
        ..Options::default()
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("fast") => options.fast = true,
            Long("no-lvs") => options.no_lvs = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let kernel = (!options.no_lvs).then_some(debian::KERNEL);
    let needs: Vec<_> = [debian::LAB].into_iter().chain(kernel).collect();
    debian::provide(&needs)?;
    println!("Building heartbeat ...");
    install::install(&cargo::stage(), LibDir::Lib64, Profile::Release)?;
    let shown = if options.no_lvs {
        show(options)
    } else {
        guest::show_in_a_kernel(options)
    };
    match shown {
        Ok(served) => Ok(if served {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }),
        Err(LabError::Unavailable(reason)) => {
            println!("The demonstration cannot run here: {reason}.");
            if !debian::is_root() {
                println!(
                    "As an ordinary user it needs a kernel that allows user namespaces. As root it always works:"
                );
                println!("  sudo env \"PATH=$PATH\" cargo xtask demo");
            }
            if !options.no_lvs {
                println!(
                    "Without a user-mode kernel, and without real servers: cargo xtask demo --no-lvs"
                );
            }
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error.into()),
    }
}

/// Plays all steps; tells whether the clients were served at the end.
fn show(options: Options) -> ha_lab::Result<bool> {
    introduce(options);
    let scene = Scene::build(Implementation::Ours, options)?;
    let mut watch = Watch::new(&scene, options.clock);
    let mut rows = Vec::new();
    let result = play::play(&scene, &mut watch, &mut rows);
    if let Err(error) = &result {
        watch.say(&format!("The demonstration stops here: {error}"));
        watch.say("The logs of both directors follow.");
        println!("{}", scene.logs());
    }
    let served = watch.clients_are_served();
    println!("\n{}", table::render(&rows, scene.interval()));
    if !options.fast {
        println!("{DEAD_TIME}");
    }
    let clients = if options.no_lvs {
        "client is"
    } else {
        "clients are"
    };
    let not = if served { "" } else { " NOT" };
    println!("The {clients}{not} served.");
    Ok(served && result.is_ok())
}

fn introduce(options: Options) {
    println!(
        "Two directors, lvs1 (192.168.6.122, preferred) and lvs2 (192.168.6.123), and the address {}.",
        scene::VIP
    );
    if options.no_lvs {
        println!("Only the address moves (--no-lvs): the directors answer the client themselves.");
        println!("A client asks {} every 5 ms.", scene::VIP);
    } else {
        println!(
            "Behind them two real servers, real1 (192.168.6.42, weight 2) and real2 (192.168.6.46, weight 3), direct routing."
        );
        println!(
            "Three clients fetch http://{}/ ten times a second.",
            scene::VIP
        );
    }
    let timers = if options.fast {
        "sub-second timers (--fast)"
    } else {
        "the article's timers: dead 10 s after the last sign of life"
    };
    println!("Configuration: ha.d-examples/lvs-dr-article, {timers}.");
    println!("Ctrl-C ends everything and leaves nothing behind.");
}
