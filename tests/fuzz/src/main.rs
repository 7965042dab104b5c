//! libFuzzer around one target, which `HA_FUZZ_TARGET` names. `cargo xtask fuzz` starts it.
//!
//! With `HA_FUZZ_PREPARE` set to a directory nothing is fuzzed: the seeds of all targets are written below it, as
//! `NAME/seeds/` and `NAME/words`, and each target is listed on standard output with its greatest length.
#![no_main]

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use ha_fuzz::Target;
use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<&'static Target> = OnceLock::new();

fuzz_target!(
    init: {
        if let Some(directory) = std::env::var_os("HA_FUZZ_PREPARE") {
            for target in ha_fuzz::targets() {
                prepare(target, &Path::new(&directory).join(target.name));
                println!("{} {}", target.name, target.length_max);
            }
            std::process::exit(0);
        }
        let name = std::env::var("HA_FUZZ_TARGET").unwrap_or_default();
        match ha_fuzz::find(&name) {
            Some(target) => TARGET.get_or_init(|| target),
            None => {
                eprintln!("HA_FUZZ_TARGET: no target is called '{name}'");
                std::process::exit(2);
            }
        };
    },
    |data: &[u8]| {
        if let Some(target) = TARGET.get() {
            (target.run)(data);
        }
    }
);

fn prepare(target: &Target, folder: &Path) {
    let seeds = folder.join("seeds");
    // What is no seed any more goes.
    let _ = fs::remove_dir_all(&seeds);
    fs::create_dir_all(&seeds).expect("a directory for seeds");
    for (name, bytes) in (target.seeds)()
        .into_iter()
        .chain(ha_fuzz::findings(target))
    {
        fs::write(seeds.join(name), bytes).expect("a seed is written");
    }
    // libFuzzer takes no empty dictionary.
    let words: String = (target.words)().iter().map(|word| quoted(word)).collect();
    let words = format!("# {}\n\"\\x00\"\n{words}", target.name);
    fs::write(folder.join("words"), words).expect("the words are written");
}

/// A line of libFuzzer's dictionary.
fn quoted(word: &[u8]) -> String {
    let escaped: String = word
        .iter()
        .map(|byte| match byte {
            b'"' | b'\\' => format!("\\{}", char::from(*byte)),
            b' '..=b'~' => char::from(*byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        })
        .collect();
    format!("\"{escaped}\"\n")
}
