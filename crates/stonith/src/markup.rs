//! The little of XML that is needed: tags with their attributes, and the text behind a tag.
//!
//! What is no markup for a reader of XML is none here: comments, CDATA, instructions, and what stands in the quotes of a value.
//! A tag that is not finished, or has a `<` in it, is none; reading goes on at that `<`.

/// An opening tag, an empty one, or a closing one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    /// Its name; empty in a closing tag.
    pub(crate) name: &'a str,
    /// The name of a closing tag.
    pub(crate) closes: Option<&'a str>,
    /// It has no content: `<name/>`.
    pub(crate) empty: bool,
    /// What stands behind the name.
    attributes: &'a str,
    /// What stands behind the tag.
    behind: &'a str,
}

/// The tags of a text, in order.
pub(crate) fn tags(text: &str) -> impl Iterator<Item = Tag<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let from = rest.get(rest.find('<')? + 1..)?;
            if let Some(opening) = NO_TAGS
                .iter()
                .find(|(opening, _)| from.starts_with(opening))
            {
                let (opening, closing) = opening;
                let inside = from.get(opening.len()..)?;
                rest = inside.get(inside.find(closing)? + closing.len()..)?;
                continue;
            }
            match end_of_tag(from)? {
                End::At(end) => {
                    let (inside, behind) = from.split_at(end);
                    rest = behind.get(1..)?;
                    return Some(Tag::new(inside, rest));
                }
                End::Broken(at) => rest = from.get(at..)?,
            }
        }
    })
}

/// What begins with `<` and is no tag, and how it ends.
const NO_TAGS: [(&str, &str); 4] = [
    ("!--", "-->"),
    ("![CDATA[", "]]>"),
    ("?", "?>"),
    // A document type. Those that define something are not understood; no agent has one.
    ("!", ">"),
];

enum End {
    /// At this `>`.
    At(usize),
    /// Another `<` comes before.
    Broken(usize),
}

/// None if the text ends before the tag does.
fn end_of_tag(text: &str) -> Option<End> {
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (letter, quote) {
            ('<', _) => return Some(End::Broken(at)),
            ('>', None) => return Some(End::At(at)),
            ('"' | '\'', None) => quote = Some(letter),
            (letter, Some(open)) if letter == open => quote = None,
            _ => {}
        }
    }
    None
}

impl<'a> Tag<'a> {
    fn new(inside: &'a str, behind: &'a str) -> Tag<'a> {
        let is_end = |c: char| is_space(c) || c == '/';
        let (word, closing) = match inside.strip_prefix('/') {
            Some(word) => (word, true),
            None => (inside, false),
        };
        let (name, attributes) = word.split_at(word.find(is_end).unwrap_or(word.len()));
        Tag {
            name: if closing { "" } else { name },
            closes: closing.then_some(name),
            empty: inside.ends_with('/'),
            attributes,
            behind,
        }
    }

    /// The value of an attribute, as it is meant.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        let mut rest = self.attributes;
        loop {
            rest = rest.trim_start_matches(|c| is_space(c) || c == '/');
            let end = rest.find(|c| is_space(c) || c == '=')?;
            let (found, behind) = rest.split_at(end);
            let value = behind.trim_start_matches(is_space).strip_prefix('=')?;
            let value = value.trim_start_matches(is_space);
            let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let inner = value.get(1..)?;
            let (value, behind) = inner.split_at(inner.find(quote)?);
            if found == name {
                // In a value, a line end is a blank.
                let value = value.replace("\r\n", " ").replace(['\t', '\r', '\n'], " ");
                return Some(meant(&value));
            }
            rest = behind.get(1..)?;
        }
    }

    /// The text up to the next tag, without white space around it.
    pub(crate) fn text(&self) -> String {
        let end = self.behind.find('<').unwrap_or(self.behind.len());
        meant(self.behind.get(..end).unwrap_or_default().trim())
    }
}

/// White space of XML.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// A text with its references replaced. What is no reference stays as it is.
fn meant(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('&') {
        out.push_str(before);
        match from
            .split_once(';')
            .and_then(|(word, behind)| Some((letter(word)?, behind)))
        {
            Some((letter, behind)) => {
                out.push(letter);
                rest = behind;
            }
            None => {
                out.push('&');
                rest = from;
            }
        }
    }
    out.push_str(rest);
    out
}

/// What stands for a letter between `&` and `;`.
fn letter(word: &str) -> Option<char> {
    let number = match word {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        "amp" => return Some('&'),
        _ => word.strip_prefix('#')?,
    };
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let letter = char::from_u32(u32::from_str_radix(digits, radix).ok()?)?;
    (!letter.is_control() || is_space(letter) || letter >= '\x7f').then_some(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&str> {
        tags(text)
            .map(|tag| tag.closes.unwrap_or(tag.name))
            .collect()
    }

    #[test]
    fn what_is_commented_out_or_quoted_is_no_tag() {
        assert_eq!(
            names(
                "<?pi <x/>?><!DOCTYPE y><a><!-- <b/> --><![CDATA[<c/>]]><d e=\"1>2\" f='<'/><g h='\"'/></a>"
            ),
            ["a", "g", "a"]
        );
        assert_eq!(names("a < b <c>, <d <e/>"), ["c", "e"]);
        assert_eq!(names("<a><!-- <b/>"), ["a"]);
        assert_eq!(names("<a><b c=\""), ["a"]);
    }

    #[test]
    fn an_attribute_is_not_found_in_the_value_of_another() {
        let text = "<parameter longdesc=\" name='x' \" rename=\"y\" name = 'z' required=\"1\"/>";
        let tag = tags(text).next().unwrap();
        assert_eq!(tag.attribute("name").as_deref(), Some("z"));
        assert_eq!(tag.attribute("required").as_deref(), Some("1"));
        assert_eq!(tag.attribute("longdesc").as_deref(), Some(" name='x' "));
        assert_eq!(tag.attribute("desc"), None);
        assert!(tag.empty);
    }

    #[test]
    fn references_are_replaced_once() {
        assert_eq!(meant("&amp;lt; &lt;&#110;&#x6E;&#xe4;"), "&lt; <nnä");
        assert_eq!(
            meant("a & b &c; &#; &#+1; &#0; &#xd800;"),
            "a & b &c; &#; &#+1; &#0; &#xd800;"
        );
        let tag = "<a b=\"1\r\n2\t3&#10;\">";
        let tag = tags(tag).next().unwrap();
        assert_eq!(tag.attribute("b").as_deref(), Some("1 2 3\n"));
    }
}
