//! What one check of a real server does (`ldirectord.md` 6).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use ipvs::Protocol;

/// What one round of checking a real server does (`ldirectord.md` 6.2).
#[derive(Clone, Debug, PartialEq)]
pub enum CheckPlan {
    /// Up without looking: `checktype=on`, or `negotiate` with `service=none`.
    AlwaysUp,
    /// Nothing at all: `checktype=off`.
    Off,
    /// The same probe each time.
    Every(Probe),
    /// `checktype=N`: the negotiating probe first, after a failure, and after every N good connects; else the connect.
    Combined {
        /// N; 0 negotiates each time.
        connects: u32,
        /// The full check.
        negotiate: Probe,
        /// The cheap one: a TCP connect.
        connect: Probe,
    },
}

/// One look at a real server. Equal probes give equal answers, so they are made once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Probe {
    /// The real server.
    pub address: IpAddr,
    /// Where to connect (`ldirectord.md` 4.4); 0 if the kind needs none or none is known, which is a failed check for
    /// the kinds that do.
    pub port: u16,
    /// Limit for the whole probe; for a ping the limit of each attempt.
    pub timeout: Duration,
    /// What is done.
    pub kind: ProbeKind,
}

/// Kinds of probes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ProbeKind {
    /// TCP connect and close.
    Connect,
    /// ICMP echo.
    Ping {
        /// So many attempts, one after the other, at least 1.
        attempts: u32,
    },
    /// A program of the administrator.
    External(External),
    /// Talk the service's protocol.
    Negotiate(Box<Negotiate>),
}

/// A check program (`ldirectord.md` 6.3, external).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct External {
    /// Text for the shell, or, with [`External::perl`], the Perl script.
    pub command: String,
    /// `external-perl`: run by `perl`.
    pub perl: bool,
    /// Four words after it: virtual address or mark, virtual port or 0, real address, real port.
    pub arguments: [String; 4],
}

/// Everything that a conversation with a service may need. Texts are bytes as written in the file, which need not be
/// UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Negotiate {
    /// The protocol to speak.
    pub service: ServiceCheck,
    /// Transport of the virtual service (dns and sip care); `Tcp` for a firewall mark.
    pub transport: Protocol,
    /// `request`, with the leading `/` that the legacy puts there (`/` when there is none). A real server's own request
    /// stands here as written, as in 2.1 (4.12 puts a `/` there, too), see [`Negotiate::own_request`].
    pub request: Vec<u8>,
    /// The request stands on the `real` line: if it contains `SERVICE://`, it is the whole URL (4.4).
    pub own_request: bool,
    /// `receive`, a Perl regular expression with the services of [`ServiceCheck::matches_receive`]; empty: not given.
    pub receive: Vec<u8>,
    /// For http, https, http_proxy.
    pub http_method: HttpMethod,
    /// `virtualhost`, if the directive is given; it may be empty.
    pub virtual_host: Option<Vec<u8>>,
    /// User name; empty: not given (ftp and sip have their defaults here already).
    pub login: Vec<u8>,
    /// Password; empty: not given.
    pub password: Password,
    /// Database name.
    pub database: Vec<u8>,
    /// Shared secret (radius).
    pub secret: Password,
    /// What to make of TLS certificates.
    pub tls: TlsVerify,
}

/// Whether the certificate of a server is looked at. The legacy never did, so it is off unless asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsVerify {
    /// Any certificate will do.
    #[default]
    No,
    /// Chain and name (the virtualhost, else the address) must be right.
    Yes {
        /// PEM file of trusted authorities; none: the system's.
        ca_file: Option<String>,
    },
}

/// Protocols that can be checked (`ldirectord.md` 6.1). `none` is no probe at all, see [`CheckPlan::AlwaysUp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ServiceCheck {
    Dns,
    Ftp,
    Http,
    Https,
    HttpProxy,
    Imap,
    Imaps,
    Ldap,
    Ldaps,
    Mysql,
    Nntp,
    /// Cannot be spoken; always a failed check that says to use `checktype=external`.
    Oracle,
    Pgsql,
    Pop,
    Pops,
    Radius,
    SimpleTcp,
    Sip,
    Smtp,
    Submission,
}

impl ServiceCheck {
    /// The word in ldirectord.cf.
    pub fn word(self) -> &'static str {
        match self {
            ServiceCheck::Dns => "dns",
            ServiceCheck::Ftp => "ftp",
            ServiceCheck::Http => "http",
            ServiceCheck::Https => "https",
            ServiceCheck::HttpProxy => "http_proxy",
            ServiceCheck::Imap => "imap",
            ServiceCheck::Imaps => "imaps",
            ServiceCheck::Ldap => "ldap",
            ServiceCheck::Ldaps => "ldaps",
            ServiceCheck::Mysql => "mysql",
            ServiceCheck::Nntp => "nntp",
            ServiceCheck::Oracle => "oracle",
            ServiceCheck::Pgsql => "pgsql",
            ServiceCheck::Pop => "pop",
            ServiceCheck::Pops => "pops",
            ServiceCheck::Radius => "radius",
            ServiceCheck::SimpleTcp => "simpletcp",
            ServiceCheck::Sip => "sip",
            ServiceCheck::Smtp => "smtp",
            ServiceCheck::Submission => "submission",
        }
    }

    /// Whether `receive` is a regular expression that the answer must match (`ldirectord.md` 6.3). With dns it is the
    /// address or name itself, as in 2.1; the others have no use for it.
    pub fn matches_receive(self) -> bool {
        matches!(
            self,
            ServiceCheck::Ftp
                | ServiceCheck::Http
                | ServiceCheck::Https
                | ServiceCheck::HttpProxy
                | ServiceCheck::Ldap
                | ServiceCheck::Ldaps
                | ServiceCheck::SimpleTcp
        )
    }
}

/// How to ask for a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HttpMethod {
    /// With its body.
    #[default]
    Get,
    /// Without.
    Head,
}

/// A password: never printed, wiped when dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Password(Vec<u8>);

impl Password {
    /// Takes the bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Password(bytes.into())
    }

    /// The bytes, for whoever has to send them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Not given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Password")
    }
}

// Needed to share equal probes; the hash stays in memory.
impl Hash for Password {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        ha_wire::wipe(&mut self.0);
    }
}
