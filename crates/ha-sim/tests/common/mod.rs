//! What scenarios that are written out are spelt with; `ha-sim --as-test` writes them so.

use std::time::Duration;

use ha_sim::settings::Group;

/// Milliseconds.
pub fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

/// A group of the node of that number.
pub fn group(home: usize, key: &str) -> Group {
    Group {
        home,
        key: key.to_owned(),
    }
}
