//! The table of settings.

mod convert;

use std::num::NonZeroU32;
use std::time::Duration;

use self::convert::{
    count, level, millis, optional_path, path, priority, priority_word, text_of, word,
};
use super::value::{Kind, Value};
use super::{Config, RecordFormat, tcp};
use crate::telemetry::LogFormat;

/// One setting.
pub(super) struct Setting {
    /// Name in the file: `stream.socket`.
    pub(super) key: &'static str,
    /// What it does.
    pub(super) about: &'static str,
    /// What it takes.
    pub(super) kind: Kind,
    /// Its value in a configuration.
    pub(super) get: fn(&Config) -> Value,
    /// Sets a checked value.
    pub(super) set: fn(&mut Config, Value),
}

impl Setting {
    /// Name of the environment variable.
    pub(super) fn variable(&self) -> String {
        environment_name(self.key)
    }
}

/// Environment variable of a setting: `stream.socket` is `GRAVLENS_STREAM_SOCKET`.
pub fn environment_name(key: &str) -> String {
    format!("GRAVLENS_{}", key.replace('.', "_").to_uppercase())
}

/// Every setting as a table for the documents.
pub fn settings_markdown() -> String {
    let defaults = Config::default();
    let mut out = "| setting | default | takes | what it does |\n|---|---|---|---|\n".to_owned();
    for setting in SETTINGS {
        let default = (setting.get)(&defaults).toml(setting.kind);
        let Setting {
            key, about, kind, ..
        } = setting;
        out.push_str(&format!("| `{key}` | `{default}` | {kind} | {about} |\n"));
    }
    out
}

/// The setting of that name.
pub(super) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

const FORMATS: Kind = Kind::Word(&["text", "json"]);
const RECORD_FORMATS: Kind = Kind::Word(RecordFormat::WORDS);

/// Forms of which each record is one JSON object.
const WEBHOOK_FORMATS: &[&str] = &["json", "falco", "ocsf"];

/// Words for a least priority, in the order of [`Priority::ALL`]; the empty word means all.
const PRIORITIES: &[&str] = &[
    "emergency",
    "alert",
    "critical",
    "error",
    "warning",
    "notice",
    "informational",
    "debug",
    "",
];

/// Words for a least level of Sigma rules.
const LEVELS: &[&str] = &["informational", "low", "medium", "high", "critical"];

/// Every setting, by section.
pub(super) static SETTINGS: &[Setting] = &[
    Setting {
        key: "state_dir",
        about: "directory of the run lock and of what outlives a restart",
        kind: Kind::Path { optional: false },
        get: |c| path(&c.state_dir),
        set: |c, v| c.state_dir = v.into_path(),
    },
    Setting {
        key: "scope.cgroup",
        about: "cgroup to watch, below the cgroup2 mount; empty: everything",
        kind: Kind::Path { optional: true },
        get: |c| optional_path(c.scope.cgroup.as_deref()),
        set: |c, v| c.scope.cgroup = v.into_optional_path(),
    },
    Setting {
        key: "sensor.compat_calls",
        about: "watch 32-bit system calls (int 0x80) where the kernel runs 32-bit programs; costs \
                every system call of the node a few tens of nanoseconds",
        kind: Kind::Bool,
        get: |c| Value::Bool(c.sensor.compat_calls),
        set: |c, v| c.sensor.compat_calls = v.into_bool(),
    },
    Setting {
        key: "sensor.trampolines",
        about: "take hooks on kernel functions (fentry, fexit) where the kernel grants them: they see \
                more than tracepoints do",
        kind: Kind::Bool,
        get: |c| Value::Bool(c.sensor.trampolines),
        set: |c, v| c.sensor.trampolines = v.into_bool(),
    },
    Setting {
        key: "sensor.approvers",
        about: "drop events in the kernel that no rule can want, counted as suppressed; only while \
                baselines are off, as they want every event",
        kind: Kind::Bool,
        get: |c| Value::Bool(c.sensor.approvers),
        set: |c, v| c.sensor.approvers = v.into_bool(),
    },
    Setting {
        key: "rings.critical_bytes",
        about: "ring of lifecycle and security-critical records",
        kind: Kind::RingSize { max: 1 << 30 },
        get: |c| Value::Number(c.rings.critical_bytes.into()),
        set: |c, v| c.rings.critical_bytes = v.into_u32(),
    },
    Setting {
        key: "rings.bulk_bytes",
        about: "ring of file and network records",
        kind: Kind::RingSize { max: 1 << 30 },
        get: |c| Value::Number(c.rings.bulk_bytes.into()),
        set: |c, v| c.rings.bulk_bytes = v.into_u32(),
    },
    Setting {
        key: "limits.events_per_second",
        about: "file and network events of one cgroup each second, in the long run; 0: no limit",
        kind: Kind::Integer {
            min: 0,
            max: 1_000_000,
        },
        get: |c| Value::Number(c.limits.events_per_second.into()),
        set: |c, v| c.limits.events_per_second = v.into_u32(),
    },
    Setting {
        key: "limits.burst",
        about: "file and network events of one cgroup at once, after a quiet time",
        kind: Kind::Integer {
            min: 1,
            max: 10_000_000,
        },
        get: |c| Value::Number(c.limits.burst.into()),
        set: |c, v| c.limits.burst = v.into_u32(),
    },
    Setting {
        key: "canary.enabled",
        about: "prove that the hooks see, with a helper whose calls reach each of them",
        kind: Kind::Bool,
        get: |c| Value::Bool(c.canary.enabled),
        set: |c, v| c.canary.enabled = v.into_bool(),
    },
    Setting {
        key: "canary.interval_ms",
        about: "time between its rounds; a hook without a sign for two is reported as blind",
        kind: Kind::Integer {
            min: 500,
            max: 60_000,
        },
        get: |c| millis(c.canary.interval),
        set: |c, v| c.canary.interval = Duration::from_millis(v.into_number()),
    },
    Setting {
        key: "rules.bundled",
        about: "load the bundled rules",
        kind: Kind::Bool,
        get: |c| Value::Bool(c.rules.bundled),
        set: |c, v| c.rules.bundled = v.into_bool(),
    },
    Setting {
        key: "rules.paths",
        about: "files and directories with rules, read after the bundled ones",
        kind: Kind::Paths,
        get: |c| Value::Paths(c.rules.paths.iter().map(|p| text_of(p)).collect()),
        set: |c, v| c.rules.paths = v.into_paths(),
    },
    Setting {
        key: "rules.local",
        about: "your own file or directory with rules, read after all others; it need not be there",
        kind: Kind::Path { optional: true },
        get: |c| optional_path(c.rules.local.as_deref()),
        set: |c, v| c.rules.local = v.into_optional_path(),
    },
    Setting {
        key: "rules.min_priority",
        about: "rules that are less urgent are not evaluated; empty: all are",
        kind: Kind::Word(PRIORITIES),
        get: |c| Value::Text(priority_word(c.rules.min_priority).to_owned()),
        set: |c, v| c.rules.min_priority = priority(&v.into_text()),
    },
    Setting {
        key: "rules.sigma_min_level",
        about: "Sigma rules of a lower level are not evaluated",
        kind: Kind::Word(LEVELS),
        get: |c| word(c.rules.sigma_min_level.name()),
        set: |c, v| c.rules.sigma_min_level = level(&v.into_text()),
    },
    Setting {
        key: "rules.allow_refused",
        about: "start, and reload, also when some rules are refused",
        kind: Kind::Bool,
        get: |c| Value::Bool(c.rules.allow_refused),
        set: |c, v| c.rules.allow_refused = v.into_bool(),
    },
    Setting {
        key: "rules.watch",
        about: "reload the rules when their files change; SIGHUP and `gravlens rules reload` do so \
                anyway",
        kind: Kind::Bool,
        get: |c| Value::Bool(c.rules.watch),
        set: |c, v| c.rules.watch = v.into_bool(),
    },
    Setting {
        key: "baselines.enabled",
        about: "learn what each workload does, and tell what is new",
        kind: Kind::Bool,
        get: |c| Value::Bool(c.baselines.enabled),
        set: |c, v| c.baselines.enabled = v.into_bool(),
    },
    Setting {
        key: "baselines.dir",
        about: "folder of reviewed baselines, which outrank what was learnt and lock their workloads; \
                read anew when its files change; it need not be there",
        kind: Kind::Path { optional: true },
        get: |c| optional_path(c.baselines.dir.as_deref()),
        set: |c, v| c.baselines.dir = v.into_optional_path(),
    },
    Setting {
        key: "baselines.kernel_cache",
        about: "have the kernel end opens that no rule in force can match and that the baseline has \
                counted in this window",
        kind: Kind::Bool,
        get: |c| Value::Bool(c.baselines.kernel_cache),
        set: |c, v| c.baselines.kernel_cache = v.into_bool(),
    },
    Setting {
        key: "baselines.window_seconds",
        about: "length of a window: what came in it came once",
        kind: Kind::Integer { min: 1, max: 3_600 },
        get: |c| Value::Number(c.baselines.window.as_secs()),
        set: |c, v| c.baselines.window = Duration::from_secs(v.into_number()),
    },
    Setting {
        key: "baselines.start_seconds",
        about: "time from a container's start that is its start phase",
        kind: Kind::Integer { min: 1, max: 3_600 },
        get: |c| Value::Number(c.baselines.start_phase.as_secs()),
        set: |c, v| c.baselines.start_phase = Duration::from_secs(v.into_number()),
    },
    Setting {
        key: "baselines.arm_per_day",
        about: "a class is armed when at most so many new behaviours a day of one container are to be \
                expected, with 95 % confidence",
        kind: Kind::Integer {
            min: 1,
            max: 100_000,
        },
        get: |c| Value::Number(c.baselines.arm_per_day.into()),
        set: |c, v| c.baselines.arm_per_day = v.into_u32(),
    },
    Setting {
        key: "baselines.horizon_hours",
        about: "time to watch before a class is armed, so that what comes once in it has had its chance",
        kind: Kind::Integer { min: 0, max: 8_760 },
        get: |c| Value::Number(c.baselines.horizon.as_secs() / 3_600),
        set: |c, v| c.baselines.horizon = Duration::from_hours(v.into_number()),
    },
    Setting {
        key: "baselines.waive_starts",
        about: "arm classes of workloads that were started less than three times",
        kind: Kind::Bool,
        get: |c| Value::Bool(c.baselines.waive_starts),
        set: |c, v| c.baselines.waive_starts = v.into_bool(),
    },
    Setting {
        key: "baselines.profile_bytes",
        about: "memory that the learnt paths of a workload may take before they are made coarser",
        kind: Kind::Size {
            min: 16 << 10,
            max: 64 << 20,
        },
        get: |c| count(c.baselines.profile_bytes),
        set: |c, v| c.baselines.profile_bytes = v.into_usize(),
    },
    Setting {
        key: "docker.enabled",
        about: "ask Docker Engine for container names and images",
        kind: Kind::Bool,
        get: |c| Value::Bool(c.docker.enabled),
        set: |c, v| c.docker.enabled = v.into_bool(),
    },
    Setting {
        key: "docker.socket",
        about: "Docker Engine's socket",
        kind: Kind::Path { optional: false },
        get: |c| path(&c.docker.socket),
        set: |c, v| c.docker.socket = v.into_path(),
    },
    Setting {
        key: "identity.grace_ms",
        about: "how long a definite alert waits for its container's name",
        kind: Kind::Integer {
            min: 0,
            max: 10_000,
        },
        get: |c| millis(c.identity.grace),
        set: |c, v| c.identity.grace = Duration::from_millis(v.into_number()),
    },
    Setting {
        key: "identity.decide_within_ms",
        about: "how long a rule waits that cannot be decided without the name",
        kind: Kind::Integer {
            min: 0,
            max: 600_000,
        },
        get: |c| millis(c.identity.decide_within),
        set: |c, v| c.identity.decide_within = Duration::from_millis(v.into_number()),
    },
    Setting {
        key: "identity.pending_max",
        about: "how many events may wait for a name at a time",
        kind: Kind::Integer {
            min: 1,
            max: 1_000_000,
        },
        get: |c| count(c.identity.pending_max),
        set: |c, v| c.identity.pending_max = v.into_usize(),
    },
    Setting {
        key: "stream.socket",
        about: "unix socket of the gRPC services",
        kind: Kind::Path { optional: false },
        get: |c| path(&c.stream.socket),
        set: |c, v| c.stream.socket = v.into_path(),
    },
    Setting {
        key: "stream.heartbeat_seconds",
        about: "time between heartbeats in each stream",
        kind: Kind::Integer { min: 1, max: 3_600 },
        get: |c| Value::Number(c.stream.heartbeat.as_secs()),
        set: |c, v| c.stream.heartbeat = Duration::from_secs(v.into_number()),
    },
    Setting {
        key: "stream.durable",
        about: "keep alerts in files below state_dir, so that they outlive the agent",
        kind: Kind::Bool,
        get: |c| Value::Bool(c.stream.durable),
        set: |c, v| c.stream.durable = v.into_bool(),
    },
    Setting {
        key: "stream.spool_bytes",
        about: "alerts kept in files for clients that come late: bytes",
        kind: Kind::Size {
            min: 1 << 20,
            max: 64 << 30,
        },
        get: |c| count(c.stream.spool.bytes),
        set: |c, v| c.stream.spool.bytes = v.into_usize(),
    },
    Setting {
        key: "stream.spool_records",
        about: "the same: records",
        kind: Kind::Integer {
            min: 16,
            max: 100_000_000,
        },
        get: |c| count(c.stream.spool.records),
        set: |c, v| c.stream.spool.records = v.into_usize(),
    },
    Setting {
        key: "stream.spool_hours",
        about: "the same: age in hours; 0: as long as there is room",
        kind: Kind::Integer {
            min: 0,
            max: 87_600,
        },
        get: |c| Value::Number(c.stream.spool.age.map_or(0, |age| age.as_secs() / HOUR)),
        set: |c, v| {
            let hours = v.into_number();
            c.stream.spool.age = (hours > 0).then(|| Duration::from_secs(hours * HOUR));
        },
    },
    Setting {
        key: "stream.memory_bytes",
        about: "the newest alerts are kept in memory too, for clients that keep up: bytes",
        kind: Kind::Size {
            min: 64 << 10,
            max: 16 << 30,
        },
        get: |c| count(c.stream.spool.memory_bytes),
        set: |c, v| c.stream.spool.memory_bytes = v.into_usize(),
    },
    Setting {
        key: "stream.max_streams",
        about: "streams open at a time; more are refused",
        kind: Kind::Integer {
            min: 1,
            max: 10_000,
        },
        get: |c| count(c.stream.max_streams),
        set: |c, v| c.stream.max_streams = v.into_usize(),
    },
    Setting {
        key: "stream.max_streams_per_client",
        about: "those that one client may have open over TCP; more are refused",
        kind: Kind::Integer {
            min: 1,
            max: 10_000,
        },
        get: |c| count(c.stream.max_streams_per_client),
        set: |c, v| c.stream.max_streams_per_client = v.into_usize(),
    },
    Setting {
        key: "stream.max_connections",
        about: "connections open at a time, over the socket and over TCP each; more are refused",
        kind: Kind::Integer {
            min: 1,
            max: 10_000,
        },
        get: |c| count(c.stream.max_connections),
        set: |c, v| c.stream.max_connections = v.into_usize(),
    },
    Setting {
        key: tcp::LISTEN,
        about: "serve over TCP too, with mutual TLS; empty: over the socket alone",
        kind: Kind::Address,
        get: |c| {
            Value::Text(
                c.stream
                    .tcp
                    .listen
                    .map_or_else(String::new, |a| a.to_string()),
            )
        },
        set: |c, v| c.stream.tcp.listen = v.into_text().parse().ok(),
    },
    Setting {
        key: tcp::CERTIFICATE,
        about: "PEM file with the agent's certificate and those between it and its CA",
        kind: Kind::Path { optional: true },
        get: |c| path(&c.stream.tcp.certificate),
        set: |c, v| c.stream.tcp.certificate = v.into_path(),
    },
    Setting {
        key: tcp::KEY,
        about: "PEM file with the certificate's private key",
        kind: Kind::Path { optional: true },
        get: |c| path(&c.stream.tcp.key),
        set: |c, v| c.stream.tcp.key = v.into_path(),
    },
    Setting {
        key: tcp::CLIENT_CA,
        about: "PEM file with the CAs that clients' certificates come from",
        kind: Kind::Path { optional: true },
        get: |c| path(&c.stream.tcp.client_ca),
        set: |c, v| c.stream.tcp.client_ca = v.into_path(),
    },
    Setting {
        key: tcp::CLIENTS,
        about: "TOML file that says which client may do what",
        kind: Kind::Path { optional: true },
        get: |c| path(&c.stream.tcp.clients),
        set: |c, v| c.stream.tcp.clients = v.into_path(),
    },
    Setting {
        key: tcp::PLAINTEXT,
        about: "serve without TLS, at a loopback address only: every process of the node may watch",
        kind: Kind::Bool,
        get: |c| Value::Bool(c.stream.tcp.plaintext),
        set: |c, v| c.stream.tcp.plaintext = v.into_bool(),
    },
    Setting {
        key: "alerts.dedup_seconds",
        about: "equal alerts are counted for so long, and the count is told; 0: each is told",
        kind: Kind::Integer {
            min: 0,
            max: 86_400,
        },
        get: |c| Value::Number(c.alerts.dedup.map_or(0, |window| window.as_secs())),
        set: |c, v| {
            let seconds = v.into_number();
            c.alerts.dedup = (seconds > 0).then(|| Duration::from_secs(seconds));
        },
    },
    Setting {
        key: "alerts.rule_per_minute",
        about: "alerts that a rule may tell in a minute; the others are counted, and the count is told; 0: all",
        kind: Kind::Integer {
            min: 0,
            max: 1_000_000,
        },
        get: |c| Value::Number(c.alerts.per_minute.map_or(0, |limit| limit.get().into())),
        set: |c, v| c.alerts.per_minute = NonZeroU32::new(v.into_u32()),
    },
    Setting {
        key: "outputs.stdout.enabled",
        about: "write alerts to standard output",
        kind: Kind::Bool,
        get: |c| Value::Bool(c.outputs.stdout.enabled),
        set: |c, v| c.outputs.stdout.enabled = v.into_bool(),
    },
    Setting {
        key: "outputs.stdout.format",
        about: "how",
        kind: RECORD_FORMATS,
        get: |c| word(c.outputs.stdout.format.word()),
        set: |c, v| {
            let named = RecordFormat::named(&v.into_text());
            c.outputs.stdout.format = named.unwrap_or(RecordFormat::Text);
        },
    },
    Setting {
        key: "outputs.file.enabled",
        about: "write alerts to a file",
        kind: Kind::Bool,
        get: |c| Value::Bool(c.outputs.file.enabled),
        set: |c, v| c.outputs.file.enabled = v.into_bool(),
    },
    Setting {
        key: "outputs.file.path",
        about: "which; its directory is made if it is missing",
        kind: Kind::Path { optional: false },
        get: |c| path(&c.outputs.file.path),
        set: |c, v| c.outputs.file.path = v.into_path(),
    },
    Setting {
        key: "outputs.file.format",
        about: "how",
        kind: RECORD_FORMATS,
        get: |c| word(c.outputs.file.format.word()),
        set: |c, v| {
            let named = RecordFormat::named(&v.into_text());
            c.outputs.file.format = named.unwrap_or(RecordFormat::Json);
        },
    },
    Setting {
        key: "outputs.file.max_bytes",
        about: "a file that would grow beyond it is full: the next one begins",
        kind: Kind::Size {
            min: 64 << 10,
            max: 64 << 30,
        },
        get: |c| Value::Number(c.outputs.file.max_bytes),
        set: |c, v| c.outputs.file.max_bytes = v.into_number(),
    },
    Setting {
        key: "outputs.file.keep",
        about: "full files that are kept, as `PATH.1` (the newest), `PATH.2` ...",
        kind: Kind::Integer { min: 0, max: 1_000 },
        get: |c| Value::Number(c.outputs.file.keep.into()),
        set: |c, v| c.outputs.file.keep = v.into_u32(),
    },
    Setting {
        key: "outputs.webhook.url",
        about: "send alerts to this URL by HTTP POST; empty: nowhere",
        kind: Kind::Url(&["http", "https"]),
        get: |c| word(&c.outputs.webhook.url),
        set: |c, v| c.outputs.webhook.url = v.into_text(),
    },
    Setting {
        key: "outputs.webhook.format",
        about: "how; `falco` is what falcosidekick takes, one alert a request",
        kind: Kind::Word(WEBHOOK_FORMATS),
        get: |c| word(c.outputs.webhook.format.word()),
        set: |c, v| {
            let named = RecordFormat::named(&v.into_text());
            c.outputs.webhook.format = named.unwrap_or(RecordFormat::Falco);
        },
    },
    Setting {
        key: "outputs.webhook.min_severity",
        about: "alerts that are less urgent are not sent; empty: all are",
        kind: Kind::Word(PRIORITIES),
        get: |c| word(priority_word(c.outputs.webhook.min_severity)),
        set: |c, v| c.outputs.webhook.min_severity = priority(&v.into_text()),
    },
    Setting {
        key: "outputs.webhook.headers_file",
        about: "file with more headers for each request, one a line, `Authorization` for instance; \
                it is read anew for each request",
        kind: Kind::Path { optional: true },
        get: |c| optional_path(c.outputs.webhook.headers_file.as_deref()),
        set: |c, v| c.outputs.webhook.headers_file = v.into_optional_path(),
    },
    Setting {
        key: "outputs.webhook.timeout_seconds",
        about: "longest time for a request with its answer",
        kind: Kind::Integer { min: 1, max: 300 },
        get: |c| Value::Number(c.outputs.webhook.timeout.as_secs()),
        set: |c, v| c.outputs.webhook.timeout = Duration::from_secs(v.into_number()),
    },
    Setting {
        key: "outputs.webhook.batch",
        about: "records in a request, one JSON object a line; with `falco` there is always one",
        kind: Kind::Integer { min: 1, max: 256 },
        get: |c| count(c.outputs.webhook.batch),
        set: |c, v| c.outputs.webhook.batch = v.into_usize(),
    },
    Setting {
        key: "outputs.webhook.ca",
        about: "file with the certificates, in PEM, that may sign the receiver's; empty: those of \
                the node",
        kind: Kind::Path { optional: true },
        get: |c| optional_path(c.outputs.webhook.ca.as_deref()),
        set: |c, v| c.outputs.webhook.ca = v.into_optional_path(),
    },
    Setting {
        key: "outputs.nats.url",
        about: "publish alerts to this server, in its JetStream; empty: nowhere",
        kind: Kind::Url(&["nats", "tls"]),
        get: |c| word(&c.outputs.nats.url),
        set: |c, v| c.outputs.nats.url = v.into_text(),
    },
    Setting {
        key: "outputs.nats.subject",
        about: "subject of every record",
        kind: Kind::NatsName { subject: true },
        get: |c| word(&c.outputs.nats.subject),
        set: |c, v| c.outputs.nats.subject = v.into_text(),
    },
    Setting {
        key: "outputs.nats.stream",
        about: "the stream that must take them, which the agent does not make; empty: whichever has \
                the subject",
        kind: Kind::NatsName { subject: false },
        get: |c| word(&c.outputs.nats.stream),
        set: |c, v| c.outputs.nats.stream = v.into_text(),
    },
    Setting {
        key: "outputs.nats.credentials_file",
        about: "file with a user's credentials; empty: none are needed",
        kind: Kind::Path { optional: true },
        get: |c| optional_path(c.outputs.nats.credentials_file.as_deref()),
        set: |c, v| c.outputs.nats.credentials_file = v.into_optional_path(),
    },
    Setting {
        key: "outputs.otlp.endpoint",
        about: "send alerts as OpenTelemetry logs to this OTLP receiver, by HTTP: its URL, to which \
                `/v1/logs` is added; `http://127.0.0.1:4318`: a collector on this node; empty: nowhere",
        kind: Kind::Url(&["http", "https"]),
        get: |c| word(&c.outputs.otlp.endpoint),
        set: |c, v| c.outputs.otlp.endpoint = v.into_text(),
    },
    Setting {
        key: "outputs.otlp.min_severity",
        about: "alerts that are less urgent are not sent; empty: all are",
        kind: Kind::Word(PRIORITIES),
        get: |c| word(priority_word(c.outputs.otlp.min_severity)),
        set: |c, v| c.outputs.otlp.min_severity = priority(&v.into_text()),
    },
    Setting {
        key: "outputs.otlp.headers_file",
        about: "file with more headers for each request, one a line, `Authorization` for instance; \
                it is read anew for each request",
        kind: Kind::Path { optional: true },
        get: |c| optional_path(c.outputs.otlp.headers_file.as_deref()),
        set: |c, v| c.outputs.otlp.headers_file = v.into_optional_path(),
    },
    Setting {
        key: "outputs.otlp.timeout_seconds",
        about: "longest time for a request with its answer",
        kind: Kind::Integer { min: 1, max: 300 },
        get: |c| Value::Number(c.outputs.otlp.timeout.as_secs()),
        set: |c, v| c.outputs.otlp.timeout = Duration::from_secs(v.into_number()),
    },
    Setting {
        key: "outputs.otlp.batch",
        about: "records in a request",
        kind: Kind::Integer { min: 1, max: 256 },
        get: |c| count(c.outputs.otlp.batch),
        set: |c, v| c.outputs.otlp.batch = v.into_usize(),
    },
    Setting {
        key: "outputs.otlp.compression",
        about: "how requests are compressed",
        kind: Kind::Word(&["gzip", "none"]),
        get: |c| word(if c.outputs.otlp.gzip { "gzip" } else { "none" }),
        set: |c, v| c.outputs.otlp.gzip = v.into_text() == "gzip",
    },
    Setting {
        key: "outputs.otlp.ca",
        about: "file with the certificates, in PEM, that may sign the receiver's; empty: those of \
                the node",
        kind: Kind::Path { optional: true },
        get: |c| optional_path(c.outputs.otlp.ca.as_deref()),
        set: |c, v| c.outputs.otlp.ca = v.into_optional_path(),
    },
    Setting {
        key: "metrics.listen",
        about: "serve metrics for Prometheus at `http://ADDRESS:PORT/metrics`, to whoever can \
                connect; `127.0.0.1:9464`: only to this node; empty: not at all",
        kind: Kind::Address,
        get: |c| {
            word(
                &c.metrics
                    .listen
                    .map_or_else(String::new, |at| at.to_string()),
            )
        },
        // The empty text is no address; any other has been checked.
        set: |c, v| c.metrics.listen = v.into_text().parse().ok(),
    },
    Setting {
        key: "sandbox.enabled",
        about: "the agent gives up capabilities and system calls that it has no use for",
        kind: Kind::Bool,
        get: |c| Value::Bool(c.sandbox.enabled),
        set: |c, v| c.sandbox.enabled = v.into_bool(),
    },
    Setting {
        key: "log.level",
        about: "filter for the agent's own log: `info`, or `info,gravlens::ingest=debug`",
        kind: Kind::LogFilter,
        get: |c| word(&c.log.level),
        set: |c, v| c.log.level = v.into_text(),
    },
    Setting {
        key: "log.format",
        about: "form of the agent's own log on standard error",
        kind: FORMATS,
        get: |c| match c.log.format {
            LogFormat::Text => word("text"),
            LogFormat::Json => word("json"),
        },
        set: |c, v| {
            c.log.format = match v.into_text().as_str() {
                "json" => LogFormat::Json,
                _ => LogFormat::Text,
            };
        },
    },
];

/// Seconds.
const HOUR: u64 = 3_600;
