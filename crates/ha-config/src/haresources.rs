//! haresources: which node prefers which resource group.
//!
//! Two readers of the legacy look at this file with different eyes. The daemon checks only that the first word of each
//! logical line is a node ([`check_nodes`], `config-files.md` 11.1); the resource manager reads everything ([`parse`],
//! `resource-protocol.md` 1.2). Two defects of the latter are not copied: a comment on a continued line ends that line
//! instead of becoming resource words, and a group is found by the exact key instead of by a regular expression.

use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::lines::{chunks, is_white, until, words};

/// All groups of a haresources file, in file order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HaResources {
    /// One per logical line.
    pub groups: Vec<Group>,
}

impl HaResources {
    /// The keys of the groups of `node`, which is compared without regard to case.
    pub fn keys_of(&self, node: &str) -> Vec<&str> {
        self.ours(node).into_iter().map(Group::key).collect()
    }

    /// The keys of all groups.
    pub fn all_keys(&self) -> Vec<&str> {
        self.groups.iter().map(Group::key).collect()
    }

    /// The groups that `host` prefers to hold.
    pub fn ours(&self, host: &str) -> Vec<&Group> {
        self.groups
            .iter()
            .filter(|group| group.is_of(host))
            .collect()
    }

    /// The groups of all other nodes.
    pub fn others(&self, host: &str) -> Vec<&Group> {
        self.groups
            .iter()
            .filter(|group| !group.is_of(host))
            .collect()
    }

    /// The first group with exactly this key.
    ///
    /// The legacy takes the key for a regular expression that may match any word of any line, and joins all lines that
    /// it matches into one group; that starts resources that nobody asked for, so it is not copied.
    pub fn group_with_key(&self, key: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.key() == key)
    }

    /// Keys that occur on more than one line. Only the first such group can be addressed.
    pub fn duplicate_keys(&self) -> Vec<&Group> {
        let is_later = |(position, group): &(usize, &Group)| {
            self.groups
                .iter()
                .take(*position)
                .any(|earlier| earlier.key() == group.key())
        };
        self.groups
            .iter()
            .enumerate()
            .filter(is_later)
            .map(|(_, group)| group)
            .collect()
    }
}

/// A resource group: started left to right, stopped right to left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Preferred node, lower case.
    pub node: String,
    /// Its resources; may be empty.
    pub resources: Vec<ResourceWord>,
    /// Physical line of the first word.
    pub line: usize,
}

impl Group {
    /// What the group is called by: its first resource word, empty when there is none.
    pub fn key(&self) -> &str {
        self.resources
            .first()
            .map_or("", |resource| resource.word.as_str())
    }

    /// The line as the legacy logs it: `node r1 r2`.
    pub fn line_text(&self) -> String {
        let mut text = self.node.clone();
        for resource in &self.resources {
            text.push(' ');
            text.push_str(&resource.word);
        }
        text
    }

    fn is_of(&self, host: &str) -> bool {
        self.node.eq_ignore_ascii_case(host)
    }
}

/// One resource word, `name[::argument...]` or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceWord {
    /// As written.
    pub word: String,
}

impl ResourceWord {
    /// A word as written.
    pub fn new(word: impl Into<String>) -> Self {
        ResourceWord { word: word.into() }
    }

    /// The script's name: the part before the first `::`, or `IPaddr` for an address.
    pub fn script_name(&self) -> &str {
        if self.is_address() {
            ADDRESS_SCRIPT
        } else {
            self.word.split("::").next().unwrap_or_default()
        }
    }

    /// The arguments: the rest, split at `::`; empty ones vanish (`resource-protocol.md` 1.4).
    pub fn arguments(&self) -> Vec<&str> {
        let skipped = usize::from(!self.is_address());
        self.word
            .split("::")
            .skip(skipped)
            .filter(|argument| !argument.is_empty())
            .collect()
    }

    /// Whether the word is an address shorthand: the glob `[0-9]*.[0-9]*.[0-9]*.[0-9]*`, which is generous.
    pub fn is_address(&self) -> bool {
        matches_address_glob(&self.word)
    }
}

/// The script that an address stands for.
const ADDRESS_SCRIPT: &str = "IPaddr";

/// `[0-9]*.[0-9]*.[0-9]*.[0-9]*`: a digit, and after it three times "anything, a dot, a digit", then anything. Taking the
/// earliest dot-and-digit each time is enough to decide.
fn matches_address_glob(word: &str) -> bool {
    let bytes = word.as_bytes();
    if !bytes.first().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let dotted_digits = bytes
        .windows(2)
        .filter(|pair| pair[0] == b'.' && pair[1].is_ascii_digit());
    dotted_digits.count() >= 3
}

/// Reads the groups as the resource manager does (`config-files.md` 11.2). Never fails: every file means something.
///
/// A carriage return counts as a blank, so that a file with DOS line ends works; the legacy glues it to the last word.
pub fn parse(bytes: &[u8]) -> HaResources {
    let mut groups = Vec::new();
    let mut logical = LogicalLine::default();
    for (line, physical) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if !logical.append(line, physical) {
            groups.extend(logical.take());
        }
    }
    groups.extend(logical.take());
    HaResources { groups }
}

/// Physical lines joined by backslashes.
#[derive(Default)]
struct LogicalLine {
    text: Vec<u8>,
    /// Physical line of the first word.
    line: Option<usize>,
}

impl LogicalLine {
    /// Takes in one physical line without its comment; true when it ends in a backslash and so goes on.
    fn append(&mut self, line: usize, physical: &[u8]) -> bool {
        let uncommented = match until(physical, |byte| byte == b'#') {
            Ok((_, text)) => text,
            Err(_) => physical,
        };
        let uncommented = uncommented.strip_suffix(b"\r").unwrap_or(uncommented);
        let (text, continues) = match uncommented.strip_suffix(b"\\") {
            Some(text) => (text, true),
            None => (uncommented, false),
        };
        if words(text, 1, is_white).next().is_some() {
            self.line.get_or_insert(line);
        }
        self.text.extend_from_slice(text);
        continues
    }

    /// The group that the line describes, if it has a word at all; the next line starts afresh.
    fn take(&mut self) -> Option<Group> {
        let LogicalLine { text, line } = std::mem::take(self);
        let mut words = words(&text, 1, is_white);
        let node = words.next()?.text().to_ascii_lowercase();
        let resources = words.map(|word| ResourceWord::new(word.text())).collect();
        Some(Group {
            node,
            resources,
            line: line.unwrap_or_default(),
        })
    }
}

/// The daemon's own check: the first word of every logical line must be a known node (`config-files.md` 11.1).
///
/// Stops at the first bad line, as the legacy does. `is_node` is asked with the word in lower case.
pub fn check_nodes(bytes: &[u8], file: &str, is_node: impl Fn(&str) -> bool) -> Option<Diagnostic> {
    let mut continued = false;
    for chunk in chunks(bytes) {
        let ends_in_backslash = chunk.text.ends_with(b"\\\n");
        if std::mem::replace(&mut continued, false) {
            continued = ends_in_backslash;
            continue;
        }
        let Some(word) = words(chunk.text, chunk.column, is_white).next() else {
            continue;
        };
        if word.text.starts_with(b"#") {
            // A comment does not continue, whatever it ends in.
            continue;
        }
        if is_node(&word.text().to_ascii_lowercase()) {
            continued = ends_in_backslash;
            continue;
        }
        let message = format!("Bad nodename in {file} [{}]", word.text());
        let span = Span {
            file: file.into(),
            line: chunk.line,
            column: word.column,
        };
        return Some(
            Diagnostic::legacy(Severity::Error, "haresources-bad-node", message)
                .at(span)
                .advise(format!(
                    "\"{}\" is not declared by a node directive in ha.cf",
                    word.text()
                )),
        );
    }
    None
}

/// What is legal but hardly meant. The legacy says nothing of it.
pub fn remarks(haresources: &HaResources, file: &str) -> Vec<Diagnostic> {
    let place = |group: &Group| Span {
        file: file.into(),
        line: group.line,
        column: 1,
    };
    let mut remarks = Vec::new();
    for group in haresources.duplicate_keys() {
        let message = format!(
            "resource group key [{}] is used more than once",
            group.key()
        );
        let advice = "only the first group with a key can be taken or given; make the first resource of each line unique";
        remarks.push(
            Diagnostic::ours(Severity::Warn, "haresources-duplicate-key", message)
                .advise(advice)
                .at(place(group)),
        );
    }
    for group in haresources
        .groups
        .iter()
        .filter(|group| group.resources.is_empty())
    {
        let message = format!("no resource is named after node {}", group.node);
        remarks.push(
            Diagnostic::ours(Severity::Warn, "haresources-no-resource", message).at(place(group)),
        );
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(usize, String)> {
        parse(text.as_bytes())
            .groups
            .iter()
            .map(|group| (group.line, group.line_text()))
            .collect()
    }

    #[test]
    fn lines_are_normalised_as_the_resource_manager_prints_them() {
        let text =
            "# c\n\n  LVS1.Okooo.CN \t 10.0.0.1/24/eth0   Apache::X # tail\nb x\\\ny \\\n  z\n";
        assert_eq!(
            lines(text),
            [
                (3, "lvs1.okooo.cn 10.0.0.1/24/eth0 Apache::X".into()),
                (4, "b xy z".into())
            ]
        );
    }

    #[test]
    fn a_comment_on_a_continued_line_is_a_comment() {
        assert_eq!(
            lines("a r1 \\\n r2 # not a resource\nb r3"),
            [(1, "a r1 r2".into()), (3, "b r3".into())]
        );
    }

    #[test]
    fn dos_line_ends_are_blanks() {
        assert_eq!(
            lines("a r1 \\\r\n r2\r\nb r3\r\n"),
            [(1, "a r1 r2".into()), (3, "b r3".into())]
        );
    }

    #[test]
    fn a_dangling_continuation_keeps_its_words() {
        assert_eq!(lines("a r1\\"), [(1, "a r1".into())]);
        assert_eq!(lines("\\\n\\\n\na r1"), [(4, "a r1".into())]);
    }

    #[test]
    fn lookups() {
        let parsed = parse(b"alpha 10.0.0.1 web\nBETA db\nalpha nfs 10.0.0.1\nbeta\n");
        assert_eq!(parsed.keys_of("ALPHA"), ["10.0.0.1", "nfs"]);
        assert_eq!(parsed.all_keys(), ["10.0.0.1", "db", "nfs", ""]);
        assert_eq!(parsed.ours("beta").len(), 2);
        assert_eq!(parsed.others("beta").len(), 2);
        assert_eq!(
            parsed.group_with_key("10.0.0.1").map(|group| group.line),
            Some(1)
        );
        assert_eq!(parsed.group_with_key("10x0.0.1"), None);
        assert_eq!(parsed.group_with_key("web"), None);
    }

    #[test]
    fn scripts_and_arguments() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("10.0.0.1/24/eth0", "IPaddr", &["10.0.0.1/24/eth0"]),
            ("1x.2y.3z.4", "IPaddr", &["1x.2y.3z.4"]),
            ("1.2.3", "1.2.3", &[]),
            ("x1.2.3.4", "x1.2.3.4", &[]),
            ("IPaddr::10.0.0.1::x", "IPaddr", &["10.0.0.1", "x"]),
            (
                "Filesystem::/dev/drbd0::::ext4::",
                "Filesystem",
                &["/dev/drbd0", "ext4"],
            ),
            ("apache", "apache", &[]),
            ("::x", "", &["x"]),
        ];
        for (word, script, arguments) in cases {
            let resource = ResourceWord::new(*word);
            assert_eq!(resource.script_name(), *script, "{word}");
            assert_eq!(resource.arguments(), *arguments, "{word}");
        }
    }

    #[test]
    fn the_daemon_looks_at_first_words_only() {
        let check = |text: &str| {
            check_nodes(text.as_bytes(), "haresources", |node| {
                ["alpha", "beta"].contains(&node)
            })
        };
        assert_eq!(check("ALPHA x\n# c \\\nbeta\n"), None);
        assert_eq!(check("alpha x \\\nnobody y\\\nnobody z\n"), None);
        let bad = check("alpha x\n  NoSuch y\n").unwrap();
        assert_eq!(bad.message, "Bad nodename in haresources [NoSuch]");
        assert_eq!(bad.span.map(|span| (span.line, span.column)), Some((2, 3)));
        assert!(check("# c \\\nnobody\n").is_some());
        assert!(check("alpha#x").is_some());
    }
}
