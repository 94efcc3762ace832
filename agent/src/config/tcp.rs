//! The stream over TCP: what goes together.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub(super) const LISTEN: &str = "stream.tcp.listen";
pub(crate) const CERTIFICATE: &str = "stream.tcp.certificate";
pub(crate) const KEY: &str = "stream.tcp.key";
pub(crate) const CLIENT_CA: &str = "stream.tcp.client_ca";
pub(crate) const CLIENTS: &str = "stream.tcp.clients";
pub(super) const PLAINTEXT: &str = "stream.tcp.plaintext";

/// The gRPC services over TCP. Paths are empty where they are not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    /// Where it listens; `None` is nowhere.
    pub listen: Option<SocketAddr>,
    /// The agent's certificate, and those between it and its CA.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// CAs of the clients.
    pub client_ca: PathBuf,
    /// Who may do what.
    pub clients: PathBuf,
    /// Without TLS.
    pub plaintext: bool,
}

impl Tcp {
    /// Settings that do not go together: the one to change, and what to do.
    pub(super) fn conflict(&self) -> Option<(&'static str, String)> {
        let listen = self.listen?;
        let files = self.files();
        if !self.plaintext {
            let missing: Vec<_> = files
                .iter()
                .filter(|(_, path)| path.as_os_str().is_empty())
                .map(|(key, _)| *key)
                .collect();
            let missing = (!missing.is_empty()).then(|| missing.join(", "))?;
            let why = format!("TCP needs mutual TLS: set {missing} too, or listen nowhere");
            return Some((LISTEN, why));
        }
        if !listen.ip().to_canonical().is_loopback() {
            let why = format!(
                "refused, because {listen} is no loopback address: whoever reaches it could read \
                 every alert; set it to false and configure mutual TLS, or listen at 127.0.0.1"
            );
            return Some((PLAINTEXT, why));
        }
        let (key, _) = files
            .iter()
            .find(|(_, path)| !path.as_os_str().is_empty())?;
        let why = format!("{key} is set too, and has no effect without TLS: take one out");
        Some((PLAINTEXT, why))
    }

    fn files(&self) -> [(&'static str, &Path); 4] {
        [
            (CERTIFICATE, &self.certificate),
            (KEY, &self.key),
            (CLIENT_CA, &self.client_ca),
            (CLIENTS, &self.clients),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflict(change: impl FnOnce(&mut Tcp)) -> Option<String> {
        let mut tcp = Tcp {
            listen: Some("127.0.0.1:7443".parse().unwrap()),
            certificate: "/a".into(),
            key: "/b".into(),
            client_ca: "/c".into(),
            clients: "/d".into(),
            plaintext: false,
        };
        change(&mut tcp);
        tcp.conflict().map(|(key, why)| format!("{key}: {why}"))
    }

    fn plaintext_at(address: &str) -> Option<String> {
        conflict(|tcp| {
            *tcp = Tcp {
                listen: Some(address.parse().unwrap()),
                plaintext: true,
                ..Tcp::default()
            };
        })
    }

    #[test]
    fn mutual_tls_needs_all_its_files() {
        assert_eq!(conflict(|_| ()), None);
        let why = conflict(|tcp| {
            tcp.key = PathBuf::new();
            tcp.clients = PathBuf::new();
        });
        assert_eq!(
            why.unwrap(),
            "stream.tcp.listen: TCP needs mutual TLS: set stream.tcp.key, stream.tcp.clients too, \
             or listen nowhere"
        );
        assert_eq!(Tcp::default().conflict(), None);
    }

    #[test]
    fn plaintext_is_for_loopback_alone() {
        for address in [
            "127.0.0.1:1",
            "127.8.8.8:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert_eq!(plaintext_at(address), None, "{address}");
        }
        for address in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
            let why = plaintext_at(address).unwrap();
            assert!(
                why.starts_with("stream.tcp.plaintext: refused, because "),
                "{why}"
            );
        }
    }

    #[test]
    fn plaintext_beside_certificates_is_a_contradiction() {
        let why = conflict(|tcp| tcp.plaintext = true).unwrap();
        assert!(why.contains("stream.tcp.certificate is set too"), "{why}");
    }
}
