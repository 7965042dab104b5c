//! The installed legacy, Debian's ldirectord 4.12, asked for its opinion of files.
//!
//! `status` only parses, but parsing opens log and monitor files, and an error removes a pid file. So it runs in
//! namespaces of its own (network, mounts), over empty /run and /var/log.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ha_config::ldirectord::{legacy_text, parse};
use ha_config::{Diagnostic, Origin};

use crate::machine::Machine;

const LEGACY: &str = "/usr/sbin/ldirectord";

/// Asks for each file below `$1`, two at a time; words and exit codes go there as well.
const LABORATORY: &str = r#"
set -e
mount -t tmpfs none /var/log
mount -t tmpfs none /run
mount -t tmpfs none /etc/ha.d 2>/dev/null || true
printf '127.0.0.1 localhost\n::1 localhost\n' > /run/hosts
mount --bind /run/hosts /etc/hosts
ip link set lo up
cd "$1"
find . -name '*.cf' | sort | xargs -P 2 -n 1 sh -c '
    /usr/sbin/ldirectord "$PWD/${1#./}" status > "$1.out" 2> "$1.err" < /dev/null
    echo $? > "$1.exit"
' sh
"#;

/// A verdict on a file, and everything that was said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opinion {
    pub(crate) accepted: bool,
    /// `Error ...` and `Warning ...`, with process id 1 and the file's name without its directory.
    pub(crate) said: Vec<String>,
}

/// Whether the legacy can be asked; says why not.
pub(crate) fn available() -> bool {
    let is_root =
        fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let ipvsadm = ["/sbin/ipvsadm", "/usr/sbin/ipvsadm"];
    let reason = match () {
        () if !Path::new(LEGACY).exists() => "the legacy ldirectord is not installed",
        () if !ipvsadm.iter().any(|path| Path::new(path).exists()) => "ipvsadm is not installed",
        () if !is_root => "namespaces need root",
        () => return true,
    };
    eprintln!("skipped: {reason}");
    false
}

/// What the legacy thinks of these files.
pub(crate) fn opinions(name: &str, files: &[Vec<u8>]) -> Vec<Opinion> {
    let directory = Directory::new(name);
    let path = |number: usize| directory.0.join(format!("{number:05}.cf"));
    for (number, file) in files.iter().enumerate() {
        fs::write(path(number), file).expect("a file can be written");
    }
    let status = Command::new("unshare")
        .args(["-nm", "sh", "-c", LABORATORY, "sh"])
        .arg(&directory.0)
        .stdin(Stdio::null())
        .status()
        .expect("unshare runs");
    assert!(status.success(), "the laboratory could not be set up");
    (0..files.len())
        .map(|number| {
            let read = |suffix: &str| {
                let mut name = path(number).into_os_string();
                name.push(suffix);
                String::from_utf8_lossy(&fs::read(name).expect("it was run")).into_owned()
            };
            let exit: i32 = read(".exit").trim().parse().expect("an exit code");
            let place = format!("{}/", directory.0.display());
            let said = messages(&read(".err").replace(&place, ""));
            assert!(
                [2, 3].contains(&exit),
                "the legacy ended with {exit}: {}",
                read(".err")
            );
            Opinion {
                accepted: exit == 3,
                said,
            }
        })
        .collect()
}

/// Takes standard error apart: a message begins with `Error [` or `Warning [` and may go on over further lines.
/// Complaints of the legacy's interpreter are left out.
fn messages(stderr: &str) -> Vec<String> {
    let mut messages: Vec<String> = Vec::new();
    for line in stderr.split('\n') {
        if let Some(rest) = ["Error [", "Warning ["]
            .iter()
            .find_map(|word| line.strip_prefix(word))
        {
            let word = line.get(..line.len() - rest.len()).unwrap_or_default();
            let rest = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
            messages.push(format!("{word}1{rest}"));
        } else if line.contains(" at /usr/sbin/ldirectord line ") {
        } else if let Some(last) = messages.last_mut() {
            last.push('\n');
            last.push_str(line);
        }
    }
    for message in &mut messages {
        message.truncate(message.trim_end().len());
    }
    messages
}

/// What we think of a file, in the legacy's words. What only we say is left out.
pub(crate) fn ours(bytes: &[u8], name: &str) -> Opinion {
    let parsed = parse(bytes, name, &Machine);
    let said = parsed
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.origin == Origin::Legacy)
        .map(|diagnostic| {
            let plain = Diagnostic {
                advice: None,
                ..diagnostic.clone()
            };
            legacy_text(&plain, 1).trim_end().to_owned()
        })
        .collect();
    Opinion {
        accepted: parsed.value.is_some(),
        said,
    }
}

/// Whether we refuse a file for a reason that the legacy does not know.
pub(crate) fn refused_by_us_alone(bytes: &[u8]) -> bool {
    let parsed = parse(bytes, "", &Machine);
    let last = parsed.diagnostics.last();
    parsed.value.is_none() && last.is_some_and(|last| last.origin == Origin::Ours)
}

/// A kind of line that is judged otherwise on purpose, and why.
type Difference = (fn(&str) -> bool, &'static str);

/// What 4.12 refuses and we take, or the other way round. Those of `docs/compatibility.md` that a verdict can show.
const DIFFERENCES: &[Difference] = &[
    (
        |line| line.contains("fallback") && line.contains(":http"),
        "4.12 looks for the port's name among the udp services, too; one of the two is enough",
    ),
    (
        |line| {
            line.contains("netmask")
                && line.split(['=']).nth(1).is_some_and(|value| {
                    let value = value.split('#').next().unwrap_or_default().trim_start();
                    value.contains([' ', '\t', '\r']) || value.starts_with("300.")
                })
        },
        "2.1 takes a netmask with something behind it; one that does not exist is ignored with a warning",
    ),
    (
        |line| line.contains("real") && (line.contains(":80->") || line.contains("=::1 gate")),
        "a lone number is an address for 4.12: 80 is 0.0.0.80",
    ),
    (
        |line| line.contains("real") && line.contains("gate \"a\", \"c 3 d\""),
        "a number inside quotes is no weight",
    ),
];

/// Whether a line of the file is among [`DIFFERENCES`].
fn is_meant_to_differ(file: &[u8]) -> bool {
    String::from_utf8_lossy(file)
        .lines()
        .any(|line| DIFFERENCES.iter().any(|(applies, _)| applies(line)))
}

/// A virtual service whose port is none, with a fallback that should have that port: the legacy complains about the
/// fallback, we about the virtual service.
fn blames_the_fallback(ours: &Opinion, theirs: &Opinion) -> bool {
    let ends = |opinion: &Opinion, text: &str| {
        opinion.said.last().is_some_and(|last| last.ends_with(text))
    };
    ends(ours, "invalid address for virtual service")
        && ends(theirs, "invalid port for fallback server")
}

/// Asks both, and describes each difference.
pub(crate) fn differences(name: &str, files: &[Vec<u8>]) -> Vec<String> {
    let legacy = opinions(name, files);
    files
        .iter()
        .zip(legacy)
        .enumerate()
        .filter(|(_, (file, _))| !refused_by_us_alone(file) && !is_meant_to_differ(file))
        .filter_map(|(number, (file, theirs))| {
            let ours = ours(file, &format!("{number:05}.cf"));
            (ours != theirs && !blames_the_fallback(&ours, &theirs)).then(|| {
                format!(
                    "file {number} of {name}\n  legacy {theirs:?}\n  ours   {ours:?}\n{}",
                    String::from_utf8_lossy(file)
                )
            })
        })
        .collect()
}

/// A directory that vanishes with its value.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("ldirectord-legacy-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a directory can be made");
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
