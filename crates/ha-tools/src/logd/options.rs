//! The command line of `ha_logd`, read as getopt does: options in any order, what is no option is passed over.

use std::ffi::OsString;

use lexopt::{Arg, Parser};

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) asked: Asked,
    /// `-c`.
    pub(super) configuration: Option<String>,
    /// `-v`.
    pub(super) verbose: bool,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Be the daemon.
    Serve {
        /// `-d`: in the background.
        detached: bool,
    },
    /// `-k`
    Stop,
    /// `-s`
    Status,
    /// `-h`, or something wrong, said in getopt's words.
    Usage { complaint: Option<String> },
}

impl Options {
    pub(super) fn parse(args: &[OsString]) -> Options {
        let mut options = Options {
            asked: Asked::Serve { detached: false },
            configuration: None,
            verbose: false,
        };
        let mut parser = Parser::from_args(args);
        if let Err(complaint) = options.read(&mut parser) {
            options.asked = Asked::Usage { complaint };
        }
        options
    }

    fn read(&mut self, parser: &mut Parser) -> Result<(), Option<String>> {
        while let Some(arg) = parser.next().map_err(|error| Some(error.to_string()))? {
            match arg {
                Arg::Short('d') if matches!(self.asked, Asked::Serve { .. }) => {
                    self.asked = Asked::Serve { detached: true };
                }
                // Whoever asks or stops starts nothing.
                Arg::Short('d') => {}
                Arg::Short('k') if self.asked == Asked::Status => {}
                Arg::Short('k') => self.asked = Asked::Stop,
                Arg::Short('s') => self.asked = Asked::Status,
                Arg::Short('v') => self.verbose = true,
                Arg::Short('c') => {
                    let missing = |_| Some("option requires an argument -- 'c'".to_owned());
                    let value = parser.value().map_err(missing)?;
                    self.configuration = Some(value.to_string_lossy().into_owned());
                }
                Arg::Short('h') => return Err(None),
                Arg::Short(letter) => return Err(Some(format!("invalid option -- '{letter}'"))),
                Arg::Long(name) => return Err(Some(format!("unrecognized option '--{name}'"))),
                Arg::Value(_) => {}
            }
        }
        Ok(())
    }
}

/// What `-h` prints.
pub(super) fn usage(program: &str) -> String {
    format!(
        "usage: \n{program} [options]\n\noptions: \n\
         -d\tmake the program a daemon\n\
         -k\tstop the logging daemon if it is already running\n\
         -s\treturn logging daemon status \n\
         -c\tuse this config file\n\
         -v\tverbosely print debug messages\n\
         -h\tprint out this message\n\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Options {
        let args: Vec<OsString> = words.split_whitespace().map(OsString::from).collect();
        Options::parse(&args)
    }

    #[test]
    fn options_are_read_as_getopt_does() {
        let serve = |detached| Asked::Serve { detached };
        assert_eq!(parse("").asked, serve(false));
        assert_eq!(parse("extra").asked, serve(false));
        let both = parse("-dvc /x");
        assert_eq!((both.asked, both.verbose), (serve(true), true));
        assert_eq!(both.configuration.as_deref(), Some("/x"));
        assert_eq!(parse("-s -d").asked, Asked::Status);
        assert_eq!(parse("-k -v").asked, Asked::Stop);
        assert_eq!(parse("-h").asked, Asked::Usage { complaint: None });
        let complaint = |words| match parse(words).asked {
            Asked::Usage { complaint } => complaint.unwrap_or_default(),
            other => format!("{other:?}"),
        };
        assert_eq!(complaint("-d -z"), "invalid option -- 'z'");
        assert_eq!(complaint("-c"), "option requires an argument -- 'c'");
    }
}
