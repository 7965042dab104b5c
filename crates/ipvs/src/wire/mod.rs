//! Requests to the kernel and its answers as bytes (`ipvs-netlink.md` 1 to 3).
//!
//! | module | responsible for |
//! |---|---|
//! | `numbers` | numbers of commands, attributes and flags |
//! | `request` | what we send |
//! | `reply` | what comes back: messages, and the values in them |
//! | `batch` | from the answers to a batch of changes to one result for each |
//!
//! ```text
//! message:    u32 length | u16 type | u16 flags | u32 sequence | u32 port     type: number of the family
//!             u8 command | u8 version | u16 0                                 then attributes
//! attribute:  u16 length (4 + value) | u16 type | value | padding to 4        bit 15 of the type: holds attributes
//! ```
//!
//! Integers are in the machine's own order, except for addresses, ports and IPv4 masks.

mod batch;
mod numbers;
mod reply;
mod request;

pub use batch::Batch;
pub use reply::{Body, Info, Malformed, Message, destination, family_id, info, messages, service};
pub use request::{REQUEST_LEN_MAX, Request};
