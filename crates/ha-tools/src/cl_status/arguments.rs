//! The command line: a sub-command, then options and parameters in any order.

use std::ffi::OsString;

/// What may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subcommand {
    ClientStatus,
    HbLinkStatus,
    HbParameter,
    HbStatus,
    ListHbLinks,
    ListNodes,
    NodeSite,
    NodeStatus,
    NodeType,
    NodeWeight,
    RscStatus,
    Test,
}

/// Names of the sub-commands.
const SUBCOMMANDS: &[(&str, Subcommand)] = &[
    ("clientstatus", Subcommand::ClientStatus),
    ("hblinkstatus", Subcommand::HbLinkStatus),
    ("hbparameter", Subcommand::HbParameter),
    ("hbstatus", Subcommand::HbStatus),
    ("listhblinks", Subcommand::ListHbLinks),
    ("listnodes", Subcommand::ListNodes),
    ("nodesite", Subcommand::NodeSite),
    ("nodestatus", Subcommand::NodeStatus),
    ("nodetype", Subcommand::NodeType),
    ("nodeweight", Subcommand::NodeWeight),
    ("rscstatus", Subcommand::RscStatus),
    ("test", Subcommand::Test),
];

/// Octets of a name that are compared.
const NAME_COMPARED: usize = 16;

impl Subcommand {
    /// Looks a name up.
    pub(crate) fn from_word(word: &str) -> Option<Subcommand> {
        SUBCOMMANDS
            .iter()
            .find(|(name, _)| name.bytes().eq(word.bytes().take(NAME_COMPARED)))
            .map(|(_, subcommand)| *subcommand)
    }

    /// Its name.
    pub(crate) fn word(self) -> &'static str {
        SUBCOMMANDS
            .iter()
            .find(|(_, subcommand)| *subcommand == self)
            .map_or("", |(name, _)| *name)
    }
}

/// What follows the sub-command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// `-m`: for people to read.
    pub(crate) human: bool,
    /// `-n`: normal nodes.
    pub(crate) normal: bool,
    /// `-p` without a word behind it: ping nodes.
    pub(crate) ping: bool,
    /// `-v`: more, as release 3 has it.
    pub(crate) verbose: bool,
    /// `-p NAME` of `hbparameter`.
    pub(crate) parameter: Option<String>,
    /// All words that are no options.
    pub(crate) words: Vec<String>,
}

impl Arguments {
    /// Reads the words behind the sub-command.
    ///
    /// # Errors
    /// The text that `getopt(3)` would print for an option that does not exist, or lacks its value.
    pub(crate) fn parse(subcommand: Subcommand, args: &[OsString]) -> Result<Arguments, String> {
        let mut found = Arguments::default();
        let mut parser = lexopt::Parser::from_args(args);
        loop {
            let Ok(next) = parser.next() else {
                return Err("unexpected argument".to_owned());
            };
            let Some(argument) = next else {
                return Ok(found);
            };
            match (argument, subcommand) {
                (lexopt::Arg::Value(word), _) => {
                    found.words.push(word.to_string_lossy().into_owned());
                }
                (lexopt::Arg::Short('p'), Subcommand::HbParameter) => match parser.value() {
                    Ok(value) => {
                        found.parameter = Some(value.to_string_lossy().into_owned());
                    }
                    Err(_) => return Err("option requires an argument -- 'p'".to_owned()),
                },
                (lexopt::Arg::Short('m'), _) => found.human = true,
                (lexopt::Arg::Short('n'), Subcommand::ListNodes) => found.normal = true,
                (lexopt::Arg::Short('p'), Subcommand::ListNodes) => found.ping = true,
                (
                    lexopt::Arg::Short('v'),
                    Subcommand::HbStatus | Subcommand::ListNodes | Subcommand::ListHbLinks,
                ) => found.verbose = true,
                (lexopt::Arg::Short(letter), _) => {
                    return Err(format!("invalid option -- '{letter}'"));
                }
                (lexopt::Arg::Long(_), _) => return Err("invalid option -- '-'".to_owned()),
            }
        }
    }
}
