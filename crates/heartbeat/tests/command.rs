//! The daemon as a program: options, texts, exit codes, files, signals, and what one node alone does with its
//! resources.
//!
//! Each test runs a shell script on a made-up host: namespaces of its own, fresh /etc/ha.d, /var/lib, /run and /var/log.
//! That needs root; without it the tests say so and pass.

use std::path::Path;
use std::process::{Command, Output};

/// What every host begins with. `hb` is the program under test; `until_true` waits for a condition, with a deadline.
const PRELUDE: &str = r#"
set -u
exec 2>&1
mount --make-rprivate /
upper() { mkdir -p /tmp/$1/u /tmp/$1/w; mount -t overlay none -o lowerdir=$2,upperdir=/tmp/$1/u,workdir=/tmp/$1/w $2; }
mount -t tmpfs none /mnt && cp "$HB_PROGRAM" /mnt/heartbeat && cp -r "$HB_COMPAT" /mnt/compat
mount -t tmpfs none /tmp
upper etc /etc
upper sbin "$(readlink -f /sbin)"
mount -t tmpfs none /run; [ -L /var/run ] || mount -t tmpfs none /var/run
mount -t tmpfs none /var/lib; mount -t tmpfs none /var/log
rm -rf /etc/ha.d; mkdir -p /etc/ha.d/resource.d /etc/ha.d/rc.d /var/lib/heartbeat/cores/root /var/run/heartbeat
cp /mnt/compat/harc /mnt/compat/shellfuncs /etc/ha.d/
hostname alpha
ip link set lo up
hb() { /mnt/heartbeat "$@"; }
pid() { echo $(cat /var/run/heartbeat.pid); }
until_true() {
    n=0
    until eval "$1"; do
        n=$((n+1)); [ $n -lt 400 ] || { echo "TIMEOUT: $1"; cat /var/log/ha-log; exit 99; }
        sleep 0.05
    done
}
logged() { grep -q -e "$1" /var/log/ha-log; }
cat > /etc/ha.d/ha.cf <<END
logfile /var/log/ha-log
debugfile /var/log/ha-debug
keepalive 100ms
deadtime 500ms
warntime 400ms
initdead 1
udpport 7694
ucast lo 127.0.0.1
auto_failback on
node alpha
node beta
END
printf 'auth 1\n1 sha1 secret\n' > /etc/ha.d/authkeys; chmod 600 /etc/ha.d/authkeys
printf 'alpha one two\nbeta three\n' > /etc/ha.d/haresources
for name in one two three; do
cat > /etc/ha.d/resource.d/$name <<'END'
#!/bin/sh
me=$(basename $0)
[ "$1" = status ] || echo "$me $1" >> /run/events
case $1 in
start) touch /run/is.$me;;
stop) [ ! -e /run/stuck.$me ] || exit 1; rm -f /run/is.$me;;
status) if [ -e /run/is.$me ]; then echo running; else echo stopped; fi;;
esac
END
chmod 755 /etc/ha.d/resource.d/$name
done
"#;

/// Runs a script on a host of its own. None without the rights for that.
fn host(script: &str) -> Option<String> {
    let prepared = |inner: &str| {
        let mut command = Command::new("unshare");
        command.args([
            "--net",
            "--mount",
            "--uts",
            "--pid",
            "--ipc",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ]);
        command.args(["sh", "-c", inner]);
        command.env("HB_PROGRAM", env!("CARGO_BIN_EXE_heartbeat"));
        command.env(
            "HB_COMPAT",
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../compat/ha.d"),
        );
        command
    };
    if !prepared("exit 0")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        eprintln!("skipped: a host of its own needs root and unshare(1)");
        return None;
    }
    let output: Output = prepared(&format!("{PRELUDE}\n{script}"))
        .output()
        .expect("unshare ran a moment ago");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("TIMEOUT: "), "{text}");
    Some(text)
}

#[track_caller]
fn assert_contains(text: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(text.contains(part), "missing: {part}\n---\n{text}");
    }
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_heartbeat"))
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

const USAGE: &str = "\nUsage: heartbeat [-dDkMrRsvWlV] [-C Current-resource-state]\n\
                     \t-C only valid with -R\n\t-r is mutually exclusive with -R\n";

#[test]
fn usage_goes_to_standard_error_with_code_2() {
    for arguments in [
        &["-h"][..],
        &["-?"],
        &["-x"],
        &["-C", "all"],
        &["-R", "-C", "everything"],
    ] {
        assert_eq!(
            run(arguments),
            (Some(2), String::new(), USAGE.to_owned()),
            "{arguments:?}"
        );
    }
}

#[test]
fn version_and_defaults() {
    assert_eq!(run(&["-V"]), (Some(0), "2.1.4\n".to_owned(), String::new()));
    let (code, stdout, stderr) = run(&["-D"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let row = ["keepalive", "1000ms", "keepalive", "time"];
    assert!(
        stdout.lines().any(|line| line.split_whitespace().eq(row)),
        "{stdout}"
    );
    assert!(run(&["-DW"]).1.contains("||"));
}

#[test]
fn status_and_stop_of_a_daemon_that_does_not_run() {
    let Some(text) = host(
        "hb -s; echo absent=$?\n\
         printf '%10d\\n' 999999 > /var/run/heartbeat.pid; hb -s; echo stale=$?\n\
         printf '%10d\\n' $$ > /var/run/heartbeat.pid; hb -s; echo other=$?\n\
         hb -k; echo kill=$?\n\
         hb -R; echo restart=$?",
    ) else {
        return;
    };
    assert_eq!(
        text,
        "heartbeat is stopped. No process\nabsent=3\nheartbeat is stopped. No process\nstale=1\n\
         heartbeat is stopped. No process\nother=1\nINFO: Heartbeat already stopped.\nkill=0\n\
         ERROR: heartbeat is not running.\nrestart=6\n"
    );
}

#[test]
fn a_refused_configuration_ends_with_6_and_says_why() {
    let Some(text) = host(
        "echo 'frobnicate 3' >> /etc/ha.d/ha.cf; hb; echo illegal=$?\n\
         rm /etc/ha.d/ha.cf; hb; echo missing=$?\n\
         hb -s; echo status=$?",
    ) else {
        return;
    };
    assert_contains(
        &text,
        &[
            "ERROR: Illegal directive [frobnicate] in /etc/ha.d/ha.cf\n",
            "ERROR: Heartbeat not started: configuration error.\n",
            "ERROR: Configuration error, heartbeat not started.\nillegal=6\n",
            "ERROR: Cannot open config file [/etc/ha.d/ha.cf]\n",
            "missing=6\n",
            "heartbeat is stopped. No process\nstatus=3\n",
        ],
    );
}

#[test]
fn fencing_that_is_not_possible_is_refused_and_not_ignored() {
    // The program that asks the devices is not beside the daemon.
    let Some(text) =
        host("echo 'stonith_host * ssh beta' >> /etc/ha.d/ha.cf; hb; echo start=$?; hb -s")
    else {
        return;
    };
    assert_contains(
        &text,
        &[
            "ERROR: /etc/ha.d/ha.cf:12:",
            "Fencing is configured, but /mnt/stonith-device cannot be asked: No such file or directory",
            "Configuration error, heartbeat not started.\nstart=6\n",
            "heartbeat is stopped. No process",
        ],
    );
}

#[test]
fn a_medium_that_cannot_be_opened_ends_the_daemon() {
    let Some(text) = host(
        "mkdir -p /run/lock; sed -i 's|^ucast.*|serial /dev/null|' /etc/ha.d/ha.cf; hb >/dev/null 2>&1; echo start=$?\n\
         until_true 'logged make_io_childpair'; until_true '! hb -s >/dev/null'; cat /var/log/ha-log",
    ) else {
        return;
    };
    assert_contains(
        &text,
        &[
            "start=0\n",
            "ERROR: glib: cannot get tty attributes: Inappropriate ioctl for device\n",
            "ERROR: make_io_childpair: cannot open serial /dev/null\n",
        ],
    );
}

#[test]
fn a_medium_whose_interface_is_missing_is_waited_for() {
    let Some(text) = host(
        "sed -i 's/^ucast.*/ucast late0 127.0.0.1/' /etc/ha.d/ha.cf; hb >/dev/null 2>&1; echo start=$?\n\
         until_true 'logged Waiting'; ip link add late0 type bridge\n\
         until_true 'logged succeeded'; hb -s >/dev/null; echo status=$?; cat /var/log/ha-log",
    ) else {
        return;
    };
    assert_contains(
        &text,
        &[
            "start=0\n",
            "status=0\n",
            "ERROR: glib: ucast: error setting option SO_BINDTODEVICE(w) on late0: No such device\n",
            "WARN: ucast late0: not there now. Waiting for it to appear.\n",
            "CRIT: send_to_all_media: No working comm channels to write to.\n",
            "info: glib: ucast: started on port 7694 interface late0 to 127.0.0.1\n",
            "info: Communications restart succeeded.\n",
        ],
    );
}

#[test]
fn files_signals_and_the_second_start() {
    let Some(text) = host(
        r#"hb > /dev/null 2>&1; echo start=$?
        until_true 'logged active'
        hb -s; hb 2>&1 | tail -n 1 | sed 's/^.*info: //'; hb > /dev/null 2>&1; echo second=$?
        stat -c '%n %F %a %s' /var/lib/heartbeat/fifo /var/lib/heartbeat/hb_generation /var/lib/heartbeat/hb_uuid \
            /var/run/heartbeat/rsctmp /var/run/heartbeat.pid
        kill -USR1 $(pid); until_true 'grep -q "debug now set to 1" /var/log/ha-debug'
        kill -INT $(pid); kill -USR2 $(pid); until_true 'grep -q "debug now set to 0" /var/log/ha-debug'
        hb -r 2>&1 | tail -n 1 | sed 's/^.*info: //;s/pid [0-9]*/pid N/'; until_true 'logged unchanged'
        hb -k; echo kill=$?; hb -s; echo status=$?; cat /var/log/ha-log"#,
    ) else {
        return;
    };
    assert_contains(
        &text,
        &[
            "start=0\nheartbeat OK [pid ",
            " et al] is running on alpha [alpha]...\nheartbeat: already running [pid ",
            "second=0\n",
            "/var/lib/heartbeat/fifo fifo 600 0\n",
            "/var/lib/heartbeat/hb_generation regular file 644 16\n",
            "/var/lib/heartbeat/hb_uuid regular file 644 16\n",
            "/var/run/heartbeat/rsctmp directory 1755 ",
            "/var/run/heartbeat.pid regular file 644 11\n",
            "Signalling heartbeat pid N to reread config files\n",
            "kill=0\nheartbeat is stopped. No process\nstatus=1\n",
            "info: heartbeat: version 2.1.4\n",
            "info: No uuid found for current node - generating a new uuid.\n",
            "WARN: No Previous generation - starting at ",
            "info: Heartbeat generation: ",
            "info: Creating FIFO /var/lib/heartbeat/fifo.\n",
            "info: glib: ucast: started on port 7694 interface lo to 127.0.0.1\n",
            "info: Local status now set to: 'up'\n",
            "info: Configuration unchanged.\n",
            "info: alpha Heartbeat shutdown complete.\n",
        ],
    );
}

/// The command that had started it was back before there was a pid file: a stop that followed at once said that heartbeat
/// was stopped already, and a reload killed it.
#[test]
fn commands_right_after_the_start_find_the_daemon() {
    let Some(text) = host(
        r#"start() { hb >/dev/null 2>&1 </dev/null; hb -s >/dev/null; echo status=$?; }
        for round in 1 2 3 4 5; do
            start; kill -9 $(pid); until_true '! hb -s > /dev/null'
        done
        start; hb -r >/dev/null 2>&1; echo reload=$?; hb -s >/dev/null; echo status=$?
        hb -k; echo kill=$?; hb -s >/dev/null; echo status=$?"#,
    ) else {
        return;
    };
    let wanted = "status=0\n".repeat(6) + "reload=0\nstatus=0\nkill=0\nstatus=1\n";
    assert_eq!(text, wanted);
}

/// The legacy exits on a broken authkeys and dies in its re-exec on a broken ha.cf.
#[test]
fn a_bare_hangup_with_broken_files_changes_nothing() {
    let Some(text) = host(
        r#"hb > /dev/null 2>&1; until_true '[ -e /run/is.two ] && [ -e /run/is.three ]'; before=$(pid)
        cp /etc/ha.d/ha.cf /tmp/good
        echo 'auth 7' > /etc/ha.d/authkeys; kill -HUP $(pid); until_true 'logged Auth.Key..7..not.found'
        printf 'auth 1\n1 sha1 secret\n2 md5 old\n' > /etc/ha.d/authkeys
        echo bogus >> /etc/ha.d/ha.cf; kill -HUP $(pid); until_true 'logged Illegal.directive'
        hb -s; hb -r 2>&1 | tail -n 1 | sed 's/^.*info: //;s/pid [0-9]*/pid N/'
        cp /tmp/good /etc/ha.d/ha.cf; hb -r > /dev/null 2>&1; echo reload=$?
        until_true 'logged Performing.heartbeat.restart.exec'
        until_true '[ $(grep -c "now set to: .active" /var/log/ha-log) = 2 ]'
        [ $before = $(pid) ] && echo same pid; cat /run/events; cat /var/log/ha-log"#,
    ) else {
        return;
    };
    assert_contains(
        &text,
        &[
            "heartbeat OK [pid ",
            "Config errors: Heartbeat pid N NOT restarted\n",
            "reload=0\nsame pid\n",
            "info: Current resources: -R -C all\n",
        ],
    );
    // Nothing was stopped by the reload.
    let events = text.split("same pid\n").nth(1).unwrap_or_default();
    assert!(
        events.starts_with("three start\none start\ntwo start\nheartbeat["),
        "{text}"
    );
}

#[test]
fn one_node_alone_takes_everything_and_gives_it_up() {
    let Some(text) = host(
        "hb > /dev/null 2>&1; until_true '[ -e /run/is.two ] && [ -e /run/is.three ]'; hb -k\n\
         cat /run/events; cat /var/log/ha-log",
    ) else {
        return;
    };
    assert_contains(
        &text,
        &[
            "three start\none start\ntwo start\ntwo stop\none stop\nthree stop\n",
            "WARN: node beta: is dead\n",
            "info: Taking over resource group three\n",
            "info: mach_down takeover complete for node beta.\n",
            " received ip-request-resp one OK yes\n",
            "info: Acquiring resource group: alpha one two\n",
            "info: Giving up all HA resources.\n",
            "info: All HA resources relinquished.\n",
        ],
    );
}

#[test]
fn a_killed_daemon_can_be_started_again_at_once() {
    let Some(text) = host(
        r#"hb > /dev/null 2>&1; until_true '[ -e /run/is.two ]'; kill -9 $(pid); until_true '! hb -s > /dev/null'
        hb > /dev/null 2>&1; echo again=$?; until_true 'hb -s > /dev/null'
        until_true '[ $(grep -c "Heartbeat generation" /var/log/ha-log) = 2 ]'; cat /var/log/ha-log"#,
    ) else {
        return;
    };
    assert_contains(&text, &["again=0\n"]);
    let generations: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split("Heartbeat generation: ").nth(1))
        .collect();
    assert_eq!(generations.len(), 2, "{text}");
    assert!(generations[0] < generations[1], "{generations:?}");
}

#[test]
fn a_resource_that_cannot_be_stopped_brings_the_machine_down() {
    let Some(text) = host(
        r#"rm -f /sbin/reboot; printf '#!/bin/sh\necho "reboot $*" >> /run/events\n' > /sbin/reboot; chmod 755 /sbin/reboot
        export HA_STOPRETRYMAX=1
        echo 'respawn root /bin/sleep 1000' >> /etc/ha.d/ha.cf
        hb > /dev/null 2>&1; until_true '[ -e /run/is.two ]'; until_true 'logged Starting.*bin.sleep'
        touch /run/stuck.two; kill $(pid); until_true '! hb -s > /dev/null'; cat /run/events
        until_true '! ps -e -o args= | grep -q "^/bin/sleep 1000"'; cat /var/log/ha-log"#,
    ) else {
        return;
    };
    assert_contains(
        &text,
        &[
            "two start\ntwo stop\ntwo stop\nreboot -nf\nheartbeat[",
            "info: Retrying failed stop operation [two]\n",
            "CRIT: Resource STOP failure. Reboot required!\n",
            "CRIT: Killing heartbeat ungracefully!\n",
        ],
    );
    assert!(!text.contains("All HA resources relinquished"), "{text}");
}

#[test]
fn clients_are_respawned_unless_they_say_100_and_stopped_in_reverse_order() {
    let Some(text) = host(
        r#"printf '#!/bin/sh\necho ran >> /run/once; exit 100\n' > /tmp/once
        printf '#!/bin/sh\necho $$ >> /run/again; exec sleep 1000\n' > /tmp/again
        chmod 755 /tmp/once /tmp/again
        printf 'respawn root /tmp/once\nrespawn root /tmp/again\nrespawn root /bin/sleep 2000\n' >> /etc/ha.d/ha.cf
        hb > /dev/null 2>&1; until_true '[ -s /run/again ]'; until_true '[ -e /run/is.two ]'
        kill -9 $(head -n 1 /run/again); until_true '[ $(wc -l < /run/again) = 2 ]'
        hb -k; wc -l < /run/once; cat /var/log/ha-log"#,
    ) else {
        return;
    };
    assert!(text.starts_with("1\n"), "{text}");
    assert_contains(
        &text,
        &[
            "info: Starting child client \"/tmp/again\" (0,0)\n",
            "info: Starting \"/tmp/again\" as uid 0  gid 0 (pid ",
            "exited with return code 100.\n",
            "ERROR: Respawning client \"/tmp/again\":\n",
        ],
    );
    let order: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split("info: killing ").nth(1))
        .filter_map(|line| line.split(" process group").next())
        .collect();
    assert_eq!(order, ["/bin/sleep 2000", "/tmp/again"], "{text}");
}

#[test]
fn a_message_type_of_the_administrators_reaches_his_script_with_its_fields() {
    let Some(text) = host(
        r#"cat > /etc/ha.d/rc.d/mine <<'END'
#!/bin/sh
env | grep ^HA_ | sort > /run/seen.tmp; echo "$0 $*" >> /run/seen.tmp; mv /run/seen.tmp /run/seen
END
        chmod 755 /etc/ha.d/rc.d/mine
        echo 'env COLOUR=blue' >> /etc/ha.d/ha.cf
        hb > /dev/null 2>&1; until_true '[ -e /run/is.two ]'
        printf '>>>\n' > /var/lib/heartbeat/fifo
        printf 't=mine\nword=hello world\nFUNCS=/tmp/evil\n<<<\n' > /var/lib/heartbeat/fifo
        until_true '[ -e /run/seen ]'; cat /run/seen"#,
    ) else {
        return;
    };
    assert_contains(
        &text,
        &[
            "HA_word=hello world\n",
            "HA_t=mine\n",
            "HA_src=alpha\n",
            "HA_CURHOST=alpha\n",
            "HA_OSTATUS=active\n",
            "HA_NICEFAILBACK=yes\n",
            "HA_COLOUR=blue\n",
            "HA_FUNCS=/etc/ha.d/shellfuncs\n",
            "HA_keepalive=100ms\n",
            "/etc/ha.d/rc.d/mine mine\n",
        ],
    );
}

#[test]
fn the_watchdog_is_fed_and_closed_in_order() {
    let Some(text) = host(
        r#"touch /run/watchdog; echo 'watchdog /run/watchdog' >> /etc/ha.d/ha.cf
        hb > /dev/null 2>&1; until_true '[ -e /run/is.two ]'; hb -k; tail -c 3 /run/watchdog | od -An -c
        grep watchdog /var/log/ha-log"#,
    ) else {
        return;
    };
    assert_contains(
        &text,
        &[
            "\\0  \\0   V\n",
            "notice: Using watchdog device: /run/watchdog\n",
        ],
    );
}

#[test]
fn without_resource_management_nothing_is_started() {
    let Some(text) = host(
        "rm /etc/ha.d/haresources; hb -M > /dev/null 2>&1; echo start=$?; until_true 'logged beta..is.dead'\n\
         until_true 'logged active'; hb -k; echo kill=$?; ls /run/events",
    ) else {
        return;
    };
    assert_contains(&text, &["start=0\n", "kill=0\n", "cannot access"]);
}
