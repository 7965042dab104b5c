//! What has been read so far, before defaults and globals are applied.

use std::time::Duration;

use ipvs::{Family, Netmask, Protocol, SchedulerFlags};

use super::address::{FallbackWords, RealWords, VirtualAddress};
use super::model::AlertStates;
use super::probe::{HttpMethod, ServiceCheck};

/// Settings that exist globally and in a virtual section; the section's wins.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    pub(super) check_timeout_s: Option<u32>,
    pub(super) negotiate_timeout_s: Option<u32>,
    pub(super) check_count: Option<u32>,
    pub(super) check_interval_s: Option<u32>,
    pub(super) failure_count: Option<u32>,
    pub(super) fallback: Option<FallbackDraft>,
    pub(super) fallback6: Option<FallbackDraft>,
    pub(super) fallback_command: Option<String>,
    pub(super) quiescent: Option<bool>,
    pub(super) clean_stop: Option<bool>,
    pub(super) email_alert: Option<String>,
    pub(super) email_frequency: Option<Duration>,
    pub(super) email_states: Option<AlertStates>,
    pub(super) smtp: Option<String>,
    pub(super) tls_verify: Option<bool>,
    pub(super) tls_ca_file: Option<String>,
}

/// A fallback whose name is looked up; its port may still have to come from the virtual service.
#[derive(Clone, Debug)]
pub(super) struct FallbackDraft {
    pub(super) words: FallbackWords,
    pub(super) address: std::net::IpAddr,
    /// For tcp and for udp; none: not given.
    pub(super) port_tcp: Option<u16>,
    pub(super) port_udp: Option<u16>,
}

/// The global part.
#[derive(Clone, Debug, Default)]
pub(super) struct Globals {
    pub(super) shared: Shared,
    pub(super) auto_reload: bool,
    pub(super) callback: Option<String>,
    pub(super) log_file: Option<String>,
    pub(super) execute: Vec<String>,
    pub(super) supervised: bool,
    pub(super) fork: bool,
    pub(super) readd_quiescent: Option<bool>,
    pub(super) email_from: Option<String>,
    pub(super) maintenance_dir: Option<String>,
}

/// What `checktype` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum CheckType {
    #[default]
    Negotiate,
    Connect,
    Ping,
    Off,
    On,
    External,
    ExternalPerl,
    Combined(u32),
}

impl CheckType {
    /// As in check identities.
    pub(super) fn word(self) -> &'static str {
        match self {
            CheckType::Negotiate => "negotiate",
            CheckType::Connect => "connect",
            CheckType::Ping => "ping",
            CheckType::Off => "off",
            CheckType::On => "on",
            CheckType::External => "external",
            CheckType::ExternalPerl => "external-perl",
            CheckType::Combined(_) => "combined",
        }
    }
}

/// What `service` says; `None` in the option is the word `none`.
pub(super) type ServiceWord = Option<ServiceCheck>;

/// What `protocol` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProtocolWord {
    Transport(Protocol),
    Mark,
}

/// A virtual section.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) line: usize,
    pub(super) address: VirtualAddress,
    pub(super) shared: Shared,
    /// With its line, not looked up yet.
    pub(super) fallback: Option<(usize, FallbackWords)>,
    /// With their lines; none: no address and method to be found. Judged at the end of the section, as by the legacy.
    pub(super) reals: Vec<(usize, Option<RealWords>)>,
    pub(super) check_type: CheckType,
    pub(super) service: Option<ServiceWord>,
    pub(super) check_command: Option<String>,
    pub(super) check_port: Option<u16>,
    pub(super) request: Vec<u8>,
    pub(super) receive: Vec<u8>,
    pub(super) http_method: HttpMethod,
    pub(super) virtual_host: Option<Vec<u8>>,
    pub(super) login: Vec<u8>,
    pub(super) password: Vec<u8>,
    pub(super) database: Vec<u8>,
    pub(super) secret: Vec<u8>,
    pub(super) scheduler: String,
    pub(super) persistent_s: Option<u32>,
    pub(super) netmask: Option<Netmask>,
    pub(super) protocol: Option<ProtocolWord>,
    pub(super) monitor_file: Option<String>,
    pub(super) one_packet: bool,
    pub(super) scheduler_flags: SchedulerFlags,
    pub(super) service_name: Option<String>,
    pub(super) comment: Option<String>,
    /// Line of a `checkinterval` of its own.
    pub(super) check_interval_line: Option<usize>,
    /// Line of an empty `virtualhost`.
    pub(super) empty_host_line: Option<usize>,
    /// Line of `receive`; that of the section if there is none.
    pub(super) receive_line: usize,
}

impl Section {
    pub(super) fn new(line: usize, address: VirtualAddress) -> Section {
        Section {
            line,
            address,
            shared: Shared::default(),
            fallback: None,
            reals: Vec::new(),
            check_type: CheckType::default(),
            service: None,
            check_command: None,
            check_port: None,
            request: b"/".to_vec(),
            receive: Vec::new(),
            http_method: HttpMethod::Get,
            virtual_host: None,
            login: Vec::new(),
            password: Vec::new(),
            database: Vec::new(),
            secret: Vec::new(),
            scheduler: "wrr".to_owned(),
            persistent_s: None,
            netmask: None,
            protocol: None,
            monitor_file: None,
            one_packet: false,
            scheduler_flags: SchedulerFlags::default(),
            service_name: None,
            comment: None,
            check_interval_line: None,
            empty_host_line: None,
            receive_line: line,
        }
    }

    pub(super) fn family(&self) -> Family {
        match &self.address {
            VirtualAddress::Address { family, .. } | VirtualAddress::Mark { family, .. } => *family,
        }
    }
}
