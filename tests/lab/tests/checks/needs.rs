//! Debian packages that the scenarios use. What is missing makes a scenario a skip.

use std::path::Path;

/// A file that proves that a package is installed, and the package.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// The file.
    pub proof: &'static str,
    /// The package.
    pub package: &'static str,
}

/// http, https, http_proxy. The smallest of the packages that have it.
pub const NGINX: Need = Need {
    proof: "/usr/sbin/nginx",
    package: "nginx-light",
};
/// ftp.
pub const VSFTPD: Need = Need {
    proof: "/usr/sbin/vsftpd",
    package: "vsftpd",
};
/// smtp.
pub const POSTFIX: Need = Need {
    proof: "/usr/sbin/postfix",
    package: "postfix",
};
/// pop.
pub const DOVECOT_POP3: Need = Need {
    proof: "/usr/lib/dovecot/pop3",
    package: "dovecot-pop3d",
};
/// imap.
pub const DOVECOT_IMAP: Need = Need {
    proof: "/usr/lib/dovecot/imap",
    package: "dovecot-imapd",
};
/// Certificates for the lab.
pub const OPENSSL: Need = Need {
    proof: "/usr/bin/openssl",
    package: "openssl",
};
/// nntp. (inn2 cannot be installed on a machine whose name has no domain.)
pub const LEAFNODE: Need = Need {
    proof: "/usr/sbin/leafnode",
    package: "leafnode",
};
/// Starts leafnode, and echoes by itself.
pub const INETD: Need = Need {
    proof: "/usr/sbin/inetd",
    package: "openbsd-inetd",
};
/// sip.
pub const KAMAILIO: Need = Need {
    proof: "/usr/sbin/kamailio",
    package: "kamailio",
};
/// dns.
pub const BIND: Need = Need {
    proof: "/usr/sbin/named",
    package: "bind9",
};
/// ldap.
pub const SLAPD: Need = Need {
    proof: "/usr/sbin/slapd",
    package: "slapd",
};
/// mysql.
pub const MARIADB: Need = Need {
    proof: "/usr/sbin/mariadbd",
    package: "mariadb-server",
};
/// pgsql. Its programs stand under the version; this one runs them.
pub const POSTGRESQL: Need = Need {
    proof: "/usr/share/postgresql-common/pg_wrapper",
    package: "postgresql",
};
/// radius.
pub const FREERADIUS: Need = Need {
    proof: "/usr/sbin/freeradius",
    package: "freeradius",
};

/// Why a scenario cannot run here.
pub fn missing(needs: &[Need]) -> Option<String> {
    let missing: Vec<&str> = needs
        .iter()
        .filter(|need| !Path::new(need.proof).exists())
        .map(|need| need.package)
        .collect();
    (!missing.is_empty()).then(|| format!("not installed: {}", missing.join(" ")))
}
