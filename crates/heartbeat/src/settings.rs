//! From the configuration to what the core and the media need.

use ha_cluster::{
    ApiSettings, AutoFailback, MediumKind, MediumSpec, NodeKind, NodeSpec, RestartState,
};
use ha_config::{Config, HEARTBEAT_VERSION, HaCf, Medium};
use ha_sys::media::MediumSetup;

use crate::fencing::Device;

/// Who we are in this life: what does not stand in ha.cf.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) uuid: [u8; 16],
    pub(crate) generation: u64,
    pub(crate) seed: u64,
    pub(crate) pid: u32,
    pub(crate) managed: bool,
    pub(crate) restart: Option<RestartState>,
}

/// The core's configuration.
pub(crate) fn core_config(
    config: &Config,
    identity: &Identity,
    fencing: &[Device],
) -> ha_cluster::Config {
    let ha_cf = &config.ha_cf;
    ha_cluster::Config {
        local: config.local_node.clone(),
        uuid: identity.uuid,
        generation: identity.generation,
        nodes: ha_cf.nodes.iter().map(node).collect(),
        media: ha_cf.media.iter().map(medium).collect(),
        keepalive: ha_cf.keepalive,
        deadtime: ha_cf.deadtime,
        deadping: ha_cf.deadping,
        warntime: ha_cf.warntime,
        initdead: ha_cf.initdead,
        auto_failback: match ha_cf.auto_failback {
            ha_config::AutoFailback::On => AutoFailback::On,
            ha_config::AutoFailback::Off => AutoFailback::Off,
            ha_config::AutoFailback::Legacy => AutoFailback::Legacy,
        },
        autojoin: ha_cf.autojoin,
        hopfudge: ha_cf.hopfudge,
        max_rexmit_delay: ha_cf.max_rexmit_delay,
        encoding: ha_cf.msgfmt,
        compression: ha_cf.compression,
        keys: config.keys.clone(),
        log_badpack: ha_cf.log_badpack,
        managed: identity.managed,
        restart: identity.restart.clone(),
        seed: identity.seed,
        pid: identity.pid,
        fencing: fencing.iter().map(Device::for_core).collect(),
        api: api(ha_cf),
    }
}

/// What local clients may ask for, and who they may be.
fn api(ha_cf: &HaCf) -> ApiSettings {
    // `none` is told as 0, no line at all as -1.
    let facility = ha_cf.logfacility.as_ref();
    let facility = facility.map(|facility| facility.code().unwrap_or(0));
    ApiSettings {
        version: HEARTBEAT_VERSION.to_owned(),
        parameters: ha_cf.parameters.clone(),
        facility: facility.and_then(|code| code.checked_mul(8)),
        rules: ha_cf.apiauth.clone(),
    }
}

fn node(node: &ha_config::Node) -> NodeSpec {
    let kind = match node.kind {
        ha_config::NodeKind::Normal => NodeKind::Normal,
        ha_config::NodeKind::Ping | ha_config::NodeKind::PingGroup => NodeKind::Ping,
    };
    NodeSpec {
        name: node.name.clone(),
        kind,
    }
}

fn medium(medium: &Medium) -> MediumSpec {
    let kind = match medium {
        Medium::Bcast { .. }
        | Medium::Ucast { .. }
        | Medium::Mcast { .. }
        | Medium::Ucast6 { .. }
        | Medium::Mcast6 { .. } => MediumKind::Datagram,
        Medium::Serial { .. } => MediumKind::Serial,
        Medium::Ping { .. } | Medium::Ping6 { .. } => MediumKind::Ping,
        Medium::PingGroup { .. } => MediumKind::PingGroup,
    };
    // A ping node's link is called like the node, and node names are in lower case.
    let name = match kind {
        MediumKind::Ping | MediumKind::PingGroup => medium.link_name().to_ascii_lowercase(),
        MediumKind::Datagram | MediumKind::Serial => medium.link_name().to_owned(),
    };
    MediumSpec { name, kind }
}

/// What to open, in the order of the core's media.
pub(crate) fn media(config: &Config) -> Vec<MediumSetup> {
    config.ha_cf.media.iter().map(setup).collect()
}

fn setup(medium: &Medium) -> MediumSetup {
    match medium.clone() {
        Medium::Bcast {
            interface,
            broadcast,
            port,
        } => MediumSetup::Broadcast {
            interface,
            address: broadcast,
            port,
        },
        Medium::Ucast {
            interface,
            peer,
            port,
            ..
        } => MediumSetup::Unicast {
            interface,
            peer,
            port,
        },
        Medium::Mcast {
            interface,
            group,
            port,
            ttl,
            looped,
            ..
        } => MediumSetup::Multicast {
            interface,
            group,
            port,
            ttl,
            own: looped,
        },
        Medium::Serial { device, baud } => MediumSetup::Serial {
            device: device.into(),
            baud,
        },
        Medium::Ping { host, address } => MediumSetup::Ping {
            name: host,
            address,
        },
        Medium::PingGroup { name, addresses } => MediumSetup::PingGroup {
            name,
            members: addresses,
        },
        Medium::Ucast6 {
            interface,
            peer,
            port,
            ..
        } => MediumSetup::Unicast6 {
            interface,
            peer,
            port,
        },
        Medium::Mcast6 {
            interface,
            group,
            port,
            hops,
            looped,
        } => MediumSetup::Multicast6 {
            interface,
            group,
            port,
            hops,
            own: looped,
        },
        Medium::Ping6 { host, address } => MediumSetup::Ping6 {
            name: host,
            address,
        },
    }
}
