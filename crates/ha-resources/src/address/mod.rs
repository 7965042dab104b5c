//! The address agents `IPaddr` and `IPaddr2`, as functions that need no process.
//!
//! [`IpAddr`] and [`IpAddr2`] do what the legacy's scripts of these names do when R1 resource management calls them:
//! same addresses and labels in the kernel, same lines on standard output, same exit codes, same log lines
//! (`resource-scripts.md` 2, 5 and 6). Each operation takes well under a millisecond and waits for nobody, so that the
//! daemon calls it from its event loop; the command-line tools call the same code.
//!
//! The kernel is reached through [`Kernel`] only; state files lie below [`Site::scratch`]. An announcement is returned as
//! a value ([`AgentResult::announce`]) and driven by the caller.

mod alias;
mod findif;
mod ipaddr;
mod ipaddr2;
mod kernel;
mod removal;
mod report;
mod site;
mod spec;
#[cfg(test)]
mod testing;

pub use findif::{FindIfError, Found, Request, find_interface};
pub use ipaddr::IpAddr;
pub use ipaddr2::IpAddr2;
pub use kernel::Kernel;
pub use report::{AgentLevel, AgentLine, AgentResult, Kind, closing_line, ocf};
pub use site::{AnnounceArguments, Site};
pub use spec::AddressSpec;

use crate::{Action, Invocation, NativeAgent};

/// What R1 resource management wants of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Take the address.
    Start,
    /// Give it up.
    Stop,
    /// Is it here?
    Status,
}

/// Runs an agent.
pub fn run(
    agent: NativeAgent,
    operation: Operation,
    spec: &AddressSpec,
    site: &Site,
    kernel: &mut dyn Kernel,
) -> AgentResult {
    let (one, two) = (IpAddr::new(spec, site), IpAddr2::new(spec, site));
    match (agent, operation) {
        (NativeAgent::IpAddr, Operation::Start) => one.start(kernel),
        (NativeAgent::IpAddr, Operation::Stop) => one.stop(kernel),
        (NativeAgent::IpAddr, Operation::Status) => one.status(kernel),
        (NativeAgent::IpAddr2, Operation::Start) => two.start(kernel),
        (NativeAgent::IpAddr2, Operation::Stop) => two.stop(kernel),
        (NativeAgent::IpAddr2, Operation::Status) => two.status(kernel),
    }
}

/// Does in-process what an invocation asks for. `None` when it must be run as a program: it is not for an agent of ours,
/// or its arguments are wrong and the program is to say so.
pub fn run_invocation(
    invocation: &Invocation,
    site: &Site,
    kernel: &mut dyn Kernel,
) -> Option<AgentResult> {
    let [argument] = invocation.arguments.as_slice() else {
        return None;
    };
    let operation = match invocation.action {
        Action::Start => Operation::Start,
        Action::Stop => Operation::Stop,
        Action::Status => Operation::Status,
        Action::LocalGive => return None,
    };
    let spec = AddressSpec::parse(argument.as_bytes());
    Some(run(invocation.native?, operation, &spec, site, kernel))
}
