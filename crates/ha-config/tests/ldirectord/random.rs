//! Random files, read by the installed legacy and by us: same verdict, same words, same line numbers.
//!
//! The files are made of directives with good and bad values, in sections and outside of them, with the mistakes of
//! white space, order and comments that people make.

use crate::legacy;

/// How many files more to compare than [`FILES`]; each costs the legacy a tenth of a second.
const MORE: &str = "LDIRECTORD_RANDOM_FILES";

/// So many are compared in any case.
const FILES: u64 = 60;

/// Number of the first one, to look for others than last time.
const FIRST: &str = "LDIRECTORD_RANDOM_FIRST";

#[test]
fn random_files_are_taken_and_refused_as_by_the_legacy() {
    if !legacy::available() {
        return;
    }
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let (first, count) = (number(FIRST).unwrap_or(0), number(MORE).unwrap_or(FILES));
    let files: Vec<Vec<u8>> = (first..first.saturating_add(count))
        .map(|seed| random_file(&mut Dice(seed)))
        .collect();
    let differences = legacy::differences("random", &files);
    let total = differences.len();
    assert!(
        differences.is_empty(),
        "{total} of {count} differ\n{}",
        differences.join("\n")
    );
}

/// Every value of the tables below alone in an otherwise good file, in each place; too many for every run.
#[test]
fn each_value_is_taken_and_refused_as_by_the_legacy() {
    if std::env::var_os(MORE).is_none() {
        eprintln!("skipped: set {MORE} to the number of random files to compare");
        return;
    }
    if !legacy::available() {
        return;
    }
    let mut files = Vec::new();
    let real = "    real=192.168.6.42:80 gate\n";
    let real6 = "    real6=[::9]:80 gate\n";
    for (name, values) in SHARED.iter().chain(GLOBAL) {
        for value in *values {
            files.push(format!("{name}={value}\nvirtual=192.168.6.66:80\n{real}"));
        }
    }
    for (name, values) in SHARED.iter().chain(IN_SECTION) {
        for value in *values {
            files.push(format!(
                "virtual=192.168.6.66:80\n    {name}={value}\n{real}"
            ));
            files.push(format!("virtual6=[::1]:80\n    {name}={value}\n{real6}"));
            files.push(format!("virtual=7\n    {name}={value}\n{real}"));
        }
    }
    for value in VIRTUAL {
        files.push(format!("virtual={value}\n{real}"));
    }
    for value in VIRTUAL6 {
        files.push(format!("virtual6={value}\n{real6}"));
    }
    let files: Vec<Vec<u8>> = files.into_iter().map(String::into_bytes).collect();
    let differences = legacy::differences("each", &files);
    let total = differences.len();
    assert!(
        differences.is_empty(),
        "{total} of {} differ\n{}",
        files.len(),
        differences.join("\n")
    );
}

/// Directives of both places.
const SHARED: &[(&str, &[&str])] = &[
    (
        "checktimeout",
        &["3", "0", "x", "=4", "5 # five", "-2", "007"],
    ),
    ("negotiatetimeout", &["3", "0", "", "10s"]),
    ("checkinterval", &["3", "0", "", "10s"]),
    ("checkcount", &["3", "0", "x"]),
    ("failurecount", &["3", "0", "x3"]),
    (
        "fallback",
        &[
            "127.0.0.1",
            "127.0.0.1:80",
            "127.0.0.1:80 gate",
            "127.0.0.1:80 masq",
            "127.0.0.1:http ipip",
            "127.0.0.1 masq",
            "127.0.0.1:80 nat",
            "127.0.0.1:80 gate x",
            "127.0.0.1:0",
            "127.0.0.1:70000",
            "localhost:80",
            "no.such.host.invalid",
            "127.0.0.1:",
            "",
            "x y",
            "[::1]:80",
            "127.0.0.1:80gate",
            "127.0.0.1 :80",
            "\"127.0.0.1:80\"",
            "127.0.0.1:80 gate gate",
            "a:b:c",
            "no.such nat",
            "127.0.0.1:8-0",
            "10.1:80",
            "::1",
        ],
    ),
    (
        "fallback6",
        &[
            "[::1]:80",
            "[::1]",
            "::1",
            "[::1]:80 masq",
            "[::1]:x",
            "",
            "[x]:80",
            "127.0.0.1:80",
            "localhost:80",
            "[::1]:",
            "fe80::1:80",
            "[::1",
            "::1]:80",
            "[localhost]:80",
        ],
    ),
    ("fallbackcommand", &["/bin/x", "\"/bin/x y\"", "", "\"\""]),
    (
        "quiescent",
        &["yes", "no", "maybe", "yes ", "", "YES", "yesno"],
    ),
    ("cleanstop", &["yes", "no", "1", ""]),
    (
        "emailalert",
        &[
            "a@b", "\"a@b\"", "", "\"\"", "a@b c", "a", "root", "a@b, c@d",
        ],
    ),
    ("emailalertfreq", &["0", "5", "", "x", "5x", "-1", " 7"]),
    (
        "emailalertstatus",
        &[
            "all",
            "none",
            "starting,running",
            "starting, stopping",
            "reloading",
            "foo",
            "none,all",
            "all,none",
            "",
            "all,",
            ",",
            "running foo",
            "running stopping",
            "running,foo",
            "none,running",
            "running ,stopping",
            "starting,,running",
            ",starting",
            "all all",
        ],
    ),
    (
        "smtp",
        &[
            "mail",
            "10.0.0.1",
            "mail.x.org",
            "!x",
            "",
            "\"mail\"",
            "mail x",
            "a_b",
            "a:25",
            "::1",
            "+x",
            "@",
        ],
    ),
    ("connecttimeout", &["5", "x", ""]),
];

const GLOBAL: &[(&str, &[&str])] = &[
    ("timeout", &["5", ""]),
    ("autoreload", &["yes", "no", "1"]),
    ("callback", &["\"/bin/x\"", "/bin/x", "\"\"", "\"x\" y"]),
    (
        "logfile",
        &[
            "\"local0\"",
            "\"/var/log/x.log\"",
            "\"/nonexistent/x.log\"",
            "/var/log/x",
            "\"\"",
            "\"nosuch\"",
            "\"local0\" # x",
        ],
    ),
    ("execute", &["\"x.cf\"", "x.cf", ""]),
    ("supervised", &["yes", "no", "x", ""]),
    ("fork", &["yes", "no", "x"]),
    ("readdquiescent", &["yes", "no", "x"]),
    ("emailalertfrom", &["a@b", "", "\"a@b\"", "x y"]),
    ("maintenancedir", &["/tmp", "/nonexistent", "", "\"/tmp\""]),
    ("real", &["192.168.6.42:80 gate"]),
    ("checktype", &["off"]),
    ("frob", &["x"]),
];

const IN_SECTION: &[(&str, &[&str])] = &[
    (
        "real",
        &[
            "192.168.6.42:80 gate",
            "192.168.6.43:80 masq 2",
            "192.168.6.44 ipip",
            "192.168.6.42:80 gate 1 \"a\", \"b\"",
            "192.168.6.42:80 gate \"a\",\"b\"",
            "192.168.6.42:80 gate \"a\" \"b\"",
            "192.168.6.42:80 gate \"a\",\"b\" 2",
            "192.168.6.42:80 gate 2 \"a\"",
            "192.168.6.42:80 gate 2 \"a\"\"b\"",
            "192.168.6.42:80 gate 2 \"a b\" , \"c 3 d\"",
            "192.168.6.42:80 gate 2 \"http://x/y\" \"z\" l:1 u:2",
            "192.168.6.42:80 gate 1 l:5 u:9",
            "192.168.6.42:80 gate 1 u:9 l:5",
            "192.168.6.42:80 gate 1 l:5",
            "192.168.6.42:80 gate u:9",
            "192.168.6.42:80 gate l:x",
            "192.168.6.42:80 gate 1 l:5u:9",
            "192.168.6.42:80 gate -1",
            "192.168.6.42:80 gate +1",
            "192.168.6.42:80 gate 1.5",
            "192.168.6.42:80 gate 1x",
            "192.168.6.42:80 gate 1 2",
            "192.168.6.42:80 gate 1 xyz",
            "192.168.6.42:80 gate x 3",
            "192.168.6.42:80 nat",
            "192.168.6.42:80",
            "192.168.6.42:80 gate2",
            "192.168.6.42 :80 gate",
            "\"192.168.6.42:80\" gate",
            "192.168.6.42:http gate",
            "192.168.6.42:nosuch gate",
            "192.168.6.42:70000 gate",
            "192.168.6.42: gate",
            "192.168.6.42:80 Gate",
            "192.168.6.8->192.168.6.11:80 masq",
            "192.168.6.8->192.168.6.11 masq 3",
            "192.168.6.11->192.168.6.8:80 masq",
            "192.168.6.8 -> 192.168.6.11:80 masq",
            "192.168.6.8:80->192.168.6.11:80 masq",
            "localhost:80 gate",
            "no.such.host.invalid:80 gate",
            "no.such.host.invalid:nosuch gate",
            "300.1.1.1:80 masq",
            "a_b:80 gate",
            "x y z",
            "",
            "[::1]:80 gate",
            "[::1]->[::2]:80 gate",
            "::1 gate",
            "10.1:80 gate",
            "192.168.6.42:80 gate \"a\" , \"b\"",
            "192.168.6.42:80 gate \"a\",,\"b\"",
            "192.168.6.42:80 gate \"a\", \"c 3 d\"",
            "192.168.6.42:80 gate 2\"a\",\"b\"",
            "192.168.6.42:80 gate x \"a\",\"b\"",
            "192.168.6.42:80 gate 2 \"x\" l:1",
            "192.168.6.42:80 gate l:5 u:9 \"a\",\"b\"",
            "192.168.6.42:80 gate 2 \"a\",\"b\" 3",
            "192.168.6.42:80: gate",
            "192.168.6.42:8-0 gate",
            "192.168.6.42:nosuch nat",
            "192.168.6.8->x:80 gate",
            "192.168.6.8->x:nosuch nat",
            "192.168.6.9->192.168.6.8:80 nat",
            "192.168.6.9->192.168.6.8:80 gate xyz",
            "no.such.host.invalid:80 nat",
        ],
    ),
    (
        "real6",
        &[
            "[::1]:80 gate",
            "[fe80::1]:80 masq 2",
            "::1 gate",
            "localhost:80 gate",
            "[::1] gate",
            "[x]:80 gate",
            "[::1]->[::3]:80 gate",
            "x->[::3]:80 gate",
            "192.168.6.42:80 gate",
            "[::ffff:1.2.3.4]:80 gate",
        ],
    ),
    (
        "checktype",
        &[
            "negotiate",
            "connect",
            "ping",
            "off",
            "on",
            "external",
            "external-perl",
            "3",
            "0",
            "-3",
            "x3",
            "foo",
            "off please",
            "",
            "Off",
            "external2",
            "combined",
            "\"off\"",
            "off,on",
            "-off",
            "a 3",
            "external-perlx",
        ],
    ),
    (
        "service",
        &[
            "http",
            "https",
            "ftp",
            "none",
            "simpletcp",
            "foo",
            "HTTP",
            "http ",
            "http x",
            "",
            "oracle",
            "ldaps",
            "http_proxy",
            "\"http\"",
            "-http",
            "http-x",
            "xhttp",
            "x http",
            "*",
        ],
    ),
    (
        "checkcommand",
        &[
            "/bin/x",
            "\"/bin/x\"",
            "/bin/x a b",
            "",
            "\"\"",
            "\"\"x",
            "\"",
            "\"x\" y",
        ],
    ),
    (
        "checkport",
        &["80", "0", "65535", "65536", "x", "x80", "", "http"],
    ),
    (
        "request",
        &[
            "\"a\"", "a", "\"\"", "\"/a b\"", "\"a\"b\"", "\"a#b\"", "\"a\" x", "\"", "x\"y\"",
        ],
    ),
    ("receive", &["\"a\"", "'a'", "\"\"", "\"a(\"", "\"a\" # x"]),
    (
        "httpmethod",
        &[
            "GET", "head", "post", "", "GET x", "\"GET\"", "GETx", "Get", "-head", "x head",
        ],
    ),
    (
        "virtualhost",
        &[
            "www.x.org",
            "\"www\"",
            "",
            "\"\"",
            "www # x",
            "\"www",
            "a b",
        ],
    ),
    ("login", &["\"joe\"", "joe", "\"\""]),
    ("passwd", &["\"p\"", "p", "\"\""]),
    ("database", &["\"d\"", "d", "\"\""]),
    ("secret", &["\"s\"", "s", "\"\""]),
    ("load", &["\"l\"", "l", "\"\""]),
    (
        "scheduler",
        &[
            "rr", "wlc", "RR", "wrr2", "", "r r", "2", "2rr", "\"rr\"", "-rr",
        ],
    ),
    ("persistent", &["5", "x", "", "5s"]),
    (
        "netmask",
        &[
            "255.255.255.0",
            "24",
            "255.255.255.255 x",
            "",
            "300.1.1.1",
            "255.255.0",
            "64",
            "129",
            "0",
            "x",
        ],
    ),
    (
        "protocol",
        &[
            "tcp", "udp", "fwm", "icmp", "", "TCP", "tcp x", "tcpx", "udp6", "\"tcp\"", "-tcp",
        ],
    ),
    (
        "monitorfile",
        &[
            "/var/log/m",
            "/nonexistent/m",
            "",
            "\"/var/log/m\"",
            "/var/log",
            "/nonexistent/m x",
        ],
    ),
    ("ops", &["yes", "no", "maybe", ""]),
    (
        "schedflags",
        &["sh-port", "sh-fallback,sh-port", "", "flag-1", "sh-port x"],
    ),
    ("servicename", &["web", "", "a b", "\"web\""]),
    ("comment", &["call", "", "\"x y\""]),
    ("autoreload", &["yes"]),
    ("virtual", &["192.168.6.99:80"]),
    ("frob", &["x"]),
];

const VIRTUAL: &[&str] = &[
    "192.168.6.66:80",
    "192.168.6.66:80",
    "192.168.6.66:80",
    "192.168.6.67:8080",
    "192.168.6.66:http",
    "192.168.6.66:443 x",
    "192.168.6.66:nosuch",
    "192.168.6.66:70000",
    "192.168.6.66:0",
    "192.168.6.66",
    "999.1.1.1:80",
    "localhost:80",
    "no.such.host.invalid:80",
    "1",
    "7x",
    "x",
    "",
    "[::1]:80",
    "::1:80",
    "192.168.6.66:",
    "192.168.6.66 :80",
    "\"192.168.6.66:80\"",
    "192.168.6.66:80:90",
    "192.168.6.66:80-",
    "10.1:80",
    "7:",
    "[::1]",
    "::1",
    "[x]:80",
    "-x:80",
];

const VIRTUAL6: &[&str] = &[
    "[::1]:80",
    "[::2]:443",
    "[::1]",
    "::1:80",
    "2",
    "192.168.6.66:80",
    "",
    "[x]:80",
    "[::1]:nosuch",
    "localhost:80",
    "192.168.6.66",
    "[]:80",
    "[::1] :80",
    "[::1]x:80",
    "[::ffff:1.2.3.4]:80",
];

/// A small generator of random numbers; the same seed gives the same file.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// A directive and a value. Good values stand first in their lists and are taken more often, so that the legacy, which
/// stops at the first mistake, gets to see the whole of some files.
fn directive(dice: &mut Dice, tables: &[&[(&str, &[&str])]]) -> String {
    let table = dice.pick(tables);
    let (name, values) = dice.pick(table);
    let first = dice.below(3) < 2;
    let value = if first {
        values[dice.below(values.len().min(2))]
    } else {
        dice.pick(values)
    };
    let equals = match dice.below(12) {
        0 => " = ",
        1 => "\t=",
        2 => "=  ",
        _ => "=",
    };
    let equals = if dice.once_in(80) { " " } else { equals };
    let tail = match dice.below(40) {
        0 => " ",
        1 => " # x",
        2 => "#x",
        3 => "\t",
        4 => "\r",
        _ => "",
    };
    format!("{name}{equals}{value}{tail}")
}

fn random_file(dice: &mut Dice) -> Vec<u8> {
    let mut lines = Vec::new();
    for _ in 0..dice.below(4) {
        lines.push(global_line(dice));
    }
    for _ in 0..1 + dice.below(3) {
        section(dice, &mut lines);
        while dice.once_in(3) {
            lines.push(global_line(dice));
        }
    }
    let mut text = lines.join("\n");
    if !dice.once_in(5) {
        text.push('\n');
    }
    text.into_bytes()
}

fn global_line(dice: &mut Dice) -> String {
    match dice.below(16) {
        0 => String::new(),
        1 => "# remark".into(),
        2 => "   # remark".into(),
        3 => "  ".into(),
        4 => "supervised".into(),
        5 => format!(" {}", directive(dice, &[GLOBAL])),
        _ => directive(dice, &[SHARED, GLOBAL]),
    }
}

fn section(dice: &mut Dice, lines: &mut Vec<String>) {
    let often = dice.below(3) > 0;
    if dice.once_in(6) {
        lines.push(format!(
            "virtual6={}",
            VIRTUAL6[if often { 0 } else { dice.below(VIRTUAL6.len()) }]
        ));
    } else {
        let gap = *dice.pick(&["=", "=", "=", " = ", "\t="]);
        lines.push(format!(
            "virtual{gap}{}",
            VIRTUAL[if often {
                dice.below(4)
            } else {
                dice.below(VIRTUAL.len())
            }]
        ));
    }
    let indent = *dice.pick(&["\t", "    ", "        ", "  \t", "     "]);
    for _ in 0..dice.below(6) {
        let indent = match dice.below(30) {
            0 => "   ",
            1 => "",
            2 => " \t ",
            _ => indent,
        };
        lines.push(match dice.below(24) {
            0 => format!("{indent}# remark"),
            1 => "# remark".into(),
            2 if dice.once_in(3) => String::new(),
            3 if dice.once_in(3) => "    ".into(),
            4 if dice.once_in(3) => "      ".into(),
            5 if dice.once_in(3) => "\t\t".into(),
            _ => format!(
                "{indent}{}",
                directive(dice, &[SHARED, IN_SECTION, IN_SECTION])
            ),
        });
    }
}
