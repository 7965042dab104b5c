//! What the client API must know of the configuration.

use ha_config::ApiAuth;

/// The part of ha.cf that concerns local clients.
#[derive(Clone, Debug, Default)]
pub struct ApiSettings {
    /// Version of this heartbeat, as `hbversion`; at most 63 bytes.
    pub version: String,
    /// What `getparm` answers: the recorded parameters of ha.cf, values as written (`client-api.md` 3.21).
    pub parameters: Vec<(String, String)>,
    /// Code of the syslog facility, already shifted (`local0` is 128); none if there is none.
    pub facility: Option<u8>,
    /// Who may sign on under which name: `apiauth` and the defaults (section 5).
    pub rules: Vec<ApiAuth>,
}

impl ApiSettings {
    /// The value of a parameter; none if it is unset or unknown.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Replaces the value of a parameter that changes while we run.
    pub(crate) fn set_parameter(&mut self, name: &str, value: String) {
        match self.parameters.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.parameters.push((name.to_owned(), value)),
        }
    }
}
