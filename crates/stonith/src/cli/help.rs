//! The texts of `stonith`.

use std::fmt::Write as _;

use crate::device::{About, names};
use crate::{Kind, Places, Say};

pub(super) const USAGE: &str = "usage:\n\
    \t stonith [-svh] -L\n\
    \t stonith [-svh] -t stonith-device-type -n\n\
    \t stonith [-svh] -t stonith-device-type -m\n\
    \t stonith [-svh] -t stonith-device-type {-p stonith-device-parameters | -F stonith-device-parameters-file | -E | name=value...} [-c count] -lS\n\
    \t stonith [-svh] -t stonith-device-type {-p stonith-device-parameters | -F stonith-device-parameters-file | -E | name=value...} [-c count] -T {reset|on|off} nodename\n\
    \n\
    where:\n\
    \t-L\tlist supported stonith device types\n\
    \t-l\tlist hosts controlled by this stonith device\n\
    \t-S\treport stonith device status\n\
    \t-s\tsilent\n\
    \t-v\tverbose\n\
    \t-n\toutput the config names of stonith-device-parameters\n\
    \t-m\tdisplay meta-data of the stonith device type\n\
    \t-h\tdisplay detailed help message with stonith device description(s)\n";

/// The section of one type.
pub(super) fn section(kind: &Kind, places: &Places, say: &mut Say<'_>) -> String {
    let about = About::kind(kind, places, say);
    let name = kind.name();
    let mut text = format!("\n\nSTONITH Device: {name} - {}\n", about.description);
    if !about.url.trim().is_empty() {
        let _ = writeln!(text, "For more information see {}", about.url);
    }
    let _ = writeln!(
        text,
        "List of valid parameter names for {name} STONITH device:"
    );
    for parameter in names(kind, places, say).unwrap_or_default() {
        let _ = writeln!(text, "\t{parameter}");
    }
    text.push_str(if kind.takes_names() {
        "For Config info [-p] syntax, give name=value words, separated by white space.\n\
         Config file [-F] syntax is one name=value a line; # at the start of a line\n\
         denotes a comment\n"
    } else {
        "For Config info [-p] syntax, give each of the above parameters in order as\n\
         the -p value.\n\
         Arguments are separated by white space.\n\
         Config file [-F] syntax is the same as -p, except # at the start of a line\n\
         denotes a comment\n"
    });
    text
}

/// `-m`
pub(super) fn metadata(kind: &Kind, places: &Places, say: &mut Say<'_>) -> String {
    let about = About::kind(kind, places, say);
    format!(
        "<?xml version=\"1.0\"?>\n\
         <!DOCTYPE resource-agent SYSTEM \"ra-api-1.dtd\">\n\
         <resource-agent name=\"{name}\">\n\
         <version>1.0</version>\n\
         <longdesc lang=\"en\">\n{long}\n</longdesc>\n\
         <shortdesc lang=\"en\">{short}</shortdesc>\n\
         {xml}\n\
         <actions>\n\
         <action name=\"start\"   timeout=\"20\" />\n\
         <action name=\"stop\"    timeout=\"15\" />\n\
         <action name=\"status\"  timeout=\"20\" />\n\
         <action name=\"monitor\" timeout=\"20\" interval=\"3600\" />\n\
         <action name=\"meta-data\"  timeout=\"15\" />\n\
         </actions>\n\
         <special tag=\"heartbeat\">\n\
         <version>2.0</version>\n\
         </special>\n\
         </resource-agent>\n",
        name = kind.name(),
        long = about.description,
        short = about.device,
        xml = about.xml,
    )
}
