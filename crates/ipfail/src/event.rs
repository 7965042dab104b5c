//! The messages that ipfail reacts to, picked out of everything that the daemon delivers.

use ha_wire::Message;

/// A message that means something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A node, or a ping node, has another status.
    Node { name: String, status: String },
    /// A link of any node went up or down. A ping node's link is called like the node.
    Link {
        node: String,
        link: String,
        status: String,
    },
    /// Another ipfail signed on.
    Join { node: String },
    /// The other side counted its ping nodes.
    PingCount(u32),
    /// The other side counted more than we told it.
    YouAreDead,
    /// The other side counted as many as we told it.
    AbortGiveup,
    /// The other side's resources are in order.
    Stable,
    /// The other side's resources move.
    Unstable,
}

impl Event {
    /// What a message means to the ipfail on node `us`. The API compares some types ignoring case (`client-api.md` 4.2).
    pub(crate) fn of(message: &Message, us: &str) -> Option<Event> {
        let field = |name: &str| {
            message
                .get(name)
                .map(|value| String::from_utf8_lossy(value).into_owned())
        };
        let kind = message.text("t")?;
        let is = |word: &str| kind.eq_ignore_ascii_case(word);
        let from_other =
            || field("src").filter(|source| !source.is_empty() && !source.eq_ignore_ascii_case(us));
        if is("status") || is("NS_st") {
            return Some(Event::Node {
                name: field("src")?,
                status: field("st")?,
            });
        }
        if is("ifstat") {
            return Some(Event::Link {
                node: field("node")?,
                link: field("ifname")?,
                status: field("st")?,
            });
        }
        if is("hbapi-clstat") {
            let joined = field("st")? == "join" && field("from_id")? == crate::CLIENT_NAME;
            return from_other()
                .filter(|_| joined)
                .map(|node| Event::Join { node });
        }
        match kind {
            "num_ping_nodes" => message
                .text("num_ping")?
                .trim()
                .parse()
                .ok()
                .map(Event::PingCount),
            "you_are_dead" => Some(Event::YouAreDead),
            "abort_giveup" => Some(Event::AbortGiveup),
            "resource" => {
                from_other()?;
                match (message.text("isstable")?, message.contains("info")) {
                    ("1", false) => Some(Event::Stable),
                    ("0", _) => Some(Event::Unstable),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[(&str, &str)]) -> Option<Event> {
        let mut message = Message::new();
        for (name, value) in fields {
            message.push(name, value);
        }
        Event::of(&message, "alpha")
    }

    #[test]
    fn our_own_doings_are_no_news() {
        assert_eq!(
            of(&[
                ("t", "hbapi-clstat"),
                ("st", "join"),
                ("from_id", "ipfail"),
                ("src", "ALPHA")
            ]),
            None
        );
        assert_eq!(
            of(&[("t", "resource"), ("isstable", "1"), ("src", "alpha")]),
            None
        );
        assert_eq!(
            of(&[("t", "resource"), ("isstable", "1"), ("src", "beta")]),
            Some(Event::Stable)
        );
    }

    #[test]
    fn stable_means_stable_for_no_particular_reason() {
        let resource = |stable: &str, info: &str| {
            of(&[
                ("t", "resource"),
                ("isstable", stable),
                ("info", info),
                ("src", "beta"),
            ])
        };
        assert_eq!(resource("1", "req_our_resources()"), None);
        assert_eq!(resource("0", "shutdown"), Some(Event::Unstable));
        assert_eq!(
            of(&[("t", "resource"), ("info", "mach_down"), ("src", "beta")]),
            None
        );
    }

    #[test]
    fn a_count_that_is_no_number_is_no_count() {
        assert_eq!(
            of(&[("t", "num_ping_nodes"), ("num_ping", "2")]),
            Some(Event::PingCount(2))
        );
        for bad in ["", "-1", "two", "99999999999"] {
            assert_eq!(
                of(&[("t", "num_ping_nodes"), ("num_ping", bad)]),
                None,
                "{bad}"
            );
        }
        assert_eq!(of(&[("t", "num_ping_nodes")]), None);
    }

    #[test]
    fn only_another_ipfail_that_joins_counts() {
        let client = |status: &str, name: &str| {
            of(&[
                ("t", "hbapi-clstat"),
                ("st", status),
                ("from_id", name),
                ("src", "beta"),
            ])
        };
        assert_eq!(
            client("join", "ipfail"),
            Some(Event::Join {
                node: "beta".into()
            })
        );
        assert_eq!(client("leave", "ipfail"), None);
        assert_eq!(client("join", "ccm"), None);
    }
}
