//! The options of `stonith`, and the order in which they are judged (`stonith.md` 2).

use std::ffi::OsString;

use lexopt::prelude::*;

use crate::{Parameters, Request};

/// The options as meant.
#[derive(Default)]
pub(super) struct Options {
    pub(super) kind: Option<String>,
    pub(super) list_kinds: bool,
    pub(super) names: bool,
    pub(super) metadata: bool,
    pub(super) hosts: bool,
    pub(super) status: bool,
    pub(super) silent: bool,
    pub(super) help: bool,
    pub(super) version: bool,
    pub(super) environment: bool,
    pub(super) text: Option<String>,
    pub(super) file: Option<String>,
    pub(super) pairs: Vec<(String, String)>,
    pub(super) request: Option<Request>,
    pub(super) count: u32,
    pub(super) node: Option<String>,
}

/// What to say before the usage text, if anything.
pub(super) struct UsageError(pub(super) Option<String>);

/// Most `name=value` arguments.
const PAIRS_MAX: usize = 50;

pub(super) fn parse(program: &str, arguments: Vec<OsString>) -> Result<Options, UsageError> {
    let mut options = Options {
        count: 1,
        ..Options::default()
    };
    let mut operands = Vec::new();
    // The legacy notes every mistake and refuses in the end; the first is as good.
    let mut parser = lexopt::Parser::from_args(arguments);
    loop {
        let text = |parser: &mut lexopt::Parser, letter: char| {
            let missing = || {
                let text = format!("{program}: option requires an argument -- '{letter}'");
                UsageError(Some(text))
            };
            let value = parser.value().map_err(|_| missing())?;
            value.into_string().map_err(|_| UsageError(None))
        };
        let Ok(argument) = parser.next() else {
            return Err(UsageError(None));
        };
        match argument {
            None => break,
            Some(Short('t')) => options.kind = Some(text(&mut parser, 't')?),
            Some(Short('L')) => options.list_kinds = true,
            Some(Short('n')) => options.names = true,
            Some(Short('m')) => options.metadata = true,
            Some(Short('l')) => options.hosts = true,
            Some(Short('S')) => options.status = true,
            Some(Short('s')) => options.silent = true,
            Some(Short('h')) => options.help = true,
            Some(Short('V')) => options.version = true,
            Some(Short('E')) => options.environment = true,
            Some(Short('v' | 'd')) => {}
            Some(Short('p')) => options.text = Some(text(&mut parser, 'p')?),
            Some(Short('F')) => options.file = Some(text(&mut parser, 'F')?),
            Some(Short('T')) => {
                let word = text(&mut parser, 'T')?;
                let bad = || UsageError(Some(format!("bad reset type [{word}]")));
                options.request = Some(Request::from_word(&word).ok_or_else(bad)?);
            }
            Some(Short('c')) => {
                let word = text(&mut parser, 'c')?;
                let bad = || UsageError(Some(format!("bad count [{word}]")));
                options.count = word.parse().ok().filter(|n| *n > 0).ok_or_else(bad)?;
            }
            Some(Value(value)) => {
                operands.push(value.into_string().map_err(|_| UsageError(None))?);
            }
            Some(Short(letter)) => {
                let text = format!("{program}: invalid option -- '{letter}'");
                return Err(UsageError(Some(text)));
            }
            Some(Long(name)) => {
                let text = format!("{program}: unrecognized option '--{name}'");
                return Err(UsageError(Some(text)));
            }
        }
    }
    let mut operands = operands.into_iter().peekable();
    while let Some((name, value)) = operands.peek().and_then(|word| word.split_once('=')) {
        options.pairs.push((name.to_owned(), value.to_owned()));
        operands.next();
    }
    let rest: Vec<String> = operands.collect();
    options.judge(rest)?;
    Ok(options)
}

impl Options {
    fn judge(&mut self, rest: Vec<String>) -> Result<(), UsageError> {
        if self.help || self.version {
            return Ok(());
        }
        let refuse = |text: &str| Err(UsageError(Some(text.to_owned())));
        match (self.file.is_some(), self.text.is_some(), self.environment) {
            (true, true, false) => return refuse("Cannot include both -F and -p options"),
            (true, _, true) | (_, true, true) => {
                return refuse("Please use just one of -F, -p, and -E options");
            }
            _ => {}
        }
        if !self.pairs.is_empty() {
            let other = match () {
                () if self.text.is_some() => Some("-p"),
                () if self.file.is_some() => Some("-F"),
                () if self.environment => Some("-E"),
                () => None,
            };
            if let Some(other) = other {
                return refuse(&format!(
                    "Cannot include both {other} and name=value style arguments"
                ));
            }
        }
        if self.pairs.len() > PAIRS_MAX {
            return refuse("Too many name=value style arguments");
        }
        let asks = self.status || self.hosts || self.list_kinds || self.names || self.metadata;
        match rest.len() {
            0 if asks => {}
            // cluster-glue takes a node beside -S and -l; the request follows the question then.
            1 => self.node = rest.into_iter().next(),
            _ => return Err(UsageError(None)),
        }
        if self.list_kinds {
            return Ok(());
        }
        if self.kind.is_none() {
            return refuse("Must specify device type (-t option)");
        }
        Ok(())
    }

    /// Parameters were given in some form.
    pub(super) fn has_parameters(&self) -> bool {
        self.text.is_some() || self.file.is_some() || self.environment || !self.pairs.is_empty()
    }

    /// The pairs, if there are any.
    pub(super) fn parameters(&self) -> Parameters {
        Parameters::new(self.pairs.clone())
    }
}
