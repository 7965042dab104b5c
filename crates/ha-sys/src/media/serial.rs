//! Serial lines (`wire-protocol.md` 7.4).
//!
//! The line carries messages in string form without the final NUL. Reading skips whatever is no message, so a node that
//! joins in the middle, or noise, costs one message. Writing goes through a bounded queue, because at 19200 baud a
//! message takes more than a tenth of a second.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ha_wire::stream::{Framing, StreamReader};
use nix::sys::termios::{
    BaudRate, ControlFlags, FlushArg, InputFlags, LocalFlags, OutputFlags, SetArg,
    SpecialCharacterIndices, cfsetspeed, tcflush, tcgetattr, tcsendbreak, tcsetattr,
};

use super::{Medium, Outcome, Said};
use crate::clock::monotonic;
use crate::log::Priority;
use crate::{errno_text, pidfile};

/// What may wait to be written. At the bound a new message is refused: a line that slow or dead needs no more old news.
const QUEUE_MAX: usize = 16 * 1024;

/// A line that takes nothing for so long is stuck: nobody reads, or the cable is bad (`wire-protocol.md` 7.4).
const PATIENCE: Duration = Duration::from_millis(500);

struct SerialMedium {
    line: File,
    queue: VecDeque<u8>,
    /// When the line last took something, or had nothing to take. Monotonic.
    moved: Duration,
    messages: StreamReader,
    _lock: LineLock,
}

impl SerialMedium {
    fn new(line: File, lock: LineLock) -> SerialMedium {
        SerialMedium {
            line,
            queue: VecDeque::new(),
            moved: monotonic(),
            messages: StreamReader::new(Framing::String),
            _lock: lock,
        }
    }

    /// Throws away what waits, also in the line's driver, in both directions: it is old.
    fn start_afresh(&mut self) {
        let _ = tcflush(&self.line, FlushArg::TCIOFLUSH);
        self.queue.clear();
        self.messages.reset();
    }
}

pub(super) fn open(device: &Path, baud: u32, said: &mut Said) -> Outcome {
    match try_open(device, baud) {
        Ok(medium) => {
            let text = format!(
                "glib: Starting serial heartbeat on tty {} ({baud} baud)",
                device.display()
            );
            said.push((Priority::Info, text));
            Outcome::Open(Box::new(medium))
        }
        Err(text) => {
            said.push((Priority::Error, text));
            Outcome::Failed
        }
    }
}

fn try_open(device: &Path, baud: u32) -> Result<SerialMedium, String> {
    let lock = LineLock::take(Path::new("/var/lock"), device).map_err(|error| match error {
        LockError::Held(pid) => format!(
            "glib: Serial line {} is locked by process {pid}",
            device.display()
        ),
        LockError::Io(error) => format!(
            "glib: cannot lock line {}: {}",
            device.display(),
            errno_text(&error)
        ),
    })?;
    let line = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
        .open(device)
        .map_err(|error| {
            format!(
                "glib: cannot open {}: {}",
                device.display(),
                errno_text(&error)
            )
        })?;
    let rate = rate(baud).ok_or_else(|| format!("glib: invalid baudrate [{baud}] specified."))?;
    set_up(&line, rate)
        .map_err(|error| format!("glib: cannot get tty attributes: {}", errno_text(&error)))?;
    Ok(SerialMedium::new(line, lock))
}

fn rate(baud: u32) -> Option<BaudRate> {
    Some(match baud {
        9600 => BaudRate::B9600,
        19200 => BaudRate::B19200,
        38400 => BaudRate::B38400,
        57600 => BaudRate::B57600,
        115_200 => BaudRate::B115200,
        230_400 => BaudRate::B230400,
        460_800 => BaudRate::B460800,
        _ => return None,
    })
}

fn set_up(line: &File, rate: BaudRate) -> io::Result<()> {
    let mut attributes = tcgetattr(line)?;
    attributes.input_flags =
        InputFlags::INPCK | InputFlags::ISTRIP | InputFlags::IGNCR | InputFlags::BRKINT;
    attributes.output_flags = OutputFlags::empty();
    attributes.local_flags = LocalFlags::empty();
    attributes.control_flags &=
        !(ControlFlags::CSIZE | ControlFlags::PARENB | ControlFlags::CSTOPB);
    attributes.control_flags |=
        ControlFlags::CS8 | ControlFlags::CRTSCTS | ControlFlags::CLOCAL | ControlFlags::CREAD;
    for (index, value) in [
        (SpecialCharacterIndices::VMIN, 1),
        (SpecialCharacterIndices::VTIME, 1),
    ] {
        if let Some(slot) = attributes.control_chars.get_mut(index as usize) {
            *slot = value;
        }
    }
    cfsetspeed(&mut attributes, rate)?;
    tcsetattr(line, SetArg::TCSAFLUSH, &attributes)?;
    // Wakes a peer that reads garbage at another speed. A pseudo-terminal knows no break.
    let _ = tcsendbreak(line, 0);
    Ok(())
}

impl Medium for SerialMedium {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }

    fn receive(&mut self, buffer: &mut [u8], deliver: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        match self.line.read(buffer) {
            Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            Ok(length) => {
                self.messages
                    .feed(buffer.get(..length).unwrap_or_default(), deliver);
                Ok(())
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn transmit(&mut self, payload: &[u8]) -> io::Result<()> {
        let now = monotonic();
        if self.queue.is_empty() {
            self.moved = now;
        }
        let stuck = now >= self.moved + PATIENCE;
        if stuck || self.queue.len() + payload.len() > QUEUE_MAX {
            self.start_afresh();
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        self.queue.extend(payload);
        self.flush()
    }

    fn wants_to_write(&self) -> bool {
        !self.queue.is_empty()
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.queue.is_empty() {
            let (front, _) = self.queue.as_slices();
            match self.line.write(front) {
                Ok(written) => {
                    self.queue.drain(..written);
                    self.moved = monotonic();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The customary lock of a terminal line, `/var/lock/LCK..<name>`, 11 bytes like a pid file. Gone with the value.
struct LineLock(PathBuf);

enum LockError {
    Held(u32),
    Io(io::Error),
}

impl LineLock {
    fn take(directory: &Path, device: &Path) -> Result<LineLock, LockError> {
        let name = device.file_name().unwrap_or(device.as_os_str());
        let mut file_name = std::ffi::OsString::from("LCK..");
        file_name.push(name);
        let path = directory.join(file_name);
        let holder = fs::read_to_string(&path)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        match holder {
            Some(pid) if pid != std::process::id() && crate::process::exists(pid) => {
                Err(LockError::Held(pid))
            }
            _ => match pidfile::replace(&path) {
                Ok(()) => Ok(LineLock(path)),
                Err(error) => Err(LockError::Io(error)),
            },
        }
    }
}

impl Drop for LineLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::process::testing::ScratchDir;

    const MESSAGE: &[u8] = b">>>\nt=status\nst=up\n<<<\n";

    /// A medium on one end of a pseudo-terminal, and the other end.
    fn line(dir: &ScratchDir) -> (SerialMedium, File) {
        let (master, name) = open_pty();
        let line = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
            .open(&name)
            .unwrap();
        set_up(&line, BaudRate::B19200).unwrap();
        let Ok(lock) = LineLock::take(dir.path(), &name) else {
            panic!("locked")
        };
        (SerialMedium::new(line, lock), master)
    }

    /// The controlling end of a new pseudo-terminal and the path of the other.
    fn open_pty() -> (File, PathBuf) {
        let master = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open("/dev/ptmx")
            .unwrap();
        let (mut unlocked, mut number): (libc::c_int, libc::c_int) = (0, 0);
        // SAFETY: both requests take a pointer to one int.
        unsafe {
            assert_eq!(
                libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &mut unlocked),
                0
            );
            assert_eq!(
                libc::ioctl(master.as_raw_fd(), libc::TIOCGPTN, &mut number),
                0
            );
        }
        (master, PathBuf::from(format!("/dev/pts/{number}")))
    }

    #[test]
    fn reads_messages_between_noise_and_writes_them_bare() {
        let dir = ScratchDir::new();
        let (mut medium, mut peer) = line(&dir);
        medium.transmit(MESSAGE).unwrap();
        let mut got = vec![0; MESSAGE.len()];
        peer.read_exact(&mut got).unwrap();
        assert_eq!(got, MESSAGE);
        peer.write_all(b"half a mess\xc1ge\n<<<\n").unwrap();
        peer.write_all(MESSAGE).unwrap();
        let mut found = Vec::new();
        let mut buffer = vec![0; 65536];
        let deadline = monotonic() + Duration::from_secs(20);
        while found.is_empty() && monotonic() < deadline {
            medium
                .receive(&mut buffer, &mut |message| found.push(message.to_vec()))
                .unwrap();
        }
        assert_eq!(found, [MESSAGE]);
    }

    #[test]
    fn a_line_nobody_reads_fills_a_bounded_queue_and_then_fails() {
        let dir = ScratchDir::new();
        let (mut medium, _peer) = line(&dir);
        let failed = (0..2000).find_map(|_| medium.transmit(MESSAGE).err());
        assert_eq!(failed.unwrap().kind(), io::ErrorKind::TimedOut);
        assert!(!medium.wants_to_write());
        medium.transmit(MESSAGE).unwrap();
    }

    #[test]
    fn a_line_that_is_stuck_drops_its_old_news() {
        let dir = ScratchDir::new();
        let (mut medium, _peer) = line(&dir);
        let deadline = monotonic() + Duration::from_secs(20);
        while !medium.wants_to_write() {
            assert!(monotonic() < deadline);
            medium.transmit(MESSAGE).unwrap();
        }
        // As if half a second had passed in which nothing moved.
        medium.moved = medium.moved.saturating_sub(PATIENCE);
        let failed = medium.transmit(MESSAGE).unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
        assert!(!medium.wants_to_write());
    }

    #[test]
    fn the_end_of_the_far_side_is_an_error_and_not_a_loop() {
        let dir = ScratchDir::new();
        let (mut medium, peer) = line(&dir);
        drop(peer);
        let mut buffer = vec![0; 1024];
        assert!(medium.receive(&mut buffer, &mut |_| {}).is_err());
        assert!(medium.transmit(MESSAGE).is_err());
    }

    #[test]
    fn a_lock_of_a_live_process_is_respected() {
        let dir = ScratchDir::new();
        let device = Path::new("/dev/ttyS7");
        let path = dir.path().join("LCK..ttyS7");
        fs::write(&path, "         1\n").unwrap();
        assert!(matches!(
            LineLock::take(dir.path(), device),
            Err(LockError::Held(1))
        ));
        fs::write(&path, "garbage").unwrap();
        drop(LineLock::take(dir.path(), device).unwrap_or_else(|_| panic!("locked")));
        assert!(!path.exists());
    }

    #[test]
    fn a_device_that_is_no_terminal_is_refused() {
        let mut said = Vec::new();
        if !crate::users::is_root() {
            eprintln!("skipped: locking a line needs root");
            return;
        }
        let outcome = open(Path::new("/dev/null"), 19200, &mut said);
        assert!(matches!(outcome, Outcome::Failed), "{outcome:?}");
        let text = "glib: cannot get tty attributes: Inappropriate ioctl for device".to_owned();
        assert_eq!(said, [(Priority::Error, text)]);
    }
}
