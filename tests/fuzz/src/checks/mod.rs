//! What servers answer to the checks. The first bytes of an input are what the server says; the last ones, how it comes.
//!
//! ```text
//! | what the server says ...          | place | place | ... | count |
//!                                       0x80: on the side connection, or after a pause
//!                                       0x7f: where the text is cut, in 127ths of it
//! ```

mod answers;
mod server;

use ::checks::{Environment, Pattern, Seed as CheckSeed, conversation};
use ha_config::ldirectord::{HttpMethod, Negotiate, Password, ServiceCheck, TlsVerify};
use ipvs::Protocol;

use crate::Target;
use crate::seeds::{self, Seed};
use server::{Delivery, Server};

pub(crate) const TARGETS: &[Target] = &[
    target("check_dns", dns, answers::dns),
    target("check_ftp", ftp, answers::ftp),
    target("check_http", http, answers::http),
    target("check_imap", imap, answers::imap),
    target("check_ldap", ldap, answers::ldap),
    target("check_mysql", mysql, answers::mysql),
    target("check_nntp", nntp, answers::nntp),
    target("check_pgsql", pgsql, answers::pgsql),
    target("check_pop", pop, answers::pop),
    target("check_radius", radius, answers::radius),
    target("check_simpletcp", simpletcp, answers::simpletcp),
    target("check_sip", sip, answers::sip),
    target("check_smtp", smtp, answers::smtp),
    Target {
        name: "check_pattern",
        run: pattern,
        seeds: patterns,
        words: pattern_words,
        length_max: 512,
    },
];

const fn target(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Seed>) -> Target {
    Target {
        name,
        run,
        seeds,
        words: answers::words,
        length_max: 4096,
    }
}

/// Random numbers of a check, here always the same.
const SEED: CheckSeed = *b"0123456789abcdef0123456789abcdef";

fn negotiate(service: ServiceCheck, request: &str, receive: &str) -> Negotiate {
    Negotiate {
        service,
        transport: Protocol::Tcp,
        request: request.into(),
        own_request: false,
        receive: receive.into(),
        http_method: HttpMethod::Get,
        virtual_host: None,
        login: b"check".to_vec(),
        password: Password::new("open sesame"),
        database: b"shop".to_vec(),
        secret: Password::new("xyzzy5461"),
        tls: TlsVerify::No,
    }
}

/// Plays the server of the input against a check.
fn play(input: &[u8], negotiate: &Negotiate, port: u16) {
    let environment = Environment {
        host_name: "director".to_owned(),
        search: vec!["example.com".to_owned()],
        ndots: 1,
    };
    let begin = || {
        let address = server::ADDRESS.into();
        conversation(negotiate, address, port, &SEED, &environment).expect("a check that can begin")
    };
    let delivery = Delivery::of(input);
    let in_pieces = Server::new(begin(), negotiate.service).play(&delivery);
    let at_once = Server::new(begin(), negotiate.service).play(&delivery.at_once());
    // How a stream is cut into packets is no statement of the server.
    if in_pieces.plain && at_once.plain && delivery.is_stream() {
        assert_eq!(in_pieces.verdict, at_once.verdict);
        assert_eq!(in_pieces.said, at_once.said);
    }
}

fn dns(input: &[u8]) {
    let mut check = negotiate(ServiceCheck::Dns, "www.example.com", "192.0.2.7");
    check.transport = Protocol::Udp;
    play(input, &check, 53);
    check.transport = Protocol::Tcp;
    play(input, &check, 53);
}

fn ftp(input: &[u8]) {
    play(
        input,
        &negotiate(ServiceCheck::Ftp, "/check.txt", "all is well"),
        21,
    );
}

fn http(input: &[u8]) {
    play(
        input,
        &negotiate(ServiceCheck::Http, "/index.html", "OK"),
        80,
    );
    let mut head = negotiate(ServiceCheck::HttpProxy, "/http://www.example.com/", "");
    head.http_method = HttpMethod::Head;
    play(input, &head, 3128);
}

fn imap(input: &[u8]) {
    play(input, &negotiate(ServiceCheck::Imap, "/", ""), 143);
}

fn ldap(input: &[u8]) {
    play(
        input,
        &negotiate(ServiceCheck::Ldap, "/dc=example,dc=com", "domain"),
        389,
    );
}

fn mysql(input: &[u8]) {
    play(
        input,
        &negotiate(ServiceCheck::Mysql, "/SELECT 1", ""),
        3306,
    );
}

fn nntp(input: &[u8]) {
    play(input, &negotiate(ServiceCheck::Nntp, "/", ""), 119);
}

fn pgsql(input: &[u8]) {
    play(
        input,
        &negotiate(ServiceCheck::Pgsql, "/SELECT 1", ""),
        5432,
    );
}

fn pop(input: &[u8]) {
    play(input, &negotiate(ServiceCheck::Pop, "/", ""), 110);
}

fn radius(input: &[u8]) {
    play(input, &negotiate(ServiceCheck::Radius, "/", ""), 1812);
}

fn simpletcp(input: &[u8]) {
    play(
        input,
        &negotiate(ServiceCheck::SimpleTcp, "/hello\\r\\n", "^OK [0-9]+"),
        7,
    );
}

fn sip(input: &[u8]) {
    let mut check = negotiate(ServiceCheck::Sip, "/", "");
    play(input, &check, 5060);
    check.transport = Protocol::Udp;
    play(input, &check, 5060);
}

fn smtp(input: &[u8]) {
    play(input, &negotiate(ServiceCheck::Smtp, "/", ""), 25);
}

/// A pattern, NUL, a text. Both engines end, and a text matches the same way twice.
fn pattern(input: &[u8]) {
    let cut = input.iter().position(|byte| *byte == 0);
    let (receive, text) = input.split_at(cut.unwrap_or(input.len()));
    // Compiled patterns are remembered for each thread: one of its own forgets them again.
    let checked = std::thread::scope(|scope| {
        scope
            .spawn(|| match Pattern::compile(receive) {
                Ok(pattern) => assert_eq!(pattern.matches(text), pattern.matches(text)),
                Err(error) => assert!(!error.to_string().is_empty()),
            })
            .join()
    });
    assert!(checked.is_ok());
}

fn patterns() -> Vec<Seed> {
    seeds::texts(&[
        b"OK\0it is OK",
        b"^HTTP/1\\.[01] 200\\b.*(?:yes|no)$\0HTTP/1.1 200 fine, yes",
        b"(?i)test\\s+page\0TEST  page",
        b"(\\w+) \\1\0the the",
        b"(?<=a)b(?!c)\0abd",
        b"[[:alpha:]]+\\x41\\Q.*\\E\0bcA.*",
        b"a{2,5}+?\0aaaa",
        b"\\p{Lu}\\d\\h\\R\0A1 \r\n",
        b"(a*)*b\0aaaaaaaaaaaaaaaaaaaaaaaaac",
    ])
}

fn pattern_words() -> Vec<Vec<u8>> {
    seeds::words(
        "(?i) (?: (?= (?! (?<= (?<! (?> (?<n> \\1 \\k<n> \\g{1} [[:alpha:]] [^a-z] \\Q \\E \\x{41} \\x41 \\d \\w \\s \\b \\h \\R \\z \\A \\G \
         \\p{L} {2,5} *+ ++ ?? .* | ^ $ (?#c) (?x) (?s) (?m) \\N{U+41} \\c[ \\0 \\017 [a-\\d] &&",
    )
}
