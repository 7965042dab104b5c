//! Deleting an address without harm to others.

use std::net::IpAddr;

use ha_net::{Address, NetError, route};

use super::Kernel;
use super::report::Report;

/// Deletes an address. If the kernel takes other addresses away with it, they are put back.
///
/// With `promote_secondaries` off, its default, Linux deletes every secondary address of a subnet together with the primary one
/// (`resource-scripts.md` 5.5, "kernel trap"): the legacy loses all other addresses of a subnet when the one that came
/// first is stopped. Addresses put back keep their label and broadcast address.
pub(crate) fn delete_alone(
    kernel: &mut dyn Kernel,
    address: &Address,
    before: &[Address],
    report: &mut Report,
) -> Result<(), NetError> {
    kernel.delete_address(address)?;
    let endangered: Vec<&Address> = before
        .iter()
        .filter(|other| depends_on(other, address))
        .collect();
    if endangered.is_empty() {
        return Ok(());
    }
    let left = kernel.addresses()?;
    for lost in endangered {
        let is_there = |other: &Address| {
            (other.link, other.ip, other.prefix_len) == (lost.link, lost.ip, lost.prefix_len)
        };
        if left.iter().any(is_there) {
            continue;
        }
        match kernel.add_address(lost) {
            Ok(()) => report.info(format!(
                "{} went away with {} and was put back",
                lost.ip, address.ip
            )),
            Err(error) => report.error(format!(
                "{} went away with {}: {error}",
                lost.ip, address.ip
            )),
        }
    }
    Ok(())
}

/// Whether the kernel may delete `other` together with `address`.
fn depends_on(other: &Address, address: &Address) -> bool {
    let (IpAddr::V4(one), IpAddr::V4(two)) = (other.ip, address.ip) else {
        return false;
    };
    other.secondary
        && other.link == address.link
        && other.prefix_len == address.prefix_len
        && one != two
        && route::same_network(one, two, address.prefix_len)
}
