//! Each service with each misbehaviour of its peer: refused, silent from the beginning or after its greeting, slower than
//! the time limit, reset in the middle, endless.

use ha_config::ldirectord::ServiceCheck;
use ha_lab::Result;

use crate::check::Check;
use crate::peer::{self, Misdeed, Plan};
use crate::site::{Expected, Scenario, Site};

/// All of it.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "faults",
        needs: &[],
        as_root: false,
        run: over_connections,
    },
    Scenario {
        name: "faults_of_datagrams",
        needs: &[],
        as_root: false,
        run: over_datagrams,
    },
    Scenario {
        name: "faults_of_transfers",
        needs: &[],
        as_root: false,
        run: ftp_transfers,
    },
];

/// How a service talks, as far as a fault needs it.
struct Manner {
    service: ServiceCheck,
    /// The beginning of a good answer, after which the check is not satisfied yet.
    opening: &'static str,
    /// What may follow without ever satisfying the check.
    endless: &'static str,
}

const MANNERS: &[Manner] = &[
    Manner {
        service: ServiceCheck::Ftp,
        opening: "220 ready\r\n",
        endless: "331-more\r\n",
    },
    Manner {
        service: ServiceCheck::Smtp,
        opening: "220 ready\r\n",
        endless: "250-more\r\n",
    },
    Manner {
        service: ServiceCheck::Submission,
        opening: "220 ready\r\n",
        endless: "250-more\r\n",
    },
    Manner {
        service: ServiceCheck::Pop,
        opening: "+OK ready\r\n",
        endless: "+OK more\r\n",
    },
    Manner {
        service: ServiceCheck::Imap,
        opening: "* OK ready\r\n",
        endless: "* OK more\r\n",
    },
    Manner {
        service: ServiceCheck::SimpleTcp,
        opening: "PING\n",
        endless: "PING\n",
    },
    Manner {
        service: ServiceCheck::Sip,
        opening: "SIP/2.0 200 OK\r\n",
        endless: "Via: more\r\n",
    },
    // A greeting that is no TLS at all.
    Manner {
        service: ServiceCheck::Pops,
        opening: "+OK ready\r\n",
        endless: "+OK more\r\n",
    },
    Manner {
        service: ServiceCheck::Imaps,
        opening: "* OK ready\r\n",
        endless: "* OK more\r\n",
    },
    Manner {
        service: ServiceCheck::Dns,
        opening: "\x7f\x7f",
        endless: "x",
    },
    // The bind succeeds, then references.
    Manner {
        service: ServiceCheck::Ldap,
        opening: "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\0\x04\0\x04\0",
        endless: "\x30\x08\x02\x01\x02\x73\x03\x04\x01x",
    },
    Manner {
        service: ServiceCheck::Ldaps,
        opening: "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\0\x04\0\x04\0",
        endless: "\x30\x08\x02\x01\x02\x73\x03\x04\x01x",
    },
    // A greeting, then a packet of eight megabytes.
    Manner {
        service: ServiceCheck::Mysql,
        opening: "\x2f\0\0\0\x0a5\0\x01\0\0\0abcdefgh\0\u{82}\x21\x02\0\0\0\x15\0\0\0\0\0\0\0\0\0\0\
            ijklmnopqrst\0",
        endless: "~",
    },
    // The login succeeds, then notices.
    Manner {
        service: ServiceCheck::Pgsql,
        opening: "R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I",
        endless: "N\0\0\0\x05\0",
    },
    // Here a single byte satisfies the check, so it must not be a good one.
    Manner {
        service: ServiceCheck::Nntp,
        opening: "",
        endless: "400 more\r\n",
    },
];

const MISDEEDS: &[(&str, Misdeed)] = &[
    ("silent", Misdeed::Silent),
    ("falls_silent", Misdeed::FallsSilent),
    ("drips", Misdeed::Drips),
    ("resets", Misdeed::Resets),
    ("endless", Misdeed::Endless),
];

/// What the check makes of it.
fn expected(service: ServiceCheck, misdeed: Misdeed) -> Expected {
    let late = "Connection timed out";
    let is_tls = matches!(
        service,
        ServiceCheck::Pops | ServiceCheck::Imaps | ServiceCheck::Ldaps
    );
    Expected::Down(match (service, misdeed) {
        (_, Misdeed::Silent) => late,
        // Whether we notice by reading or by writing is chance, and so is what the system says then.
        (_, Misdeed::Resets) => "Connection ",
        _ if is_tls => "Connection failed (TLS",
        (ServiceCheck::Nntp, Misdeed::Drips | Misdeed::Endless) => "Response mismatch",
        (ServiceCheck::Dns | ServiceCheck::Mysql, Misdeed::Endless) => "Response mismatch",
        (_, Misdeed::Endless) => "Answer too long",
        _ => late,
    })
}

/// Nothing listens there.
const REFUSING_PORT: u16 = 1;

fn check(service: ServiceCheck, port: u16) -> Check {
    Check::new(service, port)
        .timeout(ha_lab::millis(1500))
        .login("joe", "secret")
        .request("/x")
        .receive("PONG")
}

fn over_connections(site: &Site) -> Result<()> {
    let mut plans = Vec::new();
    let mut names = Vec::new();
    for manner in MANNERS {
        for (name, misdeed) in MISDEEDS {
            plans.push(Plan {
                misdeed: *misdeed,
                opening: manner.opening,
                endless: manner.endless,
            });
            let name = format!("{}::{name}", manner.service.word());
            names.push((manner.service, name, expected(manner.service, *misdeed)));
        }
    }
    let peers = peer::start(site, &plans)?;
    let mut looks: Vec<_> = names
        .iter()
        .zip(&peers.ports)
        .map(|((service, name, expected), port)| (name.as_str(), check(*service, *port), *expected))
        .collect();
    let refused: Vec<_> = MANNERS
        .iter()
        .map(|manner| {
            (
                manner.service,
                format!("{}::refused", manner.service.word()),
            )
        })
        .collect();
    looks.extend(refused.iter().map(|(service, name)| {
        let expected = Expected::Down("Connection failed");
        (name.as_str(), check(*service, REFUSING_PORT), expected)
    }));
    site.expect(&looks)
}

fn over_datagrams(site: &Site) -> Result<()> {
    let plan = |misdeed| Plan {
        misdeed,
        opening: "SIP/2.0 200 OK\r\n",
        endless: "Via: more\r\n",
    };
    let plans = [
        plan(Misdeed::SilentUdp),
        plan(Misdeed::DripsUdp),
        plan(Misdeed::EndlessUdp),
    ];
    let peers = peer::start(site, &plans)?;
    let [silent, drips, endless] = peers.ports.as_slice() else {
        return Ok(());
    };
    let check = |port: u16| check(ServiceCheck::Sip, port).udp();
    site.expect(&[
        (
            "sip::silent",
            check(*silent),
            Expected::Down("Connection timed out"),
        ),
        (
            "sip::drips",
            check(*drips),
            Expected::Down("Connection timed out"),
        ),
        (
            "sip::endless",
            check(*endless),
            Expected::Down("Answer too long"),
        ),
        (
            "sip::refused",
            check(REFUSING_PORT),
            Expected::Down("Connection failed"),
        ),
    ])?;
    // Where a datagram that is no answer is passed over, for the answer may still come.
    for service in [ServiceCheck::Dns, ServiceCheck::Radius] {
        let name = |fault: &str| format!("{}::{fault}", service.word());
        let check = |port: u16| self::check(service, port).udp().secret("secret");
        let late = Expected::Down("Connection timed out");
        site.expect(&[
            (&name("silent"), check(*silent), late),
            (&name("drips"), check(*drips), late),
            (&name("endless"), check(*endless), late),
            (
                &name("refused"),
                check(REFUSING_PORT),
                Expected::Down("Connection failed"),
            ),
        ])?;
    }
    Ok(())
}

fn ftp_transfers(site: &Site) -> Result<()> {
    let plan = |misdeed| Plan {
        misdeed,
        opening: "PONG",
        endless: "PING\n",
    };
    let plans = [
        plan(Misdeed::FtpFallsSilent),
        plan(Misdeed::FtpResets),
        plan(Misdeed::FtpEndless),
        plan(Misdeed::FtpFirewalled),
    ];
    let peers = peer::start(site, &plans)?;
    let [silent, resets, endless, firewalled] = peers.ports.as_slice() else {
        return Ok(());
    };
    let check = |port: &u16| check(ServiceCheck::Ftp, *port);
    site.expect(&[
        (
            "ftp::falls_silent",
            check(silent),
            Expected::Down("Connection timed out"),
        ),
        ("ftp::resets", check(resets), Expected::Down("426 ")),
        (
            "ftp::endless_without_match",
            check(endless).receive("PANG"),
            Expected::Down("Answer too long"),
        ),
        ("ftp::endless_with_match", check(endless), Expected::Up),
        // It takes us a while to see that nobody comes.
        (
            "ftp::firewalled",
            check(firewalled).timeout(ha_lab::seconds(10)),
            Expected::Up,
        ),
    ])
}
