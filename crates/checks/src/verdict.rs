//! What a check found out.

/// Outcome of one check of a real server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The service works.
    pub up: bool,
    /// In a few words, for the monitor file (`ldirectord.md` 8): `200 OK`, `Connection failed`, a body that does not
    /// match. `-` when there is nothing to say. At most [`Verdict::TEXT_MAX`] bytes.
    pub text: String,
    /// Something an operator should know beyond up and down, such as a server that speaks nothing newer than TLS 1.1, or
    /// a check that lacks its login. Logged when it changes, not at each check.
    pub remark: Option<String>,
}

impl Verdict {
    /// Longer texts (a body that does not match) are cut here.
    pub const TEXT_MAX: usize = 4096;

    /// The service works.
    pub fn up(text: impl Into<String>) -> Verdict {
        Verdict::new(true, text)
    }

    /// The service does not work.
    pub fn down(text: impl Into<String>) -> Verdict {
        Verdict::new(false, text)
    }

    fn new(up: bool, text: impl Into<String>) -> Verdict {
        let mut text = text.into();
        let end = text.floor_char_boundary(Verdict::TEXT_MAX);
        text.truncate(end);
        Verdict {
            up,
            text,
            remark: None,
        }
    }

    /// The same verdict with a remark.
    #[must_use]
    pub fn remark(mut self, remark: impl Into<String>) -> Verdict {
        self.remark = Some(remark.into());
        self
    }
}
