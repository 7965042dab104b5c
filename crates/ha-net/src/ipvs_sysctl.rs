//! The two switches of IPVS that decide what becomes of clients who are pinned to a real server that left.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Where the switches of IPVS are, for the network namespace of whoever looks.
const DIRECTORY: &str = "/proc/sys/net/ipv4/vs";

/// `net.ipv4.vs.expire_quiescent_template`: a client who is held by persistence to a server of weight 0 is scheduled
/// anew. `None` when the kernel has no such switch (no IPVS) or it cannot be read.
pub fn expire_quiescent_template() -> Option<bool> {
    switch(Path::new(DIRECTORY), "expire_quiescent_template")
}

/// `net.ipv4.vs.expire_nodest_conn`: a connection to a server that was removed ends at its next packet instead of being
/// dropped without a word. `None` as with [`expire_quiescent_template`].
pub fn expire_nodest_conn() -> Option<bool> {
    switch(Path::new(DIRECTORY), "expire_nodest_conn")
}

fn switch(directory: &Path, name: &str) -> Option<bool> {
    let mut text = [0; 16];
    let length = File::open(directory.join(name))
        .ok()?
        .read(&mut text)
        .ok()?;
    let text = std::str::from_utf8(text.get(..length)?).ok()?;
    text.trim().parse::<i32>().ok().map(|number| number != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn zero_is_off_other_numbers_are_on_and_the_rest_is_unknown() {
        let directory = std::env::temp_dir().join(format!("ha-net-sysctl-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        for (text, wanted) in [
            ("0\n", Some(false)),
            ("1\n", Some(true)),
            ("-1\n", Some(true)),
            ("", None),
            ("yes\n", None),
        ] {
            fs::write(directory.join("x"), text).expect("a file");
            assert_eq!(switch(&directory, "x"), wanted, "{text:?}");
        }
        assert_eq!(switch(&directory, "y"), None);
        fs::remove_dir_all(&directory).expect("gone");
    }
}
