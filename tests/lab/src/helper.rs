//! The second life of the program that uses the laboratory.
//!
//! Namespaces are entered by a fresh process that then becomes pid 1 of a host (or the keeper of a lab).
//! Instead of installing a helper program somewhere, the harness starts the running executable again with
//! a marker argument; [`run_if_helper`] recognises the marker and never returns then.

use std::collections::HashMap;
use std::process::exit;

use crate::machine::{self, GuestProgram, guest, keeper};
use crate::{
    LabError, Result, api_client, browser, crowd, init, listener, namespaces, probe, rootfs, send,
    spinner, web,
};

/// The first argument of a helper process.
pub(crate) const MARKER: &str = "--ha-lab-helper";

/// Runs the helper and exits if this process was started as one; returns at once otherwise.
///
/// Call this first in `main` of every program that makes a [`crate::Lab`], before any thread exists.
pub fn run_if_helper() {
    run_if_helper_or(&[]);
}

/// As [`run_if_helper`], for programs that boot a [`crate::UserModeKernel`] and run functions of their own in it.
pub fn run_if_helper_or(programs: &[GuestProgram]) {
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() != Some(MARKER) {
        return;
    }
    let role = words.next().unwrap_or_default();
    let options = Options(
        words
            .filter_map(|word| {
                word.split_once('=')
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
            })
            .collect(),
    );
    let done = match role.as_str() {
        "lab" => namespaces::lab_outer(&options),
        "lab-init" => init::lab_init(&options),
        "stage" => rootfs::prepare_stage(&options),
        "host" => namespaces::host_outer(&options),
        "host-init" => init::host_init(&options),
        "kernel" => keeper::kernel_outer(&options),
        "kernel-init" => keeper::kernel_init(&options),
        "guest-init" => guest::guest_init(&options),
        "guest-server" => guest::guest_server(&options),
        "job" => machine::job_outer(&options),
        "job-init" => machine::job_init(&options),
        "job-main" => machine::job_main(&options, programs),
        "probe" => probe::run(&options),
        "send" => send::run(&options),
        "web" => web::run(&options),
        "browse" => browser::run(&options),
        "api-client" => api_client::run(&options),
        "crowd" => crowd::run(&options),
        "listen" => listener::run(&options),
        "spin" => spinner::run(&options),
        _ => Err(LabError::unexpected(format!(
            "unknown helper role {role:?}"
        ))),
    };
    match done {
        Ok(()) => exit(0),
        Err(error) => {
            eprintln!("lab helper {role}: {error}");
            exit(1)
        }
    }
}

/// The `key=value` arguments of a helper.
pub(crate) struct Options(HashMap<String, String>);

impl Options {
    /// The value of an option, or an error naming the missing one.
    pub(crate) fn get(&self, key: &str) -> Result<&str> {
        self.find(key)
            .ok_or_else(|| LabError::unexpected(format!("helper option {key} is missing")))
    }

    /// The value of an option that may be absent, as it was given, empty or not.
    pub(crate) fn given(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// The value of an option that may be absent; an empty value counts as absent.
    pub(crate) fn find(&self, key: &str) -> Option<&str> {
        self.0
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// A number.
    pub(crate) fn number<T: std::str::FromStr>(&self, key: &str) -> Result<T> {
        let text = self.get(key)?;
        text.parse().map_err(|_| {
            LabError::unexpected(format!("helper option {key}={text} is not a number"))
        })
    }

    /// All options as arguments for a further helper process.
    pub(crate) fn as_arguments(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|(key, value)| format!("{key}={value}"))
    }
}
