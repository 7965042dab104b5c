//! This machine, as the configuration parser and the checks ask about it.

use std::cell::OnceCell;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use ha_config::OsError;
use ha_config::ldirectord::{Host, services};
use ha_sys::host;
use ipvs::Protocol;

/// This machine, now. Names may be asked of a name server, so its methods may block.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    /// /etc/services, read when first needed.
    services: OnceCell<Vec<u8>>,
}

impl Host for Machine {
    fn resolve_ipv4(&self, name: &str) -> Option<Ipv4Addr> {
        host::resolve_ipv4(name).ok()
    }

    fn resolve_ipv6(&self, name: &str) -> Option<Ipv6Addr> {
        host::resolve_ipv6(name).ok()
    }

    fn port_of_service(&self, name: &str, protocol: Option<Protocol>) -> Option<u16> {
        let file = self
            .services
            .get_or_init(|| fs::read("/etc/services").unwrap_or_default());
        services::port(file, name, protocol)
    }

    fn name(&self) -> String {
        host_name()
    }

    fn can_append(&self, path: &str) -> Result<(), OsError> {
        Ok(ha_sys::log::append(Path::new(path), "")?)
    }

    fn is_directory(&self, path: &str) -> bool {
        Path::new(path).is_dir()
    }

    fn can_match(&self, receive: &[u8]) -> Result<(), String> {
        checks::Pattern::try_out(receive).map_err(|error| error.to_string())
    }
}

/// `HOSTNAME` of the environment, else `uname -n`.
pub(crate) fn host_name() -> String {
    match std::env::var("HOSTNAME") {
        Ok(name) if !name.is_empty() => name,
        _ => host::uname_node(),
    }
}

/// What checks have to know.
pub(crate) fn environment() -> checks::Environment {
    let text = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let (search, ndots) = resolver_rules(&text);
    checks::Environment {
        host_name: host_name(),
        search,
        ndots,
    }
}

/// Search list and `ndots` of a resolv.conf; of several `search` and `domain` lines the last holds.
fn resolver_rules(text: &str) -> (Vec<String>, u32) {
    let mut search = Vec::new();
    let mut ndots = 1;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("search") => search = words.map(str::to_owned).collect(),
            Some("domain") => search = words.take(1).map(str::to_owned).collect(),
            Some("options") => {
                let number = words.find_map(|word| word.strip_prefix("ndots:")?.parse().ok());
                // The C library has the same limit.
                ndots = number.unwrap_or(ndots).min(15);
            }
            _ => {}
        }
    }
    (search, ndots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_search_list_of_resolv_conf_holds() {
        let text = "# search no.example\nsearch a.example\nnameserver 192.0.2.1\ndomain b.example\n\
                    search c.example d.example\noptions rotate ndots:3\n";
        let expected = (vec!["c.example".to_owned(), "d.example".to_owned()], 3);
        assert_eq!(resolver_rules(text), expected);
        assert_eq!(resolver_rules(""), (Vec::new(), 1));
    }
}
