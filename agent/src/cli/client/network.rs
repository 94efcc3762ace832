//! Agents over the network.

use std::fs;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, ClientConfig, Error, RootCertStore};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

use crate::cli::{Exit, Failure, Global};

/// Longest wait for the connection, and again for the agent's first word.
const PATIENCE: Duration = Duration::from_secs(10);

/// An agent that does not answer a ping within this time after this interval is gone. Who only
/// listens would wait for ever at a network that was cut.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(10));

/// The way to an agent.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Network {
    /// As it was given.
    url: String,
    host: String,
    port: u16,
    /// `None` without TLS.
    tls: Option<Tls>,
}

#[derive(Clone, Debug)]
struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Network {
    /// Reads the URL and the files.
    pub(in crate::cli) fn new(url: &str, global: &Global) -> Result<Self, Failure> {
        let wrong = |why: &str| usage(format!("--connect {url}: {why}"));
        let uri: Uri = url
            .parse()
            .map_err(|error| wrong(&format!("no URL: {error}")))?;
        let (Some(host), Some(port)) = (uri.host(), uri.port_u16()) else {
            return Err(wrong("write https://HOST:PORT"));
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong("nothing may follow the port"));
        }
        let host = host.trim_matches(['[', ']']).to_owned();
        let tls = match uri.scheme_str() {
            Some("https") => Some(Tls::new(&host, global)?),
            Some("http") => {
                require_loopback(&host, port).map_err(|why| wrong(&why))?;
                None
            }
            _ => {
                return Err(wrong(
                    "write https://HOST:PORT, or http:// for an agent without TLS",
                ));
            }
        };
        Ok(Self {
            url: url.to_owned(),
            host,
            port,
            tls,
        })
    }

    /// Connects. Waits until the agent speaks: only then is it known whether it takes the
    /// certificate.
    pub(in crate::cli) async fn connect(&self) -> Result<Channel, Failure> {
        let stream = timeout(
            PATIENCE,
            TcpStream::connect((self.host.as_str(), self.port)),
        );
        let stream = stream
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = stream.map_err(|error| self.failed(Exit::Unreachable, &error.to_string()))?;
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return self.channel(stream).await;
        };
        let connector = TlsConnector::from(Arc::clone(&tls.config));
        let begun = async {
            let stream = connector.connect(tls.name.clone(), stream).await?;
            let mut stream = BufReader::new(stream);
            let nothing = stream.fill_buf().await?.is_empty();
            if nothing {
                return Err(io::Error::other("the agent ended the connection"));
            }
            Ok(stream)
        };
        let begun = timeout(PATIENCE, begun)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        match begun {
            Ok(stream) => self.channel(stream).await,
            Err(error) => {
                let (exit, why) = explain(&error);
                Err(self.failed(exit, &why))
            }
        }
    }

    async fn channel(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Channel, Failure> {
        // One connection: who asks again connects again, and is told anew why not.
        let mut stream = Some(TokioIo::new(stream));
        let connector = tower::service_fn(move |_| {
            let stream = stream.take();
            async move { stream.ok_or_else(|| io::Error::other("the connection has ended")) }
        });
        let endpoint = Endpoint::try_from(self.url.clone())
            .map_err(|error| usage(format!("--connect {}: {error}", self.url)))?
            .http2_keep_alive_interval(KEEPALIVE.0)
            .keep_alive_timeout(KEEPALIVE.1)
            .keep_alive_while_idle(true);
        let channel = endpoint.connect_with_connector(connector).await;
        channel.map_err(|error| self.failed(Exit::Unreachable, &error.to_string()))
    }

    fn failed(&self, exit: Exit, why: &str) -> Failure {
        Failure::new(exit, format!("{}: {why}", self.url))
    }
}

impl Tls {
    fn new(host: &str, global: &Global) -> Result<Self, Failure> {
        let Some(ca) = &global.tls_ca else {
            let why = "https needs --tls-ca FILE, the CA of the agent's certificate";
            return Err(usage(why.to_owned()));
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates("--tls-ca", ca)? {
            roots
                .add(certificate)
                .map_err(|error| file("--tls-ca", ca, &error.to_string()))?;
        }
        let (Some(cert), Some(key)) = (&global.tls_cert, &global.tls_key) else {
            let why = "https needs --tls-cert FILE and --tls-key FILE: the agent serves nobody \
                       without a certificate";
            return Err(usage(why.to_owned()));
        };
        let chain = certificates("--tls-cert", cert)?;
        let pem = read("--tls-key", key)?;
        let private = PrivateKeyDer::from_pem_slice(&pem)
            .map_err(|error| file("--tls-key", key, &format!("no private key: {error}")))?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, private);
        let mut config = config.map_err(|error| match error {
            Error::InconsistentKeys(_) => {
                let why = format!("it is not the key of the certificate in {}", cert.display());
                file("--tls-key", key, &why)
            }
            error => file("--tls-cert", cert, &error.to_string()),
        })?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            usage(format!(
                "--connect: {host} is neither a name nor an address"
            ))
        })?;
        Ok(Self {
            config: Arc::new(config),
            name,
        })
    }
}

fn require_loopback(host: &str, port: u16) -> Result<(), String> {
    let addresses = (host, port).to_socket_addrs();
    let mut addresses = addresses.map_err(|error| format!("{host} is not known: {error}"))?;
    let is_loopback = |address: SocketAddr| address.ip().to_canonical().is_loopback();
    if addresses.all(is_loopback) {
        return Ok(());
    }
    Err("http is for this node alone, 127.0.0.1 or ::1; take https".to_owned())
}

fn certificates(flag: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let pem = read(flag, path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err(file(flag, path, "there is no certificate in it"))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(file(flag, path, &format!("no PEM file: {error}"))),
    }
}

fn read(flag: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| file(flag, path, &format!("cannot be read: {error}")))
}

fn file(flag: &str, path: &Path, why: &str) -> Failure {
    usage(format!("{flag} {}: {why}", path.display()))
}

fn usage(why: String) -> Failure {
    Failure::new(Exit::Usage, why)
}

/// What a failed handshake means for whoever wanted it.
fn explain(error: &io::Error) -> (Exit, String) {
    let tls = error
        .get_ref()
        .and_then(|error| error.downcast_ref::<Error>());
    let refused = |why: &str| (Exit::Permission, format!("the agent refused: {why}"));
    match tls {
        Some(Error::AlertReceived(alert)) => match alert {
            AlertDescription::CertificateRequired => refused("it asks for a certificate"),
            AlertDescription::UnknownCA => {
                refused("the certificate of --tls-cert comes from no CA that it trusts")
            }
            AlertDescription::CertificateExpired => {
                refused("the certificate of --tls-cert has expired, or is not valid yet")
            }
            alert => refused(&format!("{alert:?}")),
        },
        Some(Error::InvalidCertificate(error)) => (
            Exit::Failure,
            format!("its certificate is not trusted: {error}; is --tls-ca its CA?"),
        ),
        Some(Error::InvalidMessage(_)) => (
            Exit::Failure,
            "it does not speak TLS; http:// reaches an agent of this node without TLS".to_owned(),
        ),
        Some(error) => (Exit::Failure, error.to_string()),
        None => (Exit::Unreachable, error.to_string()),
    }
}

#[cfg(test)]
mod tests;
