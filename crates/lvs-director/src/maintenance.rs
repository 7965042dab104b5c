//! Which real servers the files in `maintenancedir` name (`ldirectord.md` 4.5).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use ha_config::ldirectord::CheckPlan;
use ipvs::DestinationKey;

use crate::director::Director;
use crate::place::Place;
use crate::verdicts::IN_MAINTENANCE;

/// What is known of the directory and of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Maintenance {
    pub(crate) files: BTreeSet<String>,
    /// Host names of real servers, as far as they are known.
    pub(crate) names: BTreeMap<IpAddr, String>,
}

impl Maintenance {
    /// Whether a file names this server: by address, by host name or by the host name's first label, each with or without
    /// the port that is configured.
    pub(crate) fn names(&self, server: &DestinationKey) -> bool {
        if self.files.is_empty() {
            return false;
        }
        let address = match server.address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        if self.has(&address, server.port) {
            return true;
        }
        let Some(name) = self.names.get(&server.address) else {
            return false;
        };
        let short = name.split('.').next().unwrap_or_default();
        self.has(name, server.port) || (!short.is_empty() && self.has(short, server.port))
    }

    fn has(&self, name: &str, port: u16) -> bool {
        self.files.contains(name) || self.files.contains(&format!("{name}:{port}"))
    }
}

impl Director {
    pub(crate) fn maintenance_listed(
        &mut self,
        now: Duration,
        files: BTreeSet<String>,
        names: BTreeMap<IpAddr, String>,
    ) {
        let listed = Maintenance { files, names };
        if self.config.maintenance_dir.is_none() || listed == self.maintenance {
            return;
        }
        self.maintenance = listed;
        self.apply_maintenance(now);
    }

    /// Takes servers that a file names out of service, and lets the others be checked again.
    pub(crate) fn apply_maintenance(&mut self, now: Duration) {
        let virtuals = self.config.virtuals.iter().enumerate();
        let places: Vec<Place> = virtuals
            .flat_map(|(service, virtual_)| {
                (0..virtual_.reals.len()).map(move |real| Place { service, real })
            })
            .collect();
        for place in places {
            let real = self
                .config
                .virtuals
                .get(place.service)
                .and_then(|service| service.reals.get(place.real));
            let (Some(real), Some(state)) = (real, self.servers.real(place)) else {
                continue;
            };
            let named = self.maintenance.names(&real.configured);
            if named == state.maintenance {
                continue;
            }
            // Nobody would bring a server back that is never checked.
            let checked = real.check != CheckPlan::Off;
            let moved = self.servers.change(now, place, |state| {
                state.maintenance = named;
                if named {
                    state.set_text(IN_MAINTENANCE);
                    state.judged = true;
                    state.failures = 0;
                    state.up &= !checked;
                }
            });
            if !named {
                self.watches.hasten(place, now);
            }
            if moved {
                self.moved(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(files: &[&str]) -> Maintenance {
        let mut maintenance = Maintenance {
            files: files.iter().map(|file| (*file).to_owned()).collect(),
            ..Maintenance::default()
        };
        maintenance
            .names
            .insert([192, 168, 6, 42].into(), "web1.example.org".to_owned());
        maintenance
    }

    fn server(address: &str, port: u16) -> DestinationKey {
        DestinationKey {
            address: address.parse().expect("an address"),
            port,
        }
    }

    #[test]
    fn a_server_is_named_by_address_or_name_with_or_without_its_port() {
        let web = server("192.168.6.42", 80);
        for file in [
            "192.168.6.42",
            "192.168.6.42:80",
            "web1.example.org",
            "web1.example.org:80",
            "web1",
            "web1:80",
        ] {
            assert!(with(&[file]).names(&web), "{file}");
            assert!(!with(&[file]).names(&server("192.168.6.46", 80)), "{file}");
        }
        for file in ["192.168.6.42:81", "web", "web1:81", "example.org", ""] {
            assert!(!with(&[file]).names(&web), "{file}");
        }
    }

    #[test]
    fn ipv6_addresses_stand_in_brackets() {
        let web = server("fd00::2a", 80);
        assert!(with(&["[fd00::2a]"]).names(&web));
        assert!(with(&["[fd00::2a]:80"]).names(&web));
        assert!(!with(&["fd00::2a"]).names(&web));
    }
}
