//! Bringing ordered messages into their order (`client-api.md` 3.23).
//!
//! A sender numbers its ordered messages in the field `oseq`, those to all nodes and those to one node apart. The
//! cluster delivers everything in the end, but not always in order; here a message waits until those before it have
//! come. The numbers start anew with each instance of the client at the sender (`client_gen`) and with each run of its
//! daemon (`hg`), so
//!
//! * a message of a later run of the daemon ends everything that was before it,
//! * a message of a later instance waits until the earlier one has left, and
//! * the news that an instance has left waits until its messages are delivered.
//!
//! `client_gen` is written in decimal and read in hexadecimal, here as in the legacy; only its order matters, and that is the same.

use std::collections::{BTreeMap, VecDeque};

use ha_wire::Message;

/// How far ahead of the next message one may be, and how many of a later instance may wait. Where the wait gets longer
/// the missing ones are given up: they are lost, and waiting on would only bind memory.
const WINDOW: u64 = 500;

/// How many nodes are kept in order. A cluster has far fewer; beyond them messages pass as they come.
const SOURCES_MAX: usize = 1024;

/// Which instance of a client sent a message: its daemon's generation, then its own.
type Instance = (u64, u64);

/// The order of all messages that reach one client.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// By sending node.
    sources: BTreeMap<Vec<u8>, Source>,
}

#[derive(Debug, Default)]
struct Source {
    /// Whose messages are delivered now.
    current: Option<Instance>,
    /// Who has left most recently. Nothing that it or anybody before it sent is delivered any more.
    ended: Option<Instance>,
    to_all: Lane,
    to_us: Lane,
    /// That the current instance has left, while its messages are not all delivered.
    leave: Option<Message>,
    /// Messages of instances after the current one.
    later: VecDeque<Ordered>,
}

/// One sequence of numbers.
#[derive(Debug, Default)]
struct Lane {
    /// The number to be delivered next; none before the first message, which starts wherever it is.
    next: Option<u64>,
    held: BTreeMap<u64, Message>,
}

#[derive(Debug)]
struct Ordered {
    instance: Instance,
    to_us: bool,
    number: u64,
    message: Message,
}

impl Order {
    /// Takes a message that has arrived, and appends everything that may be delivered now to `out`.
    pub(super) fn accept(&mut self, message: Message, out: &mut VecDeque<Message>) {
        let Some(node) = message.get("src") else {
            out.push_back(message);
            return;
        };
        if is(&message, "status", "dead") {
            self.sources.remove(node);
            out.push_back(message);
        } else if is(&message, "hbapi-clstat", "leave") {
            match self.sources.get_mut(node) {
                Some(source) => source.leaves(message, out),
                None => out.push_back(message),
            }
        } else if let Some(number) = message.hex("oseq") {
            let room = self.sources.len() < SOURCES_MAX || self.sources.contains_key(node);
            if !room {
                out.push_back(message);
                return;
            }
            let source = self.sources.entry(node.to_vec()).or_default();
            let ordered = Ordered {
                instance: (message.hex("hg").unwrap_or(0), client_generation(&message)),
                to_us: message.contains("dest") || message.contains("destuuid"),
                number,
                message,
            };
            source.accept(ordered, out);
        } else {
            out.push_back(message);
        }
    }
}

impl Source {
    fn accept(&mut self, ordered: Ordered, out: &mut VecDeque<Message>) {
        if self.ended.is_some_and(|ended| ordered.instance <= ended) {
            return;
        }
        let current = *self.current.get_or_insert(ordered.instance);
        if ordered.instance.0 > current.0 {
            *self = Source {
                current: Some(ordered.instance),
                ..Source::default()
            };
            self.deliver(ordered, out);
        } else if ordered.instance > current {
            self.later.push_back(ordered);
            if self.later.len() as u64 >= WINDOW {
                self.end(out);
            }
        } else if ordered.instance == current {
            self.deliver(ordered, out);
            self.leave_if_done(out);
        }
    }

    fn deliver(&mut self, ordered: Ordered, out: &mut VecDeque<Message>) {
        let lane = match ordered.to_us {
            true => &mut self.to_us,
            false => &mut self.to_all,
        };
        lane.accept(ordered.number, ordered.message, out);
    }

    /// A client at this node has left.
    fn leaves(&mut self, message: Message, out: &mut VecDeque<Message>) {
        let Some(current) = self.current else {
            out.push_back(message);
            return;
        };
        let daemon = message.hex("hg").unwrap_or(current.0);
        let instance = (daemon, client_generation(&message));
        if daemon > current.0 {
            *self = Source {
                ended: Some(instance),
                ..Source::default()
            };
            out.push_back(message);
            return;
        }
        // The news about an instance before this one was lost.
        while self.current.is_some_and(|current| current < instance) && !self.later.is_empty() {
            self.end(out);
        }
        match self.current {
            Some(current) if current <= instance => {
                self.leave = Some(message);
                self.leave_if_done(out);
            }
            _ => out.push_back(message),
        }
    }

    fn leave_if_done(&mut self, out: &mut VecDeque<Message>) {
        if !self.to_all.held.is_empty() || !self.to_us.held.is_empty() {
            return;
        }
        if let Some(leave) = self.leave.take() {
            out.push_back(leave);
            self.end(out);
        }
    }

    /// The current instance is no more; the next one's turn has come.
    fn end(&mut self, out: &mut VecDeque<Message>) {
        self.ended = self.current.take();
        self.to_all = Lane::default();
        self.to_us = Lane::default();
        self.leave = None;
        self.current = self.later.iter().map(|ordered| ordered.instance).min();
        for ordered in std::mem::take(&mut self.later) {
            if Some(ordered.instance) == self.current {
                self.deliver(ordered, out);
            } else {
                self.later.push_back(ordered);
            }
        }
    }
}

impl Lane {
    fn accept(&mut self, number: u64, message: Message, out: &mut VecDeque<Message>) {
        let next = *self.next.get_or_insert(number);
        if number < next {
            return;
        }
        self.held.entry(number).or_insert(message);
        if number - next >= WINDOW {
            // Give up what is missing before the oldest that waits.
            self.next = self.held.keys().next().copied();
        }
        while let Some(message) = self.next.and_then(|next| self.held.remove(&next)) {
            out.push_back(message);
            self.next = self.next.and_then(|next| next.checked_add(1));
        }
    }
}

fn client_generation(message: &Message) -> u64 {
    message.hex("client_gen").unwrap_or(0)
}

/// Whether the message is of this type and tells this state. Types that the library itself looks at are compared without
/// regard to case (`client-api.md` 4.2).
fn is(message: &Message, kind: &str, state: &str) -> bool {
    message
        .kind()
        .is_some_and(|found| found.eq_ignore_ascii_case(kind))
        && message.text("st") == Some(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `hg.client_gen NUMBER`, with `>` for one to us alone; or a line of another kind.
    fn message(line: &str) -> Message {
        let words: Vec<&str> = line.split(' ').collect();
        let mut message = Message::new();
        match words[..] {
            ["leave", instance] => {
                let (daemon, client) = instance.split_once('.').unwrap();
                message.push("t", "hbapi-clstat");
                message.push("st", "leave");
                message.push("src", "a");
                message.push("client_gen", client);
                message.push("hg", daemon);
            }
            ["dead"] => {
                message.push("t", "status");
                message.push("st", "dead");
                message.push("src", "a");
            }
            [instance, number] => {
                let (daemon, client) = instance.split_once('.').unwrap();
                message.push("t", "x");
                if let Some(number) = number.strip_prefix('>') {
                    message.push("dest", "b");
                    message.push("oseq", number);
                } else {
                    message.push("oseq", number);
                }
                message.push("src", "a");
                message.push("hg", daemon);
                message.push("client_gen", client);
            }
            _ => panic!("{line}"),
        }
        message.push("line", line);
        message
    }

    fn delivered(lines: &[&str]) -> Vec<String> {
        let mut order = Order::default();
        let mut out = VecDeque::new();
        for line in lines {
            order.accept(message(line), &mut out);
        }
        out.iter()
            .map(|message| message.text("line").unwrap().to_owned())
            .collect()
    }

    #[test]
    fn numbers_are_hexadecimal_and_come_in_order() {
        let lines = ["1.1 9", "1.1 c", "1.1 b", "1.1 a", "1.1 a", "1.1 d"];
        let expected = ["1.1 9", "1.1 a", "1.1 b", "1.1 c", "1.1 d"];
        assert_eq!(delivered(&lines), expected);
    }

    #[test]
    fn the_first_message_seen_is_the_first() {
        assert_eq!(delivered(&["1.1 5", "1.1 4", "1.1 6"]), ["1.1 5", "1.1 6"]);
    }

    #[test]
    fn messages_to_all_and_to_us_are_counted_apart() {
        let lines = ["1.1 7", "1.1 >1", "1.1 9", "1.1 >2"];
        assert_eq!(delivered(&lines), ["1.1 7", "1.1 >1", "1.1 >2"]);
    }

    #[test]
    fn a_leave_waits_for_what_was_sent_before_it() {
        let lines = ["1.1 1", "1.1 3", "leave 1.1", "1.1 2"];
        assert_eq!(delivered(&lines), ["1.1 1", "1.1 2", "1.1 3", "leave 1.1"]);
    }

    #[test]
    fn a_later_instance_waits_for_the_leave_of_the_earlier() {
        let lines = [
            "1.1 4",
            "1.2 1",
            "1.2 2",
            "1.1 5",
            "leave 1.1",
            "1.2 3",
            "1.1 6",
        ];
        let expected = ["1.1 4", "1.1 5", "leave 1.1", "1.2 1", "1.2 2", "1.2 3"];
        assert_eq!(delivered(&lines), expected);
    }

    #[test]
    fn the_leave_of_a_later_instance_ends_the_earlier_too() {
        let lines = ["1.1 1", "1.2 1", "1.2 2", "leave 1.2"];
        assert_eq!(delivered(&lines), ["1.1 1", "1.2 1", "1.2 2", "leave 1.2"]);
    }

    #[test]
    fn a_new_run_of_the_daemon_starts_anew_and_an_old_one_is_over() {
        let lines = ["1.5 7", "1.5 9", "2.1 1", "1.5 8", "2.1 2"];
        assert_eq!(delivered(&lines), ["1.5 7", "2.1 1", "2.1 2"]);
    }

    #[test]
    fn the_late_leave_of_an_earlier_run_ends_nobody() {
        let lines = ["2.3 1", "leave 1.9", "2.3 2", "2.3 3"];
        assert_eq!(delivered(&lines), lines);
    }

    #[test]
    fn the_leave_of_a_new_run_does_not_wait_for_the_old_one() {
        let lines = ["1.9 1", "1.9 3", "leave 2.3", "1.9 2", "2.4 1"];
        assert_eq!(delivered(&lines), ["1.9 1", "leave 2.3", "2.4 1"]);
    }

    proptest::proptest! {
        /// However the network mixes them, as long as it keeps the first.
        #[test]
        fn every_mixture_comes_out_in_order(
            numbers in proptest::strategy::Strategy::prop_shuffle(
                proptest::strategy::Just((2..200).collect::<Vec<u64>>())
            ),
        ) {
            let sent: Vec<String> = std::iter::once(1)
                .chain(numbers)
                .map(|number| format!("1.1 {number:x}"))
                .collect();
            let lines: Vec<&str> = sent.iter().map(String::as_str).collect();
            let expected: Vec<String> = (1..200).map(|number| format!("1.1 {number:x}")).collect();
            proptest::prop_assert_eq!(delivered(&lines), expected);
        }
    }

    #[test]
    fn a_dead_node_is_forgotten() {
        let lines = ["1.1 1", "1.1 3", "dead", "1.1 8", "1.1 9"];
        assert_eq!(delivered(&lines), ["1.1 1", "dead", "1.1 8", "1.1 9"]);
    }

    #[test]
    fn what_is_lost_is_not_waited_for_without_end() {
        let lines: Vec<String> = std::iter::once(1)
            .chain(3..=502)
            .map(|number| format!("1.1 {number:x}"))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let found = delivered(&lines);
        assert_eq!(found.len(), 501);
        assert_eq!(found[1], "1.1 3");

        let lines: Vec<String> = std::iter::once("1.1 1".to_owned())
            .chain((1..=500).map(|number| format!("1.2 {number:x}")))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(delivered(&lines).len(), 501);
    }

    #[test]
    fn others_pass() {
        let mut order = Order::default();
        let mut out = VecDeque::new();
        let mut plain = Message::new();
        plain.push("t", "ifstat");
        order.accept(plain.clone(), &mut out);
        plain.push("src", "a");
        order.accept(plain, &mut out);
        order.accept(message("leave 1.1"), &mut out);
        assert_eq!(out.len(), 3);
    }
}
