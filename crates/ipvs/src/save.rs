//! A table as `ipvsadm -S -n` prints it.

use std::fmt::Write;

use crate::change::ServiceWords;
use crate::{Destination, Entry, Forward, ServiceKey, Table};

impl Table {
    /// The table in the words and the order of `ipvsadm -S -n` (`ipvs-netlink.md` 5), each line ended by a newline.
    ///
    /// Thresholds do not appear there, and tunnels carry their type as version 1.31 prints it. Addresses are in numeric
    /// order here; `ipvsadm` compares them by the sign of their 32-bit difference, so addresses that are more than half of
    /// the address space apart come the other way round there (192.168.6.66 before 1.1.1.1). Compare such tables line by
    /// line after sorting both.
    pub fn save_text(&self) -> String {
        let mut entries: Vec<&Entry> = self.services.values().collect();
        entries.sort_by_key(|entry| order(&entry.service.key));
        let mut text = String::new();
        for entry in entries {
            let words = entry.service.key.words();
            // Writing into a string cannot fail.
            let _ = writeln!(text, "-A {words}{}", ServiceWords(&entry.service));
            for server in entry.destinations.values() {
                let _ = writeln!(text, "-a {words}{}", server_words(server));
            }
        }
        text
    }
}

/// Address services before marks, then IPv4 before IPv6, then by protocol; the rest is the key's own order.
fn order(key: &ServiceKey) -> (Option<u32>, bool, ServiceKey) {
    let mark = match key {
        ServiceKey::Address { .. } => None,
        ServiceKey::Mark { mark, .. } => Some(*mark),
    };
    (mark, key.family() == crate::Family::V6, *key)
}

fn server_words(server: &Destination) -> String {
    let tunnel = match server.forward {
        Forward::Ipip => " --tun-type ipip",
        Forward::Gate | Forward::Masq | Forward::Local => "",
    };
    format!(
        " -r {} {} -w {}{tunnel}",
        server.key,
        server.forward.option(),
        server.weight
    )
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::{
        Change, DestinationKey, Family, Netmask, Persistence, Protocol, SchedulerFlags, Service,
    };

    fn key(protocol: Protocol, address: &str, port: u16) -> ServiceKey {
        ServiceKey::Address {
            protocol,
            address: address.parse().expect("an address"),
            port,
        }
    }

    fn server(address: &str, port: u16, forward: Forward, weight: u32) -> Destination {
        Destination {
            key: DestinationKey {
                address: address.parse::<IpAddr>().expect("an address"),
                port,
            },
            forward,
            weight,
            upper_threshold: 9,
            lower_threshold: 5,
        }
    }

    /// The example of `ipvs-netlink.md` 5.
    #[test]
    fn prints_as_ipvsadm_does() {
        let persistent = |mut service: Service, timeout_s, netmask| {
            service.persistence = Some(Persistence { timeout_s, netmask });
            Change::AddService(service)
        };
        let web = key(Protocol::Tcp, "192.168.6.66", 80);
        let mut dns = Service::new(key(Protocol::Udp, "192.168.6.66", 53), "sh");
        dns.one_packet = true;
        dns.scheduler_flags = SchedulerFlags {
            second: true,
            ..SchedulerFlags::default()
        };
        let web6 = key(Protocol::Tcp, "fd00:6::66", 80);
        let mark = |mark, family| ServiceKey::Mark { mark, family };
        let mut table = Table::default();
        for change in [
            Change::AddService(Service::new(mark(2, Family::V6), "rr")),
            persistent(
                Service::new(mark(1, Family::V4), "wlc"),
                600,
                Netmask::V4([255, 255, 255, 0].into()),
            ),
            persistent(Service::new(web6, "wrr"), 10, Netmask::V6(64)),
            Change::AddService(dns),
            persistent(Service::new(web, "wrr"), 5, Netmask::full(Family::V4)),
            Change::AddDestination(web, server("192.168.6.48", 80, Forward::Ipip, 1)),
            Change::AddDestination(web, server("192.168.6.42", 80, Forward::Gate, 2)),
            Change::AddDestination(
                mark(1, Family::V4),
                server("192.168.6.42", 0, Forward::Gate, 1),
            ),
        ] {
            assert!(table.apply(&change), "{change}");
        }
        let wanted = "\
-A -t 192.168.6.66:80 -s wrr -p 5
-a -t 192.168.6.66:80 -r 192.168.6.42:80 -g -w 2
-a -t 192.168.6.66:80 -r 192.168.6.48:80 -i -w 1 --tun-type ipip
-A -u 192.168.6.66:53 -s sh -o -b sh-port
-A -t [fd00:6::66]:80 -s wrr -p 10 -M 64
-A -f 1 -s wlc -p 600 -M 255.255.255.0
-a -f 1 -r 192.168.6.42:0 -g -w 1
-A -f 2 -6 -s rr
";
        assert_eq!(table.save_text(), wanted);
    }
}
