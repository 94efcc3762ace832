//! Who is at the other end of a connection.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use webpki::EndEntityCert;

use crate::alert::printable;

/// Names of a certificate that are looked at; an honest one has a few.
const MAX_NAMES: usize = 16;
/// Longest name that is shown, in characters.
const SHOWN: usize = 128;

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Root or the agent's user, over the unix socket.
    Unix {
        /// User.
        uid: u32,
        /// Process, where the kernel told.
        pid: Option<i32>,
    },
    /// Somebody of this node, over TCP without TLS.
    Loopback(SocketAddr),
    /// A client with a certificate that one of the CAs made.
    Certificate {
        /// Where it is.
        address: SocketAddr,
        /// What the certificate says who it is.
        names: Arc<[Name]>,
    },
}

/// A name that a certificate gives its owner.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Name {
    /// A DNS name, in lower case: it differs in case and is the same.
    Dns(String),
    /// A URI.
    Uri(String),
}

impl Name {
    /// As people write it: a URI has a scheme, and no DNS name has a colon.
    pub(super) fn parse(text: &str) -> Self {
        if text.contains(':') {
            Self::Uri(text.to_owned())
        } else {
            Self::dns(text)
        }
    }

    fn dns(text: &str) -> Self {
        Self::Dns(text.to_ascii_lowercase())
    }

    fn text(&self) -> &str {
        let (Self::Dns(text) | Self::Uri(text)) = self;
        text
    }
}

/// Somebody at the other end of the network. Streams are counted under it, from wherever they come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Client {
    /// Whoever comes without TLS: nothing tells one from another.
    Loopback,
    /// Whoever has a certificate with these names.
    Certificate(Arc<[Name]>),
}

impl Peer {
    /// Who it is as a client; none over the unix socket.
    pub(super) fn client(&self) -> Option<Client> {
        match self {
            Self::Unix { .. } => None,
            Self::Loopback(_) => Some(Client::Loopback),
            Self::Certificate { names, .. } => Some(Client::Certificate(Arc::clone(names))),
        }
    }

    /// What it is counted under.
    pub(super) fn origin(&self) -> Origin {
        match self {
            Self::Unix { uid, .. } => Origin::User(Some(*uid)),
            Self::Loopback(address) | Self::Certificate { address, .. } => {
                Origin::network(address.ip())
            }
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix { uid, pid: None } => write!(f, "user {uid}"),
            Self::Unix {
                uid,
                pid: Some(pid),
            } => write!(f, "process {pid} of user {uid}"),
            Self::Loopback(address) => write!(f, "{address}"),
            Self::Certificate { address, names } => write!(f, "{} at {address}", list(names)),
        }
    }
}

/// Names for people: a client chose them.
pub(super) fn list(names: &[Name]) -> String {
    if names.is_empty() {
        return "a certificate without DNS name and URI".to_owned();
    }
    let shown = names.iter().map(|name| shorten(&printable(name.text())));
    let shown: Vec<_> = shown.collect();
    shown.join(", ")
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The DNS names and URIs of a certificate, as they stand in it; none of one that cannot be read.
/// Its common name says nothing: it was not made for names of machines.
pub(super) fn names(certificate: &rustls::pki_types::CertificateDer<'_>) -> Vec<Name> {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else {
        return Vec::new();
    };
    let dns = certificate.valid_dns_names().map(Name::dns);
    let uris = certificate.valid_uri_names();
    let uris = uris.map(|uri| Name::Uri(uri.to_owned()));
    dns.chain(uris).take(MAX_NAMES).collect()
}

/// What connections and refusals are counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// A user of this node; `None` where the kernel does not tell.
    User(Option<u32>),
    /// An IPv4 address, or the 64 bits of an IPv6 address that name the network: whoever has one
    /// address there has all of them.
    Network(IpAddr),
}

impl Origin {
    /// Of an address.
    pub(super) fn network(address: IpAddr) -> Self {
        let address = match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            v4 => v4,
        };
        Self::Network(address)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_ipv6_network_is_one_origin() {
        let origin = |text: &str| Origin::network(text.parse().unwrap());
        assert_eq!(origin("2001:db8:1:2::5"), origin("2001:db8:1:2:ffff::1"));
        assert_ne!(origin("2001:db8:1:2::5"), origin("2001:db8:1:3::5"));
        assert_eq!(origin("::ffff:10.0.0.1"), origin("10.0.0.1"));
        assert_ne!(origin("10.0.0.1"), origin("10.0.0.2"));
    }

    #[test]
    fn what_a_client_calls_itself_is_safe_to_show() {
        let names = [Name::parse("a\x1b[31m"), Name::parse(&"x".repeat(1_000))];
        let shown = list(&names);
        assert!(shown.starts_with("a\\x1b[31m, xxx"), "{shown}");
        assert!(shown.chars().count() < 200);
    }

    proptest! {
        #[test]
        fn no_certificate_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(names(&bytes.into()).is_empty());
        }
    }
}
