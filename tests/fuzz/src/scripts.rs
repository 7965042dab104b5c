//! What scripts get to see of a message, and what is made of what they print (`resource-protocol.md` 1.5 and 4.2).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use ha_resources::environment::{Occasion, Settings, environment};
use ha_resources::judge_status;
use ha_wire::{Value, decode_plain};

use crate::Target;
use crate::seeds::{self, Seed};

pub(crate) const TARGETS: &[Target] = &[Target {
    name: "script_environment",
    run: variables,
    seeds: messages,
    words,
    length_max: 2048,
}];

/// A message of a peer for which a handler is run: its fields become variables that an environment can hold, and none in
/// the place of one that scripts rely on, be it set or not.
fn variables(bytes: &[u8]) {
    let _ = judge_status(bytes);
    let Ok(message) = decode_plain(bytes) else {
        return;
    };
    let fields: Vec<(String, String)> = message
        .fields()
        .filter_map(|field| match field.value {
            Value::Text(value) => Some((lossy(field.name), lossy(value))),
            _ => None,
        })
        .collect();
    let settings = Settings {
        library: "/usr/lib/heartbeat",
        host: "alpha",
        ..Settings::default()
    };
    let fixed = environment(&settings, Occasion::Handover);
    for nice in [false, true] {
        let occasion = Occasion::Notification {
            fields: &fields,
            own_status: "active",
            nice,
        };
        let all = environment(&settings, occasion);
        for (name, value) in &fixed {
            assert_eq!(all.get(name), Some(value), "{name:?}");
        }
        // What only the daemon knows.
        let own = |name: &str| all.get(OsStr::new(name)).map(|value| value.as_bytes());
        assert_eq!(own("HA_OSTATUS"), Some(&b"active"[..]));
        assert_eq!(own("HA_NICEFAILBACK"), nice.then_some(&b"yes"[..]));
        for name in ["HA_LOGFILE", "HA_LOGFACILITY", "HA_DEBUG", "HA_DONTASK"] {
            assert_eq!(own(name), None, "{name}");
        }
        for (name, value) in &all {
            let bytes = name.as_bytes();
            assert!(!bytes.contains(&b'=') && !bytes.contains(&0));
            assert!(!value.as_bytes().contains(&0), "{name:?}");
            assert!(fixed.contains_key(name) || bytes.starts_with(b"HA_"));
        }
        assert!(all.len() <= fixed.len() + fields.len() + 2);
    }
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn messages() -> Vec<Seed> {
    let mut found = crate::wire::packets();
    found.retain(|(_, bytes)| bytes.len() <= 2048);
    found.extend(seeds::texts(&[
        b">>>\nt=ip-request\nFUNCS=/tmp/x\nDIR=/tmp\nDONTASK=yes\nNICEFAILBACK=yes\nLOGFILE=/tmp/log\n<<<\n",
        b">>>\nt=status\nst=active\nOSTATUS=dead\nDEBUG=1\nPATH=/tmp\nBIN=/tmp\n<<<\n",
    ]));
    found
}

fn words() -> Vec<Vec<u8>> {
    seeds::words(
        ">>> <<< t=status t=ip-request FUNCS= DIR= RCDIR= CF= BIN= NOARCHBIN= FIFO= RSCTMP= LOGD=yes LOGFILE=/tmp/x \
         LOGFACILITY= DEBUG=1 DEBUGLOG= DATEFMT= CURHOST= OSTATUS= NICEFAILBACK= DONTASK= st= (1)x=",
    )
}
