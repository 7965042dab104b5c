//! The checks of real servers against real servers: Debian's daemons on hosts of their own, and peers that misbehave.
//!
//! A [`site::Scenario`] boots a host, sets up services there and looks at them with the checker, which runs inside the
//! host's network as a second life of this program ([`check`]). Every look is a test of its own in the report. Words on
//! the command line choose scenarios by part of their name.
//!
//! | module | responsible for |
//! |---|---|
//! | `check` | what to check, and running checks |
//! | `site` | a host with services, and what is expected of them |
//! | `needs` | Debian packages, and skipping without them |
//! | `peer` | peers that misbehave in many ways |
//! | `faults` | each service with each misbehaviour |
//! | `access`, `database`, `directory`, `ftp`, `mail`, `name`, `news`, `voice`, `web`, `plain` | real servers |
//! | `runner` | runs scenarios and reports |

mod access;
mod check;
mod database;
mod directory;
mod faults;
mod ftp;
mod mail;
mod name;
mod needs;
mod news;
mod peer;
mod plain;
mod runner;
mod site;
mod voice;
mod web;

fn main() {
    ha_lab::run_if_helper();
    check::run_if_checker();
    peer::run_if_peer();
    let scenarios = [
        access::SCENARIOS,
        database::SCENARIOS,
        directory::SCENARIOS,
        faults::SCENARIOS,
        ftp::SCENARIOS,
        mail::SCENARIOS,
        name::SCENARIOS,
        news::SCENARIOS,
        plain::SCENARIOS,
        voice::SCENARIOS,
        web::SCENARIOS,
    ]
    .concat();
    std::process::exit(runner::run(&scenarios));
}
