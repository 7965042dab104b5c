//! `ResourceManager` and the tools that act through it, on a tree of their own.

use crate::tree::{Ran, Tree};

const HARESOURCES: &str = "# comment\n\
     ALPHA Test::a1::x Test::a2 \\\n      Test::a3   # trailing\n\
     beta\tTest::b1   Test::b2\n\
     alpha   Test::c1::x::y\n";

fn manager(tree: &Tree, args: &[&str]) -> Ran {
    tree.tool("ResourceManager", args)
}

#[test]
fn queries_print_keys_and_groups() {
    let tree = Tree::new(HARESOURCES);
    let prints = |args: &[&str], stdout: &str| {
        assert_eq!(manager(&tree, args), Ran::quiet(0, stdout), "{args:?}")
    };
    prints(&["listkeys", "alpha"], "Test::a1::x\nTest::c1::x::y\n");
    prints(&["listkeys", "ALPHA"], "Test::a1::x\nTest::c1::x::y\n");
    prints(&["listkeys", "beta"], "Test::b1\n");
    prints(&["listkeys", "nosuch"], "");
    prints(&["listkeys"], "");
    prints(
        &["listkeys", ".*"],
        "Test::a1::x\nTest::b1\nTest::c1::x::y\n",
    );
    prints(&["allkeys"], "Test::a1::x\nTest::b1\nTest::c1::x::y\n");
    prints(
        &["ourkeys"],
        "Test::a1::x Test::a2 Test::a3 \nTest::c1::x::y \n",
    );
    prints(&["otherkeys"], "Test::b1 Test::b2 \n");
    assert_eq!(tree.runs(), [""; 0]);
}

#[test]
fn without_haresources_there_are_no_groups() {
    let tree = Tree::new("");
    std::fs::remove_file(tree.root.join("ha.d/haresources")).unwrap();
    for args in [
        ["listkeys", "alpha"],
        ["takegroup", "x"],
        ["givegroup", "x"],
        ["verifyallidle", ""],
    ] {
        assert_eq!(manager(&tree, &args), Ran::quiet(0, ""), "{args:?}");
    }
}

#[test]
fn nonsense_shows_the_usage() {
    let tree = Tree::new("");
    let usage = "usage: ResourceManager listkeys machine | takegroup key | givegroup key|status resource\n\n";
    for args in [&["bogus"][..], &[], &["--help"]] {
        let expected = Ran {
            code: 1,
            stdout: String::new(),
            stderr: usage.into(),
        };
        assert_eq!(manager(&tree, args), expected, "{args:?}");
    }
}

#[test]
fn a_group_is_taken_asked_for_and_given() {
    let tree = Tree::new(HARESOURCES);
    let resources = tree.root.join("ha.d/resource.d/Test").display().to_string();

    assert_eq!(manager(&tree, &["status", "Test::b1"]), Ran::quiet(3, ""));
    assert_eq!(
        manager(&tree, &["takegroup", "Test::b1"]),
        Ran::quiet(0, "")
    );
    assert_eq!(
        tree.runs(),
        [
            "b1 status",
            "b1 status",
            "b1 start",
            "b2 status",
            "b2 start"
        ]
    );
    let log = tree.log();
    assert_eq!(
        log,
        [
            "ResourceManager: info: Acquiring resource group: beta Test::b1 Test::b2".to_owned(),
            format!("ResourceManager: info: Running {resources} b1 start"),
            format!("ResourceManager: info: Running {resources} b2 start"),
        ]
    );
    let debug = tree.take_lines("debug");
    assert_eq!(
        debug
            .iter()
            .filter(|line| *line == "started" || *line == "noise")
            .count(),
        4,
        "{debug:?}"
    );

    assert_eq!(manager(&tree, &["status", "Test::b1"]), Ran::quiet(0, ""));
    assert_eq!(
        manager(&tree, &["statgroup", "Test::b1"]),
        Ran::quiet(0, "")
    );
    assert_eq!(tree.take_lines("debug"), ["ALL"]);
    tree.runs();
    tree.log();
    // Any word of the group names it.
    assert_eq!(
        manager(&tree, &["givegroup", "Test::b2", "ignored"]),
        Ran::quiet(0, "")
    );
    assert_eq!(tree.runs(), ["b2 stop", "b1 stop"]);
    assert_eq!(
        tree.log()[0],
        "ResourceManager: info: Releasing resource group: beta Test::b1 Test::b2"
    );
    tree.take_lines("debug");
    assert_eq!(
        manager(&tree, &["statgroup", "Test::b1"]),
        Ran::quiet(0, "")
    );
    assert_eq!(tree.take_lines("debug"), ["NONE"]);
    tree.write("state-b2", "");
    assert_eq!(
        manager(&tree, &["statgroup", "Test::b1"]),
        Ran::quiet(0, "")
    );
    assert_eq!(tree.take_lines("debug"), ["SOME"]);
}

#[test]
fn debugging_shows_each_script_twice() {
    let tree = Tree::new("alpha Test::a1\n");
    let ran = tree.tool_with(
        "ResourceManager",
        &["takegroup", "Test::a1"],
        &[("HA_DEBUG", "1")],
    );
    assert_eq!(ran, Ran::quiet(0, ""));
    let debug = tree.take_lines("debug").join("\n");
    assert!(
        debug.contains(" debug: Starting ") && debug.contains(" a1 start done. RC=0"),
        "{debug}"
    );
    assert!(!tree.log().join("\n").contains("debug"));
}

#[test]
fn a_failed_start_still_exits_with_success() {
    let tree = Tree::new("alpha Test::a1 Test::a2\n");
    tree.write("fail-start-a2", "");
    assert_eq!(
        manager(&tree, &["takegroup", "Test::a1"]),
        Ran::quiet(0, "")
    );
    assert_eq!(
        tree.runs(),
        [
            "a1 status",
            "a1 start",
            "a2 status",
            "a2 start",
            "a2 stop",
            "a1 stop"
        ]
    );
    assert!(
        tree.log().contains(
            &"ResourceManager: CRIT: Giving up resources due to failure of Test::a2".into()
        )
    );
}

#[test]
fn a_stop_that_fails_is_tried_again() {
    let tree = Tree::new("alpha Test::a1 Test::a2\n");
    tree.write("fail-stop-a2", "");
    assert_eq!(
        manager(&tree, &["givegroup", "Test::a1"]),
        Ran::quiet(0, "")
    );
    assert_eq!(tree.runs(), ["a2 stop", "a2 stop", "a2 status", "a1 stop"]);
}

#[test]
fn a_missing_script_is_not_running_and_nothing_is_executed() {
    let tree = Tree::new("alpha nosuch\n");
    assert_eq!(manager(&tree, &["status", "nosuch"]), Ran::quiet(3, ""));
    assert_eq!(
        tree.log(),
        ["ResourceManager: ERROR: Cannot locate resource script nosuch"]
    );
    let ran = tree.tool_with(
        "ResourceManager",
        &["status", "nosuch"],
        &[("HA_LOGFILE", ""), ("HA_DEBUGLOG", "")],
    );
    assert_eq!(
        ran.stderr,
        "DATE ERROR: Cannot locate resource script nosuch\n"
    );
    assert_eq!(manager(&tree, &["takegroup", "nosuch"]), Ran::quiet(0, ""));
}

#[test]
fn the_idle_check_complains_of_each_active_key() {
    let tree = Tree::new("alpha Test::a1 Test::a2\nbeta Test::b1\n");
    assert_eq!(manager(&tree, &["verifyallidle"]), Ran::quiet(0, ""));
    assert_eq!(
        tree.runs(),
        ["a1 status", "b1 status"],
        "only key resources are asked"
    );
    tree.write("state-b1", "");
    let ran = manager(&tree, &["verifyallidle"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    let complaint = "CRITICAL: Resource Test::b1 is active, and should not be!\n\
        CRITICAL: Non-idle resources can affect data integrity!\n\
        info: If you don't know what this means, then get help!\n\
        info: Read the docs and/or the source to ResourceManager for more details.\n";
    assert_eq!(ran.stderr, complaint);
    let log = tree.log();
    assert_eq!(log.len(), 6, "{log:?}");
    assert_eq!(
        log[5],
        "ResourceManager: CRITICAL: Non-idle resources may affect data integrity!"
    );
}

#[test]
fn req_resource_asks_only_for_what_does_not_run() {
    let mut tree = Tree::with_daemon("alpha Test::a1\n");
    let to_us = ">>>\nt=ip-request-resp\ndest=alpha\nipaddr=Test::a1\nweown=yes\nok=OK\n<<<\n";
    let cases: [(&[(&str, &str)], &str); 3] = [
        (&[], ">>>\nt=ip-request\nipaddr=Test::a1\n<<<\n"),
        (&[("HA_NICEFAILBACK", "yes")], to_us),
        (&[("HA_DONTASK", "yes")], to_us),
    ];
    for (variables, message) in cases {
        assert_eq!(
            tree.tool_with("req_resource", &["Test::a1"], variables),
            Ran::quiet(0, "")
        );
        assert_eq!(tree.messages(), message);
    }
    tree.write("state-a1", "");
    assert_eq!(tree.tool("req_resource", &["Test::a1"]), Ran::quiet(0, ""));
    assert_eq!(tree.messages(), "");
}

#[test]
fn mach_down_takes_every_group_of_the_node() {
    let mut tree = Tree::with_daemon("beta Test::b1\nalpha Test::a1\nbeta Test::b2\n");
    let nice = [("HA_NICEFAILBACK", "yes")];
    assert_eq!(
        tree.tool_with("mach_down", &["BETA"], &nice),
        Ran::quiet(0, "")
    );
    assert_eq!(
        tree.runs(),
        ["b1 status", "b1 start", "b2 status", "b2 start"]
    );
    assert_eq!(
        tree.messages(),
        ">>>\nt=resource\nrsc_hold=foreign\ninfo=mach_down\n<<<\n"
    );
    let log = tree.log();
    assert_eq!(
        log[0],
        "mach_down: info: Taking over resource group Test::b1"
    );
    assert_eq!(
        log[log.len() - 2..],
        [
            "mach_down: info: /usr/share/heartbeat/mach_down: nice_failback: foreign resources acquired",
            "mach_down: info: mach_down takeover complete for node beta.",
        ]
    );

    assert_eq!(tree.tool("mach_down", &["beta"]), Ran::quiet(0, ""));
    assert_eq!(tree.messages(), "", "only the coordinated mode is told");
    tree.log();
    for (node, variables) in [("alpha", &[][..]), ("beta", &[("HA_info", "ping")])] {
        assert_eq!(
            tree.tool_with("mach_down", &[node], variables),
            Ran::quiet(0, "")
        );
        assert_eq!(tree.log(), [""; 0]);
    }
}
