//! The other side of a connection as one text: `tcp example.com:443`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::suffix;

/// Where the services that hand out a cloud's credentials are.
const METADATA_V4: [Ipv4Addr; 2] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(100, 100, 100, 200),
];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
/// The first port that Linux gives out by itself.
const EPHEMERAL: u16 = 32768;
/// Ports of services that look as if they had been given out.
const WELL_KNOWN: [u16; 6] = [33060, 44818, 47808, 50000, 50051, 61616];

/// What kind of address a peer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PeerClass {
    /// This machine, or this network namespace. The unspecified address leads there too.
    Loopback,
    /// A service that hands out the credentials of a cloud.
    Metadata,
    /// The link alone.
    LinkLocal,
    /// A private network: RFC 1918, unique local addresses, shared address space.
    Private,
    /// Several at once.
    Multicast,
    /// The rest.
    Public,
}

impl PeerClass {
    /// Of an address; an IPv4 address mapped into IPv6 is that IPv4 address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        let [first, second, ..] = address.octets();
        let shared = first == 100 && second & 0xc0 == 64;
        match () {
            () if METADATA_V4.contains(&address) => Self::Metadata,
            () if address.is_loopback() || address.is_unspecified() => Self::Loopback,
            () if address.is_link_local() => Self::LinkLocal,
            () if address.is_private() || shared => Self::Private,
            () if address.is_multicast() || address.is_broadcast() => Self::Multicast,
            () => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        match () {
            () if address == METADATA_V6 => Self::Metadata,
            () if address.is_loopback() || address.is_unspecified() => Self::Loopback,
            () if address.is_unicast_link_local() => Self::LinkLocal,
            () if address.is_unique_local() => Self::Private,
            () if address.is_multicast() => Self::Multicast,
            () => Self::Public,
        }
    }

    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Metadata => "metadata",
            Self::LinkLocal => "link-local",
            Self::Private => "private",
            Self::Multicast => "multicast",
            Self::Public => "public",
        }
    }
}

/// How a peer is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// Another one, by its number.
    Other(u8),
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Udp => f.write_str("udp"),
            Self::Other(number) => write!(f, "protocol-{number}"),
        }
    }
}

/// A peer with its protocol and port. `name` is the one that was looked up for the address.
///
/// A name never stands for the metadata service or for this machine, whatever it resolved to. Beside
/// that of a private address stands the network (`tcp example.com@10.1.2.0/24:443`): whoever can
/// forge an answer could otherwise reach any internal service under a name that is known.
pub fn text(protocol: Protocol, address: IpAddr, port: u16, name: Option<&[u8]>) -> String {
    let class = PeerClass::of(address);
    let name = name.map(suffix).filter(|name| !name.is_empty());
    let peer = match (class, name) {
        (PeerClass::Public, Some(name)) => name,
        (PeerClass::Private, Some(name)) => format!("{name}@{}", network(address)),
        (PeerClass::LinkLocal | PeerClass::Multicast, Some(name)) => {
            format!("{name}@{}", class.name())
        }
        (PeerClass::Private, None) => network(address),
        _ => format!("{{{}}}", class.name()),
    };
    format!("{protocol} {peer}:{}", port_text(port))
}

/// A port: that of a service as it is, one that the kernel gave out as `{ephemeral}`.
pub fn port_text(port: u16) -> String {
    let exact = port < EPHEMERAL || WELL_KNOWN.contains(&port);
    if exact {
        port.to_string()
    } else {
        "{ephemeral}".to_owned()
    }
}

fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let network = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64));
            format!("[{network}/64]")
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_have_a_class() {
        for (address, class) in [
            ("127.0.0.1", PeerClass::Loopback),
            ("0.0.0.0", PeerClass::Loopback),
            ("::1", PeerClass::Loopback),
            ("::", PeerClass::Loopback),
            ("::ffff:127.0.0.1", PeerClass::Loopback),
            ("169.254.169.254", PeerClass::Metadata),
            ("::ffff:169.254.169.254", PeerClass::Metadata),
            ("100.100.100.200", PeerClass::Metadata),
            ("fd00:ec2::254", PeerClass::Metadata),
            ("169.254.1.1", PeerClass::LinkLocal),
            ("fe80::1", PeerClass::LinkLocal),
            ("10.1.2.3", PeerClass::Private),
            ("172.16.0.1", PeerClass::Private),
            ("172.32.0.1", PeerClass::Public),
            ("192.168.1.1", PeerClass::Private),
            ("100.64.0.1", PeerClass::Private),
            ("100.127.255.255", PeerClass::Private),
            ("100.128.0.1", PeerClass::Public),
            ("fd12::1", PeerClass::Private),
            ("224.0.0.1", PeerClass::Multicast),
            ("255.255.255.255", PeerClass::Multicast),
            ("ff02::1", PeerClass::Multicast),
            ("8.8.8.8", PeerClass::Public),
            ("2001:4860::1", PeerClass::Public),
        ] {
            assert_eq!(PeerClass::of(address.parse().unwrap()), class, "{address}");
        }
    }

    #[test]
    fn a_peer_is_one_text() {
        let text = |address: &str, port, name: Option<&str>| {
            let name = name.map(str::as_bytes);
            super::text(Protocol::Tcp, address.parse().unwrap(), port, name)
        };
        assert_eq!(
            text("93.184.216.34", 443, Some("www.example.com")),
            "tcp example.com:443"
        );
        assert_eq!(text("93.184.216.34", 443, None), "tcp {public}:443");
        assert_eq!(text("10.1.2.3", 5432, None), "tcp 10.1.2.0/24:5432");
        assert_eq!(text("::ffff:10.1.2.3", 5432, None), "tcp 10.1.2.0/24:5432");
        assert_eq!(text("fd12:1::5", 5432, None), "tcp [fd12:1::/64]:5432");
        assert_eq!(
            text("10.1.2.3", 443, Some("example.com")),
            "tcp example.com@10.1.2.0/24:443"
        );
        assert_eq!(
            text("fd12:1::5", 443, Some("example.com")),
            "tcp example.com@[fd12:1::/64]:443"
        );
        assert_eq!(
            text("fe80::1", 443, Some("example.com")),
            "tcp example.com@link-local:443"
        );
        assert_eq!(text("127.0.0.1", 40000, None), "tcp {loopback}:{ephemeral}");
        assert_eq!(
            text("169.254.169.254", 80, Some("example.com")),
            "tcp {metadata}:80"
        );
        assert_eq!(
            super::text(
                Protocol::Other(132),
                "8.8.8.8".parse().unwrap(),
                50051,
                Some(b".")
            ),
            "protocol-132 {public}:50051"
        );
    }

    proptest! {
        #[test]
        fn a_mapped_address_is_the_mapped_one(address: u32, port: u16) {
            let address = Ipv4Addr::from_bits(address);
            let mapped = IpAddr::V6(address.to_ipv6_mapped());
            prop_assert_eq!(
                text(Protocol::Udp, mapped, port, None),
                text(Protocol::Udp, IpAddr::V4(address), port, None)
            );
        }

        #[test]
        fn the_text_is_bounded(
            address: u128, port: u16, name in prop::collection::vec(any::<u8>(), 0..600)
        ) {
            let address = IpAddr::V6(Ipv6Addr::from_bits(address));
            let text = text(Protocol::Tcp, address, port, Some(&name));
            prop_assert!(text.is_ascii() && text.len() <= 4 * 255 + 64);
        }
    }
}
