//! TLS.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use checks::{Settings, Verdict};
use ha_config::ldirectord::{Negotiate, Probe, ProbeKind, ServiceCheck, TlsVerify};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::bench::*;

struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Authority {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key).unwrap().pem();
        Authority {
            issuer: rcgen::Issuer::new(parameters, key),
            pem,
        }
    }

    fn config(&self, names: &[&str]) -> Arc<ServerConfig> {
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let parameters = rcgen::CertificateParams::new(names).unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(certificate)], key)
            .unwrap();
        Arc::new(config)
    }
}

type Names = Arc<Mutex<Vec<Option<String>>>>;

/// Answers each request, with or without the closing alert, and notes the names that were asked for.
fn server(config: Arc<ServerConfig>, answer: String, alert: bool) -> (Server, Names) {
    let names = Names::default();
    let noted = names.clone();
    let server = Server::raw(Ipv4Addr::LOCALHOST.into(), move |stream, heard| {
        let session = ServerConnection::new(config.clone()).unwrap();
        let mut tls = StreamOwned::new(session, stream.try_clone().unwrap());
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            match tls.read(&mut byte) {
                Ok(1) => request.push(byte[0]),
                _ => return,
            }
        }
        noted
            .lock()
            .unwrap()
            .push(tls.conn.server_name().map(str::to_owned));
        heard.lock().unwrap().push(request);
        let _ = tls.write_all(answer.as_bytes());
        if alert {
            tls.conn.send_close_notify();
        }
        let _ = tls.flush();
    });
    (server, names)
}

fn https(address: SocketAddr, virtual_host: Option<&str>, verify: TlsVerify) -> Probe {
    let negotiate = Negotiate {
        virtual_host: virtual_host.map(|name| name.as_bytes().to_vec()),
        tls: verify,
        ..negotiate(ServiceCheck::Https, "woshi$")
    };
    probe(address, ProbeKind::Negotiate(Box::new(negotiate)))
}

/// Without a length the page ends with the connection.
const OPEN: &str = "HTTP/1.1 200 OK\r\n\r\nwoshi";

#[test]
fn any_certificate_will_do_and_the_closing_alert_may_be_missing() {
    let config = Authority::new().config(&["some.other.name"]);
    for alert in [true, false] {
        let (server, names) = server(config.clone(), OPEN.to_owned(), alert);
        let verdict = check(&https(server.address, Some("www.x.org"), TlsVerify::No));
        assert_eq!(verdict, Verdict::up("200 OK"));
        assert_eq!(
            check(&https(server.address, None, TlsVerify::No)),
            Verdict::up("200 OK")
        );
        assert_eq!(*names.lock().unwrap(), [Some("www.x.org".to_owned()), None]);
    }
}

#[test]
fn a_page_larger_than_every_buffer() {
    let config = Authority::new().config(&["x"]);
    let page = format!("HTTP/1.1 200 OK\r\n\r\n{}woshi", "x".repeat(900_000));
    let (server, _) = server(config, page, true);
    assert_eq!(
        check(&https(server.address, None, TlsVerify::No)),
        Verdict::up("200 OK")
    );
}

struct CaFile(PathBuf);

impl CaFile {
    fn new(name: &str, text: &str) -> CaFile {
        let path = std::env::temp_dir().join(format!("checks-{name}-{}.pem", std::process::id()));
        std::fs::write(&path, text).unwrap();
        CaFile(path)
    }

    fn verify(&self) -> TlsVerify {
        TlsVerify::Yes {
            ca_file: Some(self.0.to_str().unwrap().to_owned()),
        }
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn verification_looks_at_chain_and_name() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let file = CaFile::new("ours", &ours.pem);
    let (server, _) = server(
        ours.config(&["www.x.org", "127.0.0.1"]),
        OPEN.to_owned(),
        true,
    );
    let good = |host| check(&https(server.address, host, file.verify()));
    assert_eq!(good(Some("www.x.org")), Verdict::up("200 OK"));
    assert_eq!(good(None), Verdict::up("200 OK"));
    let wrong = good(Some("www.y.org"));
    assert!(
        !wrong.up && wrong.text.contains("not valid for name"),
        "{wrong:?}"
    );
    let other = CaFile::new("theirs", &theirs.pem);
    let wrong = check(&https(server.address, Some("www.x.org"), other.verify()));
    assert!(
        !wrong.up && wrong.text.contains("invalid peer certificate"),
        "{wrong:?}"
    );
}

#[test]
fn authorities_that_cannot_be_read_are_down_and_read_again_after_a_reload() {
    let ours = Authority::new();
    let (server, _) = server(ours.config(&["127.0.0.1"]), OPEN.to_owned(), true);
    let file = CaFile::new("late", "no certificate");
    let mut it = Loop::with(Settings::default());
    let probe = https(server.address, None, file.verify());
    let verdict = it.check(&probe);
    assert!(
        !verdict.up && verdict.text.contains("cannot read certificate authorities"),
        "{verdict:?}"
    );
    std::fs::write(&file.0, &ours.pem).unwrap();
    assert!(!it.check(&probe).up);
    it.checker.forget_authorities();
    assert_eq!(it.check(&probe), Verdict::up("200 OK"));
}

#[test]
fn http_leads_to_https() {
    let (target, names) = server(Authority::new().config(&["x"]), OPEN.to_owned(), true);
    let location = format!("https://localhost:{}/", target.address.port());
    let redirecting = answering(format!(
        "HTTP/1.1 301 Moved\r\nLocation: {location}\r\n\r\n"
    ));
    assert_eq!(
        check(&http(redirecting.address, "woshi")),
        Verdict::up("200 OK")
    );
    assert_eq!(*names.lock().unwrap(), [Some("localhost".to_owned())]);
}

/// A server that refuses the version as one of 2008 would: with an alert, or by answering with its own version.
#[test]
fn a_server_of_old_times_is_remarked_upon() {
    let alert: &[u8] = &[21, 3, 1, 0, 2, 2, 70];
    let hello: Vec<u8> = {
        // ServerHello: version 3.1, random, no session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression.
        let mut body = vec![3, 1];
        body.extend([7; 32]);
        body.extend([0, 0, 0x2f, 0]);
        let mut message = vec![2, 0, 0, body.len() as u8];
        message.extend(body);
        let mut record = vec![22, 3, 1, 0, message.len() as u8];
        record.extend(message);
        record
    };
    for answer in [alert.to_vec(), hello] {
        let server = Server::raw(Ipv4Addr::LOCALHOST.into(), move |stream, _| {
            let mut hello = [0; 5];
            let _ = stream.read_exact(&mut hello);
            let _ = stream.write_all(&answer);
            hang(stream);
        });
        let verdict = check(&https(server.address, None, TlsVerify::No));
        assert!(!verdict.up);
        let remark = verdict.remark.as_deref().unwrap_or_default();
        assert!(remark.contains("nothing newer than TLS 1.1"), "{verdict:?}");
    }
}

#[test]
fn what_is_no_tls_at_all() {
    let server = Server::raw(Ipv4Addr::LOCALHOST.into(), |stream, _| {
        let _ = stream.write_all(b"220 mail ESMTP\r\n");
        hang(stream);
    });
    let verdict = check(&https(server.address, None, TlsVerify::No));
    assert!(!verdict.up && verdict.text.contains("TLS"), "{verdict:?}");
    let server = Server::raw(Ipv4Addr::LOCALHOST.into(), |stream, _| {
        let _ = stream.read(&mut [0; 1]);
        let _ = stream.read(&mut [0; 4096]);
    });
    let verdict = check(&https(server.address, None, TlsVerify::No));
    assert!(
        !verdict.up && verdict.text.contains("closed during the TLS handshake"),
        "{verdict:?}"
    );
}
