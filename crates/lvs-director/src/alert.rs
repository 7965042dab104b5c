//! Mail about real servers and fallbacks (`ldirectord.md` 9).

use ha_config::ldirectord::{State, VirtualService};

use crate::Mail;

/// The mail for a log line about a server of `service`, if somebody wants one in this state of the daemon.
pub(crate) fn mail(
    service: &VirtualService,
    from: Option<&str>,
    host_name: &str,
    state: State,
    text: &str,
) -> Option<Mail> {
    let to = service.alerts.to.as_ref()?;
    if !service.alerts.states.contains(state) {
        return None;
    }
    let mut body = format!("Log-Message: {text}\nDaemon-Status: {}\n", state.word());
    let subject = match &service.service_name {
        Some(name) => format!("[{name}] {text}"),
        None => text.to_owned(),
    };
    // The lines of 4.12 come only with the directives that 2.1 does not know.
    if service.service_name.is_some() || service.comment.is_some() {
        body = format!("ldirectord host: {host_name}\n{body}\n");
        if let Some(name) = &service.service_name {
            body.push_str(&format!("Service name: {name}\n"));
        }
        if let Some(comment) = &service.comment {
            body.push_str(&format!("Comment: {comment}\n"));
        }
    }
    Some(Mail {
        to: to.clone(),
        from: from.map(str::to_owned),
        smtp: service.alerts.smtp.clone(),
        subject,
        body,
    })
}
