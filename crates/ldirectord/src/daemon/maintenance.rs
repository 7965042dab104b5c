//! Who is in maintenance: files, and the names that they may mean (`ldirectord.md` 4.5).

use std::collections::BTreeSet;

use ha_sys::{Interest, clock};
use lvs_director::Input;

use super::{Daemon, TOKEN_NAMES};
use crate::files;

impl Daemon {
    pub(super) fn maintained(&mut self, files: BTreeSet<String>) {
        if self.maintenance != files {
            self.maintenance = files;
            self.feed_maintenance();
        }
        self.look_up_names();
    }

    /// Names of real servers are only looked up when a file may mean one of them, each once per configuration.
    fn look_up_names(&mut self) {
        if !self.maintenance.iter().any(|file| files::is_name(file)) {
            return;
        }
        let wanted = self.names.wanted(&self.config);
        if wanted.is_empty() {
            return;
        }
        if self.names_worker.is_none() {
            match files::start_names() {
                Ok(worker)
                    if self
                        .poller
                        .add(&worker, TOKEN_NAMES, Interest::Read)
                        .is_ok() =>
                {
                    self.names_worker = Some(worker);
                }
                _ => return,
            }
        }
        if let Some(worker) = &mut self.names_worker
            && worker.open() == 0
        {
            worker.order(wanted);
        }
    }

    pub(super) fn feed_maintenance(&mut self) {
        let input = Input::Maintenance {
            files: self.maintenance.clone(),
            names: self.names.known(),
        };
        self.director.handle(clock::monotonic(), input);
    }
}
