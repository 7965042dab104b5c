//! Disks that are full.
//!
//! A host made with [`HostSpec::disks`](crate::HostSpec::disks) has two small disks, each a tmpfs of a bounded size in the
//! lab's mount namespace. One file that takes all the room there is makes any of them full; removing it makes room again,
//! also while the host is off.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use crate::error::Doing;
use crate::{Host, Result, exec};

/// The file that takes the room.
const FILLER: &str = "filler";

/// One of the two disks that can be full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// `/var/log`.
    Log,
    /// `/var/lib/heartbeat`.
    State,
}

impl Disk {
    const ALL: [Disk; 2] = [Disk::Log, Disk::State];

    /// Its name among the layers of a host.
    fn layer(self) -> &'static str {
        match self {
            Disk::Log => "log",
            Disk::State => "varlib",
        }
    }
}

impl Host {
    /// Mounts the two disks where the host's layers will be.
    pub(crate) fn make_disks(&self, mib: u32) -> Result<()> {
        for disk in Disk::ALL {
            let place = self.lab().dir.join("hosts").join(self.name());
            let place = place.join(disk.layer());
            let script = format!(
                "mkdir -p '{0}' && mount -t tmpfs -o mode=755,size={mib}m disk '{0}'",
                place.display()
            );
            let mut command = self.lab().nsenter(self.lab().pid(), &["-m"]);
            command.args(["sh", "-c", &script]);
            exec::run_ok(command)?;
        }
        Ok(())
    }

    /// Leaves not a byte of room on a disk.
    ///
    /// # Errors
    /// When the filling cannot be written, for another reason than that there is no room.
    pub fn fill_disk(&self, disk: Disk) -> Result<()> {
        let path = self.filler(disk);
        let doing = || format!("{}", path.display());
        let mut file = File::create(&path).doing(doing)?;
        let mut block = vec![b'x'; 1 << 16];
        loop {
            match file.write(&block) {
                Ok(_) => {}
                // The last bytes are too few for a large block.
                Err(error) if error.kind() == ErrorKind::StorageFull && block.len() > 1 => {
                    block.truncate(block.len() / 16);
                }
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error).doing(doing),
            }
        }
    }

    /// Makes room again; nothing if there is.
    ///
    /// # Errors
    /// When the filling cannot be removed.
    pub fn free_disk(&self, disk: Disk) -> Result<()> {
        let path = self.filler(disk);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).doing(|| format!("{}", path.display()))
            }
            _ => Ok(()),
        }
    }

    fn filler(&self, disk: Disk) -> PathBuf {
        let dir = self.lab().host_dir(self.name());
        dir.join(disk.layer()).join(FILLER)
    }
}
