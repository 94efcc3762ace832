//! Mutual TLS: what the agent shows, whom it trusts, and who may do what.

mod credentials;
mod reload;
mod witness;

use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::sign::SingleCertAndKey;

use super::clients::Clients;
use super::peer::Name;
use witness::Witness;

pub use credentials::CredentialsError;
pub(super) use reload::Reloader;

/// What the files said when they were last taken over, as one set.
#[derive(Clone, Debug, Default)]
pub(super) struct Access {
    /// `None` where nobody is served over TLS.
    tls: Option<Tls>,
    /// Who may do what.
    pub(super) clients: Clients,
}

#[derive(Clone, Debug)]
struct Tls {
    provider: Arc<CryptoProvider>,
    identity: Arc<SingleCertAndKey>,
    verifier: Arc<dyn ClientCertVerifier>,
}

/// The names of the certificate that a client showed, also when it was refused.
pub(super) type Shown = Arc<OnceLock<Vec<Name>>>;

impl Access {
    /// The terms of one connection, and where the names of its client will stand. `None` where
    /// nobody is served over TLS.
    pub(super) fn terms(&self) -> Option<(Arc<ServerConfig>, Shown)> {
        let tls = self.tls.as_ref()?;
        let shown = Shown::default();
        let verifier = Witness::new(Arc::clone(&tls.verifier), Arc::clone(&shown));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&tls.provider))
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for TLS 1.2 and 1.3")
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::clone(&tls.identity) as _);
        config.alpn_protocols = vec![b"h2".to_vec()];
        // Each connection shows its certificate anew: a resumed session would outlive it.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Some((Arc::new(config), shown))
    }
}
