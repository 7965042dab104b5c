//! Adding and deleting nodes, weights and sites (`wire-protocol.md` 9, `resource-protocol.md` 7.3).

use ha_wire::Message;

use crate::core::{Core, links_of};
use crate::node::{Node, Status};
use crate::{Action, AutoJoin, DeletedNode, NodeKind, NodeSpec};

/// Nodes at most, ping nodes included (`wire-protocol.md` 1.1).
pub(crate) const NODES_MAX: usize = 100;

impl Core {
    /// `addnode`: every node, the sender included, adds the names.
    pub(crate) fn receive_addnode(&mut self, message: &Message) {
        for name in list_of(message) {
            self.add_node(&name);
        }
    }

    /// Adds a node, and says first that it does: so does the legacy, also where it then cannot.
    pub(crate) fn add_node(&mut self, name: &str) {
        let name: String = name.chars().take(99).collect();
        self.info(format!(
            "hb_add_one_node: Adding new node[{name}] to configuration."
        ));
        let known = self.is_us(&name) || self.find(&name).is_some();
        if known {
            self.error(format!("hb_add_one_node: node({name}) already exists"));
        }
        if known || self.nodes.len() >= NODES_MAX {
            self.error(format!("Add node {name} failed"));
            return;
        }
        let name = name.to_ascii_lowercase();
        let before = self.deleted.clone();
        self.deleted.retain(|deleted| deleted.name != name);
        self.tell_deleted(&before);
        self.insert_node(name);
    }

    /// A sender that nobody has configured becomes a node, if ha.cf allows it; the packet that revealed it is dropped
    /// (`wire-protocol.md` 6.10). True if so. One that was deleted stays away until it is added by command.
    pub(crate) fn join_stranger(&mut self, name: &str) -> bool {
        let name: String = name.to_ascii_lowercase().chars().take(99).collect();
        let deleted = self.deleted.iter().any(|deleted| deleted.name == name);
        // The name becomes a word of lists and files.
        let word = name.bytes().all(|byte| byte.is_ascii_graphic());
        let welcome = self.config.autojoin != AutoJoin::None && word && !deleted;
        if !welcome || self.nodes.len() >= NODES_MAX || self.find(&name).is_some() {
            return false;
        }
        self.info(format!(
            "process_clustermsg: Adding new node [{name}] to configuration."
        ));
        self.insert_node(name.clone());
        if let Some(node) = self.find_mut(&name) {
            node.joining = true;
        }
        true
    }

    fn insert_node(&mut self, name: String) {
        let spec = NodeSpec {
            name,
            kind: NodeKind::Normal,
        };
        let (held, was_crowd) = (self.owners_held(), self.in_crowd());
        let links = links_of(&self.config, &spec);
        let trigger = self.random.below(10);
        self.nodes.push(Node::new(
            &spec,
            self.config.deadtime,
            trigger,
            links,
            self.now.mono,
        ));
        self.crowd_size_changed(held, was_crowd);
    }

    /// `delnode`: refused unless every named node is dead and all others live.
    ///
    /// The legacy has a text for the case that we are named ourselves, and shuts down then. It never comes to that: a
    /// node is not dead to itself, so the first rule refuses it.
    pub(crate) fn receive_delnode(&mut self, message: &Message) {
        let names = list_of(message);
        for name in &names {
            if self.is_us(name) || self.find(name).is_some_and(|node| !node.is_dead()) {
                self.warn(format!("deletion failed: node {name} is not dead"));
                return;
            }
        }
        let absent = self
            .nodes
            .iter()
            .filter(|node| {
                !node.is_ping()
                    && !names
                        .iter()
                        .any(|name| name.eq_ignore_ascii_case(&node.name))
            })
            .find(|node| !node.status.live())
            .map(|node| (node.name.clone(), node.status.word().to_owned()));
        if let Some((name, word)) = absent {
            self.error(format!(
                "HBDoMsg_T_DELNODE: deletion failed. We don't have all required nodes alive ({name} is {word})"
            ));
            return;
        }
        let before = self.deleted.clone();
        for name in names {
            let Some(deleted) = self.find(&name).map(|node| DeletedNode {
                name: node.name.clone(),
                uuid: node.uuid.unwrap_or_default(),
                weight: node.weight,
                site: node.site.clone(),
            }) else {
                self.info(format!("Removing node [{name}] from configuration."));
                self.error(format!(
                    "hb_remove_one_node: node {name} not found in config"
                ));
                self.error(format!("Deleting node {name} failed"));
                continue;
            };
            self.remove_node(&name);
            self.deleted.retain(|known| known.name != deleted.name);
            if self.deleted.len() < NODES_MAX {
                self.deleted.push(deleted);
            }
        }
        self.tell_deleted(&before);
    }

    /// The list of deleted nodes that another node keeps (`wire-protocol.md` 9): what we know of them besides their names
    /// stays known.
    pub(crate) fn replace_deleted(&mut self, names: &[String]) {
        let before = std::mem::take(&mut self.deleted);
        for name in names.iter().take(NODES_MAX) {
            let name = name.to_ascii_lowercase();
            let known = before.iter().find(|deleted| deleted.name == name);
            self.deleted
                .push(known.cloned().unwrap_or_else(|| DeletedNode {
                    name,
                    uuid: [0; 16],
                    weight: 100,
                    site: String::new(),
                }));
        }
        self.tell_deleted(&before);
    }

    fn tell_deleted(&mut self, before: &[DeletedNode]) {
        if !self.deleted_told || self.deleted != before {
            self.deleted_told = true;
            let nodes = self.deleted.clone();
            self.act(Action::DeletedNodes(nodes));
        }
    }

    /// Removes a node, and says first that it does. False if there is no such node.
    pub(crate) fn remove_node(&mut self, name: &str) -> bool {
        self.info(format!("Removing node [{name}] from configuration."));
        if self.is_us(name) || self.find(name).is_none() {
            return false;
        }
        let (held, was_crowd) = (self.owners_held(), self.in_crowd());
        self.nodes
            .retain(|node| !node.name.eq_ignore_ascii_case(name));
        self.crowd_size_changed(held, was_crowd);
        self.show_fields(&[
            ("t".to_owned(), "delnode".to_owned()),
            ("node".to_owned(), name.to_owned()),
        ]);
        true
    }

    /// `setweight` and `setsite`: stored, without effect in a haresources cluster.
    pub(crate) fn receive_node_property(&mut self, message: &Message) {
        let Some(name) = message.text("node").map(str::to_owned) else {
            return;
        };
        let weight = message
            .decimal("weight")
            .and_then(|weight| u32::try_from(weight).ok());
        let site = message
            .text("site")
            .map(|site| site.chars().take(100).collect::<String>());
        let Some(node) = self.find_mut(&name) else {
            return;
        };
        if let Some(weight) = weight {
            node.weight = weight;
        }
        if let Some(site) = site {
            node.site = site;
        }
    }

    /// True if the node exists and is `up` or `active`.
    pub(crate) fn is_live(&self, name: &str) -> bool {
        self.find(name).is_some_and(|node| node.status.live())
    }

    /// Normal nodes whose status is `active`, ourselves included (`resource-protocol.md` 2.4.5).
    pub(crate) fn active_count(&self) -> usize {
        let others = self
            .peers()
            .filter(|node| node.status == Status::Active)
            .count();
        others + 1
    }
}

fn list_of(message: &Message) -> Vec<String> {
    message
        .text("nodelist")
        .unwrap_or_default()
        .split_ascii_whitespace()
        .take(NODES_MAX)
        .map(str::to_owned)
        .collect()
}
