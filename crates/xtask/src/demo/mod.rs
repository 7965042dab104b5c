//! `cargo xtask demo`: the article's pair of directors, live.
//!
//! Two directors, a router and a client in network namespaces of this machine, connected by a bridge. Both directors run
//! heartbeat with `ha.d-examples/lvs-dr-article`, started through its init script. The client asks the virtual address
//! two hundred times a second while the directors crash, return, stand by and stop.
//!
//! Nothing is left behind, however the demonstration ends: the namespaces end with this process, and with them
//! everything that runs or was written in them.

use std::process::ExitCode;
use std::time::Duration;

use ha_lab::{Implementation, LabError};

use crate::cargo::{self, Profile};
use crate::install::{self, LibDir};
use crate::{Failure, debian};

mod clock;
mod scene;
mod table;
mod watch;

use scene::{Director, Scene};
use table::Row;
use watch::Watch;

/// What the command line asks for.
#[derive(Clone, Copy, Debug, Default)]
struct Options {
    /// Timers below a second instead of the article's.
    fast: bool,
    /// Without ldirectord in haresources.
    no_lvs: bool,
}

/// Runs `demo` with the rest of the command line. The exit code is 1 when the client ended unserved.
///
/// # Errors
/// [`Failure::Usage`]; what went wrong with the build or the laboratory.
pub fn run(mut arguments: lexopt::Parser) -> Result<ExitCode, Failure> {
    use lexopt::prelude::*;

    let mut options = Options::default();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("fast") => options.fast = true,
            Long("no-lvs") => options.no_lvs = true,
            other => return Err(other.unexpected().into()),
        }
    }
    debian::provide(&[debian::LAB])?;
    println!("Building heartbeat ...");
    install::install(&cargo::stage(), LibDir::Lib64, Profile::Release)?;
    match show(options) {
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
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error.into()),
    }
}

/// Plays all steps; tells whether the client was served at the end.
fn show(options: Options) -> ha_lab::Result<bool> {
    introduce(options);
    let scene = Scene::build(Implementation::Ours, options)?;
    let mut watch = Watch::new(&scene)?;
    let mut rows = Vec::new();
    let result = play(&scene, &mut watch, &mut rows);
    if let Err(error) = &result {
        watch.say(&format!("The demonstration stops here: {error}"));
        watch.say("The logs of both directors follow.");
        println!("{}", scene.logs());
    }
    let served = watch.client_is_served();
    println!("\n{}", table::render(&rows));
    println!(
        "{}",
        if served {
            "The client is served."
        } else {
            "The client is NOT served."
        }
    );
    Ok(served && result.is_ok())
}

fn introduce(options: Options) {
    println!(
        "Two directors, lvs1 (192.168.6.122, preferred) and lvs2 (192.168.6.123), and the address {}.",
        scene::VIP
    );
    let timers = if options.fast {
        "sub-second timers (--fast)"
    } else {
        "the article's timers: dead after 10 s"
    };
    println!("Configuration: ha.d-examples/lvs-dr-article, {timers}.");
    if options.no_lvs {
        println!("Only the address moves (--no-lvs).");
    } else {
        println!(
            "In the place of ldirectord stands a small script that only notes whether it was started."
        );
    }
    println!(
        "A client asks {} every 5 ms. Ctrl-C ends everything and leaves nothing behind.\n",
        scene::VIP
    );
}

/// The steps, in order. Each ends when the client is answered by the director that should hold the address.
fn play(scene: &Scene, watch: &mut Watch<'_>, rows: &mut Vec<Row>) -> ha_lab::Result<()> {
    let [lvs1, lvs2] = [Director::Lvs1, Director::Lvs2];

    watch.headline("Both directors start heartbeat");
    watch.during(|| scene.start(lvs1))?;
    watch.during(|| scene.start(lvs2))?;
    watch.until_served_by(lvs1, scene.patience())?;
    // A node that has just started announces a longer dead time; what comes next shall be measured without.
    watch.rest(scene.settling());

    let mut step = |watch: &mut Watch<'_>,
                    title: &str,
                    to: Director,
                    action: &(dyn Fn() -> ha_lab::Result<()> + Sync)| {
        watch.headline(title);
        let begin = watch.now();
        let done = watch
            .during(action)
            .and_then(|()| watch.until_served_by(to, scene.patience()));
        rows.push(Row {
            step: title.to_owned(),
            gap: watch.longest_gap_since(begin),
            served_by: watch.served_by(),
        });
        done
    };
    step(watch, "lvs1 crashes (power cut)", lvs2, &|| {
        scene.crash(lvs1)
    })?;
    step(watch, "lvs1 returns (boot, init script)", lvs1, &|| {
        scene.boot(lvs1)
    })?;
    watch.rest(scene.settling());
    step(watch, "hb_standby on lvs1", lvs2, &|| scene.standby(lvs1))?;
    watch.rest(Duration::from_secs(2));
    step(watch, "heartbeat -k on lvs2", lvs1, &|| scene.stop(lvs2))?;
    Ok(())
}
