//! Configuration: flags over environment over file over defaults.
//!
//! Every setting stands once, in `config/settings.rs`, with its name, its range, its default and what it
//! means. File, environment and flags go through the same checks.

#![forbid(unsafe_code)]

mod file;
mod load;
mod settings;
pub(crate) mod tcp;
mod value;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use crate::alert::{AlertLimits, SpoolLimits};
use crate::detect::{Level, RuleSources};
use crate::model::Priority;
use crate::telemetry::LogFormat;

pub use file::{ConfigError, Problem};
pub use load::{Effective, Origin, Sources};
pub use settings::{environment_name, settings_markdown};
pub use tcp::Tcp;

/// Where the configuration is read from when nothing else is said.
pub const DEFAULT_FILE: &str = "/etc/gravlens/gravlens.toml";

/// The socket when nothing else is said.
pub const DEFAULT_SOCKET: &str = "/run/gravlens/gravlens.sock";

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What is watched.
    pub scope: Scope,
    /// What is traced.
    pub sensor: Sensor,
    /// Ring buffers.
    pub rings: Rings,
    /// What one cgroup may take of the rings.
    pub limits: Limits,
    /// The canary.
    pub canary: Canary,
    /// Rules.
    pub rules: Rules,
    /// Baselines.
    pub baselines: Baselines,
    /// Docker Engine.
    pub docker: Docker,
    /// Container identity.
    pub identity: Identity,
    /// The gRPC stream.
    pub stream: Stream,
    /// How much is told of alerts that come in masses.
    pub alerts: AlertLimits,
    /// Other outputs.
    pub outputs: Outputs,
    /// The agent takes from itself what it has no use for.
    pub sandbox: Sandbox,
    /// Metrics.
    pub metrics: Metrics,
    /// Logs of the agent.
    pub log: Log,
    /// Directory of the run lock and of what outlives a restart.
    pub state_dir: PathBuf,
}

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// A cgroup, as a path below the cgroup2 mount or with it; `None` watches everything.
    pub cgroup: Option<PathBuf>,
}

/// What the agent takes from itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// Capabilities and system calls that it has no use for.
    pub enabled: bool,
}

/// What is traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sensor {
    /// 32-bit system calls are, where the kernel runs 32-bit programs.
    pub compat_calls: bool,
    /// Hooks on kernel functions are taken where the kernel grants them.
    pub trampolines: bool,
    /// The kernel drops events that no rule can want.
    pub approvers: bool,
}

/// Ring buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rings {
    /// Ring of lifecycle and security-critical records.
    pub critical_bytes: u32,
    /// Ring of file and network records.
    pub bulk_bytes: u32,
}

/// What one cgroup may take of the ring of file and network records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Events a second in the long run; 0 is no limit.
    pub events_per_second: u32,
    /// Events at once after a quiet time.
    pub burst: u32,
}

/// The helper whose calls prove that the hooks see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// Whether there is one.
    pub enabled: bool,
    /// Time from one round to the next.
    pub interval: Duration,
}

/// Rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Files and directories with rules, read after the bundled ones.
    pub paths: Vec<PathBuf>,
    /// Load the bundled rules.
    pub bundled: bool,
    /// The operator's own file or directory, read after all others; it need not be there.
    pub local: Option<PathBuf>,
    /// Rules that are less urgent are not evaluated; `None` evaluates all.
    pub min_priority: Option<Priority>,
    /// Sigma rules of a lower level are not evaluated.
    pub sigma_min_level: Level,
    /// Start, and reload, also when some rules are refused.
    pub allow_refused: bool,
    /// Reload when the files change.
    pub watch: bool,
}

impl Rules {
    /// Where they are read from.
    pub fn sources(&self) -> RuleSources {
        RuleSources {
            bundled: self.bundled,
            paths: self.paths.clone(),
            local: self.local.clone(),
        }
    }
}

/// Baselines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baselines {
    /// Learn, and tell what is new.
    pub enabled: bool,
    /// Folder of reviewed files; it need not be there.
    pub dir: Option<PathBuf>,
    /// Have the kernel end what is known and no rule can match.
    pub kernel_cache: bool,
    /// Length of a window.
    pub window: Duration,
    /// Length of the start phase.
    pub start_phase: Duration,
    /// Most new behaviours a day of one instance, with 95 % confidence, for Armed.
    pub arm_per_day: u32,
    /// Time to be observed for Armed.
    pub horizon: Duration,
    /// Do not wait for starts.
    pub waive_starts: bool,
    /// Most bytes of learnt paths of a workload before they are made coarser.
    pub profile_bytes: usize,
}

/// Docker Engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Docker {
    /// Ask it for names and images.
    pub enabled: bool,
    /// Its socket.
    pub socket: PathBuf,
}

/// Container identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// How long a definite alert waits for its container's name.
    pub grace: Duration,
    /// How long a rule waits that cannot be decided without it.
    pub decide_within: Duration,
    /// How many may wait at a time.
    pub pending_max: usize,
}

/// The gRPC stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Unix socket.
    pub socket: PathBuf,
    /// Time between heartbeats.
    pub heartbeat: Duration,
    /// The spool is in files.
    pub durable: bool,
    /// Caps of the spool.
    pub spool: SpoolLimits,
    /// Streams open at a time.
    pub max_streams: usize,
    /// Those of them that one client may have over TCP.
    pub max_streams_per_client: usize,
    /// Connections open at a time, over the socket and over TCP each.
    pub max_connections: usize,
    /// The same services over TCP.
    pub tcp: Tcp,
}

/// Other outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outputs {
    /// Alerts on standard output.
    pub stdout: Stdout,
    /// Alerts in a file.
    pub file: LogFile,
    /// Alerts to an HTTP receiver.
    pub webhook: Webhook,
    /// Alerts into a stream of NATS JetStream.
    pub nats: Nats,
    /// Alerts as OpenTelemetry logs.
    pub otlp: Otlp,
}

/// Alerts in a file that is rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Whether.
    pub enabled: bool,
    /// Where.
    pub path: PathBuf,
    /// How.
    pub format: RecordFormat,
    /// Size of a file.
    pub max_bytes: u64,
    /// Full files that are kept.
    pub keep: u32,
}

/// Alerts on standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stdout {
    /// Whether.
    pub enabled: bool,
    /// How.
    pub format: RecordFormat,
}

/// Alerts to an HTTP receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where; empty: nowhere.
    pub url: String,
    /// How.
    pub format: RecordFormat,
    /// Alerts that are less urgent are not sent; `None` sends all.
    pub min_severity: Option<Priority>,
    /// More headers, one a line.
    pub headers_file: Option<PathBuf>,
    /// Longest time for a request.
    pub timeout: Duration,
    /// Records in a request.
    pub batch: usize,
    /// Certificates that may sign the receiver's.
    pub ca: Option<PathBuf>,
}

/// Alerts into a stream of NATS JetStream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nats {
    /// Server; empty: none.
    pub url: String,
    /// Subject of every record.
    pub subject: String,
    /// The stream that must take them; empty: whichever has the subject.
    pub stream: String,
    /// A user's credentials.
    pub credentials_file: Option<PathBuf>,
}

/// Alerts as OpenTelemetry logs to an OTLP receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otlp {
    /// Where; empty: nowhere.
    pub endpoint: String,
    /// Alerts that are less urgent are not sent; `None` sends all.
    pub min_severity: Option<Priority>,
    /// More headers, one a line.
    pub headers_file: Option<PathBuf>,
    /// Longest time for a request.
    pub timeout: Duration,
    /// Records in a request.
    pub batch: usize,
    /// Requests are compressed.
    pub gzip: bool,
    /// Certificates that may sign the receiver's.
    pub ca: Option<PathBuf>,
}

/// Metrics for Prometheus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Where they can be had; `None`: nowhere.
    pub listen: Option<SocketAddr>,
}

/// Form of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RecordFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
    /// One JSON object a line, as Falco writes it.
    Falco,
    /// One JSON object a line: a Detection Finding of OCSF.
    Ocsf,
}

impl RecordFormat {
    /// The words for them, in the order of [`Self::ALL`].
    pub const WORDS: &[&str] = &["text", "json", "falco", "ocsf"];
    /// Every form.
    pub const ALL: [Self; 4] = [Self::Text, Self::Json, Self::Falco, Self::Ocsf];

    /// The form of that word.
    pub fn named(word: &str) -> Option<Self> {
        let mut named = Self::WORDS.iter().zip(Self::ALL);
        named.find(|(name, _)| **name == word).map(|(_, form)| form)
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        let mut named = Self::WORDS.iter().zip(Self::ALL);
        named
            .find(|(_, form)| *form == self)
            .map_or("", |(name, _)| name)
    }
}

/// Form of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// JSON.
    Json,
}

/// Logs of the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Filter: `info`, or `info,gravlens::ingest=debug`.
    pub level: String,
    /// Form of the lines.
    pub format: LogFormat,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            scope: Scope { cgroup: None },
            sensor: Sensor {
                compat_calls: true,
                trampolines: true,
                approvers: true,
            },
            rings: Rings {
                critical_bytes: 8 << 20,
                bulk_bytes: 16 << 20,
            },
            limits: Limits {
                events_per_second: 50_000,
                burst: 100_000,
            },
            canary: Canary {
                enabled: true,
                interval: Duration::from_secs(4),
            },
            rules: Rules {
                paths: Vec::new(),
                bundled: true,
                local: Some("/etc/gravlens/rules.local.yaml".into()),
                min_priority: None,
                sigma_min_level: Level::Medium,
                allow_refused: false,
                watch: true,
            },
            baselines: Baselines {
                enabled: true,
                dir: Some("/etc/gravlens/baselines.d".into()),
                kernel_cache: true,
                window: Duration::from_mins(1),
                start_phase: Duration::from_mins(1),
                arm_per_day: 1,
                horizon: Duration::from_hours(24),
                waive_starts: false,
                profile_bytes: 256 << 10,
            },
            docker: Docker {
                enabled: true,
                socket: "/var/run/docker.sock".into(),
            },
            identity: Identity {
                grace: Duration::from_millis(250),
                decide_within: Duration::from_secs(30),
                pending_max: 10_000,
            },
            stream: Stream {
                socket: DEFAULT_SOCKET.into(),
                heartbeat: Duration::from_secs(5),
                durable: true,
                spool: SpoolLimits {
                    bytes: 256 << 20,
                    records: 1_000_000,
                    age: Some(Duration::from_hours(7 * 24)),
                    memory_bytes: 8 << 20,
                },
                max_streams: 64,
                max_streams_per_client: 16,
                max_connections: 256,
                tcp: Tcp::default(),
            },
            alerts: AlertLimits {
                dedup: Some(Duration::from_secs(60)),
                per_minute: NonZeroU32::new(1_000),
            },
            outputs: Outputs {
                stdout: Stdout {
                    enabled: false,
                    format: RecordFormat::Text,
                },
                file: LogFile {
                    enabled: false,
                    path: "/var/log/gravlens/alerts.json".into(),
                    format: RecordFormat::Json,
                    max_bytes: 64 << 20,
                    keep: 8,
                },
                webhook: Webhook {
                    url: String::new(),
                    format: RecordFormat::Falco,
                    min_severity: None,
                    headers_file: None,
                    timeout: Duration::from_secs(10),
                    batch: 1,
                    ca: None,
                },
                nats: Nats {
                    url: String::new(),
                    subject: "gravlens.alerts".to_owned(),
                    stream: String::new(),
                    credentials_file: None,
                },
                otlp: Otlp {
                    endpoint: String::new(),
                    min_severity: None,
                    headers_file: None,
                    timeout: Duration::from_secs(10),
                    batch: 256,
                    gzip: true,
                    ca: None,
                },
            },
            sandbox: Sandbox { enabled: true },
            metrics: Metrics { listen: None },
            log: Log {
                level: "info".to_owned(),
                format: LogFormat::Text,
            },
            state_dir: "/var/lib/gravlens".into(),
        }
    }
}

#[cfg(test)]
mod tests;
