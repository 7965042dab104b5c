//! What only some protocols ask of the driver, by conversations made for that.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use ha_config::ldirectord::TlsVerify;
use ha_sys::clock::monotonic;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::{Effect, Effects, Event, Host, Target, Transport};

/// A conversation that is a function.
struct Script<F>(SocketAddr, F);

impl<F: FnMut(Event<'_>, &mut Effects)> Conversation for Script<F> {
    fn target(&self) -> Target {
        Target {
            address: Host::Address(self.0.ip()),
            port: self.0.port(),
            transport: Transport::Tcp,
        }
    }

    fn handle(&mut self, event: Event<'_>, effects: &mut Effects) {
        (self.1)(event, effects);
    }
}

fn run(address: SocketAddr, script: impl FnMut(Event<'_>, &mut Effects) + 'static) -> Verdict {
    let (mut poller, mut checker) = (Poller::new().unwrap(), Checker::new(Settings::default()));
    let limit = Duration::from_secs(30);
    checker.converse(
        monotonic(),
        1,
        Box::new(Script(address, script)),
        limit,
        &poller,
    );
    let mut ready = Vec::new();
    loop {
        match checker.poll_outcome() {
            Some((1, Outcome::Verdict(verdict))) => return verdict,
            Some(other) => panic!("{other:?}"),
            None => {}
        }
        poller.wait(checker.next_deadline(), &mut ready).unwrap();
        for ready in ready.drain(..) {
            checker.ready(monotonic(), ready, &poller);
        }
        checker.timer(monotonic(), &poller);
    }
}

fn server_config() -> Arc<ServerConfig> {
    let made = rcgen::generate_simple_self_signed(vec!["x".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
    Arc::new(config)
}

/// As databases do it: a question in the clear, and TLS if the server agrees.
#[test]
fn tls_begins_in_the_middle() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut question = [0; 4];
        stream.read_exact(&mut question).unwrap();
        stream.write_all(b"S").unwrap();
        let session = ServerConnection::new(server_config()).unwrap();
        let mut tls = StreamOwned::new(session, stream);
        let mut said = [0; 6];
        tls.read_exact(&mut said).unwrap();
        tls.write_all(b"welcome").unwrap();
        tls.flush().unwrap();
        (question, said)
    });
    let mut heard = Vec::new();
    let verdict = run(address, move |event, effects| match event {
        Event::Connected { .. } => effects.send("tls?"),
        Event::Data(b"S") if heard.is_empty() => {
            heard.push(b'S');
            effects.push(Effect::StartTls {
                server_name: None,
                verify: TlsVerify::No,
            });
        }
        Event::TlsStarted => effects.send("secret"),
        Event::Data(bytes) => {
            heard.extend_from_slice(bytes);
            if heard == b"Swelcome" {
                effects.done(Verdict::up("-"));
            }
        }
        other => effects.done(Verdict::down(format!("{other:?}"))),
    });
    assert_eq!(verdict, Verdict::up("-"));
    assert_eq!(server.join().unwrap(), (*b"tls?", *b"secret"));
}

#[test]
fn whoever_wants_to_be_woken_is_and_a_new_wish_replaces_the_old() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let begin = monotonic();
    let mut woken = 0;
    let verdict = run(address, move |event, effects| match event {
        Event::Connected { .. } => {
            effects.push(Effect::Wake(Duration::ZERO));
            effects.push(Effect::Wake(Duration::from_millis(30)));
        }
        Event::Woken if woken < 3 => {
            woken += 1;
            effects.push(Effect::Wake(Duration::ZERO));
        }
        Event::Woken => effects.done(Verdict::up("-")),
        other => effects.done(Verdict::down(format!("{other:?}"))),
    });
    assert_eq!(verdict, Verdict::up("-"));
    assert!(monotonic() - begin >= Duration::from_millis(30));
}

#[test]
fn the_sending_side_can_be_closed_alone() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(&all).unwrap();
        all.len()
    });
    // More than fits into the system's buffers at once.
    let size = 8 << 20;
    let mut echoed = 0;
    let verdict = run(address, move |event, effects| match event {
        Event::Connected { .. } => {
            effects.send(vec![b'x'; size]);
            effects.push(Effect::FinishSending);
        }
        Event::Data(bytes) => echoed += bytes.len(),
        Event::Closed => effects.done(Verdict::up(echoed.to_string())),
        other => effects.done(Verdict::down(format!("{other:?}"))),
    });
    assert_eq!(server.join().unwrap(), size);
    assert_eq!(verdict, Verdict::up(size.to_string()));
}

/// A name stands for several addresses; the second one is tried when nobody listens at the first.
#[test]
fn every_address_of_a_name_is_tried() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (poller, mut checker) = (Poller::new().unwrap(), Checker::new(Settings::default()));
    let script = Script(
        address,
        |event: Event<'_>, effects: &mut Effects| match event {
            Event::Connected { .. } => effects.done(Verdict::up("-")),
            other => effects.done(Verdict::down(format!("{other:?}"))),
        },
    );
    struct ByName<C>(C, u16);
    impl<C: Conversation> Conversation for ByName<C> {
        fn target(&self) -> Target {
            Target {
                address: Host::Name("two.addresses.invalid".to_owned()),
                port: self.1,
                transport: Transport::Tcp,
            }
        }
        fn handle(&mut self, event: Event<'_>, effects: &mut Effects) {
            self.0.handle(event, effects);
        }
    }
    let by_name = ByName(script, address.port());
    let limit = Duration::from_secs(30);
    checker.converse(monotonic(), 1, Box::new(by_name), limit, &poller);
    // The resolver's answer is given here, before its threads can say that there is no such name.
    let slot = checker.ids[&1];
    let answer = Ok(vec![
        Ipv4Addr::new(127, 0, 0, 99).into(),
        Ipv4Addr::LOCALHOST.into(),
    ]);
    checker.drive(monotonic(), slot, &poller, |talk, tools| {
        talk.looked_up(answer, tools)
    });
    let (mut poller, mut ready) = (poller, Vec::new());
    loop {
        if let Some((_, outcome)) = checker.poll_outcome() {
            assert_eq!(outcome, Outcome::Verdict(Verdict::up("-")));
            return;
        }
        poller.wait(checker.next_deadline(), &mut ready).unwrap();
        for ready in ready.drain(..) {
            checker.ready(monotonic(), ready, &poller);
        }
        checker.timer(monotonic(), &poller);
    }
}
