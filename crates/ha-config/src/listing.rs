//! What `heartbeat -D` and `heartbeat -v` print (`install-and-cli.md` 6).

use crate::HEARTBEAT_VERSION;
use crate::ha_cf::directive::DIRECTIVES;
use crate::ha_cf::model::HaCf;

/// `-D`: every directive with a fixed default, in table order, in padded columns.
pub fn defaults_table() -> String {
    let rows: Vec<[&str; 3]> = defaults().collect();
    let widest =
        |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or_default() + COLUMN_GAP;
    let titled = || rows.iter().chain([&TITLES]);
    let name_width = widest(&mut titled().map(|[name, ..]| name.len()));
    let default_width = widest(&mut titled().map(|[_, default, _]| default.len()));
    let line = |[name, default, description]: &[&str; 3]| {
        format!("{name:name_width$}{default:default_width$}{description}\n")
    };
    let mut text = line(&TITLES);
    text.push_str(&"-".repeat(RULE_WIDTH));
    text.push('\n');
    text.extend(rows.iter().map(line));
    text
}

const TITLES: [&str; 3] = ["Directive", "Default", "Description"];
const COLUMN_GAP: usize = 2;
const RULE_WIDTH: usize = 80;

/// `-DW`: the same as a wiki page.
pub fn defaults_wiki() -> String {
    let mut text = format!(
        "##Put this output in the ha.cf/DefaultValues page\n\
         The [wiki:ha.cf ha.cf] directives with default values are shown below - along with a brief description.\n\
         This was produced by {{{{{{heartbeat -DW}}}}}} ''# (version {HEARTBEAT_VERSION})''\n\n\
         ||''Directive''||''Default''||''Description''||\n"
    );
    for [name, default, description] in defaults() {
        let page = camel_case(name);
        text.push_str(&format!(
            "||[wiki:ha.cf/{page}Directive {name}]||{default}||{description}||\n"
        ));
    }
    text
}

fn defaults() -> impl Iterator<Item = [&'static str; 3]> {
    DIRECTIVES
        .iter()
        .filter_map(|directive| Some([directive.name, directive.default?, directive.description]))
}

/// `auto_failback` becomes `AutoFailback`.
fn camel_case(name: &str) -> String {
    let capital = |part: &str| {
        let mut letters = part.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    name.split('_').map(capital).collect()
}

/// `-v`: the configuration in effect.
pub fn effective_configuration(ha_cf: &HaCf, local_node: &str) -> String {
    let rule = format!("#{}\n", "-".repeat(51));
    let mut text = format!(
        "#\n#\tLinux-HA heartbeat configuration (on {local_node})\n#\n\n{rule}#\n#\tHA configuration and status\n#\n"
    );
    for directive in DIRECTIVES {
        if let Some(value) = ha_cf.parameter(directive.name) {
            text.push_str(&format!(
                "{}\t{value}\t#\t{}\n",
                directive.name, directive.description
            ));
        }
    }
    text.push_str("#\n#\tHA Cluster nodes:\n#\n");
    for node in &ha_cf.nodes {
        text.push_str(&format!("node {}\t#\t current status: init\n", node.name));
    }
    text.push_str("#\n#\tCommunications media:\n");
    for medium in &ha_cf.media {
        text.push_str(&format!(
            "#\n# {} heartbeat channel -------------\n{} {}\n",
            medium.description(),
            medium.type_name(),
            medium.link_name()
        ));
    }
    text.push_str(&rule);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_table_has_the_legacys_columns() {
        let table = defaults_table();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "Directive                Default   Description");
        assert_eq!(lines[1], "-".repeat(80));
        assert_eq!(
            lines[2],
            "cluster                  linux-ha  the name of cluster"
        );
        assert!(lines.contains(&"keepalive                1000ms    keepalive time"));
        assert_eq!(lines.len(), 2 + 24);
    }

    #[test]
    fn wiki_pages_are_named_in_camel_case() {
        assert!(defaults_wiki().contains(
            "||[wiki:ha.cf/AutoFailbackDirective auto_failback]||legacy||auto failback||\n"
        ));
    }
}
