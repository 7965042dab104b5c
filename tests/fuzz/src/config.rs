//! The configuration files. What is said about a file names a place in it, and a file is read the same way twice.

use ha_config::ldirectord::{self, FakeHost};
use ha_config::testing::FakeFacts;
use ha_config::{
    ConfigFiles, Diagnostic, FileContent, LoadOptions, haresources, load, node_names,
    parse_apphbd_cf, parse_authkeys, parse_ha_cf, parse_logd_cf, parse_nodeinfo,
    parse_test_options,
};

use crate::Target;
use crate::seeds::{self, Seed};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "config_ha_cf",
        run: ha_cf,
        seeds: ha_cfs,
        words: ha_cf_words,
        length_max: 4096,
    },
    Target {
        name: "config_authkeys",
        run: authkeys,
        seeds: authkeys_files,
        words: authkeys_words,
        length_max: 2048,
    },
    Target {
        name: "config_haresources",
        run: haresources_file,
        seeds: haresources_files,
        words: haresources_words,
        length_max: 2048,
    },
    Target {
        name: "config_ldirectord_cf",
        run: ldirectord_cf,
        seeds: ldirectord_cfs,
        words: ldirectord_words,
        length_max: 4096,
    },
    Target {
        name: "config_logd_cf",
        run: logd_cf,
        seeds: logd_cfs,
        words: logd_words,
        length_max: 2048,
    },
    Target {
        name: "config_small",
        run: small,
        seeds: small_files,
        words: small_words,
        length_max: 2048,
    },
    Target {
        name: "config_load",
        run: whole,
        seeds: sets,
        words: ha_cf_words,
        length_max: 4096,
    },
];

const CORPUS: &str = "crates/ha-config/tests/corpus";

/// Stands between the files of a set.
pub(crate) const BETWEEN: &[u8] = b"\n----\n";

fn ha_cf(bytes: &[u8]) {
    let facts = FakeFacts::lvs1();
    let parsed = parse_ha_cf(bytes, "ha.cf", &facts);
    places(&parsed.diagnostics, bytes, true);
    assert_eq!(
        parse_ha_cf(bytes, "ha.cf", &facts).diagnostics,
        parsed.diagnostics
    );
    for name in node_names(bytes) {
        assert!(!name.is_empty());
    }
}

fn authkeys(bytes: &[u8]) {
    let parsed = parse_authkeys(bytes, 0o100_600, "authkeys");
    places(&parsed.diagnostics, bytes, false);
    if let Some(keys) = &parsed.value {
        assert!(keys.outbound_key().is_some(), "a ring that can sign");
        // No word of the file but the names of methods is ever shown.
        let shown = format!("{keys:?}");
        assert!(shown.len() < 2000, "{shown}");
    }
    // Whoever may read the file is told by its mode alone.
    assert!(parse_authkeys(bytes, 0o100_644, "authkeys").value.is_none());
}

fn haresources_file(bytes: &[u8]) {
    let parsed = haresources::parse(bytes);
    let lines = line_count(bytes);
    let mut last = 0;
    for group in &parsed.groups {
        assert!((1..=lines).contains(&group.line) && group.line >= last);
        last = group.line;
        // A line with nothing but a node is a group without a key.
        assert_eq!(group.key().is_empty(), group.resources.is_empty());
        // A group is passed around as the text of its line.
        let text = group.line_text();
        assert!(!text.contains('\n'), "{text:?}");
        for word in &group.resources {
            let _ = (word.script_name(), word.arguments(), word.is_address());
        }
    }
    assert!(parsed.duplicate_keys().len() <= parsed.groups.len());
    places(&haresources::remarks(&parsed, "haresources"), bytes, false);
    let said = haresources::check_nodes(bytes, "haresources", |node| node.len() % 2 == 0);
    places(said.as_slice(), bytes, false);
}

fn ldirectord_cf(bytes: &[u8]) {
    let host = FakeHost::default();
    let parsed = ldirectord::parse(bytes, "ldirectord.cf", &host);
    places(&parsed.diagnostics, bytes, false);
    for diagnostic in &parsed.diagnostics {
        assert!(!ldirectord::legacy_text(diagnostic, 1).is_empty());
    }
    let again = ldirectord::parse(bytes, "ldirectord.cf", &host);
    assert_eq!(again.diagnostics, parsed.diagnostics);
    let Some(value) = &parsed.value else {
        assert!(!parsed.diagnostics.is_empty(), "refused without a word");
        return;
    };
    for service in &value.virtuals {
        if let Err(invalid) = ipvs::Change::AddService(service.service.clone()).check() {
            // What the kernel would not take is said, but the file is read as the legacy reads it.
            assert!(!invalid.to_string().is_empty());
        }
        for real in &service.reals {
            let _ = format!("{real:?}");
        }
    }
}

fn logd_cf(bytes: &[u8]) {
    places(&parse_logd_cf(bytes, "logd.cf").diagnostics, bytes, false);
    places(
        &parse_apphbd_cf(bytes, "apphbd.cf").diagnostics,
        bytes,
        false,
    );
}

fn small(bytes: &[u8]) {
    if let Some(name) = parse_nodeinfo(bytes) {
        assert!(!name.is_empty());
    }
    places(&parse_test_options(bytes, "OnlyForTesting").1, bytes, false);
    for name in ["http", "domain", ""] {
        let _ = ldirectord::services::port(bytes, name, None);
    }
    let spec = ha_resources::address::AddressSpec::parse(bytes);
    assert!(!spec.ip.contains('/'));
    let _ = (spec.base_nic(), spec.label());
}

/// ha.cf, authkeys and haresources together: either there is a configuration or a reason why not.
fn whole(bytes: &[u8]) {
    let mut parts = split(bytes).into_iter();
    let mut next = || FileContent::read(parts.next().unwrap_or_default(), 0o100_600);
    let files = ConfigFiles {
        ha_cf: next(),
        authkeys: next(),
        haresources: next(),
        nodeinfo: FileContent::missing(),
    };
    let loaded = load(&files, &LoadOptions::default(), &FakeFacts::lvs1());
    assert_eq!(loaded.config.is_some(), loaded.exit_code == 0);
    if loaded.config.is_none() {
        assert!(!loaded.diagnostics.is_empty(), "refused without a word");
    }
}

/// Every place lies within the file.
fn places(said: &[Diagnostic], bytes: &[u8], columns: bool) {
    let lines = line_count(bytes);
    for diagnostic in said {
        assert!(!diagnostic.lines().is_empty());
        let Some(span) = &diagnostic.span else {
            continue;
        };
        assert!((1..=lines).contains(&span.line), "{span} of {lines} lines");
        assert!(span.column >= 1);
        if columns {
            let line = bytes.split(|byte| *byte == b'\n').nth(span.line - 1);
            assert!(span.column <= line.unwrap_or_default().len() + 1, "{span}");
        }
    }
}

/// The last line counts even without a newline.
fn line_count(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count()
}

/// The files of a set.
pub(crate) fn split(bytes: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest
        .windows(BETWEEN.len())
        .position(|window| window == BETWEEN)
    {
        parts.push(&rest[..at]);
        rest = &rest[at + BETWEEN.len()..];
    }
    parts.push(rest);
    parts
}

fn corpus(kind: &str, samples: &[&str]) -> Vec<Seed> {
    let mut found = seeds::files(&format!("{CORPUS}/{kind}"), ".cf");
    found.extend(samples.iter().map(|path| seeds::file(path)));
    found
}

fn ha_cfs() -> Vec<Seed> {
    corpus(
        "ha.cf",
        &["compat/doc/ha.cf", "ha.d-examples/two-node-vip/ha.cf"],
    )
}

fn authkeys_files() -> Vec<Seed> {
    corpus("authkeys", &["compat/doc/authkeys"])
}

fn haresources_files() -> Vec<Seed> {
    corpus("haresources", &["compat/doc/haresources"])
}

fn ldirectord_cfs() -> Vec<Seed> {
    let mut found = corpus("ldirectord.cf", &["compat/doc/ldirectord.cf"]);
    let (_, table) = seeds::file("crates/ha-config/tests/ldirectord/odd-config.tsv");
    let rows = String::from_utf8_lossy(&table).into_owned();
    for (number, row) in rows.lines().enumerate().skip(1) {
        let text = row.split('\t').nth(1).unwrap_or_default();
        let text = text.replace("\\n", "\n").replace("\\t", "\t");
        found.push((format!("odd-{number:03}"), text.into_bytes()));
    }
    found
}

fn logd_cfs() -> Vec<Seed> {
    let mut found = seeds::texts(&[
        b"logfile /var/log/ha-log\ndebugfile /var/log/ha-debug\nlogmode 0640\nlogfacility local0\n",
        b"entity logd\nsyslogprefix linux-ha\nsyslogmsgfmt yes\nsendqlen 256\nrecvqlen 256\nuseapphbd yes\n",
        b"logfacility none\nwatchdog_device /dev/watchdog\nwatchdog_interval_ms 2000\nrealtime yes\n",
    ]);
    found.push(seeds::file("compat/doc/logd.cf"));
    found.push(seeds::file("compat/doc/apphbd.cf"));
    found
}

fn small_files() -> Vec<Seed> {
    seeds::texts(&[
        b"lvs1.okooo.cn\n",
        b"# x\nrcvlossprob=0.5 xmitlossprob=0.1\nallownodes=alpha\n",
        b"http 80/tcp www\ndomain 53/udp # DNS\n",
        b"192.168.6.66/24/eth0:1/192.168.6.255",
        b"10.0.0.1/255.255.255.0/10.0.0.255",
    ])
}

fn sets() -> Vec<Seed> {
    let authkeys = authkeys_files();
    let haresources = haresources_files();
    ha_cfs()
        .into_iter()
        .enumerate()
        .map(|(number, (name, ha_cf))| {
            let one = |files: &[Seed]| files[number % files.len()].1.clone();
            let set = [ha_cf, one(&authkeys), one(&haresources)].join(BETWEEN);
            (name, set)
        })
        .collect()
}

fn ha_cf_words() -> Vec<Vec<u8>> {
    let table = ha_config::defaults_table();
    let mut words: Vec<Vec<u8>> = table
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(|word| word.trim_end_matches(':').into())
        .collect();
    words.extend(seeds::words(
        "eth0 lo 192.168.6.1 225.0.0.1 ff02::1 694 0 1 -1 2.5 ms us s m h d on off yes no legacy uid=root gid=haclient \
         /bin/true sha1 crc md5 auth 99999999999999999999 string netstring zlib bz2 /dev/ttyS0 file uuid local0 none \
         lvs1.okooo.cn lvs2.okooo.cn default anon external/ssh \\ # ----",
    ));
    words
}

fn authkeys_words() -> Vec<Vec<u8>> {
    seeds::words("auth 0 1 2 15 16 -1 crc md5 sha1 secret #")
}

fn haresources_words() -> Vec<Vec<u8>> {
    seeds::words(
        "lvs1.okooo.cn IPaddr::10.0.0.1 IPaddr2::10.0.0.1/24/eth0 :: 10.0.0.1 ldirectord httpd Filesystem::/dev/sdb1::/m \
         # \\ LVSSyncDaemonSwap::master",
    )
}

fn ldirectord_words() -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = ldirectord::DIRECTIVES
        .iter()
        .map(|directive| format!("{}=", directive.name).into_bytes())
        .collect();
    words.extend(seeds::words(
        "virtual= real= gate masq ipip 192.168.6.66:80 192.168.6.2->192.168.6.9:80 [fe80::1]:80 localhost:http negotiate connect \
         ping external external-perl on off http https dns mysql pgsql tcp udp fwm wrr ops yes no 255.255.255.0 0 1 65536 \
         99999999999 \"/index.html\",\"OK\" :80 -> #",
    ));
    words
}

fn logd_words() -> Vec<Vec<u8>> {
    seeds::words(
        "debugfile logfile logfacility local0 none entity useapphbd sendqlen recvqlen logmode 0640 syslogmsgfmt \
         syslogprefix yes no on off realtime watchdog_device watchdog_interval_ms debug_level /dev/null 0 -1",
    )
}

fn small_words() -> Vec<Vec<u8>> {
    seeds::words(
        "rcvlossprob= xmitlossprob= allownodes= http domain /tcp /udp / :: 0.5 eth0:1 # 10.0.0.1",
    )
}
