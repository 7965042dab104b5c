//! The protocols, one file each, and the choice among them.

use std::net::IpAddr;

use ha_config::ldirectord::{Negotiate, ServiceCheck};

use crate::{Conversation, Verdict};

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
pub(crate) fn conversation(
    negotiate: &Negotiate,
    address: IpAddr,
    port: u16,
    seed: &Seed,
    environment: &Environment,
) -> Result<Box<dyn Conversation>, Verdict> {
    let _ = (address, port, seed, environment);
    let missing = || Err(Verdict::down("Check not available"));
    match negotiate.service {
        ServiceCheck::Dns => missing(),
        ServiceCheck::Ftp => missing(),
        ServiceCheck::Http => missing(),
        ServiceCheck::Https => missing(),
        ServiceCheck::HttpProxy => missing(),
        ServiceCheck::Imap => missing(),
        ServiceCheck::Imaps => missing(),
        ServiceCheck::Ldap => missing(),
        ServiceCheck::Ldaps => missing(),
        ServiceCheck::Mysql => missing(),
        ServiceCheck::Nntp => missing(),
        ServiceCheck::Oracle => Err(Verdict::down("Oracle cannot be checked")
            .remark("service=oracle cannot be checked from within; use checktype=external")),
        ServiceCheck::Pgsql => missing(),
        ServiceCheck::Pop => missing(),
        ServiceCheck::Pops => missing(),
        ServiceCheck::Radius => missing(),
        ServiceCheck::SimpleTcp => missing(),
        ServiceCheck::Sip => missing(),
        ServiceCheck::Smtp => missing(),
        ServiceCheck::Submission => missing(),
    }
}
