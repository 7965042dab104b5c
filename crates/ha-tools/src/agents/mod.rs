//! The resource scripts that are programs of ours, beside `IPaddr` and `IPaddr2`: what they do and say is that of
//! `resource-scripts.md` 7 to 10.
//!
//! | module | script |
//! |---|---|
//! | `wrapper` | what all of them have in common: operations, usage, closing line, meta data |
//! | `pseudo` | resources that are nothing but a note of their own state |
//! | `audible_alarm` | `AudibleAlarm` |
//! | `delay` | `Delay` |
//! | `ipv6_address` | `IPv6addr` |
//! | `port_block` | `portblock` |
//! | `packet_filter` | iptables or nftables, whichever is here |
//! | `send_arp` | `SendArp` |
//! | `source_address` | `IPsrcaddr` |

mod audible_alarm;
mod delay;
mod ipv6_address;
mod packet_filter;
mod port_block;
mod pseudo;
mod send_arp;
mod source_address;
pub(crate) mod wrapper;

pub(crate) use audible_alarm::main as audible_alarm;
pub(crate) use delay::main as delay;
pub(crate) use ipv6_address::main as ipv6_address;
pub(crate) use port_block::main as port_block;
pub(crate) use send_arp::main as send_arp;
pub(crate) use source_address::main as source_address;
