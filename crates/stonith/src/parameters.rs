//! Names and values of a device, as written in their three forms (`stonith.md` 3), and kept to ourselves.

use std::fmt;

/// Longest parameter line of a file.
const LINE_MAX: usize = 1023;

/// What separates positional values, and the hosts of a list (besides the comma).
fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '\x0c')
}

/// Parts of parameter names whose values are nobody's business.
const SECRET_NAMES: [&str; 7] = ["pass", "pwd", "secret", "community", "token", "key", "pin"];

/// Parameters of a device. `Debug` shows their names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

impl Parameters {
    /// From pairs.
    pub fn new(pairs: Vec<(String, String)>) -> Parameters {
        Parameters(pairs)
    }

    /// Values in the order of the names. The last name takes the whole rest, blanks and all; without names any text is
    /// accepted. None if there are too few values.
    pub fn positional(names: &[String], text: &str) -> Option<Parameters> {
        let mut rest = text;
        let mut pairs = Vec::new();
        for (index, name) in names.iter().enumerate() {
            rest = rest.trim_start_matches(is_separator);
            if rest.is_empty() {
                return None;
            }
            let end = if index + 1 == names.len() {
                rest.len()
            } else {
                rest.find(is_separator).unwrap_or(rest.len())
            };
            let (value, more) = rest.split_at(end);
            pairs.push((name.clone(), value.to_owned()));
            rest = more;
        }
        Some(Parameters(pairs))
    }

    /// `name=value` words; none if a word is not one.
    pub fn words(text: &str) -> Option<Parameters> {
        let pair = |word: &str| {
            let (name, value) = word.split_once('=')?;
            (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
        };
        let words = text.split(is_separator).filter(|word| !word.is_empty());
        words.map(pair).collect::<Option<_>>().map(Parameters)
    }

    /// One `name=value` a line; blank lines and those that begin with `#` say nothing. None if another line is not one.
    pub fn lines(text: &str) -> Option<Parameters> {
        let pair = |line: &str| {
            let (name, value) = line.split_once('=')?;
            let name = name.trim();
            (!name.is_empty()).then(|| (name.to_owned(), value.trim().to_owned()))
        };
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(pair)
            .collect::<Option<_>>()
            .map(Parameters)
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// All pairs.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The hosts of a parameter, in lower case.
    pub(crate) fn hosts(&self, name: &str) -> Vec<String> {
        host_list(self.get(name).unwrap_or_default())
    }

    /// A text without the values of secret parameters. What a script or device says may contain them.
    pub fn mask(&self, text: &str) -> String {
        let mut values: Vec<&str> = self
            .iter()
            .filter(|(name, value)| is_secret(name) && !value.is_empty())
            .map(|(_, value)| value)
            .collect();
        // The longest first: one may be a part of another.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        let mut masked = String::with_capacity(text.len());
        let mut rest = text;
        // In one pass: what stands for one secret is not searched for another, which may be an asterisk.
        while let Some(letter) = rest.chars().next() {
            let length = match values.iter().find(|value| rest.starts_with(**value)) {
                Some(value) => {
                    masked.push_str("****");
                    value.len()
                }
                None => {
                    masked.push(letter);
                    letter.len_utf8()
                }
            };
            rest = rest.get(length..).unwrap_or_default();
        }
        masked
    }
}

/// Whether a parameter of this name is a secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

/// Host names, separated by blanks or commas, in lower case.
pub(crate) fn host_list(text: &str) -> Vec<String> {
    text.split(|c| is_separator(c) || c == ',')
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect()
}

/// The parameter line of a file: the first that is neither empty nor begins with `#`. The rest is never read. (A line of
/// blanks counts.)
pub(crate) fn first_line(content: &str) -> Option<&str> {
    let line = content
        .split('\n')
        .find(|line| !line.is_empty() && !line.starts_with('#'))?;
    let end = (0..=line.len().min(LINE_MAX))
        .rev()
        .find(|at| line.is_char_boundary(*at))?;
    line.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn pairs(parameters: &Parameters) -> Vec<(&str, &str)> {
        parameters.iter().collect()
    }

    /// Each secret that is an asterisk made four of every one, and of those the next one sixteen.
    #[test]
    fn secrets_that_look_like_masks_do_not_multiply() {
        let secrets: Vec<String> = (0..20).map(|n| format!("password{n}=*")).collect();
        let given = Parameters::words(&secrets.join(" ")).unwrap();
        assert_eq!(given.mask("a*b**"), "a****b********");
        let given = Parameters::words("password=geheim passwd=geheimnis pin=**").unwrap();
        assert_eq!(given.mask("geheimnis geheim ** ."), "**** **** **** .");
    }

    #[test]
    fn the_last_parameter_takes_the_rest_with_its_blanks() {
        let parsed = Parameters::positional(&names(&["a", "b"]), " \tx  one two ").unwrap();
        assert_eq!(pairs(&parsed), [("a", "x"), ("b", "one two ")]);
    }

    #[test]
    fn too_few_values_are_refused_and_no_names_accept_anything() {
        assert_eq!(Parameters::positional(&names(&["a", "b"]), "x "), None);
        assert_eq!(Parameters::positional(&names(&["a"]), ""), None);
        let none = Parameters::positional(&[], "whatever").unwrap();
        assert_eq!(pairs(&none), []);
    }

    #[test]
    fn words_and_lines_are_pairs_or_nothing() {
        let parsed = Parameters::words("ip=10.0.0.9  lanplus=1 password=a=b").unwrap();
        assert_eq!(parsed.get("password"), Some("a=b"));
        assert_eq!(Parameters::words("ip=1 oops"), None);
        assert_eq!(Parameters::words("=1"), None);
        let parsed = Parameters::lines("# secret\n\n ip = 10.0.0.9\npassword=two words\n").unwrap();
        assert_eq!(
            pairs(&parsed),
            [("ip", "10.0.0.9"), ("password", "two words")]
        );
        assert_eq!(Parameters::lines("ip\n"), None);
    }

    #[test]
    fn the_first_line_of_a_file_counts_and_a_line_of_blanks_is_one() {
        assert_eq!(first_line("#x\n\nfoo bar\nbaz\n"), Some("foo bar"));
        assert_eq!(first_line("#x\n  \nfoo"), Some("  "));
        assert_eq!(first_line("#x\n"), None);
        let long = "ä".repeat(1000);
        assert_eq!(first_line(&long).map(str::len), Some(1022));
    }

    #[test]
    fn hosts_are_split_at_commas_too_and_in_lower_case() {
        assert_eq!(host_list(" Foo,bar\tbaz, "), ["foo", "bar", "baz"]);
    }

    #[test]
    fn secrets_are_shown_neither_by_debug_nor_in_what_a_script_says() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let secret = Parameters::new(vec![
            pair("userid", "admin"),
            pair("passwd", "geheim"),
            pair("snmp_priv_passwd", "geheimnis"),
            pair("community", ""),
        ]);
        let shown = format!("{secret:?}");
        assert!(
            !shown.contains("geheim") && shown.contains("passwd"),
            "{shown}"
        );
        assert_eq!(
            secret.mask("login admin/geheim, geheimnis failed"),
            "login admin/****, **** failed"
        );
    }
}
