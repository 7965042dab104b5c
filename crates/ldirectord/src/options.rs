//! The command line (`ldirectord.md` 1).

use std::ffi::OsString;

use lexopt::prelude::*;

/// Printed on standard output when the command line makes no sense. Operators know it to be 31 lines long.
pub(crate) const USAGE: &str = "\
Usage:
    ldirectord [-d|--debug] [--] [CONFIG] COMMAND
    ldirectord [-h|-?|--help|-v|--version]

Commands:
    start         check the configuration and become the daemon
    stop          tell the daemon to clean the table and to end
    restart       stop, wait until it is done, start
    try-restart   restart, but only if it is running
    reload        tell the daemon to read its configuration again
    force-reload  the same
    status        say whether the daemon is running

Configuration:
    CONFIG is looked for in /etc/ha.d, in /etc/ha.d/conf, and then as it is.
    Without it the file is ldirectord.cf and the instance is called
    ldirectord; with it the instance has the name of the file.

Options:
    -d, --debug      stay in the foreground and tell every step
    -h, -?, --help   show the manual page
    -v, --version    show the version
    --               end of options; a configuration may begin with a dash
                     after it

Exit status:
    0    done          1    failed, or stale pid file
    2    configuration error
    3    status: the daemon is not running
    127  the manual page cannot be shown
    255  the command line makes no sense
";

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Start,
    Stop,
    Restart,
    TryRestart,
    /// `reload` and `force-reload`
    Reload,
    Status,
}

impl Command {
    fn from_word(word: &str) -> Option<Command> {
        Some(match word {
            "start" => Command::Start,
            "stop" => Command::Stop,
            "restart" => Command::Restart,
            "try-restart" => Command::TryRestart,
            "reload" | "force-reload" => Command::Reload,
            "status" => Command::Status,
            _ => return None,
        })
    }
}

/// A command for an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) command: Command,
    /// The command as it was written.
    pub(crate) command_word: String,
    /// `-d`
    pub(crate) debug: bool,
    /// The configuration as written, or `ldirectord.cf`.
    pub(crate) config: String,
    /// Names the pid file and stands in log lines.
    pub(crate) instance: String,
    /// All words, for the log.
    pub(crate) words: Vec<String>,
}

/// The command line, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Options {
    Call(Call),
    Help,
    Version,
}

/// The command line makes no sense: usage, exit 255.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsageError {
    /// For standard error.
    pub(crate) complaint: Option<String>,
}

impl Options {
    /// Understands the arguments (without the program's name). Options may be bundled, and only count before the first
    /// other word; words after the command are ignored.
    pub(crate) fn parse(
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Options, UsageError> {
        let mut debug = false;
        let mut words = Vec::new();
        let mut parser = lexopt::Parser::from_args(arguments);
        loop {
            match parser.next() {
                Ok(Some(Short('d') | Long("debug"))) => debug = true,
                Ok(Some(Short('h' | '?') | Long("help"))) => return Ok(Options::Help),
                Ok(Some(Short('v') | Long("version"))) => return Ok(Options::Version),
                Ok(Some(Short(letter))) => return Err(unknown(&letter.to_string())),
                Ok(Some(Long(name))) => return Err(unknown(name)),
                Ok(Some(Value(first))) => {
                    words.push(first);
                    let rest = parser.raw_args().map_err(|error| complaint(&error))?;
                    words.extend(rest);
                    break;
                }
                Ok(None) => break,
                Err(error) => return Err(complaint(&error)),
            }
        }
        let words: Vec<String> = words
            .into_iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let (config, command_word) = match words.as_slice() {
            [] => return Err(UsageError { complaint: None }),
            [command] => (None, command),
            [config, command, ..] => (Some(config), command),
        };
        let command = Command::from_word(command_word).ok_or(UsageError { complaint: None })?;
        Ok(Options::Call(Call {
            command,
            command_word: command_word.clone(),
            debug,
            config: config.map_or_else(|| "ldirectord.cf".to_owned(), String::clone),
            instance: config.map_or_else(|| "ldirectord".to_owned(), |config| instance_of(config)),
            words,
        }))
    }
}

/// The last part of the path, suffix included.
pub(crate) fn instance_of(config: &str) -> String {
    config.rsplit('/').next().unwrap_or(config).to_owned()
}

fn unknown(name: &str) -> UsageError {
    UsageError {
        complaint: Some(format!("Unknown option: {name}")),
    }
}

fn complaint(error: &lexopt::Error) -> UsageError {
    UsageError {
        complaint: Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, UsageError> {
        Options::parse(line.split_whitespace().map(OsString::from))
    }

    fn call(line: &str) -> Call {
        match parse(line) {
            Ok(Options::Call(call)) => call,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn one_word_is_the_command_and_two_are_configuration_and_command() {
        let alone = call("start");
        assert_eq!(
            (alone.config.as_str(), alone.instance.as_str(), alone.debug),
            ("ldirectord.cf", "ldirectord", false)
        );
        let named = call("-d /etc/ha.d/www.cf try-restart and more");
        assert_eq!(named.command, Command::TryRestart);
        assert_eq!(
            (named.config.as_str(), named.instance.as_str(), named.debug),
            ("/etc/ha.d/www.cf", "www.cf", true)
        );
        assert_eq!(
            named.words,
            ["/etc/ha.d/www.cf", "try-restart", "and", "more"]
        );
        assert_eq!(call("x.cf force-reload").command, Command::Reload);
        assert_eq!(call("x.cf force-reload").command_word, "force-reload");
    }

    #[test]
    fn options_end_at_the_first_word() {
        assert!(!call("x.cf start -d").debug);
        assert!(parse("start -d").is_err(), "a configuration called start");
        assert!(call("--debug -- start").debug);
        assert_eq!(call("-d -- -x stop").config, "-x");
        assert_eq!(parse("-dv start"), Ok(Options::Version));
        assert_eq!(parse("-?"), Ok(Options::Help));
        assert_eq!(parse("-d --help"), Ok(Options::Help));
    }

    #[test]
    fn nonsense_is_a_usage_error() {
        for line in ["", "-d", "begin", "x.cf begin", "start x.cf", "STOP"] {
            assert_eq!(parse(line), Err(UsageError { complaint: None }), "{line}");
        }
        for (line, name) in [
            ("-x start", "x"),
            ("-dx start", "x"),
            ("--foo start", "foo"),
            ("--deb start", "deb"),
        ] {
            let complaint = Some(format!("Unknown option: {name}"));
            assert_eq!(parse(line), Err(UsageError { complaint }), "{line}");
        }
        assert!(parse("--debug=yes start").is_err());
    }

    #[test]
    fn the_usage_text_has_its_length() {
        assert_eq!(USAGE.lines().count(), 31);
        assert_eq!(USAGE.lines().next(), Some("Usage:"));
    }
}
