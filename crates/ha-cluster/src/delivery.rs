//! From bytes to believed messages: digests, mandatory fields, sequence numbers, retransmission and acknowledgement
//! (`wire-protocol.md` 4.1, 5).

use std::time::Duration;

use ha_wire::{DecodeError, Message, Severity};

use crate::api::Class;
use crate::core::Core;
use crate::history::Lookup;
use crate::mutation::{Mutation, broken};
use crate::throttle::Cause;
use crate::tracking::Arrival;
use crate::{Level, MediumKind};

/// Re-sent messages per request at most (5.7).
const RESEND_MAX: u64 = 50;

/// Requests sent per peer and moment at most, so that a gap of hundreds does not become a burst of hundreds.
const REQUEST_MAX: usize = 50;

/// The first request waits this long at least: a legacy peer sends neighbours in swapped order (0.8).
const REQUEST_DELAY_MIN: Duration = Duration::from_millis(50);

/// Unacknowledged messages from which the history is reported to be filling up (5.9).
const HISTORY_WARN: u64 = 375;
/// The same, as an error.
const HISTORY_ERROR: u64 = 450;

/// What becomes of a message.
enum Verdict {
    /// It is for us and new.
    Deliver,
    /// Another link brought it already: not delivered, but the link lives (5.2 rule 7).
    Duplicate,
    /// Nothing of it counts.
    Drop,
}

impl Core {
    /// A datagram: any bytes from anybody.
    pub(crate) fn receive(&mut self, medium: usize, payload: &[u8]) {
        self.counters.received += 1;
        match ha_wire::decode_datagram(payload, &self.config.keys) {
            Ok(message) => self.process(&message, medium),
            Err(_) if broken(Mutation::UnsignedBelieved) => {
                if let Ok(message) = ha_wire::decode_plain(payload) {
                    self.process(&message, medium);
                }
            }
            Err(error) => self.refuse(&error, payload),
        }
    }

    fn refuse(&mut self, error: &DecodeError, packet: &[u8]) {
        self.counters.refused += 1;
        // A packet without one of the two start markers is none of our business (1.2).
        if !self.config.log_badpack || matches!(error, DecodeError::UnknownFraming) {
            return;
        }
        self.log_limited(Cause::BadPacket, || {
            error
                .legacy_lines(packet)
                .into_iter()
                .map(|(severity, text)| (level_of(severity), text))
                .collect()
        });
    }

    /// An authenticated message from a medium.
    fn process(&mut self, message: &Message, medium: usize) {
        let Some(spec) = self.config.media.get(medium) else {
            return;
        };
        let (medium_name, medium_kind) = (spec.name.clone(), spec.kind);
        let source = message.text("src").unwrap_or_default().to_owned();
        let kind = message.kind().unwrap_or_default().to_owned();
        let ts = message.hex("ts").unwrap_or(0);
        if source.is_empty() || ts == 0 || kind.is_empty() {
            self.bad_fields(
                message,
                format!(
                    "process_clustermsg: missing from/ts/type: iface {medium_name}, from {}",
                    or_unknown(&source)
                ),
            );
            return;
        }
        if !kind.starts_with("NS_") && !message.contains("seq") {
            self.bad_fields(
                message,
                format!("process_clustermsg: missing seqno: iface {medium_name}, from {source}"),
            );
            return;
        }
        if matches!(medium_kind, MediumKind::Ping | MediumKind::PingGroup)
            && !answers_ping(message, &medium_name, medium_kind)
        {
            return;
        }
        if self.is_us(&source) {
            self.receive_own(message, &medium_name);
            return;
        }
        if self.find(&source).is_none() {
            if self.join_stranger(&source) {
                return;
            }
            self.counters.unknown += 1;
            let dump = message.dump();
            self.log_limited(Cause::UnknownNode, || {
                let mut lines = vec![(
                    Level::Error,
                    format!("process_status_message: bad node [{source}] in message"),
                )];
                lines.extend(dump.into_iter().map(|line| (Level::Error, line)));
                lines
            });
            return;
        }
        self.learn_uuid(&source, message);
        match self.admit(&source, &kind, message) {
            Verdict::Drop => self.show(Class::Dropped, message),
            Verdict::Duplicate => {
                self.refresh_link(&source, &medium_name);
                self.show(Class::Duplicate, message);
            }
            Verdict::Deliver => {
                if let Some(node) = self.find_mut(&source) {
                    node.heard = true;
                }
                self.fencing_heard(&source);
                self.refresh_link(&source, &medium_name);
                self.dispatch(&source, &kind, message);
            }
        }
        self.try_comm_up();
    }

    /// A packet that carries our own name: the medium returned what we sent (`wire-protocol.md` 7.2), or somebody else
    /// uses our name.
    fn receive_own(&mut self, message: &Message, medium: &str) {
        let ours = message
            .binary("srcuuid")
            .is_none_or(|uuid| uuid == self.config.uuid)
            && message.hex("hg").unwrap_or(0) <= self.config.generation;
        if ours {
            // Only an echo of this very process shows that the link works; an older generation is a replay.
            let current = message.hex("hg") == Some(self.config.generation);
            if current && message.hex("seq").is_none_or(|seq| seq <= self.last_sent()) {
                let local = self.config.local.clone();
                self.refresh_link(&local, medium);
                self.show(Class::Duplicate, message);
            }
            return;
        }
        self.counters.own_name += 1;
        let local = self.config.local.clone();
        self.log_limited(Cause::OwnName, || {
            vec![(Level::Error, format!("another machine sends heartbeats as node {local}: two nodes may not share a name"))]
        });
    }

    fn bad_fields(&mut self, message: &Message, text: String) {
        self.counters.refused += 1;
        let dump = message.dump();
        self.log_limited(Cause::BadFields, || {
            let mut lines = vec![(Level::Error, text)];
            lines.extend(dump.into_iter().map(|line| (Level::Error, line)));
            lines
        });
    }

    /// Names decide who is who; the UUID is learned. (The legacy looks up by UUID first and renames nodes by it; see
    /// `docs/compatibility.md`.)
    fn learn_uuid(&mut self, source: &str, message: &Message) {
        let Some(uuid) = message
            .binary("srcuuid")
            .and_then(|uuid| <[u8; 16]>::try_from(uuid).ok())
        else {
            return;
        };
        if uuid == [0; 16] {
            return;
        }
        if uuid == self.config.uuid {
            let source = source.to_owned();
            self.log_limited(Cause::OwnName, || {
                vec![(Level::Error, format!("node {source} has the same uuid as this node: remove /var/lib/heartbeat/hb_uuid on one of them"))]
            });
            return;
        }
        let Some(node) = self.find_mut(source) else {
            return;
        };
        let known = node.uuid.replace(uuid);
        if known.is_some_and(|known| known != uuid) {
            let name = node.name.clone();
            // Two machines that share a name would say so with every packet.
            self.log_limited(Cause::Uuid, || {
                let text = format!("node {name} changed its uuid to {}", uuid_text(&uuid));
                vec![(Level::Info, text)]
            });
        }
    }

    /// The admission rules of `wire-protocol.md` 5.2, in order.
    fn admit(&mut self, source: &str, kind: &str, message: &Message) -> Verdict {
        if kind.starts_with("NS_") {
            if kind == "NS_nak_rexmit" {
                self.receive_nak(source, message);
                return Verdict::Drop;
            }
            let for_us = message.text("dest").is_none_or(|dest| self.is_us(dest));
            return if for_us {
                Verdict::Deliver
            } else {
                Verdict::Drop
            };
        }
        let (Some(seq @ 1..), Some(generation)) = (message.hex("seq"), generation_of(message))
        else {
            let field = if message.hex("seq").unwrap_or(0) == 0 {
                "sequence"
            } else {
                "generation"
            };
            self.bad_fields(message, format!("should_drop_message: bad {field} number"));
            return Verdict::Drop;
        };
        let for_us = match message.binary("destuuid") {
            Some(uuid) if uuid != [0; 16] => uuid == self.config.uuid,
            _ => message.text("dest").is_none_or(|dest| self.is_us(dest)),
        };
        let Some(node) = self.find(source) else {
            return Verdict::Drop;
        };
        if generation < node.generation && !broken(Mutation::FormerLifeBelieved) {
            let (known, source) = (node.generation, source.to_owned());
            self.counters.replayed += 1;
            self.log_limited(Cause::Replay, || {
                vec![(
                    Level::Error,
                    format!("should_drop_message: attempted replay attack [{source}]? [gen = {generation}, curgen = {known}]"),
                )]
            });
            return Verdict::Drop;
        }
        if generation > node.generation {
            // The legacy waits for a status to tell it; but that may be the packet that got lost.
            self.peer_restarted(source, generation, kind == "status");
        } else if kind == "status" && node.is_dead() && generation > 0 {
            if seq <= node.status_seq {
                return Verdict::Drop;
            }
            self.partition_healed(source);
        }
        let arrival = match self.find_mut(source) {
            Some(node) => node.tracking.arrive(seq),
            None => return Verdict::Drop,
        };
        let verdict = self.judge_arrival(source, seq, arrival);
        self.acknowledge(source);
        match verdict {
            Verdict::Deliver if !for_us => Verdict::Drop,
            verdict => verdict,
        }
    }

    fn judge_arrival(&mut self, source: &str, seq: u64, arrival: Arrival) -> Verdict {
        match arrival {
            Arrival::InSequence => Verdict::Deliver,
            Arrival::Duplicate => Verdict::Duplicate,
            Arrival::Old => Verdict::Drop,
            Arrival::Filled { complete } => {
                if complete {
                    self.info(format!("No pkts missing from {source}!"));
                }
                Verdict::Deliver
            }
            Arrival::Gap { after } => {
                self.counters.lost = self.counters.lost.saturating_add(seq - after - 1);
                self.warn(format!(
                    "{} lost packet(s) for [{source}] [{after}:{seq}]",
                    seq - after - 1
                ));
                let spread = self
                    .config
                    .max_rexmit_delay
                    .saturating_sub(REQUEST_DELAY_MIN);
                for missing in after + 1..seq {
                    let extra = self
                        .random
                        .below(u64::try_from(spread.as_millis()).unwrap_or(0) + 1);
                    let delay = REQUEST_DELAY_MIN.min(self.config.max_rexmit_delay)
                        + Duration::from_millis(extra);
                    let due = self.now.mono + delay;
                    if let Some(node) = self.find_mut(source) {
                        node.tracking.plan_request(missing, due);
                    }
                }
                Verdict::Deliver
            }
            Arrival::Flood { lost } => {
                self.counters.lost = self.counters.lost.saturating_add(lost);
                self.warn(format!(
                    "{lost} lost packet(s) for [{source}] [{}:{seq}]",
                    seq - lost - 1
                ));
                self.error("lost a lot of packets!");
                self.words_were_lost();
                Verdict::Deliver
            }
        }
    }

    fn acknowledge(&mut self, source: &str) {
        if !self.flow_control {
            return;
        }
        let Some(ack) = self
            .find_mut(source)
            .and_then(|node| node.tracking.acknowledge())
        else {
            return;
        };
        let mut message = Message::new();
        message.push("t", "NS_ackmsg");
        message.push("dest", source.to_ascii_lowercase());
        message.push("ackseq", format!("{ack:x}"));
        self.send(message);
    }

    /// Section 5.6.
    pub(crate) fn receive_ack(&mut self, source: &str, message: &Message) {
        if !message.text("dest").is_some_and(|dest| self.is_us(dest)) {
            return;
        }
        let Some(ack) = message.hex("ackseq") else {
            return;
        };
        let highest = self.last_sent();
        if ack > highest {
            self.log_limited(Cause::BadFields, || {
                vec![(
                    Level::Error,
                    format!("HBDoMsg_T_ACK: corrupted ackseq current hiseq = {highest} ackseq ={ack} in this message"),
                )]
            });
            return;
        }
        if let Some(node) = self.find_mut(source) {
            node.acknowledged = node.acknowledged.max(ack);
        }
    }

    /// What every live node has acknowledged (5.6).
    pub(crate) fn overall_acknowledged(&self) -> u64 {
        self.peers()
            .filter(|node| node.status.live())
            .map(|node| node.acknowledged.max(node.acknowledged_base))
            .min()
            .unwrap_or_else(|| self.last_sent())
    }

    /// Section 5.9: says when the others are far behind.
    pub(crate) fn watch_history(&mut self) {
        if !self.flow_control || self.peers().all(|node| !node.status.live()) {
            return;
        }
        let behind = self.last_sent().saturating_sub(self.overall_acknowledged());
        if behind > HISTORY_WARN {
            let level = if behind > HISTORY_ERROR {
                Level::Error
            } else {
                Level::Warn
            };
            self.log_limited(Cause::History, || {
                vec![(
                    level,
                    format!("Message hist queue is filling up ({behind} messages in queue)"),
                )]
            });
        }
    }

    // ---- Retransmission ------------------------------------------------------------------------------------------

    /// Asks for what is missing and due (5.4).
    pub(crate) fn request_missing(&mut self) {
        let repeat = self.config.max_rexmit_delay.max(Duration::from_millis(1));
        let now = self.now.mono;
        let mut requests = Vec::new();
        for node in &mut self.nodes {
            if node.status.live() {
                let due = node.tracking.due_requests(now, repeat, REQUEST_MAX);
                requests.extend(due.into_iter().map(|seq| (node.name.clone(), seq)));
            }
        }
        if broken(Mutation::NoRetransmission) {
            return;
        }
        for (name, seq) in requests {
            let mut message = Message::new();
            message.push("t", "NS_rexmit");
            message.push("dest", name);
            message.push("firstseq", seq.to_string());
            message.push("lastseq", seq.to_string());
            self.send(message);
        }
    }

    pub(crate) fn next_request(&self) -> Option<Duration> {
        self.nodes
            .iter()
            .filter(|node| node.status.live())
            .filter_map(|node| node.tracking.next_request())
            .min()
    }

    /// Section 5.7: somebody misses messages of ours.
    pub(crate) fn receive_rexmit(&mut self, source: &str, message: &Message) {
        if !message.text("dest").is_some_and(|dest| self.is_us(dest)) {
            return;
        }
        let (Some(first), Some(last)) = (message.decimal("firstseq"), message.decimal("lastseq"))
        else {
            self.bad_fields(message, "Invalid rexmit seqnos".to_owned());
            return;
        };
        let acknowledged = self.find(source).map_or(0, |node| node.acknowledged);
        let pause = self
            .config
            .max_rexmit_delay
            .saturating_sub(Duration::from_millis(10));
        let highest = self.last_sent();
        let newest_word = self
            .find(&self.config.local)
            .map_or(0, |node| node.resource_seq);
        let mut out_of_date = false;
        for seq in first.max(acknowledged + 1)..=last.min(first.saturating_add(RESEND_MAX - 1)) {
            if seq > highest {
                self.log_limited(Cause::Rexmit, || {
                    vec![(
                        Level::Warn,
                        format!("Rexmit of seq {seq} requested. {highest} is max."),
                    )]
                });
                break;
            }
            match self.history.again(seq, self.now.mono, pause) {
                Lookup::Found(sent) => {
                    self.counters.resent += 1;
                    out_of_date |= sent.word && seq < newest_word;
                    self.put_on_media(&sent);
                }
                Lookup::TooSoon => {}
                Lookup::TooLow => self.refuse_rexmit(source, seq, "seqno too low"),
                Lookup::NotFound => self.refuse_rexmit(source, seq, "seqno not found"),
            }
        }
        if out_of_date {
            self.old_word_went_out();
        }
    }

    fn refuse_rexmit(&mut self, source: &str, seq: u64, reason: &str) {
        let mut message = Message::new();
        message.push("t", "NS_nak_rexmit");
        message.push("firstseq", format!("{seq:x}"));
        message.push("dest", source.to_ascii_lowercase());
        message.push("info", reason);
        self.send(message);
        let acknowledged = self.find(source).map_or(0, |node| node.acknowledged);
        let (highest, lowest, overall) = (
            self.last_sent(),
            self.history.lowest(),
            self.overall_acknowledged(),
        );
        let lines = vec![
            (
                Level::Error,
                format!("Cannot rexmit pkt {seq} for {source}: {reason}"),
            ),
            (
                Level::Info,
                format!("fromnode ={source}, fromnode's ackseq = {acknowledged}"),
            ),
            (Level::Info, "hist information:".to_owned()),
            (
                Level::Info,
                format!("hiseq ={highest}, lowseq={lowest},ackseq={overall},lastmsg={highest}"),
            ),
        ];
        self.log_limited(Cause::Rexmit, || lines);
    }

    /// Section 5.8.
    fn receive_nak(&mut self, source: &str, message: &Message) {
        let Some(seq) = message.hex("firstseq") else {
            self.bad_fields(
                message,
                "should_drop_message: bad nak seq number".to_owned(),
            );
            return;
        };
        let for_us = message.text("dest").is_some_and(|dest| self.is_us(dest));
        let was_missing = self
            .find_mut(source)
            .is_some_and(|node| node.tracking.give_up(seq));
        if for_us && was_missing {
            self.error(format!(
                "Irretrievably lost packet: node {source} seq {seq}"
            ));
            self.words_were_lost();
        }
    }
}

fn level_of(severity: Severity) -> Level {
    match severity {
        Severity::Error => Level::Error,
        Severity::Warning => Level::Warn,
    }
}

/// `hg` missing counts as generation 0 (4.1); garbled is an error.
fn generation_of(message: &Message) -> Option<u64> {
    if message.contains("hg") {
        message.hex("hg")
    } else {
        Some(0)
    }
}

/// A reply on a ping medium counts only as the status of that medium's node (7.5).
fn answers_ping(message: &Message, medium: &str, kind: MediumKind) -> bool {
    let info = if kind == MediumKind::Ping {
        "ping"
    } else {
        "ping_group"
    };
    message.kind() == Some("NS_st")
        && message.text("info") == Some(info)
        && message
            .text("src")
            .is_some_and(|src| src.eq_ignore_ascii_case(medium))
}

fn or_unknown(name: &str) -> &str {
    if name.is_empty() { "?" } else { name }
}

fn uuid_text(uuid: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (i, byte) in uuid.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
