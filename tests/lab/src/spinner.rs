//! A machine that is busy: a process of ordinary priority that spins on every processor.

use std::hint::black_box;
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::error::Doing;
use crate::helper::{MARKER, Options};
use crate::recorder::wait_for_the_end;
use crate::{LabError, Result};

/// Processors kept busy. Dropping it ends that.
pub struct Spinner {
    process: Child,
    processors: usize,
}

impl Spinner {
    /// Starts a thread that never rests for each processor of this machine.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn start() -> Result<Spinner> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let exe = std::env::current_exe().doing(|| "path of this program".into())?;
        let process = Command::new(exe)
            .args([MARKER, "spin"])
            .arg(format!("threads={processors}"))
            .stdin(Stdio::piped())
            .spawn()
            .doing(|| "starting a spinner".into())?;
        Ok(Spinner {
            process,
            processors,
        })
    }

    /// How many processors it keeps busy.
    pub fn processors(&self) -> usize {
        self.processors
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        // It ends when its standard input does.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// The helper process: spins until its standard input ends.
pub(crate) fn run(options: &Options) -> Result<()> {
    let threads: usize = options.number("threads")?;
    if threads == 0 {
        return Err(LabError::unexpected("no threads"));
    }
    for _ in 0..threads {
        thread::spawn(|| {
            let mut number = 0_u64;
            loop {
                number = black_box(
                    number
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1),
                );
            }
        });
    }
    wait_for_the_end();
    // Returning ends the process with all its threads.
    Ok(())
}
