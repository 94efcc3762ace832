//! The files: certificate, key, CAs and clients.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, RootCertStore};
use sha2::{Digest as _, Sha256};

use super::{Access, Tls};
use crate::config::{self, tcp};
use crate::sinks::grpc::clients::Clients;
use crate::telemetry::{Counter, Failure};

/// Largest file: far more than a bundle of all public CAs has.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Read permission of others.
const READABLE_BY_OTHERS: u32 = 0o004;

/// A file of the credentials cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {}: {why}", path.display())]
pub struct CredentialsError {
    setting: &'static str,
    path: PathBuf,
    /// What is wrong and what to do.
    why: String,
}

/// The contents of the files at one time.
#[derive(Debug)]
pub(super) struct Credentials {
    certificate: Source,
    key: Source,
    client_ca: Source,
    clients: Source,
}

/// One file.
#[derive(Debug)]
struct Source {
    setting: &'static str,
    path: PathBuf,
    content: Vec<u8>,
}

struct KeyReadable<'a> {
    path: &'a Path,
}

impl Failure for KeyReadable<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("tls_key_readable_by_others");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::warn!(
            message = "Every user of this node can read the TLS key: run chmod o-r on it.",
            setting = tcp::KEY,
            path = %self.path.display(),
            total
        );
    }
}

impl Credentials {
    /// Reads the files. Blocks.
    pub(super) fn read(settings: &config::Tcp) -> Result<Self, CredentialsError> {
        Ok(Self {
            certificate: Source::read(tcp::CERTIFICATE, &settings.certificate)?,
            key: Source::read(tcp::KEY, &settings.key)?,
            client_ca: Source::read(tcp::CLIENT_CA, &settings.client_ca)?,
            clients: Source::read(tcp::CLIENTS, &settings.clients)?,
        })
    }

    /// The same for the same contents.
    pub(super) fn digest(&self) -> Vec<u8> {
        let mut digest = Sha256::new();
        for source in [&self.certificate, &self.key, &self.client_ca, &self.clients] {
            digest.update((source.content.len() as u64).to_be_bytes());
            digest.update(&source.content);
        }
        digest.finalize().to_vec()
    }

    /// What they say, if they fit together.
    pub(super) fn access(&self) -> Result<Access, CredentialsError> {
        let provider = Arc::new(ring::default_provider());
        let access = Access {
            tls: Some(Tls {
                identity: Arc::new(self.identity(&provider)?),
                verifier: self.verifier(&provider)?,
                provider,
            }),
            clients: self.clients()?,
        };
        self.warn_of_a_readable_key();
        Ok(access)
    }

    fn identity(&self, provider: &CryptoProvider) -> Result<SingleCertAndKey, CredentialsError> {
        let chain = self.certificate.certificates()?;
        let key = PrivateKeyDer::from_pem_slice(&self.key.content).map_err(|error| {
            let why = match error {
                pem::Error::NoItemsFound => {
                    "there is no private key in it; is it another file?".to_owned()
                }
                error => format!("it is no PEM file: {error}"),
            };
            self.key.wrong(why)
        })?;
        let pair = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            Error::InconsistentKeys(_) => self.key.wrong(format!(
                "it is not the key of the certificate in {}: give both of one pair",
                self.certificate.path.display()
            )),
            Error::InvalidCertificate(error) => self
                .certificate
                .wrong(format!("the first certificate cannot be used: {error}")),
            error => self.key.wrong(format!("the key cannot be used: {error}")),
        })?;
        Ok(pair.into())
    }

    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, CredentialsError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.client_ca.certificates()? {
            roots.add(certificate).map_err(|error| {
                self.client_ca
                    .wrong(format!("a certificate in it cannot be used: {error}"))
            })?;
        }
        let roots = Arc::new(roots);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
        let verifier = verifier.build();
        verifier.map_err(|error| self.client_ca.wrong(error.to_string()))
    }

    fn clients(&self) -> Result<Clients, CredentialsError> {
        let text = std::str::from_utf8(&self.clients.content);
        let text = text.map_err(|error| self.clients.wrong(format!("it is no text: {error}")))?;
        Clients::parse(text).map_err(|error| self.clients.wrong(error.to_string()))
    }

    fn warn_of_a_readable_key(&self) {
        let path = &self.key.path;
        let mode = path.metadata().map(|file| file.permissions().mode());
        if mode.is_ok_and(|mode| mode & READABLE_BY_OTHERS != 0) {
            KeyReadable { path }.emit();
        }
    }
}

impl Source {
    fn read(setting: &'static str, path: &Path) -> Result<Self, CredentialsError> {
        let mut source = Self {
            setting,
            path: path.to_owned(),
            content: Vec::new(),
        };
        source.content = content(path).map_err(|error| {
            source.wrong(format!(
                "cannot be read: {error}; make the file readable for the agent, or correct the \
                 setting"
            ))
        })?;
        Ok(source)
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
        let certificates: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(&self.content).collect();
        match certificates {
            Ok(certificates) if certificates.is_empty() => {
                Err(self.wrong("there is no certificate in it; is it another file?".to_owned()))
            }
            Ok(certificates) => Ok(certificates),
            Err(error) => Err(self.wrong(format!("it is no PEM file: {error}"))),
        }
    }

    fn wrong(&self, why: String) -> CredentialsError {
        CredentialsError {
            setting: self.setting,
            path: self.path.clone(),
            why,
        }
    }
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    // Anything else may have no end, or let the agent wait for it.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut content = Vec::new();
    let length = File::open(path)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut content)?;
    if length as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(content)
}
