//! postfix and dovecot.

use ha_config::ldirectord::ServiceCheck;
use ha_lab::Result;

use crate::check::Check;
use crate::needs;
use crate::site::{Expected, Scenario, Site};

/// All of it.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "postfix",
        needs: &[needs::POSTFIX],
        as_root: true,
        run: postfix,
    },
    Scenario {
        name: "dovecot",
        needs: &[needs::DOVECOT_POP3, needs::DOVECOT_IMAP, needs::OPENSSL],
        as_root: true,
        run: dovecot,
    },
];

const MAIN_CF: &str = "\
compatibility_level = 3.6
myhostname = mail.lab.example
mydestination = mail.lab.example
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
maillog_file = /var/log/mail.log
alias_maps =
alias_database =
";

fn postfix(site: &Site) -> Result<()> {
    site.write("/etc/postfix/main.cf", MAIN_CF)?;
    site.sh(
        "postconf -M 587/inet='587 inet n - n - - smtpd' \
         && postconf -M 2525/inet='2525 inet n - n - - smtpd -o smtpd_client_restrictions=reject -o smtpd_delay_reject=no' \
         && postconf -M 2526/inet='2526 inet n - n - - smtpd -o smtpd_helo_restrictions=reject -o smtpd_delay_reject=no' \
         && postfix start",
    )?;
    for port in [25, 587, 2525, 2526] {
        site.wait_for_port(port)?;
    }
    let (smtp, submission) = (ServiceCheck::Smtp, ServiceCheck::Submission);
    site.expect(&[
        ("smtp::up", Check::new(smtp, 25), Expected::Up),
        ("submission::up", Check::new(submission, 587), Expected::Up),
        (
            "smtp::wrong_greeting",
            Check::new(smtp, 2525),
            Expected::Down("554 5.7.1"),
        ),
        (
            "smtp::wrong_answer",
            Check::new(smtp, 2526),
            Expected::Down("554 5.7.1"),
        ),
    ])
}

const DOVECOT_CONF: &str = "\
protocols = imap pop3
listen = 127.0.0.1
base_dir = /run/dovecot
log_path = /var/log/dovecot.log
ssl = yes
ssl_cert = </etc/dovecot/lab.crt
ssl_key = </etc/dovecot/lab.key
disable_plaintext_auth = no
# Or each wrong password makes all later answers slower.
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
auth_failure_delay = 0
auth_username_chars =
mail_location = maildir:/srv/mail/%u
first_valid_uid = 8
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u /etc/dovecot/lab.users
}
userdb {
  driver = static
  args = uid=mail gid=mail home=/srv/mail/%u
}
";

/// A password that an unquoted IMAP string would not survive.
const PASSWORD: &str = r#"se"c\ret word"#;

fn dovecot(site: &Site) -> Result<()> {
    site.write("/etc/dovecot/dovecot.conf", DOVECOT_CONF)?;
    site.write(
        "/etc/dovecot/lab.users",
        &format!("joe:{{PLAIN}}{PASSWORD}::::::\njürgen:{{PLAIN}}grün::::::\n"),
    )?;
    site.sh("mkdir -p /srv/mail && chown mail:mail /srv/mail \
         && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
            -subj /CN=mail.lab.example -addext subjectAltName=DNS:mail.lab.example,IP:127.0.0.1 \
            -addext basicConstraints=critical,CA:FALSE \
            -keyout /etc/dovecot/lab.key -out /etc/dovecot/lab.crt \
         && dovecot")?;
    for port in [110, 143, 993, 995] {
        site.wait_for_port(port)?;
    }
    for (word, service, port) in [
        ("pop", ServiceCheck::Pop, 110),
        ("pops", ServiceCheck::Pops, 995),
        ("imap", ServiceCheck::Imap, 143),
        ("imaps", ServiceCheck::Imaps, 993),
    ] {
        let check = || Check::new(service, port);
        let name = |look: &str| format!("{word}::{look}");
        site.expect(&[
            (&name("up"), check().login("joe", PASSWORD), Expected::Up),
            (&name("up_without_login"), check(), Expected::Up),
            (
                &name("up_beyond_ascii"),
                check().login("jürgen", "grün"),
                Expected::Up,
            ),
            (
                &name("bad_credentials"),
                check().login("joe", "wrong"),
                Expected::Down("uthentication failed"),
            ),
        ])?;
    }
    wrong_answers(site)?;
    certificates(site)
}

/// The other service on the port.
fn wrong_answers(site: &Site) -> Result<()> {
    let wrong = |service, port| Check::new(service, port).login("joe", PASSWORD);
    let expected = Expected::Down("Response mismatch");
    site.expect(&[
        ("pop::wrong_answer", wrong(ServiceCheck::Pop, 143), expected),
        (
            "pops::wrong_answer",
            wrong(ServiceCheck::Pops, 993),
            expected,
        ),
        (
            "imap::wrong_answer",
            wrong(ServiceCheck::Imap, 110),
            expected,
        ),
        (
            "imaps::wrong_answer",
            wrong(ServiceCheck::Imaps, 995),
            expected,
        ),
        (
            "imaps::no_tls",
            wrong(ServiceCheck::Imaps, 143),
            Expected::Down("Connection failed"),
        ),
    ])
}

/// Only looked at if asked for.
fn certificates(site: &Site) -> Result<()> {
    let root = format!("/proc/{}/root", site.host().pid()?);
    let good = format!("{root}/etc/dovecot/lab.crt");
    site.sh(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
             -subj /CN=stranger -keyout /tmp/stranger.key -out /tmp/stranger.crt",
    )?;
    let stranger = format!("{root}/tmp/stranger.crt");
    let check = |file: &str| Check::new(ServiceCheck::Imaps, 993).authorities(file);
    site.expect(&[
        ("imaps::certificate_by_address", check(&good), Expected::Up),
        (
            "imaps::certificate_by_name",
            check(&good).virtual_host("mail.lab.example"),
            Expected::Up,
        ),
        (
            "imaps::certificate_of_another_name",
            check(&good).virtual_host("www.lab.example"),
            Expected::Down("Connection failed"),
        ),
        (
            "imaps::certificate_of_a_stranger",
            check(&stranger),
            Expected::Down("Connection failed"),
        ),
    ])
}
