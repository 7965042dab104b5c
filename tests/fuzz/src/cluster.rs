//! The heartbeat core behind the decoder: what a peer that has the key, or a local client, may say.
//!
//! An input is a list of messages in string form; a byte between two of them is the time that passes, in units of 50 ms.
//! Jobs end at once and well. Whatever was said, the core goes on: it has a deadline, still sends statuses, and does not
//! grow without end.

use std::time::Duration;

use ha_cluster::{
    Action, ApiSettings, AutoFailback, AutoJoin, ClientId, Config, Core, Credentials, DeviceResult,
    FencingDevice, Input, Job, JobOutcome, MediumKind, MediumSpec, NodeKind, NodeSpec, Now, Report,
};
use ha_config::parse_ha_cf;
use ha_config::testing::FakeFacts;
use ha_wire::stream::{Framing, StreamReader};
use ha_wire::{
    CompressionSettings, Encoding, Key, KeyRing, MAX_MESSAGE, Message, Method, decode_plain,
    encode_client, encode_datagram, encode_plain,
};

use crate::Target;
use crate::seeds::{self, Seed};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "cluster_peer",
        run: peer,
        seeds: conversations,
        words,
        length_max: 4096,
    },
    Target {
        name: "cluster_client",
        run: client,
        seeds: sessions,
        words,
        length_max: 4096,
    },
    Target {
        name: "cluster_fifo",
        run: fifo,
        seeds: injections,
        words,
        length_max: 4096,
    },
];

/// More than any one input makes the core do.
const ACTIONS_MAX: usize = 5_000;

const HA_CF: &[u8] =
    b"keepalive 500ms\ndeadtime 5\nwarntime 2\ninitdead 6\nbcast eth0\nping 10.77.1.254\n\
auto_failback on\nnode alpha beta\napiauth default uid=root\napiauth ipfail uid=hacluster\n";

/// The node under test, and what it has said.
struct Subject {
    core: Core,
    now: Duration,
    /// Status messages so far.
    statuses: usize,
    over: bool,
}

impl Subject {
    /// `alpha`, started, beside a `beta` that was never heard.
    fn new(autojoin: AutoJoin) -> Subject {
        let facts = FakeFacts::new("alpha");
        let ha_cf = parse_ha_cf(HA_CF, "ha.cf", &facts).value;
        let rules = ha_cf.map(|ha_cf| ha_cf.apiauth).unwrap_or_default();
        let node = |name: &str, kind| NodeSpec {
            name: name.to_owned(),
            kind,
        };
        let config = Config {
            local: "alpha".to_owned(),
            uuid: [1; 16],
            generation: 1_700_000_000,
            nodes: vec![
                node("10.77.1.254", NodeKind::Ping),
                node("alpha", NodeKind::Normal),
                node("beta", NodeKind::Normal),
            ],
            media: vec![
                MediumSpec {
                    name: "eth0".to_owned(),
                    kind: MediumKind::Datagram,
                },
                MediumSpec {
                    name: "10.77.1.254".to_owned(),
                    kind: MediumKind::Ping,
                },
            ],
            keepalive: Duration::from_millis(500),
            deadtime: Duration::from_secs(5),
            deadping: Duration::from_secs(5),
            warntime: Duration::from_secs(2),
            initdead: Duration::from_secs(6),
            auto_failback: AutoFailback::On,
            autojoin,
            hopfudge: 1,
            max_rexmit_delay: Duration::from_millis(250),
            encoding: Encoding::String,
            compression: CompressionSettings::default(),
            keys: keys(),
            log_badpack: true,
            managed: autojoin == AutoJoin::None,
            restart: None,
            seed: 1,
            pid: 100,
            fencing: vec![FencingDevice {
                id: "device".to_owned(),
            }],
            api: ApiSettings {
                version: "2.1.4".to_owned(),
                parameters: Vec::new(),
                facility: Some(128),
                rules,
            },
        };
        let now = Duration::from_secs(100);
        let mut subject = Subject {
            core: Core::new(config, stamp(now)),
            now,
            statuses: 0,
            over: false,
        };
        subject.feed(Input::Start);
        subject
    }

    fn feed(&mut self, input: Input<'_>) {
        if self.over {
            return;
        }
        self.core.handle(stamp(self.now), input);
        let mut actions = 0;
        while let Some(action) = self.core.poll_action() {
            assert!(!self.over, "after the end: {action:?}");
            actions += 1;
            assert!(actions < ACTIONS_MAX, "it spins: {action:?}");
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Transmit { medium: 0, payload } => {
                assert!(payload.len() < MAX_MESSAGE);
                let sent = ha_wire::decode_datagram(&payload, &keys()).expect("our own packet");
                self.statuses += usize::from(sent.kind() == Some("status"));
            }
            Action::Log { text, .. } => {
                assert!(text.len() <= MAX_MESSAGE, "a line of {} bytes", text.len());
            }
            Action::StartJob { id, job } => {
                let outcome = match job {
                    Job::Reset { .. } | Job::CheckDevice { .. } => {
                        JobOutcome::Device(DeviceResult::Done)
                    }
                    Job::Notify(notification) if notification.kind != "status" => {
                        JobOutcome::NoHandler
                    }
                    _ => JobOutcome::Native(Report {
                        keys: vec!["A".to_owned()],
                        wanted: vec!["A".to_owned()],
                        owned: true,
                        failed: Vec::new(),
                    }),
                };
                // Nested: the end of one job is what starts the next one.
                self.feed(Input::JobEnded { id, outcome });
            }
            Action::StopClients => self.feed(Input::ClientsGone),
            Action::AuditClients => self.feed(Input::AuditClients { exists: |_| true }),
            Action::Exit(_) => self.over = true,
            _ => {}
        }
    }

    /// Time passes; timers are served when they are due.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.core.next_deadline().filter(|due| *due <= end) {
            if self.over {
                return;
            }
            // A deadline that has passed already is served once, now.
            self.now = due.max(self.now + Duration::from_millis(1)).min(end);
            self.feed(Input::Timer);
            if self.now == end {
                break;
            }
        }
        self.now = end;
    }

    /// It still lives, and has not grown without end.
    fn goes_on(&mut self) {
        let before = self.statuses;
        self.pass(Duration::from_secs(2));
        if !self.over {
            assert!(self.statuses > before, "no status for two seconds");
        }
        assert!(self.core.snapshot().nodes.len() < 200);
    }
}

fn stamp(now: Duration) -> Now {
    Now {
        mono: now,
        wall: 1_700_000_000 + now.as_secs(),
    }
}

fn keys() -> KeyRing {
    let mut keys = KeyRing::new();
    keys.insert(1, Key::new(Method::Crc, ""));
    keys.set_outbound(1);
    keys
}

/// The messages of an input, and how long it takes until each.
pub(crate) fn messages(bytes: &[u8]) -> Vec<(Duration, Message)> {
    let mut bodies = Vec::new();
    StreamReader::new(Framing::Any).feed(bytes, |body| bodies.push(body.to_vec()));
    let mut rest = bytes;
    bodies
        .iter()
        .take(64)
        .filter_map(|body| {
            let at = rest.windows(body.len()).position(|window| window == body)?;
            let pause = at.checked_sub(1).and_then(|before| rest.get(before));
            let units = pause.copied().filter(|byte| *byte != b'\n').unwrap_or(0);
            rest = &rest[at + body.len()..];
            let message = decode_plain(body).ok()?;
            Some((Duration::from_millis(50 * u64::from(units)), message))
        })
        .collect()
}

/// A peer that has the key says anything.
fn peer(bytes: &[u8]) {
    for autojoin in [AutoJoin::None, AutoJoin::Any] {
        let mut subject = Subject::new(autojoin);
        // As it is: without a good digest nothing comes of it.
        subject.feed(Input::Datagram {
            medium: 0,
            payload: bytes,
        });
        let settings = CompressionSettings::default();
        for (pause, mut message) in messages(bytes) {
            subject.pass(pause);
            message.remove("auth");
            let mut packet = Vec::new();
            let encoding = Encoding::String;
            if encode_datagram(&message, encoding, &keys(), &settings, &mut packet).is_ok() {
                let medium = usize::from(message.text("src") == Some("10.77.1.254"));
                subject.feed(Input::Datagram {
                    medium,
                    payload: &packet,
                });
            }
        }
        subject.goes_on();
    }
}

/// A local client says anything, first as root, then as nobody in particular.
fn client(bytes: &[u8]) {
    for uid in [0, 1000] {
        let mut subject = Subject::new(AutoJoin::None);
        subject.pass(Duration::from_secs(20));
        let client = ClientId(1);
        let peer = Credentials {
            pid: 4711,
            uid,
            gid: uid,
        };
        subject.feed(Input::ClientAccepted { client, peer });
        let exists = |pid: u32| pid != 99999;
        for (pause, message) in messages(bytes) {
            subject.pass(pause);
            let mut body = Vec::new();
            if encode_client(&message, Encoding::String, &mut body).is_ok() {
                subject.feed(Input::ClientMessage {
                    client,
                    body: &body,
                    exists,
                });
            }
        }
        subject.feed(Input::ClientMessage {
            client,
            body: bytes,
            exists,
        });
        subject.goes_on();
        assert!(subject.core.snapshot().clients.len() <= 1);
        if uid != 0 {
            let named = subject.core.snapshot().clients;
            assert!(
                named
                    .iter()
                    .all(|name| name == "4711" || name.parse::<u32>().is_ok()),
                "nobody in particular has no name: {named:?}"
            );
        }
    }
}

/// A script writes anything into the FIFO, alone and beside a peer that lives. Whatever it is, it goes out as ours.
fn fifo(bytes: &[u8]) {
    for with_peer in [false, true] {
        let mut subject = Subject::new(AutoJoin::None);
        let mut seq = 0;
        let mut hear_peer = |subject: &mut Subject, status: &str| {
            seq += 1;
            let fields = [
                ("t", "status"),
                ("st", status),
                ("dt", "1388"),
                ("protocol", "1"),
            ];
            let mut packet = Vec::new();
            let settings = CompressionSettings::default();
            let message = from_beta(seq, &fields);
            encode_datagram(&message, Encoding::String, &keys(), &settings, &mut packet)
                .expect("a status");
            subject.feed(Input::Datagram {
                medium: 0,
                payload: &packet,
            });
        };
        if with_peer {
            hear_peer(&mut subject, "up");
            hear_peer(&mut subject, "active");
        }
        for (pause, message) in messages(bytes) {
            subject.pass(pause);
            if with_peer {
                hear_peer(&mut subject, "active");
            }
            subject.feed(Input::Inject { message });
        }
        subject.goes_on();
    }
}

fn words() -> Vec<Vec<u8>> {
    let mut words = seeds::words(
        "t=status t=NS_st t=NS_ackmsg t=NS_rexmit t=ackmsg t=rexmit_request t=reqnodes t=repnodes t=addnode t=delnode \
         t=starting t=resource t=ask_resources t=hb_takeover t=ip-request t=ip-request-resp t=shutdone t=noop t=hbapi-req \
         t=hbapi-clstat t=query-cstatus t=respond-cstatus t=set-weight t=set-site src=alpha src=beta src=gamma \
         src=10.77.1.254 dest=alpha dest=beta st=up st=active st=dead st=init st=shutdown hg=65 seq=1 seq=2 seq=ff ts=65 \
         dt=1388 protocol=1 firstseq=1 lastseq=7 ackseq=1 rsc_hold=none rsc_hold=local rsc_hold=foreign rsc_hold=all \
         isstable=1 info=me info=other info=done reqtype=signon reqtype=signoff reqtype=setfilter reqtype=setsignal \
         reqtype=nodelist reqtype=nodestatus reqtype=nodetype reqtype=iflist reqtype=ifstatus reqtype=getparm \
         reqtype=getrsc reqtype=numnodes reqtype=hbclientstatus reqtype=set_sendqlen from_id=ipfail from_id=casual \
         to_id=ipfail pid=4711 uid=0 gid=0 fmask=ff signal=10 node=beta ifname=eth0 pname=deadtime nodelist=beta \
         ttl=3 ld=0.1 ok=OK ipaddr=A client_gen=0",
    );
    words.push(b"<<<\n>>>\n".to_vec());
    words.push(b"\n".to_vec());
    words
}

/// Messages written one behind the other.
pub(crate) fn written(messages: &[Message]) -> Vec<u8> {
    let mut text = Vec::new();
    for message in messages {
        let mut body = Vec::new();
        if encode_plain(message, Encoding::String, &mut body).is_ok() {
            text.extend(b"\x0a");
            text.extend(body);
        }
    }
    text
}

/// A message of these fields.
pub(crate) fn message(fields: &[(&str, &str)]) -> Message {
    let mut message = Message::new();
    for (name, value) in fields {
        message.push(name, value);
    }
    message
}

/// A message of `beta` with everything that each has.
fn from_beta(seq: u64, fields: &[(&str, &str)]) -> Message {
    let mut message = message(fields);
    for (name, value) in [
        ("src", "beta".to_owned()),
        ("seq", format!("{seq:x}")),
        ("hg", "65535f00".to_owned()),
        ("ts", format!("{:x}", 1_700_000_100 + seq)),
        ("ld", "0.10 0.05 0.01 1/100 999".to_owned()),
        ("ttl", "3".to_owned()),
    ] {
        message.push(name, value);
    }
    message
}

fn conversations() -> Vec<Seed> {
    let status = |seq, word| {
        from_beta(
            seq,
            &[
                ("t", "status"),
                ("st", word),
                ("dt", "1388"),
                ("protocol", "1"),
            ],
        )
    };
    let start = written(&[
        status(1, "init"),
        status(2, "up"),
        from_beta(3, &[("t", "starting")]),
        status(4, "active"),
        from_beta(
            5,
            &[
                ("t", "resource"),
                ("rsc_hold", "none"),
                ("isstable", "1"),
                ("info", ""),
            ],
        ),
        from_beta(
            6,
            &[("t", "ask_resources"), ("rsc_hold", "all"), ("info", "me")],
        ),
        from_beta(7, &[("t", "hb_takeover"), ("rsc_hold", "all")]),
    ]);
    let repair = written(&[
        status(1, "active"),
        status(9, "active"),
        from_beta(
            10,
            &[("t", "NS_rexmit"), ("firstseq", "1"), ("lastseq", "7")],
        ),
        from_beta(11, &[("t", "ackmsg"), ("dest", "alpha"), ("ackseq", "3")]),
        from_beta(12, &[("t", "reqnodes")]),
        from_beta(13, &[("t", "repnodes"), ("nodelist", "alpha beta gamma")]),
        from_beta(14, &[("t", "addnode"), ("nodelist", "gamma")]),
        from_beta(15, &[("t", "delnode"), ("nodelist", "gamma")]),
        from_beta(16, &[("t", "ip-request"), ("ipaddr", "A")]),
        from_beta(17, &[("t", "shutdone")]),
    ]);
    let mut found = vec![("start".to_owned(), start), ("repair".to_owned(), repair)];
    for (name, packet) in crate::wire::packets() {
        if let Ok(mut message) = decode_plain(&packet) {
            message.set("src", "beta");
            let mut body = written(&[message]);
            // A pause before it.
            body.insert(0, 20);
            body.remove(1);
            found.push((name, body));
        }
    }
    found
}

/// What a client says first and afterwards.
fn requests() -> Vec<Message> {
    let request = |fields: &[(&str, &str)]| {
        let mut request = message(&[
            ("t", "hbapi-req"),
            ("dest", "alpha"),
            ("pid", "4711"),
            ("from_id", "ipfail"),
        ]);
        for (name, value) in fields {
            request.push(name, value);
        }
        request
    };
    vec![
        request(&[("reqtype", "signon"), ("uid", "0"), ("gid", "0")]),
        request(&[("reqtype", "setfilter"), ("fmask", "ff")]),
        request(&[("reqtype", "setsignal"), ("signal", "10")]),
        request(&[("reqtype", "nodelist")]),
        request(&[("reqtype", "nodestatus"), ("node", "beta")]),
        request(&[("reqtype", "iflist"), ("node", "beta")]),
        request(&[
            ("reqtype", "ifstatus"),
            ("node", "beta"),
            ("ifname", "eth0"),
        ]),
        request(&[("reqtype", "getparm"), ("pname", "deadtime")]),
        request(&[("reqtype", "getrsc")]),
        request(&[
            ("reqtype", "hbclientstatus"),
            ("node", "alpha"),
            ("clientid", "ipfail"),
            ("timeout", "100"),
        ]),
        request(&[("reqtype", "set_sendqlen"), ("sendqlen", "100")]),
        message(&[
            ("t", "num_ping_nodes"),
            ("src", "alpha"),
            ("from_id", "ipfail"),
            ("num_ping", "1"),
        ]),
        request(&[("reqtype", "signoff")]),
    ]
}

/// What scripts write: `hb_standby`, `hb_takeover`, `ha_propagate` and the handlers.
fn injections() -> Vec<Seed> {
    let standby = [("t", "ask_resources"), ("rsc_hold", "all"), ("info", "me")];
    let takeover = [("t", "hb_takeover"), ("rsc_hold", "foreign")];
    let request = [("t", "ip-request"), ("ipaddr", "A"), ("dest", "beta")];
    let response = [
        ("t", "ip-request-resp"),
        ("ipaddr", "A"),
        ("ok", "OK"),
        ("dest", "beta"),
    ];
    let held = [("t", "resource"), ("rsc_hold", "all"), ("isstable", "1")];
    let added = [("t", "addnode"), ("nodelist", "gamma")];
    let weight = [("t", "set-weight"), ("node", "beta"), ("weight", "7")];
    let shapes: [(&str, &[(&str, &str)]); 7] = [
        ("standby", &standby),
        ("takeover", &takeover),
        ("request", &request),
        ("response", &response),
        ("held", &held),
        ("added", &added),
        ("weight", &weight),
    ];
    let mut found: Vec<Seed> = shapes
        .iter()
        .map(|(name, fields)| ((*name).to_owned(), written(&[message(fields)])))
        .collect();
    let all: Vec<Message> = shapes.iter().map(|(_, fields)| message(fields)).collect();
    found.push(("all".to_owned(), written(&all)));
    found
}

fn sessions() -> Vec<Seed> {
    let requests = requests();
    let mut found = vec![("session".to_owned(), written(&requests))];
    let sign_on = requests.first().cloned().unwrap_or_default();
    for (number, request) in requests.iter().enumerate() {
        found.push((
            format!("request-{number:02}"),
            written(&[sign_on.clone(), request.clone()]),
        ));
    }
    for (name, text) in seeds::files("crates/ha-cluster/tests/api/vectors", ".txt") {
        let said = recorded(&String::from_utf8_lossy(&text));
        if !said.is_empty() && said.len() < 4096 {
            found.push((name, said));
        }
    }
    found
}

/// The frames that the client of a recording sent: `[1] C>S`, then a field a line.
fn recorded(text: &str) -> Vec<u8> {
    let mut said = String::new();
    let mut inside = false;
    for line in text.lines() {
        if !line.starts_with("  ") {
            if inside {
                said.push_str("<<<\n");
            }
            inside = line.ends_with("C>S");
            if inside {
                said.push_str("\n>>>\n");
            }
        } else if inside {
            said.push_str(line.trim_start());
            said.push('\n');
        }
    }
    if inside {
        said.push_str("<<<\n");
    }
    said.replace("nodea", "alpha")
        .replace("nodeb", "beta")
        .into_bytes()
}

/// Bodies of frames as a client sends them.
pub(crate) fn client_bodies() -> Vec<Vec<u8>> {
    requests()
        .iter()
        .filter_map(|request| {
            let mut body = Vec::new();
            encode_client(request, Encoding::String, &mut body).ok()?;
            Some(body)
        })
        .collect()
}
