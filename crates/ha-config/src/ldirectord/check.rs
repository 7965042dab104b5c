//! How a real server is checked: service, port, limits, credentials, and the identity of the check
//! (`ldirectord.md` 4.3, 4.4, 6.1, 6.2, 7.2).

use std::net::IpAddr;
use std::time::Duration;

use ipvs::{DestinationKey, Protocol, ServiceKey};

use super::draft::{CheckType, Globals, Section, ServiceWord};
use super::host::Host;
use super::model::protocol_word;
use super::probe::{
    CheckPlan, External, Negotiate, Password, Probe, ProbeKind, ServiceCheck, TlsVerify,
};
use super::resolve::Found;

/// What one round of checking does, and its identity.
pub(super) fn plan(
    section: &Section,
    key: ServiceKey,
    found: &Found,
    globals: &Globals,
    host: &dyn Host,
) -> (CheckPlan, String) {
    let words = &found.words;
    let service = section.service.unwrap_or_else(|| default_service(key));
    let request = words
        .own
        .as_ref()
        .map_or(section.request.as_slice(), |(request, _)| request);
    let receive = words
        .own
        .as_ref()
        .map_or(section.receive.as_slice(), |(_, receive)| receive);
    let negotiate = service.map(|service| Negotiate {
        service,
        transport: match key {
            ServiceKey::Address { protocol, .. } => protocol,
            ServiceKey::Mark { .. } => Protocol::Tcp,
        },
        request: request.to_vec(),
        own_request: words.own.is_some(),
        receive: receive.to_vec(),
        http_method: section.http_method,
        virtual_host: section.virtual_host.clone(),
        login: login(section, service, host),
        password: Password::new(password(section, service, host)),
        database: section.database.clone(),
        secret: Password::new(section.secret.clone()),
        tls: tls(section, globals),
    });
    (
        check(section, key, found.key, service, negotiate, globals),
        identity(section, key, found, service, request, receive),
    )
}

fn tls(section: &Section, globals: &Globals) -> TlsVerify {
    let (own, global) = (&section.shared, &globals.shared);
    if own.tls_verify.or(global.tls_verify).unwrap_or(false) {
        TlsVerify::Yes {
            ca_file: own
                .tls_ca_file
                .clone()
                .or_else(|| global.tls_ca_file.clone()),
        }
    } else {
        TlsVerify::No
    }
}

fn login(section: &Section, service: ServiceCheck, host: &dyn Host) -> Vec<u8> {
    match service {
        _ if !section.login.is_empty() => section.login.clone(),
        ServiceCheck::Ftp => b"anonymous".to_vec(),
        ServiceCheck::Sip => format!("ldirectord@{}", host.name()).into_bytes(),
        _ => Vec::new(),
    }
}

fn password(section: &Section, service: ServiceCheck, host: &dyn Host) -> Vec<u8> {
    match service {
        _ if !section.password.is_empty() => section.password.clone(),
        ServiceCheck::Ftp => format!("ldirectord@{}", host.name()).into_bytes(),
        _ => Vec::new(),
    }
}

/// The service that goes with the virtual service's port (`ldirectord.md` 6.1).
fn default_service(key: ServiceKey) -> ServiceWord {
    let port = key.port()?;
    SERVICE_PORTS
        .iter()
        .find(|(_, known)| *known == port)
        .map(|(service, _)| *service)
}

const SERVICE_PORTS: &[(ServiceCheck, u16)] = &[
    (ServiceCheck::Ftp, 21),
    (ServiceCheck::Smtp, 25),
    (ServiceCheck::Dns, 53),
    (ServiceCheck::Http, 80),
    (ServiceCheck::Pop, 110),
    (ServiceCheck::Nntp, 119),
    (ServiceCheck::Imap, 143),
    (ServiceCheck::Ldap, 389),
    (ServiceCheck::Https, 443),
    (ServiceCheck::Submission, 587),
    (ServiceCheck::Ldaps, 636),
    (ServiceCheck::Imaps, 993),
    (ServiceCheck::Pops, 995),
    (ServiceCheck::Oracle, 1521),
    (ServiceCheck::Radius, 1812),
    (ServiceCheck::HttpProxy, 3128),
    (ServiceCheck::Mysql, 3306),
    (ServiceCheck::Sip, 5060),
    (ServiceCheck::Pgsql, 5432),
];

fn service_port(service: ServiceCheck) -> u16 {
    SERVICE_PORTS
        .iter()
        .find(|(known, _)| *known == service)
        .map_or(0, |(_, port)| *port)
}

fn check(
    section: &Section,
    key: ServiceKey,
    configured: DestinationKey,
    service: ServiceWord,
    negotiate: Option<Negotiate>,
    globals: &Globals,
) -> CheckPlan {
    let (own, global) = (&section.shared, &globals.shared);
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    // The order is that of `ldirectord.md` 4.3.
    let check_timeout = seconds(
        own.check_timeout_s
            .or(own.negotiate_timeout_s)
            .or(global.check_timeout_s)
            .or(global.negotiate_timeout_s)
            .unwrap_or(5),
    );
    let negotiate_timeout = seconds(
        own.negotiate_timeout_s
            .or(own.check_timeout_s)
            .or(global.negotiate_timeout_s)
            .or(global.check_timeout_s)
            .unwrap_or(30),
    );
    let port = match section.check_port {
        Some(port) => port,
        // 2.1 asks a name server at port 53 whatever the real server's port is.
        None if service == Some(ServiceCheck::Dns)
            && matches!(
                section.check_type,
                CheckType::Negotiate | CheckType::Combined(_)
            ) =>
        {
            53
        }
        None if configured.port > 0 => configured.port,
        None => service.map_or(0, service_port),
    };
    let probe = |timeout: Duration, kind: ProbeKind| Probe {
        address: configured.address,
        port,
        timeout,
        kind,
    };
    let attempts = own.check_count.or(global.check_count).unwrap_or(1);
    let ping = probe(check_timeout, ProbeKind::Ping { attempts });
    let connect = probe(check_timeout, ProbeKind::Connect);
    let negotiation = negotiate.map(|negotiate| {
        let timeout = match negotiate.service {
            ServiceCheck::Radius | ServiceCheck::Ldap | ServiceCheck::Ldaps => check_timeout,
            _ => negotiate_timeout,
        };
        probe(timeout, ProbeKind::Negotiate(Box::new(negotiate)))
    });
    match (section.check_type, negotiation) {
        (CheckType::On, _) | (CheckType::Negotiate, None) => CheckPlan::AlwaysUp,
        (CheckType::Off, _) => CheckPlan::Off,
        (CheckType::Negotiate, Some(negotiation)) => CheckPlan::Every(negotiation),
        (CheckType::Ping, _) => CheckPlan::Every(ping),
        (CheckType::Connect, _) => CheckPlan::Every(match key {
            ServiceKey::Address {
                protocol: Protocol::Udp,
                ..
            } => ping,
            _ => connect,
        }),
        // Without a service to speak to there are only the connects.
        (CheckType::Combined(_), None) => CheckPlan::Every(connect),
        (CheckType::Combined(connects), Some(negotiate)) => CheckPlan::Combined {
            connects,
            negotiate,
            connect,
        },
        (kind @ (CheckType::External | CheckType::ExternalPerl), _) => {
            let (address, virtual_port) = match key {
                ServiceKey::Address { address, port, .. } => (address.to_string(), port),
                ServiceKey::Mark { mark, .. } => (mark.to_string(), 0),
            };
            let external = External {
                command: check_command(section).to_owned(),
                perl: kind == CheckType::ExternalPerl,
                arguments: [
                    address,
                    virtual_port.to_string(),
                    configured.address.to_string(),
                    configured.port.to_string(),
                ],
            };
            CheckPlan::Every(probe(check_timeout, ProbeKind::External(external)))
        }
    }
}

fn check_command(section: &Section) -> &str {
    section.check_command.as_deref().unwrap_or("/bin/true")
}

/// The identity of `ldirectord.md` 7.2.
fn identity(
    section: &Section,
    key: ServiceKey,
    found: &Found,
    service: ServiceWord,
    request: &[u8],
    receive: &[u8],
) -> String {
    let mut kind = section.check_type.word().to_owned();
    match section.check_type {
        CheckType::Negotiate | CheckType::Combined(_) => {
            kind.push(':');
            kind.push_str(service.map_or("none", ServiceCheck::word));
        }
        CheckType::External | CheckType::ExternalPerl => {
            kind.push(':');
            kind.push_str(check_command(section));
        }
        _ => {}
    }
    let host = section.virtual_host.as_deref().unwrap_or_default();
    let check_port = section
        .check_port
        .map(|port| port.to_string())
        .unwrap_or_default();
    let address = match found.key.address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    format!(
        "{kind}:{}:{address}:{}:{}:{check_port}:{}:{}:{}:{}",
        protocol_word(&key),
        found.key.port,
        String::from_utf8_lossy(host),
        found.words.weight,
        found.forward.word(),
        backslashed(request),
        backslashed(receive),
    )
}

/// Every byte that is no letter, digit or underscore gets a backslash.
fn backslashed(bytes: &[u8]) -> String {
    let mut escaped = String::with_capacity(bytes.len() + 8);
    for character in String::from_utf8_lossy(bytes).chars() {
        if !(character == '_' || character.is_ascii_alphanumeric()) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
