//! CAs, certificates and clients of tests.

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
    date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

use crate::config;

/// A certificate authority.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key, as PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = rcgen::DistinguishedName::new();
        let common_name = rcgen::DnType::CommonName;
        params.distinguished_name.push(common_name, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    pub(crate) fn pair(&self, name: &str) -> Pair {
        self.pair_until(name, 2100)
    }

    /// Valid until the begin of a year.
    pub(crate) fn pair_until(&self, name: &str, year: i32) -> Pair {
        let san = match name.contains("://") {
            true => SanType::URI(name.try_into().unwrap()),
            false => SanType::DnsName(name.try_into().unwrap()),
        };
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![san];
        params.not_after = date_time_ymd(year, 1, 1);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().unwrap();
        Pair {
            certificate: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

pub(crate) const WATCHER: &str = "soc.example.org";
pub(crate) const MANAGER: &str = "spiffe://example.org/manager";

pub(crate) const CLIENTS: &str = "\
    [[client]]\nname = \"soc.example.org\"\nrights = [\"watch\"]\n\
    [[client]]\nname = \"spiffe://example.org/manager\"\nrights = [\"rules\"]\n";

/// What an agent needs for mutual TLS, in a directory.
pub(crate) struct Pki {
    pub(crate) ca: Ca,
    directory: TempDir,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let pki = Self {
            ca: Ca::new("the fleet"),
            directory: tempfile::tempdir().unwrap(),
        };
        pki.write("server", &pki.ca.pair("localhost"));
        pki.write_file("ca.pem", &pki.ca.pem);
        pki.write_file("clients.toml", CLIENTS);
        pki
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, name: &str, pair: &Pair) {
        self.write_file(&format!("{name}.pem"), &pair.certificate);
        self.write_file(&format!("{name}.key"), &pair.key);
    }

    pub(crate) fn write_file(&self, name: &str, content: &str) {
        let path = self.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn settings(&self) -> config::Tcp {
        self.settings_in(self.path())
    }

    pub(crate) fn settings_in(&self, directory: &Path) -> config::Tcp {
        config::Tcp {
            listen: Some("127.0.0.1:0".parse().unwrap()),
            certificate: directory.join("server.pem"),
            key: directory.join("server.key"),
            client_ca: directory.join("ca.pem"),
            clients: directory.join("clients.toml"),
            plaintext: false,
        }
    }

    /// A client that trusts the fleet's CA and shows this.
    pub(crate) fn client(&self, pair: Option<&Pair>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(self.ca.pem.as_bytes()).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match pair {
            Some(Pair { certificate, key }) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }

    /// A connection of a client of that name.
    pub(crate) async fn channel(&self, address: SocketAddr, name: &str) -> Channel {
        let config = self.client(Some(&self.ca.pair(name)));
        channel(connect(address, config).await.unwrap()).await
    }

    /// One without room for answers.
    pub(crate) async fn reluctant_channel(&self, address: SocketAddr, name: &str) -> Channel {
        let config = self.client(Some(&self.ca.pair(name)));
        let stream = connect(address, config).await.unwrap();
        channel_of(stream, endpoint().initial_stream_window_size(0)).await
    }
}

pub(crate) async fn connect(
    address: SocketAddr,
    config: ClientConfig,
) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

/// A channel over a connection; it does not come back when that ends.
pub(crate) async fn channel(stream: TlsStream<TcpStream>) -> Channel {
    channel_of(stream, endpoint()).await
}

fn endpoint() -> Endpoint {
    Endpoint::from_static("https://localhost")
}

async fn channel_of(stream: TlsStream<TcpStream>, endpoint: Endpoint) -> Channel {
    let mut stream = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_| {
        let stream = stream.take();
        async move { stream.ok_or_else(|| io::Error::other("the connection has ended")) }
    });
    endpoint.connect_with_connector(connector).await.unwrap()
}
