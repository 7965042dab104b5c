//! What decides how a fencing device is asked: the metadata of its agent, and the parameters that somebody wrote down.
//!
//! An agent that is not told its action restarts the node, and one that does not know a parameter ignores it. So what the
//! metadata says must be read as any reader of XML reads it.

use stonith::Parameters;
use stonith::metadata::Metadata;

use crate::Target;
use crate::seeds::{self, Seed};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "stonith_metadata",
        run: metadata,
        seeds: agents,
        words: tags,
        length_max: 4096,
    },
    Target {
        name: "stonith_parameters",
        run: parameters,
        seeds: devices,
        words: names,
        length_max: 1024,
    },
];

/// Sizes are bounded by the text, a text that is cut off tells no more than the whole, and well-formed XML is read as another
/// reader reads it.
fn metadata(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let read = Metadata::read(&text);
    let names = || read.parameters.iter().map(|parameter| &parameter.name);
    let length: usize = names().chain(&read.actions).map(String::len).sum();
    assert!(length + read.short.len() + read.long.len() + read.url.len() <= text.len());
    assert!(names().count() + read.actions.len() <= text.matches('<').count());
    for parameter in read.offered() {
        assert!(read.parameters.contains(parameter));
        assert_ne!(parameter.name, "action");
    }
    assert!(
        read.plug()
            .is_none_or(|plug| names().any(|name| name == plug))
    );

    let step = (text.len() / 16).max(1);
    for at in (0..text.len()).step_by(step) {
        let cut = Metadata::read(&text[..text.floor_char_boundary(at)]);
        assert!(
            read.parameters.starts_with(&cut.parameters),
            "{cut:?} of {read:?}"
        );
        assert!(read.actions.starts_with(&cut.actions));
    }
    // A document type may define anything; no agent has one.
    let options = roxmltree::ParsingOptions {
        allow_dtd: false,
        nodes_limit: 10_000,
        ..roxmltree::ParsingOptions::default()
    };
    if let Ok(document) = roxmltree::Document::parse_with_options(&text, options) {
        as_others_read(&document, &read);
    }
}

fn as_others_read(document: &roxmltree::Document<'_>, read: &Metadata) {
    // That reader takes a reference to a letter that there is not for this one, instead of refusing the document.
    let replaced = |value: &str| value.contains(char::REPLACEMENT_CHARACTER);
    let mut attributes = document.descendants().flat_map(|node| node.attributes());
    if attributes.any(|attribute| replaced(attribute.value())) {
        return;
    }
    // Names with a prefix are others' names.
    let named = |name: &'static str| {
        document
            .descendants()
            .filter(move |node| node.is_element() && node.tag_name().name() == name)
            .filter(|node| !prefixed(document, node))
    };
    let parameters: Vec<(String, bool, bool)> = named("parameter")
        .filter_map(|node| {
            let flag = |name: &str| node.attribute(name) == Some("1");
            let name = node.attribute("name")?.to_owned();
            Some((name, flag("required"), flag("deprecated")))
        })
        .collect();
    let ours: Vec<(String, bool, bool)> = read
        .parameters
        .iter()
        .map(|parameter| {
            (
                parameter.name.clone(),
                parameter.required,
                parameter.deprecated,
            )
        })
        .collect();
    assert_eq!(ours, parameters);
    let actions: Vec<&str> = named("action")
        .filter_map(|node| node.attribute("name"))
        .collect();
    assert_eq!(read.actions, actions);
}

/// Whether the tag is written `prefix:name`.
fn prefixed(document: &roxmltree::Document<'_>, node: &roxmltree::Node<'_, '_>) -> bool {
    let tag = document
        .input_text()
        .get(node.range())
        .and_then(|text| text.split(|c: char| c.is_whitespace() || c == '>').next());
    tag.is_some_and(|tag| tag.contains(':'))
}

/// As agents of today print it: the common library's form, with what else XML allows.
fn agents() -> Vec<Seed> {
    let mut found = seeds::texts(&[
        br#"<?xml version="1.0" ?>
<resource-agent name="fence_x" shortdesc="Fences by &quot;X&quot; &amp; more" >
<symlink name="fence_y" shortdesc="the same for Y"/>
<longdesc>Switches outlets
of an X.</longdesc>
<vendor-url>http://x.example/</vendor-url>
<parameters>
	<parameter name="action" unique="0" required="1">
		<getopt mixed="-o, --action=[action]" />
		<content type="string" default="reboot"  />
		<shortdesc lang="en">What to do</shortdesc>
	</parameter>
	<parameter name="cmd_prompt" unique="0" required="0" deprecated="1">
		<content type="string" default="[&apos;\n&gt;&apos;, &apos;\nx&gt;&apos;]"  />
	</parameter>
	<parameter name="ip" unique="0" required="1" obsoletes="ipaddr">
		<content type="select"  >
			<option value="a" />
		</content>
	</parameter>
	<parameter name="plug" unique="0" required="1" obsoletes="port" />
</parameters>
<actions>
	<action name="on" automatic="0"/>
	<action name="off" />
	<action name="reboot" />
	<action name="monitor" />
	<action name="metadata" />
</actions>
</resource-agent>
"#,
        b"<r><!-- <parameter name=\"x\"/> --><parameter name='a' required = '1'\n/></r>",
        b"<r><![CDATA[<action name=\"x\"/>]]><action name=\"o&#110;\"></action></r>",
        b"<r><parameter longdesc=\"a > b name='x'\" name=\"y\"/><?pi <action name=\"z\"/>?></r>",
        b"Traceback (most recent call last):\n  File \"<stdin>\", line 1\n<parameters><parameter name=\"",
    ]);
    found.push(("empty".to_owned(), b"<resource-agent/>".to_vec()));
    found
}

fn tags() -> Vec<Vec<u8>> {
    let mut words = seeds::words(
        "<parameter name=\"x\" <action <parameters> </parameters> <actions> <longdesc> <shortdesc> </longdesc> <vendor-url> \
         /> > ' \" required=\"1\" deprecated=\"1\" required='0' <!-- --> <![CDATA[ ]]> <? ?> &amp; &lt; &gt; &quot; &apos; \
         &#110; &#x6e; &#0; xmlns:a=\"b\" a:parameter <!DOCTYPE shortdesc=\"",
    );
    words.push(b"name = \"".to_vec());
    words.push(b" name=\"".to_vec());
    words
}

/// One line for the names, the rest is the values: in each of the three forms nothing is lost or made up, and no secret
/// remains in a text that is masked.
fn parameters(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (names, rest) = text.split_once('\n').unwrap_or(("", &text));
    let names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
    let positional = Parameters::positional(&names, rest);
    if let Some(given) = &positional {
        for name in &names {
            let value = given.get(name).expect("a value for each name");
            assert!(!value.is_empty() && rest.contains(value));
        }
        masked(given, &names, rest);
    }
    for given in [Parameters::words(rest), Parameters::lines(rest)]
        .into_iter()
        .flatten()
    {
        assert_eq!(given.get(""), None);
        let mut all = names.clone();
        for word in rest.split(|c: char| c.is_whitespace() || c == '=') {
            all.push(word.to_owned());
        }
        // A name on a line of its own may have blanks in it.
        let lines = rest.split(['\n', '\r']);
        all.extend(lines.filter_map(|line| Some(line.split_once('=')?.0.to_owned())));
        masked(&given, &all, rest);
    }
    if let Some(given) = Parameters::words(rest) {
        // Words are lines, one each.
        let lines: Vec<&str> = rest
            .split([' ', '\t', '\r', '\n', '\x0c'])
            .filter(|word| !word.is_empty())
            .collect();
        if !lines.iter().any(|word| word.starts_with('#')) {
            let lines = Parameters::lines(&lines.join("\n"));
            let trimmed = rest.chars().all(|c| c.is_ascii() && !c.is_ascii_control());
            assert!(!trimmed || lines.as_ref() == Some(&given));
        }
    }
}

fn masked(given: &Parameters, names: &[String], text: &str) {
    let said = format!("{text} / {text}");
    let shown = given.mask(&said);
    let debug = format!("{given:?}");
    for name in names {
        let Some(value) = given.get(name).filter(|value| value.len() > 3) else {
            continue;
        };
        let secret = name.to_ascii_lowercase().contains("pass");
        // A mask is made of asterisks, and so may a value be.
        if secret && !value.contains('*') {
            assert!(!shown.contains(value), "{name} in {shown:?}");
            // Names are shown, as Rust shows texts: a NUL as `\0`.
            let shown = |name: &String| format!("{name:?}").contains(value);
            let is_name = names.iter().any(shown);
            assert!(is_name || value.contains(['"', '\\']) || !debug.contains(value));
        }
    }
}

fn devices() -> Vec<Seed> {
    seeds::texts(&[
        b"hostlist ipaddr userid passwd interface\nalpha 10.0.0.9 admin geheim lan",
        b"hostlist\nalpha beta gamma",
        b"\nip=10.0.0.9 username=admin password=geheim=2 lanplus=1",
        b"\n# comment\nip = 10.0.0.9\n\npassword=two words\nhostmap=alpha:1;beta:2\n",
        b"passwd passwd2\ngeheim geheimnis",
    ])
}

fn names() -> Vec<Vec<u8>> {
    let mut words = seeds::words(
        "hostlist= ip= password= passwd= passwd community pin= hostmap=alpha:1;beta:2 # = , **** geheim",
    );
    words.push(b"\n".to_vec());
    words
}
