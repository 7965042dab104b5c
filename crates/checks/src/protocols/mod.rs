//! The protocols, one file each, and the choice among them.

#[cfg(test)]
mod bench;
mod connect;
mod dns;
mod ending;
mod frames;
mod ftp;
mod http;
mod imap;
mod ldap;
mod lines;
mod mysql;
mod nntp;
// One check has one of each, boxed already as a whole.
#[allow(clippy::large_enum_variant)]
mod pgsql;
mod pop;
mod radius;
mod reply;
mod simpletcp;
mod sip;
mod smtp;
mod sql;

use std::net::IpAddr;

use ha_config::ldirectord::{Negotiate, ServiceCheck};
use ipvs::Protocol;

pub(crate) use self::connect::Connect;
use self::dns::Dns;
use self::ftp::Ftp;
use self::http::Http;
use self::imap::Imap;
use self::ldap::Ldap;
use self::mysql::Mysql;
use self::nntp::Nntp;
use self::pgsql::Pgsql;
use self::pop::Pop;
use self::radius::Radius;
use self::simpletcp::SimpleTcp;
use self::sip::Sip;
use self::smtp::Smtp;
use crate::{Conversation, Transport, Verdict};

/// 32 random bytes for one check: branch numbers, query ids, nonces. Fresh for each check.
pub type Seed = [u8; 32];

/// What a conversation needs to know about the machine that it runs on. Read once by the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Name of this host, as `uname -n` says.
    pub host_name: String,
    /// Domains that the resolver appends to short names, in order (`search` or `domain` in resolv.conf).
    pub search: Vec<String>,
    /// How many dots make a name long enough to be asked for as it is first (`options ndots`, normally 1).
    pub ndots: u32,
}

/// The state machine for one check. `port` may be 0 (none known).
///
/// # Errors
/// The check cannot even begin; the verdict says why.
pub fn conversation(
    negotiate: &Negotiate,
    address: IpAddr,
    port: u16,
    seed: &Seed,
    environment: &Environment,
) -> Result<Box<dyn Conversation>, Verdict> {
    let tcp = || ending::tcp(address, port);
    let tls = || ending::tls(negotiate, address, port);
    match negotiate.service {
        ServiceCheck::Dns => {
            let dns = Dns::new(address, port, negotiate, seed, environment)?;
            Ok(Box::new(dns))
        }
        ServiceCheck::Ftp => Ok(Box::new(Ftp::new(address, port, negotiate)?)),
        ServiceCheck::Http | ServiceCheck::Https | ServiceCheck::HttpProxy => {
            Ok(Box::new(Http::new(negotiate, address, port)?))
        }
        ServiceCheck::Imap => Ok(Box::new(Imap::new(tcp()?, negotiate)?)),
        ServiceCheck::Imaps => Ok(Box::new(Imap::new(tls()?, negotiate)?)),
        ServiceCheck::Ldap => Ok(Box::new(Ldap::new(tcp()?, negotiate)?)),
        ServiceCheck::Ldaps => Ok(Box::new(Ldap::new(tls()?, negotiate)?)),
        ServiceCheck::Mysql => Ok(Box::new(Mysql::new(address, port, negotiate)?)),
        ServiceCheck::Nntp => Ok(Box::new(Nntp::new(address, port)?)),
        ServiceCheck::Oracle => Err(Verdict::down("Oracle cannot be checked")
            .remark("service=oracle cannot be checked from within; use checktype=external")),
        ServiceCheck::Pgsql => Ok(Box::new(Pgsql::new(address, port, negotiate, seed)?)),
        ServiceCheck::Pop => Ok(Box::new(Pop::new(tcp()?, negotiate)?)),
        ServiceCheck::Pops => Ok(Box::new(Pop::new(tls()?, negotiate)?)),
        ServiceCheck::Radius => Ok(Box::new(Radius::new(address, port, negotiate, seed)?)),
        ServiceCheck::SimpleTcp => Ok(Box::new(SimpleTcp::new(tcp()?, negotiate)?)),
        ServiceCheck::Sip => {
            let transport = match negotiate.transport {
                Protocol::Udp => Transport::Udp,
                _ => Transport::Tcp,
            };
            let target = ending::target(address, port, transport)?;
            Ok(Box::new(Sip::new(target, negotiate, seed)?))
        }
        ServiceCheck::Smtp | ServiceCheck::Submission => Ok(Box::new(Smtp::new(address, port)?)),
    }
}
