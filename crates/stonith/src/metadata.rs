//! What a fence agent says of itself (`stonith.md` 11.1), read from its metadata.
//!
//! What does not look like it is skipped; what is not found is not offered.

use crate::markup::tags;

/// One parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameter {
    /// As it stands before the `=` of a line of input.
    pub name: String,
    /// The agent does nothing without it.
    pub required: bool,
    /// An old name, which the agent still understands.
    pub deprecated: bool,
}

/// The parts of the metadata that matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// What the agent is, in a few words; empty if it does not say.
    pub short: String,
    /// What it is, in a paragraph; likewise.
    pub long: String,
    /// Where its maker is found; likewise.
    pub url: String,
    /// All parameters, in the agent's order.
    pub parameters: Vec<Parameter>,
    /// All actions, likewise.
    pub actions: Vec<String>,
}

/// Parameters that are ours to set, or nobody's.
const NOT_OFFERED: [&str; 7] = [
    "action",
    "option",
    "verbose",
    "debug",
    "debug_file",
    "version",
    "help",
];

impl Metadata {
    /// Reads the metadata that an agent prints. From a text that is cut off it reads what stands before the cut, from one
    /// that is no metadata nothing.
    pub fn read(xml: &str) -> Metadata {
        let mut metadata = Metadata::default();
        let mut inside = 0_usize;
        for tag in tags(xml) {
            match tag.name {
                "resource-agent" => {
                    metadata.short = tag.attribute("shortdesc").unwrap_or_default();
                }
                "vendor-url" => metadata.url = tag.text(),
                "longdesc" if inside == 0 && metadata.long.is_empty() => metadata.long = tag.text(),
                "shortdesc" if inside == 0 && metadata.short.is_empty() => {
                    metadata.short = tag.text();
                }
                "parameters" if !tag.empty => inside += 1,
                "" if tag.closes == Some("parameters") => inside = inside.saturating_sub(1),
                "parameter" => {
                    let flag = |name| tag.attribute(name).is_some_and(|value| value == "1");
                    if let Some(name) = tag.attribute("name") {
                        metadata.parameters.push(Parameter {
                            name,
                            required: flag("required"),
                            deprecated: flag("deprecated"),
                        });
                    }
                }
                "action" => metadata.actions.extend(tag.attribute("name")),
                _ => {}
            }
        }
        metadata
    }

    /// The parameters that an administrator may set.
    pub fn offered(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|parameter| {
            let name = parameter.name.as_str();
            !NOT_OFFERED.contains(&name) && !name.ends_with("separator")
        })
    }

    /// The parameter that says which outlet, if the agent has one.
    pub fn plug(&self) -> Option<&str> {
        let has = |wanted: &&str| self.parameters.iter().any(|known| known.name == *wanted);
        ["port", "plug"].into_iter().find(has)
    }

    /// Whether the agent knows this action.
    pub fn has_action(&self, action: &str) -> bool {
        self.actions.iter().any(|known| known == action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"<?xml version="1.0" ?>
<resource-agent name="fence_sample" shortdesc="Fence agent for samples &amp; tests" >
<longdesc>It fences
samples.</longdesc>
<vendor-url>http://example.org</vendor-url>
<parameters>
	<parameter name="action" unique="0" required="1">
		<getopt mixed="-o, --action=[action]" />
		<content type="string" default="reboot"  />
		<shortdesc lang="en">Fencing action</shortdesc>
	</parameter>
	<parameter name='ip' unique="0" required="1" obsoletes="ipaddr"><longdesc>no</longdesc></parameter>
	<parameter name="ipaddr" unique="0" required="0" deprecated="1"></parameter>
	<parameter name="plug" unique="0" required="0" />
	<parameter name="separator" /><parameter name="verbose" />
</parameters>
<actions>
	<action name="on" automatic="0"/>
	<action name="off" />
	<action name="metadata"/>
</actions>
</resource-agent>"#;

    #[test]
    fn parameters_actions_and_descriptions_are_found() {
        let metadata = Metadata::read(SAMPLE);
        assert_eq!(metadata.short, "Fence agent for samples & tests");
        assert_eq!(metadata.long, "It fences\nsamples.");
        assert_eq!(metadata.url, "http://example.org");
        let offered: Vec<(&str, bool, bool)> = metadata
            .offered()
            .map(|p| (p.name.as_str(), p.required, p.deprecated))
            .collect();
        assert_eq!(
            offered,
            [
                ("ip", true, false),
                ("ipaddr", false, true),
                ("plug", false, false)
            ]
        );
        assert_eq!(metadata.plug(), Some("plug"));
        assert!(metadata.has_action("off") && !metadata.has_action("reboot"));
    }

    #[test]
    fn rubbish_is_no_metadata_and_no_panic() {
        for text in [
            "",
            "<",
            "<<>>",
            "<parameter name=",
            "<parameter name=\"ä",
            "name=\"x\"",
            "ä<ä ä>",
        ] {
            assert_eq!(Metadata::read(text).parameters, []);
        }
        let mut cut = SAMPLE;
        while let Some((at, _)) = cut.char_indices().next_back() {
            cut = &cut[..at];
            Metadata::read(cut);
        }
    }
}
