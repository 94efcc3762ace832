//! The outputs that are configured.

use std::path::Path;
use std::sync::Arc;

use reqwest::Url;
use thiserror::Error;

use super::tasks::Sinks;
use crate::alert::{Filter, FilterError, Spool, encode_severity};
use crate::config::{self, Config};
use crate::model::Priority;
use crate::proto;
use crate::sinks::file::{FileTarget, RotatingFile};
use crate::sinks::grpc::Services;
use crate::sinks::http::{HttpError, HttpSettings};
use crate::sinks::metrics::{MetricsError, MetricsServer, Sources};
use crate::sinks::nats::{NatsSettings, NatsTarget};
use crate::sinks::otlp::{OtlpSettings, OtlpTarget};
use crate::sinks::output::{CursorError, Output};
use crate::sinks::webhook::{WebhookSettings, WebhookTarget};

/// Directory of cursors below the state directory.
const CURSORS: &str = "cursors";

/// Why an output cannot begin.
#[derive(Debug, Error)]
pub enum OutputError {
    /// Its cursor.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// Its filter.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The client of one that sends over HTTP.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Metrics.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
}

/// Outputs that can begin.
pub(super) struct Outputs {
    file: Option<(Output, FileTarget)>,
    webhook: Option<(Output, WebhookTarget)>,
    nats: Option<(Output, NatsTarget)>,
    otlp: Option<(Output, OtlpTarget)>,
    metrics: Option<MetricsServer>,
    services: Services,
}

/// Opens every output that is wanted, so that what is wrong with their settings is told at the
/// start.
pub(super) async fn open(config: &Config, services: &Services) -> Result<Outputs, OutputError> {
    let node = services.board.facts().node.clone();
    let cursors = config.state_dir.join(CURSORS);
    let (wanted, spool) = (&config.outputs, &services.spool);
    Ok(Outputs {
        file: file(&wanted.file, &cursors, spool, node.clone())?,
        nats: nats(&wanted.nats, &cursors, spool, &node)?,
        otlp: otlp(&wanted.otlp, &cursors, spool, &node)?,
        webhook: webhook(&wanted.webhook, &cursors, spool, node)?,
        metrics: match config.metrics.listen {
            Some(address) => Some(MetricsServer::bind(address).await?),
            None => None,
        },
        services: services.clone(),
    })
}

impl Outputs {
    /// Lets them run.
    pub(super) fn spawn(self, sinks: &mut Sinks) {
        let mut accounts = Vec::new();
        if let Some((output, target)) = self.file {
            accounts.push(output.account());
            sinks.add("file output", output.run(target));
        }
        if let Some((output, target)) = self.webhook {
            accounts.push(output.account());
            sinks.add("webhook output", output.run(target));
        }
        if let Some((output, target)) = self.nats {
            accounts.push(output.account());
            sinks.add("NATS output", output.run(target));
        }
        if let Some((output, target)) = self.otlp {
            accounts.push(output.account());
            sinks.add("OTLP output", output.run(target));
        }
        if let Some(server) = self.metrics {
            sinks.metrics(server.serve(Sources {
                services: self.services,
                outputs: accounts,
            }));
        }
    }
}

fn file(
    settings: &config::LogFile,
    cursors: &Path,
    spool: &Arc<Spool>,
    node: String,
) -> Result<Option<(Output, FileTarget)>, OutputError> {
    if !settings.enabled {
        return Ok(None);
    }
    let file = RotatingFile::new(settings.path.clone(), settings.max_bytes, settings.keep);
    let target = FileTarget::new(file, settings.format, node);
    let output = Output::begin("file", cursors, spool, Filter::default())?;
    Ok(Some((output, target)))
}

fn webhook(
    settings: &config::Webhook,
    cursors: &Path,
    spool: &Arc<Spool>,
    node: String,
) -> Result<Option<(Output, WebhookTarget)>, OutputError> {
    // The empty text is no URL; any other has been checked.
    let Ok(url) = Url::parse(&settings.url) else {
        return Ok(None);
    };
    let webhook = WebhookSettings {
        http: HttpSettings {
            url,
            headers_file: settings.headers_file.clone(),
            ca: settings.ca.clone(),
            timeout: settings.timeout,
        },
        format: settings.format,
        batch: settings.batch,
    };
    let target = WebhookTarget::new(webhook, node)?;
    let output = Output::begin("webhook", cursors, spool, least(settings.min_severity)?)?;
    Ok(Some((output, target)))
}

fn nats(
    settings: &config::Nats,
    cursors: &Path,
    spool: &Arc<Spool>,
    node: &str,
) -> Result<Option<(Output, NatsTarget)>, OutputError> {
    if settings.url.is_empty() {
        return Ok(None);
    }
    let nats = NatsSettings {
        url: settings.url.clone(),
        subject: settings.subject.clone(),
        stream: Some(settings.stream.clone()).filter(|stream| !stream.is_empty()),
        credentials_file: settings.credentials_file.clone(),
    };
    let target = NatsTarget::new(nats, node);
    let output = Output::begin("nats", cursors, spool, Filter::default())?;
    Ok(Some((output, target)))
}

fn otlp(
    settings: &config::Otlp,
    cursors: &Path,
    spool: &Arc<Spool>,
    node: &str,
) -> Result<Option<(Output, OtlpTarget)>, OutputError> {
    // The empty text is no URL; any other has been checked.
    let Ok(url) = Url::parse(&settings.endpoint) else {
        return Ok(None);
    };
    let otlp = OtlpSettings {
        http: HttpSettings {
            url,
            headers_file: settings.headers_file.clone(),
            ca: settings.ca.clone(),
            timeout: settings.timeout,
        },
        gzip: settings.gzip,
        batch: settings.batch,
    };
    let target = OtlpTarget::new(otlp, node)?;
    let output = Output::begin("otlp", cursors, spool, least(settings.min_severity)?)?;
    Ok(Some((output, target)))
}

fn least(severity: Option<Priority>) -> Result<Filter, FilterError> {
    let min = severity.map_or(proto::Severity::Unspecified, encode_severity);
    Filter::new(proto::Filter {
        min_severity: min.into(),
        ..proto::Filter::default()
    })
}
