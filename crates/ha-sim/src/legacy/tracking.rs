//! Which message is believed, what is asked for again, and what is acknowledged (`wire-protocol.md` 5.2 to 5.8).

use std::time::Duration;

use ha_wire::{Message, decode_datagram};

use super::history::Answer;
use super::peer::Word;
use super::{Action, Model, Version};

/// `max_rexmit_delay`, which nobody changes here.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// What becomes of a message.
enum Verdict {
    Drop,
    /// Known already: it refreshes the link, no more (rule 7).
    Again,
    Deliver,
}

impl Model {
    pub(super) fn receive(&mut self, medium: usize, payload: &[u8]) {
        // What is not signed is dropped, and not answered (3.5).
        if let Ok(message) = decode_datagram(payload, &self.settings.keys) {
            self.process(&message, Some(medium));
        }
    }

    /// A message of somebody, or our own on its way out (no medium).
    pub(super) fn process(&mut self, message: &Message, medium: Option<usize>) {
        let kind = message.kind().unwrap_or_default().to_owned();
        let source = message.text("src").and_then(|name| self.place(name));
        let (Some(from), true) = (source, message.hex("ts").is_some_and(|ts| ts != 0)) else {
            // Unknown senders (6.10) and messages without the necessary (4.1).
            return;
        };
        if let Some(uuid) = message
            .binary("srcuuid")
            .and_then(|uuid| uuid.try_into().ok())
        {
            // A known name with another UUID is accepted (8.4).
            self.peers[from].uuid = uuid;
        }
        let verdict = self.admit(from, message, &kind);
        if let (Some(medium), Verdict::Again | Verdict::Deliver) = (medium, &verdict) {
            self.refresh_link(from, medium);
        }
        if !matches!(verdict, Verdict::Deliver) {
            return;
        }
        self.peers[from].heard = true;
        self.dispatch(from, &kind, message);
        self.check_standby_deadline();
        self.check_communication();
    }

    fn dispatch(&mut self, from: usize, kind: &str, message: &Message) {
        if from != self.settings.local && matches!(kind, "starting" | "resource" | "shutdone") {
            // Quirk: whatever comes last is the latest word, although another one was sent after it.
            let seq = message.hex("seq").unwrap_or(0);
            self.words = (self.words.0.max(seq), seq);
        }
        match kind {
            "status" => self.hear_status(from, message),
            "NS_ackmsg" => self.acknowledged(from, message),
            "NS_rexmit" => self.asked_again(from, message),
            "reqnodes" => self.answer_reqnodes(from),
            "repnodes" => self.nodes_told(),
            "shutdone" => self.hear_shutdone(from),
            // The rest only once communication is up (2.4).
            _ if !self.comm_up => {
                self.deaf |=
                    from == self.settings.local && matches!(kind, "ip-request-resp" | "resource");
            }
            "starting" => self.hear_starting(from),
            "resource" => self.hear_resource(from, message),
            "ask_resources" => self.hear_ask_resources(from, message),
            _ => self.notify(from, message),
        }
    }

    /// The rules of 5.2 in their order.
    fn admit(&mut self, from: usize, message: &Message, kind: &str) -> Verdict {
        let own = self.own_name();
        let dest_is_us = message.text("dest").is_none_or(|dest| dest == own);
        if kind.starts_with("NS_") {
            if kind == "NS_nak_rexmit" {
                self.refused(from, message);
                return Verdict::Drop;
            }
            return if dest_is_us {
                Verdict::Deliver
            } else {
                Verdict::Drop
            };
        }
        let Some(seq) = message.hex("seq").filter(|&seq| seq > 0) else {
            return Verdict::Drop;
        };
        let generation = message.hex("hg").unwrap_or(0);
        let to_us = match message.binary("destuuid") {
            Some(uuid) if uuid != [0; 16] => uuid == self.settings.uuid,
            _ => dest_is_us,
        };
        let deliver = if to_us {
            Verdict::Deliver
        } else {
            Verdict::Drop
        };
        if generation < self.peers[from].generation {
            self.log(format!(
                "attempted replay attack [{}]",
                self.settings.nodes[from]
            ));
            return Verdict::Drop;
        }
        // Only statuses tell of a new life (5.2, rule 5); whatever else it says is heard, and its numbers are judged by the
        // old ones.
        let mut renumbers = false;
        if kind == "status" {
            let peer = &mut self.peers[from];
            if generation == peer.generation && generation > 0 && peer.status == Word::Dead {
                if seq <= peer.status_seq {
                    return Verdict::Drop;
                }
                renumbers = true;
                if from != self.settings.local {
                    self.partition_healed(from);
                }
            } else if generation > peer.generation {
                let restarted = peer.generation > 0;
                peer.generation = generation;
                peer.status_ts = 0;
                peer.status_seq = 0;
                peer.fresh = true;
                peer.has_resources = true;
                self.words = (0, 0);
                let peer = &mut self.peers[from];
                renumbers = true;
                if self.settings.version == Version::V3_0 {
                    peer.last_seq = None;
                    peer.missing.clear();
                }
                if restarted {
                    self.log(format!(
                        "Heartbeat restart on node {}",
                        self.settings.nodes[from]
                    ));
                }
            }
        }
        match self.peers[from].last_seq {
            None => self.in_sequence(from, seq),
            Some(last) if seq == last + 1 => self.in_sequence(from, seq),
            Some(last) if seq == last => return Verdict::Again,
            Some(last) if seq > last => self.gap(from, last, seq),
            Some(last) => {
                if self.peers[from].missing.remove(&seq).is_some() {
                    self.gap_filled(from, seq, last);
                } else if renumbers {
                    self.peers[from].missing.clear();
                    self.in_sequence(from, seq);
                } else {
                    return Verdict::Drop;
                }
            }
        }
        deliver
    }

    fn in_sequence(&mut self, from: usize, seq: u64) {
        let peer = &mut self.peers[from];
        peer.last_seq = Some(seq);
        let trigger = peer.ack_trigger;
        if peer.missing.is_empty() && seq % 10 == trigger {
            self.acknowledge(from, seq);
        }
    }

    /// Some were not heard (rule 8). This one is believed at once: the order is not restored.
    fn gap(&mut self, from: usize, last: u64, seq: u64) {
        let lost = seq - last - 1;
        let limit = match self.settings.version {
            Version::V2_1 => 500,
            Version::V3_0 => 250,
        };
        if lost > limit {
            self.log("lost a lot of packets!");
            let peer = &mut self.peers[from];
            peer.missing.clear();
            peer.last_seq = Some(seq);
            return;
        }
        for number in last + 1..seq {
            let delay = match self.settings.version {
                Version::V2_1 => Duration::ZERO,
                Version::V3_0 => Duration::from_millis(50 + self.random.below(200)),
            };
            let at = self.now + delay;
            self.peers[from].missing.insert(number, Some(at));
        }
        self.peers[from].last_seq = Some(seq);
    }

    /// One that was missing has come (rule 9). It counts like a new one, although newer ones were believed already.
    fn gap_filled(&mut self, from: usize, seq: u64, last: u64) {
        let peer = &self.peers[from];
        let next_gap = peer.missing.keys().next().copied();
        if next_gap.is_some_and(|gap| gap < seq) {
            return;
        }
        let until = next_gap.map_or(last, |gap| gap - 1);
        let behind = (until + 10 - peer.ack_trigger) % 10;
        let due = until.saturating_sub(behind);
        if due >= seq {
            self.acknowledge(from, due);
        }
    }

    fn acknowledge(&mut self, from: usize, seq: u64) {
        let mut message = Message::new();
        message.push("t", "NS_ackmsg");
        message.push("dest", self.settings.nodes[from].as_str());
        message.push("ackseq", format!("{seq:x}"));
        self.send(message);
    }

    /// Asks for what is missing (5.4): one request for each, in decimal.
    pub(super) fn ask_for_missing(&mut self) {
        for place in 0..self.peers.len() {
            let due: Vec<u64> = self.peers[place]
                .missing
                .iter()
                .filter(|(_, at)| at.is_some_and(|at| at <= self.now))
                .map(|(&seq, _)| seq)
                .collect();
            for seq in due {
                let live = self.peers[place].status.is_live();
                if place == self.settings.local || (self.settings.version == Version::V3_0 && !live)
                {
                    self.peers[place].missing.insert(seq, None);
                    continue;
                }
                self.peers[place]
                    .missing
                    .insert(seq, Some(self.now + ASK_AGAIN));
                let mut message = Message::new();
                message.push("t", "NS_rexmit");
                message.push("dest", self.settings.nodes[place].as_str());
                message.push("firstseq", seq.to_string());
                message.push("lastseq", seq.to_string());
                self.send(message);
            }
        }
    }

    /// It cannot be had any more, whoever asked for it (5.8). What it said is lost for good.
    fn refused(&mut self, from: usize, message: &Message) {
        if let Some(seq) = message.hex("firstseq") {
            self.peers[from].missing.remove(&seq);
        }
    }

    fn acknowledged(&mut self, from: usize, message: &Message) {
        let Some(seq) = message.hex("ackseq") else {
            return;
        };
        if seq > self.history.highest() || seq <= self.peers[from].acked {
            return;
        }
        self.peers[from].acked = seq;
        let everybody = self.peers.iter().filter(|peer| peer.status != Word::Dead);
        if let Some(least) = everybody.map(|peer| peer.acked).min() {
            self.history.acknowledged(least);
        }
    }

    /// Somebody misses something of ours (5.7).
    fn asked_again(&mut self, from: usize, message: &Message) {
        let (Some(first), Some(last)) = (message.decimal("firstseq"), message.decimal("lastseq"))
        else {
            return;
        };
        if from == self.settings.local {
            return;
        }
        for seq in (first..=last).take(50) {
            let acked = self.peers[from].acked;
            match self.history.ask(seq, acked, self.now) {
                Answer::Nothing => {}
                Answer::Again(payload) => {
                    for medium in 0..self.settings.media {
                        let payload = std::rc::Rc::clone(&payload);
                        self.out.push_back(Action::Transmit { medium, payload });
                    }
                }
                Answer::Refused(reason) => {
                    let mut refusal = Message::new();
                    refusal.push("t", "NS_nak_rexmit");
                    refusal.push("firstseq", format!("{seq:x}"));
                    refusal.push("dest", self.settings.nodes[from].as_str());
                    refusal.push("info", reason);
                    self.send(refusal);
                }
            }
        }
    }
}
