//! Lines of `-d` about checks (`ldirectord.md` 8).

use ha_config::ldirectord::{
    CheckPlan, HttpMethod, Ldirectord, Negotiate, Probe, ProbeKind, Real, ServiceCheck,
    VirtualService,
};

/// What is said when a check begins; the level stands before each line.
pub(crate) fn begun(config: &Ldirectord, probe: &Probe) -> Vec<(u8, String)> {
    let mut lines = Vec::new();
    if let Some((service, real)) = users(config, probe).next() {
        let word = match &probe.kind {
            ProbeKind::Connect => "connect",
            ProbeKind::Ping { .. } => "ping",
            ProbeKind::External(external) if external.perl => "external-perl",
            ProbeKind::External(_) => "external",
            ProbeKind::Negotiate(_) => "negotiate",
        };
        lines.push((2, format!("Checking {word}: {}", named(service, real))));
    }
    for (service, real) in users(config, probe).skip(1) {
        lines.push((3, format!("Already checked: {}", named(service, real))));
    }
    match &probe.kind {
        ProbeKind::Ping { attempts } => lines.push((
            2,
            format!(
                "Checking ping: host=\"{}\" checktimeout=\"{}\" checkcount=\"{attempts}\"",
                probe.address,
                probe.timeout.as_secs()
            ),
        )),
        ProbeKind::Negotiate(negotiate) if is_http(negotiate) => {
            let host = match &negotiate.virtual_host {
                Some(host) => String::from_utf8_lossy(host).into_owned(),
                None => probe.address.to_string(),
            };
            lines.push((
                2,
                format!(
                    "check_http: url=\"{}\" virtualhost=\"{host}\"",
                    url(probe, negotiate)
                ),
            ));
            lines.push((2, "Starting Check".to_owned()));
            let method = match negotiate.http_method {
                HttpMethod::Get => "Starting HTTP/HTTPS",
                HttpMethod::Head => "Starting HTTP/HTTPS (HEAD)",
            };
            lines.push((2, method.to_owned()));
        }
        _ => {}
    }
    lines
}

/// What is said when it ends.
pub(crate) fn ended(config: &Ldirectord, probe: &Probe, up: bool, text: &str) -> Vec<(u8, String)> {
    let mut lines = Vec::new();
    let http = match &probe.kind {
        ProbeKind::Negotiate(negotiate) if is_http(negotiate) => Some(negotiate),
        _ => None,
    };
    match (&probe.kind, http) {
        (_, Some(_)) => {
            lines.push((2, "Finished HTTP/HTTPS".to_owned()));
            lines.push((2, format!("Return status: {text}")));
        }
        (ProbeKind::Connect, _) if up => lines.push((
            3,
            format!("Connected to {} (port {})", probe.address, probe.port),
        )),
        (ProbeKind::Ping { .. }, _) if up => {
            lines.push((2, format!("pong from {}", probe.address)))
        }
        (ProbeKind::Ping { attempts }, _) => lines.push((
            2,
            format!(
                "ping to {} timed out (attempt {attempts}/{attempts})",
                probe.address
            ),
        )),
        _ => {}
    }
    for (service, real) in users(config, probe) {
        // `Enabled` has two blanks after it in the legacy.
        let word = if up { "Enabled " } else { "Disabled" };
        lines.push((2, format!("{word} {}", named(service, real))));
    }
    let end = match (http, up) {
        (Some(negotiate), _) => {
            let word = if up { "up" } else { "down" };
            (
                2,
                format!("check_http: {} is {word}", url(probe, negotiate)),
            )
        }
        (None, true) => (
            3,
            format!("Activated service {}:{}", probe.address, probe.port),
        ),
        (None, false) => (
            3,
            format!(
                "Deactivated service {}:{}: {text}",
                probe.address, probe.port
            ),
        ),
    };
    lines.push(end);
    lines
}

fn named(service: &VirtualService, real: &Real) -> String {
    format!("real server={} (virtual={})", real.identity, service.id())
}

fn is_http(negotiate: &Negotiate) -> bool {
    matches!(
        negotiate.service,
        ServiceCheck::Http | ServiceCheck::Https | ServiceCheck::HttpProxy
    )
}

fn url(probe: &Probe, negotiate: &Negotiate) -> String {
    let request = String::from_utf8_lossy(&negotiate.request);
    let address = std::net::SocketAddr::new(probe.address, probe.port);
    format!(
        "{}://{address}/{}",
        negotiate.service.word(),
        request.trim_start_matches('/')
    )
}

/// Who wants this probe's verdict.
fn users<'a>(
    config: &'a Ldirectord,
    probe: &'a Probe,
) -> impl Iterator<Item = (&'a VirtualService, &'a Real)> {
    config
        .virtuals
        .iter()
        .flat_map(|service| service.reals.iter().map(move |real| (service, real)))
        .filter(move |(_, real)| match &real.check {
            CheckPlan::AlwaysUp | CheckPlan::Off => false,
            CheckPlan::Every(other) => other == probe,
            CheckPlan::Combined {
                negotiate, connect, ..
            } => negotiate == probe || connect == probe,
        })
}

#[cfg(test)]
mod tests {
    use ha_config::ldirectord::{FakeHost, parse};

    use super::*;

    fn config(text: &str) -> Ldirectord {
        let parsed = parse(text.as_bytes(), "x.cf", &FakeHost::default());
        parsed.value.expect("a configuration")
    }

    fn probe(config: &Ldirectord) -> Probe {
        match &config.virtuals[0].reals[0].check {
            CheckPlan::Every(probe) => probe.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn joined(lines: Vec<(u8, String)>) -> Vec<String> {
        let joined = |(level, text): &(u8, String)| format!("DEBUG{level}: {text}");
        lines.iter().map(joined).collect()
    }

    /// Scenario 40, one check of each outcome.
    #[test]
    fn an_http_check_as_recorded() {
        let config = config(
            "virtual=192.168.6.66:80\n    real=192.168.6.42:80 gate 2\n    service=http\n    \
             request=\"index.html\"\n    receive=\"woshi\"\n# end\n",
        );
        let probe = probe(&config);
        let identity = r"negotiate:http:tcp:192.168.6.42:80:::2:gate:\/index\.html:woshi";
        let server = format!("real server={identity} (virtual=tcp:192.168.6.66:80)");
        assert_eq!(
            joined(begun(&config, &probe)),
            [
                &format!("DEBUG2: Checking negotiate: {server}"),
                "DEBUG2: check_http: url=\"http://192.168.6.42:80/index.html\" virtualhost=\"192.168.6.42\"",
                "DEBUG2: Starting Check",
                "DEBUG2: Starting HTTP/HTTPS",
            ]
        );
        assert_eq!(
            joined(ended(&config, &probe, true, "200 OK")),
            [
                "DEBUG2: Finished HTTP/HTTPS",
                "DEBUG2: Return status: 200 OK",
                &format!("DEBUG2: Enabled  {server}"),
                "DEBUG2: check_http: http://192.168.6.42:80/index.html is up",
            ]
        );
        let down = joined(ended(&config, &probe, false, "404 Not Found"));
        assert_eq!(down[2], format!("DEBUG2: Disabled {server}"));
        assert!(down[3].ends_with(" is down"));
    }

    #[test]
    fn other_checks_and_shared_ones() {
        let section = |port, kind| {
            format!(
                "virtual=192.168.6.66:{port}\n    real=192.168.6.42:81 masq\n    checktype={kind}\n"
            )
        };
        let config = config(&format!(
            "checktimeout=3\n{}{}# end\n",
            section(80, "connect"),
            section(81, "connect")
        ));
        let probe = probe(&config);
        assert!(
            joined(begun(&config, &probe))[1]
                .starts_with("DEBUG3: Already checked: real server=connect")
        );
        assert_eq!(
            joined(ended(&config, &probe, false, "Connection refused"))[2],
            "DEBUG3: Deactivated service 192.168.6.42:81: Connection refused"
        );
        let up = joined(ended(&config, &probe, true, "-"));
        assert_eq!(up[0], "DEBUG3: Connected to 192.168.6.42 (port 81)");
        assert_eq!(up[3], "DEBUG3: Activated service 192.168.6.42:81");
    }
}
