//! `IPaddr`, and what it has in common with `IPaddr2`: the resource scripts that hold an address, called as
//! `resource.d/IPaddr <spec> <operation>` (`resource-scripts.md` 1.3 and 2). All the work is in
//! [`ha_resources::address`].

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ha_net::Netlink;
use ha_resources::address::{
    self, AddressSpec, AgentLevel, AgentResult, AnnounceArguments, Operation, Site,
};
use ha_resources::{LogSettings, NativeAgent, Paths, ScriptLog};

use crate::agents::wrapper::{Parameter, Script, Wrapper};
use crate::{output, send_arp};

/// How often `monitor` of `IPaddr` tries.
const PINGS: u32 = 3;

/// What the first argument is made of.
const PARAMETERS: [Parameter; 4] = [
    Parameter {
        name: "ip",
        kind: "string",
        required: true,
        meaning: "The address.",
    },
    Parameter {
        name: "cidr_netmask",
        kind: "string",
        required: false,
        meaning: "Its netmask, in bits or dotted.",
    },
    Parameter {
        name: "nic",
        kind: "string",
        required: false,
        meaning: "The interface it shall be on, perhaps with a label.",
    },
    Parameter {
        name: "broadcast",
        kind: "string",
        required: false,
        meaning: "Its broadcast address.",
    },
];

/// `IPaddr`.
pub fn main(program: &OsStr, args: &[OsString]) -> i32 {
    let face = Face {
        name: "IPaddr",
        agent: NativeAgent::IpAddr,
        argument: "<ip-address>",
        announce: AnnounceArguments::IPADDR,
    };
    face.run(program, args)
}

/// One of the two scripts, seen from the command line.
pub(crate) struct Face {
    /// Its name in the log.
    pub(crate) name: &'static str,
    /// Its agent.
    pub(crate) agent: NativeAgent,
    /// Its first argument, for the usage line.
    pub(crate) argument: &'static str,
    /// How its addresses are announced.
    pub(crate) announce: AnnounceArguments,
}

impl Face {
    pub(crate) fn run(&self, program: &OsStr, args: &[OsString]) -> i32 {
        let [spec, operation] = args else {
            // A description needs no address.
            return match args {
                [only] if only == "meta-data" => self.describe(program),
                _ => self.usage(program),
            };
        };
        let spec = AddressSpec::parse(spec.as_bytes());
        let operation = match operation.to_str().unwrap_or_default() {
            // R1 never asks for this. The one answers with a ping, the other as for `status`.
            "monitor" if self.agent == NativeAgent::IpAddr => return ping(&spec.ip),
            "monitor" | "status" => Operation::Status,
            "start" => Operation::Start,
            "stop" => Operation::Stop,
            "usage" | "help" => return self.usage(program),
            "meta-data" => return self.describe(program),
            _ if operation.is_empty() => return self.refuse(program, "No action specfied."),
            _ => {
                return self.refuse(
                    program,
                    &format!("Unknown operation: {}", operation.display()),
                );
            }
        };
        self.act(operation, &spec)
    }

    fn act(&self, operation: Operation, spec: &AddressSpec) -> i32 {
        let mut kernel = match Netlink::open() {
            Ok(kernel) => kernel,
            Err(error) => {
                output::error(&format!("{error}\n"));
                return self.conclude("ERROR:  Generic error");
            }
        };
        let site = site();
        let result = address::run(self.agent, operation, spec, &site, &mut kernel);
        self.show(&result);
        if let Some(announcement) = &result.announce
            && let Err(error) = send_arp::start_in_background(&site, self.announce, announcement)
        {
            self.log().log(
                self.name,
                &format!("ERROR: Could not send gratuitous arps: {error}"),
            );
        }
        result.code
    }

    fn show(&self, result: &AgentResult) {
        for line in &result.stderr {
            output::error(&format!("{line}\n"));
        }
        let log = self.log();
        for line in &result.log {
            match line.level {
                AgentLevel::Debug => log.debug(self.name, &line.text),
                _ => log.log(self.name, &line.text),
            }
        }
        output::print(&result.output());
    }

    /// A last line without an agent's result.
    fn conclude(&self, line: &str) -> i32 {
        self.log().log(self.name, line);
        output::print(&format!("{line}\n"));
        1
    }

    fn refuse(&self, program: &OsStr, reason: &str) -> i32 {
        self.conclude(&format!("ERROR: {reason}"));
        self.usage(program)
    }

    /// The description for programs.
    fn describe(&self, program: &OsStr) -> i32 {
        let script = Script {
            name: self.name,
            arguments: self.argument,
            usage_word: "usage",
            usage_to_stderr: false,
            purpose: "Holds an IPv4 address.",
            parameters: &PARAMETERS,
        };
        Wrapper::new(script, program).describe()
    }

    fn usage(&self, program: &OsStr) -> i32 {
        let (program, argument) = (program.display(), self.argument);
        output::print(&format!(
            "usage: {program} {argument} (start|stop|status|usage|meta-data)\n"
        ));
        1
    }

    fn log(&self) -> ScriptLog {
        ScriptLog::new(LogSettings::from_environment(|name| env::var_os(name)))
    }
}

/// The machine's places; `HA_RSCTMP` and `HA_BIN` can move them.
fn site() -> Site {
    let paths = Paths::from_environment(|name| env::var_os(name));
    let library = match env::var_os("HA_BIN").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => Paths::library(Path::exists).to_owned(),
    };
    Site::new(&paths, &library, ha_sys::users::is_root())
}

/// `monitor` of `IPaddr`: does the address answer, from wherever? Says nothing.
fn ping(ip: &str) -> i32 {
    // A text that is no address could be an option or a name.
    if ip.parse::<std::net::Ipv4Addr>().is_err() {
        return 1;
    }
    let once = || {
        Command::new("ping")
            .args(["-c", "1", "-q", "-n", ip])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
    };
    let answered = (0..PINGS).any(|_| once().is_ok_and(|status| status.success()));
    i32::from(!answered)
}
