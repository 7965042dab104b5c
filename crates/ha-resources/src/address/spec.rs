//! The argument of the address agents.

/// `ip[/mask[/nic[:label]][/broadcast]]`, split but not validated (`resource-scripts.md` 2). Bytes that are not UTF-8
/// cannot be part of anything valid and become U+FFFD.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AddressSpec {
    /// The text before the first `/`.
    pub ip: String,
    /// The mask in bits or dotted; whatever stood there.
    pub mask: Option<String>,
    /// The interface, perhaps with a label: `eth0`, `eth0:0`.
    pub nic: Option<String>,
    /// The broadcast address. Never empty.
    pub broadcast: Option<String>,
}

impl AddressSpec {
    /// Splits the argument. Repeated slashes count as one; a third part that begins with a digit is the broadcast
    /// address, with no interface; what follows a fourth slash is ignored.
    pub fn parse(argument: &[u8]) -> AddressSpec {
        let text = String::from_utf8_lossy(argument);
        let (ip, rest) = part(&text);
        let mut spec = AddressSpec {
            ip: ip.to_owned(),
            ..AddressSpec::default()
        };
        if rest.is_empty() {
            return spec;
        }
        let (mask, rest) = part(rest);
        spec.mask = Some(mask.to_owned());
        let (third, rest) = part(rest);
        let (fourth, _) = part(rest);
        let named = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        if third.starts_with(|first: char| first.is_ascii_digit()) {
            spec.broadcast = named(third);
        } else {
            spec.nic = named(third);
            spec.broadcast = named(fourth);
        }
        spec
    }

    /// The interface without its label.
    pub fn base_nic(&self) -> Option<&str> {
        self.nic
            .as_deref()
            .map(|nic| nic.split(':').next().unwrap_or(nic))
    }

    /// The interface with its label, if it has one.
    pub fn label(&self) -> Option<&str> {
        self.nic.as_deref().filter(|nic| nic.contains(':'))
    }
}

/// The text before the next slash, and what follows that and all directly following slashes.
fn part(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some((part, rest)) => (part, rest.trim_start_matches('/')),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(argument: &str) -> [String; 4] {
        let spec = AddressSpec::parse(argument.as_bytes());
        let shown = |field: Option<String>| field.unwrap_or_else(|| "-".to_owned());
        [
            spec.ip,
            shown(spec.mask),
            shown(spec.nic),
            shown(spec.broadcast),
        ]
    }

    #[test]
    fn every_form_of_the_grammar() {
        for (argument, expected) in [
            ("10.0.0.1", ["10.0.0.1", "-", "-", "-"]),
            ("10.0.0.1/", ["10.0.0.1", "-", "-", "-"]),
            ("10.0.0.1///", ["10.0.0.1", "-", "-", "-"]),
            ("10.0.0.1/24", ["10.0.0.1", "24", "-", "-"]),
            ("10.0.0.1/24/", ["10.0.0.1", "24", "-", "-"]),
            ("10.0.0.1/24/eth0", ["10.0.0.1", "24", "eth0", "-"]),
            ("10.0.0.1/24/eth0:0", ["10.0.0.1", "24", "eth0:0", "-"]),
            ("10.0.0.1/24/eth0/", ["10.0.0.1", "24", "eth0", "-"]),
            (
                "10.0.0.1/24/10.0.0.255",
                ["10.0.0.1", "24", "-", "10.0.0.255"],
            ),
            (
                "10.0.0.1/24/10.0.0.255/eth0",
                ["10.0.0.1", "24", "-", "10.0.0.255"],
            ),
            (
                "10.0.0.1/24/eth0/10.0.0.255",
                ["10.0.0.1", "24", "eth0", "10.0.0.255"],
            ),
            (
                "10.0.0.1/24/eth0/10.0.0.255/extra",
                ["10.0.0.1", "24", "eth0", "10.0.0.255"],
            ),
            ("10.0.0.1/24/eth0/junk", ["10.0.0.1", "24", "eth0", "junk"]),
            ("10.0.0.1//eth0", ["10.0.0.1", "eth0", "-", "-"]),
            ("10.0.0.1/eth0", ["10.0.0.1", "eth0", "-", "-"]),
            ("10.0.0.1//24///eth0", ["10.0.0.1", "24", "eth0", "-"]),
            (
                "10.0.0.1/255.255.255.0/eth0",
                ["10.0.0.1", "255.255.255.0", "eth0", "-"],
            ),
            ("", ["", "-", "-", "-"]),
            ("abc", ["abc", "-", "-", "-"]),
        ] {
            assert_eq!(fields(argument), expected, "{argument}");
        }
    }

    #[test]
    fn the_label_is_part_of_the_interface() {
        let spec = AddressSpec::parse(b"10.0.0.1/24/eth0:web");
        assert_eq!(
            (spec.base_nic(), spec.label()),
            (Some("eth0"), Some("eth0:web"))
        );
        let spec = AddressSpec::parse(b"10.0.0.1/24/eth0");
        assert_eq!((spec.base_nic(), spec.label()), (Some("eth0"), None));
        assert_eq!(AddressSpec::parse(b"10.0.0.1").base_nic(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_split(argument in proptest::collection::vec(any::<u8>(), 0..60)) {
            let spec = AddressSpec::parse(&argument);
            prop_assert!(!spec.ip.contains('/'));
            prop_assert!(spec.nic.as_deref() != Some("") && spec.broadcast.as_deref() != Some(""));
        }
    }
}
