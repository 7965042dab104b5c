//! The files as such: missing, unreadable to some, authkeys and haresources.

use super::{
    ACE, Case, HNS, LEGACY_FAILBACK, NOT_A_NODE, USE_LOGD, case, keys_accepted, keys_refused,
};
use crate::support::Files;

pub(super) fn files() -> Vec<Case> {
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

pub(super) fn permissions() -> Vec<Case> {
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

pub(super) fn keys() -> Vec<Case> {
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

pub(super) fn haresources() -> Vec<Case> {
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
