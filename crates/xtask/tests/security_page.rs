//! `docs/security.md` makes claims and names the code and the tests behind them. They must be there.

use std::fs;
use std::path::Path;

/// Links of a page: text and target.
fn links(page: &str) -> Vec<(&str, &str)> {
    page.split('[')
        .skip(1)
        .filter_map(|rest| {
            let (text, rest) = rest.split_once("](")?;
            let (target, _) = rest.split_once(')')?;
            Some((text, target))
        })
        .collect()
}

/// A test is linked as its name in backquotes, and is a sentence in snake case; what is shorter names code.
fn test_names(text: &str) -> impl Iterator<Item = &str> {
    text.split(", ")
        .map(|name| name.trim_matches('`'))
        .filter(|name| !name.contains(' '))
}

#[test]
fn every_test_that_the_security_page_names_exists() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let page = fs::read_to_string(docs.join("security.md")).unwrap();
    let links = links(&page);
    assert!(links.len() > 50, "{} links", links.len());
    let mut tests = 0;
    let mut missing = Vec::new();
    for (text, target) in links {
        let Ok(code) = fs::read_to_string(docs.join(target)) else {
            missing.push(format!("{target} does not exist"));
            continue;
        };
        for name in test_names(text) {
            let is_test =
                code.contains(&format!("fn {name}(")) || code.contains(&format!("\"{name}\""));
            let is_code = target.ends_with(&format!("/{name}.rs"))
                || target.contains(&format!("/{name}/"))
                || code.contains(&format!("struct {name}"));
            tests += usize::from(is_test);
            if !is_test && !is_code && name != "..." {
                missing.push(format!("{target} has no {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(tests > 40, "{tests} tests");
}

#[test]
fn what_is_missing_would_be_noticed() {
    let page = "see [`one_test`](../a.rs), and [`x`, `y`](../b.rs)";
    assert_eq!(
        links(page),
        [("`one_test`", "../a.rs"), ("`x`, `y`", "../b.rs")]
    );
    assert_eq!(test_names("`x`, `y`").collect::<Vec<_>>(), ["x", "y"]);
}
