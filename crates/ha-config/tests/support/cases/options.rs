//! Everything else that a directive can be given.

use super::{
    Case, LEGACY_FAILBACK, USE_LOGD, accepted, accepted_saying, case, refused, refused_silently,
};
use crate::support::Files;

pub(super) fn failback() -> Vec<Case> {
    let swapped = |text: &str, exit: i32, says: &[&str]| {
        case(text, Files::base().swap("auto_failback", text), exit, says)
    };
    const OBSOLETE: &str =
        "ERROR nice_failback flag is obsolete.. Use auto_failback {on, off, legacy} instead.";
    const SEE: &str = "ERROR See documentation for details.";
    let strict = |word: &str| {
        let interpreted = format!(
            "ERROR nice_failback {word} has been strictly interpreted as 'auto_failback legacy'"
        );
        let texts = [
            &[
                OBSOLETE,
                interpreted.as_str(),
                "ERROR Consider converting to 'auto_failback on'.",
                "ERROR When you do, then you can use ipfail, and hb_standby",
                SEE,
            ][..],
            &LEGACY_FAILBACK,
        ]
        .concat();
        swapped(&format!("nice_failback {word}"), 0, &texts)
    };
    let changed = |word: &str| {
        accepted_saying(
            &format!("nice_failback {word}"),
            &[
                OBSOLETE,
                &format!("ERROR 'nice_failback {word}' has been changed to 'auto_failback off'"),
                SEE,
            ],
        )
    };
    vec![
        refused_silently("auto_failback maybe"),
        refused_silently("auto_failback enable"),
        accepted("auto_failback YES"),
        swapped("auto_failback legacy", 0, &LEGACY_FAILBACK),
        swapped("auto_failback LEGACY", 0, &LEGACY_FAILBACK),
        swapped("", 0, &LEGACY_FAILBACK),
        strict("on"),
        strict("off"),
        changed("on"),
        changed("off"),
        refused("nice_failback foo", &[OBSOLETE, SEE]).ours(&["bad-value"]),
    ]
}

pub(super) fn logging() -> Vec<Case> {
    let unlogged = |text: &str, exit: i32, says: &[&str]| {
        case(text, Files::base().swap("logfile", text), exit, says)
    };
    const ENABLED: [&str; 3] = [
        "info Enabling logging daemon ",
        "WARN Initializing connection to logging daemon failed. Logging daemon may not be running",
        "info logfile and debug file are those specified in logd config file (default /etc/logd.cf)",
    ];
    let with = |last: &'static str| ENABLED.iter().copied().chain([last]).collect::<Vec<&str>>();
    let bad = |word: &str| {
        refused(
            &format!("logfacility {word}"),
            &[&format!("ERROR Log facility({word}) not valid")],
        )
    };
    vec![
        bad("foo"),
        bad("LOCAL0"),
        bad("\"local0\""),
        unlogged("", 0, &USE_LOGD),
        unlogged("logfacility none", 0, &USE_LOGD),
        unlogged("logfacility kern", 0, &USE_LOGD),
        unlogged(
            "use_logd no",
            6,
            &["ERROR No log entry found in ha.cf and use_logd is set to off"],
        ),
        unlogged("use_logd yes", 0, &ENABLED),
        unlogged("logfacility local0", 0, &[]),
        unlogged("logfile /no/such/directory/ha-log", 0, &[]),
        unlogged("logfile ha-log", 0, &[]),
        unlogged("debugfile /var/log/ha-debug", 0, &[]),
        accepted("use_logd no"),
        accepted_saying(
            "use_logd yes",
            &with("WARN logd is enabled but logfile/debugfile is still configured in ha.cf"),
        ),
        accepted_saying(
            "logfacility local3\nuse_logd yes",
            &with(
                "WARN logd is enabled but logfile/debugfile/logfacility is still configured in ha.cf",
            ),
        ),
        refused_silently("use_logd foo"),
    ]
}

pub(super) fn clients() -> Vec<Case> {
    let respawn = |rest: &str, complaint: &str| {
        refused(&format!("respawn{rest}"), &[&format!("ERROR {complaint}")])
    };
    let long_user = "u".repeat(64);
    let long_client = "c".repeat(32);
    let apiauth = |rest: &str, complaints: &[&str]| {
        let invalid = format!("ERROR Invalid apiauth directive [{rest}]");
        let texts = [
            complaints,
            &[
                invalid.as_str(),
                "info Syntax: apiauth client [uid=uidlist] [gid=gidlist]",
                "info Where uidlist is a comma-separated list of uids,",
                "info and gidlist is a comma-separated list of gids",
                "info One or the other must be specified.",
            ],
        ]
        .concat();
        refused(&format!("apiauth {rest}"), &texts)
    };
    vec![
        respawn(
            " nosuch /bin/true",
            "Invalid uid [nosuch] specified for client child",
        ),
        respawn(" 0 /bin/true", "Invalid uid [0] specified for client child"),
        respawn(
            &format!(" {long_user} /bin/true"),
            "UID specified for client child is too long",
        ),
        respawn(
            " root bin/true",
            "Client child command [bin/true] is not full pathname",
        ),
        respawn(
            " root \"/bin/true\"",
            "Client child command [\"/bin/true\"] is not full pathname",
        ),
        respawn(
            " root /etc/passwd x",
            "Client child command [/etc/passwd] is not executable",
        ),
        respawn(
            " root /bin/nosuch -a b",
            "Client child command [/bin/nosuch] is not executable",
        ),
        respawn(" root", "Client child command [] is not full pathname"),
        respawn("", "Invalid uid [] specified for client child"),
        refused(
            "failfast nosuch",
            &["ERROR Invalid uid [nosuch] specified for client child"],
        ),
        accepted("respawn root /tmp"),
        accepted("respawn   hacluster   /bin/true  -a, \"b c\" "),
        accepted("failfast root /bin/true"),
        apiauth("", &[]),
        apiauth("a", &[]),
        apiauth("a foo", &["ERROR Missing uid or gid in apiauth"]),
        apiauth("a UID=1", &["ERROR Missing uid or gid in apiauth"]),
        apiauth("a,uid=root", &[]),
        apiauth(
            "a uid=nosuch",
            &[
                "ERROR Invalid user id name [nosuch]",
                "ERROR Bad uid list [nosuch]",
            ],
        ),
        apiauth(
            "a uid=x  gid=root",
            &[
                "ERROR Invalid user id name [x]",
                "ERROR Bad uid list [x  gid=root]",
            ],
        ),
        apiauth(
            "a gid=nosuch",
            &[
                "ERROR Invalid group name [nosuch]",
                "ERROR Bad gid list [nosuch]",
            ],
        ),
        apiauth(
            "a uid=root,nosuch,x",
            &[
                "ERROR Invalid user id name [nosuch]",
                "ERROR Bad uid list [root,nosuch,x]",
            ],
        ),
        apiauth(
            "a uid=,",
            &["ERROR Invalid user id name []", "ERROR Bad uid list [,]"],
        ),
        apiauth(
            "a uid=-1",
            &["ERROR Invalid user id name [-1]", "ERROR Bad uid list [-1]"],
        ),
        apiauth("a uid=1 uid=2", &["ERROR Duplicate uid list in apiauth"]),
        apiauth("a gid=1 gid=2", &["ERROR Duplicate gid list in apiauth"]),
        apiauth(
            &format!("{long_client} uid=1"),
            &[&format!("ERROR client name [{long_client} uid=1] too long")],
        ),
        {
            let texts = [
                "ERROR Duplicate apiauth directive for API client e: [e uid=2]",
                "ERROR Invalid apiauth directive [e uid=2]",
                "info Syntax: apiauth client [uid=uidlist] [gid=gidlist]",
                "info Where uidlist is a comma-separated list of uids,",
                "info and gidlist is a comma-separated list of gids",
                "info One or the other must be specified.",
            ];
            refused("apiauth e uid=1\napiauth e uid=2", &texts)
        },
        accepted("apiauth a uid="),
        accepted("apiauth a uid=1,,2x"),
        accepted("apiauth a uid=root, gid=root"),
        accepted("apiauth ipfail gid=root uid=root"),
        accepted("apiauth   a \t gid=haclient   uid=root   "),
        accepted(&format!("apiauth {} uid=1", "c".repeat(31))),
    ]
}

pub(super) fn fencing() -> Vec<Case> {
    vec![
        refused("stonith", &["ERROR No Stonith type given"]),
        refused(
            "stonith_host",
            &["ERROR No Stonith hostname argument given"],
        ),
        refused("stonith_host *", &["ERROR No Stonith type given"]),
        refused(
            "stonith_host LVS1.okooo.cn",
            &["ERROR No Stonith type given"],
        ),
        refused(
            &format!("stonith_host {} null x", "h".repeat(100)),
            &["ERROR Stonith hostname too long"],
        ),
        accepted("stonith_host elsewhere nosuch x"),
        accepted("stonith_host * null a b"),
        accepted("stonith null /etc/passwd"),
    ]
}

pub(super) fn scalars() -> Vec<Case> {
    let complains = |line: &str, text: &str| refused(line, &[&format!("ERROR {text}")]);
    let conflict = |line: &str| {
        case(
            line,
            Files::base().add(line),
            6,
            &[
                "ERROR R1 style resource management conflicts with  autojoin set",
                "ERROR You need either unset autojoin or enable crm",
            ],
        )
    };
    let mut cases = vec![
        refused(
            "watchdog /dev/a\nwatchdog /dev/b",
            &["STDERR heartbeat: Watchdog device multiply specified."],
        ),
        accepted("watchdog /dev/missing"),
        complains("rtprio 0", "Illegal realtime priority [0]"),
        complains("rtprio 100", "Illegal realtime priority [100]"),
        complains("hbgenmethod foo", "Illegal hb generation method [foo]"),
        complains("hbgenmethod FILE", "Illegal hb generation method [FILE]"),
        complains("autojoin foo", "Invalid autojoin directive [foo]"),
        complains("uuidfrom foo", "Invalid uuidfrom directive [foo]"),
        complains("compression foo", "Compression module(foo) not found"),
        complains(
            "compression_threshold 0",
            "set_compression_threshold: compress_threshhold(0) invalid",
        ),
        complains(
            "compression_threshold x",
            "set_compression_threshold: compress_threshhold(x) invalid",
        ),
        complains(
            "traditional_compression foo",
            "set_traditional_compression:Invalid directive value foo",
        ),
        complains("max_rexmit_delay 0", "Invalid max_rexmit_delay time(0)"),
        complains("env =B", "set_env: invalid nvpair(=B)"),
        complains(
            "record_config_changes foo",
            "ha_config_check_boolean:Invalid directive value foo",
        ),
        complains(
            "record_pengine_inputs foo",
            "ha_config_check_boolean:Invalid directive value foo",
        ),
        complains(
            "enable_config_writes foo",
            "ha_config_check_boolean:Invalid directive value foo",
        ),
        refused(
            "coreroot foo",
            &[
                "ERROR Invalid dir in cl_set_corerootdir() [foo]: No such file or directory",
                "ERROR Invalid core directory [foo]: Invalid argument",
            ],
        ),
        accepted_saying(
            "compression bz2\ntraditional_compression on",
            &[
                "WARN Traditional compression selected. Realtime behavior will likely be impacted(!)",
                "info See http://linux-ha.org/wiki/Ha.cf#traditional_compression_-_controls_compression_mode for more information.",
            ],
        ),
        conflict("autojoin any"),
        conflict("autojoin other"),
        conflict("autojoin ANY"),
    ];
    for line in [
        "debug 300",
        "debug -1",
        "hopfudge 256",
        "hopfudge -1",
        "msgfmt foo",
        "msgfmt NETSTRING",
        "memreserve 0",
        "coredumps foo",
        "realtime maybe",
        "syslogmsgfmt x",
        "log_badpack maybe",
        "conn_logd_time 0",
        "conn_logd_time 60s",
        "use_apphbd foo",
    ] {
        cases.push(refused_silently(line));
    }
    for line in [
        "env foo",
        "env A=B=C D=",
        "quorum_server x",
        "cluster a b",
        "use_apphbd on",
        "coreroot /missing",
        "debug abc",
        "hopfudge abc",
        "rtprio 1 99",
        "msgfmt netstring",
        "compression bz2",
        "memreserve 7000x",
        "realtime off",
        "autojoin NONE",
        "uuidfrom nodename",
        "hbgenmethod time",
        "coredumps no",
        "conn_logd_time 5000ms",
        "traditional_compression yes",
        "max_rexmit_delay 1000",
    ] {
        cases.push(accepted(line));
    }
    cases
}
