//! slapd, with and without TLS.

use ha_config::ldirectord::ServiceCheck;
use ha_lab::Result;

use crate::check::Check;
use crate::needs;
use crate::site::{Expected, Scenario, Site};

/// All of it.
pub const SCENARIOS: &[Scenario] = &[Scenario {
    name: "slapd",
    needs: &[needs::SLAPD, needs::OPENSSL],
    as_root: true,
    run: slapd,
}];

const SLAPD_CONF: &str = r#"
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
pidfile /run/slapd/lab.pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile /etc/ldap/lab.crt
TLSCertificateKeyFile /etc/ldap/lab.key
database mdb
suffix "dc=lab,dc=example"
rootdn "cn=admin,dc=lab,dc=example"
rootpw "secret"
directory /srv/ldap
access to dn.base="ou=staff,dc=lab,dc=example" by users read by * none
access to * by * read
"#;

const LDIF: &str = "\
dn: dc=lab,dc=example
objectClass: domain
dc: lab

dn: ou=staff,dc=lab,dc=example
objectClass: organizationalUnit
ou: staff

dn: ou=large,dc=lab,dc=example
objectClass: organizationalUnit
ou: large
description: ";

fn slapd(site: &Site) -> Result<()> {
    site.write("/etc/ldap/lab.conf", SLAPD_CONF)?;
    // Far more than is kept of an entry.
    site.write(
        "/etc/ldap/lab.ldif",
        &format!("{LDIF}{}\n", "x".repeat(300_000)),
    )?;
    site.sh("mkdir -p /srv/ldap /run/slapd \
         && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
            -subj /CN=ldap.lab.example -addext subjectAltName=DNS:ldap.lab.example \
            -addext basicConstraints=critical,CA:FALSE \
            -keyout /etc/ldap/lab.key -out /etc/ldap/lab.crt \
         && slapadd -q -f /etc/ldap/lab.conf -l /etc/ldap/lab.ldif \
         && slapd -f /etc/ldap/lab.conf -h 'ldap://127.0.0.1:389 ldaps://127.0.0.1:636'")?;
    site.wait_for_port(389)?;
    site.wait_for_port(636)?;
    for (service, port) in [(ServiceCheck::Ldap, 389), (ServiceCheck::Ldaps, 636)] {
        let base = || Check::new(service, port).request("/dc=lab,dc=example");
        let staff = || Check::new(service, port).request("/ou=staff,dc=lab,dc=example");
        let admin = "cn=admin,dc=lab,dc=example";
        let name = |look: &str| format!("{}::{look}", service.word());
        site.expect(&[
            (&name("up"), base().login(admin, "secret"), Expected::Up),
            (&name("up_anonymous"), base(), Expected::Up),
            // No password: anonymous, whatever the login.
            (
                &name("up_without_password"),
                base().login(admin, ""),
                Expected::Up,
            ),
            (&name("up_receive"), base().receive("^dc=lab"), Expected::Up),
            (
                &name("up_large"),
                Check::new(service, port)
                    .request("/ou=large,dc=lab,dc=example")
                    .receive("large"),
                Expected::Up,
            ),
            // The root of the directory, which every server has.
            (&name("up_root"), Check::new(service, port), Expected::Up),
            (
                &name("wrong_answer"),
                base().receive("domain"),
                Expected::Down("Response mismatch"),
            ),
            (
                &name("no_such_entry"),
                Check::new(service, port).request("/ou=nobody,dc=lab,dc=example"),
                Expected::Down("Search failed: noSuchObject (32)"),
            ),
            (
                &name("no_name_at_all"),
                Check::new(service, port).request("/nonsense"),
                Expected::Down("Search failed: invalidDNSyntax (34)"),
            ),
            (
                &name("bad_credentials"),
                base().login(admin, "wrong"),
                Expected::Down("Bind failed: invalidCredentials (49)"),
            ),
            (
                &name("up_for_users"),
                staff().login(admin, "secret"),
                Expected::Up,
            ),
            (
                &name("not_for_everybody"),
                staff(),
                Expected::Down("Search failed: noSuchObject (32)"),
            ),
        ])?;
    }
    certificates(site)
}

fn certificates(site: &Site) -> Result<()> {
    let certificate = format!("/proc/{}/root/etc/ldap/lab.crt", site.host().pid()?);
    let check = |name: &str| {
        Check::new(ServiceCheck::Ldaps, 636)
            .authorities(&certificate)
            .virtual_host(name)
    };
    site.expect(&[
        (
            "ldaps::up_verified",
            check("ldap.lab.example"),
            Expected::Up,
        ),
        (
            "ldaps::wrong_name",
            check("other.lab.example"),
            Expected::Down("Connection failed (TLS"),
        ),
    ])
}
