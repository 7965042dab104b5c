//! Sending arbitrary UDP datagrams from a host: garbage, replays, messages with a wrong key.

use std::io::Read;
use std::net::UdpSocket;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::error::Doing;
use crate::helper::{MARKER, Options};
use crate::{Host, LabError, Result};

impl Host {
    /// Sends each payload as one datagram to `address` (broadcast allowed) and `port`, `pause` apart.
    ///
    /// # Errors
    /// When the sender cannot be run or the kernel refuses to send.
    pub fn send_datagrams(
        &self,
        address: &str,
        port: u16,
        payloads: &[Vec<u8>],
        pause: Duration,
    ) -> Result<()> {
        let exe = std::env::current_exe().doing(|| "path of this program".into())?;
        let mut child = self
            .lab()
            .nsenter(self.pid()?, &["-n"])
            .arg(exe)
            .args([MARKER, "send"])
            .arg(format!("to={address}:{port}"))
            .arg(format!("pause_us={}", pause.as_micros()))
            .stdin(Stdio::piped())
            .spawn()
            .doing(|| "starting a sender".into())?;
        {
            let mut stdin = child
                .stdin
                .take()
                .ok_or_else(|| LabError::unexpected("no pipe"))?;
            for payload in payloads {
                let length = u32::try_from(payload.len()).unwrap_or(0).to_le_bytes();
                std::io::Write::write_all(&mut stdin, &[&length[..], payload].concat())
                    .doing(|| "feeding the sender".into())?;
            }
        }
        if child
            .wait()
            .doing(|| "waiting for the sender".into())?
            .success()
        {
            return Ok(());
        }
        Err(LabError::Command(format!(
            "sending to {address}:{port} from {} failed",
            self.name()
        )))
    }
}

/// The helper process: reads length-prefixed payloads from standard input and sends them.
pub(crate) fn run(options: &Options) -> Result<()> {
    let to = options.get("to")?;
    let pause = Duration::from_micros(options.number("pause_us")?);
    let socket = UdpSocket::bind("0.0.0.0:0").doing(|| "socket".into())?;
    socket.set_broadcast(true).doing(|| "SO_BROADCAST".into())?;
    let mut stdin = std::io::stdin().lock();
    let mut length = [0; 4];
    while stdin.read_exact(&mut length).is_ok() {
        let mut payload = vec![0; usize::try_from(u32::from_le_bytes(length)).unwrap_or(0)];
        stdin
            .read_exact(&mut payload)
            .doing(|| "reading a payload".into())?;
        socket
            .send_to(&payload, to)
            .doing(|| format!("sending {} bytes to {to}", payload.len()))?;
        thread::sleep(pause);
    }
    Ok(())
}
