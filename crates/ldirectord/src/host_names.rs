//! Host names of real servers, for files in `maintenancedir` that are called after one (`ldirectord.md` 4.5).
//!
//! They are asked for once, and anew after a reload. Until the new answers are here the old ones hold: a name server may
//! take seconds, and a server that nobody knows the name of is not in maintenance.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ha_config::ldirectord::Ldirectord;

/// What is known of them.
#[derive(Debug, Default)]
pub(crate) struct HostNames {
    /// Addresses that were asked for; none: it has no name.
    known: BTreeMap<IpAddr, Option<String>>,
    /// Those of them to ask for once more.
    outdated: BTreeSet<IpAddr>,
}

impl HostNames {
    /// The addresses of real servers that have to be asked for.
    pub(crate) fn wanted(&self, config: &Ldirectord) -> BTreeSet<IpAddr> {
        addresses(config)
            .filter(|address| self.outdated.contains(address) || !self.known.contains_key(address))
            .collect()
    }

    /// Answers have come. One without a name does not take away the name that is known: it also comes when no name server
    /// could be reached, and whoever ends a maintenance removes the file.
    pub(crate) fn learn(&mut self, answers: BTreeMap<IpAddr, Option<String>>) {
        for (address, name) in answers {
            self.outdated.remove(&address);
            let known = self.known.entry(address).or_default();
            if name.is_some() {
                *known = name;
            }
        }
    }

    /// A new configuration: everything is to be asked for anew, and nothing is forgotten but what it does not have.
    pub(crate) fn outdate(&mut self, config: &Ldirectord) {
        let kept: BTreeSet<IpAddr> = addresses(config).collect();
        self.known.retain(|address, _| kept.contains(address));
        self.outdated = self.known.keys().copied().collect();
    }

    /// Names by address.
    pub(crate) fn known(&self) -> BTreeMap<IpAddr, String> {
        self.known
            .iter()
            .filter_map(|(address, name)| Some((*address, name.clone()?)))
            .collect()
    }
}

fn addresses(config: &Ldirectord) -> impl Iterator<Item = IpAddr> {
    config
        .virtuals
        .iter()
        .flat_map(|service| &service.reals)
        .map(|real| real.configured.address)
}

#[cfg(test)]
mod tests {
    use ha_config::ldirectord::{FakeHost, parse};

    use super::*;

    const WEB1: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const WEB2: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
    const WEB3: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 3));

    fn config(reals: &[IpAddr]) -> Ldirectord {
        let mut text = "virtual=192.0.2.100:80\n".to_owned();
        for real in reals {
            text.push_str(&format!("\treal={real}:80 gate\n"));
        }
        text.push_str("\tchecktype=off\n# end\n");
        parse(text.as_bytes(), "test.cf", &FakeHost::default())
            .value
            .expect("a configuration")
    }

    fn answers(names: &[(IpAddr, Option<&str>)]) -> BTreeMap<IpAddr, Option<String>> {
        let owned = |(address, name): &(IpAddr, Option<&str>)| (*address, name.map(str::to_owned));
        names.iter().map(owned).collect()
    }

    fn two_known() -> HostNames {
        let mut names = HostNames::default();
        let config = config(&[WEB1, WEB2]);
        assert_eq!(names.wanted(&config), BTreeSet::from([WEB1, WEB2]));
        names.learn(answers(&[(WEB1, Some("web1.example.org")), (WEB2, None)]));
        assert_eq!(names.wanted(&config), BTreeSet::new(), "once is enough");
        names
    }

    #[test]
    fn a_reload_does_not_forget_a_name_before_the_new_one_is_known() {
        let mut names = two_known();
        let old = BTreeMap::from([(WEB1, "web1.example.org".to_owned())]);
        let config = config(&[WEB1, WEB2, WEB3]);
        names.outdate(&config);
        assert_eq!(names.known(), old);
        assert_eq!(names.wanted(&config), BTreeSet::from([WEB1, WEB2, WEB3]));
        names.learn(answers(&[
            (WEB1, Some("www.example.org")),
            (WEB2, Some("web2.example.org")),
            (WEB3, None),
        ]));
        assert_eq!(names.wanted(&config), BTreeSet::new());
        let new = BTreeMap::from([
            (WEB1, "www.example.org".to_owned()),
            (WEB2, "web2.example.org".to_owned()),
        ]);
        assert_eq!(names.known(), new);
    }

    #[test]
    fn a_name_server_that_does_not_answer_takes_no_name_away() {
        let mut names = two_known();
        let config = config(&[WEB1, WEB2]);
        names.outdate(&config);
        names.learn(answers(&[(WEB1, None), (WEB2, None)]));
        assert_eq!(names.known()[&WEB1], "web1.example.org");
        assert_eq!(names.wanted(&config), BTreeSet::new());
    }

    #[test]
    fn servers_that_are_gone_are_forgotten() {
        let mut names = two_known();
        names.outdate(&config(&[WEB2]));
        assert_eq!(names.known(), BTreeMap::new());
        assert_eq!(names.wanted(&config(&[WEB2])), BTreeSet::from([WEB2]));
    }
}
