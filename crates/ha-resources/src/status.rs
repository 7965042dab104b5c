//! What a script says when it is asked whether its resource runs.

/// Whether the standard output of `script ... status` means "running" (`resource-protocol.md` 1.5).
///
/// The exit code does not count, only the text: `not ` in any case with a later `running` or `Running` means stopped;
/// otherwise `running`, `Running` or `OK` means running; anything else, silence too, means stopped. So `RUNNING` alone
/// is stopped and `is not OK` is running, as in the legacy.
pub fn judge_status(stdout: &[u8]) -> bool {
    let negated = stdout
        .windows(NOT.len())
        .position(|window| window.eq_ignore_ascii_case(NOT))
        .and_then(|position| stdout.get(position + NOT.len()..))
        .is_some_and(says_running);
    !negated && (says_running(stdout) || contains(stdout, b"OK"))
}

const NOT: &[u8] = b"not ";

fn says_running(text: &[u8]) -> bool {
    contains(text, b"running") || contains(text, b"Running")
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_counts() {
        let cases: [(&str, bool); 18] = [
            ("running\n", true),
            ("Running\n", true),
            ("httpd (pid 12) is running...\n", true),
            ("INFO:  Running OK\n", true),
            ("OK", true),
            ("is not OK\n", true),
            ("NOKIA", true),
            ("RUNNING\n", false),
            ("ok\n", false),
            ("stopped\n", false),
            ("", false),
            ("not running", false),
            ("NoT Running", false),
            ("not at all, but the other is running", false),
            ("It is not\nrunning", true),
            ("running, and not paused", true),
            ("running, but not Running", false),
            ("cannot say: not OK, Running", false),
        ];
        for (text, running) in cases {
            assert_eq!(judge_status(text.as_bytes()), running, "{text:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_read_too() {
        assert!(judge_status(b"\xff\xfe\0running"));
        assert!(!judge_status(b"\xffnot \xff\0running"));
    }
}
