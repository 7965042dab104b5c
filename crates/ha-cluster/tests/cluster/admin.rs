//! Nodes that come and go by command. The lines are those that a node of 3.0.6 logs (`resource-protocol.md` 7.3).

use ha_cluster::{AutoJoin, DeletedNode, Input};
use ha_wire::Message;

use crate::world::{Settings, World, secs};

/// What `hb_addnode` and its like write into the FIFO of the first node.
fn command(world: &mut World, fields: &[(&str, &str)]) {
    let mut message = Message::new();
    for (name, value) in fields {
        message.push(name, value);
    }
    world.feed(0, Input::Inject { message });
    world.run(secs(1));
}

fn node_names(world: &World, host: usize) -> Vec<String> {
    let snapshot = world.hosts[host].core.as_ref().expect("runs").snapshot();
    snapshot.nodes.into_iter().map(|node| node.name).collect()
}

/// Lines of a node since this many, that speak of nodes added or deleted.
fn said(world: &World, host: usize, since: usize) -> Vec<String> {
    world.hosts[host].log[since..]
        .iter()
        .map(|(_, _, text)| text.clone())
        .filter(|text| {
            ["node", "Node", "delet"]
                .iter()
                .any(|word| text.contains(word))
        })
        .filter(|text| !text.contains("is dead") || text.contains("deletion"))
        .collect()
}

fn lines(world: &World) -> [usize; 2] {
    [0, 1].map(|host| world.hosts[host].log.len())
}

#[test]
fn every_node_adds_what_one_is_told_to_add() {
    let mut world = World::settled(2, Settings::default());
    let before = lines(&world);
    command(&mut world, &[("t", "addnode"), ("nodelist", "c D b")]);
    for host in [0, 1] {
        assert_eq!(node_names(&world, host), ["a", "b", "c", "d"]);
        assert_eq!(
            said(&world, host, before[host]),
            [
                "hb_add_one_node: Adding new node[c] to configuration.",
                "hb_add_one_node: Adding new node[D] to configuration.",
                "hb_add_one_node: Adding new node[b] to configuration.",
                "hb_add_one_node: node(b) already exists",
                "Add node b failed",
            ]
        );
    }
    world.run(secs(5));
    assert!(world.logged(0, "node c: is dead") && world.logged(1, "node d: is dead"));
}

#[test]
fn only_dead_nodes_are_deleted_and_only_while_all_others_live() {
    let mut world = World::settled(2, Settings::default());
    command(&mut world, &[("t", "addnode"), ("nodelist", "c d")]);
    for (nodes, refusal) in [
        ("b", "deletion failed: node b is not dead"),
        ("c", "deletion failed: node c is not dead"),
        ("a", "deletion failed: node a is not dead"),
    ] {
        let before = lines(&world);
        command(&mut world, &[("t", "delnode"), ("nodelist", nodes)]);
        assert_eq!(said(&world, 0, before[0]), [refusal]);
    }
    world.run(secs(5));
    let before = lines(&world);
    command(&mut world, &[("t", "delnode"), ("nodelist", "c")]);
    let refusal =
        "HBDoMsg_T_DELNODE: deletion failed. We don't have all required nodes alive (d is dead)";
    assert_eq!(said(&world, 1, before[1]), [refusal]);
    let before = lines(&world);
    command(&mut world, &[("t", "delnode"), ("nodelist", "c nosuch D")]);
    for host in [0, 1] {
        assert_eq!(node_names(&world, host), ["a", "b"]);
        assert_eq!(
            said(&world, host, before[host]),
            [
                "Removing node [c] from configuration.",
                "Removing node [nosuch] from configuration.",
                "hb_remove_one_node: node nosuch not found in config",
                "Deleting node nosuch failed",
                "Removing node [D] from configuration.",
            ]
        );
    }
}

/// Nobody is deleted by a message while it lives, whoever sends it.
#[test]
fn a_node_does_not_end_because_somebody_deletes_it() {
    let mut world = World::settled(2, Settings::default());
    command(&mut world, &[("t", "delnode"), ("nodelist", "b a")]);
    world.run(secs(10));
    world.assert_holders(&[("A", "a"), ("B", "b")]);
    assert_eq!(node_names(&world, 1), ["a", "b"]);
    world.assert_no_errors();
}

/// What is kept of deleted nodes: told at the first answer to `reqnodes`, and after every change; a node that starts
/// later learns the names.
#[test]
fn deleted_nodes_are_told_and_handed_on() {
    let mut world = World::settled(2, Settings::default());
    for host in [0, 1] {
        assert_eq!(world.hosts[host].deleted, [vec![]], "empty at first");
    }
    command(&mut world, &[("t", "addnode"), ("nodelist", "c d")]);
    command(
        &mut world,
        &[("t", "setweight"), ("node", "c"), ("weight", "5")],
    );
    command(
        &mut world,
        &[("t", "setsite"), ("node", "c"), ("site", "east")],
    );
    world.run(secs(5));
    command(&mut world, &[("t", "delnode"), ("nodelist", "c d")]);
    let node = |name: &str, weight, site: &str| DeletedNode {
        name: name.to_owned(),
        uuid: [0; 16],
        weight,
        site: site.to_owned(),
    };
    let both = vec![node("c", 5, "east"), node("d", 100, "")];
    for host in [0, 1] {
        assert_eq!(world.hosts[host].deleted.len(), 2);
        assert_eq!(world.hosts[host].deleted[1], both);
    }
    // Whoever starts anew is told their names only.
    world.power_cut(1);
    world.run(secs(10));
    world.start(1);
    world.run(secs(10));
    let names_only = vec![node("c", 100, ""), node("d", 100, "")];
    assert_eq!(world.hosts[1].deleted[2..], [names_only]);
    command(&mut world, &[("t", "addnode"), ("nodelist", "d")]);
    assert_eq!(
        world.hosts[0].deleted.last(),
        Some(&vec![node("c", 5, "east")])
    );
}

/// Four nodes of which each knows the first one and itself.
fn strangers(autojoin: AutoJoin) -> World {
    World::new(
        4,
        Settings {
            autojoin,
            ..Settings::default()
        },
    )
}

#[test]
fn strangers_join_where_they_may() {
    for autojoin in [AutoJoin::Other, AutoJoin::Any] {
        let mut world = strangers(autojoin);
        for host in 0..3 {
            world.start(host);
        }
        // Somebody may still come: nobody is active before initdead is over.
        world.run(secs(11));
        assert!(!world.hosts[0].comm_up);
        world.run(secs(5));
        for host in 0..3 {
            assert!(world.hosts[host].comm_up, "{}", world.story());
            let mut names = node_names(&world, host);
            names.sort();
            assert_eq!(names, ["a", "b", "c"]);
        }
        assert!(world.logged(
            0,
            "process_clustermsg: Adding new node [b] to configuration."
        ));
        // A late one is let in by all, and told of after its second status.
        let before = world.hosts[0].log.len();
        world.start(3);
        world.run(secs(20));
        for host in 0..4 {
            let snapshot = world.hosts[host].core.as_ref().unwrap().snapshot();
            assert_eq!(snapshot.nodes.len(), 4);
            let active = |node: &ha_cluster::NodeSnapshot| node.status == "active";
            assert!(snapshot.nodes.iter().all(active), "{}", world.story());
        }
        let said = said(&world, 0, before);
        assert_eq!(
            said[0],
            "process_clustermsg: Adding new node [d] to configuration."
        );
        world.assert_no_errors();
    }
}

#[test]
fn a_deleted_node_does_not_join_again_by_itself() {
    let mut world = strangers(AutoJoin::Other);
    for host in 0..4 {
        world.start(host);
    }
    world.run(secs(20));
    world.power_cut(3);
    world.run(secs(5));
    command(&mut world, &[("t", "delnode"), ("nodelist", "d")]);
    assert_eq!(node_names(&world, 0).len(), 3);
    world.start(3);
    world.run(secs(10));
    assert_eq!(node_names(&world, 0).len(), 3);
    command(&mut world, &[("t", "addnode"), ("nodelist", "d")]);
    world.run(secs(20));
    assert_eq!(node_names(&world, 0).len(), 4);
}
