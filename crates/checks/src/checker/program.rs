//! Check programs of the administrator (`ldirectord.md` 6.3, external).

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use ha_config::ldirectord::External;
use ha_sys::child::Spawn;
use ha_sys::process::signal_group;
use ha_sys::signals::Signal;

/// How long a program that was told to end may take before it is killed.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// A check by a program.
#[derive(Debug)]
pub(crate) struct Program {
    /// What is run.
    pub(crate) command: External,
    /// Its limit, from its start.
    pub(crate) timeout: Duration,
    /// How far it is.
    pub(crate) stage: Stage,
}

/// Stages in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Waits for others to end.
    Queued,
    /// Runs under this pid.
    Running(u32),
    /// Was told to end; nobody waits for its outcome.
    Ending {
        /// Its pid.
        pid: u32,
        /// It was told with SIGKILL.
        killed: bool,
    },
}

/// Starts a program; its pid.
pub(crate) fn start(command: &External) -> io::Result<u32> {
    let (program, arguments) = words(command);
    let mut spawn = Spawn::new(program);
    spawn.arguments = arguments;
    spawn.environment = std::env::vars_os().collect();
    Ok(spawn.start()?.pid)
}

/// Tells a program and all that it started to end.
pub(crate) fn end(pid: u32, signal: Signal) {
    let _ = signal_group(pid, signal);
}

/// The program and its arguments. A command with shell characters is for the shell, as one string with the four words
/// behind it; any other is split at blanks.
fn words(command: &External) -> (OsString, Vec<OsString>) {
    if command.perl {
        let arguments = [&command.command]
            .into_iter()
            .chain(&command.arguments)
            .map(OsString::from)
            .collect();
        return ("perl".into(), arguments);
    }
    let line = format!("{} {}", command.command, command.arguments.join(" "));
    if needs_shell(&line) {
        return ("/bin/sh".into(), vec!["-c".into(), line.into()]);
    }
    let mut words = line
        .split_ascii_whitespace()
        .map(|word| OsString::from_vec(word.as_bytes().to_vec()));
    let program = words.next().unwrap_or_default();
    (program, words.collect())
}

/// As Perl's `system` judges, which the legacy used: characters that mean something to a shell, or an assignment in front.
fn needs_shell(line: &str) -> bool {
    let assignment = line
        .split_ascii_whitespace()
        .next()
        .is_some_and(|word| word.contains('='));
    assignment
        || line.trim_start().starts_with("exec ")
        || line.contains(|character| "$&*(){}[]'\";\\|?<>~`\n".contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(command: &str, perl: bool) -> Vec<String> {
        let (program, arguments) = words(&External {
            command: command.to_owned(),
            perl,
            arguments: ["192.168.6.66", "80", "192.168.6.42", "80"].map(str::to_owned),
        });
        std::iter::once(program)
            .chain(arguments)
            .map(|word| word.into_string().unwrap())
            .collect()
    }

    #[test]
    fn plain_commands_are_split_and_the_four_words_come_after() {
        assert_eq!(
            split("/x/chk  some arg", false),
            [
                "/x/chk",
                "some",
                "arg",
                "192.168.6.66",
                "80",
                "192.168.6.42",
                "80"
            ]
        );
    }

    #[test]
    fn shell_characters_bring_the_shell() {
        assert_eq!(
            split("\"/x/c k\" | cat", false),
            [
                "/bin/sh",
                "-c",
                "\"/x/c k\" | cat 192.168.6.66 80 192.168.6.42 80"
            ]
        );
        assert_eq!(split("A=1 /x", false)[..2], ["/bin/sh", "-c"]);
    }

    #[test]
    fn perl_runs_its_script() {
        assert_eq!(
            split("/x/chk.pl", true),
            [
                "perl",
                "/x/chk.pl",
                "192.168.6.66",
                "80",
                "192.168.6.42",
                "80"
            ]
        );
    }
}
