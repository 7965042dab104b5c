//! What a fence agent says of itself (`stonith.md` 11.1), read from its metadata.
//!
//! Only what we need of XML: tags with attributes, and the text between. Anything that does not look like it is skipped;
//! what is not found is not offered.

/// One parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) deprecated: bool,
}

/// The parts of the metadata that matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) short: String,
    pub(crate) long: String,
    pub(crate) url: String,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) actions: Vec<String>,
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
    pub(crate) fn read(xml: &str) -> Metadata {
        let mut metadata = Metadata::default();
        let mut inside = 0_usize;
        let mut rest = xml;
        while let Some(start) = rest.find('<') {
            let (_, from) = rest.split_at(start + 1);
            let Some(end) = from.find('>') else { break };
            let (tag, after) = from.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            let text = || {
                let end = rest.find('<').unwrap_or(rest.len());
                plain(rest.get(..end).unwrap_or_default().trim())
            };
            let name = tag.split(|c: char| c.is_whitespace() || c == '/').next();
            match name.unwrap_or_default() {
                "resource-agent" => {
                    metadata.short = attribute(tag, "shortdesc").unwrap_or_default();
                }
                "vendor-url" => metadata.url = text(),
                "longdesc" if inside == 0 && metadata.long.is_empty() => metadata.long = text(),
                "shortdesc" if inside == 0 && metadata.short.is_empty() => {
                    metadata.short = text();
                }
                "parameters" => inside += 1,
                // A closing tag: its name follows the slash.
                "" if tag == "/parameters" => inside = inside.saturating_sub(1),
                "parameter" => {
                    let flag = |name| attribute(tag, name).is_some_and(|value| value == "1");
                    if let Some(name) = attribute(tag, "name") {
                        metadata.parameters.push(Parameter {
                            name,
                            required: flag("required"),
                            deprecated: flag("deprecated"),
                        });
                    }
                }
                "action" => metadata.actions.extend(attribute(tag, "name")),
                _ => {}
            }
        }
        metadata
    }

    /// The parameters that an administrator may set.
    pub(crate) fn offered(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|parameter| {
            let name = parameter.name.as_str();
            !NOT_OFFERED.contains(&name) && !name.ends_with("separator")
        })
    }

    /// The parameter that says which outlet, if the agent has one.
    pub(crate) fn plug(&self) -> Option<&str> {
        let has = |wanted: &&str| self.parameters.iter().any(|known| known.name == *wanted);
        ["port", "plug"].into_iter().find(has)
    }

    pub(crate) fn has_action(&self, action: &str) -> bool {
        self.actions.iter().any(|known| known == action)
    }
}

/// The value of an attribute of a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        let at = rest.find(name)?;
        let bounded = rest
            .get(..at)
            .is_some_and(|before| before.ends_with(char::is_whitespace));
        rest = rest.get(at + name.len()..)?;
        if !bounded {
            continue;
        }
        let Some(value) = rest.trim_start().strip_prefix('=') else {
            continue;
        };
        let value = value.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let inner = value.get(1..)?;
        return Some(plain(inner.get(..inner.find(quote)?)?));
    }
}

fn plain(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
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
