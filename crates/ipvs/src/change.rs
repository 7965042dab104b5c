//! One change to the table.

use std::fmt;

use crate::{Destination, DestinationKey, SchedulerFlags, Service, ServiceKey};

/// One change. [`fmt::Display`] gives it in the words of `ipvsadm`, as operators know them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// `-A`
    AddService(Service),
    /// `-E`
    EditService(Service),
    /// `-D`, with all its real servers
    DeleteService(ServiceKey),
    /// `-a`
    AddDestination(ServiceKey, Destination),
    /// `-e`
    EditDestination(ServiceKey, Destination),
    /// `-d`
    DeleteDestination(ServiceKey, DestinationKey),
}

impl Change {
    /// The service that it concerns.
    pub fn service(&self) -> &ServiceKey {
        match self {
            Change::AddService(service) | Change::EditService(service) => &service.key,
            Change::DeleteService(key)
            | Change::AddDestination(key, _)
            | Change::EditDestination(key, _)
            | Change::DeleteDestination(key, _) => key,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.service().words();
        match self {
            Change::AddService(service) => write!(out, "-A {words}{}", ServiceWords(service)),
            Change::EditService(service) => write!(out, "-E {words}{}", ServiceWords(service)),
            Change::DeleteService(_) => write!(out, "-D {words}"),
            Change::AddDestination(_, server) => write!(out, "-a {words}{}", ServerWords(server)),
            Change::EditDestination(_, server) => write!(out, "-e {words}{}", ServerWords(server)),
            Change::DeleteDestination(_, key) => write!(out, "-d {words} -r {key}"),
        }
    }
}

/// What follows the service's name in a command that makes or changes it, in the order of `ipvsadm -S`.
pub(crate) struct ServiceWords<'a>(pub(crate) &'a Service);

impl fmt::Display for ServiceWords<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = self.0;
        write!(out, " -s {}", service.scheduler)?;
        if let Some(persistence) = &service.persistence {
            write!(out, " -p {}", persistence.timeout_s)?;
            if !persistence.netmask.is_full() {
                write!(out, " -M {}", persistence.netmask)?;
            }
        }
        if service.one_packet {
            write!(out, " -o")?;
        }
        match flag_words(&service.scheduler, service.scheduler_flags) {
            words if words.is_empty() => Ok(()),
            words => write!(out, " -b {}", words.join(",")),
        }
    }
}

/// Names of the scheduler's flags; `sh` and `mh` have names of their own for the first two.
fn flag_words(scheduler: &str, flags: SchedulerFlags) -> Vec<String> {
    let own = matches!(scheduler, "sh" | "mh");
    let name = |own_name: &str, number: u8| {
        if own && !own_name.is_empty() {
            format!("{scheduler}-{own_name}")
        } else {
            format!("flag-{number}")
        }
    };
    [
        (flags.first, name("fallback", 1)),
        (flags.second, name("port", 2)),
        (flags.third, name("", 3)),
    ]
    .into_iter()
    .filter_map(|(set, word)| set.then_some(word))
    .collect()
}

struct ServerWords<'a>(&'a Destination);

impl fmt::Display for ServerWords<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = self.0;
        write!(
            out,
            " -r {} {} -w {}",
            server.key,
            server.forward.option(),
            server.weight
        )?;
        if server.upper_threshold != 0 || server.lower_threshold != 0 {
            write!(
                out,
                " -x {} -y {}",
                server.upper_threshold, server.lower_threshold
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Forward, Protocol};

    #[test]
    fn speaks_the_words_of_ipvsadm() {
        let key = ServiceKey::Address {
            protocol: Protocol::Tcp,
            address: [192, 168, 6, 66].into(),
            port: 80,
        };
        let service = Service::new(key, "wrr");
        assert_eq!(
            Change::AddService(service).to_string(),
            "-A -t 192.168.6.66:80 -s wrr"
        );
        let server = Destination {
            key: DestinationKey {
                address: [192, 168, 6, 42].into(),
                port: 80,
            },
            forward: Forward::Gate,
            weight: 2,
            upper_threshold: 0,
            lower_threshold: 0,
        };
        assert_eq!(
            Change::AddDestination(key, server).to_string(),
            "-a -t 192.168.6.66:80 -r 192.168.6.42:80 -g -w 2"
        );
    }
}
