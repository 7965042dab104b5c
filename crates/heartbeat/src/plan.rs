//! What a job of the core means on this node: which tasks over which groups, or whose script.
//!
//! Pure: haresources and the look of rc.d come in, a [`Plan`] goes out.

use std::slice;

use ha_cluster::{Hold, Job, Notification};
use ha_config::{Group, HaResources};
use ha_resources::{LogLine, StopRetries, Task};

/// Who handles the messages of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handler {
    /// An administrator's script in rc.d.
    Script,
    /// The stock handler; it runs natively.
    Stock,
    /// There is no file of that name.
    Missing,
}

/// How a job will be done.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Tasks, one after the other, over the groups with these keys.
    Tasks {
        /// What to run.
        tasks: Vec<Task>,
        /// Nobody else may touch these groups meanwhile.
        keys: Vec<String>,
    },
    /// `harc <kind>`.
    Script {
        /// The message type.
        kind: String,
    },
    /// Nobody handles it.
    Nobody,
}

/// The four message types that are handled even when their file in rc.d is missing (`resource-protocol.md` 2.5).
const STOCK_KINDS: [&str; 4] = ["status", "ip-request", "ip-request-resp", "hb_takeover"];

/// Types of this length or longer have no handler (2.5).
const KIND_MAX: usize = 32;

/// A type that may be a file name in rc.d. It came over the network: it must not lead out of that directory.
pub(crate) fn is_handler_name(kind: &str) -> bool {
    !kind.is_empty()
        && kind.len() < KIND_MAX
        && !kind.starts_with('.')
        && !kind.contains(['/', '\0'])
}

/// Everything a plan depends on.
pub(crate) struct Circumstances<'a> {
    pub(crate) resources: &'a HaResources,
    /// Our node name.
    pub(crate) local: &'a str,
    pub(crate) stop_retries: StopRetries,
    /// Where handlers lie, for the log.
    pub(crate) handlers: &'a str,
}

impl Circumstances<'_> {
    /// The plan for a job. `handler` tells who stands in rc.d for a message type.
    pub(crate) fn plan(&self, job: &Job, handler: impl Fn(&str) -> Handler) -> Plan {
        match job {
            Job::AcquireLocal { .. } => {
                let groups = self.set(Hold::LOCAL);
                let keys = keys_of(&groups);
                Plan::Tasks {
                    tasks: vec![Task::query_keys(groups)],
                    keys,
                }
            }
            Job::Release { set } => self.give(self.set(*set)),
            Job::ReleaseGroupsOf { owner } => self.give(self.of(slice::from_ref(owner))),
            Job::GiveUpAll => self.give(self.set(Hold::ALL)),
            Job::Acquire { set } => self.take(self.set(*set)),
            Job::AcquireGroupsOf { owner } => self.take(self.of(slice::from_ref(owner))),
            Job::ReleaseStale { set } => self.give_stale(self.set(*set)),
            Job::ReleaseStaleOf { owners } => self.give_stale(self.of(owners)),
            Job::Notify(notification) => self.notify(notification, handler),
            // These touch no group; [`crate::fencing`] does them.
            Job::Reset { .. } | Job::CheckDevice { .. } => Plan::Nobody,
        }
    }

    fn give(&self, groups: Vec<Group>) -> Plan {
        let keys = keys_of(&groups);
        Plan::Tasks {
            tasks: vec![Task::give_groups(groups, self.stop_retries)],
            keys,
        }
    }

    fn take(&self, groups: Vec<Group>) -> Plan {
        let keys = keys_of(&groups);
        Plan::Tasks {
            tasks: vec![Task::take_groups(groups, self.stop_retries)],
            keys,
        }
    }

    fn give_stale(&self, groups: Vec<Group>) -> Plan {
        let keys = keys_of(&groups);
        let task = |group| Task::give_if_running(group, self.stop_retries);
        Plan::Tasks {
            tasks: groups.into_iter().map(task).collect(),
            keys,
        }
    }

    fn notify(&self, notification: &Notification, handler: impl Fn(&str) -> Handler) -> Plan {
        let kind = notification.kind.as_str();
        if !is_handler_name(kind) {
            return Plan::Nobody;
        }
        match handler(kind) {
            Handler::Script => Plan::Script {
                kind: kind.to_owned(),
            },
            Handler::Missing if !STOCK_KINDS.contains(&kind) => Plan::Nobody,
            Handler::Stock | Handler::Missing => self.stock(notification),
        }
    }

    /// What the stock handlers do (2.5).
    fn stock(&self, notification: &Notification) -> Plan {
        let field = |name: &str| notification.field(name).unwrap_or_default();
        let path = format!("{}/{}", self.handlers, notification.kind);
        let announced = LogLine::harc(&path, &notification.kind);
        let from_us = field("src").eq_ignore_ascii_case(self.local);
        let to_us = field("dest").eq_ignore_ascii_case(self.local);
        let mut groups = Vec::new();
        let task = match notification.kind.as_str() {
            "status" if field("st") == "dead" && !field("info").contains("ping") && !from_us => {
                let node = field("src").to_ascii_lowercase();
                groups = self.of(slice::from_ref(&node));
                Task::mach_down(&node, groups.clone(), notification.nice, self.stop_retries)
            }
            "ip-request-resp" if to_us && field("ok") == "OK" => {
                groups = self
                    .resources
                    .group_with_key(field("ipaddr"))
                    .cloned()
                    .into_iter()
                    .collect();
                let received =
                    LogLine::received_response(field("ipaddr"), field("ok"), field("weown"));
                Task::take_groups(groups.clone(), self.stop_retries).preceded_by(received)
            }
            "ip-request" if !from_us => match self.resources.group_with_key(field("ipaddr")) {
                Some(group) => {
                    groups = vec![group.clone()];
                    Task::give_if_running(group.clone(), self.stop_retries)
                }
                None => Task::query_keys(Vec::new()),
            },
            _ => Task::query_keys(Vec::new()),
        };
        Plan::Tasks {
            tasks: vec![task.preceded_by(announced)],
            keys: keys_of(&groups),
        }
    }

    fn set(&self, set: Hold) -> Vec<Group> {
        self.wanted(|group| match group.node.eq_ignore_ascii_case(self.local) {
            true => set.local,
            false => set.foreign,
        })
    }

    /// The groups on the lines of these nodes.
    fn of(&self, owners: &[String]) -> Vec<Group> {
        let of = |group: &Group, owner: &String| group.node.eq_ignore_ascii_case(owner);
        self.wanted(|group| owners.iter().any(|owner| of(group, owner)))
    }

    fn wanted(&self, wanted: impl Fn(&Group) -> bool) -> Vec<Group> {
        let groups = self.resources.groups.iter();
        groups
            .filter(|group| wanted(group) && self.is_addressable(group))
            .cloned()
            .collect()
    }

    /// A line without resources is no group, and of several with one key only the first can be taken or given.
    fn is_addressable(&self, group: &Group) -> bool {
        !group.resources.is_empty()
            && self
                .resources
                .group_with_key(group.key())
                .is_some_and(|first| first.line == group.line)
    }
}

fn keys_of(groups: &[Group]) -> Vec<String> {
    groups.iter().map(|group| group.key().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use ha_config::haresources::parse;

    use super::*;

    const FILE: &[u8] = b"alpha 10.0.0.1 web\nbeta 10.0.0.2\nalpha mail\nalpha\n";

    fn with<T>(test: impl FnOnce(&Circumstances<'_>) -> T) -> T {
        let resources = parse(FILE);
        let circumstances = Circumstances {
            resources: &resources,
            local: "alpha",
            stop_retries: StopRetries::default(),
            handlers: "/etc/ha.d/rc.d",
        };
        test(&circumstances)
    }

    fn keys(job: Job) -> Vec<String> {
        match with(|circumstances| circumstances.plan(&job, |_| Handler::Stock)) {
            Plan::Tasks { keys, .. } => keys,
            other => panic!("{other:?}"),
        }
    }

    fn notification(kind: &str, fields: &[(&str, &str)]) -> Job {
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Job::Notify(Notification {
            kind: kind.into(),
            fields,
            own_status: "active",
            nice: true,
        })
    }

    #[test]
    fn sets_follow_the_order_of_the_file_and_skip_lines_without_resources() {
        assert_eq!(
            keys(Job::Release { set: Hold::LOCAL }),
            ["10.0.0.1", "mail"]
        );
        assert_eq!(keys(Job::Acquire { set: Hold::FOREIGN }), ["10.0.0.2"]);
        assert_eq!(keys(Job::GiveUpAll), ["10.0.0.1", "10.0.0.2", "mail"]);
        assert_eq!(
            keys(Job::AcquireLocal {
                dont_ask: true,
                nice: true
            }),
            ["10.0.0.1", "mail"]
        );
        assert_eq!(
            keys(Job::ReleaseStale { set: Hold::ALL }),
            ["10.0.0.1", "10.0.0.2", "mail"]
        );
    }

    #[test]
    fn the_groups_of_one_node_are_those_on_its_lines() {
        let owner = "Alpha".to_owned();
        let owners = vec!["beta".to_owned(), "gamma".to_owned()];
        assert_eq!(
            keys(Job::ReleaseGroupsOf {
                owner: owner.clone()
            }),
            ["10.0.0.1", "mail"]
        );
        assert_eq!(keys(Job::AcquireGroupsOf { owner }), ["10.0.0.1", "mail"]);
        assert_eq!(keys(Job::ReleaseStaleOf { owners }), ["10.0.0.2"]);
    }

    #[test]
    fn of_several_groups_with_one_key_only_the_first_counts() {
        let resources = parse(b"alpha 10.0.0.1 web\nbeta 10.0.0.1 mail\n");
        let circumstances = Circumstances {
            resources: &resources,
            local: "alpha",
            stop_retries: StopRetries::default(),
            handlers: "/etc/ha.d/rc.d",
        };
        assert_eq!(keys_of(&circumstances.set(Hold::ALL)), ["10.0.0.1"]);
        assert!(circumstances.set(Hold::FOREIGN).is_empty());
        let dead = notification("status", &[("st", "dead"), ("src", "beta")]);
        match circumstances.plan(&dead, |_| Handler::Stock) {
            Plan::Tasks { keys, .. } => assert!(keys.is_empty(), "{keys:?}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_dead_node_loses_its_groups_but_a_ping_node_and_we_do_not() {
        let dead = |more: &[(&str, &str)]| {
            keys(notification("status", &[&[("st", "dead")], more].concat()))
        };
        assert_eq!(dead(&[("src", "Beta")]), ["10.0.0.2"]);
        assert!(dead(&[("src", "beta"), ("info", "ping")]).is_empty());
        assert!(dead(&[("src", "alpha")]).is_empty());
        assert!(keys(notification("status", &[("st", "up"), ("src", "beta")])).is_empty());
    }

    #[test]
    fn requests_and_answers_concern_one_group() {
        let answer = |dest, ok| {
            keys(notification(
                "ip-request-resp",
                &[("dest", dest), ("ok", ok), ("ipaddr", "mail")],
            ))
        };
        assert_eq!(answer("alpha", "OK"), ["mail"]);
        assert!(answer("beta", "OK").is_empty());
        assert!(answer("alpha", "no").is_empty());
        assert_eq!(
            keys(notification(
                "ip-request",
                &[("src", "beta"), ("ipaddr", "10.0.0.1")]
            )),
            ["10.0.0.1"]
        );
        assert!(
            keys(notification(
                "ip-request",
                &[("src", "alpha"), ("ipaddr", "10.0.0.1")]
            ))
            .is_empty()
        );
        assert!(
            keys(notification(
                "ip-request",
                &[("src", "beta"), ("ipaddr", "nothing")]
            ))
            .is_empty()
        );
    }

    #[test]
    fn scripts_stand_before_us_and_unknown_types_have_nobody() {
        let plan = |kind: &str, handler| with(|c| c.plan(&notification(kind, &[]), |_| handler));
        assert!(
            matches!(plan("status", Handler::Script), Plan::Script { kind } if kind == "status")
        );
        assert!(matches!(plan("mine", Handler::Script), Plan::Script { .. }));
        assert!(matches!(plan("mine", Handler::Missing), Plan::Nobody));
        assert!(matches!(
            plan("ip-request", Handler::Missing),
            Plan::Tasks { .. }
        ));
        for bad in ["../../bin/sh", "a/b", ".hidden", "", "x\0", &"x".repeat(32)] {
            assert!(
                matches!(plan(bad, Handler::Script), Plan::Nobody),
                "{bad:?}"
            );
        }
    }
}
