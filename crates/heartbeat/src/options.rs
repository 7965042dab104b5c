//! The command line (`install-and-cli.md` 6).

use std::ffi::OsString;

use ha_cluster::Held;
use lexopt::prelude::*;

/// What a call of the program is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Start the daemon.
    #[default]
    Start,
    /// `-k`
    Kill,
    /// `-s`
    Status,
    /// `-r`
    Reload,
    /// `-R`: we have executed ourselves anew.
    Restarted,
    /// `-D`
    ListDefaults,
    /// `-V`
    Version,
}

/// The command line, understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) mode: Mode,
    /// Number of `-d`.
    pub(crate) debug: i32,
    /// `-l`: neither real-time priority nor locked memory.
    pub(crate) ordinary: bool,
    /// `-M`: no resource management.
    pub(crate) unmanaged: bool,
    /// `-v`: print the effective configuration before detaching.
    pub(crate) verbose: bool,
    /// `-W`: lists in wiki markup.
    pub(crate) wiki: bool,
    /// `-C`, only with `-R`: what this node holds.
    pub(crate) held: Option<Held>,
    /// The words after the first of `-C`: whose groups these are. No legacy daemon says or reads them.
    pub(crate) owners: Vec<String>,
}

/// The command line asks for help or cannot be understood: usage, exit 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UsageError;

/// On standard error, after an empty line.
pub(crate) const USAGE: &str = "
Usage: heartbeat [-dDkMrRsvWlV] [-C Current-resource-state]
\t-C only valid with -R
\t-r is mutually exclusive with -R
";

impl Options {
    /// What a process that executes itself anew hands on. The legacy forgets all of it, and a daemon started with `-M`
    /// would begin to manage resources after a healed partition.
    pub(crate) fn lasting(&self) -> Vec<&'static str> {
        let mut words = vec!["-d"; usize::try_from(self.debug.clamp(0, 255)).unwrap_or(0)];
        words.extend(self.ordinary.then_some("-l"));
        words.extend(self.unmanaged.then_some("-M"));
        words
    }

    /// Understands the arguments (without the program's name). Options may be bundled; other words are ignored.
    pub(crate) fn parse(
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Options, UsageError> {
        let mut options = Options::default();
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next().map_err(|_| UsageError)? {
            match argument {
                Short('d') => options.debug = options.debug.saturating_add(1),
                Short('D') => options.mode = Mode::ListDefaults,
                Short('k') => options.mode = Mode::Kill,
                Short('l') => options.ordinary = true,
                Short('M') => options.unmanaged = true,
                Short('r') => options.mode = Mode::Reload,
                Short('R') => options.mode = Mode::Restarted,
                Short('s') => options.mode = Mode::Status,
                Short('v') => options.verbose = true,
                Short('V') => options.mode = Mode::Version,
                Short('W') => options.wiki = true,
                Short('C') => {
                    let word = parser.value().map_err(|_| UsageError)?;
                    let mut words = word.to_str().unwrap_or_default().split_ascii_whitespace();
                    let held = words.next().and_then(Held::from_word);
                    options.held = Some(held.ok_or(UsageError)?);
                    options.owners = words.map(str::to_owned).collect();
                }
                Value(_) => {}
                _ => return Err(UsageError),
            }
        }
        if options.held.is_some() && options.mode != Mode::Restarted {
            return Err(UsageError);
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, UsageError> {
        Options::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn options_may_be_bundled_and_words_are_ignored() {
        assert_eq!(parse(""), Ok(Options::default()));
        let expected = Options {
            debug: 3,
            ordinary: true,
            verbose: true,
            ..Options::default()
        };
        assert_eq!(parse("-ddl some words -vd"), Ok(expected));
        assert_eq!(parse("-s").map(|options| options.mode), Ok(Mode::Status));
    }

    #[test]
    fn the_state_belongs_to_a_restart() {
        let restarted = Options {
            mode: Mode::Restarted,
            held: Some(Held::ALL),
            ..Options::default()
        };
        assert_eq!(parse("-R -C all"), Ok(restarted.clone()));
        assert_eq!(parse("-RCall"), Ok(restarted.clone()));
        let words = ["-R", "-C", "all alpha gamma"].map(OsString::from);
        let owners = vec!["alpha".to_owned(), "gamma".to_owned()];
        assert_eq!(
            Options::parse(words.into_iter()),
            Ok(Options {
                owners,
                ..restarted
            })
        );
        assert_eq!(parse("-C all"), Err(UsageError));
        assert_eq!(parse("-R -C most"), Err(UsageError));
        assert_eq!(parse("-R -C"), Err(UsageError));
    }

    #[test]
    fn what_is_handed_on_is_understood_again() {
        let options = Options {
            debug: 2,
            ordinary: true,
            unmanaged: true,
            ..Options::default()
        };
        assert_eq!(parse(&options.lasting().join(" ")), Ok(options));
        assert!(Options::default().lasting().is_empty());
    }

    #[test]
    fn help_and_nonsense_are_the_same() {
        for line in ["-h", "-?", "-x", "--status", "-sx"] {
            assert_eq!(parse(line), Err(UsageError), "{line}");
        }
    }
}
