//! `receive`: a Perl regular expression over bytes (`ldirectord.md` 6.5).
//!
//! Nearly all of them are for an engine whose time is linear in the text, whatever the pattern. Look-around,
//! back-references and possessive quantifiers, which nobody seems to use, are for one that goes back and tries again, but
//! only so often.

mod places;
mod translation;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use self::translation::{Engine, translate};

/// Longer ones are refused.
const LENGTH_MAX: usize = 16 * 1024;

/// Most memory for one compiled pattern, in bytes.
const SIZE_MAX: usize = 2 << 20;

/// Steps back after which a text counts as not matching.
const BACKTRACK_MAX: usize = 200_000;

/// So many compiled patterns are remembered.
const REMEMBERED_MAX: usize = 16 * 1024;

/// A compiled `receive`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pattern(Arc<Compiled>);

#[derive(Debug)]
enum Compiled {
    Linear(regex::bytes::Regex),
    Backtracking(fancy_regex::Regex),
}

/// A `receive` that is no regular expression, or too large a one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError(String);

thread_local! {
    static REMEMBERED: RefCell<HashMap<Vec<u8>, Result<Pattern, PatternError>>> = RefCell::default();
}

impl Pattern {
    /// Compiles. The same text is compiled once and remembered, since every check of a server asks again.
    ///
    /// # Errors
    /// See [`PatternError`].
    pub fn compile(receive: &[u8]) -> Result<Pattern, PatternError> {
        REMEMBERED.with_borrow_mut(|remembered| {
            if let Some(known) = remembered.get(receive) {
                return known.clone();
            }
            if remembered.len() >= REMEMBERED_MAX {
                remembered.clear();
            }
            let compiled = compile(receive).map(|compiled| Pattern(Arc::new(compiled)));
            remembered.insert(receive.to_vec(), compiled.clone());
            compiled
        })
    }

    /// Whether it matches anywhere in the text.
    pub fn matches(&self, text: &[u8]) -> bool {
        match &*self.0 {
            Compiled::Linear(regex) => regex.is_match(text),
            Compiled::Backtracking(regex) => {
                let text: String = text.iter().copied().map(char::from).collect();
                regex.is_match(&text).unwrap_or(false)
            }
        }
    }
}

fn compile(receive: &[u8]) -> Result<Compiled, PatternError> {
    if receive.len() > LENGTH_MAX {
        return Err(PatternError("it is too long".to_owned()));
    }
    let (engine, text) = translate(receive).map_err(|problem| PatternError(problem.to_string()))?;
    match engine {
        Engine::Linear => regex::bytes::RegexBuilder::new(&text)
            .unicode(false)
            .size_limit(SIZE_MAX)
            .dfa_size_limit(SIZE_MAX)
            .nest_limit(100)
            .build()
            .map(Compiled::Linear)
            .map_err(|error| PatternError(one_line(&error.to_string()))),
        Engine::Backtracking => fancy_regex::RegexBuilder::new(&text)
            .backtrack_limit(BACKTRACK_MAX)
            .delegate_size_limit(SIZE_MAX)
            .delegate_dfa_size_limit(SIZE_MAX)
            .build()
            .map(Compiled::Backtracking)
            .map_err(|error| PatternError(one_line(&error.to_string()))),
    }
}

/// The engines point with an arrow on lines of their own; a log line has no room for that.
fn one_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().trim().to_owned()
}

impl fmt::Display for PatternError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "invalid regular expression in receive: {}", self.0)
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::compile(pattern.as_bytes())
            .unwrap()
            .matches(text.as_bytes())
    }

    /// Everything that published configurations were seen to use.
    #[test]
    fn what_people_write() {
        for (pattern, text) in [
            ("Test Page", "<h1>Test Page</h1>"),
            ("woshi", "woshirongqi 42"),
            ("^OK [0-9]+$", "OK 17\n"),
            ("(?i)it WORKS", "It works!"),
            ("a.*b", "a--b"),
            (r"\d+\.\d+", "version 1.2"),
            (r#"{"status":"(ok|fine)"}"#, r#"{"status":"ok"}"#),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("a.b", "a\nb"),
            ("^b$", "a\nb\nc"),
            ("WOSHI", "woshi"),
            ("^OK$", "OK\n\n"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn invalid_and_oversize_ones_are_errors() {
        for pattern in [
            "(", "a)", "[a", "*a", "a**", "a\\", "[z-a]", "(?{ 1 })", "(?<n",
        ] {
            assert!(Pattern::compile(pattern.as_bytes()).is_err(), "{pattern}");
        }
        assert!(Pattern::compile(&vec![b'a'; LENGTH_MAX + 1]).is_err());
        let error = Pattern::compile(b"(a{1000}){1000}")
            .unwrap_err()
            .to_string();
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn patterns_that_explode_end_soon_and_do_not_match() {
        let text = "a".repeat(5000);
        assert!(!matches(r"^(a+)+\1b", &text));
        assert!(!matches("^(a+)+b", &text));
    }

    #[test]
    fn every_byte_can_be_matched() {
        for byte in 0..=255u8 {
            let text = [b'<', byte, b'>'];
            let hex = Pattern::compile(format!("<\\x{byte:02x}>").as_bytes()).unwrap();
            assert!(hex.matches(&text), "{byte}");
            let class = Pattern::compile(format!("(?=<)<[\\x{byte:02x}]>").as_bytes()).unwrap();
            assert!(class.matches(&text), "{byte}");
            if !b"\\()[]{}|*+?^$.".contains(&byte) {
                let itself = Pattern::compile(&[b'<', byte, b'>']).unwrap();
                assert!(itself.matches(&text), "{byte}");
            }
        }
    }

    /// What Perl says to each pattern: `e` for an error, else a digit for each text, 1 if it matches.
    fn perl(patterns: &[Vec<u8>], texts: &[&[u8]]) -> Option<Vec<String>> {
        let hex =
            |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
        let script = r#"no warnings;
            my @texts = map { pack "H*", $_ } @ARGV;
            while (my $line = <STDIN>) {
                chomp $line;
                my $pattern = pack "H*", $line;
                my $regex = eval { local $SIG{__WARN__} = sub {}; qr/$pattern/ };
                my $found = defined $regex
                    ? eval { join("", map { $_ =~ $regex ? 1 : 0 } @texts) } : undef;
                print defined $found ? $found : "e", "\n";
            }"#;
        let mut child = Command::new("perl")
            .arg("-e")
            .arg(script)
            .args(texts.iter().map(|text| hex(text)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut input = child.stdin.take().unwrap();
        let lines: String = patterns.iter().map(|pattern| hex(pattern) + "\n").collect();
        let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        Some(text.lines().map(str::to_owned).collect())
    }

    fn ours(pattern: &[u8], texts: &[&[u8]]) -> Result<String, PatternError> {
        let pattern = Pattern::compile(pattern)?;
        Ok(texts
            .iter()
            .map(|text| if pattern.matches(text) { '1' } else { '0' })
            .collect())
    }

    const TEXTS: &[&[u8]] = &[
        b"",
        b"\n",
        b"a",
        b"ab",
        b"ab\n",
        b"a\nb",
        b"aab",
        b"b a",
        b"a1_-]",
        b"{a}{2}",
        b"AB\r\n",
        b"\xe9\xff",
        b"^$.*",
        b"abcabc",
        b"a\tb\x0b",
    ];

    #[test]
    fn perl_agrees_on_chosen_patterns() {
        let chosen: Vec<Vec<u8>> = [
            "a$",
            "^a$",
            "b$",
            r"b\Z",
            r"b\z",
            r"a\n$",
            r"a$\n",
            r"a$\nb",
            "(?m)a$",
            "(?m)^b$",
            "(?m)a$.b",
            "(?s)a.b",
            "a.b",
            "(a|b$)",
            "(a$|b)c",
            "(b$|x)\\n",
            "(b$)",
            "(b$)?\\n",
            "{",
            "{a",
            "{a}",
            "a{",
            "a{2",
            "a{2}",
            "a{1,2}b",
            "a{,2}b",
            "a{1,}",
            "a{b}",
            "}",
            "]",
            "{2}",
            "x{a}",
            "[]a]",
            "[^]a]",
            "[a-]",
            "[-a]",
            r"[\w-]",
            r"[\w-.]",
            r"[a-\d]",
            "[a-b]",
            "[[a]",
            "[a&&b]",
            "[a~~b]",
            "[[:alpha:]]",
            "[[:^alpha:]]",
            "[[:foo:]]",
            r"[\b]",
            r"\bab\b",
            r"\Bb",
            r"\d",
            r"\D",
            r"\w+\W",
            r"\s",
            r"\h",
            r"\v",
            r"\R",
            r"\N",
            r"\e",
            r"\a",
            r"\x61",
            r"\x{61}",
            r"\x6",
            r"\x",
            r"\xe9",
            r"\141",
            r"\0",
            r"\012",
            r"\cA",
            r"\c[",
            r"\o{141}",
            r"\y",
            r"\i",
            r"\j",
            r"\m",
            r"\q",
            r"\Qa\E",
            r"\-",
            r"\_",
            r"\<a",
            r"\@",
            r"\/",
            r"\8",
            r"(a)\1",
            r"(a)(b)\2",
            r"(a)\g1",
            r"(a)\g{1}",
            r"(a)(b)\g{-2}",
            r"(?<n>a)\k<n>",
            r"(?<n>a)\k{n}",
            r"(?<n>a)\k'n'",
            r"(?'n'a)b",
            r"(?P<n>a)(?P=n)",
            r"(a)\10",
            r"\1(a)",
            r"\2(a)",
            "a(?=b)",
            "a(?!b)",
            "(?<=a)b",
            "(?<!a)b",
            "(?>a+)b",
            "a++b",
            "a*+a",
            "a?+a",
            "a{1,2}+a",
            "a**",
            "a+*",
            "a{2}{2}",
            "a{2}*",
            "*",
            "+a",
            "?",
            "a|*",
            "(*)",
            "^*",
            "a??b",
            "a+?b",
            "(?:a)b",
            "(?i)AB",
            "(?i:A)B",
            "(?i-s:a)",
            "(?^:a)",
            "(?^i:A)b",
            "(?#c)ab",
            "(?x) a b ",
            "(?a)a",
            "(?u)a",
            "(?aa:a)",
            "(?n)(a)",
            "(?p)a",
            "(?z)a",
            "(?",
            "(?:",
            "(?<",
            "(?<>a)",
            "(?<1>a)",
            "()",
            "(|a)b",
            "a||b",
            "|",
            "",
            "a|",
            "(a",
            "a)",
            "[a",
            "[",
            "[]",
            "[^]",
            "[b-a]",
            r"[\",
            r"a\",
            r"\G^a",
            r"a\Kb",
            "(?(1)a|b)",
            "(a)?(?(1)b|c)",
            "(?|(a)|(b))",
            "(?{1})",
            "(?1)a",
            "(?R)",
            r"\p{L}",
            r"\x{263a}",
            "(?i)\u{e9}",
            "\u{e9}",
            "[\u{e9}]",
            r"\xff$",
            r"[\x80-\xff]",
            r"[^\x80-\xff]",
            r"\W",
            r"(?=.)\W",
            r"(?=.)\D",
            r"(?=.)\s",
            r"(?=.)[\W]",
            r"(?=.)\bb",
            r"(?=.)\B",
            r"(?=.)[^a]\xff",
            r"(?=.)b$",
            r"(?=.)(?m)a$",
            r"(?=.)[[:alpha:]]",
            r"(?=.)[a-b\d]",
            r"(?=.)\xe9",
            r"(?i)(?=A)AB",
            r"a{0}",
            r"a{3}",
            r"a{0,0}b",
            r"a{2,1}",
            r"(?i)[A-B]",
            r"[\d-a]",
            r"[\n]",
            r"[\x0a]",
            r"[\e]",
            r"[\c[]",
            r"[$]",
            "[.]",
            "[*]",
            "[\\]]",
            "[a\\-z]",
            "[\\^]",
            "^^a",
            "a$$",
            "(^a)",
            "(?:^|x)a",
            r"a$|b$",
            "(a|b)$",
            "(?:a$|b$)",
            "((a)$)",
            "(a$)|x",
            "(?:a$)b|c",
            r"\$",
            r"\^",
            "a\\.b",
            r"\.",
            r"\*",
        ]
        .iter()
        .map(|pattern| pattern.as_bytes().to_vec())
        .collect();
        let Some(verdicts) = perl(&chosen, TEXTS) else {
            eprintln!("skipped: there is no perl");
            return;
        };
        assert_eq!(verdicts.len(), chosen.len());
        let mut differing = Vec::new();
        for (pattern, theirs) in chosen.iter().zip(verdicts) {
            let shown = String::from_utf8_lossy(pattern).into_owned();
            match ours(pattern, TEXTS) {
                Ok(ours) if ours == theirs => {}
                Err(_) if theirs == "e" => {}
                Ok(_) if theirs == "e" && shown.contains('{') => {}
                Err(error) if NOT_FOR_US.contains(&shown.as_str()) => {
                    assert!(
                        error.to_string().contains("not supported"),
                        "{shown}: {error}"
                    );
                }
                other => differing.push(format!("{shown:?}: perl {theirs}, ours {other:?}")),
            }
        }
        assert!(differing.is_empty(), "{}", differing.join("\n"));
    }

    /// Perl takes these; we say that we do not.
    const NOT_FOR_US: &[&str] = &[
        "(?|(a)|(b))",
        "(?1)a",
        "(?R)",
        r"\p{L}",
        r"\x{263a}",
        "a{2,1}",
        "(?(1)a|b)",
    ];

    /// Random strings of what is special make odd patterns; where we compile one, it must mean what Perl means.
    #[test]
    fn perl_agrees_on_random_patterns() {
        const PIECES: &[&str] = &[
            "a", "b", "1", "a", "b", ".", "*", "+", "?", "|", "(", ")", "(?:", ")", "^", "$", "[",
            "]", "[ab]", "[^a]", "-", "{", "}", "{2}", "{1,2}", ",", r"\n", r"\d", r"\w", r"\W",
            r"\b", r"\Z", r"\x61", "\n", "(?=", "(?!", r"\1", "(?i)", "&&", "~~", r"\h", "\u{e9}",
            "2",
        ];
        let mut state = 0x1234_5678_9abc_def1_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        let count = std::env::var("PATTERNS").map_or(3000, |count| count.parse().unwrap());
        let patterns: Vec<Vec<u8>> = (0..count)
            .map(|_| {
                (0..=random(9))
                    .flat_map(|_| PIECES[random(PIECES.len())].bytes())
                    .collect()
            })
            .collect();
        let Some(verdicts) = perl(&patterns, TEXTS) else {
            eprintln!("skipped: there is no perl");
            return;
        };
        assert_eq!(verdicts.len(), patterns.len());
        let mut compiled = 0;
        let mut differing = Vec::new();
        for (pattern, theirs) in patterns.iter().zip(verdicts) {
            let shown = String::from_utf8_lossy(pattern);
            match ours(pattern, TEXTS) {
                Ok(ours) if ours == theirs => compiled += 1,
                Err(_) if theirs == "e" => {}
                // A brace that begins no quantifier was always literal; newer Perls refuse it in some places.
                Ok(_) if theirs == "e" && shown.contains('{') => {}
                // `(?:)+` beside a look-around: nobody needs it.
                Err(error) if error.0.contains("Target of repeat operator") => {}
                other => differing.push(format!("{shown:?}: perl {theirs}, ours {other:?}")),
            }
        }
        assert!(compiled > count / 4, "{compiled}");
        assert!(differing.is_empty(), "{}", differing.join("\n"));
    }
}
