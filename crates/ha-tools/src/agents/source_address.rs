//! `IPsrcaddr`: the address from which the machine speaks on its default route (`resource-scripts.md` 8).

use std::ffi::{OsStr, OsString};
use std::net::Ipv4Addr;

use ha_net::{DefaultRoute, Netlink};
use ha_resources::address::{AgentLevel, ocf};

use super::wrapper::{Parameter, Script, Wish, Wrapper};
use crate::context::words;
use crate::output;

const SCRIPT: Script = Script {
    name: "IPsrcaddr",
    arguments: "<ip-address>",
    usage_word: "usage",
    usage_to_stderr: true,
    purpose: "Makes an address of this machine the source of what leaves on the default route.",
    parameters: &[Parameter {
        name: "ipaddress",
        kind: "string",
        required: true,
        meaning: "The address.",
    }],
};

const NONE: &str = "No preferred source address defined";

/// The script.
pub(crate) fn main(program: &OsStr, args: &[OsString]) -> i32 {
    let wrapper = Wrapper::new(SCRIPT, program);
    let words = words(args);
    let [address, operation] = words.as_slice() else {
        return wrapper.wrong_words(&words);
    };
    let wish = match wrapper.wish(operation) {
        Ok(wish) => wish,
        Err(code) => return code,
    };
    let code = run(&wrapper, wish, address).unwrap_or_else(|complaint| {
        wrapper.log(AgentLevel::Error, &complaint);
        ocf::GENERIC
    });
    wrapper.finish(wish, code)
}

fn run(wrapper: &Wrapper, wish: Wish, address: &str) -> Result<i32, String> {
    let mut kernel = Netlink::open().map_err(|error| error.to_string())?;
    let routes = kernel.default_routes().map_err(|error| error.to_string())?;
    let route = the_only(&routes)?;
    match decide(wish, address.parse().ok(), route.preferred_source()) {
        Decision::Answer(text, code) => {
            output::print(&format!("{text}\n"));
            Ok(code)
        }
        Decision::Nothing => {
            wrapper.log(AgentLevel::Info, &format!("{NONE}, nothing to stop"));
            Ok(ocf::SUCCESS)
        }
        Decision::Refuse(text) => Err(text),
        Decision::Change(source) => {
            kernel
                .set_preferred_source(route, source)
                .map_err(|error| error.to_string())?;
            Ok(ocf::SUCCESS)
        }
    }
}

/// With several one would have to guess.
fn the_only(routes: &[DefaultRoute]) -> Result<&DefaultRoute, String> {
    match routes {
        [] => Err("no default route exists".to_owned()),
        [route] => Ok(route),
        _ => Err("more than 1 default route exists".to_owned()),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    /// Say this and end with this code.
    Answer(&'static str, i32),
    /// There is nothing to be undone.
    Nothing,
    Refuse(String),
    /// Give the route this source.
    Change(Option<Ipv4Addr>),
}

/// `address` is `None` when what was given is no address.
fn decide(wish: Wish, address: Option<Ipv4Addr>, source: Option<Ipv4Addr>) -> Decision {
    match (wish, address, source) {
        (Wish::Start, Some(address), _) => Decision::Change(Some(address)),
        (Wish::Start, None, _) => Decision::Refuse("not an IPv4 address".to_owned()),
        (Wish::Stop, _, None) => Decision::Nothing,
        (Wish::Stop, Some(address), Some(source)) if address == source => Decision::Change(None),
        (Wish::Stop, ..) => Decision::Refuse(
            "The address you specified to stop does not match the preferred source address"
                .to_owned(),
        ),
        (Wish::Monitor, _, None) => Decision::Answer(NONE, ocf::NOT_RUNNING),
        (Wish::Monitor, Some(address), Some(source)) if address == source => {
            Decision::Answer("OK", ocf::SUCCESS)
        }
        (Wish::Monitor, ..) => {
            Decision::Answer("Preferred source address has incorrect value", ocf::GENERIC)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_reference() {
        let (ours, other) = (
            Some(Ipv4Addr::new(10, 0, 0, 1)),
            Some(Ipv4Addr::new(10, 0, 0, 2)),
        );
        for source in [None, ours, other] {
            assert_eq!(decide(Wish::Start, ours, source), Decision::Change(ours));
        }
        assert!(matches!(
            decide(Wish::Start, None, None),
            Decision::Refuse(_)
        ));
        assert_eq!(decide(Wish::Stop, ours, None), Decision::Nothing);
        assert_eq!(decide(Wish::Stop, ours, ours), Decision::Change(None));
        for address in [ours, None] {
            assert!(matches!(
                decide(Wish::Stop, address, other),
                Decision::Refuse(_)
            ));
            assert_eq!(
                decide(Wish::Monitor, address, other),
                Decision::Answer("Preferred source address has incorrect value", 1)
            );
        }
        assert_eq!(decide(Wish::Monitor, ours, ours), Decision::Answer("OK", 0));
        assert_eq!(decide(Wish::Monitor, ours, None), Decision::Answer(NONE, 7));
    }

    #[test]
    fn none_or_several_default_routes_are_refused() {
        assert_eq!(
            the_only(&[]).err().as_deref(),
            Some("no default route exists")
        );
    }
}
