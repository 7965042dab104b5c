//! The application's side: being watched by the monitor.

use std::io;
use std::path::Path;
use std::time::Duration;

use ha_ipc::channel::Channel;
use ha_sys::log::connect_now;
use ha_sys::{Interest, Poller, clock, process};
use ha_wire::apphb::Request;

use super::SOCKET;

/// How long the monitor may take for an answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// A registration that holds as long as it is kept; then the monitor is told that it is over.
pub(crate) struct Registration {
    channel: Channel,
}

impl Registration {
    /// Registers this process, and says how long it may be silent.
    ///
    /// # Errors
    /// No monitor answers, or it refuses.
    pub(crate) fn make(
        name: &str,
        instance: &str,
        interval_ms: u64,
        warning_ms: u64,
    ) -> io::Result<Registration> {
        let channel = Channel::new(connect_now(Path::new(SOCKET))?)?;
        let mut registration = Registration { channel };
        for request in [
            Request::Register {
                name: name.into(),
                instance: instance.into(),
                directory: std::env::current_dir()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                pid: std::process::id(),
                uid: process::effective_user(std::process::id()).unwrap_or(0),
            },
            Request::Interval(interval_ms),
            Request::Warning(warning_ms),
        ] {
            registration.ask(&request)?;
        }
        Ok(registration)
    }

    /// Says that we live.
    ///
    /// # Errors
    /// The monitor is gone, or does not read.
    pub(crate) fn beat(&mut self) -> io::Result<()> {
        self.channel
            .send(&Request::Beat.encode())
            .map_err(io::Error::other)
    }

    fn ask(&mut self, request: &Request) -> io::Result<()> {
        self.channel
            .send(&request.encode())
            .map_err(io::Error::other)?;
        let mut poller = Poller::new()?;
        poller.add(&self.channel, 0, Interest::Read)?;
        let deadline = clock::monotonic() + PATIENCE;
        let mut ready = Vec::new();
        loop {
            if let Some(answer) = self.channel.receive().map_err(io::Error::other)? {
                let code = answer
                    .first_chunk()
                    .map(|octets| i32::from_ne_bytes(*octets));
                return match code {
                    Some(0) => Ok(()),
                    Some(errno) => Err(io::Error::from_raw_os_error(errno)),
                    None => Err(io::ErrorKind::InvalidData.into()),
                };
            }
            if clock::monotonic() >= deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            poller.wait(Some(deadline), &mut ready)?;
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Without these words the monitor would say that we hung up. It does no harm if they get lost.
        let _ = self.channel.send(&Request::Unregister.encode());
    }
}
