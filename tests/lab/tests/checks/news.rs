//! leafnode, started by inetd.

use ha_config::ldirectord::ServiceCheck;
use ha_lab::Result;

use crate::check::Check;
use crate::needs;
use crate::site::{Expected, Scenario, Site};

/// All of it.
pub const SCENARIOS: &[Scenario] = &[Scenario {
    name: "leafnode",
    needs: &[needs::LEAFNODE, needs::INETD],
    as_root: true,
    run: leafnode,
}];

fn leafnode(site: &Site) -> Result<()> {
    site.write(
        "/etc/inetd.conf",
        "119 stream tcp nowait news /usr/sbin/leafnode leafnode\n",
    )?;
    // Without a full name (and one under .example is none to it) it refuses to serve, and says so in its greeting.
    site.write(
        "/etc/news/leafnode/config",
        "server = news.invalid\nexpire = 20\n",
    )?;
    site.sh("inetd /etc/inetd.conf")?;
    site.wait_for_port(119)?;
    let check = || Check::new(ServiceCheck::Nntp, 119);
    site.expect(&[("wrong_answer", check(), Expected::Down("Response mismatch"))])?;
    site.write(
        "/etc/news/leafnode/config",
        "server = news.invalid\nexpire = 20\nhostname = news.lab.internal\n",
    )?;
    site.expect(&[("up", check(), Expected::Up)])
}
