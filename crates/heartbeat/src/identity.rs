//! Who we are in this life: UUID and generation from their files or from elsewhere, as ha.cf says.

use std::path::Path;

use ha_cluster::RestartState;
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
        restart: restarted.then_some(RestartState { held: options.held }),
    })
}
