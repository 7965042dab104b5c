//! The core against a model of the kernel, on a virtual clock.
mod alerts;
mod large;
mod maintenance;
mod properties;
mod recording;
mod reload;
mod replay;
mod rules;
mod schedule;
mod troubles;
mod world;

/// Two direct routing servers with a fallback, as in most of the recordings.
const QUIESCENT: &str = "checkinterval=1\nvirtual=192.168.6.66:80\n\treal=192.168.6.42:80 gate 2\n\treal=192.168.6.46:80 gate 3\n\tfallback=127.0.0.1:80 gate\n\tservice=http\n\tchecktype=negotiate\n# end\n";

/// Short forms of the commands for the service of [`QUIESCENT`].
fn short(commands: &[String]) -> Vec<String> {
    commands
        .iter()
        .map(|command| {
            command
                .replace(" -t 192.168.6.66:80", "")
                .replace("192.168.6.42:80", "A")
                .replace("192.168.6.46:80", "B")
                .replace("127.0.0.1:80", "F")
        })
        .collect()
}
