//! `apache`, `Xinetd`, `MailTo`, `WinPopup`, `db2`, `ids`, `WAS`, `LVSSyncDaemonSwap`.

use std::fs;
use std::path::Path;

use crate::sandbox::{Script, Skip, Test, calls, need, run, stand_in};

pub const TESTS: &[Test] = &[
    ("apache_lives", apache_lives),
    ("apache_that_is_not_installed", apache_missing),
    ("Xinetd_lives", xinetd_lives),
    ("MailTo_lives", mail_lives),
    ("WinPopup_lives", popup_lives),
    ("WinPopup_stop_never_fails", popup_stop_never_fails),
    ("db2_lives", db2_lives),
    ("ids_lives", ids_lives),
    ("WAS_that_is_not_installed", was_missing),
    ("LVSSyncDaemonSwap_swaps", lvs_swaps),
];

/// A server that answers every request with the same page.
const SERVER: &str = r#"
while [ $# -gt 0 ]; do [ "$1" = -f ] && config=$2; shift; done
[ -r "$config" ] || exit 1
setsid perl -e '
    use IO::Socket::INET;
    $0 = "httpd -DSTATUS -f $ARGV[0]";
    my $listener = IO::Socket::INET->new(LocalAddr => "127.0.0.1:8123", Listen => 5, ReuseAddr => 1) or die;
    open my $file, ">", "/run/httpd.pid"; print $file "$$\n"; close $file;
    while (my $client = $listener->accept) {
        while (<$client>) { last if /^\r?$/ }
        print $client "HTTP/1.0 200 OK\r\n\r\n<html><body>fine</body>\n</html>\n";
        close $client;
    }' "$config" >/dev/null 2>&1 </dev/null &
"#;

fn apache_lives() -> Result<(), Skip> {
    for program in ["perl", "wget", "pgrep", "setsid"] {
        need(program)?;
    }
    stand_in("httpd", SERVER);
    fs::create_dir_all("/run/conf.d").expect("a directory");
    fs::write(
        "/run/httpd.conf",
        "# Listen 1\nServerRoot \"/run\"\nPidFile httpd.pid\nInclude conf.d/*.conf\n",
    )
    .expect("written");
    fs::write(
        "/run/conf.d/status.conf",
        "Listen 127.0.0.1:8123\n<Location /server-status>\n  SetHandler server-status\n</Location>\n",
    )
    .expect("written");
    let script = Script::ours("apache", &["/run/httpd.conf"])
        .with("OCF_RESKEY_httpd", "/run/tree/bin/httpd");
    let here = || run("wget", &["-q", "-O", "-", "http://127.0.0.1:8123/"]).code == 0;
    script.lives(here);
    assert!(
        calls().contains("httpd -DSTATUS -f /run/httpd.conf"),
        "{}",
        calls()
    );
    fs::write("/run/conf.d/status.conf", "Listen 127.0.0.1:8123\n").expect("written");
    script.expect("start", 6, "ERROR:  Program is not configured");
    script.answers_wrong_calls();
    script.refuses(&[]);
    script.refuses(&["a", "b", "start"]);
    Ok(())
}

fn apache_missing() -> Result<(), Skip> {
    let script =
        Script::ours("apache", &["/run/httpd.conf"]).with("OCF_RESKEY_httpd", "/no/such/program");
    script.expect("status", 7, "INFO:  Resource is stopped");
    script.expect("stop", 0, "INFO:  Success");
    script.expect("start", 6, "ERROR:  Program is not configured");
    Ok(())
}

fn xinetd_lives() -> Result<(), Skip> {
    let file = "/etc/xinetd.d/tftp";
    let enabled = "service tftp\n{\n\tsocket_type = dgram\n}\n";
    let disabled = "service tftp\n{\n\tdisable = yes\n\tsocket_type = dgram\n}\n";
    fs::write(file, disabled).expect("written");
    let script = Script::ours("Xinetd", &["tftp"]);
    let text = || fs::read_to_string(file).expect("the descriptor");
    script.lives(|| text() == enabled);
    assert_eq!(text(), disabled);
    // Enabled by hand, and never started: a stop disables it all the same.
    fs::write(file, enabled).expect("written");
    script.expect("stop", 0, "INFO:  Success");
    assert_eq!(text(), disabled);
    for missing in ["none", "../tftp"] {
        let script = Script::ours("Xinetd", &[missing]);
        script.expect("start", 2, "ERROR:  Illegal argument");
        script.expect("status", 7, "INFO:  Resource is stopped");
        script.expect("stop", 0, "INFO:  Success");
    }
    script.answers_wrong_calls();
    script.refuses(&[]);
    script.refuses(&["start"]);
    Ok(())
}

fn mail_lives() -> Result<(), Skip> {
    let note = Path::new("/run/ours/MailTo_MailTo");
    stand_in("mail", "cat >>/run/mails; exit 1");
    let script = Script::ours("MailTo", &["root,admin", "The web site"]);
    script.lives(|| note.exists());
    let calls = calls();
    assert!(
        calls.contains("mail -s The web site Takeover in progress at "),
        "{calls}"
    );
    assert!(calls.contains(" root,admin\n"), "{calls}");
    assert!(
        calls.contains("mail -s The web site Migrating resource away at "),
        "{calls}"
    );
    let mails = fs::read_to_string("/run/mails").expect("mails");
    assert!(
        mails.contains("        Command line was:\n        "),
        "{mails}"
    );
    assert_eq!(
        script.call("status").stdout,
        "stopped\nINFO:  Resource is stopped\n"
    );
    Script::ours("MailTo", &["root"]).expect("start", 0, "INFO:  Success");
    assert!(crate::sandbox::calls().contains("mail -s Resource Group Takeover in progress"));
    script.answers_wrong_calls();
    script.refuses(&[]);
    let few = script.call_with(&["start"]).stdout;
    assert!(
        few.starts_with("At least 1 Email address has to be given!\n"),
        "{few}"
    );
    let many = script.call_with(&["a", "b", "c", "start"]).stdout;
    assert!(
        many.starts_with("Additional parameters found: 4 but max. 3 are allowed!\n"),
        "{many}"
    );
    Ok(())
}

fn popup_lives() -> Result<(), Skip> {
    stand_in("smbclient", "cat >>/run/messages");
    fs::write("/run/hosts", "one two\nthree\n").expect("written");
    let script = Script::ours("WinPopup", &["/run/hosts"]);
    script.lives(|| Path::new("/run/ours/WinPopup__run_hosts").exists());
    assert!(calls().contains("smbclient -M three"), "{}", calls());
    let messages = fs::read_to_string("/run/messages").expect("messages");
    assert!(
        messages.contains("Resource Group Takeover in progress on "),
        "{messages}"
    );
    assert!(
        messages
            .contains("Resource Group Reestablishing original master connection in progress on "),
        "{messages}"
    );
    Script::ours("WinPopup", &["/no/such/file"]).expect("start", 2, "ERROR:  Illegal argument");
    stand_in("smbclient", "exit 127");
    script.expect("start", 1, "ERROR:  Unknown error: 127");
    script.answers_wrong_calls();
    script.refuses(&["a", "b", "start"]);
    Ok(())
}

/// A message that could not be sent was a stop that failed, and so the node rebooted.
fn popup_stop_never_fails() -> Result<(), Skip> {
    fs::write("/run/hosts", "one\n").expect("written");
    stand_in("smbclient", "");
    let script = Script::ours("WinPopup", &["/run/hosts"]);
    script.expect("start", 0, "INFO:  Success");
    stand_in("smbclient", "exit 127");
    script.expect("stop", 0, "INFO:  Success");
    script.expect("status", 7, "INFO:  Resource is stopped");
    stand_in("smbclient", "");
    script.expect("start", 0, "INFO:  Success");
    fs::remove_file("/run/hosts").expect("removed");
    script.expect("stop", 0, "INFO:  Success");
    script.expect("status", 7, "INFO:  Resource is stopped");
    Ok(())
}

/// DB2 is six sleeping processes of its owner.
fn db2_lives() -> Result<(), Skip> {
    need("setsid")?;
    let home = "/run/db2home";
    run(
        "sh",
        &[
            "-ec",
            "echo 'db2test:x:4711:4711::/run/db2home:/bin/sh' >>/etc/passwd
            echo 'db2test:*:19000:0:99999:7:::' >>/etc/shadow
            mkdir -p /run/db2home/sqllib/adm /run/db2home/sqllib/bin && cp /bin/sleep /run/db2home/db2sysc
            chown -R 4711:4711 /run/db2home; chmod 755 /run/db2home; chmod 777 /run /run/ours",
        ],
    )
    .succeeds();
    let program = |name: &str, body: &str| {
        let path = format!("{home}/sqllib/{name}");
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("written");
        run("chmod", &["755", &path]).succeeds();
    };
    program(
        "adm/db2start",
        "for i in 1 2 3 4 5 6; do setsid /run/db2home/db2sysc 1000 </dev/null >/dev/null 2>&1 & done
        [ -e /run/up ] && echo 'SQL1026N  The database manager is already active.' && exit
        : >/run/up; echo 'SQL1063N  DB2START processing was successful.'",
    );
    program(
        "adm/db2stop",
        "[ -e /run/up ] || { echo 'SQL1032N  No start database manager command was issued.'; exit 0; }
        rm /run/up; pkill -u db2test db2sysc; echo 'SQL1064N  DB2STOP processing was successful.'",
    );
    program(
        "bin/db2",
        "echo \"$*\" >>/run/db2calls
        case \"$*\" in
        'list database directory') printf ' Database alias  = SHOP\\n Directory entry type = Indirect\\n' ;;
        connect*|SELECT*) [ ! -e /run/damaged ] ;;
        esac",
    );
    let script = Script::ours("db2", &["db2test"]);
    script.lives(|| Path::new("/run/up").exists());
    let said = fs::read_to_string("/run/db2calls").expect("calls");
    assert!(said.contains("activate database SHOP"), "{said}");
    script.expect("start", 0, "INFO:  Success");
    fs::write("/run/damaged", "").expect("written");
    script.expect("status", 1, "ERROR:  Generic error");
    script.expect("stop", 0, "INFO:  Success");
    Script::ours("db2", &["nosuchuser"]).expect("status", 1, "ERROR:  Generic error");
    script.answers_wrong_calls();
    script.refuses(&["start"]);
    Ok(())
}

fn ids_lives() -> Result<(), Skip> {
    fs::create_dir_all("/run/informix/etc").expect("a directory");
    fs::write("/run/informix/etc/onconfig", "").expect("written");
    stand_in(
        "onstat",
        "if [ -e /run/on ]; then echo 'IBM Informix Dynamic Server -- On-Line -- Up 00:00:01'
        elif [ -e /run/coming ]; then mv /run/coming /run/on; echo 'IBM Informix -- Fast Recovery'
        else echo 'shared memory not initialized for INFORMIXSERVER'; fi",
    );
    stand_in("oninit", ": >/run/coming");
    stand_in("onmode", "rm -f /run/on");
    stand_in("dbaccess", "cat >>/run/queries; [ ! -e /run/damaged ]");
    let script = Script::ours("ids", &["/run/informix", "server", "onconfig"]);
    script.lives(|| Path::new("/run/on").exists());
    let queries = fs::read_to_string("/run/queries").expect("queries");
    assert!(
        queries.contains("SELECT COUNT(*) FROM systables;"),
        "{queries}"
    );
    assert!(calls().contains("onmode -kuy"), "{}", calls());
    script.expect("start", 0, "INFO:  Success");
    fs::write("/run/damaged", "").expect("written");
    script.expect("status", 1, "ERROR:  Generic error");
    script.expect("stop", 0, "INFO:  Success");
    stand_in("oninit", "");
    script.expect("start", 1, "ERROR:  Generic error");
    script.answers_wrong_calls();
    script.refuses(&[]);
    script.refuses(&["/run/informix", "start"]);
    Ok(())
}

fn was_missing() -> Result<(), Skip> {
    let script = Script::ours("WAS", &["9080"]);
    for operation in ["status", "start", "stop"] {
        script.expect(operation, 1, "ERROR:  Generic error");
    }
    script.answers_wrong_calls();
    script.refuses(&[]);
    script.refuses(&["a", "b", "start"]);
    Ok(())
}

/// The kernel's daemons are lines that `ps` shows.
fn lvs_swaps() -> Result<(), Skip> {
    let script = Script::ours("LVSSyncDaemonSwap", &["master", "eth0"]);
    stand_in("ps", "cat /run/daemons 2>/dev/null");
    script.refuses(&[]);
    script.refuses(&["master"]);
    script.refuses(&["other", "start"]);
    script.refuses(&["master", "eth0", "restart"]);
    assert!(
        script
            .call("meta-data")
            .succeeds()
            .ends_with("</resource-agent>\n")
    );
    if !Path::new("/usr/sbin/ipvsadm").exists() && !Path::new("/sbin/ipvsadm").exists() {
        let finished = script.call("status");
        assert_eq!(finished.code, 1);
        assert!(finished.stderr.contains("ERROR: Can not find ipvsadm"));
        return Ok(());
    }
    stand_in(
        "ipvsadm",
        "case \"$1 $2\" in
        '--start-daemon master') echo '7 [ipvs_syncmaster]' >>/run/daemons ;;
        '--start-daemon backup') echo '8 [ipvs sync backup]' | sed 's/ sync /_sync/' >>/run/daemons ;;
        '--stop-daemon '*) sed -i \"/sync$2/d\" /run/daemons ;;
        esac",
    );
    run(
        "mount",
        &["--bind", "/run/tree/bin/ipvsadm", "/usr/sbin/ipvsadm"],
    )
    .succeeds();
    let status = |text: &str, code| {
        let finished = script.call("status");
        assert_eq!((finished.code, finished.stdout.as_str()), (code, text));
    };
    status("master stopped\n", 0);
    for _ in 0..2 {
        script.call("start").succeeds();
        status("master running\n(ipvs_syncmaster pid: 7)\n", 3);
    }
    assert!(
        calls().contains("--start-daemon master --mcast-interface=eth0"),
        "{}",
        calls()
    );
    for _ in 0..2 {
        script.call("stop").succeeds();
        status("master stopped\n", 0);
    }
    let backup = Script::ours("LVSSyncDaemonSwap", &["backup", "eth0", "5"]);
    assert_eq!(backup.call("status").code, 3, "a stop starts the other one");
    backup.call("cleanup").succeeds();
    assert_eq!(backup.call("status").code, 0);
    backup.call("start").succeeds();
    assert!(
        calls().contains("--start-daemon backup --mcast-interface=eth0 --syncid 5"),
        "{}",
        calls()
    );
    Ok(())
}
