//! Lines of monitor files (`ldirectord.md` 8, in the form of 9 Aug 2008).

/// `IDENTITY [up|down] TEXT`: the identity with its colons squeezed to one blank and without backslashes; in the text
/// what would spoil the line is written as `%xx`.
pub(crate) fn line(identity: &str, up: bool, text: &str) -> String {
    let mut squeezed = String::with_capacity(identity.len());
    for character in identity.chars() {
        match character {
            '\\' => {}
            ':' if squeezed.ends_with(' ') => {}
            ':' => squeezed.push(' '),
            other => squeezed.push(other),
        }
    }
    let word = if up { "up" } else { "down" };
    format!("{} [{word}] {}", squeezed.trim_end(), escaped(text))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '%' => escaped.push_str("%25"),
            '|' => escaped.push_str("%7c"),
            '\r' => escaped.push_str("%0d"),
            '\n' => escaped.push_str("%0a"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_recorded() {
        let identity = r"negotiate:http:tcp:192.168.6.42:80:::1:gate:\/index\.html:woshi";
        assert_eq!(
            line(identity, false, "wrong text"),
            "negotiate http tcp 192.168.6.42 80 1 gate /index.html woshi [down] wrong text"
        );
    }

    #[test]
    fn a_text_stays_one_line_and_may_be_empty() {
        let identity = r"off:tcp:192.168.6.42:80:::1:gate:\/:";
        assert_eq!(
            line(identity, true, "50%|a\r\nb"),
            "off tcp 192.168.6.42 80 1 gate / [up] 50%25%7ca%0d%0ab"
        );
        assert_eq!(
            line(identity, true, ""),
            "off tcp 192.168.6.42 80 1 gate / [up] "
        );
    }
}
