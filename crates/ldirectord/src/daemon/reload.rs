//! The configuration file while the daemon runs: has it changed, and what becomes of a new one (`ldirectord.md` 10).

use std::rc::Rc;

use ha_config::ldirectord::Ldirectord;
use ha_sys::{clock, daemon};
use lvs_director::Input;

use super::{Daemon, Reason};
use crate::children::{Job, Purpose};
use crate::config_file::{Loaded, Look};
use crate::files::{Answer, Question};
use crate::log::target_of;

impl Daemon {
    /// Has the file changed; who is in maintenance?
    pub(super) fn look(&mut self) {
        // A look that takes longer than the interval is not doubled.
        if self.files.open() == 0 {
            self.files.order(Question::Look {
                known: self.stamp,
                maintenance: self.config.maintenance_dir.clone(),
            });
        }
    }

    pub(super) fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Looked { look, maintenance } => {
                // Being read already: what was found is older than that.
                if self.loading.is_none() {
                    self.looked(look);
                }
                self.maintained(maintenance.unwrap_or_default());
            }
            Answer::Loaded(loaded) => self.loaded(*loaded),
        }
    }

    fn looked(&mut self, look: Look) {
        let name = self.file.name.clone();
        match look {
            Look::Same(stamp) => {
                self.stamp = Some(stamp);
                self.vanished = false;
            }
            Look::Unreadable => {
                if !std::mem::replace(&mut self.vanished, true) {
                    let pid = std::process::id();
                    self.log.line(format!(
                        "Warning [{pid}]: can not open file {name} for checking"
                    ));
                }
            }
            Look::Changed(stamp) => {
                self.stamp = Some(stamp);
                self.vanished = false;
                self.log
                    .line(format!("Configuration file '{name}' has changed on disk"));
                if self.config.auto_reload {
                    self.log.line(" - reread new configuration");
                    self.load(Reason::Change);
                } else {
                    self.log.line(" - ignore new configuration");
                    self.call_back();
                }
            }
        }
    }

    pub(super) fn load(&mut self, reason: Reason) {
        if self.loading.is_some() {
            self.load_again = true;
        } else if self.files.order(Question::Load) {
            self.loading = Some(reason);
        } else {
            self.log
                .line("Can not read the configuration: the thread for files is gone");
        }
    }

    fn loaded(&mut self, loaded: Loaded) {
        let reason = self.loading.take();
        for text in loaded.diagnostics.into_iter().chain(loaded.remarks) {
            self.log.as_it_is(text);
        }
        if loaded.stamp.is_some() {
            self.stamp = loaded.stamp;
        }
        if let Some(config) = loaded.config
            && self.signal.is_none()
        {
            self.apply(config);
        }
        if reason == Some(Reason::Change) {
            self.call_back();
        }
        if std::mem::take(&mut self.load_again) {
            self.load(Reason::Signal);
        }
    }

    fn apply(&mut self, config: Ldirectord) {
        self.log.retarget(target_of(&config.log));
        self.config = Rc::new(config);
        self.checker.forget_authorities();
        self.remarks.forget();
        self.names.outdate(&self.config);
        let now = clock::monotonic();
        self.director
            .handle(now, Input::Reload(Rc::clone(&self.config)));
        self.settle();
        // The directory may be another one, and its files name other servers.
        self.feed_maintenance();
        self.look_at = now;
    }

    /// The administrator's program for a file that has changed.
    fn call_back(&mut self) {
        let Some(program) = self.config.callback.clone() else {
            return;
        };
        if !daemon::is_executable_file(&program) {
            return;
        }
        let job = Job {
            purpose: Purpose::Callback,
            shown: format!("{program} {}", self.file.name),
            program: program.into(),
            arguments: vec![self.file.name.clone().into()],
            input: None,
        };
        self.children.add(clock::monotonic(), job);
    }
}
