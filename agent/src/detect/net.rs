//! Networks: an address with a prefix length.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::FixedState;

/// A set of addresses that share their first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Network {
    /// The shared bits, the others being zero; IPv4 and IPv6 never meet.
    bits: u128,
    mask: u128,
    is_v4: bool,
}

impl Network {
    /// Reads `10.0.0.0/8`, `::1/128` or a single address.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(width);
        if length > width {
            return None;
        }
        let mask = ones(length, width);
        let (bits, is_v4) = number(address);
        Some(Self {
            bits: bits & mask,
            mask,
            is_v4,
        })
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let (bits, is_v4) = number(address);
        is_v4 == self.is_v4 && bits & self.mask == self.bits
    }
}

impl Network {
    /// Every address of the other network is in this one.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let narrower = other.mask & self.mask == self.mask;
        self.is_v4 == other.is_v4 && narrower && other.bits & self.mask == self.bits
    }

    /// Number of bits in which its addresses differ.
    pub(crate) fn host_bits(&self) -> u32 {
        let width = if self.is_v4 { 32 } else { 128 };
        width - self.mask.count_ones()
    }
}

/// Values by network: those that contain an address are found by one look-up for each length of a
/// prefix.
#[derive(Debug)]
pub(crate) struct NetworkTable<T> {
    lengths: Vec<Length<T>>,
}

/// The networks of one kind and mask, by their bits.
#[derive(Debug)]
struct Length<T> {
    is_v4: bool,
    mask: u128,
    networks: HashMap<u128, T, FixedState>,
}

impl<T> Default for NetworkTable<T> {
    fn default() -> Self {
        Self {
            lengths: Vec::new(),
        }
    }
}

impl<T: Default> NetworkTable<T> {
    /// The value of a network, made if it has none.
    pub(crate) fn entry(&mut self, network: &Network) -> &mut T {
        let Network { bits, mask, is_v4 } = *network;
        let same = |length: &Length<T>| length.is_v4 == is_v4 && length.mask == mask;
        let position = self.lengths.iter().position(same).unwrap_or_else(|| {
            self.lengths.push(Length {
                is_v4,
                mask,
                networks: HashMap::default(),
            });
            self.lengths.len() - 1
        });
        self.lengths[position].networks.entry(bits).or_default()
    }

    /// The values of all networks that contain the address.
    pub(crate) fn containing(&self, address: IpAddr) -> impl Iterator<Item = &T> {
        let (bits, is_v4) = number(address);
        self.lengths
            .iter()
            .filter(move |length| length.is_v4 == is_v4)
            .filter_map(move |length| length.networks.get(&(bits & length.mask)))
    }
}

fn number(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(address) => (u32::from(address).into(), true),
        IpAddr::V6(address) => (address.into(), false),
    }
}

/// The first `length` of `width` bits.
fn ones(length: u32, width: u32) -> u128 {
    let all = u128::MAX >> (128 - width);
    let rest = all.checked_shr(length).unwrap_or(0);
    all & !rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership_is_by_prefix() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("172.16.0.0/12", "172.31.255.255", true),
            ("172.16.0.0/12", "172.32.0.0", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "fe80::1", true),
            ("fd00::/8", "fd12::1", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
        ] {
            let parsed = Network::parse(network).unwrap();
            assert_eq!(
                parsed.contains(address.parse().unwrap()),
                expected,
                "{network} {address}"
            );
        }
    }

    #[test]
    fn nonsense_is_no_network() {
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "example.org"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
