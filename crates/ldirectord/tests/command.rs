//! ldirectord as a program, as far as it goes without IPVS: options, texts, exit codes, pid files, log lines.
//!
//! Each test runs a shell script on a made-up host: namespaces of its own, fresh /etc/ha.d, /run and /var/log. That needs
//! root; without it the tests say so and pass. A daemon that runs is played by a script with a fitting command line, as a
//! daemon of the legacy would have one. The whole on a real IPVS is tested in tests/lab.

use std::process::{Command, Output};

/// What every host begins with. `ld` is the program under test.
const PRELUDE: &str = r#"
set -u
mount --make-rprivate /
upper() { mkdir -p /tmp/$1/u /tmp/$1/w; mount -t overlay none -o lowerdir=$2,upperdir=/tmp/$1/u,workdir=/tmp/$1/w $2; }
mount -t tmpfs none /mnt && cp "$LD_PROGRAM" /mnt/ldirectord
mount -t tmpfs none /tmp
upper etc /etc
mount -t tmpfs none /run; [ -L /var/run ] || mount -t tmpfs none /var/run
mount -t tmpfs none /var/log
rm -rf /etc/ha.d; mkdir -p /etc/ha.d/resource.d /etc/ha.d/conf
ip link set lo up
cd /
LOG=/var/log/ldirectord.log
# Texts of the log, and how a command ended, with what it printed: "out: " and "err: " lines, then "code: N".
ld() { run /mnt/ldirectord "$@"; }
run() {
    "$@" >/tmp/out 2>/tmp/err </dev/null
    code=$?
    sed 's/^/out: /' /tmp/out; sed 's/^/err: /' /tmp/err
    echo "code: $code"
}
texts() { sed 's/^\[[^]]*\] //' $LOG 2>/dev/null; }
until_true() {
    n=0
    until eval "$1"; do
        n=$((n+1)); [ $n -lt 400 ] || { echo "TIMEOUT: $1"; exit 99; }
        sleep 0.05
    done
}
good() { printf 'virtual=192.0.2.1:80\n\treal=192.0.2.2:80 gate\n\tchecktype=off\n# end\n'; }
# A daemon of another make: notes its signals, and removes its pid file when it ends.
cat >/mnt/old-ldirectord <<'END'
trap 'echo HUP >>/run/signals' HUP
trap 'echo TERM >>/run/signals; rm -f "$1"; exit 0' TERM
echo $$ >"$1"
while :; do sleep 0.05; done
END
# What is ignored when a shell starts it cannot trap: HUP, when the tests run under nohup.
daemon() {
    env --default-signal=HUP sh /mnt/old-ldirectord "$1" </dev/null >/dev/null 2>&1 &
    until_true "[ -s $1 ]"
}
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
        command.env("LD_PROGRAM", env!("CARGO_BIN_EXE_ldirectord"));
        command
    };
    if !prepared("exit 0")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        eprintln!("skipped: a host of its own needs root and unshare(1)");
        return None;
    }
    let output: Output = prepared(&format!("exec 2>&1\n{PRELUDE}\n{script}"))
        .output()
        .expect("unshare ran a moment ago");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("TIMEOUT: "), "{text}");
    Some(text)
}

#[track_caller]
fn assert_output(script: &str, wanted: &str) {
    if let Some(text) = host(script) {
        let wanted: Vec<&str> = wanted.lines().map(str::trim_start).collect();
        let seen: Vec<&str> = text.lines().map(str::trim_start).collect();
        assert_eq!(seen, wanted, "\n{text}");
    }
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ldirectord"))
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

#[test]
fn a_senseless_command_line_prints_the_usage() {
    for (arguments, complaint) in [
        (&[][..], ""),
        (&["-d"][..], ""),
        (&["begin"][..], ""),
        (&["x.cf", "begin"][..], ""),
        (&["-x", "start"][..], "Unknown option: x\n"),
        (&["--bogus"][..], "Unknown option: bogus\n"),
    ] {
        let (code, out, err) = run(arguments);
        assert_eq!(
            (code, err.as_str()),
            (Some(255), complaint),
            "{arguments:?}"
        );
        assert!(out.starts_with("Usage:\n"), "{out}");
        assert_eq!(out.lines().count(), 31);
    }
}

#[test]
fn the_version_is_that_of_the_legacy() {
    for option in ["-v", "--version", "-dv"] {
        let (code, out, err) = run(&[option]);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert!(
            out.starts_with(
                "Linux Director v1.186-ha-2.1.4\n1999-2006 Jacob Rief, Horms and others\n\
                 <http://www.vergenet.net/linux/ldirectord/>\n\n"
            ),
            "{out}"
        );
    }
}

/// Scenario 36; a stop is no failure, since nothing runs.
#[test]
fn without_a_configuration() {
    assert_output(
        "for word in start status reload stop; do ld $word; done; ld ldresource.cf start; texts",
        "err: Config file ldirectord.cf not found
         code: 1
         err: Config file ldirectord.cf not found
         code: 1
         err: Config file ldirectord.cf not found
         code: 1
         err: Config file ldirectord.cf not found
         code: 0
         err: Config file ldresource.cf not found
         code: 1
         Config file ldirectord.cf not found
         Exiting with exit_status 1: Initialisation Error
         Config file ldirectord.cf not found
         Exiting with exit_status 1: Initialisation Error
         Config file ldirectord.cf not found
         Exiting with exit_status 1: Initialisation Error
         Config file ldirectord.cf not found
         Config file ldresource.cf not found
         Exiting with exit_status 1: Initialisation Error",
    );
    assert_output(
        "ld -d start; texts",
        "err: DEBUG2: Config file ldirectord.cf not found
         err: Config file ldirectord.cf not found
         err: DEBUG2: Exiting with exit_status 1: Initialisation Error
         err: Exiting with exit_status 1: Initialisation Error
         code: 1",
    );
}

/// The first half of scenario 25.
#[test]
fn commands_while_nothing_runs() {
    assert_output(
        "good >/etc/ha.d/ldirectord.cf
         for word in status stop reload force-reload try-restart; do ld $word; done
         echo 99999 >/var/run/ldirectord.ldirectord.pid
         ld status; ld stop; ls /var/run | grep ldirectord; texts",
        "out: ldirectord is stopped for /etc/ha.d/ldirectord.cf
         code: 3
         code: 0
         code: 1
         code: 1
         code: 0
         out: ldirectord is stopped for /etc/ha.d/ldirectord.cf
         err: ldirectord stale pid file /var/run/ldirectord.ldirectord.pid for /etc/ha.d/ldirectord.cf
         code: 1
         code: 0
         ldirectord.ldirectord.pid
         Invoking ldirectord invoked as: /mnt/ldirectord status 
         Exiting with exit_status 3: Exiting from ldirectord status
         Invoking ldirectord invoked as: /mnt/ldirectord stop 
         Invoking ldirectord invoked as: /mnt/ldirectord reload 
         ldirectord is stopped for /etc/ha.d/ldirectord.cf
         Exiting with exit_status 1: Exiting from ldirectord reload
         Invoking ldirectord invoked as: /mnt/ldirectord force-reload 
         ldirectord is stopped for /etc/ha.d/ldirectord.cf
         Exiting with exit_status 1: Exiting from ldirectord force-reload
         Invoking ldirectord invoked as: /mnt/ldirectord try-restart 
         Invoking ldirectord invoked as: /mnt/ldirectord status 
         ldirectord stale pid file /var/run/ldirectord.ldirectord.pid for /etc/ha.d/ldirectord.cf
         Exiting with exit_status 1: Exiting from ldirectord status
         Invoking ldirectord invoked as: /mnt/ldirectord stop ",
    );
}

/// The other half, with a daemon of the legacy: an upgrade must not lose it.
#[test]
fn commands_while_a_daemon_runs() {
    assert_output(
        "good >/etc/ha.d/conf/www.cf
         pid=/var/run/ldirectord.www.cf.pid
         daemon $pid
         ld www.cf start
         ld www.cf status | sed \"s/$(cat $pid)/PID/\"
         ld www.cf reload; until_true '[ -s /run/signals ]'
         ld /etc/ha.d/conf/www.cf force-reload; until_true '[ $(grep -c HUP /run/signals) = 2 ]'
         ld www.cf stop; until_true '[ ! -e /var/run/ldirectord.www.cf.pid ]'
         sort /run/signals
         ld www.cf stop
         grep -c '|www.cf|' $LOG",
        "code: 0
         err: ldirectord for /etc/ha.d/conf/www.cf is running with pid: PID
         code: 0
         code: 0
         code: 0
         code: 0
         HUP
         HUP
         TERM
         code: 0
         8",
    );
}

/// Scenario 39, and what a mistake must not do: nothing happens to a daemon that runs, but it can be stopped.
#[test]
fn with_a_broken_configuration() {
    assert_output(
        "echo bogus=1 >/etc/ha.d/ldirectord.cf
         pid=/var/run/ldirectord.ldirectord.pid
         ld stop | sed 's/\\[[0-9]*\\]/[PID]/'
         daemon $pid
         for word in start status restart try-restart reload; do
             ld $word | sed \"s/\\[[0-9]*\\]/[PID]/; s/: $(cat $pid)/: PID/\" | grep -v '^err:  '
         done
         [ -s $pid ] && [ ! -e /run/signals ] && echo untouched
         ld stop >/dev/null; until_true '[ ! -e /var/run/ldirectord.ldirectord.pid ]'
         texts | grep -c Exiting; texts | sed 's/\\[[0-9]*\\]/[PID]/' | sort -u",
        "err: Error [PID] reading file /etc/ha.d/ldirectord.cf at line 1: Unknown command bogus=1
         err:  
         code: 0
         err: Error [PID] reading file /etc/ha.d/ldirectord.cf at line 1: Unknown command bogus=1
         code: 2
         err: Error [PID] reading file /etc/ha.d/ldirectord.cf at line 1: Unknown command bogus=1
         err: ldirectord for /etc/ha.d/ldirectord.cf is running with pid: PID
         code: 2
         err: Error [PID] reading file /etc/ha.d/ldirectord.cf at line 1: Unknown command bogus=1
         code: 2
         err: Error [PID] reading file /etc/ha.d/ldirectord.cf at line 1: Unknown command bogus=1
         code: 2
         err: Error [PID] reading file /etc/ha.d/ldirectord.cf at line 1: Unknown command bogus=1
         code: 2
         untouched
         5
          
         Error [PID] reading file /etc/ha.d/ldirectord.cf at line 1: Unknown command bogus=1
         Exiting with exit_status 2: config_error: Configuration Error",
    );
}

/// As a resource: of what a script prints heartbeat keeps nothing without a debugfile, so the reason must be in the log.
#[test]
fn why_it_would_not_start_is_in_its_log() {
    assert_output(
        "said() { sed 's/^\\[[^]]*\\] //; s/\\[[0-9]*\\]/[PID]/' $1; rm $1; }
         { good; echo 'virtual=10.0.0.1'; printf '\\tprotocol=tcp\\n'; } >/etc/ha.d/ldirectord.cf
         ld start 2>/dev/null >/dev/null; said $LOG
         { echo 'logfile=\"/var/log/other.log\"'; echo quiescent=maybe; } >/etc/ha.d/ldirectord.cf
         ld start | sed 's/\\[[0-9]*\\]/[PID]/'
         said /var/log/other.log; ls /var/log
         ld -d start | sed 's/\\[[0-9]*\\]/[PID]/'; ls /var/log",
        "Error [PID] reading file /etc/ha.d/ldirectord.cf at line 6: protocol must be fwm if the virtual service is a fwmark (a number)
         (is the port missing on line 5?)
         Exiting with exit_status 2: config_error: Configuration Error
         err: Error [PID] reading file /etc/ha.d/ldirectord.cf at line 2: quiescent must be 'yes' or 'no'
         code: 2
         Error [PID] reading file /etc/ha.d/ldirectord.cf at line 2: quiescent must be 'yes' or 'no'
         Exiting with exit_status 2: config_error: Configuration Error
         err: Error [PID] reading file /etc/ha.d/ldirectord.cf at line 2: quiescent must be 'yes' or 'no'
         err: DEBUG2: Exiting with exit_status 2: config_error: Configuration Error
         err: Exiting with exit_status 2: config_error: Configuration Error
         code: 2
         other.log",
    );
}

/// The report: each of these was taken without a word, and its servers were down for ever.
#[test]
fn a_receive_that_is_no_regular_expression_is_an_error_with_its_line() {
    assert_output(
        r#"web() { printf 'virtual=192.0.2.1:80\n\treal=192.0.2.2:80 gate%s\n\treceive="%s"\n# end\n' "$1" "$2"; }
         for receive in 'o(k' '(ok' '*ok' '[a-' 'a(?R)?b'; do
             web '' "$receive" >/etc/ha.d/ldirectord.cf
             for word in status start reload; do ld $word; done | sed 's/\[[0-9]*\]/[PID]/' | sort | uniq -c
         done
         web ' 1 "x", "(ok"' ok >/etc/ha.d/ldirectord.cf; ld status | sed 's/\[[0-9]*\]/[PID]/'
         web '' '^(ok|fine) [0-9]{2}\b(?!x)' >/etc/ha.d/ldirectord.cf; ld status"#,
        r#"3 code: 2
         3 err: Error [PID] reading file /etc/ha.d/ldirectord.cf at line 3: receive "o(k" is not a valid regular expression: unmatched (
         3 code: 2
         3 err: Error [PID] reading file /etc/ha.d/ldirectord.cf at line 3: receive "(ok" is not a valid regular expression: unmatched (
         3 code: 2
         3 err: Error [PID] reading file /etc/ha.d/ldirectord.cf at line 3: receive "*ok" is not a valid regular expression: a quantifier follows nothing
         3 code: 2
         3 err: Error [PID] reading file /etc/ha.d/ldirectord.cf at line 3: receive "[a-" is not a valid regular expression: unmatched [
         3 code: 2
         3 err: Error [PID] reading file /etc/ha.d/ldirectord.cf at line 3: receive "a(?R)?b" is not usable here as a regular expression: recursion is not supported
         err: Error [PID] reading file /etc/ha.d/ldirectord.cf at line 2: receive "(ok" is not a valid regular expression: unmatched (
         code: 2
         out: ldirectord is stopped for /etc/ha.d/ldirectord.cf
         code: 3"#,
    );
}

/// A file is checked by asking for the status; with -d that tells what is advised as well.
#[test]
fn a_file_can_be_checked_without_starting() {
    assert_output(
        r#"printf 'virtual=192.0.2.1\n\treal=192.0.2.2:80 gate\n\tchecktype=connect\n\treceive="(ok"\n# end\n' >/etc/ha.d/ldirectord.cf
         ld status; ld -d status | sed 's/\[[0-9]*\]/[PID]/' | grep -v DEBUG2"#,
        r#"out: ldirectord is stopped for /etc/ha.d/ldirectord.cf
         code: 3
         out: ldirectord is stopped for /etc/ha.d/ldirectord.cf
         err: Invoking ldirectord invoked as: /mnt/ldirectord status 
         err: Warning [PID] reading file /etc/ha.d/ldirectord.cf at line 1: "192.0.2.1" has no port and counts as firewall mark 192
         err:   (no check here uses it)
         err: Warning [PID] reading file /etc/ha.d/ldirectord.cf at line 4: receive "(ok" is not a valid regular expression: unmatched (
         err:   (no check here uses it)
         err: Exiting with exit_status 3: Exiting from ldirectord status
         code: 3"#,
    );
}

/// A missing module is loaded; when that does not help, the caller is told, and nothing stays behind.
#[test]
fn start_without_ipvs_fails_and_says_why() {
    if std::path::Path::new("/proc/net/ip_vs").exists() {
        eprintln!("skipped: this kernel has IPVS");
        return;
    }
    let script = "good >/etc/ha.d/ldirectord.cf
         # Whatever this machine could load, here it cannot.
         upper sbin \"$(readlink -f /sbin)\"
         printf '#!/bin/sh\\necho modprobe $* >>/run/modprobe\\necho no such module >&2\\nexit 1\\n' >/tmp/modprobe
         chmod 755 /tmp/modprobe; mount --bind /tmp/modprobe \"$(readlink -f /sbin/modprobe || echo /sbin/modprobe)\"
         ld start | sed 's/reach IPVS: [^;]*/reach IPVS: WHY/'
         cat /run/modprobe; ls /var/run | grep ldirectord; texts | sed 's/reach IPVS: [^;]*/reach IPVS: WHY/'";
    let no_modprobe = !std::path::Path::new("/sbin/modprobe").exists();
    if no_modprobe {
        eprintln!("skipped: this machine has no modprobe");
        return;
    }
    assert_output(
        script,
        "err: Can not use IPVS: cannot reach IPVS: WHY; modprobe ip_vs: no such module
         code: 1
         modprobe ip_vs
         Invoking ldirectord invoked as: /mnt/ldirectord start 
         Starting Linux Director v1.186-ha-2.1.4 as daemon
         Can not use IPVS: cannot reach IPVS: WHY; modprobe ip_vs: no such module
         Exiting with exit_status 1: Initialisation Error",
    );
}

#[test]
fn a_pid_file_that_cannot_be_written_is_an_error() {
    assert_output(
        "good >/etc/ha.d/ldirectord.cf
         mount -t tmpfs -o ro none \"$(readlink -f /var/run)\"
         ld start | sed 's/: [A-Z][^:]*$/: WHY/'",
        "err: Can not open /var/run/ldirectord.ldirectord.pid: WHY
         code: 1",
    );
}

/// As a resource of heartbeat: called by the link, with closed streams, or by a bare name from the search path.
#[test]
fn how_it_was_called_does_not_matter() {
    assert_output(
        "good >/etc/ha.d/ldirectord.cf
         ln -s /mnt/ldirectord /etc/ha.d/resource.d/ldirectord
         run /etc/ha.d/resource.d/ldirectord status
         /mnt/ldirectord status <&- >&- 2>&-; echo $?
         /mnt/ldirectord </dev/null | :; PATH=/mnt:$PATH ldirectord reload; echo $?
         texts | grep Invoking",
        "out: ldirectord is stopped for /etc/ha.d/ldirectord.cf
         code: 3
         3
         1
         Invoking ldirectord invoked as: /etc/ha.d/resource.d/ldirectord status 
         Invoking ldirectord invoked as: /mnt/ldirectord status 
         Invoking ldirectord invoked as: /mnt/ldirectord reload ",
    );
}

/// `execute=` lines are asked for their status, too, quotes and all.
#[test]
fn status_asks_other_instances() {
    assert_output(
        "{ echo 'execute=\"other.cf\"'; good; } >/etc/ha.d/ldirectord.cf
         good >/etc/ha.d/other.cf
         daemon /var/run/ldirectord.ldirectord.pid
         ld status | sed 's/pid: .*/pid: PID/'",
        "out: ldirectord is stopped for /etc/ha.d/other.cf
         err: ldirectord for /etc/ha.d/ldirectord.cf is running with pid: PID
         code: 0",
    );
}

/// Where lines go: another file, standard output without instance and pid, or nowhere but standard error.
#[test]
fn the_log_is_where_the_configuration_says() {
    assert_output(
        "{ echo 'logfile=\"/var/log/other.log\"'; good; } >/etc/ha.d/ldirectord.cf
         ld stop; wc -l </var/log/other.log; ls /var/log
         grep -cE '^\\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} [0-9]{4}\\|ldirectord\\|[0-9]+\\] ' /var/log/other.log
         { echo supervised=yes; good; } >/etc/ha.d/ldirectord.cf
         ld stop | sed 's/\\[.*\\]/[TIME]/'
         good >/etc/ha.d/ldirectord.cf; mkdir /var/log/ldirectord.log
         ld stop 2>&1 | sed 's/\\[.*\\]/[PREFIX]/' | head -c 120",
        "code: 0
         1
         other.log
         1
         out: [TIME] Invoking ldirectord invoked as: /mnt/ldirectord stop 
         code: 0
         err: [PREFIX] Invoking ldirectord invoked as: /mnt/ldirectord stop 
         code: 0",
    );
}
