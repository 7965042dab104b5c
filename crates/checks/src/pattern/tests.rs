//! Perl is the judge.

mod patterns;

use std::io::Write;
use std::process::{Command, Stdio};

use self::patterns::{PATTERNS, TEXTS};
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
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
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

/// What the Perl named in its first line said to each of [`PATTERNS`], with all [`TEXTS`]: as [`perl`] gives it.
const RECORDED: &str = include_str!("tests/perl.tsv");

fn chosen() -> Vec<Vec<u8>> {
    PATTERNS
        .iter()
        .map(|pattern| pattern.as_bytes().to_vec())
        .collect()
}

/// Also where there is no Perl to ask.
#[test]
fn the_recorded_answers_of_perl_are_ours() {
    let recorded: Vec<(&str, &str)> = RECORDED
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .collect();
    assert_eq!(recorded.len(), PATTERNS.len());
    let mut differing = Vec::new();
    for (pattern, (name, theirs)) in PATTERNS.iter().zip(recorded) {
        assert_eq!(pattern.as_bytes().escape_ascii().to_string(), name);
        match ours(pattern.as_bytes(), TEXTS) {
            Ok(ours) if ours == theirs => assert!(!NOT_FOR_US.contains(pattern), "{pattern}"),
            // A brace that begins no quantifier was always literal; newer Perls refuse it in some places.
            Ok(_) if theirs == "e" && pattern.contains('{') => {}
            Ok(_) if theirs == "e" && LENIENT.contains(pattern) => {}
            Err(_) if theirs == "e" => {}
            Err(PatternError::Unsupported(_)) if NOT_FOR_US.contains(pattern) => {}
            other => differing.push(format!("{pattern:?}: perl {theirs}, ours {other:?}")),
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// The Perl of this machine, if it has one, says what was recorded. `RECORD_PERL=1` records what it says.
#[test]
fn perl_says_what_was_recorded() {
    let Some(verdicts) = perl(&chosen(), TEXTS) else {
        eprintln!("skipped: there is no perl");
        return;
    };
    assert_eq!(verdicts.len(), PATTERNS.len());
    let (version, _) = RECORDED.split_once('\n').unwrap_or_default();
    let mut now = perl_version() + "\n";
    for (pattern, verdict) in PATTERNS.iter().zip(verdicts) {
        now.push_str(&format!(
            "{}\t{verdict}\n",
            pattern.as_bytes().escape_ascii()
        ));
    }
    if std::env::var_os("RECORD_PERL").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/pattern/tests/perl.tsv");
        std::fs::write(path, now).unwrap();
    } else if now.lines().next() == Some(version) {
        assert_eq!(now, RECORDED);
    } else {
        eprintln!("skipped: this perl is another one than {version}");
    }
}

/// `# perl 5.36`: what a pattern means changes with these two numbers only.
fn perl_version() -> String {
    let script = r#"printf "%vd", $^V"#;
    let output = Command::new("perl").args(["-e", script]).output().unwrap();
    let version = String::from_utf8(output.stdout).unwrap();
    let mut numbers = version.split('.').take(2);
    let (major, minor) = (numbers.next().unwrap(), numbers.next().unwrap());
    format!("# perl {major}.{minor}")
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
    r"\N{U+61}",
    "(?<n>a)(?&n)",
    "(?<n>a)(?P>n)",
    "(a)(?-1)",
    "(a)(?+1)(b)",
    "(*FAIL)",
    "(*F)|a",
    "(*ACCEPT)a",
    "a(*COMMIT)b",
    "(*positive_lookahead:a)",
    "(*pla:a)a",
    "(?[[a]])",
    "(?(DEFINE)(a))b",
    "(?(?=a)ab|b)",
    "(?(R)a|b)",
    r"\b{wb}a",
    r"\B{wb}a",
    r"\X",
];

/// Perl refuses these, and we take them for what they would mean.
const LENIENT: &[&str] = &[r"(?n)(a)\1", "(?<=a+)b"];

/// Random strings of what is special make odd patterns; where we compile one, it must mean what Perl means.
#[test]
fn perl_agrees_on_random_patterns() {
    const PIECES: &[&str] = &[
        "a", "b", "1", "a", "b", ".", "*", "+", "?", "|", "(", ")", "(?:", ")", "^", "$", "[", "]",
        "[ab]", "[^a]", "-", "{", "}", "{2}", "{1,2}", ",", r"\n", r"\d", r"\w", r"\W", r"\b",
        r"\Z", r"\x61", "\n", "(?=", "(?!", r"\1", "(?i)", "&&", "~~", r"\h", "\u{e9}", "2",
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
            Err(PatternError::Unsupported(why)) if why.contains("Target of repeat operator") => {}
            other => differing.push(format!("{shown:?}: perl {theirs}, ours {other:?}")),
        }
    }
    assert!(compiled > count / 4, "{compiled}");
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
