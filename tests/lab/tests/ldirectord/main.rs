//! ldirectord on a real IPVS: in a user-mode kernel, seen from outside, for the legacy or for ours.
//!
//! `LDIRECTORD_UNDER_TEST` chooses (`ours`, the default, or `legacy`: Debian's package). Words on the command line choose
//! tests by part of their name; `HA_LAB_WORKERS` says how many scenarios run at a time. Where the machine has no
//! user-mode kernel everything is skipped, and the reason is said.
//!
//! `--sh SCRIPT` runs a shell script in a kernel with the one under test installed, for looking into things by hand.

mod differences;
mod director;
mod expectation;
mod ipvs_socket;
mod judgement;
mod kernel;
mod leftovers;
mod netlink_monitor;
mod player;
mod real_server;
mod resilience;
mod runner;
mod scenario;
mod scenarios;
mod scene;
mod texts;

fn main() {
    let mut programs = vec![
        scenarios::PROGRAM,
        resilience::PROGRAM,
        ipvs_socket::PROGRAM,
    ];
    programs.extend_from_slice(kernel::PROGRAMS);
    ha_lab::run_if_helper_or(&programs);
    if std::env::args().any(|word| word == kernel::VICTIM) {
        let lived = kernel::be_a_victim();
        std::process::exit(i32::from(lived.is_err()));
    }
    let mut words = std::env::args().skip_while(|word| word != "--sh").skip(1);
    std::process::exit(match words.next() {
        Some(script) => runner::run_script(&script),
        None => runner::run(),
    });
}
