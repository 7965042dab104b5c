//! One rule in the packet filter that drops what comes in for some ports: with iptables where it is installed, otherwise
//! with nftables.

use std::process::{Command, Stdio};

/// Our table in nftables. With iptables the rule is in the chain INPUT, as ever.
const TABLE: &str = "heartbeat_portblock";

/// "Drop what comes in for these ports of this protocol."
#[derive(Clone, Copy, Debug)]
pub(crate) struct DropRule<'a> {
    /// `tcp` or `udp`, or another that has ports.
    pub(crate) protocol: &'a str,
    /// Numbers or names, ranges as `1:9`, separated by commas.
    pub(crate) ports: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    Iptables,
    Nftables,
}

/// Which of the two is here.
fn tool() -> Result<Tool, String> {
    let runs = |program: &str| {
        Command::new(program)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok()
    };
    if runs("iptables") {
        Ok(Tool::Iptables)
    } else if runs("nft") {
        Ok(Tool::Nftables)
    } else {
        Err("Setup problem: Couldn't find utility iptables or nft".to_owned())
    }
}

impl DropRule<'_> {
    /// Words that are understood the same by both programs and cannot be anything else than what they should be.
    pub(crate) fn is_sane(&self) -> bool {
        let plain = |text: &str, extra: &str| {
            !text.is_empty()
                && text.chars().all(|letter| {
                    letter.is_ascii_alphanumeric() || letter == '-' || extra.contains(letter)
                })
                && !text.starts_with('-')
        };
        plain(self.protocol, "") && plain(self.ports, ",:")
    }

    /// Is it in force?
    pub(crate) fn is_present(&self) -> Result<bool, String> {
        match tool()? {
            Tool::Iptables => Ok(self.iptables("-C")?.is_none()),
            Tool::Nftables => Ok(self.handle()?.is_some()),
        }
    }

    /// Puts it in force, before all other rules.
    pub(crate) fn insert(&self) -> Result<(), String> {
        match tool()? {
            Tool::Iptables => self.iptables("-I")?.map_or(Ok(()), Err),
            Tool::Nftables => {
                nft(&format!("add table ip {TABLE}"))?;
                nft(&format!(
                    "add chain ip {TABLE} input {{ type filter hook input priority -10; }}"
                ))?;
                nft(&format!(
                    "add rule ip {TABLE} input {} dport {{ {} }} drop comment \"{}\"",
                    self.protocol,
                    self.ports.replace(':', "-"),
                    self.comment()
                ))
                .map(drop)
            }
        }
    }

    /// Takes it out.
    pub(crate) fn delete(&self) -> Result<(), String> {
        match tool()? {
            Tool::Iptables => self.iptables("-D")?.map_or(Ok(()), Err),
            Tool::Nftables => match self.handle()? {
                Some(handle) => {
                    nft(&format!("delete rule ip {TABLE} input handle {handle}")).map(drop)
                }
                None => Ok(()),
            },
        }
    }

    /// `None` when iptables was content, else what it said.
    fn iptables(&self, command: &str) -> Result<Option<String>, String> {
        let rule = [
            "INPUT",
            "-p",
            self.protocol,
            "-m",
            "multiport",
            "--dports",
            self.ports,
        ];
        let output = Command::new("iptables")
            .arg(command)
            .args(rule)
            .args(["-j", "DROP"])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("iptables: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok((!output.status.success()).then_some(said))
    }

    /// The rule's number in our table.
    fn handle(&self) -> Result<Option<u64>, String> {
        // That there is no table yet is what it fails for.
        let listing = nft(&format!("-a list chain ip {TABLE} input")).unwrap_or_default();
        Ok(handle_of(&listing, &self.comment()))
    }

    fn comment(&self) -> String {
        format!("{} {}", self.protocol, self.ports)
    }
}

fn handle_of(listing: &str, comment: &str) -> Option<u64> {
    let mark = format!("comment \"{comment}\" # handle ");
    let rule = listing.lines().find_map(|line| line.split_once(&mark))?;
    rule.1.trim().parse().ok()
}

fn nft(command: &str) -> Result<String, String> {
    let output = Command::new("nft")
        .args(command.split(' '))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("nft: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_would_be_something_else() {
        let sane = |protocol, ports| DropRule { protocol, ports }.is_sane();
        assert!(sane("tcp", "137,138"));
        assert!(sane("udp", "1000:1010,domain"));
        for (protocol, ports) in [
            ("", "1"),
            ("tcp", ""),
            ("tcp", "1 2"),
            ("tcp", "1}"),
            ("tcp", "-1"),
            ("t\"cp", "1"),
            ("tcp", "1\n"),
        ] {
            assert!(!sane(protocol, ports), "{protocol} {ports}");
        }
    }

    #[test]
    fn the_rule_is_found_by_its_comment() {
        let listing = "table ip heartbeat_portblock {\n\tchain input { # handle 1\n\
            \t\ttcp dport 80 drop comment \"tcp 80\" # handle 2\n\
            \t\ttcp dport { 80, 443 } drop comment \"tcp 80,443\" # handle 5\n\t}\n}\n";
        assert_eq!(handle_of(listing, "tcp 80"), Some(2));
        assert_eq!(handle_of(listing, "tcp 80,443"), Some(5));
        assert_eq!(handle_of(listing, "udp 80"), None);
        assert_eq!(handle_of("", "tcp 80"), None);
    }
}
