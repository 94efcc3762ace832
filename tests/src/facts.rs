//! What an alert says about its event, as plain facts that tests compare one by one.

use std::collections::BTreeMap;
use std::fmt;

use gravlens::proto::event::Payload;
use gravlens::proto::{
    Alert, DnsPayload, Endpoint, Event, Executable, Layer, OpenPayload, Path, PathArgument,
    PathsPayload, Process, Provenance, SocketAddress, SocketPayload,
};

/// Longest value in a line for people.
const LONGEST_VALUE: usize = 120;
/// What a rule's output can tell beside what an alert holds.
const OF_RULES: &[&str] = &[
    "vpgid",
    "sid",
    "leads_group",
    "leads_session",
    "open_exec",
    "variable",
    "environment_cut",
];
/// What an output prints for a value that is missing.
const NOT_AVAILABLE: &str = "<NA>";
/// Stands for a field that the agent left unset.
pub const UNSET: &str = "-";

/// One event: every field that the agent told of it, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Falco's event type.
    pub call: String,
    /// Nanoseconds since boot.
    pub boot_ns: u64,
    fields: BTreeMap<&'static str, String>,
}

impl Facts {
    /// The facts of an alert; `None` when it is about no event.
    pub fn of(alert: &Alert) -> Option<Self> {
        let event = alert.event.as_ref()?;
        let mut facts = Self {
            call: event.r#type.clone(),
            boot_ns: event.boot_ns,
            fields: BTreeMap::new(),
        };
        facts.event(event);
        if let Some(process) = &alert.process {
            facts.process(process);
        }
        facts.output(&alert.output);
        let ancestors = alert
            .ancestors
            .iter()
            .map(|process| process.pid.to_string());
        facts.put("ancestors", ancestors.collect::<Vec<_>>().join(","));
        Some(facts)
    }

    /// The value of a field; `-` when it is unset or the event has no such field.
    pub fn get(&self, field: &str) -> &str {
        self.fields.get(field).map_or(UNSET, String::as_str)
    }

    /// These fields on one line.
    pub fn line(&self, fields: impl IntoIterator<Item = &'static str>) -> String {
        let fields = fields.into_iter();
        let words = fields.map(|field| format!(" {field}={}", shortened(self.get(field))));
        self.call.clone() + &words.collect::<String>()
    }

    fn put(&mut self, field: &'static str, value: impl fmt::Display) {
        self.fields.insert(field, value.to_string());
    }

    /// Fields that only rules know, from an output that names them.
    fn output(&mut self, output: &str) {
        for word in output.split_ascii_whitespace() {
            let Some((name, value)) = word.split_once('=') else {
                continue;
            };
            let known = OF_RULES.iter().find(|known| **known == name);
            if let Some(name) = known.filter(|_| value != NOT_AVAILABLE) {
                self.put(name, value);
            }
        }
    }

    fn event(&mut self, event: &Event) {
        self.put("result", optional(event.result));
        self.put("tid", event.tid);
        self.put("process_unknown", event.process_unknown);
        self.put("seen_late", event.seen_late);
        match &event.payload {
            Some(Payload::Exit(exit)) => {
                self.put("status", exit.status);
                self.put("signal", exit.signal);
            }
            Some(Payload::Open(open)) => self.open(open),
            Some(Payload::Paths(call)) => self.paths(call),
            Some(Payload::Socket(socket)) => self.socket(socket),
            Some(Payload::Dns(dns)) => self.dns(dns),
            Some(Payload::SetIds(ids)) => self.put("argument", ids.argument),
            Some(Payload::Cgroup(cgroup)) => {
                self.put("cgroup_id", cgroup.cgroup_id);
                self.path(cgroup.path.as_ref());
            }
            _ => {}
        }
    }

    fn open(&mut self, open: &OpenPayload) {
        self.path(open.path.as_ref());
        self.put("flags", format!("{:#o}", open.flags));
        self.put("read", open.read);
        self.put("write", open.write);
        self.put("created", open.created);
        self.put("provenance", provenance(open.provenance()));
        self.put("fd_shared", open.fd_shared);
        self.put("by_io_uring", open.by_io_uring);
    }

    /// The first path as that of an open, the name that goes with it as `second`.
    fn paths(&mut self, call: &PathsPayload) {
        let second = |argument: &PathArgument| argument.path.as_ref().map(|path| path.text.clone());
        if let Some(first) = call.paths.first() {
            self.path(first.path.as_ref());
            self.put("provenance", provenance(first.provenance()));
        }
        self.put("second", optional(call.paths.get(1).and_then(second)));
        for number in &call.numbers {
            if number.argument == "mode" {
                self.put("mode", format!("{:#o}", number.value));
            }
        }
    }

    fn path(&mut self, path: Option<&Path>) {
        let Some(path) = path else { return };
        self.put("path", &path.text);
        self.put("truncated", path.truncated);
        self.put("unreachable", path.unreachable);
        self.put("deleted", path.deleted);
        self.put("escaped", path.escaped);
    }

    fn socket(&mut self, socket: &SocketPayload) {
        self.put("fd", optional(socket.fd));
        self.put("fd_shared", socket.fd_shared);
        self.put("provenance", provenance(socket.provenance()));
        self.put("local_names", socket.local_names.join(","));
        self.put("remote_names", socket.remote_names.join(","));
        let Some(Endpoint {
            family,
            transport,
            local,
            remote,
        }) = &socket.endpoint
        else {
            return;
        };
        self.put("family", family);
        self.put("transport", transport);
        self.put("local", optional(local.as_ref().map(address)));
        self.put("remote", optional(remote.as_ref().map(address)));
    }

    fn dns(&mut self, dns: &DnsPayload) {
        let word = |name: &str, prefix| name.trim_start_matches(prefix).to_lowercase();
        self.put("answer", dns.answer);
        self.put("transport", &dns.transport);
        self.put("server", &dns.server);
        self.put("id", optional(dns.id));
        self.put("question", &dns.name);
        self.put("type", &dns.r#type);
        self.put("rcode", &dns.rcode);
        self.put("dns_truncated", dns.truncated);
        self.put("cnames", dns.cnames.join(","));
        self.put("addresses", dns.addresses.join(","));
        self.put("ttl", optional(dns.ttl));
        self.put("match", word(dns.r#match().as_str_name(), "DNS_MATCH_"));
        self.put(
            "resolver",
            word(dns.resolver().as_str_name(), "DNS_RESOLVER_"),
        );
        self.put("malformed", &dns.malformed);
        self.put("cut", dns.cut);
    }

    fn process(&mut self, process: &Process) {
        self.put("pid", process.pid);
        self.put("ppid", process.parent_pid);
        self.put("vpid", optional(process.container_pid));
        self.put("name", &process.name);
        self.put("filename", &process.filename);
        self.put("interpreter", &process.interpreter);
        self.put("args", process.args.join(" "));
        self.put("argc", process.args.len());
        self.put("args_truncated", process.args_truncated);
        self.put("process_escaped", process.escaped);
        if let Some(cwd) = &process.cwd {
            self.put("cwd", &cwd.text);
            self.put("cwd_deleted", cwd.deleted);
            self.put("cwd_truncated", cwd.truncated);
        }
        if let Some(ids) = &process.credentials {
            self.put("uids", format!("{},{}", ids.uid, ids.euid));
            self.put("gids", format!("{},{}", ids.gid, ids.egid));
        }
        if let Some(executable) = &process.executable {
            self.executable(executable);
        }
    }

    fn executable(&mut self, executable: &Executable) {
        if let Some(path) = &executable.path {
            self.put("exe", &path.text);
            self.put("exe_deleted", path.deleted);
        }
        self.put("layer", layer(executable.layer()));
        self.put("memfd", executable.memfd);
        self.put("unlinked", executable.unlinked);
    }
}

/// Everything on one line.
impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line(self.fields.keys().copied()))
    }
}

/// A value of bounded length.
pub fn shortened(value: &str) -> String {
    let length = value.chars().count();
    if length <= LONGEST_VALUE {
        return value.to_owned();
    }
    let half = LONGEST_VALUE / 2;
    let begin: String = value.chars().take(half).collect();
    let end: String = value.chars().skip(length - half).collect();
    format!("{begin}...{end} ({length} characters)")
}

fn optional(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| UNSET.to_owned(), |value| value.to_string())
}

fn address(address: &SocketAddress) -> String {
    match address.ip.as_str() {
        "" => address.path.clone(),
        ip if ip.contains(':') => format!("[{ip}]:{}", address.port),
        ip => format!("{ip}:{}", address.port),
    }
}

fn provenance(provenance: Provenance) -> &'static str {
    match provenance {
        Provenance::Unspecified => UNSET,
        Provenance::Kernel => "kernel",
        Provenance::UserMemory => "user_memory",
        Provenance::Inferred => "inferred",
    }
}

fn layer(layer: Layer) -> &'static str {
    match layer {
        Layer::Unspecified => UNSET,
        Layer::Lower => "lower",
        Layer::CopiedUp => "copied_up",
        Layer::UpperOnly => "upper_only",
    }
}
