//! What to check, and running checks inside a host's network.
//!
//! The harness writes one check per line to a second life of this program, as `key=value` words separated by
//! [`SEPARATOR`]; that one runs all of them at once on one loop and writes one line for each when all have ended.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::net::IpAddr;
use std::process::Stdio;
use std::time::Duration;

use checks::{Checker, Outcome, Settings};
use ha_config::ldirectord::{
    HttpMethod, Negotiate, Password, Probe, ProbeKind, ServiceCheck, TlsVerify,
};
use ha_lab::{LabError, Result};
use ha_sys::{Poller, clock};
use ipvs::Protocol;

use crate::site::Site;

/// The first argument of the process that checks.
const MARKER: &str = "--run-checks";
/// Between the words of a check.
const SEPARATOR: char = '\x1f';

/// All services that can be spoken.
const SERVICES: &[ServiceCheck] = &[
    ServiceCheck::Dns,
    ServiceCheck::Ftp,
    ServiceCheck::Http,
    ServiceCheck::Https,
    ServiceCheck::HttpProxy,
    ServiceCheck::Imap,
    ServiceCheck::Imaps,
    ServiceCheck::Ldap,
    ServiceCheck::Ldaps,
    ServiceCheck::Mysql,
    ServiceCheck::Nntp,
    ServiceCheck::Pgsql,
    ServiceCheck::Pop,
    ServiceCheck::Pops,
    ServiceCheck::Radius,
    ServiceCheck::SimpleTcp,
    ServiceCheck::Sip,
    ServiceCheck::Smtp,
    ServiceCheck::Submission,
];

/// One check, as the directives of ldirectord.cf name its parts.
#[derive(Clone, Debug)]
pub struct Check {
    words: HashMap<&'static str, String>,
}

impl Check {
    /// A check of the service on this port of 127.0.0.1, within 10 s.
    pub fn new(service: ServiceCheck, port: u16) -> Check {
        let check = Check {
            words: HashMap::new(),
        };
        check
            .with("service", service.word())
            .with("port", &port.to_string())
            .with("address", "127.0.0.1")
            .timeout(ha_lab::seconds(10))
            .request("/")
    }

    fn with(mut self, key: &'static str, value: &str) -> Check {
        self.words.insert(key, value.to_owned());
        self
    }

    /// Another address.
    pub fn address(self, address: &str) -> Check {
        self.with("address", address)
    }

    /// Another time limit.
    pub fn timeout(self, limit: Duration) -> Check {
        self.with("timeout", &limit.as_millis().to_string())
    }

    /// The service is virtual over UDP.
    pub fn udp(self) -> Check {
        self.with("transport", "udp")
    }

    /// `request`, with its leading slash.
    pub fn request(self, request: &str) -> Check {
        self.with("request", request)
    }

    /// `receive`.
    pub fn receive(self, receive: &str) -> Check {
        self.with("receive", receive)
    }

    /// `login` and `passwd`.
    pub fn login(self, login: &str, password: &str) -> Check {
        self.with("login", login).with("passwd", password)
    }

    /// `database`.
    pub fn database(self, database: &str) -> Check {
        self.with("database", database)
    }

    /// `secret`.
    pub fn secret(self, secret: &str) -> Check {
        self.with("secret", secret)
    }

    /// The certificate has to be good, by the authorities in this file.
    pub fn authorities(self, file: &str) -> Check {
        self.with("authorities", file)
    }

    /// `virtualhost`.
    pub fn virtual_host(self, name: &str) -> Check {
        self.with("virtualhost", name)
    }

    fn line(&self) -> String {
        let words: Vec<String> = self
            .words
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        words.join(&SEPARATOR.to_string())
    }
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The service works.
    pub up: bool,
    /// In words.
    pub text: String,
}

/// Runs all checks at once in the network of the site's host.
///
/// # Errors
/// When the process that checks fails.
pub fn run(site: &Site, checks: &[Check]) -> Result<Vec<Answer>> {
    let mut child = site
        .second_life(&[MARKER])?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| LabError::Io("starting checks".into(), error))?;
    let mut stdin = child.stdin.take();
    for check in checks {
        if let Some(stdin) = &mut stdin {
            let _ = writeln!(stdin, "{}", check.line());
        }
    }
    drop(stdin);
    // The process ends by itself: every check has a time limit.
    let output = child
        .wait_with_output()
        .map_err(|error| LabError::Io("waiting for checks".into(), error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let answers: Vec<Answer> = text.lines().filter_map(answer).collect();
    if answers.len() == checks.len() {
        return Ok(answers);
    }
    Err(LabError::Command(format!(
        "{} answers to {} checks: {text}",
        answers.len(),
        checks.len()
    )))
}

fn answer(line: &str) -> Option<Answer> {
    let (state, text) = line.split_once(' ')?;
    Some(Answer {
        up: state == "up",
        text: text.to_owned(),
    })
}

/// Runs checks and exits if this process was started for it; returns at once otherwise.
pub fn run_if_checker() {
    if std::env::args().nth(1).as_deref() != Some(MARKER) {
        return;
    }
    let lines = std::io::stdin().lock().lines();
    let probes: Vec<Probe> = lines
        .map_while(std::result::Result::ok)
        .map(|line| probe(&line))
        .collect();
    for outcome in outcomes(&probes) {
        let (state, verdict) = match outcome {
            Some(Outcome::Verdict(verdict)) => {
                let remark = verdict.remark.unwrap_or_default();
                let state = if verdict.up { "up" } else { "down" };
                (state, format!("{} {remark}", verdict.text))
            }
            Some(Outcome::Local(text)) => ("local", text),
            None => ("none", "no outcome".to_owned()),
        };
        println!("{state} {}", verdict.replace(['\n', '\r'], " ").trim_end());
    }
    std::process::exit(0);
}

/// The dull loop around the checker, as the program has it.
fn outcomes(probes: &[Probe]) -> Vec<Option<Outcome>> {
    let mut poller = Poller::new().expect("a poller");
    let mut checker = Checker::new(Settings::default());
    let mut outcomes = vec![None; probes.len()];
    let mut ready = Vec::new();
    for (id, probe) in probes.iter().enumerate() {
        checker.start(clock::monotonic(), id as u64, probe, &poller);
    }
    loop {
        while let Some((id, outcome)) = checker.poll_outcome() {
            outcomes[id as usize] = Some(outcome);
        }
        if checker.running() == 0 {
            return outcomes;
        }
        poller
            .wait(checker.next_deadline(), &mut ready)
            .expect("waiting");
        for ready in ready.drain(..) {
            checker.ready(clock::monotonic(), ready, &poller);
        }
        checker.timer(clock::monotonic(), &poller);
    }
}

fn probe(line: &str) -> Probe {
    let words: HashMap<&str, &str> = line
        .split(SEPARATOR)
        .filter_map(|word| word.split_once('='))
        .collect();
    let text = |key: &str| words.get(key).copied().unwrap_or_default();
    let bytes = |key: &str| text(key).as_bytes().to_vec();
    let service = SERVICES
        .iter()
        .copied()
        .find(|service| service.word() == text("service"))
        .expect("a known service");
    Probe {
        address: text("address").parse::<IpAddr>().expect("an address"),
        port: text("port").parse().expect("a port"),
        timeout: ha_lab::millis(text("timeout").parse().expect("a time")),
        kind: ProbeKind::Negotiate(Box::new(Negotiate {
            service,
            transport: if text("transport") == "udp" {
                Protocol::Udp
            } else {
                Protocol::Tcp
            },
            request: bytes("request"),
            own_request: false,
            receive: bytes("receive"),
            http_method: HttpMethod::Get,
            virtual_host: words
                .contains_key("virtualhost")
                .then(|| bytes("virtualhost")),
            login: bytes("login"),
            password: Password::new(bytes("passwd")),
            database: bytes("database"),
            secret: Password::new(bytes("secret")),
            tls: match text("authorities") {
                "" => TlsVerify::No,
                file => TlsVerify::Yes {
                    ca_file: Some(file.to_owned()),
                },
            },
        })),
    }
}
