//! A scenario written down as a test, to be kept: whatever becomes of the generator, the test stays the same.

use std::time::Duration;

use ha_cluster::{AutoFailback, Hold};
use ha_wire::{Encoding, Method};

use crate::legacy::LegacyNode;
use crate::plan::{Fault, Scenario};
use crate::settings::{Device, Group};

/// The text of a function for `tests/regressions.rs`.
pub fn as_test(scenario: &Scenario) -> String {
    let settings = &scenario.settings;
    let failback = match settings.failback {
        AutoFailback::On => "AutoFailback::On",
        AutoFailback::Off => "AutoFailback::Off",
        AutoFailback::Legacy => "AutoFailback::Legacy",
    };
    let encoding = match settings.encoding {
        Encoding::String => "Encoding::String",
        Encoding::Netstring => "Encoding::Netstring",
    };
    let method = match settings.method {
        Method::Crc => "Method::Crc",
        Method::Md5 => "Method::Md5",
        Method::Sha1 => "Method::Sha1",
    };
    let group = |group: &Group| format!("group({}, {:?})", group.home, group.key);
    let device = |device: &Device| {
        let (time, early) = (ms(device.time), device.early);
        format!("Device {{ time: {time}, early: {early} }}")
    };
    let mut text = format!(
        "#[test]\nfn seed_{}_of_{}_nodes() {{\n    holds(Scenario {{\n        seed: {},\n        nodes: {},\n",
        scenario.seed, scenario.nodes, scenario.seed, scenario.nodes
    );
    let legacy = |node: &Option<LegacyNode>| match node {
        None => "None".to_owned(),
        Some(node) => format!(
            "Some(LegacyNode {{ version: Version::{:?}, lag: {} }})",
            node.version,
            ms(node.lag)
        ),
    };
    let legacy = list(scenario.legacy.iter().map(legacy));
    text += &format!("        legacy: {legacy},\n");
    text += "        settings: Settings {\n";
    for (name, value) in [
        ("failback", failback.to_owned()),
        ("keepalive", ms(settings.keepalive)),
        ("deadtime", ms(settings.deadtime)),
        ("initdead", ms(settings.initdead)),
        ("media", settings.media.to_string()),
        ("echo", settings.echo.to_string()),
        ("encoding", encoding.to_owned()),
        ("method", method.to_owned()),
        ("groups", list(settings.groups.iter().map(group))),
        ("script_time", ms(settings.script_time)),
        ("devices", list(settings.devices.iter().map(device))),
        ("boot_time", ms(settings.boot_time)),
        ("client_time", ms(settings.client_time)),
    ] {
        text += &format!("            {name}: {value},\n");
    }
    text += "        },\n";
    let starts = list(scenario.starts.iter().map(|&at| ms(at)));
    text += &format!("        starts: {starts},\n        events: vec![\n");
    for (number, event) in &scenario.events {
        let (at, fault) = (ms(event.at), fault(&event.fault));
        text += &format!("            ({number}, Event {{ at: {at}, fault: {fault} }}),\n");
    }
    let quiet = ms(scenario.quiet_from);
    text += &format!("        ],\n        quiet_from: {quiet},\n    }});\n}}\n");
    text
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("vec![{}]", items.collect::<Vec<_>>().join(", "))
}

fn ms(time: Duration) -> String {
    format!("ms({})", time.as_millis())
}

fn hold(set: Hold) -> String {
    format!("Hold::{}", set.word().to_uppercase())
}

fn fault(fault: &Fault) -> String {
    let fields = match fault {
        Fault::PowerCut {
            host,
            back_after,
            new_disk,
        } => format!(
            "PowerCut {{ host: {host}, back_after: {}, new_disk: {new_disk} }}",
            ms(*back_after)
        ),
        Fault::Kill { host, back_after } => {
            format!("Kill {{ host: {host}, back_after: {} }}", ms(*back_after))
        }
        Fault::Stop { host, back_after } => {
            format!("Stop {{ host: {host}, back_after: {} }}", ms(*back_after))
        }
        Fault::Standby { host, set } => format!("Standby {{ host: {host}, set: {} }}", hold(*set)),
        Fault::Takeover { host, set } => {
            format!("Takeover {{ host: {host}, set: {} }}", hold(*set))
        }
        Fault::Stall { host, span } => format!("Stall {{ host: {host}, span: {} }}", ms(*span)),
        Fault::SlowScripts { host, time, span } => format!(
            "SlowScripts {{ host: {host}, time: {}, span: {} }}",
            ms(*time),
            ms(*span)
        ),
        Fault::FailingStart { host, group, span } => format!(
            "FailingStart {{ host: {host}, group: {group}, span: {} }}",
            ms(*span)
        ),
        Fault::Cuts { cuts, span } => {
            let cut = |cut: &crate::plan::Cut| {
                let (from, to, medium) = (cut.from, cut.to, cut.medium);
                format!("Cut {{ from: {from}, to: {to}, medium: {medium} }}")
            };
            let cuts = list(cuts.iter().map(cut));
            format!("Cuts {{ cuts: {cuts}, span: {} }}", ms(*span))
        }
        Fault::Weather { weather, span } => format!(
            "Weather {{ weather: Weather {{ loss: {}, duplicate: {}, corrupt: {}, late: {}, delay: {} }}, span: {} }}",
            weather.loss,
            weather.duplicate,
            weather.corrupt,
            weather.late,
            ms(weather.delay),
            ms(*span)
        ),
        // These have numbers only, so that their debugging form is their source.
        Fault::Reload { .. }
        | Fault::ClockStep { .. }
        | Fault::FailingStop { .. }
        | Fault::Forge { .. }
        | Fault::Replay { .. }
        | Fault::Flood { .. }
        | Fault::DeviceFails { .. } => format!("{fault:?}"),
    };
    format!("Fault::{fields}")
}
