//! The table of `config-files.md` 13, row by row, and more rows of the same kind that were tried on the legacy.

use super::Files;

/// One row.
pub struct Case {
    /// The row.
    pub name: String,
    /// The files.
    pub files: Files,
    /// Our exit code.
    pub exit: i32,
    /// The legacy's exit code where it differs (it crashes).
    pub legacy_exit: i32,
    /// What is said besides the standing messages; the closing lines are understood.
    pub says: Vec<String>,
    /// Codes of diagnostics of ours that must be there.
    pub ours: &'static [&'static str],
    /// Why the texts of 3.0.6 differ, if they do.
    pub texts_differ: Option<&'static str>,
}

impl Case {
    fn legacy_crashes(mut self) -> Self {
        self.legacy_exit = 139;
        self.texts_differ = Some("the legacy crashes");
        self
    }

    fn ours(mut self, codes: &'static [&'static str]) -> Self {
        self.ours = codes;
        self
    }

    fn texts_differ(mut self, reason: &'static str) -> Self {
        self.texts_differ = Some(reason);
        self
    }
}

/// Stands for the line that closes every refusal of ha.cf.
const HNS: &str = "ERROR Heartbeat not started: configuration error.";
/// Stands for the line that closes every refusal of authkeys.
const ACE: &str = "ERROR Authentication configuration error.";

fn case(name: &str, files: Files, exit: i32, says: &[&str]) -> Case {
    let mut says: Vec<String> = says.iter().map(|text| (*text).into()).collect();
    if exit == 6 {
        says.push("ERROR Configuration error, heartbeat not started.".into());
    }
    Case {
        name: name.into(),
        files,
        exit,
        legacy_exit: exit,
        says,
        ours: &[],
        texts_differ: None,
    }
}

/// A line that is accepted without a word.
fn accepted(line: &str) -> Case {
    case(line, Files::base().add(line), 0, &[])
}

/// A line that is accepted with these words.
fn accepted_saying(line: &str, says: &[&str]) -> Case {
    case(line, Files::base().add(line), 0, says)
}

/// A line that is refused while ha.cf is read, with these words and the closing line.
fn refused(line: &str, says: &[&str]) -> Case {
    let says: Vec<&str> = says.iter().copied().chain([HNS]).collect();
    case(line, Files::base().add(line), 6, &says)
}

/// A line that the legacy refuses in silence.
fn refused_silently(line: &str) -> Case {
    refused(line, &[]).ours(&["bad-value"])
}

/// Keys that are refused with these words.
fn keys_refused(name: &str, text: &str, says: &[&str]) -> Case {
    let says: Vec<&str> = says.iter().copied().chain([ACE]).collect();
    case(name, Files::base().authkeys(text), 6, &says)
}

fn keys_accepted(name: &str, text: &str) -> Case {
    case(name, Files::base().authkeys(text), 0, &[])
}

/// All rows.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(files());
    cases.extend(permissions());
    cases.extend(keys());
    cases.extend(haresources());
    cases.extend(directives());
    cases.extend(times());
    cases.extend(nodes());
    cases.extend(bcast_and_ucast());
    cases.extend(mcast());
    cases.extend(serial_and_ports());
    cases.extend(pings());
    cases.extend(failback());
    cases.extend(logging());
    cases.extend(clients());
    cases.extend(fencing());
    cases.extend(scalars());
    cases.extend(lexical());
    cases.extend(media_of_306());
    cases
}

const LEGACY_FAILBACK: [&str; 3] = [
    "WARN Deprecated 'legacy' auto_failback option selected.",
    "WARN Please convert to 'auto_failback on'.",
    "WARN See documentation for conversion details.",
];
const USE_LOGD: [&str; 4] = [
    "info No log entry found in ha.cf -- use logd",
    "WARN Initializing connection to logging daemon failed. Logging daemon may not be running",
    "info Enabling logging daemon ",
    "info logfile and debug file are those specified in logd config file (default /etc/logd.cf)",
];
const NOT_A_NODE: [&str; 3] = [
    "ERROR Current node [lvs1.okooo.cn] not in configuration!",
    "info By default, cluster nodes are named by `uname -n` and must be declared with a 'node' directive in the ha.cf file.",
    "info See also: http://linux-ha.org/ha.cf/NodeDirective",
];

fn files() -> Vec<Case> {
    let empty = [
        &["ERROR No heartbeat media defined", "ERROR no nodes defined"][..],
        &NOT_A_NODE,
        &LEGACY_FAILBACK,
        &USE_LOGD,
    ]
    .concat();
    vec![
        case("base", Files::base(), 0, &[]),
        case(
            "no ha.cf",
            Files::base().no_ha_cf(),
            6,
            &[
                "ERROR Cannot open config file [/etc/ha.d/ha.cf]",
                "info An annotated sample /etc/ha.d/ha.cf file is provided in the documentation.",
                "info Please copy it to /etc/ha.d/ha.cf, read it, customize it, and try again.",
                HNS,
            ],
        ),
        case("empty ha.cf", Files::base().ha_cf(""), 6, &empty),
        case(
            "no authkeys",
            Files::base().no_authkeys(),
            6,
            &[
                "ERROR Cannot open keyfile [/etc/ha.d/authkeys].  Stop.",
                ACE,
            ],
        ),
        case(
            "no haresources",
            Files::base().no_haresources(),
            6,
            &[
                "ERROR Cannot open resources file [/etc/ha.d/haresources]",
                "info An annotated sample /etc/ha.d/haresources file is provided in the documentation.",
                "info Please copy it to /etc/ha.d/haresources, read it, customize it, and try again.",
            ],
        ),
        case(
            "no authkeys and a bad ha.cf",
            Files::base().no_authkeys().add("frobnicate 3"),
            6,
            &[
                "ERROR Illegal directive [frobnicate] in /etc/ha.d/ha.cf",
                HNS,
            ],
        ),
        case(
            "nodeinfo names the node",
            Files::base().host("other").nodeinfo("LVS2.okooo.cn\n"),
            0,
            &[],
        ),
        case(
            "nodeinfo without newline",
            Files::base().nodeinfo("other"),
            0,
            &[],
        ),
    ]
}

fn permissions() -> Vec<Case> {
    let refused = [0o644, 0o640, 0o604, 0o660].map(|mode| {
        case(
            &format!("authkeys mode {mode:o}"),
            Files::base().mode(mode),
            6,
            &[
                "ERROR Bad permissions on keyfile [/etc/ha.d/authkeys], 600 recommended.",
                ACE,
            ],
        )
    });
    let accepted = [0o600, 0o400, 0o620, 0o602].map(|mode| {
        case(
            &format!("authkeys mode {mode:o}"),
            Files::base().mode(mode),
            0,
            &[],
        )
    });
    refused.into_iter().chain(accepted).collect()
}

fn keys() -> Vec<Case> {
    const MISSING_AUTH: &str = "ERROR Missing auth directive in keyfile [/etc/ha.d/authkeys]";
    const KEY_1: &str = "ERROR Auth Key [1] not found in keyfile [/etc/ha.d/authkeys]";
    let unknown_method = |method: &str, loaded: u32| {
        [
            format!(
                "ERROR LoadPlugin on {method} returned 5: No such plugin/interface/interface type"
            ),
            format!("ERROR Lookup extended#2 returned FALSE for {method}"),
            format!("ERROR Table size: {loaded}"),
            format!("ERROR Invalid authtype [{method}]"),
        ]
    };
    let bad_method = |name: &str, method: &str| {
        let texts = unknown_method(method, 0);
        let texts: Vec<&str> = texts.iter().map(String::as_str).chain([KEY_1]).collect();
        keys_refused(name, &format!("auth 1\n1 {method} foo\n"), &texts)
    };
    let later = unknown_method("foo", 2);
    let later: Vec<&str> = later.iter().map(String::as_str).collect();
    vec![
        keys_refused("authkeys empty", "", &[MISSING_AUTH]),
        keys_refused("only key line", "1 crc\n", &[MISSING_AUTH]),
        keys_refused("only auth 1", "auth 1\n", &[KEY_1]),
        keys_refused("key before auth", "1 crc\nauth 1\n", &[KEY_1]),
        keys_refused(
            "auth 2 + 1 crc",
            "auth 2\n1 crc\n",
            &["ERROR Auth Key [2] not found in keyfile [/etc/ha.d/authkeys]"],
        ),
        keys_refused(
            "1 sha1 (no key)",
            "auth 1\n1 sha1\n",
            &["ERROR Auth method [sha1] requires a key", KEY_1],
        ),
        keys_refused(
            "1 crc foo",
            "auth 1\n1 crc foo\n",
            &["info Auth method [crc] doesn't use a key", KEY_1],
        ),
        bad_method("1 sha512 foo", "sha512"),
        bad_method("1 SHA1 k", "SHA1"),
        keys_refused(
            "an unknown method after two known ones",
            "auth 1\n1 crc\n2 md5 a\n3 md5 b\n4 foo\n",
            &later,
        ),
        keys_refused(
            "auth 16",
            "auth 16\n16 crc\n",
            &[
                "ERROR Invalid authnum [16] in /etc/ha.d/authkeys",
                "ERROR Auth Key [16] not found in keyfile [/etc/ha.d/authkeys]",
            ],
        ),
        keys_refused(
            "auth -1",
            "auth -1\n-1 crc\n",
            &[
                "ERROR Invalid authnum [-1] in /etc/ha.d/authkeys",
                MISSING_AUTH,
            ],
        ),
        keys_accepted("auth 0 + 0 sha1 a", "auth 0\n0 sha1 a\n"),
        keys_refused(
            "auth x",
            "auth x\n",
            &[
                "ERROR Invalid auth line [auth x\n] in /etc/ha.d/authkeys",
                MISSING_AUTH,
            ],
        ),
        keys_refused(
            "valid pair + foo bar",
            "auth 1\n1 crc\nfoo bar\n",
            &["ERROR Auth line [foo bar\n] is invalid."],
        ),
        keys_refused(
            "valid pair + abc 5",
            "auth 1\n1 crc\nabc 5\n",
            &["ERROR Invalid auth line [abc 5\n] in /etc/ha.d/authkeys"],
        ),
        keys_refused(
            "Auth 1",
            "Auth 1\n1 crc\n",
            &["ERROR Auth line [Auth 1\n] is invalid.", MISSING_AUTH],
        ),
        keys_refused(
            "a number alone",
            "auth 1\n1\n",
            &["ERROR Auth line [1\n] is invalid.", KEY_1],
        ),
        keys_refused(
            "a number too big for an int",
            "auth 99999999999\n1 crc\n",
            &["ERROR Auth Key [1215752191] not found in keyfile [/etc/ha.d/authkeys]"],
        ),
        keys_refused(
            "a later auth does not excuse its broken key",
            "auth 1\n1 md5 a\nauth 2\n2 sha1\n",
            &["ERROR Auth method [sha1] requires a key"],
        ),
        keys_accepted("duplicate index", "auth 1\n1 crc\n1 sha1 k\n"),
        keys_accepted("two auth lines", "auth 1\n1 crc\nauth 2\n2 sha1 k\n"),
        keys_accepted("a later auth without a key", "auth 1\n1 sha1 a\nauth 2\n"),
        keys_accepted("auth 1 2 3", "auth 1 2 3\n1 crc\n"),
        keys_accepted("auth 1x", "auth 1x\n1 crc\n"),
        keys_accepted("authkeys CRLF", "auth 1\r\n1 crc\r\n"),
        keys_accepted("1sha1 k", "auth1\n1sha1 k\n"),
        keys_accepted("key with #", "auth 1\n1 sha1 a#b\n"),
        keys_accepted(
            "comments and blanks",
            "# c\n\n  # d\n auth\t1\n\x0c1\x0bcrc\n",
        ),
        keys_accepted("key with spaces", "auth 1\n1 sha1 key with spaces\n"),
    ]
}

fn haresources() -> Vec<Case> {
    let groups = |name: &str, text: &str| case(name, Files::base().haresources(text), 0, &[]);
    let bad = |name: &str, text: &str, word: &str| {
        let message = format!("ERROR Bad nodename in /etc/ha.d/haresources [{word}]");
        case(name, Files::base().haresources(text), 6, &[&message])
    };
    vec![
        bad("unknown node", "NoSuch 192.168.6.66\n", "NoSuch"),
        bad(
            "unknown node after a comment with backslash",
            "# c \\\nnosuch x\n",
            "nosuch",
        ),
        bad(
            "node list with comma",
            "lvs1.okooo.cn,lvs2.okooo.cn x\n",
            "lvs1.okooo.cn,lvs2.okooo.cn",
        ),
        bad(
            "only the first bad line",
            "lvs1.okooo.cn x\nfoo y\nbar z\n",
            "foo",
        ),
        bad(
            "a comment needs a blank",
            "lvs1.okooo.cn#x y\n",
            "lvs1.okooo.cn#x",
        ),
        groups("haresources empty", ""),
        groups("upper-case node", "LVS1.Okooo.CN 192.168.6.66\n"),
        groups(
            "continuation",
            "lvs1.okooo.cn a \\\nnosuch b\\\nnosuch c\nlvs2.okooo.cn d\n",
        ),
        groups("dangling continuation", "   # x\nlvs1.okooo.cn \\\n"),
        case(
            "ping node",
            Files::base()
                .add("ping 192.168.6.1")
                .haresources("192.168.6.1 x\n"),
            0,
            &[],
        ),
    ]
}

fn directives() -> Vec<Case> {
    let illegal = |line: &str, word: &str| {
        refused(
            line,
            &[&format!(
                "ERROR Illegal directive [{word}] in /etc/ha.d/ha.cf"
            )],
        )
    };
    let bom = format!(
        "\u{feff}{}",
        String::from_utf8(Files::base().ha_cf.unwrap()).unwrap()
    );
    vec![
        illegal("frobnicate 3", "frobnicate"),
        illegal("Keepalive 2", "Keepalive"),
        illegal("keepalive=2", "keepalive=2"),
        illegal("keepalive: 2", "keepalive:"),
        illegal("keepalive,2", "keepalive,2"),
        illegal(", keepalive 2", ","),
        illegal("hbaping x", "hbaping"),
        illegal("normalpoll true", "normalpoll"),
        illegal("rds eth0", "rds"),
        illegal("setenv A=B", "setenv"),
        case(
            "BOM",
            Files::base().ha_cf(bom),
            6,
            &[
                "ERROR Illegal directive [\u{feff}logfile] in /etc/ha.d/ha.cf",
                HNS,
            ],
        ),
        refused(
            "frob 1\nnicate 2\nhopfudge 300",
            &[
                "ERROR Illegal directive [frob] in /etc/ha.d/ha.cf",
                "ERROR Illegal directive [nicate] in /etc/ha.d/ha.cf",
            ],
        )
        .ours(&["bad-value"]),
        accepted_saying("pacemaker no", &["info Version 2 support: no"]),
        accepted_saying("crm no", &["info Version 2 support: no"]),
        refused("crm foo", &["info Version 2 support: foo"]).ours(&["bad-value"]),
        refused(
            "crm yes",
            &[
                "info Version 2 support: yes",
                "WARN File /etc/ha.d/haresources exists.",
                "WARN This file is not used because crm is enabled",
            ],
        )
        .ours(&["crm-unsupported"])
        .texts_differ(
            "the legacy would start release 2 and complains that its programs are missing",
        ),
        accepted("keepalive"),
        accepted("ping"),
        accepted("node"),
        case(
            "bcast (no value) as only medium",
            Files::base().swap("bcast", "bcast"),
            6,
            &["ERROR No heartbeat media defined"],
        ),
        accepted_saying(
            "udp lo",
            &["WARN WARNING: directive 'udp' replaced by 'bcast'"],
        ),
    ]
}

fn times() -> Vec<Case> {
    let check = |directive: &str, text: &str, says: &[&str]| {
        case(text, Files::base().swap(directive, text), 6, says)
    };
    let fine = |directive: &str, text: &str| {
        case(
            text,
            Files::base()
                .swap(directive, text)
                .swap("initdead", "initdead 60"),
            0,
            &[],
        )
    };
    let dead = |text: &str, ms: &str| {
        check(
            "deadtime",
            text,
            &[&format!(
                "ERROR Dead time [{ms}] is too small compared to keeplive [2000]"
            )],
        )
    };
    let mut cases = vec![
        dead("deadtime 4", "4000"),
        dead("deadtime 0", "0"),
        dead("deadtime 1.0.5", "1000"),
        case(
            "all times too small",
            Files::base()
                .swap("deadtime", "deadtime 4")
                .swap("initdead", "initdead 3\ndeadping 1"),
            6,
            &[
                "ERROR Dead time [4000] is too small compared to keeplive [2000]",
                "ERROR Initial dead time [3000] is smaller than deadtime [4000]",
                "ERROR Ping dead time [1000] is too small compared to keeplive [2000]",
            ],
        ),
        fine("deadtime", "deadtime 4001ms"),
        check(
            "initdead",
            "initdead 9",
            &["ERROR Initial dead time [9000] is smaller than deadtime [10000]"],
        ),
        case(
            "initdead 9 (deadtime 8)",
            Files::base()
                .swap("deadtime", "deadtime 8")
                .swap("initdead", "initdead 9"),
            0,
            &[
                "WARN Initial dead time [9000 ms] may be too small!",
                "info Initial dead time accounts for slow network startup time",
                "info It should be >= deadtime and >= 10 seconds",
            ],
        ),
        case("no initdead", Files::base().swap("initdead", ""), 0, &[]),
        case(
            "no times at all",
            {
                Files::base()
                    .swap("initdead", "")
                    .swap("deadtime", "")
                    .swap("keepalive", "")
                    .swap("warntime", "")
            },
            0,
            &[],
        ),
        case(
            "no initdead, deadtime 5",
            Files::base()
                .swap("initdead", "")
                .swap("deadtime", "deadtime 5"),
            0,
            &[],
        ),
        case(
            "no initdead, deadtime 6",
            Files::base()
                .swap("initdead", "")
                .swap("deadtime", "deadtime 6"),
            0,
            &[],
        ),
        case(
            "no initdead, deadtime 11",
            Files::base()
                .swap("initdead", "")
                .swap("deadtime", "deadtime 11"),
            0,
            &[],
        ),
        refused("warntime 0", &["STDERR Warn time [0] is invalid."]),
        refused("warntime abc", &["STDERR Warn time [abc] is invalid."]),
        fine("warntime", "warntime 10").ours(&["warntime-useless"]),
        fine("warntime", "warntime 30").ours(&["warntime-useless"]),
        check(
            "warntime",
            "deadping 4",
            &["ERROR Ping dead time [4000] is too small compared to keeplive [2000]"],
        ),
        check(
            "warntime",
            "deadping 0",
            &["ERROR Ping dead time [0] is too small compared to keeplive [2000]"],
        ),
        refused_silently("deadping abc"),
        accepted("initdead 9007199254740"),
        refused_silently("initdead 99999999999999999999"),
    ];
    for text in [
        "deadtime -5",
        "deadtime abc",
        "deadtime 1h",
        "deadtime 10s",
        "deadtime 15000 ms",
        "deadtime ms",
    ] {
        cases.push(refused_silently(text));
    }
    for text in [
        "keepalive 0",
        "keepalive 1us",
        "keepalive abc",
        "keepalive -1",
        "keepalive .",
    ] {
        cases.push(refused_silently(text));
    }
    for text in [
        "15000ms",
        "15000msec",
        "15000MS",
        "15000000us",
        "10.5",
        "10,12",
        "1..5 10",
    ] {
        cases.push(fine("deadtime", &format!("deadtime {text}")));
    }
    cases
}

fn nodes() -> Vec<Case> {
    let only = |name: &str, text: &str, says: &[&str], haresources: &str| {
        let exit = if says.is_empty() { 0 } else { 6 };
        case(
            name,
            Files::base().swap("node", text).haresources(haresources),
            exit,
            says,
        )
    };
    let no_node = [&["ERROR no nodes defined"][..], &NOT_A_NODE].concat();
    let many = |count: usize| {
        let names: Vec<String> = (0..count).map(|number| format!("n{number}")).collect();
        Files::base().add(&format!("node {}", names.join(" ")))
    };
    vec![
        only("no node", "", &no_node, ""),
        only("other node only", "node other", &NOT_A_NODE, ""),
        only("short name", "node lvs1 lvs2", &NOT_A_NODE, ""),
        only("quoted name", "node \"lvs1.okooo.cn\"", &NOT_A_NODE, ""),
        only(
            "node upper case",
            "node LVS1.OKOOO.CN",
            &[],
            "lvs1.okooo.cn x\n",
        ),
        only(
            "comma list",
            "node lvs1.okooo.cn,lvs2.okooo.cn",
            &[],
            "lvs2.okooo.cn x\n",
        ),
        only(
            "autojoin any and no node",
            "autojoin any",
            &[
                "notice Current node [lvs1.okooo.cn] added to configuration.",
                "ERROR R1 style resource management conflicts with  autojoin set",
                "ERROR You need either unset autojoin or enable crm",
            ],
            "",
        ),
        only(
            "autojoin other and no node",
            "autojoin other",
            &[
                &no_node[..],
                &[
                    "ERROR R1 style resource management conflicts with  autojoin set",
                    "ERROR You need either unset autojoin or enable crm",
                ],
            ]
            .concat(),
            "",
        ),
        only("single node", "node lvs1.okooo.cn", &[], ""),
        accepted("node lvs2.okooo.cn").ours(&["duplicate-node"]),
        accepted("ping 192.168.6.1 192.168.6.1").ours(&["duplicate-node"]),
        accepted("ping_group LVS2.okooo.cn 192.168.6.1").ours(&["duplicate-node"]),
        case("100 nodes", many(98), 0, &[]),
        {
            let files = many(98).add("ping_group g 192.168.6.1");
            let mut case = case("101 nodes incl. ping", files, 6, &[HNS]).ours(&["too-many-nodes"]);
            case.legacy_exit = 0;
            case.texts_differ("3.0.6 forgets to ask when the last one is a group")
        },
        case("101 nodes", many(99), 6, &[HNS]).ours(&["too-many-nodes"]),
    ]
}

fn bcast_and_ucast() -> Vec<Case> {
    let no_bcast = |interface: &str, reason: &str| {
        refused(
            &format!("bcast {interface}"),
            &[
                &format!("ERROR glib: Get broadcast for interface {interface} failed: {reason}"),
                &format!("ERROR glib: IP interface [{interface}] does not exist"),
                &format!("ERROR Illegal bcast [UDP/IP broadcast] in config file [{interface}]"),
            ],
        )
    };
    let many = |line: &str, count: usize| Files::base().add(&format!("{line}\n").repeat(count));
    vec![
        no_bcast("eth9", "No such device"),
        no_bcast("eth8", "Cannot assign requested address"),
        no_bcast("eth0:0", "Cannot assign requested address"),
        no_bcast("192.168.6.122", "No such device"),
        accepted("bcast eth0 eth0"),
        accepted("bcast eth0,lo"),
        case("64 media", many("bcast lo", 63), 0, &[]),
        case(
            "65 media",
            many("bcast lo", 64),
            6,
            &[
                "ERROR Too many media specified (> 64)",
                "info Offending command: bcast lo",
                HNS,
            ],
        ),
        {
            let mut case = case(
                "65 media, ucast",
                many("ucast lo 192.168.6.123", 64),
                6,
                &[
                    "ERROR Too many media specified (> 64)",
                    "info Offending command: ucast lo 192.168.6.123",
                    HNS,
                ],
            );
            case.legacy_exit = 0;
            case.texts_differ("the legacy does not count media that parse their own line")
        },
        refused(
            "ucast eth0",
            &["ERROR glib: ucast: [eth0] missing target IP address/hostname"],
        ),
        refused(
            "ucast eth0,1.2.3.4",
            &["ERROR glib: ucast: [eth0,1.2.3.4] missing target IP address/hostname"],
        ),
        refused(
            "ucast eth0 nosuch.invalid",
            &[
                "ERROR glib: ucast: cannot resolve hostname",
                "ERROR glib: ucast: interface [eth0] does not exist",
            ],
        ),
        accepted("ucast eth9 192.168.6.123").ours(&["interface-missing"]),
        accepted("ucast eth0 192.168.6.122"),
        accepted("ucast eth0 192.168.6.123 and more"),
        refused("ucast", &[])
            .ours(&["medium-incomplete"])
            .legacy_crashes(),
        refused("mcast", &[])
            .ours(&["medium-incomplete"])
            .legacy_crashes(),
    ]
}

fn mcast() -> Vec<Case> {
    let field = |rest: &str, complaint: &str| {
        refused(
            &format!("mcast eth0{rest}"),
            &[&format!("ERROR glib: {complaint}")],
        )
    };
    vec![
        field("", "mcast [eth0] missing mcast address"),
        field(" 1.2.3.4", "mcast [eth0] bad addr [1.2.3.4]"),
        field(" foo 694 1 0", "mcast [eth0] bad addr [foo]"),
        field(" 225.0.0.1", "mcast [eth0] missing port"),
        field(" 225.0.0.1 0 1 0", " mcast [eth0] bad port [0]"),
        field(" 225.0.0.1 65536 1 0", " mcast [eth0] bad port [0]"),
        field(" 225.0.0.1 abc 1 0", " mcast [eth0] bad port [0]"),
        field(" 225.0.0.1 694", "mcast [eth0] missing ttl"),
        field(" 225.0.0.1 694 5 0", " mcast [eth0] bad ttl [5]"),
        field(" 225.0.0.1 694 1", "mcast [eth0] missing loop"),
        field(" 225.0.0.1 694 1 2", " mcast [eth0] bad loop [2]"),
        field(" 225.0.0.1 694 1 -1", " mcast [eth0] bad loop [255]"),
        refused(
            "mcast eth9 225.0.0.1 694 1 0",
            &[
                "ERROR glib: Unable to retrieve local interface address for interface [eth9] using ioctl(SIOCGIFADDR): No such device",
                "ERROR glib: mcast device [eth9] is invalid or not set up properly",
            ],
        ),
        accepted("mcast eth0 225.0.0.1 694 1 0"),
        accepted("mcast eth0 225.0.0.1 694 260 0"),
        accepted("mcast eth0 225.0.0.1 694 0 256 more"),
        accepted("mcast eth0 225.0.0.1 694 x y"),
    ]
}

fn serial_and_ports() -> Vec<Case> {
    let bad_serial = |path: &str, complaint: &str| {
        refused(
            &format!("serial {path}"),
            &[
                &format!("ERROR glib: {complaint}"),
                &format!("ERROR Illegal serial [serial ring] in config file [{path}]"),
            ],
        )
    };
    let bad_port = |word: &str| {
        refused(
            &format!("udpport {word}"),
            &[&format!(
                "STDERR heartbeat: invalid port [{word}] specified."
            )],
        )
    };
    vec![
        bad_serial(
            "/dev/nosuch",
            "Nonexistent serial port [/dev/nosuch] in config file",
        ),
        bad_serial(
            "ttyS0",
            "Serial port not full pathname [ttyS0] in config file",
        ),
        bad_serial(
            "/etc/passwd",
            "Serial port [/etc/passwd] not a char device in config file",
        ),
        accepted("serial /dev/null"),
        accepted("baud 9600x"),
        refused(
            "baud 1234",
            &["STDERR heartbeat: invalid baudrate [1234] specified."],
        ),
        refused(
            "baud 9600\nbaud 9600",
            &["STDERR heartbeat: Baudrate multiply specified."],
        ),
        refused(
            "baud 1234\nbaud 9600",
            &[
                "STDERR heartbeat: invalid baudrate [1234] specified.",
                "STDERR heartbeat: Baudrate multiply specified.",
            ],
        ),
        bad_port("0"),
        bad_port("abc"),
        bad_port("ha-cluster"),
        bad_port("-1"),
        accepted_saying(
            "udpport 123",
            &["WARN heartbeat: udp port 123 reserved for service \"ntp\"."],
        ),
        accepted_saying(
            "udpport 65659",
            &["WARN heartbeat: udp port 65659 reserved for service \"ntp\"."],
        ),
        accepted("udpport 70000").ours(&["udpport-truncated"]),
        accepted("udpport 5000").ours(&["udpport-too-late"]),
        accepted("udpport 694\nudpport 694"),
    ]
}

fn pings() -> Vec<Case> {
    vec![
        refused(
            "ping nosuch.invalid",
            &[
                "ERROR glib: unknown host: nosuch.invalid: Resource temporarily unavailable",
                "ERROR Illegal ping [ping membership] in config file [nosuch.invalid]",
            ],
        ),
        refused("ping_group", &[]).ours(&["medium-incomplete"]),
        refused("ping_group g", &[]).ours(&["medium-incomplete"]),
        accepted_saying(
            "ping_group g nosuch.invalid",
            &["ERROR glib: unknown host: nosuch.invalid: Resource temporarily unavailable"],
        ),
        accepted("ping 192.168.6.1 192.168.6.2"),
        case(
            "ping alone satisfies the media check",
            Files::base().swap("bcast", "ping 192.168.6.1"),
            0,
            &[],
        ),
    ]
}

fn failback() -> Vec<Case> {
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

fn logging() -> Vec<Case> {
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

fn clients() -> Vec<Case> {
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

fn fencing() -> Vec<Case> {
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

fn scalars() -> Vec<Case> {
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

fn lexical() -> Vec<Case> {
    let tail = |directive: &str| format!("#{}{directive}\n", "x".repeat(ha_line_max() - 1));
    let base = String::from_utf8(Files::base().ha_cf.unwrap()).unwrap();
    vec![
        case(
            "comment line longer than 5119",
            Files::base().add(&tail("tail of it")),
            6,
            &["ERROR Illegal directive [tail] in /etc/ha.d/ha.cf", HNS],
        ),
        case(
            "the tail of a comment may be a directive",
            Files::base().add(&tail("debug 0")),
            0,
            &[],
        ),
        accepted("keepalive 2#x"),
        accepted("\t \x0ckeepalive 2"),
        case(
            "CRLF",
            Files::base().ha_cf(base.replace('\n', "\r\n")),
            0,
            &[],
        ),
        case(
            "no final newline",
            Files::base().ha_cf(base.trim_end()),
            0,
            &[],
        ),
        refused(
            "keepalive\x0b3",
            &["ERROR Illegal directive [keepalive\x0b3] in /etc/ha.d/ha.cf"],
        ),
    ]
}

fn ha_line_max() -> usize {
    5119
}

fn media_of_306() -> Vec<Case> {
    let complains = |line: &str, text: &str| refused(line, &[&format!("ERROR {text}")]);
    vec![
        accepted("ping6 2001:db8::1"),
        complains(
            "ping6 nosuch.invalid",
            "Illegal ping6 [ping6 membership] in config file [nosuch.invalid]",
        ),
        accepted("ucast6 eth0 fe80::1"),
        accepted("ucast6 eth0 fe80::1%eth0"),
        complains("ucast6", "glib: ucast6 statement without device"),
        complains(
            "ucast6 eth9 fe80::1",
            "glib: ucast6 device [eth9] is invalid or not set up properly",
        ),
        complains("ucast6 eth0", "glib: ucast6 [eth0] missing ucast6 address"),
        complains("ucast6 eth0 foo", "glib: ucast6 [eth0] bad addr [foo]"),
        complains("ucast6 eth0 ::1", "glib: ucast6 [eth0] bad addr [::1]"),
        accepted("mcast6 eth0 ff02::1 694 2 0"),
        complains("mcast6", "glib: mcast6 statement without device"),
        complains("mcast6 eth0", "glib: mcast6 [eth0] missing mcast6 address"),
        complains("mcast6 eth0 ::1", "glib:  mcast6 [eth0] bad addr [::1]"),
        complains("mcast6 eth0 ff02::1", "glib: mcast6 [eth0] missing port"),
        complains(
            "mcast6 eth0 ff02::1 694",
            "glib: mcast6 [eth0] missing hops",
        ),
        complains(
            "mcast6 eth0 ff02::1 694 5 0",
            "glib:  mcast6 [eth0] bad hops [5]",
        ),
        complains(
            "mcast6 eth0 ff02::1 694 2",
            "glib: mcast6 [eth0] missing loop",
        ),
        complains(
            "mcast6 eth0 ff02::1 694 2 3",
            "glib:  mcast6 [eth0] bad loop [3]",
        ),
    ]
}
