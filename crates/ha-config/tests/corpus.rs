//! What our parsers make of configuration files found in public, as snapshots.
//!
//! Each file is read among valid others on a host that has the interfaces and programs that it names; `index.tsv` beside
//! the files tells where they come from.

mod support;

use ha_config::effective_configuration;
use support::{corpus, corpus_case, has_a_reason, laboratory};

fn verdict(kind: &str, bytes: &[u8]) -> String {
    let loaded = corpus_case(kind, bytes).load(&laboratory());
    assert!(has_a_reason(&loaded), "refused without a reason");
    let mut text = format!("exit {}\n\n", loaded.exit_code);
    for diagnostic in &loaded.diagnostics {
        text.push_str(&format!("{diagnostic}\n"));
    }
    if let Some(config) = &loaded.config {
        text.push('\n');
        match kind {
            "ha.cf" => {
                text.push_str(&effective_configuration(&config.ha_cf, &config.local_node));
                text.push_str(&format!(
                    "{:#?}\n{:#?}\n",
                    config.ha_cf.media, config.ha_cf.respawn
                ));
            }
            "authkeys" => text.push_str(&format!("{:#?}\n", config.keys)),
            _ => {
                for group in &config.haresources.groups {
                    text.push_str(&format!("{}: {}\n", group.line, group.line_text()));
                    for resource in &group.resources {
                        text.push_str(&format!(
                            "    {} {:?}\n",
                            resource.script_name(),
                            resource.arguments()
                        ));
                    }
                }
            }
        }
    }
    text
}

fn snapshot(kind: &str) {
    for (name, bytes) in corpus(kind) {
        insta::assert_snapshot!(format!("{kind}_{name}"), verdict(kind, &bytes));
    }
}

#[test]
fn ha_cf() {
    snapshot("ha.cf");
}

#[test]
fn authkeys() {
    snapshot("authkeys");
}

#[test]
fn haresources() {
    snapshot("haresources");
}
