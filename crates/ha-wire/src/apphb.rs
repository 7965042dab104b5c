//! What applications and their monitor `apphbd` say to each other (`client-api.md` 10).
//!
//! ```text
//!  0       8          264        520       776   780   784   788
//!  +-------+----------+----------+---------+-----+-----+-----+
//!  | reg   | name     | instance | current | pid | uid | gid |   all text NUL padded
//!  +-------+----------+----------+---------+-----+-----+-----+   directory
//!  +-------+----------------+
//!  | setint| value          |   also setwarn, setboot; the value is a native `unsigned long`
//!  +-------+----------------+
//!  +-------+
//!  | hb    |                    also unreg
//!  +-------+
//! ```
//! Each is the body of a frame, in the byte order of the machine. All but `hb` are answered by an `int`: 0 or an errno.

/// Octets of the type.
const TYPE: usize = 8;
/// Octets of each text of a registration.
const TEXT: usize = 256;
/// Octets of a registration.
const REGISTRATION: usize = TYPE + 3 * TEXT + 12;
/// Octets of an `unsigned long`.
const LONG: usize = size_of::<usize>();

/// What an application wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Watch me.
    Register {
        /// The application; cut after 255 octets, like the other texts.
        name: String,
        /// Which of several of that name.
        instance: String,
        /// Its working directory. Nobody looks at it.
        directory: String,
        /// Its process.
        pid: u32,
        /// Its effective user. Nobody looks at it.
        uid: u32,
    },
    /// I live.
    Beat,
    /// How long I may be silent, in milliseconds; 0: for ever.
    Interval(u64),
    /// From when on my silence is remarkable, in milliseconds; 0: never.
    Warning(u64),
    /// Whether the machine shall be restarted when I am silent for too long.
    Boot(bool),
    /// Watch me no longer.
    Unregister,
    /// A known type with too few octets, or a registration that makes no sense.
    Malformed,
    /// Another type.
    Unknown,
}

impl Request {
    /// Reads a body. None if it has no type: the legacy does not answer that.
    pub fn decode(body: &[u8]) -> Option<Request> {
        let kind = body.get(..TYPE)?;
        let long = || {
            let octets = body.get(TYPE..TYPE + LONG)?.try_into().ok()?;
            u64::try_from(usize::from_ne_bytes(octets)).ok()
        };
        let valued = |make: fn(u64) -> Request| long().map_or(Request::Malformed, make);
        Some(match text(kind).as_str() {
            "reg" => registration(body).unwrap_or(Request::Malformed),
            "hb" => Request::Beat,
            "setint" => valued(Request::Interval),
            "setwarn" => valued(Request::Warning),
            "setboot" => valued(|value| Request::Boot(value != 0)),
            "unreg" => Request::Unregister,
            _ => Request::Unknown,
        })
    }

    /// The body of a message without more than a value.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, value) = match self {
            Request::Register {
                name,
                instance,
                directory,
                pid,
                uid,
            } => return encode_registration([name, instance, directory], [*pid, *uid, 0]),
            Request::Beat => ("hb", None),
            Request::Interval(ms) => ("setint", Some(*ms)),
            Request::Warning(ms) => ("setwarn", Some(*ms)),
            Request::Boot(boot) => ("setboot", Some(u64::from(*boot))),
            Request::Unregister | Request::Malformed | Request::Unknown => ("unreg", None),
        };
        let mut body = padded(kind, TYPE);
        if let Some(value) = value {
            let value = usize::try_from(value).unwrap_or(usize::MAX);
            body.extend_from_slice(&value.to_ne_bytes());
        }
        body
    }
}

fn registration(body: &[u8]) -> Option<Request> {
    let field = |number: usize| body.get(TYPE + number * TEXT..TYPE + (number + 1) * TEXT);
    let name = text(field(0)?);
    let instance = text(field(1)?);
    let directory = text(field(2)?);
    let number = |which: usize| {
        let octets = body.get(TYPE + 3 * TEXT + 4 * which..)?.first_chunk()?;
        Some(u32::from_ne_bytes(*octets))
    };
    let complete = body.len() >= REGISTRATION && !name.is_empty();
    complete.then_some(Request::Register {
        name,
        instance,
        directory,
        pid: number(0)?,
        uid: number(1)?,
    })
}

fn encode_registration(texts: [&str; 3], numbers: [u32; 3]) -> Vec<u8> {
    let mut body = padded("reg", TYPE);
    for text in texts {
        body.extend(padded(text, TEXT));
    }
    for number in numbers {
        body.extend_from_slice(&number.to_ne_bytes());
    }
    body
}

/// The text, cut so that a NUL follows, and NULs.
fn padded(text: &str, length: usize) -> Vec<u8> {
    let cut = text
        .get(..text.floor_char_boundary(length.saturating_sub(1)))
        .unwrap_or_default();
    let mut octets = cut.as_bytes().to_vec();
    octets.resize(length, 0);
    octets
}

/// What stands before the first NUL; what cannot be shown becomes replacement characters.
fn text(octets: &[u8]) -> String {
    let end = octets.iter().position(|octet| *octet == 0);
    let octets = octets.get(..end.unwrap_or(octets.len())).unwrap_or(octets);
    let shown = |letter: char| {
        if letter.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            letter
        }
    };
    String::from_utf8_lossy(octets).chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_survives() {
        for request in [
            Request::Register {
                name: "app".into(),
                instance: "one".into(),
                directory: "/".into(),
                pid: 77,
                uid: 5,
            },
            Request::Beat,
            Request::Interval(2000),
            Request::Warning(6000),
            Request::Boot(true),
            Request::Unregister,
        ] {
            assert_eq!(Request::decode(&request.encode()), Some(request));
        }
    }

    /// What 3.0.6's cl_respawn sends.
    #[cfg(all(target_endian = "little", target_pointer_width = "64"))]
    #[test]
    fn the_octets_of_the_legacy() {
        assert_eq!(Request::Beat.encode(), b"hb\0\0\0\0\0\0");
        assert_eq!(
            Request::Interval(2000).encode(),
            b"setint\0\0\xd0\x07\0\0\0\0\0\0"
        );
        let registration = encode_registration(["cl_respawn", "cl_respawn_74d", "/"], [74, 0, 0]);
        assert_eq!(registration.len(), 788);
        assert!(registration.starts_with(b"reg\0\0\0\0\0cl_respawn\0"));
    }

    #[test]
    fn what_is_cut_short_or_unknown() {
        let full = encode_registration(["app", "one", "/"], [7, 0, 0]);
        assert_eq!(Request::decode(&full[..700]), Some(Request::Malformed));
        let longer = [full.as_slice(), b"1234"].concat();
        assert!(matches!(
            Request::decode(&longer),
            Some(Request::Register { .. })
        ));
        let nameless = encode_registration(["", "one", "/"], [7, 0, 0]);
        assert_eq!(Request::decode(&nameless), Some(Request::Malformed));
        assert_eq!(Request::decode(b"setint\0\0"), Some(Request::Malformed));
        assert_eq!(Request::decode(b"xyz\0\0\0\0\0"), Some(Request::Unknown));
        assert_eq!(Request::decode(b"abc"), None);
    }

    #[test]
    fn names_cannot_forge_lines_of_the_log() {
        let forged = encode_registration(["app\nEMERG: all is lost", "one", "/"], [7, 0, 0]);
        let Some(Request::Register { name, .. }) = Request::decode(&forged) else {
            panic!("no registration");
        };
        assert!(!name.contains('\n'), "{name}");
    }
}
