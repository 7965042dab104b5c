//! `apiauth`: who may sign on under which name (`client-api.md` 5).

use ha_config::ApiAuth;

use crate::api::Credentials;

/// The rule for clients without a name.
const CASUAL: &str = "anon";
/// The rule for names without a rule of their own.
const DEFAULT: &str = "default";

/// Judges a client by the rule that is meant for it. `name` is none for a casual client.
///
/// Root may always come in as a casual client. (2.1 wants its group to be haclient even then, which is why `cl_status`
/// is setgid there.) Under a name root needs the name's rule like everybody else: the rule also keeps a second program
/// from taking the place of the one that the administrator meant.
pub(super) fn judge(
    rules: &[ApiAuth],
    name: Option<&str>,
    peer: Credentials,
) -> Result<(), &'static str> {
    let rule_of = |client: &str| rules.iter().find(|rule| rule.client == client);
    let rule = match name {
        None if peer.uid == 0 => return Ok(()),
        None => rule_of(CASUAL).ok_or("apiauth anon missing")?,
        Some(name) => rule_of(name)
            .or_else(|| rule_of(DEFAULT))
            .ok_or("no default client auth")?,
    };
    if rule.authorises(peer.uid, peer.gid) {
        Ok(())
    } else {
        Err("client failed authorization")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(client: &str, uids: &[u32], gids: &[u32]) -> ApiAuth {
        ApiAuth {
            client: client.to_owned(),
            uids: uids.to_vec(),
            gids: gids.to_vec(),
        }
    }

    fn peer(uid: u32, gid: u32) -> Credentials {
        Credentials { pid: 1, uid, gid }
    }

    #[test]
    fn user_or_group_is_enough() {
        let rules = [rule("ipfail", &[103], &[106])];
        for (uid, gid, fine) in [(103, 1, true), (1, 106, true), (1, 1, false), (0, 0, false)] {
            assert_eq!(
                judge(&rules, Some("ipfail"), peer(uid, gid)).is_ok(),
                fine,
                "{uid}:{gid}"
            );
        }
    }

    #[test]
    fn a_rule_of_its_own_counts_alone() {
        let rules = [rule("ccm", &[103], &[]), rule("default", &[0], &[])];
        assert_eq!(
            judge(&rules, Some("ccm"), peer(0, 0)),
            Err("client failed authorization")
        );
        assert_eq!(judge(&rules, Some("tiny"), peer(0, 0)), Ok(()));
        assert_eq!(
            judge(&rules[..1], Some("tiny"), peer(0, 0)),
            Err("no default client auth")
        );
    }

    #[test]
    fn casual_clients_have_their_own_rule_and_never_the_default_one() {
        let rules = [rule("anon", &[], &[106]), rule("default", &[5], &[])];
        assert_eq!(judge(&rules, None, peer(7, 106)), Ok(()));
        assert_eq!(
            judge(&rules, None, peer(5, 5)),
            Err("client failed authorization")
        );
        assert_eq!(
            judge(&rules[1..], None, peer(5, 5)),
            Err("apiauth anon missing")
        );
    }

    #[test]
    fn root_needs_no_group_to_ask() {
        assert_eq!(
            judge(&[rule("anon", &[], &[106])], None, peer(0, 0)),
            Ok(())
        );
    }
}
