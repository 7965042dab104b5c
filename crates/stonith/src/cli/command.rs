//! `stonith` (`stonith.md` 2).

use std::ffi::OsString;

use ha_sys::terminal;

use super::help;
use super::options::{Options, UsageError, parse};
use crate::device::names;
use crate::{Code, Device, Kind, Level, Places, Refusal, Request, Say, Source, catalogue};

/// The version of the heartbeat replaced.
const VERSION: &str = "stonith: 2.1.4";

pub(super) fn main(program: &str, arguments: Vec<OsString>, places: &Places) -> u8 {
    let options = match parse(program, arguments) {
        Ok(options) => options,
        Err(error) => return usage(&error),
    };
    let silent = options.silent;
    let mut say = move |level: Level, text: &str| {
        if !silent {
            terminal::error(&format!("{}: {text}\n", level.word()));
        }
    };
    if options.help {
        return print_help(&options, places, &mut say);
    }
    if options.version {
        terminal::print(&format!("{VERSION}\n"));
        return 0;
    }
    if options.list_kinds {
        for kind in catalogue::list(places, &mut say) {
            terminal::print(&format!("{kind}\n"));
        }
        return 0;
    }
    let name = options.kind.clone().unwrap_or_default();
    let kind = match find(&name, places, &mut say) {
        Ok(kind) => kind,
        Err(Found::Missing) if options.names => {
            // A script that is not there has no parameters.
            terminal::print("\n");
            return 0;
        }
        // Without parameters the legacy complains of that first.
        Err(_) if !options.names && !options.metadata && !options.has_parameters() => {
            return usage(&UsageError(Some(NO_PARAMETERS.to_owned())));
        }
        Err(Found::Missing) => {
            terminal::error(&format!("Invalid config info for {name} device\n"));
            return Code::OOPS.0;
        }
        Err(Found::Unknown(advice)) => {
            say(Level::Error, &format!("Invalid device type: '{name}'"));
            if let Some(advice) = advice {
                say(Level::Info, &advice);
            }
            return Code::OOPS.0;
        }
    };
    if options.names {
        return print_names(&kind, places, &mut say);
    }
    if options.metadata {
        terminal::print(&help::metadata(&kind, places, &mut say));
        return 0;
    }
    let device = match configure(&options, kind, places, &mut say) {
        Ok(device) => device,
        Err(code) => return code,
    };
    work(&options, &name, &device, &mut say).0
}

const NO_PARAMETERS: &str =
    "Must specify either -p option, -F option, -E option, or name=value style arguments";

fn usage(error: &UsageError) -> u8 {
    if let Some(text) = &error.0 {
        terminal::error(&format!("{text}\n"));
    }
    terminal::error(help::USAGE);
    1
}

/// Why a type cannot be used.
enum Found {
    /// A script of type external that is not there.
    Missing,
    /// No such type.
    Unknown(Option<String>),
}

fn find(name: &str, places: &Places, say: &mut Say<'_>) -> Result<Kind, Found> {
    Kind::find(name, places).map_err(|unknown| {
        if name.starts_with("external/") {
            say(Level::Crit, &unknown.advice.unwrap_or_default());
            Found::Missing
        } else {
            Found::Unknown(unknown.advice)
        }
    })
}

fn print_help(options: &Options, places: &Places, say: &mut Say<'_>) -> u8 {
    let one = options.kind.as_deref();
    let kinds = match one {
        Some(name) => vec![name.to_owned()],
        None => {
            terminal::print(help::USAGE);
            terminal::print("\nSTONITH -t device types and associated configuration details:\n");
            catalogue::list(places, say)
        }
    };
    for name in kinds {
        match Kind::find(&name, places) {
            Ok(kind) => terminal::print(&help::section(&kind, places, say)),
            Err(unknown) => {
                terminal::error(&format!("Invalid device type: '{name}'\n"));
                if let Some(advice) = unknown.advice {
                    terminal::error(&format!("{advice}\n"));
                }
            }
        }
    }
    0
}

fn print_names(kind: &Kind, places: &Places, say: &mut Say<'_>) -> u8 {
    // Each is followed by two blanks, as scripts know it.
    let names = names(kind, places, say).unwrap_or_default();
    let line: String = names.iter().map(|name| format!("{name}  ")).collect();
    terminal::print(&format!("{line}\n"));
    0
}

fn configure(
    options: &Options,
    kind: Kind,
    places: &Places,
    say: &mut Say<'_>,
) -> Result<Device, u8> {
    let name = options.kind.clone().unwrap_or_default();
    let source = if let Some(text) = &options.text {
        Source::Text(text.clone())
    } else if let Some(path) = &options.file {
        match std::fs::read_to_string(path) {
            Ok(content) => Source::File(content),
            Err(error) => {
                say(Level::Crit, &format!("Cannot open {path}: {error}"));
                let text = format!("Invalid config file for {name} device.");
                say(Level::Error, &text);
                return Err(1);
            }
        }
    } else if options.environment {
        Source::Environment
    } else if !options.pairs.is_empty() || kind == Kind::Suicide {
        Source::Pairs(options.parameters())
    } else {
        return Err(usage(&UsageError(Some(NO_PARAMETERS.to_owned()))));
    };
    Device::new(kind, &source, places, say).map_err(|refusal| match (refusal, &source) {
        (Refusal::Broken(code), _) => {
            terminal::error(&format!("Invalid config info for {name} device\n"));
            code.0
        }
        (Refusal::Unusable, Source::File(_)) => {
            let text = format!("Invalid config file for {name} device.");
            say(Level::Error, &text);
            1
        }
        (Refusal::Unusable, Source::Text(text)) => {
            terminal::error(&format!("Invalid STONITH -p parameter [{text}]\n"));
            1
        }
        (Refusal::Unusable, _) => 1,
        (Refusal::Values { code, names, at }, _) => {
            if let Some(at) = at {
                terminal::error(&format!(
                    "{name} does not know the parameter {at}, or not this value of it\n"
                ));
            }
            terminal::error(&format!("Invalid config info for {name} device\n"));
            terminal::error("Valid config names are:\n");
            for name in names {
                terminal::error(&format!("\t{name}\n"));
            }
            code.0
        }
    })
}

/// Status, list and request, as often as wanted. The code of the last of them.
fn work(options: &Options, name: &str, device: &Device, say: &mut Say<'_>) -> Code {
    let mut code = Code::OK;
    for _ in 0..options.count {
        if options.status {
            code = device.status(say);
            if code.ok() {
                say(Level::Info, &format!("{name} device OK."));
            } else {
                say(Level::Error, &format!("{name} device not accessible."));
            }
        }
        if options.hosts {
            match device.hosts(say) {
                Ok(hosts) => {
                    code = Code::OK;
                    for host in hosts {
                        terminal::print(&format!("{host}\n"));
                    }
                }
                Err(failed) => {
                    say(Level::Error, &format!("Could not list hosts for {name}."));
                    code = failed;
                }
            }
        }
        if let Some(node) = &options.node {
            code = device.request(options.request.unwrap_or(Request::Reset), node, say);
        }
    }
    code
}
