//! /etc/services.

use ipvs::Protocol;

/// The port of the first entry with this name or alias and, if one is given, this protocol.
pub fn port(file: &[u8], name: &str, protocol: Option<Protocol>) -> Option<u16> {
    file.split(|byte| *byte == b'\n').find_map(|line| {
        let line = std::str::from_utf8(line).ok()?;
        let line = line.split('#').next()?;
        let mut words = line.split_whitespace();
        let (official, at) = (words.next()?, words.next()?);
        let (port, transport) = at.split_once('/')?;
        let named = official == name || words.any(|alias| alias == name);
        let wanted = protocol.is_none_or(|protocol| protocol.word() == transport);
        (named && wanted).then(|| port.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_aliases_and_protocols() {
        let file = b"# comment\nhttp\t80/tcp www # WWW\ndomain 53/tcp\nntp 123/udp\n";
        assert_eq!(port(file, "www", Some(Protocol::Tcp)), Some(80));
        assert_eq!(port(file, "http", None), Some(80));
        assert_eq!(port(file, "http", Some(Protocol::Udp)), None);
        assert_eq!(port(file, "ntp", None), Some(123));
        assert_eq!(port(file, "nosuch", None), None);
    }
}
