//! Tools and handlers that send a message to the daemon.

use std::path::Path;
use std::process::Command;

use crate::tree::{Ran, Tree, script};

#[test]
fn standby_and_takeover_send_one_message_each() {
    let mut tree = Tree::with_daemon("");
    for (args, held) in [
        (&[][..], "all"),
        (&["all"], "all"),
        (&["foreign"], "foreign"),
        (&["local"], "local"),
        (&["failback"], "foreign"),
    ] {
        assert_eq!(tree.tool("hb_standby", args), Ran::quiet(0, ""));
        assert_eq!(
            tree.messages(),
            format!(">>>\nt=ask_resources\nrsc_hold={held}\ninfo=me\n<<<\n")
        );
        assert_eq!(tree.log(), [format!("hb_standby: Going standby [{held}].")]);
        assert_eq!(tree.tool("hb_takeover", args), Ran::quiet(0, ""));
        let set = args.first().unwrap_or(&"all");
        assert_eq!(
            tree.messages(),
            format!(">>>\nt=hb_takeover\nrsc_hold={set}\n<<<\n")
        );
    }
    assert_eq!(tree.log(), [""; 0], "hb_takeover is silent");
    let ran = tree.tool_with(
        "hb_standby",
        &[],
        &[("HA_LOGFILE", ""), ("HA_DEBUGLOG", "")],
    );
    assert_eq!(
        ran,
        Ran {
            code: 0,
            stdout: String::new(),
            stderr: "DATE Going standby [all].\n".into()
        }
    );
}

#[test]
fn standby_and_takeover_refuse_what_makes_no_sense() {
    let mut tree = Tree::with_daemon("");
    for name in [
        "/usr/share/heartbeat/hb_standby",
        "/usr/lib64/heartbeat/hb_takeover",
    ] {
        for (args, complaint) in [
            (&["foo"][..], format!("{name}: wrong resources(foo).\n")),
            (&["ALL"], format!("{name}: wrong resources(ALL).\n")),
            (&["all", "all"], format!("{name}: too many arguments\n")),
            (&["--help"], String::new()),
        ] {
            let expected = Ran {
                code: 1,
                stdout: format!("{complaint}usage:\n"),
                stderr: format!("{name} [all|foreign|local|failback]\n"),
            };
            assert_eq!(tree.tool(name, args), expected);
        }
    }
    assert_eq!(tree.messages(), "");
}

#[test]
fn node_tools_send_their_arguments() {
    let mut tree = Tree::with_daemon("");
    for (name, args, message) in [
        (
            "hb_addnode",
            &["n1", "n2"][..],
            "t=addnode\nnodelist=n1 n2\n",
        ),
        ("hb_delnode", &["n1"], "t=delnode\nnodelist=n1\n"),
        (
            "hb_setweight",
            &["n1", "50"],
            "t=setweight\nnode=n1\nweight=50\n",
        ),
        (
            "hb_setsite",
            &["n1", "here"],
            "t=setsite\nnode=n1\nsite=here\n",
        ),
    ] {
        assert_eq!(tree.tool(name, args), Ran::quiet(0, ""), "{name}");
        assert_eq!(tree.messages(), format!(">>>\n{message}<<<\n"));
    }
    for (name, arguments) in [
        ("hb_addnode", "<node> <node> ..."),
        ("hb_delnode", "<node> <node> ..."),
        ("hb_setweight", "<node> <weight>"),
        ("hb_setsite", "<node> <site>"),
    ] {
        for args in [&[][..], &["--help"]] {
            assert_eq!(
                tree.tool(name, args),
                Ran::quiet(1, &format!("usage: {name} {arguments}\n"))
            );
        }
    }
    // The legacy sends an empty weight here.
    assert_eq!(tree.tool("hb_setweight", &["n1"]).code, 1);
    assert_eq!(tree.messages(), "");
}

/// The legacy hangs when nobody reads the FIFO, and leaves a plain file behind when there is none.
#[test]
fn without_a_daemon_tools_fail_at_once() {
    let tree = Tree::new("alpha Test::a1\n");
    let fails = || {
        for (name, args) in [
            ("hb_standby", &[][..]),
            ("hb_takeover", &["local"]),
            ("hb_addnode", &["x"]),
        ] {
            let ran = tree.tool(name, args);
            let fifo = tree.root.join("fifo").display().to_string();
            let complaint = format!("{name}: cannot send to {fifo}: heartbeat is not running\n");
            assert_eq!(
                ran,
                Ran {
                    code: 1,
                    stdout: String::new(),
                    stderr: complaint
                }
            );
        }
        assert_eq!(tree.tool("req_resource", &["Test::a1"]).code, 1);
        assert_eq!(tree.log(), [""; 0], "nobody goes standby");
    };
    fails();
    assert!(!tree.exists("fifo"), "no plain file in the FIFO's place");
    tree.make_fifo();
    fails();
}

#[test]
fn a_value_cannot_smuggle_a_second_message() {
    let mut tree = Tree::with_daemon("");
    let ran = tree.tool("hb_addnode", &["x\n<<<\n>>>\nt=shutdone"]);
    assert_eq!(ran.code, 1);
    assert_eq!(tree.messages(), "");
}

/// Runs a handler as `harc` does: by its path in `rc.d`, with the type as argument.
fn handle(tree: &Tree, kind: &str, fields: &[(&str, &str)]) -> Ran {
    let path = tree.root.join("ha.d/rc.d").join(kind);
    if !path.exists() {
        tree.link(
            &format!("ha.d/rc.d/{kind}"),
            Path::new(env!("CARGO_BIN_EXE_ha-tools")),
        );
    }
    let mut command = Command::new(path);
    command.arg(kind);
    tree.run(command, fields)
}

#[test]
fn the_status_handler_takes_over_from_the_dead() {
    let mut tree = Tree::with_daemon("alpha Test::a1\nbeta Test::b1\n");
    assert_eq!(
        handle(&tree, "status", &[("HA_src", "beta"), ("HA_st", "up")]),
        Ran::quiet(0, "")
    );
    let ping = [("HA_src", "beta"), ("HA_st", "dead"), ("HA_info", "ping")];
    assert_eq!(handle(&tree, "status", &ping), Ran::quiet(0, ""));
    assert_eq!(tree.runs(), [""; 0]);
    let dead = [
        ("HA_src", "beta"),
        ("HA_st", "dead"),
        ("HA_NICEFAILBACK", "yes"),
    ];
    assert_eq!(handle(&tree, "status", &dead), Ran::quiet(0, ""));
    assert_eq!(tree.runs(), ["b1 status", "b1 start"]);
    assert_eq!(
        tree.messages(),
        ">>>\nt=resource\nrsc_hold=foreign\ninfo=mach_down\n<<<\n"
    );
}

#[test]
fn the_request_handler_gives_what_runs_and_always_answers() {
    let mut tree = Tree::with_daemon("alpha Test::a1 Test::a2\n");
    let request = [("HA_src", "beta"), ("HA_ipaddr", "Test::a1")];
    let answer = |own: &str| {
        format!(">>>\nt=ip-request-resp\ndest=beta\nipaddr=Test::a1\nweown={own}\nok=OK\n<<<\n")
    };

    assert_eq!(
        handle(
            &tree,
            "ip-request",
            &[("HA_src", "alpha"), ("HA_ipaddr", "Test::a1")]
        ),
        Ran::quiet(0, "")
    );
    assert_eq!(tree.messages(), "");
    assert_eq!(handle(&tree, "ip-request", &request), Ran::quiet(0, ""));
    assert_eq!(
        (tree.runs(), tree.messages()),
        (vec!["a1 status".to_owned()], answer("no"))
    );

    tree.write("state-a1", "");
    tree.link("ha.d/rc.d/local_giveip", &script("local_giveip"));
    assert_eq!(handle(&tree, "ip-request", &request), Ran::quiet(0, ""));
    assert_eq!(
        tree.runs(),
        ["a1 status", "local_giveip ip-request", "a2 stop", "a1 stop"]
    );
    assert_eq!(tree.messages(), answer("yes"));
}

#[test]
fn the_response_handler_takes_what_is_granted_to_us() {
    let tree = Tree::with_daemon("alpha Test::a1\n");
    let respond = |dest: &str, ok: &str| {
        let fields = [
            ("HA_dest", dest),
            ("HA_ok", ok),
            ("HA_weown", "no"),
            ("HA_ipaddr", "Test::a1"),
        ];
        assert_eq!(handle(&tree, "ip-request-resp", &fields), Ran::quiet(0, ""));
        (tree.runs(), tree.log().first().cloned())
    };
    assert_eq!(respond("beta", "OK"), (vec![], None));
    let received = |ok: &str| {
        Some(format!(
            "ip-request-resp: received ip-request-resp Test::a1 {ok} no"
        ))
    };
    assert_eq!(respond("alpha", "BAD"), (vec![], received("BAD")));
    assert_eq!(
        respond("alpha", "OK"),
        (vec!["a1 status".into(), "a1 start".into()], received("OK"))
    );
}

#[test]
fn the_takeover_handler_offers_the_mirrored_set() {
    let mut tree = Tree::with_daemon("");
    for (wanted, offered) in [
        ("local", "foreign"),
        ("foreign", "local"),
        ("all", "all"),
        ("failback", "all"),
    ] {
        let fields = [("HA_src", "beta"), ("HA_rsc_hold", wanted)];
        assert_eq!(handle(&tree, "hb_takeover", &fields), Ran::quiet(0, ""));
        assert_eq!(
            tree.messages(),
            format!(">>>\nt=ask_resources\nrsc_hold={offered}\ninfo=me\n<<<\n")
        );
        assert_eq!(
            tree.log(),
            [format!("hb_standby: Going standby [{offered}].")]
        );
    }
    let ours = [("HA_src", "alpha"), ("HA_rsc_hold", "local")];
    assert_eq!(handle(&tree, "hb_takeover", &ours), Ran::quiet(0, ""));
    assert_eq!(tree.messages(), "");
}

#[test]
fn every_tool_can_be_called_through_the_multi_call_program() {
    let mut tree = Tree::with_daemon("");
    assert_eq!(
        tree.tool("/usr/lib64/heartbeat/ha-tools", &["hb_takeover", "local"]),
        Ran::quiet(0, "")
    );
    assert_eq!(tree.messages(), ">>>\nt=hb_takeover\nrsc_hold=local\n<<<\n");
    let fields = [("HA_src", "beta"), ("HA_rsc_hold", "local")];
    assert_eq!(
        tree.tool_with("ha-tools", &["rc.d-hb_takeover"], &fields),
        Ran::quiet(0, "")
    );
    assert_eq!(
        tree.messages(),
        ">>>\nt=ask_resources\nrsc_hold=foreign\ninfo=me\n<<<\n"
    );
    for args in [&[][..], &["nosuch"]] {
        let ran = tree.tool("ha-tools", args);
        assert_eq!(ran.code, 1);
        assert!(
            ran.stderr.starts_with("usage: ha-tools NAME"),
            "{}",
            ran.stderr
        );
    }
}

/// Where the daemon says nothing about logs, somebody started it by hand and reads the terminal. No daemon runs where these
/// tests run.
#[test]
fn ipfail_without_a_daemon_says_so_and_may_be_started_again() {
    let tree = Tree::new("");
    let expected = [
        "debug: Signing in with heartbeat",
        "ERROR: Cannot sign on with heartbeat",
        "ERROR: REASON: hb_api_signon: Can't initiate connection  to heartbeat",
    ];
    let texts = |log: &str| {
        log.lines()
            .filter_map(|line| line.splitn(3, ' ').nth(2).map(str::to_owned))
            .skip(1)
            .collect::<Vec<_>>()
    };
    let ran = tree.tool("ipfail", &[]);
    assert_eq!(
        (ran.code, texts(&ran.stderr)),
        (1, expected.map(String::from).to_vec())
    );
    assert!(ran.stderr.starts_with("ipfail["), "{}", ran.stderr);

    let path = |name: &str| tree.root.join(name).display().to_string();
    let (log, debug) = (path("ha-log"), path("ha-debug"));
    let variables = [("HA_logfile", log.as_str()), ("HA_debugfile", &debug)];
    assert_eq!(tree.tool_with("ipfail", &[], &variables), Ran::quiet(1, ""));
    assert_eq!(tree.take_lines("ha-log").len(), 2, "no debug line");
    assert_eq!(tree.take_lines("ha-debug").len(), 4);
}
