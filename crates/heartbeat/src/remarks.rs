//! What a haresources asks for that cannot work on this machine. The legacy starts without a word (`config-files.md` 8:
//! "not checked") and fails at the takeover; here it is told at the start, which goes on.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ha_config::{Diagnostic, HaResources, ResourceWord, Severity, Span, paths};
use ha_resources::address::AddressSpec;
use ha_resources::{Lookup, Paths};

/// A warning for each script that is nowhere, and for each address that is none, once and where it first stands.
/// Groups of other nodes count: they are for us to take when those die.
pub(crate) fn remarks(
    haresources: &HaResources,
    lookup: &dyn Lookup,
    searched: &Paths,
) -> Vec<Diagnostic> {
    let mut judged = BTreeSet::new();
    let mut remarks = Vec::new();
    for group in &haresources.groups {
        for resource in &group.resources {
            let Some(message) = fault(resource, lookup, searched) else {
                continue;
            };
            if !judged.insert(message.clone()) {
                continue;
            }
            let place = Span {
                file: paths::HARESOURCES.into(),
                line: group.line,
                column: 1,
            };
            let said = Diagnostic::ours(Severity::Warn, "haresources-unusable", message);
            remarks.push(said.at(place));
        }
    }
    remarks
}

fn fault(resource: &ResourceWord, lookup: &dyn Lookup, searched: &Paths) -> Option<String> {
    let name = resource.script_name();
    let Some(script) = lookup.script(name) else {
        return Some(format!(
            "there is no executable script [{name}] in {} or {}",
            searched.resources.display(),
            searched.init.display()
        ));
    };
    // A script of the administrator's own may understand more than ours.
    script.native?;
    let arguments = resource.arguments();
    let spec = AddressSpec::parse(arguments.first().unwrap_or(&"").as_bytes());
    match spec.ip.parse::<Ipv4Addr>() {
        Ok(_) => None,
        Err(_) => Some(format!(
            "[{}] is not an address: {}",
            spec.ip, resource.word
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use ha_resources::{NativeAgent, Script};

    use super::*;

    /// Some scripts, and our own agent for addresses, or the administrator's.
    struct Scripts {
        native: bool,
    }

    impl Lookup for Scripts {
        fn script(&self, name: &str) -> Option<Script> {
            let native = (name == "IPaddr" && self.native).then_some(NativeAgent::IpAddr);
            ["IPaddr", "ldirectord"].contains(&name).then(|| Script {
                path: PathBuf::from("/etc/ha.d/resource.d").join(name),
                native,
            })
        }

        fn local_giveip(&self) -> Option<PathBuf> {
            None
        }
    }

    fn said(text: &str, native: bool) -> Vec<String> {
        let parsed = ha_config::haresources::parse(text.as_bytes());
        remarks(&parsed, &Scripts { native }, &Paths::default())
            .iter()
            .flat_map(Diagnostic::lines)
            .collect()
    }

    /// `ldirctord` and `192.168.6.666/32` were found out at the first takeover.
    #[test]
    fn a_misspelt_script_or_address_is_told_at_the_start() {
        assert_eq!(
            said(
                "# c\na 192.168.6.666/32 ldirctord::x.cf\nb IPaddr::web.example.com ldirctord\n",
                true
            ),
            [
                "/etc/ha.d/haresources:2:1: [192.168.6.666] is not an address: 192.168.6.666/32",
                "/etc/ha.d/haresources:2:1: there is no executable script [ldirctord] in /etc/ha.d/resource.d or /etc/init.d",
                "/etc/ha.d/haresources:3:1: [web.example.com] is not an address: IPaddr::web.example.com",
            ]
        );
    }

    #[test]
    fn what_works_is_not_told() {
        let usual =
            "a 192.168.6.66/32/eth0:0 ldirectord\nb IPaddr::10.0.0.1/24/10.0.0.255 ldirectord::x\n";
        assert_eq!(said(usual, true), [""; 0]);
        // Theirs may know names.
        assert_eq!(said("a IPaddr::web.example.com", false), [""; 0]);
    }
}
