//! `OCF`, `hto-mapfuncs`, `ocf-shellfuncs`: agents and scripts of third parties.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::sandbox::{Script, Skip, Test, run};

pub const TESTS: &[Test] = &[
    ("OCF_runs_an_agent", ocf_runs),
    ("OCF_runs_debians_Dummy", ocf_runs_debians),
    ("OCF_refuses", ocf_refuses),
    ("hto_mapfuncs_for_wrappers_of_others", wrapper_of_others),
    ("ocf_shellfuncs_for_agents_of_others", functions),
    ("a_stock_script_is_an_agent_too", stock_script_as_agent),
];

/// An agent that writes down what it is told.
const AGENT: &str = "#!/bin/sh
. ${OCF_ROOT}/resource.d/heartbeat/.ocf-shellfuncs
env | grep '^OCF_' | sort >/run/told
case \"$1\" in
start) ha_pseudo_resource \"x_$OCF_RESOURCE_INSTANCE\" start ;;
stop) ha_pseudo_resource \"x_$OCF_RESOURCE_INSTANCE\" stop ;;
monitor) ha_pseudo_resource \"x_$OCF_RESOURCE_INSTANCE\" monitor ;;
meta-data) echo '<resource-agent/>' ;;
*) exit $OCF_ERR_UNIMPLEMENTED ;;
esac
";

fn program(path: &str, text: &str) {
    let parent = Path::new(path).parent().expect("a directory");
    fs::create_dir_all(parent).expect("made");
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
}

/// A root of agents with one of our own making.
fn root() {
    program("/run/ocf/resource.d/acme/Thing", AGENT);
    fs::create_dir_all("/run/ocf/resource.d/heartbeat").expect("made");
    symlink(
        "/run/tree/bin/ocf-shellfuncs",
        "/run/ocf/resource.d/heartbeat/.ocf-shellfuncs",
    )
    .expect("a link");
}

fn ocf<'a>(arguments: &[&'a str]) -> Script<'a> {
    Script::ours("OCF", arguments).with("OCF_ROOT", "/run/ocf")
}

/// status, start, start, status, stop, stop, status.
fn lives(script: &Script<'_>, shown: &str) {
    let status = |runs: bool| {
        let finished = script.call("status");
        let (code, word) = if runs { (0, "running") } else { (7, "stopped") };
        assert_eq!(
            finished.end(),
            (code, format!("OCF Resource {shown} is {word}")),
            "{finished:?}"
        );
    };
    for (operation, runs) in [
        ("start", true),
        ("start", true),
        ("stop", false),
        ("stop", false),
    ] {
        script.call(operation).succeeds();
        status(runs);
    }
}

fn ocf_runs() -> Result<(), Skip> {
    root();
    let told = || fs::read_to_string("/run/told").expect("told");
    fs::create_dir_all("/run/tree/ha.d/conf/OCF/Thing").expect("made");
    let file = "/run/tree/ha.d/conf/OCF/Thing/one";
    fs::write(
        file,
        "# mine\ncolour='dark red'\nexport size=3\nOCF_RESKEY_ip=10.0.0.1\n",
    )
    .expect("written");
    lives(&ocf(&["Thing", "one"]), "Thing::one");
    for line in [
        "OCF_RA_VERSION_MAJOR=1",
        "OCF_RESOURCE_INSTANCE=one",
        "OCF_RESOURCE_TYPE=Thing",
        "OCF_RESOURCE_PROVIDER=acme",
        "OCF_RESKEY_colour=dark red",
        "OCF_RESKEY_size=3",
        "OCF_RESKEY_ip=10.0.0.1",
    ] {
        assert!(
            told().lines().any(|known| known == line),
            "{line}: {}",
            told()
        );
    }
    // What stands on the line wins.
    lives(
        &ocf(&["acme", "Thing", "one", "size=4", "text=a=b c"]),
        "Thing::one",
    );
    for line in [
        "OCF_RESKEY_colour=dark red",
        "OCF_RESKEY_size=4",
        "OCF_RESKEY_text=a=b c",
    ] {
        assert!(
            told().lines().any(|known| known == line),
            "{line}: {}",
            told()
        );
    }
    // Without a file, and without an instance's name.
    lives(&ocf(&["acme", "Thing", "two"]), "Thing::two");
    lives(&ocf(&["acme", "Thing", "size=1"]), "Thing::Thing");
    assert_eq!(
        ocf(&["acme", "Thing"]).call("meta-data").succeeds(),
        "<resource-agent/>\n"
    );
    // The daemon sets this variable to a directory of agents, not of providers.
    let told_wrong = ocf(&["Thing", "one"]).with("OCF_AGENTS", "/run/ocf/resource.d/heartbeat/");
    lives(&told_wrong, "Thing::one");
    // By a name of the newer kind.
    symlink("OCF", "/run/tree/ha.d/resource.d/ocf:acme:Thing").expect("a link");
    let named = Script::ours("ocf:acme:Thing", &["three"]).with("OCF_ROOT", "/run/ocf");
    lives(&named, "Thing::three");
    Ok(())
}

fn ocf_runs_debians() -> Result<(), Skip> {
    if !Path::new("/usr/lib/ocf/resource.d/heartbeat/Dummy").exists() {
        return Err(Skip("no agent Dummy of Debian's".to_owned()));
    }
    let state = "state=/run/dummy-state";
    let script = Script::ours("OCF", &["heartbeat", "Dummy", "one", state]);
    lives(&script, "Dummy::one");
    let monitor = script.call("monitor");
    assert_eq!(monitor.code, 7);
    script.call("start").succeeds();
    assert!(Path::new("/run/dummy-state").exists());
    Ok(())
}

fn ocf_refuses() -> Result<(), Skip> {
    root();
    for words in [
        &[][..],
        &["start"],
        &["Thing", "start"],
        &["a", "b", "c", "d", "start"],
        &["acme", "Thing", "one", "restart"],
        &["acme", "Thing", "../one", "start"],
    ] {
        let finished = ocf(&[]).call_with(words);
        assert_eq!(finished.code, 1, "{words:?} {finished:?}");
        assert!(
            finished.stderr.contains("usage: "),
            "{words:?} {finished:?}"
        );
    }
    let missing = ocf(&["Nothing", "one"]).call("start");
    assert_eq!(missing.code, 5);
    assert!(
        missing.stderr.contains("there is no agent Nothing"),
        "{missing:?}"
    );
    let unconfigured = ocf(&["Thing", "nofile"]).call("start");
    assert_eq!(unconfigured.code, 6);
    // Whether it can be stopped without its file is the agent's to say.
    assert_eq!(ocf(&["Thing", "nofile"]).call("stop").code, 0);
    assert_eq!(ocf(&["../../bin", "sh", "x"]).call("start").code, 5);
    Ok(())
}

/// A wrapper as 2.1's are made: it sets variables, defines its usage, and has the agent run.
const WRAPPER: &str = "#!/bin/sh
. $HA_DIR/resource.d/hto-mapfuncs
usage() { echo \"usage: $0 <size> $LEGAL_ACTIONS\"; }
OCF_TYPE=Thing; OCF_RESOURCE_INSTANCE=Thing_$1; OCF_RESKEY_size=$1; OCF_PROVIDER=acme
export OCF_TYPE OCF_RESOURCE_INSTANCE OCF_RESKEY_size
[ $# = 2 ] || { usage; exit 1; }
ra_execocf $2
";

fn wrapper_of_others() -> Result<(), Skip> {
    root();
    program("/run/tree/ha.d/resource.d/Thing", WRAPPER);
    let script = Script::ours("Thing", &["4"]).with("OCF_ROOT", "/run/ocf");
    script.lives(|| Path::new("/run/ours/x_Thing_4").exists());
    let told = fs::read_to_string("/run/told").expect("told");
    assert!(told.contains("OCF_RESKEY_size=4\n"), "{told}");
    for (code, line) in [
        (1, "ERROR:  Generic error"),
        (3, "ERROR:  Function unimplemented"),
        (4, "ERROR:  User had insufficient privilege"),
        (5, "ERROR:  Program is not installed"),
        (6, "ERROR:  Program is not configured"),
    ] {
        program(
            "/run/ocf/resource.d/acme/Thing",
            &format!("#!/bin/sh\nexit {code}\n"),
        );
        script.expect("start", code, line);
    }
    for code in [8, 127, 255] {
        program(
            "/run/ocf/resource.d/acme/Thing",
            &format!("#!/bin/sh\nexit {code}\n"),
        );
        script.expect("start", 1, &format!("ERROR:  Unknown error: {code}"));
    }
    fs::remove_file("/run/ocf/resource.d/acme/Thing").expect("removed");
    let line = "ERROR: /run/ocf/resource.d/acme/Thing is not an executable file ";
    script.expect("start", 1, line);
    script.refuses(&[]);
    script.refuses(&["4", "restart"]);
    script.refuses(&["4", "usage"]);
    Ok(())
}

fn functions() -> Result<(), Skip> {
    let shell = |text: &str| {
        let line = format!(
            "export HA_DIR=/run/tree/ha.d HA_BIN=/run/tree/bin HA_RSCTMP=/run/ours HA_LOGFILE=/run/log
            . /run/tree/bin/ocf-shellfuncs; {text}"
        );
        run("sh", &["-c", &line])
    };
    for (text, code, said) in [
        (
            "echo $OCF_SUCCESS$OCF_ERR_GENERIC$OCF_ERR_ARGS$OCF_ERR_UNIMPLEMENTED$OCF_ERR_PERM$OCF_ERR_INSTALLED",
            0,
            "012345",
        ),
        (
            "echo $OCF_ERR_CONFIGURED$OCF_NOT_RUNNING$OCF_RUNNING_MASTER$OCF_FAILED_MASTER",
            0,
            "6789",
        ),
        (
            "echo $IFCONFIG $IP2UTIL $MODPROBE $HA_CF $HA_VARRUN $OCF_RESOURCE_INSTANCE $OCF_CHECK_LEVEL",
            0,
            "ifconfig ip modprobe /run/tree/ha.d/ha.cf /var/run/ default 0",
        ),
        (
            "ocf_is_true yes && ocf_is_true ON && ! ocf_is_true 0 && ! ocf_is_true ''",
            0,
            "",
        ),
        (
            "ocf_is_decimal 12 && ! ocf_is_decimal 1a && ! ocf_is_decimal '' && ocf_is_hex 1a && ocf_is_octal 7 && ! ocf_is_octal 8",
            0,
            "",
        ),
        (
            "ocf_is_root && have_binary sh && ! have_binary no-such-program",
            0,
            "",
        ),
        ("check_binary no-such-program; echo not reached", 5, ""),
        ("ocf_run false", 1, ""),
        ("ocf_run sh -c 'echo one; echo two'", 0, ""),
        (
            "ha_pseudo_resource n start; ha_pseudo_resource n monitor; echo $?; ha_pseudo_resource n stop; ha_pseudo_resource n monitor",
            7,
            "0",
        ),
        (
            "echo $$ >/run/p; ocf_pidfile_status /run/p && ! ocf_pidfile_status /run/none",
            0,
            "",
        ),
        ("pingargs 10.0.0.1", 0, "-c 1 -q -n 10.0.0.1"),
        (
            "ocf_version_cmp 1.2.3 1.10; echo $?; ocf_version_cmp 1.2 1.2; echo $?; ocf_version_cmp 2 1.9",
            2,
            "0\n1",
        ),
    ] {
        let finished = shell(text);
        assert_eq!(
            (finished.code, finished.stdout.trim_end()),
            (code, said),
            "{text}: {finished:?}"
        );
    }
    let log = fs::read_to_string("/run/log").expect("a log");
    for line in [
        " ERROR: Setup problem: Couldn't find utility no-such-program",
        " ERROR: command failed: false",
        " INFO: one two",
    ] {
        assert!(
            log.lines().any(|known| known.ends_with(line)),
            "{line}: {log}"
        );
    }
    let nameless = run(
        "sh",
        &[
            "-c",
            "export HA_DIR=/run/tree/ha.d OCF_RA_VERSION_MAJOR=1; . /run/tree/bin/ocf-shellfuncs",
        ],
    );
    assert_eq!(nameless.code, 2);
    assert!(
        nameless
            .stderr
            .contains("ERROR: Need to tell us our resource instance name.")
    );
    Ok(())
}

fn stock_script_as_agent() -> Result<(), Skip> {
    root();
    symlink(
        "/run/tree/ha.d/resource.d/Xinetd",
        "/run/ocf/resource.d/heartbeat/Xinetd",
    )
    .expect("a link");
    fs::write(
        "/etc/xinetd.d/tftp",
        "service tftp\n{\n\tdisable = yes\n}\n",
    )
    .expect("written");
    let script = ocf(&["heartbeat", "Xinetd", "one", "service=tftp"]);
    lives(&script, "Xinetd::one");
    assert_eq!(script.call("start").stdout, "", "no closing line");
    Ok(())
}
