//! kamailio, over datagrams and connections.

use ha_config::ldirectord::ServiceCheck;
use ha_lab::Result;

use crate::check::Check;
use crate::needs;
use crate::site::{Expected, Scenario, Site};

/// All of it.
pub const SCENARIOS: &[Scenario] = &[Scenario {
    name: "kamailio",
    needs: &[needs::KAMAILIO],
    as_root: true,
    run: kamailio,
}];

/// Answers OPTIONS for one user only.
const KAMAILIO_CFG: &str = r#"#!KAMAILIO
debug=1
log_stderror=no
fork=yes
children=1
tcp_children=1
auto_aliases=no
dns=no
rev_dns=no
listen=udp:127.0.0.1:5060
listen=tcp:127.0.0.1:5060
loadmodule "sl.so"
loadmodule "pv.so"
request_route {
    if ($rm == "OPTIONS" && $rU == "ldirectord") {
        sl_send_reply("200", "OK");
    } else {
        sl_send_reply("404", "Not here");
    }
}
"#;

fn kamailio(site: &Site) -> Result<()> {
    site.write("/etc/kamailio/lab.cfg", KAMAILIO_CFG)?;
    site.sh(
        "mkdir -p /run/kamailio && kamailio -f /etc/kamailio/lab.cfg -m 16 -M 4 -P /run/kamailio/lab.pid",
    )?;
    site.wait_for_udp_port(5060)?;
    site.wait_for_port(5060)?;
    let check = |login| Check::new(ServiceCheck::Sip, 5060).login(login, "");
    let (known, unknown) = ("ldirectord@lvs1", "nobody@lvs1");
    let not_here = Expected::Down("404 Not here");
    site.expect(&[
        ("udp::up", check(known).udp(), Expected::Up),
        ("tcp::up", check(known), Expected::Up),
        ("udp::wrong_answer", check(unknown).udp(), not_here),
        ("tcp::wrong_answer", check(unknown), not_here),
    ])
}
