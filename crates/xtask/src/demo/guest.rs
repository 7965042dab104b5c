//! The whole article in a kernel of its own: this machine's kernel may have no IPVS, and shall not be touched.
//!
//! The demonstration runs as a job of a user-mode kernel; here is the outer side, which boots it and passes on what the
//! job prints, and the job itself.

use std::time::Duration;

use ha_lab::{GuestProgram, KernelOptions, LabError, Result, UserModeKernel};

use super::clock::Clock;
use super::{Options, show};

/// What this program does inside the kernel.
pub const PROGRAM: GuestProgram = GuestProgram {
    name: "demo",
    run: inside,
};

/// The longest time without a line. The longest silence in a demonstration that goes well is a dead time.
const PATIENCE: Duration = Duration::from_secs(180);

/// The word for `--fast` in the job's arguments.
const FAST: &str = "fast";
/// What precedes the offset from UTC in them: the guest knows no time zone.
const OFFSET: &str = "utc-offset=";

/// Boots the kernel and shows the demonstration in it; tells whether the clients were served at the end.
///
/// # Errors
/// [`LabError::Unavailable`] when the machine has no user-mode kernel or does not let us make namespaces; what went wrong
/// with the kernel.
pub(super) fn show_in_a_kernel(options: Options) -> Result<bool> {
    println!("Booting a user-mode kernel, which has IPVS ...");
    let kernel = UserModeKernel::boot(&KernelOptions::default())?;
    println!(
        "Linux {} runs as an ordinary process; everything below happens in it.\n",
        kernel.version()
    );
    let offset = format!("{OFFSET}{}", options.clock.offset_seconds());
    let mut words = vec![offset.as_str()];
    if options.fast {
        words.push(FAST);
    }
    let mut job = kernel.start_job(PROGRAM.name, &words)?;
    while let Some(line) = job.next_line(PATIENCE)? {
        println!("{line}");
    }
    let output = job.finish(PATIENCE)?;
    eprint!("{}", output.stderr);
    Ok(output.status.success())
}

fn inside(words: &[String]) -> Result<()> {
    let offset = words.iter().find_map(|word| word.strip_prefix(OFFSET));
    let options = Options {
        fast: words.iter().any(|word| word == FAST),
        no_lvs: false,
        clock: Clock::with_offset(offset.and_then(|text| text.parse().ok()).unwrap_or(0)),
    };
    if show(options)? {
        Ok(())
    } else {
        Err(LabError::unexpected("the clients are not served"))
    }
}
