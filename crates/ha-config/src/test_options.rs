//! OnlyForTesting: switches that lose packets on purpose (`config-files.md` 12).

use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::lines::{Word, chunks, is_white, lossy, words};

/// What the file asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TestOptions {
    /// `rcvloss`: probability that a received packet is dropped, 0 to 1.
    pub receive_loss: f64,
    /// `xmitloss`: probability that a packet to be sent is dropped, 0 to 1.
    pub transmit_loss: f64,
    /// `allownodes`: names of the nodes whose packets are not ignored; empty: all.
    pub allowed_nodes: Vec<String>,
}

/// Reads the file. A name that is not known is reported and skipped.
pub fn parse_test_options(bytes: &[u8], file: &str) -> (TestOptions, Vec<Diagnostic>) {
    let mut options = TestOptions::default();
    let mut diagnostics = vec![info("WARNING: Enabling Test Code")];
    for chunk in chunks(bytes) {
        let Some(word) = words(chunk.text, chunk.column, is_white).next() else {
            continue;
        };
        if word.text.starts_with(b"#") {
            continue;
        }
        let span = Span {
            file: file.into(),
            line: chunk.line,
            column: word.column,
        };
        match apply(&mut options, chunk.text) {
            Ok(()) => diagnostics
                .push(info(&format!("WARNING: {}", lossy(chunk.text.trim_ascii()))).at(span)),
            Err(name) => {
                let message = format!("Cannot recognize test param [{name}] in [{file}]");
                diagnostics
                    .push(Diagnostic::legacy(Severity::Error, "bad-test-option", message).at(span));
            }
        }
    }
    diagnostics.push(info("WARNING: Above Options Now Enabled."));
    (options, diagnostics)
}

/// `name=value`; the error is the name that nobody knows.
fn apply(options: &mut TestOptions, line: &[u8]) -> Result<(), String> {
    let line = lossy(line.trim_ascii());
    let (name, value) = line.split_once('=').unwrap_or((&line, ""));
    match name {
        "rcvloss" => options.receive_loss = probability(value),
        "xmitloss" => options.transmit_loss = probability(value),
        "allownodes" => {
            let names = words(value.as_bytes(), 1, |byte| is_white(byte) || byte == b',');
            options.allowed_nodes = names
                .map(|name: Word<'_>| name.text().to_ascii_lowercase())
                .collect();
        }
        _ => return Err(name.into()),
    }
    Ok(())
}

fn probability(text: &str) -> f64 {
    let number: f64 = text.trim().parse().unwrap_or(0.0);
    if number.is_nan() {
        0.0
    } else {
        number.clamp(0.0, 1.0)
    }
}

fn info(message: &str) -> Diagnostic {
    Diagnostic::legacy(Severity::Info, "test-options", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_options_count_and_others_are_named() {
        let file = "/etc/ha.d/OnlyForTesting";
        let text = b"rcvloss=0.25\nxmitloss=7\nallownodes=A b\nfoo=1\n";
        let (options, diagnostics) = parse_test_options(text, file);
        assert_eq!(options.receive_loss, 0.25);
        assert_eq!(options.transmit_loss, 1.0);
        assert_eq!(options.allowed_nodes, ["a", "b"]);
        let errors: Vec<_> = diagnostics
            .iter()
            .filter(|said| said.severity == Severity::Error)
            .collect();
        assert_eq!(errors.len(), 1);
        assert_eq!(
            errors[0].message,
            format!("Cannot recognize test param [foo] in [{file}]")
        );
    }
}
