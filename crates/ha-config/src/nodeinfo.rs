//! nodeinfo: an optional node name that replaces `uname -n` (`config-files.md` 12).

use crate::lines::{is_white, lossy};

/// Longest line that counts.
const NODEINFO_MAX: usize = 255;

/// The node name in lower case, if the file's first line ends with a newline and is neither empty nor too long.
pub fn parse_nodeinfo(bytes: &[u8]) -> Option<String> {
    let end = bytes
        .iter()
        .take(NODEINFO_MAX + 1)
        .position(|byte| *byte == b'\n')?;
    let line = bytes.get(..end)?;
    let name = lossy(line.strip_suffix(b"\r").unwrap_or(line)).to_ascii_lowercase();
    (!name.bytes().all(is_white)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_line_with_newline_names_the_node() {
        assert_eq!(
            parse_nodeinfo(b"LVS1.Okooo.cn\nrest"),
            Some("lvs1.okooo.cn".into())
        );
        assert_eq!(parse_nodeinfo(b"lvs1"), None);
        assert_eq!(parse_nodeinfo(b"\nlvs1\n"), None);
        assert_eq!(parse_nodeinfo(b""), None);
        assert_eq!(
            parse_nodeinfo(&[[b'a'; 255].as_slice(), b"\n"].concat()),
            Some("a".repeat(255))
        );
        assert_eq!(
            parse_nodeinfo(&[[b'a'; 256].as_slice(), b"\n"].concat()),
            None
        );
    }
}
