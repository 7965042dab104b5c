//! The example of the article, manual page and compatibility page agree with the parser.

use std::fs;
use std::path::Path;

use ha_config::Severity;
use ha_config::ldirectord::{DIRECTIVES, Directive, FakeHost, Place, Since, parse};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_example_of_the_article() {
    let name = "ha.d-examples/lvs-dr-article/conf/ldirectord.cf";
    let parsed = parse(read(name).as_bytes(), name, &FakeHost::default());
    let said: Vec<_> = parsed
        .diagnostics
        .iter()
        .map(|said| (said.severity, said.code))
        .collect();
    assert_eq!(said, [(Severity::Warn, "empty-virtualhost")]);
    let config = parsed.value.expect("no error");
    assert!(config.auto_reload);
    let service = &config.virtuals[0];
    let reals: Vec<_> = service
        .reals
        .iter()
        .map(|real| real.identity.as_str())
        .collect();
    assert_eq!(
        reals,
        [
            r"negotiate:http:tcp:192.168.6.42:80::80:2:gate:\/index\.html:woshirongqi",
            r"negotiate:http:tcp:192.168.6.46:80::80:3:gate:\/index\.html:woshirongqi",
        ]
    );
    assert_eq!(
        ipvs::Change::AddService(service.service.clone()).to_string(),
        // As `ipvsadm -S` has it: one client per address goes without saying.
        "-A -t 192.168.6.66:80 -s wrr -p 5"
    );
}

#[test]
fn the_manual_describes_every_directive() {
    let page = read("compat/man/ldirectord.8");
    for directive in DIRECTIVES {
        let described = page.lines().any(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some(".It") && words.any(|word| word == directive.name)
        });
        assert_eq!(
            described,
            directive.since != Since::Refused,
            "{}",
            directive.name
        );
    }
}

#[test]
fn the_manual_names_every_default() {
    let page = read("compat/man/ldirectord.8");
    // Directives only: what is listed within one of them belongs to it.
    let items: Vec<&str> = page.split("\n.It Ic ").collect();
    for directive in DIRECTIVES.iter().filter(|one| !one.default.is_empty()) {
        let item = items
            .iter()
            .find(|item| item.split_whitespace().next() == Some(directive.name))
            .unwrap_or_else(|| panic!("{}", directive.name));
        let text = item.replace('\n', " ");
        assert!(
            text.contains(directive.default),
            "{}: {}",
            directive.name,
            directive.default
        );
    }
}

/// The example of the manual.
#[test]
fn the_example_in_the_manual() {
    let page = read("compat/man/ldirectord.8");
    let example: String = page
        .lines()
        .skip_while(|line| !line.starts_with(".Bd -literal"))
        .skip(1)
        .take_while(|line| *line != ".Ed")
        .map(|line| line.to_owned() + "\n")
        .collect();
    let parsed = parse(example.as_bytes(), "ldirectord.8", &FakeHost::default());
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    assert_eq!(parsed.value.expect("no error").virtuals.len(), 2);
}

/// The table of directives is that of the parser: each row but its last cell is made from it here.
#[test]
fn the_compatibility_page_lists_every_directive() {
    let page = read("docs/compatibility.md");
    let section = page
        .split("\n## ")
        .find(|section| section.starts_with("Directives of ldirectord.cf\n"))
        .expect("it has that section");
    let rows: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let mut faults = Vec::new();
    for directive in DIRECTIVES {
        let begin = row_begin(directive);
        let Some(standing) = rows.iter().find_map(|row| row.strip_prefix(&begin)) else {
            faults.push(format!("no row begins with {begin}"));
            continue;
        };
        let refused = directive.since == Since::Refused;
        let fits = match refused {
            true => standing.starts_with("refused"),
            false => standing.starts_with("works") || standing.starts_with("no effect"),
        };
        if !fits || !standing.ends_with(" |") {
            faults.push(format!("{begin}{standing}"));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    assert_eq!(rows.len(), DIRECTIVES.len(), "rows of unknown directives");
}

fn row_begin(directive: &Directive) -> String {
    let place = match directive.place {
        Place::Global => "global",
        Place::Section => "section",
        Place::Both => "both",
    };
    let since = match directive.since {
        Since::Release2 => "2.1",
        Since::Release4 => "4.12",
        Since::Here => "here",
        Since::Refused => "before 2.1",
    };
    let code = |text: &str| match text {
        "" => String::new(),
        text => format!("`{}`", text.replace('|', "\\|")),
    };
    format!(
        "| `{}` | {place} | {since} | {} | {} | ",
        directive.name,
        code(directive.value),
        code(directive.default)
    )
}

/// Every deliberate difference of the table of odd files is explained there.
#[test]
fn the_compatibility_page_explains_every_difference() {
    let page = read("docs/compatibility.md");
    for (row, _, _) in crate::odd::DIFFERENCES {
        assert!(page.contains(&format!("(odd file \"{row}\")")), "{row}");
    }
}
