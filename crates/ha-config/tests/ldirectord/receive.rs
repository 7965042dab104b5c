//! A `receive` that is no regular expression. The legacy took it, and its daemon died at the first good answer.

use ha_config::Severity;
use ha_config::ldirectord::{FakeHost, parse};

/// What is said about a file with `a(` in it: how bad, on which line, and whether the file is accepted.
fn said(text: &str) -> (Vec<(Severity, usize)>, bool) {
    let parsed = parse(text.as_bytes(), "x.cf", &FakeHost::default());
    let told = parsed
        .diagnostics
        .iter()
        .map(|said| {
            assert_eq!(said.code, "receive", "{said:?}");
            assert!(said.message.contains("receive \"a(\" is not a valid"));
            (said.severity, said.span.as_ref().unwrap().line)
        })
        .collect();
    (told, parsed.value.is_some())
}

const VIRTUAL: &str = "virtual=192.168.6.66:80\n";
const REAL: &str = "    real=10.0.0.1:80 gate\n";
const BAD: &str = "    receive=\"a(\"\n";
const BAD_REAL: &str = "    real=10.0.0.2->10.0.0.9:80 gate 1 \"x\", \"a(\"\n";
const GOOD_REAL: &str = "    real=10.0.0.3:80 gate 1 \"x\", \"ok\"\n";

#[test]
fn a_bad_receive_is_an_error_when_the_file_is_read() {
    for (text, lines) in [
        (format!("{VIRTUAL}{REAL}{BAD}"), &[3][..]),
        (format!("{VIRTUAL}{BAD}{REAL}"), &[2]),
        (format!("{VIRTUAL}{REAL}{BAD_REAL}"), &[3]),
        (format!("{VIRTUAL}{BAD_REAL}{BAD}{REAL}"), &[2, 3]),
        (format!("{VIRTUAL}{REAL}{BAD}    checktype=5\n"), &[3]),
        (format!("{VIRTUAL}{REAL}{BAD}    service=simpletcp\n"), &[3]),
        (format!("{VIRTUAL}{REAL}{BAD}    service=ldap\n"), &[3]),
        // Both of two services are told.
        (
            format!("{VIRTUAL}{REAL}{BAD}virtual=192.168.6.66:81\n{REAL}{BAD}    service=http\n"),
            &[3, 6],
        ),
        // The last one counts, and it is wrong.
        (format!("{VIRTUAL}{REAL}    receive=\"b\"\n{BAD}"), &[4]),
    ] {
        let wanted = lines.iter().map(|line| (Severity::Error, *line)).collect();
        assert_eq!(said(&text), (wanted, false), "{text}");
    }
}

/// With the legacy such a file works for years.
#[test]
fn a_bad_receive_that_no_check_uses_is_a_warning() {
    for lines in [
        "    checktype=off\n",
        "    checktype=on\n",
        "    checktype=connect\n",
        "    checktype=ping\n",
        "    checktype=external\n",
        "    service=none\n",
        "    service=smtp\n",
        "    service=dns\n",
    ] {
        let text = format!("{VIRTUAL}{REAL}{BAD}{lines}");
        assert_eq!(said(&text), (vec![(Severity::Warn, 3)], true), "{text}");
        let text = format!("{VIRTUAL}{BAD_REAL}{lines}");
        assert_eq!(said(&text), (vec![(Severity::Warn, 2)], true), "{text}");
    }
    let text = format!("{VIRTUAL}{BAD}{GOOD_REAL}");
    assert_eq!(said(&text), (vec![(Severity::Warn, 2)], true), "overruled");
    let text = format!("{VIRTUAL}{BAD}# end\n");
    assert_eq!(said(&text), (vec![(Severity::Warn, 2)], true), "no server");
}

/// A file that the legacy refuses is refused in its words.
#[test]
fn what_the_legacy_finds_comes_before_a_bad_receive() {
    let text = format!("{VIRTUAL}{REAL}{BAD}bogus=1\n");
    let parsed = parse(text.as_bytes(), "x.cf", &FakeHost::default());
    let said: Vec<_> = parsed.diagnostics.iter().map(|said| said.code).collect();
    assert_eq!(said, ["unknown-directive"]);
}
