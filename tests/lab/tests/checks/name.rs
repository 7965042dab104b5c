//! bind9.

use ha_config::ldirectord::ServiceCheck;
use ha_lab::Result;

use crate::check::Check;
use crate::needs;
use crate::site::{Expected, Scenario, Site};

/// All of it.
pub const SCENARIOS: &[Scenario] = &[Scenario {
    name: "bind",
    needs: &[needs::BIND],
    as_root: true,
    run: bind,
}];

const NAMED_CONF: &str = r#"
options {
    directory "/var/cache/bind";
    listen-on { 127.0.0.1; };
    listen-on-v6 { ::1; };
    recursion no;
    dnssec-validation no;
};
controls { };
zone "lab.example" { type primary; file "/etc/bind/lab.zone"; };
zone "2.0.192.in-addr.arpa" { type primary; file "/etc/bind/lab.reverse"; };
zone "8.b.d.0.1.0.0.2.ip6.arpa" { type primary; file "/etc/bind/lab.reverse6"; };
"#;

const HEAD: &str =
    "$TTL 60\n@ IN SOA ns.lab.example. root.lab.example. 1 60 60 60 60\n  IN NS ns.lab.example.\n";

fn bind(site: &Site) -> Result<()> {
    // An answer of many addresses does not fit into a datagram.
    let many: String = (1..=90).map(|n| format!("many A 192.0.3.{n}\n")).collect();
    let zone = format!(
        "{HEAD}ns A 127.0.0.1\nwww A 192.0.2.7\nwww A 192.0.2.8\nwww AAAA 2001:db8::7\n\
         alias CNAME www\ntext TXT only\n{many}"
    );
    site.write("/etc/bind/lab.conf", NAMED_CONF)?;
    site.write("/etc/bind/lab.zone", &zone)?;
    site.write(
        "/etc/bind/lab.reverse",
        &format!("{HEAD}7 PTR www.lab.example.\n"),
    )?;
    let nibbles = format!("7{}", ".0".repeat(23));
    site.write(
        "/etc/bind/lab.reverse6",
        &format!("{HEAD}{nibbles} PTR www.lab.example.\n"),
    )?;
    site.sh(
        "mkdir -p /run/named && chown bind:bind /run/named && named -u bind -c /etc/bind/lab.conf",
    )?;
    site.wait_for_udp_port(53)?;
    site.wait_for_port(53)?;
    for (transport, udp) in [("udp", true), ("tcp", false)] {
        let look = |name: &str, request: &str, receive: &str, expected| {
            let check = Check::new(ServiceCheck::Dns, 53)
                .request(request)
                .receive(receive);
            let check = if udp { check.udp() } else { check };
            (format!("{transport}::{name}"), check, expected)
        };
        let (www, mismatch) = ("/www.lab.example", Expected::Down("Response mismatch"));
        let over_ipv6 = look("up_over_ipv6", www, "192.0.2.7", Expected::Up);
        let looks = [
            look("up", www, "192.0.2.7", Expected::Up),
            look("up_by_any_of_them", www, "192.0.2.8", Expected::Up),
            look(
                "up_complete_name",
                "/www.lab.example.",
                "192.0.2.7",
                Expected::Up,
            ),
            look("up_alias", "/alias.lab.example", "192.0.2.7", Expected::Up),
            look("up_ipv6_address", www, "2001:db8:0:0::7", Expected::Up),
            look("up_name", "/192.0.2.7", "www.lab.example", Expected::Up),
            look(
                "up_name_of_ipv6",
                "/2001:db8::7",
                "www.lab.example",
                Expected::Up,
            ),
            look("up_large", "/many.lab.example", "192.0.3.90", Expected::Up),
            look("wrong_answer", www, "192.0.2.9", mismatch),
            look(
                "wrong_answer_large",
                "/many.lab.example",
                "192.0.3.91",
                mismatch,
            ),
            look(
                "wrong_answer_alias",
                "/alias.lab.example",
                "www.lab.example",
                mismatch,
            ),
            look("wrong_answer_part", www, "192.0.2", mismatch),
            look("without_receive", www, "", mismatch),
            look(
                "no_such_name",
                "/nobody.lab.example",
                "192.0.2.7",
                Expected::Down("Answer NXDOMAIN"),
            ),
            look(
                "no_such_record",
                "/text.lab.example",
                "192.0.2.7",
                Expected::Down("No such record"),
            ),
            look(
                "not_for_us",
                "/www.elsewhere.example",
                "192.0.2.7",
                Expected::Down("Answer REFUSED"),
            ),
            (over_ipv6.0, over_ipv6.1.address("::1"), over_ipv6.2),
        ];
        let looks: Vec<_> = looks
            .iter()
            .map(|(name, check, expected)| (name.as_str(), check.clone(), *expected))
            .collect();
        site.expect(&looks)?;
    }
    Ok(())
}
