//! From a run that went wrong to a shorter one that goes wrong in the same way.

use crate::plan::Scenario;
use crate::run::run;

/// Numbers of the faults without which the same rule is not broken any more; empty if it is broken without any.
///
/// Leaves out halves, then quarters, and so on to single faults, and begins again as long as something could be left out
/// (delta debugging). The rule must be broken by the whole scenario.
pub fn shrink(scenario: &Scenario) -> Vec<usize> {
    let Some(rule) = run(scenario, false).violation.map(|known| known.rule) else {
        return scenario.numbers();
    };
    let breaks = |numbers: &[usize]| {
        let outcome = run(&scenario.keep(numbers), false);
        outcome.violation.is_some_and(|found| found.rule == rule)
    };
    let mut numbers = scenario.numbers();
    let mut chunk = numbers.len().div_ceil(2);
    while chunk > 0 && !numbers.is_empty() {
        let mut at = 0;
        let mut shorter = false;
        while at < numbers.len() {
            let mut rest = numbers.clone();
            rest.drain(at..(at + chunk).min(numbers.len()));
            if breaks(&rest) {
                numbers = rest;
                shorter = true;
            } else {
                at += chunk;
            }
        }
        if !(shorter && chunk == 1) {
            chunk /= 2;
        }
    }
    numbers
}
