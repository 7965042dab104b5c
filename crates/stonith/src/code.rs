//! How an operation ended, as a number that is also the exit code of the command (`stonith.md` 1).

/// A return code. Scripts of type `external` have more than the named ones: what they exit with to `status` is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code(pub u8);

impl Code {
    /// Done.
    pub const OK: Code = Code(0);
    /// The configuration is bad.
    pub const BAD_CONFIG: Code = Code(1);
    /// The device cannot be reached, or does not let us in.
    pub const ACCESS: Code = Code(2);
    /// Bad argument, missing parameter.
    pub const INVALID: Code = Code(3);
    /// The device does not control this node.
    pub const BAD_HOST: Code = Code(4);
    /// The request failed.
    pub const RESET_FAILED: Code = Code(5);
    /// The device did not answer in time.
    pub const TIMEOUT: Code = Code(6);
    /// Anything else.
    pub const OOPS: Code = Code(8);

    /// It is done.
    pub fn ok(self) -> bool {
        self == Code::OK
    }
}
