//! Lines of the monitor file (`ldirectord.md` 8).

/// `IDENTITY [up|down] TEXT`: the identity with its colons squeezed to one blank and without backslashes, the text with
/// its `%`, `|` and line ends escaped.
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
    if text.is_empty() {
        return "-".to_owned();
    }
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
    fn as_recorded() {
        let identity = r"negotiate:http:tcp:192.168.6.42:80:::1:gate:\/index\.html:woshi";
        assert_eq!(
            line(identity, false, "wrong text"),
            "negotiate http tcp 192.168.6.42 80 1 gate /index.html woshi [down] wrong text"
        );
        assert_eq!(
            line("off:tcp:1.2.3.4:80:::1:gate:\\/:", true, "a|b\n"),
            "off tcp 1.2.3.4 80 1 gate / [up] a%7cb%0a"
        );
    }
}
