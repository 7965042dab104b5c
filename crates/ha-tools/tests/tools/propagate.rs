//! `ha_propagate`, with stand-ins for the programs that it runs.

use crate::tree::{Ran, Tree, script};

/// A tree with a configuration for this machine and others, and with the programs.
fn tree(programs: &[&str]) -> Tree {
    let tree = Tree::new("");
    let us = ha_sys::host::uname_node();
    tree.write(
        "ha.d/ha.cf",
        &format!(
            "keepalive 1\nnode lvs1 # the first\nnode {}\nnode lvs2 lvs3\nping gate\n",
            us.to_uppercase()
        ),
    );
    tree.write("ha.d/authkeys", "auth 1\n1 crc\n");
    std::fs::create_dir(tree.root.join("bin")).unwrap();
    for name in programs {
        tree.link(&format!("bin/{name}"), &script("remote"));
    }
    tree
}

fn propagate(tree: &Tree) -> Ran {
    // The stand-ins need a shell and cat, and nothing else that this machine may have shall be found.
    for name in ["sh", "cat"] {
        let link = format!("bin/{name}");
        if !tree.exists(&link) {
            tree.link(&link, std::path::Path::new(&format!("/bin/{name}")));
        }
    }
    let path = tree.root.join("bin").display().to_string();
    tree.tool_with("ha_propagate", &[], &[("PATH", &path)])
}

fn both_lines(nodes: &[&str]) -> String {
    nodes
        .iter()
        .map(|node| {
            format!(
                "Propagating HA configuration files to node {node}.\nSetting HA startup configuration on node {node}.\n"
            )
        })
        .collect()
}

fn copy(tree: &Tree, node: &str) -> String {
    let dir = tree.root.join("ha.d").display().to_string();
    format!("scp {dir}/ha.cf {dir}/authkeys root@{node}:/etc/ha.d/")
}

#[test]
fn every_other_node_gets_both_files_and_the_startup_setting() {
    let tree = tree(&["ssh", "scp", "chkconfig"]);
    tree.write("chkconfig.says", "heartbeat  off\n");
    assert_eq!(
        propagate(&tree),
        Ran::quiet(0, &both_lines(&["lvs1", "lvs2", "lvs3"]))
    );
    let mut expected = vec!["chkconfig heartbeat".to_owned()];
    for node in ["lvs1", "lvs2", "lvs3"] {
        expected.push(copy(&tree, node));
        expected.push(format!("ssh root@{node} chkconfig heartbeat off"));
    }
    assert_eq!(tree.runs(), expected);
}

/// Some versions of `chkconfig` answer by their exit code; the legacy then runs it without arguments on the other nodes.
#[test]
fn a_silent_chkconfig_is_understood_by_its_exit_code() {
    for (refuses, word) in [("nothing", "on"), ("heartbeat", "off")] {
        let tree = tree(&["ssh", "scp", "chkconfig"]);
        tree.write("chkconfig.refuses", refuses);
        assert_eq!(propagate(&tree).code, 0);
        assert!(
            tree.runs()
                .contains(&format!("ssh root@lvs1 chkconfig heartbeat {word}"))
        );
    }
}

#[test]
fn without_chkconfig_only_files_are_copied() {
    let tree = tree(&["ssh", "scp"]);
    assert_eq!(propagate(&tree).code, 0);
    assert_eq!(
        tree.runs(),
        ["lvs1", "lvs2", "lvs3"].map(|node| copy(&tree, node))
    );
}

#[test]
fn a_node_that_cannot_be_reached_costs_the_exit_code_and_not_the_others() {
    let tree = tree(&["ssh", "scp", "chkconfig"]);
    tree.write("scp.refuses", "lvs2");
    let ran = propagate(&tree);
    assert_eq!(ran.code, 1);
    let runs = tree.runs();
    assert!(runs.contains(&copy(&tree, "lvs3")));
    assert!(
        !runs.iter().any(|run| run.contains("ssh root@lvs2")),
        "{runs:?}"
    );
}

#[test]
fn without_scp_it_says_so() {
    let tree = tree(&[]);
    let ran = propagate(&tree);
    assert_eq!(ran.code, 1);
    let complaint = "ha_propagate: cannot run scp: No such file or directory\n";
    assert_eq!(ran.stderr, complaint.repeat(3));
}

#[test]
fn without_a_configuration_there_is_nothing_to_propagate() {
    for missing in ["ha.cf", "authkeys"] {
        let tree = tree(&["ssh", "scp", "chkconfig"]);
        std::fs::remove_file(tree.root.join("ha.d").join(missing)).unwrap();
        let text = "HA Linux not configured on this node.  Can not propagate.\n";
        assert_eq!(propagate(&tree), Ran::quiet(1, text));
        assert_eq!(tree.runs(), [""; 0]);
    }
    let tree = tree(&["ssh", "scp"]);
    assert_eq!(
        tree.tool("ha_propagate", &["--help"]),
        Ran::quiet(1, "usage: ha_propagate\n")
    );
}
