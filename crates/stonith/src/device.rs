//! A device: a type with its parameters, and what can be asked of it.

use ha_sys::host::uname_node;

use crate::kinds::agent::{Agent, OURS};
use crate::kinds::external::Script;
use crate::kinds::{meatware, ssh, suicide};
use crate::metadata::Metadata;
use crate::parameters::first_line;
use crate::{Code, Kind, Level, Parameters, Places, Say};

/// What to do to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Off and on again.
    Reset,
    /// On.
    On,
    /// Off.
    Off,
}

impl Request {
    /// `reset`, `on`, `off`.
    pub fn word(self) -> &'static str {
        match self {
            Request::Reset => "reset",
            Request::On => "on",
            Request::Off => "off",
        }
    }

    /// Reads that word.
    pub fn from_word(word: &str) -> Option<Request> {
        [Request::Reset, Request::On, Request::Off]
            .into_iter()
            .find(|request| request.word() == word)
    }
}

/// Where parameters come from.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// `name=value`, each by itself.
    Pairs(Parameters),
    /// One text: values in the order of the names, or `name=value` words for fence agents.
    Text(String),
    /// The content of a file: its first line as such a text, or one `name=value` a line for fence agents.
    File(String),
    /// The environment, by the names of the type.
    Environment,
}

/// Why there is no device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The script does not tell its parameters; what is wrong has been said.
    Broken(Code),
    /// The text has too few values, or no `name=value`.
    Unusable,
    /// A value is missing, empty, or has a name that is not known.
    Values {
        /// The legacy's code for it.
        code: Code,
        /// The names that are.
        names: Vec<String>,
        /// The name at fault, if it is one.
        at: Option<String>,
    },
}

/// A device that can be asked.
#[derive(Clone, Debug)]
pub struct Device {
    kind: Kind,
    parameters: Parameters,
    places: Places,
}

/// Names of the type's parameters, in positional order.
///
/// # Errors
/// A script or agent does not tell; what is wrong has been said.
pub(crate) fn names(kind: &Kind, places: &Places, say: &mut Say<'_>) -> Result<Vec<String>, Code> {
    let none = Parameters::default();
    match kind {
        Kind::External(name) => script(name, places, &none).names(say),
        Kind::Agent(name) => Ok(agent_names(&agent(name, places, &none).metadata(say)?)),
        Kind::Meatware | Kind::Null | Kind::Ssh => Ok(vec!["hostlist".to_owned()]),
        Kind::Suicide => Ok(Vec::new()),
    }
}

fn agent_names(metadata: &Metadata) -> Vec<String> {
    let offered = metadata.offered().filter(|parameter| !parameter.deprecated);
    let names = offered.map(|parameter| parameter.name.clone());
    names.chain(OURS.map(str::to_owned)).collect()
}

fn script<'a>(name: &'a str, places: &'a Places, parameters: &'a Parameters) -> Script<'a> {
    Script {
        name,
        places,
        parameters,
    }
}

fn agent<'a>(name: &'a str, places: &'a Places, parameters: &'a Parameters) -> Agent<'a> {
    Agent {
        name,
        places,
        parameters,
    }
}

impl Device {
    /// Joins type and parameters, and judges them as far as the type can.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn new(
        kind: Kind,
        source: &Source,
        places: &Places,
        say: &mut Say<'_>,
    ) -> Result<Device, Refusal> {
        let names = names(&kind, places, say).map_err(Refusal::Broken)?;
        let parameters = match source {
            Source::Pairs(pairs) => Some(pairs.clone()),
            Source::Text(text) if kind.takes_names() => Parameters::words(text),
            Source::Text(text) => Parameters::positional(&names, text),
            Source::File(content) if kind.takes_names() => Parameters::lines(content),
            Source::File(content) => {
                first_line(content).and_then(|line| Parameters::positional(&names, line))
            }
            Source::Environment => {
                let value = |name: &String| Some((name.clone(), std::env::var(name).ok()?));
                Some(Parameters::new(names.iter().filter_map(value).collect()))
            }
        };
        let device = Device {
            kind,
            parameters: parameters.ok_or(Refusal::Unusable)?,
            places: places.clone(),
        };
        device.judge(names, say)?;
        Ok(device)
    }

    /// What is missing in the parameters of a script is for the script to complain of.
    fn judge(&self, names: Vec<String>, say: &mut Say<'_>) -> Result<(), Refusal> {
        let (code, at) = match &self.kind {
            Kind::External(_) | Kind::Suicide => return Ok(()),
            Kind::Agent(name) => {
                let agent = agent(name, &self.places, &self.parameters);
                let metadata = agent.metadata(say).map_err(Refusal::Broken)?;
                match agent.check(&metadata) {
                    Ok(()) => return Ok(()),
                    Err(at) => (Code::INVALID, Some(at)),
                }
            }
            Kind::Meatware | Kind::Null | Kind::Ssh => {
                let hosts = self.parameters.hosts("hostlist");
                match self.parameters.get("hostlist") {
                    None => (Code::INVALID, None),
                    Some(_) if hosts.is_empty() => (Code::BAD_CONFIG, None),
                    Some(_) => return Ok(()),
                }
            }
        };
        Err(Refusal::Values { code, names, at })
    }

    /// What the log calls it.
    pub fn id(&self, say: &mut Say<'_>) -> String {
        match &self.kind {
            Kind::External(name) => {
                let told = script(name, &self.places, &self.parameters).information("devid", say);
                match told.trim() {
                    "" => self.kind.name(),
                    id => id.replace(char::is_control, " "),
                }
            }
            Kind::Agent(_) => self.kind.name(),
            Kind::Meatware => "Meatware STONITH device".into(),
            Kind::Null => "NULL STONITH device".into(),
            Kind::Ssh => "SSH STONITH device".into(),
            Kind::Suicide => "Suicide STONITH device".into(),
        }
    }

    /// Whether the device can be reached.
    pub fn status(&self, say: &mut Say<'_>) -> Code {
        let say = &mut masked(&self.parameters, say);
        match &self.kind {
            Kind::External(name) => script(name, &self.places, &self.parameters).status(say),
            Kind::Agent(name) => agent(name, &self.places, &self.parameters).status(say),
            Kind::Meatware | Kind::Null | Kind::Ssh | Kind::Suicide => Code::OK,
        }
    }

    /// The nodes that it controls, in lower case.
    ///
    /// # Errors
    /// It does not tell.
    pub fn hosts(&self, say: &mut Say<'_>) -> Result<Vec<String>, Code> {
        let say = &mut masked(&self.parameters, say);
        match &self.kind {
            Kind::External(name) => script(name, &self.places, &self.parameters).hosts(say),
            Kind::Agent(name) => agent(name, &self.places, &self.parameters).hosts(say),
            Kind::Meatware | Kind::Null | Kind::Ssh => Ok(self.parameters.hosts("hostlist")),
            Kind::Suicide => Ok(vec![uname_node().to_ascii_lowercase()]),
        }
    }

    /// Does it. Takes as long as it takes.
    pub fn request(&self, request: Request, node: &str, say: &mut Say<'_>) -> Code {
        let node = &node.to_ascii_lowercase();
        let say = &mut masked(&self.parameters, say);
        match &self.kind {
            Kind::External(name) => {
                script(name, &self.places, &self.parameters).request(request, node, say)
            }
            Kind::Agent(name) => {
                agent(name, &self.places, &self.parameters).request(request, node, say)
            }
            Kind::Meatware => meatware::request(node, &self.places, say),
            Kind::Null => {
                say(Level::Info, &format!("Host null-reset: {node}"));
                Code::OK
            }
            Kind::Ssh => ssh::request(request, node, &self.parameters, say),
            Kind::Suicide => suicide::request(request, node, &uname_node(), say),
        }
    }
}

/// The same, without secrets.
fn masked<'a>(parameters: &'a Parameters, say: &'a mut Say<'_>) -> impl FnMut(Level, &str) {
    move |level, text| say(level, &parameters.mask(text))
}

/// What there is to tell about a type: for the help, and as meta-data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) description: String,
    pub(crate) url: String,
    /// One line.
    pub(crate) device: String,
    /// `<parameters>...</parameters>`
    pub(crate) xml: String,
}

impl About {
    pub(crate) fn kind(kind: &Kind, places: &Places, say: &mut Say<'_>) -> About {
        let none = Parameters::default();
        let built_in = |description: &str, device: &str, url: &str, xml: &str| About {
            description: description.to_owned(),
            url: url.to_owned(),
            device: device.to_owned(),
            xml: format!("<parameters>{xml}</parameters>"),
        };
        match kind {
            Kind::External(name) => {
                let script = script(name, places, &none);
                About {
                    description: script.information("devdescr", say),
                    url: script.information("devurl", say),
                    device: script.information("devid", say),
                    xml: script.information("xml", say),
                }
            }
            Kind::Agent(name) => {
                let text = agent(name, places, &none)
                    .metadata_text(say)
                    .unwrap_or_default();
                let metadata = Metadata::read(&text);
                let start = text.find("<parameters>");
                let end = text
                    .find("</parameters>")
                    .map(|at| at + "</parameters>".len());
                let xml = start.zip(end).and_then(|(start, end)| text.get(start..end));
                About {
                    description: metadata.long,
                    url: metadata.url,
                    device: metadata.short,
                    xml: xml.unwrap_or_default().to_owned(),
                }
            }
            Kind::Meatware => built_in(
                "Human (meatware) intervention STONITH device.\n\
                 This STONITH agent prompts a human to reset a machine.\n\
                 The human tells it when the reset was completed.",
                "Meatware STONITH device",
                "",
                HOSTLIST,
            ),
            Kind::Null => built_in(
                "Dummy (do-nothing) STONITH device\nFOR TESTING ONLY!",
                "NULL STONITH device",
                "",
                HOSTLIST,
            ),
            Kind::Ssh => built_in(
                "SSH-based host reset\nFine for testing, but not suitable for production!",
                "SSH STONITH device",
                "http://openssh.org",
                HOSTLIST,
            ),
            Kind::Suicide => built_in(
                "Virtual device to reboot/powerdown itself.\n",
                "Suicide STONITH device",
                "",
                "",
            ),
        }
    }
}

/// The parameter of most built-in types.
const HOSTLIST: &str = "<parameter name=\"hostlist\" unique=\"0\" required=\"1\"><content type=\"string\" />\n\
    <shortdesc lang=\"en\">\nHostlist</shortdesc>\n\
    <longdesc lang=\"en\">\nThe list of hosts that the STONITH device controls</longdesc>\n\
    </parameter>\n";
