//! Directives of the global part (`ldirectord.md` 4.1).
//!
//! Everything acts the moment it is met, as in the legacy.

use super::draft::Globals;
use super::host::Host;
use super::shared::shared;
use super::table::{self, Place};
use super::taken::{Result, Taken, refuse, remark, warn, yes_or_no};
use super::value::{assignment, first_word, quoted, text};

/// A line of the global part.
pub(super) fn global(line: &[u8], globals: &mut Globals, host: &dyn Host) -> Taken {
    if line.trim_ascii_end() == b"supervised" {
        globals.supervised = true;
        return Taken::Yes(vec![warn(
            "bare-supervised",
            "please update your config not to use a bare supervised directive",
        )]);
    }
    if first_word(line) == b"supervised" && assignment("supervised", line).is_none() {
        return Taken::Refused(refuse("yes-or-no", "supervised must be 'yes' or 'no'"));
    }
    let Some((directive, value)) = table::find(line, Place::Global) else {
        return Taken::Unknown;
    };
    let keyword = directive.name;
    if directive.place == Place::Both {
        return shared(keyword, value, &mut globals.shared, None, host);
    }
    let flag = |target: &mut bool| -> Result<()> {
        *target = yes_or_no(keyword, value)?;
        Ok(())
    };
    match keyword {
        "timeout" => Taken::Refused(refuse(
            "timeout-deprecated",
            "timeout directive deprecated in favour of checktimeout and negotiatetimeout",
        )),
        "autoreload" => flag(&mut globals.auto_reload).into(),
        "supervised" => flag(&mut globals.supervised).into(),
        "fork" => flag(&mut globals.fork).into(),
        "readdquiescent" => yes_or_no(keyword, value)
            .map(|yes| globals.readd_quiescent = Some(yes))
            .into(),
        "callback" => match quoted(value) {
            None => Taken::Unknown,
            Some(path) => {
                globals.callback = (!path.is_empty()).then(|| text(path));
                Taken::Yes(Vec::new())
            }
        },
        "logfile" => match quoted(value) {
            None => Taken::Unknown,
            Some(b"") => {
                globals.log_file = None;
                Taken::Yes(vec![remark(
                    "logfile",
                    "an empty logfile is none: the default is used",
                )])
            }
            Some(path) => log_file(&text(path), globals, host).into(),
        },
        "execute" => {
            globals.execute.push(text(value));
            Taken::Yes(Vec::new())
        }
        "emailalertfrom" if value.is_empty() => {
            Taken::Refused(refuse("emailalertfrom", "no email from address specified"))
        }
        "emailalertfrom" => {
            globals.email_from = Some(text(value));
            Taken::Yes(Vec::new())
        }
        "maintenancedir" if value.is_empty() => Taken::Refused(refuse(
            "maintenancedir",
            "maintenance directory not specified",
        )),
        "maintenancedir" => {
            let directory = text(value);
            let missing = !host.is_directory(&directory);
            globals.maintenance_dir = Some(directory);
            Taken::Yes(if missing {
                vec![warn(
                    "no-maintenancedir",
                    "maintenance directory does not exist",
                )]
            } else {
                Vec::new()
            })
        }
        _ => Taken::Unknown,
    }
}

fn log_file(path: &str, globals: &mut Globals, host: &dyn Host) -> Result<()> {
    if path.starts_with('/') && host.can_append(path).is_err() {
        return Err(refuse("logfile", format!("unable to open logfile: {path}")));
    }
    globals.log_file = Some(path.to_owned());
    Ok(())
}
