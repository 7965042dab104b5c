//! freeradius.

use ha_config::ldirectord::ServiceCheck;
use ha_lab::Result;

use crate::check::Check;
use crate::needs;
use crate::site::{Expected, Scenario, Site};

/// All of it.
pub const SCENARIOS: &[Scenario] = &[Scenario {
    name: "freeradius",
    needs: &[needs::FREERADIUS],
    as_root: true,
    run: freeradius,
}];

/// Over IPv4 requests have to be signed, over IPv6 they need not.
const RADIUSD_CONF: &str = r#"
name = lab
prefix = /usr
localstatedir = /var
libdir = /usr/lib/freeradius
run_dir = /run/freeradius
pidfile = /run/freeradius/lab.pid
max_requests = 1024
log {
    destination = files
    file = /var/log/radius.log
}
security {
    reject_delay = 0
}
client strict {
    ipaddr = 127.0.0.1
    secret = "shared secret"
    require_message_authenticator = yes
}
client lax {
    ipv6addr = ::1
    secret = "shared secret"
}
modules {
    files {
        usersfile = /srv/radius/users
    }
    pap {
    }
}
server lab {
    listen {
        type = auth
        ipaddr = 127.0.0.1
        port = 1812
    }
    listen {
        type = auth
        ipv6addr = ::1
        port = 1812
    }
    authorize {
        files
        pap
    }
    authenticate {
        Auth-Type PAP {
            pap
        }
    }
}
"#;

/// Longer than what is hidden in one piece.
const PASSWORD: &str = "a password of several blocks";

fn freeradius(site: &Site) -> Result<()> {
    site.sh("mkdir -p /srv/radius /run/freeradius")?;
    site.write("/srv/radius/lab.conf", RADIUSD_CONF)?;
    site.write(
        "/srv/radius/users",
        &format!("joe Cleartext-Password := \"{PASSWORD}\"\n\tReply-Message = \"hello\"\n"),
    )?;
    site.sh("freeradius -d /srv/radius -n lab")?;
    site.wait_for_udp_port(1812)?;
    let check = || Check::new(ServiceCheck::Radius, 1812).secret("shared secret");
    site.expect(&[
        ("up", check().login("joe", PASSWORD), Expected::Up),
        (
            "up_over_ipv6",
            check().address("::1").login("joe", PASSWORD),
            Expected::Up,
        ),
        (
            "bad_credentials",
            check().login("joe", "wrong"),
            Expected::Down("Access-Reject"),
        ),
        (
            "unknown_user",
            check().login("jane", PASSWORD),
            Expected::Down("Access-Reject"),
        ),
        // The server does not answer who does not know the secret: the request is signed with it.
        (
            "bad_secret",
            check()
                .secret("another")
                .login("joe", PASSWORD)
                .timeout(ha_lab::seconds(3)),
            Expected::Down("Connection timed out"),
        ),
        (
            "without_secret",
            check().secret("").login("joe", PASSWORD),
            Expected::Down("Unusable secret"),
        ),
    ])
}
