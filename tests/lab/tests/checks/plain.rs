//! inetd's own services for simpletcp.

use ha_config::ldirectord::ServiceCheck;
use ha_lab::Result;

use crate::check::Check;
use crate::needs;
use crate::site::{Expected, Scenario, Site};

/// All of it.
pub const SCENARIOS: &[Scenario] = &[Scenario {
    name: "inetd",
    needs: &[needs::INETD],
    as_root: true,
    run: inetd,
}];

const INETD_CONF: &str = "\
echo stream tcp nowait root internal
daytime stream tcp nowait root internal
chargen stream tcp nowait root internal
";

fn inetd(site: &Site) -> Result<()> {
    site.write("/etc/inetd.conf", INETD_CONF)?;
    site.sh("inetd /etc/inetd.conf")?;
    let (echo, daytime, chargen) = (7, 13, 19);
    for port in [echo, daytime, chargen] {
        site.wait_for_port(port)?;
    }
    let check = |port| Check::new(ServiceCheck::SimpleTcp, port);
    site.expect(&[
        (
            "up",
            check(echo).request(r"/PING\nPONG\n").receive("^PONG"),
            Expected::Up,
        ),
        (
            "the_slash_is_sent",
            check(echo).request(r"/PING\n").receive("^/PING"),
            Expected::Up,
        ),
        ("any_line", check(daytime), Expected::Up),
        (
            "one_line",
            check(daytime).receive("20[0-9][0-9]"),
            Expected::Up,
        ),
        (
            "wrong_answer",
            check(daytime).receive("half past"),
            // It does not read our request, so it may end with a reset.
            Expected::Down(""),
        ),
        (
            "huge_answer",
            check(chargen).receive("no such line"),
            Expected::Down("too long"),
        ),
        (
            "silent",
            check(echo)
                .request("/PING")
                .receive("PING")
                .timeout(ha_lab::seconds(1)),
            Expected::Down("Connection timed out"),
        ),
    ])
}
