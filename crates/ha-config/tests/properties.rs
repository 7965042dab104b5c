//! Parsers take any bytes without panicking, and know their lines.

mod support;

use ha_config::{
    haresources, parse_apphbd_cf, parse_authkeys, parse_ha_cf, parse_logd_cf, parse_nodeinfo,
    parse_test_options,
};
use proptest::prelude::*;
use support::{Files, laboratory};

/// Bytes that are likely to mean something: directives, words of theirs, separators, noise.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        4 => prop::sample::select(
            "node keepalive deadtime bcast ucast mcast serial ping ping_group ucast6 mcast6 ping6 apiauth respawn \
             stonith stonith_host env logfacility auto_failback nice_failback udpport baud crm warntime auth \
             eth0 lo 192.168.6.1 225.0.0.1 ff02::1 694 0 1 -1 2.5 ms on off yes uid=root gid= root /bin/true sha1 crc \
             md5 NAME=VALUE 99999999999999999999 :: IPaddr::10.0.0.1"
                .split_whitespace().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>()
        ),
        4 => prop::sample::select(vec![
            b" ".to_vec(), b"\n".to_vec(), b"\t".to_vec(), b",".to_vec(), b"#".to_vec(), b"\r\n".to_vec(),
            b"\\\n".to_vec(), b"\0".to_vec(), b"=".to_vec(), b"\x0c".to_vec(),
        ]),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        1 => (0_usize..6000).prop_map(|length| vec![b'x'; length]),
    ];
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

/// The number of lines of a text, the last one counting even without a newline.
fn line_count(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count()
}

proptest! {
    #[test]
    fn no_bytes_make_a_parser_panic(bytes in text(), mode in any::<u32>()) {
        let facts = laboratory();
        let parsed = parse_ha_cf(&bytes, "ha.cf", &facts);
        for span in parsed.diagnostics.iter().filter_map(|said| said.span.as_ref()) {
            prop_assert!((1..=line_count(&bytes)).contains(&span.line));
            let line = bytes.split(|byte| *byte == b'\n').nth(span.line - 1).unwrap();
            prop_assert!((1..=line.len() + 1).contains(&span.column), "{span:?}");
        }
        let keys = parse_authkeys(&bytes, mode & !0o044, "authkeys");
        for span in keys.diagnostics.iter().filter_map(|said| said.span.as_ref()) {
            prop_assert!((1..=line_count(&bytes)).contains(&span.line));
        }
        let groups = haresources::parse(&bytes).groups;
        let lines: Vec<usize> = groups.iter().map(|group| group.line).collect();
        prop_assert!(lines.is_sorted() && lines.iter().all(|line| (1..=line_count(&bytes)).contains(line)));
        haresources::check_nodes(&bytes, "haresources", |node| node.len() % 2 == 0);
        parse_nodeinfo(&bytes);
        parse_test_options(&bytes, "OnlyForTesting");
    }

    #[test]
    fn a_whole_load_takes_any_bytes(ha_cf in text(), authkeys in text(), haresources in text()) {
        let files = Files::base().ha_cf([Files::base().ha_cf.unwrap(), ha_cf].concat());
        let loaded = files.authkeys(authkeys).haresources(haresources).load(&laboratory());
        prop_assert_eq!(loaded.config.is_some(), loaded.exit_code == 0);
        prop_assert!(support::has_a_reason(&loaded));
    }

    #[test]
    fn a_mistake_is_reported_where_it_stands(
        before in prop::collection::vec("(|#[ -~]{0,40}|  hopfudge 3|keepalive 2 # x)", 0..20),
        indent in 0_usize..9,
    ) {
        let mut text = before.iter().map(|line| format!("{line}\n")).collect::<String>();
        text.push_str(&" ".repeat(indent));
        text.push_str("frobnicate 3\ndeadtime 5 oops\n");
        let parsed = parse_ha_cf(text.as_bytes(), "ha.cf", &laboratory());
        let place = |code: &str| {
            let said = parsed.diagnostics.iter().find(|said| said.code == code).unwrap();
            said.span.as_ref().map(|span| (span.line, span.column))
        };
        prop_assert_eq!(place("illegal-directive"), Some((before.len() + 1, indent + 1)));
        prop_assert_eq!(place("bad-value"), Some((before.len() + 2, 12)));
    }

    #[test]
    fn a_group_knows_its_line_and_its_words(
        comments in 0_usize..5,
        words in prop::collection::vec("[A-Za-z0-9./:]{1,12}", 1..6),
        breaks in prop::collection::vec(any::<bool>(), 6),
    ) {
        let mut text = "# comment\n\n".repeat(comments);
        for (word, breaks) in words.iter().zip(breaks) {
            text.push_str(word);
            text.push_str(if breaks { " \\\n  " } else { "\t" });
        }
        let parsed = haresources::parse(text.as_bytes());
        prop_assert_eq!(parsed.groups.len(), 1);
        let group = &parsed.groups[0];
        prop_assert_eq!(group.line, 2 * comments + 1);
        prop_assert_eq!(&group.node, &words[0].to_ascii_lowercase());
        let resources: Vec<&str> = group.resources.iter().map(|resource| resource.word.as_str()).collect();
        prop_assert_eq!(resources, words[1..].iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// What the files of the small daemons are made of.
fn small_file() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        6 => prop::sample::select(
            "logfile debugfile logfacility entity sendqlen recvqlen logmode syslogmsgfmt syslogprefix useapphbd LogFile \
             debug_level watchdog_device watchdog_interval_ms notify_plugin realtime daemon none 0640 640 999 -1 \
             99999999999 yes NO /var/log/x"
                .split_whitespace().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>()
        ),
        6 => prop::sample::select(vec![
            b" ".to_vec(), b"\n".to_vec(), b"\t".to_vec(), b",".to_vec(), b"#".to_vec(), b"\r\n".to_vec(), b"\0".to_vec(),
        ]),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        1 => (0_usize..6000).prop_map(|length| vec![b'x'; length]),
    ];
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn the_small_daemons_files_too(bytes in small_file()) {
        let logd = parse_logd_cf(&bytes, "logd.cf");
        let apphbd = parse_apphbd_cf(&bytes, "apphbd.cf");
        let lists = [(logd.value.is_none(), logd.diagnostics), (apphbd.value.is_none(), apphbd.diagnostics)];
        for (refused, said) in lists {
            let error = said.iter().any(|said| said.severity <= ha_config::Severity::Error);
            prop_assert_eq!(refused, error, "{:?}", said);
            for span in said.iter().filter_map(|said| said.span.as_ref()) {
                prop_assert!((1..=line_count(&bytes)).contains(&span.line));
            }
        }
    }
}
