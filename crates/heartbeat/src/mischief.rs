//! `OnlyForTesting`: losing packets on purpose (`config-files.md` 12).

use ha_config::{Diagnostic, FileContent, TestOptions, parse_test_options, paths};
use ha_wire::decode_plain;

use crate::files;

/// What is to be lost. Nothing, unless the file is there.
#[derive(Debug, Default)]
pub(crate) struct Mischief {
    options: TestOptions,
    state: u64,
}

impl Mischief {
    /// Reads the file, if there is one. The diagnostics say loudly that it is in force.
    pub(crate) fn read(seed: u64) -> (Mischief, Vec<Diagnostic>) {
        match files::content(paths::TEST_OPTIONS) {
            FileContent::Read { bytes, .. } => {
                let (options, diagnostics) = parse_test_options(&bytes, paths::TEST_OPTIONS);
                (Mischief::new(options, seed), diagnostics)
            }
            FileContent::Unreadable(_) => (Mischief::default(), Vec::new()),
        }
    }

    fn new(options: TestOptions, seed: u64) -> Mischief {
        // The generator stays at zero for ever if it begins there.
        Mischief {
            options,
            state: seed | 1,
        }
    }

    /// This packet shall not be sent.
    pub(crate) fn loses_transmitted(&mut self) -> bool {
        self.options.transmit_loss > 0.0 && self.chance() < self.options.transmit_loss
    }

    /// This packet shall not be heard.
    pub(crate) fn loses_received(&mut self, payload: &[u8]) -> bool {
        let lost = self.options.receive_loss > 0.0 && self.chance() < self.options.receive_loss;
        lost || !self.options.allowed_nodes.is_empty() && !self.is_allowed(payload)
    }

    fn is_allowed(&self, payload: &[u8]) -> bool {
        let Ok(message) = decode_plain(payload) else {
            return false;
        };
        message.text("src").is_some_and(|source| {
            self.options
                .allowed_nodes
                .iter()
                .any(|node| *node == source)
        })
    }

    /// Between 0 and 1, by Marsaglia's xorshift: good enough to lose packets.
    fn chance(&mut self) -> f64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_without_the_file_and_about_a_third_with_a_third() {
        let mut none = Mischief::default();
        assert!(!none.loses_transmitted() && !none.loses_received(b"anything"));
        let mut third = Mischief::new(
            TestOptions {
                transmit_loss: 0.3,
                ..TestOptions::default()
            },
            7,
        );
        let lost = (0..10_000).filter(|_| third.loses_transmitted()).count();
        assert!((2700..3300).contains(&lost), "{lost}");
        assert!(!third.loses_received(b"anything"));
    }

    #[test]
    fn only_allowed_nodes_are_heard() {
        let options = TestOptions {
            allowed_nodes: vec!["beta".into()],
            ..TestOptions::default()
        };
        let mut mischief = Mischief::new(options, 7);
        let from = |node: &str| format!(">>>\nt=status\nsrc={node}\n<<<\n").into_bytes();
        assert!(!mischief.loses_received(&from("beta")));
        assert!(mischief.loses_received(&from("gamma")));
        assert!(mischief.loses_received(b"garbage"));
    }
}
