//! vsftpd: both ways to transfer, over IPv4 and IPv6, with accounts and without.

use ha_config::ldirectord::ServiceCheck;
use ha_lab::Result;

use crate::check::Check;
use crate::needs;
use crate::site::{Expected, Scenario, Site};

/// All of it.
pub const SCENARIOS: &[Scenario] = &[Scenario {
    name: "vsftpd",
    needs: &[needs::VSFTPD],
    as_root: true,
    run: vsftpd,
}];

const COMMON: &str = "\
background=YES
anonymous_enable=YES
anon_root=/srv/ftp
local_enable=YES
pam_service_name=vsftpd
secure_chroot_dir=/run/vsftpd/empty
delay_failed_login=0
delay_successful_login=0
";

/// Debian's makes whoever gives a wrong password wait.
const PAM: &str = "auth required pam_unix.so nodelay\naccount required pam_unix.so\n";

fn vsftpd(site: &Site) -> Result<()> {
    site.write("/etc/pam.d/vsftpd", PAM)?;
    site.sh("mkdir -p /srv/ftp/pub /run/vsftpd/empty /home/joe \
         && echo all is well > /srv/ftp/check.txt && echo too > /srv/ftp/pub/check.txt \
         && useradd -d /home/joe -s /bin/sh joe && echo joe:secret | chpasswd \
         && echo joe is well > /home/joe/check.txt && chmod 755 /home/joe /srv/ftp")?;
    for (name, port, more) in [
        ("active", 21, "listen=YES\nlisten_ipv6=NO\n"),
        (
            "passive",
            2121,
            "listen=YES\nlisten_ipv6=NO\nport_enable=NO\n",
        ),
        ("six", 2122, "listen=NO\nlisten_ipv6=YES\n"),
        (
            "six-passive",
            2123,
            "listen=NO\nlisten_ipv6=YES\nport_enable=NO\n",
        ),
    ] {
        let file = format!("/etc/vsftpd-{name}.conf");
        site.write(&file, &format!("{COMMON}listen_port={port}\n{more}"))?;
        site.sh(&format!("vsftpd {file}"))?;
        site.wait_for_port(port)?;
    }
    let check = |port| {
        Check::new(ServiceCheck::Ftp, port)
            .login("anonymous", "ldirectord@lvs1")
            .request("/check.txt")
            .receive(r"^all is well\n$")
    };
    let joe = |password| {
        check(21)
            .login("joe", password)
            .request("/home/joe/check.txt")
            .receive("joe is well")
    };
    site.expect(&[
        ("up", check(21), Expected::Up),
        ("up_without_receive", check(21).receive(""), Expected::Up),
        (
            "up_in_a_directory",
            check(21).request("/pub/check.txt").receive("too"),
            Expected::Up,
        ),
        ("up_passively", check(2121), Expected::Up),
        ("up_over_ipv6", check(2122).address("::1"), Expected::Up),
        (
            "up_passively_over_ipv6",
            check(2123).address("::1"),
            Expected::Up,
        ),
        ("up_with_an_account", joe("secret"), Expected::Up),
        (
            "wrong_answer",
            check(21).receive("all is lost"),
            Expected::Down("Response mismatch"),
        ),
        (
            "no_such_file",
            check(21).request("/no").receive(""),
            Expected::Down("550 "),
        ),
        (
            "no_request",
            check(21).request("/").receive(""),
            Expected::Down("550 "),
        ),
        (
            "bad_credentials",
            joe("wrong"),
            Expected::Down("530 Login incorrect"),
        ),
    ])
}
