//! Who we are in this life: UUID and generation from their files or from elsewhere, as ha.cf says.

use std::path::Path;

use ha_cluster::{DeletedNode, RestartState};
use ha_config::{Config, GenerationMethod, UuidFrom};
use ha_sys::durable::RealDisk;
use ha_sys::identity::{self, Wanted};
use ha_sys::log::{Logger, Priority};
use ha_sys::{clock, errno_text};

use crate::options::{Mode, Options};
use crate::settings::Identity;
use crate::{name_uuid, places};

/// Settles it, and says what there is to say. The daemon must not run on an error: it would come back as somebody else, or
/// be taken for a replay of itself.
pub(crate) fn who_we_are(
    config: &Config,
    options: &Options,
    logger: &Logger,
) -> Result<Identity, String> {
    let mut seed = [0; 8];
    identity::random_bytes(&mut seed)
        .map_err(|error| format!("/dev/urandom: {}", errno_text(&error)))?;
    let wanted = Wanted {
        uuid: config.ha_cf.uuid_from == UuidFrom::File,
        generation: config.ha_cf.hb_generation_method == GenerationMethod::File,
        wall: clock::wall(),
    };
    let files = identity::Places {
        uuid: Path::new(places::UUID),
        generation: Path::new(places::GENERATION),
        copy: Path::new(places::IDENTITY_COPY),
    };
    let found = identity::establish(&RealDisk, files, wanted, |bytes| {
        identity::random_bytes(bytes)
    })
    .map_err(|failed| {
        let reason = errno_text(&failed.error);
        format!("Cannot read or write {}: {reason}", failed.path.display())
    })?;
    for remark in &found.remarks {
        let priority = match remark.is_warning() {
            true => Priority::Warn,
            false => Priority::Info,
        };
        logger.log(priority, remark.to_string());
    }
    let uuid = found.uuid.unwrap_or_else(|| {
        let uuid = name_uuid::uuid_of(&config.local_node);
        logger.log(Priority::Info, format!("seed is {}", uuid.seed));
        uuid.bytes
    });
    let generation = found.generation.unwrap_or(wanted.wall);
    logger.log(
        Priority::Info,
        format!("Heartbeat generation: {generation}"),
    );
    let restarted = options.mode == Mode::Restarted;
    Ok(Identity {
        uuid,
        generation,
        seed: u64::from_ne_bytes(seed),
        pid: std::process::id(),
        managed: !options.unmanaged,
        restart: restarted.then(|| RestartState {
            held: options.held,
            owners: options.owners.clone(),
        }),
    })
}

/// The content of `delhostcache`: name, UUID, weight and site of each node (`wire-protocol.md` 8.3).
pub(crate) fn deleted_nodes(nodes: &[DeletedNode]) -> Vec<u8> {
    let mut text = String::new();
    for node in nodes {
        let mut uuid = String::new();
        for (position, byte) in node.uuid.iter().enumerate() {
            if matches!(position, 4 | 6 | 8 | 10) {
                uuid.push('-');
            }
            uuid += &format!("{byte:02x}");
        }
        // A site comes from the network and may contain what would make another column or line.
        let site = node.site.replace(char::is_control, " ");
        text += &format!("{}\t{uuid}\t{}\t{site}\n", node.name, node.weight);
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deleted_nodes_are_written_as_the_legacy_writes_them() {
        let node = |name: &str, uuid, weight, site: &str| DeletedNode {
            name: name.to_owned(),
            uuid,
            weight,
            site: site.to_owned(),
        };
        let nodes = [
            node("nodec", [0; 16], 5, "east"),
            node("noded", *b"0123456789abcdef", 100, "a\tb\n"),
        ];
        assert_eq!(
            String::from_utf8(deleted_nodes(&nodes)).unwrap(),
            "nodec\t00000000-0000-0000-0000-000000000000\t5\teast\n\
             noded\t30313233-3435-3637-3839-616263646566\t100\ta b \n"
        );
        assert!(deleted_nodes(&[]).is_empty());
    }
}
