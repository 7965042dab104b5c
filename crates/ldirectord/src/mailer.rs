//! Mail by SMTP, beside the loop.

use ha_sys::{Interest, Poller, clock};
use lvs_director::Mail;

use crate::log::Log;
use crate::worker::Worker;
use crate::{mail, smtp};

/// Mails may wait for a host that is slow; more are given up.
const WAITING_MAX: usize = 100;

/// Where mail hosts listen.
const PORT: u16 = 25;

type Sender = Worker<Mail, Result<(), String>>;

/// Hands mails to their hosts one after the other.
#[derive(Debug)]
pub(crate) struct Mailer {
    host_name: String,
    /// `USER@HOST`, for the envelope.
    sender: String,
    worker: Option<Sender>,
}

impl Mailer {
    /// Nothing is started before the first mail.
    pub(crate) fn new(host_name: String) -> Mailer {
        let user = ["USER", "LOGNAME"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
            .unwrap_or_else(|| "root".to_owned());
        Mailer {
            sender: format!("{user}@{host_name}"),
            host_name,
            worker: None,
        }
    }

    /// Sends a mail by its host. One that has none comes back as text for the local mail program.
    pub(crate) fn send(&mut self, mail: Mail, poller: &Poller, log: &Log) -> Option<String> {
        if mail.smtp.is_none() {
            return Some(mail::compose(&mail, None));
        }
        let sent = match self.worker(poller) {
            Ok(worker) if worker.open() >= WAITING_MAX => Err("too many wait".to_owned()),
            Ok(worker) => match worker.order(mail) {
                true => Ok(()),
                false => Err("the thread is gone".to_owned()),
            },
            Err(error) => Err(ha_sys::errno_text(&error)),
        };
        if let Err(why) = sent {
            failed(log, &why);
        }
        None
    }

    /// Takes note of what became of mails.
    pub(crate) fn serve(&mut self, log: &Log) {
        while let Some(result) = self.worker.as_mut().and_then(Worker::answer) {
            if let Err(why) = result {
                failed(log, &why);
            }
        }
    }

    /// Whether mails are on their way.
    pub(crate) fn busy(&self) -> bool {
        self.worker.as_ref().is_some_and(|worker| worker.open() > 0)
    }

    fn worker(&mut self, poller: &Poller) -> std::io::Result<&mut Sender> {
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => {
                let (sender, own_name) = (self.sender.clone(), self.host_name.clone());
                let worker = Worker::start("mail", move |mail: Mail| {
                    let host = mail.smtp.clone().unwrap_or_default();
                    let now = clock::wall();
                    smtp::send(&host, PORT, &sender, &own_name, &mail, now)
                        .map_err(|error| format!("{host}: {error}"))
                })?;
                poller.add(&worker, crate::daemon::TOKEN_MAILS, Interest::Read)?;
                worker
            }
        };
        Ok(self.worker.insert(worker))
    }
}

fn failed(log: &Log, why: &str) {
    log.line(format!("failed to send SMTP email message: {why}"));
}
