//! A whole table.

use std::collections::BTreeMap;

use crate::{Change, Destination, DestinationKey, Service, ServiceKey};

/// A service with its real servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The service.
    pub service: Service,
    /// Its real servers.
    pub destinations: BTreeMap<DestinationKey, Destination>,
}

/// All services of a network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// By what identifies them.
    pub services: BTreeMap<ServiceKey, Entry>,
}

impl Table {
    /// The entry of a service.
    pub fn entry(&self, key: &ServiceKey) -> Option<&Entry> {
        self.services.get(key)
    }

    /// One real server of a service.
    pub fn destination(&self, service: &ServiceKey, key: &DestinationKey) -> Option<&Destination> {
        self.services.get(service)?.destinations.get(key)
    }

    /// Does what the kernel does on a change that it accepts. A change that the kernel would refuse (the service is there
    /// already, or it is not there) changes nothing; the answer tells which it was.
    pub fn apply(&mut self, change: &Change) -> bool {
        match change {
            Change::AddService(service) => {
                if self.services.contains_key(&service.key) {
                    return false;
                }
                let entry = Entry {
                    service: service.clone(),
                    destinations: BTreeMap::new(),
                };
                self.services.insert(service.key, entry);
                true
            }
            Change::EditService(service) => match self.services.get_mut(&service.key) {
                Some(entry) => {
                    entry.service = service.clone();
                    true
                }
                None => false,
            },
            Change::DeleteService(key) => self.services.remove(key).is_some(),
            Change::AddDestination(service, destination) => match self.services.get_mut(service) {
                Some(entry) if !entry.destinations.contains_key(&destination.key) => {
                    entry
                        .destinations
                        .insert(destination.key, destination.clone());
                    true
                }
                _ => false,
            },
            Change::EditDestination(service, destination) => {
                let known = self
                    .services
                    .get_mut(service)
                    .and_then(|entry| entry.destinations.get_mut(&destination.key));
                match known {
                    Some(known) => {
                        *known = destination.clone();
                        true
                    }
                    None => false,
                }
            }
            Change::DeleteDestination(service, key) => self
                .services
                .get_mut(service)
                .is_some_and(|entry| entry.destinations.remove(key).is_some()),
        }
    }
}
