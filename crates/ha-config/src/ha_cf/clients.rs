//! `respawn`, `failfast` and `apiauth` (`config-files.md` 7).

use nom::bytes::complete::tag;
use nom::{IResult, Offset, Parser};

use crate::diagnostic::{Diagnostic, Severity};
use crate::ha_cf::draft::{Draft, Given, Refused};
use crate::ha_cf::model::{ApiAuth, ClientChild};
use crate::ha_cf::value::integer;
use crate::lines::{Word, is_white, lossy, skip_white, until, words};

type Outcome = Result<(), Refused>;

pub(crate) fn respawn(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    client_child(draft, given, false)
}

pub(crate) fn failfast(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    client_child(draft, given, true)
}

/// Length from which the legacy calls a user name too long.
const USER_NAME_MAX: usize = 64;

const USER_ADVICE: &str = "the first word must be a user of this machine, by name";

fn client_child(draft: &mut Draft<'_>, given: &Given<'_>, failfast: bool) -> Outcome {
    let (user, command) = user_and_command(given.text).unwrap_or((given.text, b""));
    let (user, command) = (lossy(user), lossy(command));
    if user.len() >= USER_NAME_MAX {
        let message = "UID specified for client child is too long".to_owned();
        return Err(draft.refuse_with_advice(given, "respawn-user", message, USER_ADVICE));
    }
    let Some(account) = draft.facts.user(&user) else {
        let message = format!("Invalid uid [{user}] specified for client child");
        return Err(draft.refuse_with_advice(given, "respawn-user", message, USER_ADVICE));
    };
    let path = command.split_whitespace().next().unwrap_or_default();
    if !path.starts_with('/') {
        let message = format!("Client child command [{command}] is not full pathname");
        return Err(draft.refuse_with_advice(
            given,
            "respawn-path",
            message,
            "expected a user, then the whole path of a program",
        ));
    }
    if !draft.facts.is_executable(path) {
        let message = format!("Client child command [{path}] is not executable");
        let advice = "no such program, or it is not executable (is it below lib or lib64?)";
        return Err(draft.refuse_with_advice(given, "respawn-not-executable", message, advice));
    }
    // Every whole-line directive comes from a line, so there is a place.
    let Some(span) = given.span.clone() else {
        return Ok(());
    };
    draft.ha_cf.respawn.push(ClientChild {
        user,
        uid: account.uid,
        gid: account.gid,
        command,
        failfast,
        span,
    });
    Ok(())
}

/// `user white* command`
fn user_and_command(text: &[u8]) -> Option<(&[u8], &[u8])> {
    fn split(text: &[u8]) -> IResult<&[u8], &[u8]> {
        let (text, _) = skip_white(text)?;
        let (text, user) = until(text, is_white)?;
        let (command, _) = skip_white(text)?;
        Ok((command, user))
    }
    split(text).ok().map(|(command, user)| (user, command))
}

/// Length of a client name that still fits.
const CLIENT_NAME_MAX: usize = 31;

pub(crate) fn apiauth(draft: &mut Draft<'_>, given: &Given<'_>) -> Outcome {
    match authorisation(draft, given) {
        Ok(entry) => {
            draft.ha_cf.apiauth.push(entry);
            Ok(())
        }
        Err(reasons) => {
            draft.refused = true;
            for reason in reasons {
                draft.say_legacy(Severity::Error, "bad-apiauth", reason);
            }
            let message = format!("Invalid apiauth directive [{}]", given.string());
            let refusal = Diagnostic::legacy(Severity::Error, "bad-apiauth", message)
                .advise("users and groups must be of this machine, and each client has one line");
            draft.say(given.mark(refusal));
            for line in SYNTAX {
                draft.say_legacy(Severity::Info, "bad-apiauth", *line);
            }
            Err(Refused)
        }
    }
}

const SYNTAX: &[&str] = &[
    "Syntax: apiauth client [uid=uidlist] [gid=gidlist]",
    "Where uidlist is a comma-separated list of uids,",
    "and gidlist is a comma-separated list of gids",
    "One or the other must be specified.",
];

/// The authorisations that hold for clients that the file does not name (`config-files.md` 4, step 3).
const DEFAULT_AUTHORISATIONS: &[(&str, &str)] = &[
    ("ipfail", "ipfail uid=hacluster"),
    ("ccm", "ccm uid=hacluster"),
    ("ping", "ping gid=haclient"),
    ("lha-snmpagent", "lha-snmpagent uid=root"),
    ("anon", "anon gid=haclient"),
];

/// Adds them. A missing account is complained about but, unlike in a line of the file, refuses nothing.
pub(crate) fn add_default_authorisations(draft: &mut Draft<'_>) {
    let refused_before = draft.refused;
    for (client, line) in DEFAULT_AUTHORISATIONS {
        if draft
            .ha_cf
            .apiauth
            .iter()
            .all(|entry| entry.client != *client)
        {
            let given = Given {
                directive: "apiauth",
                text: line.as_bytes(),
                span: None,
                repeated: false,
            };
            // The complaint has been made; the client simply stays without an authorisation.
            let _ = apiauth(draft, &given);
        }
    }
    draft.refused = refused_before;
}

/// An authorisation, or the legacy's reasons against it (none for an empty list of words, which it does not explain).
fn authorisation(draft: &Draft<'_>, given: &Given<'_>) -> Result<ApiAuth, Vec<String>> {
    let text = given.string();
    let mut tokens = words(given.text, given.column(), is_white);
    let client = tokens.next().map(|word| word.text()).unwrap_or_default();
    if client.len() > CLIENT_NAME_MAX {
        return Err(vec![format!("client name [{text}] too long")]);
    }
    // The legacy quotes a bad list together with whatever follows it.
    let from_here = |list: &[u8]| {
        lossy(
            given
                .text
                .get(given.text.offset(list)..)
                .unwrap_or_default(),
        )
    };
    let (mut uids, mut gids) = (None, None);
    for token in tokens {
        match list_of(token) {
            Some((Kind::User, list)) => {
                let known = ids(list, |name| draft.facts.user(name).map(|user| user.uid));
                store(&mut uids, known, Kind::User, from_here(list))?;
            }
            Some((Kind::Group, list)) => {
                let known = ids(list, |name| draft.facts.group(name));
                store(&mut gids, known, Kind::Group, from_here(list))?;
            }
            None => return Err(vec!["Missing uid or gid in apiauth".into()]),
        }
    }
    if uids.is_none() && gids.is_none() {
        return Err(Vec::new());
    }
    if draft
        .ha_cf
        .apiauth
        .iter()
        .any(|entry| entry.client == client)
    {
        return Err(vec![format!(
            "Duplicate apiauth directive for API client {client}: [{text}]"
        )]);
    }
    Ok(ApiAuth {
        client,
        uids: uids.unwrap_or_default(),
        gids: gids.unwrap_or_default(),
    })
}

#[derive(Clone, Copy)]
enum Kind {
    User,
    Group,
}

/// `uid=list` or `gid=list`
fn list_of(token: Word<'_>) -> Option<(Kind, &[u8])> {
    let user: IResult<&[u8], &[u8]> = tag(&b"uid="[..]).parse(token.text);
    let group: IResult<&[u8], &[u8]> = tag(&b"gid="[..]).parse(token.text);
    match (user, group) {
        (Ok((list, _)), _) => Some((Kind::User, list)),
        (_, Ok((list, _))) => Some((Kind::Group, list)),
        _ => None,
    }
}

fn store(
    slot: &mut Option<Vec<u32>>,
    ids: Result<Vec<u32>, String>,
    kind: Kind,
    quoted: String,
) -> Result<(), Vec<String>> {
    let (short, invalid) = match kind {
        Kind::User => ("uid", "Invalid user id name"),
        Kind::Group => ("gid", "Invalid group name"),
    };
    if slot.is_some() {
        return Err(vec![format!("Duplicate {short} list in apiauth")]);
    }
    match ids {
        Ok(ids) => *slot = Some(ids),
        Err(name) => {
            return Err(vec![
                format!("{invalid} [{name}]"),
                format!("Bad {short} list [{quoted}]"),
            ]);
        }
    }
    Ok(())
}

/// Numbers and names between commas; a name that is not known is the error. Empty items are skipped, except at the
/// start, where the legacy looks for an account without a name.
fn ids(list: &[u8], lookup: impl Fn(&str) -> Option<u32>) -> Result<Vec<u32>, String> {
    let mut ids = Vec::new();
    for (position, item) in list.split(|byte| *byte == b',').enumerate() {
        if item.is_empty() && (position > 0 || list.is_empty()) {
            continue;
        }
        if item.first().is_some_and(u8::is_ascii_digit) {
            // Numbers need not belong to anybody; more than fits is nobody's number either.
            ids.push(u32::try_from(integer(item)).unwrap_or(u32::MAX));
        } else {
            let name = lossy(item);
            ids.push(lookup(&name).ok_or(name)?);
        }
    }
    Ok(ids)
}
