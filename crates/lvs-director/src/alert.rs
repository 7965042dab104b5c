//! Mail: what is in it, and when it is repeated (`ldirectord.md` 9).

use std::collections::BTreeSet;
use std::time::Duration;

use ha_config::ldirectord::{Ldirectord, State, VirtualService};

use crate::Mail;
use crate::place::Place;

/// The mail about something that concerns a virtual service, if anybody wants one in this state.
///
/// The body is the one of 2.1. Where a service has a name or a comment, which only 4.12 knows, it is the one of 4.12:
/// first the host, at the end name and comment, and the name in front of the subject.
pub(crate) fn mail(
    config: &Ldirectord,
    service: &VirtualService,
    host_name: &str,
    state: State,
    text: &str,
) -> Option<Mail> {
    let alerts = &service.alerts;
    let to = alerts.to.clone()?;
    if !alerts.states.contains(state) {
        return None;
    }
    let state = state.word();
    let mut subject = text.to_owned();
    let mut body = format!("Log-Message: {text}\nDaemon-Status: {state}\n");
    if service.service_name.is_some() || service.comment.is_some() {
        body = format!("ldirectord host: {host_name}\n{body}\n");
        if let Some(name) = &service.service_name {
            subject = format!("[{name}] {text}");
            body += &format!("Service name: {name}\n");
        }
        if let Some(comment) = &service.comment {
            body += &format!("Comment: {comment}\n");
        }
    }
    Some(Mail {
        to,
        from: config.email_from.clone(),
        smtp: alerts.smtp.clone(),
        subject,
        body,
    })
}

/// When the mails about servers that are down are to be repeated.
#[derive(Clone, Debug, Default)]
pub(crate) struct Repetitions {
    queue: BTreeSet<(Duration, Place)>,
}

impl Repetitions {
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }

    pub(crate) fn add(&mut self, due: Duration, place: Place) {
        self.queue.insert((due, place));
    }

    pub(crate) fn remove(&mut self, due: Duration, place: Place) {
        self.queue.remove(&(due, place));
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        self.queue.first().map(|(due, _)| *due)
    }

    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<Place> {
        if self.next()? > now {
            return None;
        }
        self.queue.pop_first().map(|(_, place)| place)
    }
}
