//! Counting results from what test programs print.
//!
//! Two forms are understood: that of Rust's own harness, and the closing line of the compliance suite.

/// The sum so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
    /// Name and reason of each skipped test.
    pub(super) skips: Vec<String>,
    /// Name of each failed test.
    pub(super) failures: Vec<String>,
}

impl Tally {
    /// Counts a failure that no closing line counts.
    pub(super) fn fail(&mut self, name: String) {
        self.failed += 1;
        self.failures.push(name);
    }

    /// Counts something that cannot be tried here, with the reason.
    pub(super) fn skip(&mut self, what: String) {
        self.skipped += 1;
        self.skips.push(what);
    }

    /// Takes in one line of output.
    pub(super) fn take(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            let counts = counts.split_once(". ").map_or(counts, |(_, counts)| counts);
            self.count(counts.split("; "));
        } else if is_closing_line(line) {
            self.count(line.split(", "));
        } else if let Some(test) = line.strip_prefix("test ") {
            self.name(test);
        }
    }

    /// Adds up parts such as `3 passed`.
    fn count<'a>(&mut self, parts: impl Iterator<Item = &'a str>) {
        for part in parts {
            let Some((number, word)) = part.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<usize>() else {
                continue;
            };
            match word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" | "skipped" => self.skipped += number,
                _ => {}
            }
        }
    }

    /// Remembers the name of a test that failed or was ignored; its line reads `NAME ... ignored, REASON`.
    fn name(&mut self, test: &str) {
        let Some((name, verdict)) = test.split_once(" ... ") else {
            return;
        };
        if let Some(reason) = verdict
            .strip_prefix("ignored")
            .or_else(|| verdict.strip_prefix("skipped"))
        {
            let reason = reason.trim_start_matches([',', ':', ' ']);
            self.skips.push(if reason.is_empty() {
                name.to_owned()
            } else {
                format!("{name}: {reason}")
            });
        } else if verdict.starts_with("FAILED") {
            self.failures.push(name.to_owned());
        }
    }
}

/// `N passed, N failed, N skipped` and nothing else.
fn is_closing_line(line: &str) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |word: &&str| word.parse::<usize>().is_ok();
    match words.as_slice() {
        [passed, "passed,", failed, "failed,", skipped, "skipped"] => {
            [passed, failed, skipped].into_iter().all(number)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.take(line));
        tally
    }

    #[test]
    fn rusts_harness() {
        let sum = tally(&[
            "running 4 tests",
            "test a::b ... ok",
            "test a::c ... FAILED",
            "test a::d ... ignored, needs a serial line",
            "test a::e ... ignored",
            "test result: FAILED. 1 passed; 1 failed; 2 ignored; 0 measured; 7 filtered out; finished in 0.01s",
            "test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        ]);
        assert_eq!((sum.passed, sum.failed, sum.skipped), (6, 1, 2));
        assert_eq!(sum.skips, ["a::d: needs a serial line", "a::e"]);
        assert_eq!(sum.failures, ["a::c"]);
    }

    #[test]
    fn the_compliance_suite() {
        let sum = tally(&[
            "test x ... skipped: no legacy here",
            "12 passed, 1 failed, 3 skipped",
            "4 passed, oddly",
        ]);
        assert_eq!((sum.passed, sum.failed, sum.skipped), (12, 1, 3));
        assert_eq!(sum.skips, ["x: no legacy here"]);
    }

    #[test]
    fn what_no_closing_line_counts() {
        let mut sum = tally(&["1 passed, 0 failed, 0 skipped"]);
        sum.fail("cargo test".into());
        assert_eq!((sum.passed, sum.failed, sum.failures.len()), (1, 1, 1));
    }
}
