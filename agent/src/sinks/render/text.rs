//! Records for people. Nothing that a container wrote reaches the terminal unescaped.

mod baseline;

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use super::{enum_word, severity_word, time};
use crate::alert::printable;
use crate::proto;
use crate::proto::event::Payload;
use crate::proto::hook_status::State;
use crate::proto::record::Body;

/// A record as lines that end with a newline.
pub fn record(record: &proto::Record) -> String {
    let mut out = String::new();
    match &record.body {
        Some(Body::Alert(body)) => alert(&mut out, body),
        Some(Body::Hello(body)) => head(&mut out, record, "HELLO", &hello(record, body)),
        Some(Body::Heartbeat(body)) => head(&mut out, record, "HEARTBEAT", &heartbeat(body)),
        Some(Body::Gap(body)) => head(&mut out, record, "GAP", &gap(body)),
        Some(Body::Loss(body)) => head(&mut out, record, "LOSS", &loss(body)),
        Some(Body::Amend(body)) => head(&mut out, record, "AMEND", &amended(body)),
        Some(Body::Throttle(body)) => head(&mut out, record, "THROTTLE", &throttle(body)),
        None => head(&mut out, record, "UNKNOWN", "a record of a later version"),
    }
    out
}

/// What a record with a place in the stream tells, in one line without kind and time.
pub(in crate::sinks) fn sentence(body: &Body) -> Option<String> {
    match body {
        Body::Alert(alert) => Some(printable(&alert.output).into_owned()),
        Body::Gap(body) => Some(gap(body)),
        Body::Loss(body) => Some(loss(body)),
        Body::Amend(body) => Some(amended(body)),
        Body::Throttle(body) => Some(throttle(body)),
        Body::Hello(_) | Body::Heartbeat(_) => None,
    }
}

fn head(out: &mut String, record: &proto::Record, name: &str, text: &str) {
    line(
        out,
        format_args!("{} {name:<9} {text}", time(record.time.as_ref())),
    );
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}

fn hello(record: &proto::Record, hello: &proto::Hello) -> String {
    let rules = hello.rules.as_ref();
    let topics = |state| {
        hello
            .hooks
            .iter()
            .filter(|hook| hook.state() == state)
            .count()
    };
    let partial = match topics(State::Partial) {
        0 => String::new(),
        partial => format!(", {partial} in part"),
    };
    format!(
        "gravlens {} on {}, kernel {}; {} rules active, {} refused; {} of {} topics hooked{partial}; \
         epoch {:016x}, records {} to {}",
        printable(&hello.agent_version),
        printable(&hello.node),
        printable(&hello.kernel_release),
        rules.map_or(0, |rules| rules.active),
        rules.map_or(0, |rules| rules.refused),
        topics(State::Full),
        hello.hooks.len(),
        record.stream_epoch,
        hello.oldest_sequence,
        hello.newest_sequence,
    )
}

fn heartbeat(heartbeat: &proto::Heartbeat) -> String {
    let alerts = heartbeat.alerts.unwrap_or_default();
    let progress = heartbeat.progress.unwrap_or_default();
    let canary = heartbeat.canary_age_ms.map_or_else(String::new, |age| {
        format!("; canary: {}", duration(Duration::from_millis(age)))
    });
    format!(
        "complete through {}: {} sent, {} filtered, {} missed; {}; alerts: {} raised, {} stored, \
         {} rolled up, {} throttled, {} dropped{canary}",
        progress.complete_through,
        progress.delivered,
        progress.filtered_count,
        progress.missed,
        event_account(heartbeat.events.unwrap_or_default()),
        alerts.raised,
        alerts.stored,
        alerts.rolled_up,
        alerts.throttled,
        alerts.queue_full,
    )
}

/// An account of events in a line.
pub fn event_account(events: proto::EventAccount) -> String {
    let mut out = format!(
        "events: {} seen, {} delivered",
        events.seen, events.delivered
    );
    let reasons = [
        ("suppressed", events.suppressed),
        ("lost to a full ring", events.ring_full),
        ("rate-limited", events.rate_limited),
        ("lost to busy scratch space", events.scratch_busy),
        ("lost in a queue", events.queue),
        ("not decodable", events.decode),
        ("in flight", events.in_flight),
    ];
    for (reason, count) in reasons {
        if count > 0 {
            let _ = write!(out, ", {count} {reason}");
        }
    }
    out
}

fn gap(gap: &proto::Gap) -> String {
    let why = enum_word(gap.why().as_str_name(), "WHY_");
    format!("{why}: {}", printable(&gap.message))
}

fn loss(loss: &proto::Loss) -> String {
    let whose = if !loss.container_name.is_empty() {
        format!("container {}", printable(&loss.container_name))
    } else if !loss.container_id.is_empty() {
        format!("container {}", short(&loss.container_id))
    } else if !loss.cgroup_path.is_empty() {
        format!("cgroup {}", printable(&loss.cgroup_path))
    } else if loss.cgroup_id == 0 {
        "cgroups that are not told apart".to_owned()
    } else {
        format!("cgroup {}", loss.cgroup_id)
    };
    let reason = enum_word(loss.reason().as_str_name(), "REASON_").replace('_', " ");
    let length = between(loss.from_time.as_ref(), loss.to_time.as_ref());
    format!(
        "{} events of {whose} at hook {} within {}: {reason}",
        loss.count,
        printable(&loss.hook),
        duration(length),
    )
}

fn amended(body: &proto::Amend) -> String {
    format!("alert {}: {}", printable(&body.alert_id), amend(body))
}

fn amend(amend: &proto::Amend) -> String {
    if let Some(news) = &amend.roll_up {
        let length = between(news.first.as_ref(), news.last.as_ref());
        return format!(
            "{} more like it within {}, {} in all",
            news.count,
            duration(length),
            news.total
        );
    }
    let named = amend.container.as_ref().map(container);
    named.unwrap_or_else(|| "a process of the node".to_owned())
}

fn throttle(throttle: &proto::Throttle) -> String {
    let rule = throttle.rule.as_ref().map_or("", |rule| &rule.name);
    let length = between(throttle.from_time.as_ref(), throttle.to_time.as_ref());
    format!(
        "{} alerts of {} within {} are not told: it may tell {} a minute",
        throttle.count,
        printable(rule),
        duration(length),
        throttle.limit_per_minute,
    )
}

fn between(from: Option<&prost_types::Timestamp>, to: Option<&prost_types::Timestamp>) -> Duration {
    let time = |time: Option<&prost_types::Timestamp>| SystemTime::try_from(*time?).ok();
    match (time(from), time(to)) {
        (Some(from), Some(to)) => to.duration_since(from).unwrap_or_default(),
        _ => Duration::ZERO,
    }
}

/// A length of time in its two largest units.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

fn alert(out: &mut String, alert: &proto::Alert) {
    let rule = alert.rule.as_ref();
    let name = rule.map_or("", |rule| &rule.name);
    let when = time(alert.time.as_ref());
    let severity = severity_word(alert.severity());
    line(
        out,
        format_args!("{when} {severity:<9} {}", printable(name)),
    );
    match &alert.container {
        Some(known) => row(out, "container", &container(known)),
        None if alert.process.is_none() => row(out, "container", "none: the sensor itself"),
        None => row(out, "container", "none: a process of the node"),
    }
    if let Some(process) = &alert.process {
        row(
            out,
            "process",
            &processes(process, &alert.ancestors, alert.ancestors_truncated),
        );
        row(out, "command", &command(process));
    }
    if let Some(event) = &alert.event {
        row(out, "event", &self::event(event));
    }
    for (index, term) in alert.evidence.iter().enumerate() {
        row(
            out,
            if index == 0 { "because" } else { "" },
            &self::term(term),
        );
    }
    for (index, term) in alert.undecided.iter().enumerate() {
        row(
            out,
            if index == 0 { "undecided" } else { "" },
            &self::term(term),
        );
    }
    for exception in &alert.near_exceptions {
        row(out, "exception", &near_exception(exception));
    }
    if let Some(evidence) = &alert.baseline {
        baseline::rows(out, evidence);
    }
    row(out, "output", &printable(&alert.output));
    if let Some(rule) = rule {
        let attack = rule.attack_ids.join(" ");
        let place = if rule.file.is_empty() {
            printable(&rule.language).into_owned()
        } else {
            format!("{}:{}", printable(&rule.file), rule.line)
        };
        row(out, "rule", &format!("{place} {}", printable(&attack)));
        if !rule.author.is_empty() || !rule.id.is_empty() {
            let by = match rule.author.as_str() {
                "" => "nobody named",
                author => author,
            };
            let author = format!("{} ({} {})", by, rule.language, rule.id);
            row(out, "author", &printable(&author));
        }
    }
    row(out, "id", &printable(&alert.id));
}

fn row(out: &mut String, name: &str, text: &str) {
    line(out, format_args!("    {name:<10} {}", text.trim_end()));
}

fn short(id: &str) -> String {
    printable(id.get(..12).unwrap_or(id)).into_owned()
}

fn container(container: &proto::Container) -> String {
    use proto::Identity;
    let id = if container.id.is_empty() {
        format!("cgroup {}", container.cgroup_id)
    } else {
        short(&container.id)
    };
    let known = format!("{} ({id}) image {}", container.name, container.image);
    let text = match container.identity() {
        Identity::Full => known,
        Identity::Late => format!("{known}, identity: late"),
        Identity::CgroupOnly => format!("{id}, identity: cgroup_only (not known yet)"),
        Identity::Failed => format!("{id}, identity: failed ({})", container.identity_error),
        Identity::Unspecified => id,
    };
    printable(&text).into_owned()
}

fn processes(process: &proto::Process, ancestors: &[proto::Process], truncated: bool) -> String {
    let chain = std::iter::once(process)
        .chain(ancestors)
        .map(|process| format!("{}[{}]", printable(&process.name), process.pid));
    let mut text = chain.collect::<Vec<_>>().join(" <- ");
    if truncated {
        text.push_str(" <- ...");
    }
    text
}

fn command(process: &proto::Process) -> String {
    let mut text = printable(&process.command_line).into_owned();
    let executable = process.executable.as_ref();
    let path = executable.and_then(|executable| executable.path.as_ref());
    let mut notes = vec![path.map_or_else(
        || "executable not known".to_owned(),
        |path| printable(&path.text).into_owned(),
    )];
    if let Some(credentials) = process.credentials {
        notes.push(format!("uid {}", credentials.uid));
        if credentials.euid != credentials.uid {
            notes.push(format!("euid {}", credentials.euid));
        }
    }
    if let Some(executable) = executable {
        let flags = [
            (
                executable.layer() == proto::Layer::UpperOnly,
                "dropped at run time",
            ),
            (
                executable.layer() == proto::Layer::CopiedUp,
                "changed at run time",
            ),
            (executable.memfd, "in memory only"),
            (executable.unlinked, "unlinked"),
        ];
        notes.extend(
            flags
                .iter()
                .filter(|(set, _)| *set)
                .map(|(_, name)| (*name).to_owned()),
        );
    }
    let _ = write!(text, " ({})", notes.join(", "));
    text
}

fn event(event: &proto::Event) -> String {
    let mut text = printable(&event.r#type).into_owned();
    let detail = match &event.payload {
        Some(Payload::Open(open)) => open.path.as_ref().map(|path| path.text.clone()),
        Some(Payload::Socket(socket)) => socket.endpoint.as_ref().map(|ends| named(ends, socket)),
        Some(Payload::Dns(message)) => Some(dns(message)),
        Some(Payload::SetIds(ids)) => Some(ids.argument.to_string()),
        Some(Payload::Cgroup(cgroup)) => cgroup.path.as_ref().map(|path| path.text.clone()),
        Some(call @ (Payload::Call(_) | Payload::Paths(_))) => Some(arguments(call).join(" ")),
        Some(Payload::Exit(exit)) => Some(format!("status {} signal {}", exit.status, exit.signal)),
        Some(Payload::Exec(_) | Payload::Fork(_)) | None => None,
    };
    if let Some(detail) = detail {
        let _ = write!(text, " {}", printable(&detail));
    }
    if let Some(result) = event.result {
        let _ = write!(text, " = {result}");
    }
    let flags = [
        (event.out_of_order, "out of order"),
        (event.seen_late, "seen late"),
        (event.process_unknown, "process not certain"),
    ];
    for (_, flag) in flags.iter().filter(|(set, _)| *set) {
        let _ = write!(text, ", {flag}");
    }
    text
}

/// Arguments of a call as `name=value`: paths, then numbers.
pub(in crate::sinks) fn arguments(payload: &Payload) -> Vec<String> {
    match payload {
        Payload::Call(call) => {
            let named = |argument: &proto::Argument| format!("{}={}", argument.name, argument.text);
            call.arguments.iter().map(named).collect()
        }
        Payload::Paths(call) => paths(call).collect(),
        _ => Vec::new(),
    }
}

fn paths(call: &proto::PathsPayload) -> impl Iterator<Item = String> {
    let paths = call.paths.iter().map(|path| {
        let text = path.path.as_ref().map_or("", |path| &path.text);
        format!("{}={text}", path.argument)
    });
    let numbers = call.numbers.iter().map(|number| match &*number.argument {
        "mode" => format!("mode={:#o}", number.value),
        name => format!("{name}={}", number.value),
    });
    paths.chain(numbers)
}

/// Both ends, and what is known of the other's name.
fn named(ends: &proto::Endpoint, socket: &proto::SocketPayload) -> String {
    let mut text = endpoint(ends);
    if !socket.remote_names.is_empty() {
        let _ = write!(text, " ({})", socket.remote_names.join(", "));
    }
    text
}

fn dns(message: &proto::DnsPayload) -> String {
    let kind = if message.answer {
        "answer from"
    } else {
        "query to"
    };
    let mut text = format!("{kind} {}", message.server);
    for word in [&message.r#type, &message.name, &message.rcode] {
        if !word.is_empty() {
            let _ = write!(text, " {word}");
        }
    }
    for address in &message.addresses {
        let _ = write!(text, " {address}");
    }
    use proto::DnsMatch::{Query, Unknown, Unspecified};
    if !matches!(message.r#match(), Query | Unknown | Unspecified) {
        let _ = write!(
            text,
            ", answers nothing: {}",
            super::enum_word(message.r#match().as_str_name(), "DNS_MATCH_")
        );
    }
    if message.resolver() == proto::DnsResolver::Other {
        text.push_str(", no resolver of the container");
    }
    if !message.malformed.is_empty() {
        let _ = write!(text, ", malformed: {}", message.malformed);
    }
    text
}

fn endpoint(endpoint: &proto::Endpoint) -> String {
    let address = |address: Option<&proto::SocketAddress>| match address {
        None => "?".to_owned(),
        Some(address) if address.ip.is_empty() => address.path.clone(),
        Some(address) if address.ip.contains(':') => format!("[{}]:{}", address.ip, address.port),
        Some(address) => format!("{}:{}", address.ip, address.port),
    };
    let kind = if endpoint.transport.is_empty() {
        &endpoint.family
    } else {
        &endpoint.transport
    };
    format!(
        "{kind} {} -> {}",
        address(endpoint.local.as_ref()),
        address(endpoint.remote.as_ref())
    )
}

/// An exception that nearly applied, and what it failed by.
pub(in crate::sinks) fn near_exception(exception: &proto::NearException) -> String {
    let failed = exception.failed.as_ref().map(term).unwrap_or_default();
    format!(
        "{} nearly applied, but for {failed}",
        printable(&exception.name)
    )
}

/// A term of a condition, the value that it met, and where it is written if in a macro.
pub(in crate::sinks) fn term(term: &proto::Term) -> String {
    let not = if term.negated { "not " } else { "" };
    let value = term.value.as_deref().map_or_else(
        || "no such value".to_owned(),
        |value| format!("is {}", printable(value)),
    );
    let within = match term.macros.is_empty() {
        true => String::new(),
        false => format!(" (by {})", printable(&term.macros.join(" > "))),
    };
    format!(
        "{not}{} {} {}: {value}{within}",
        printable(&term.field),
        printable(&term.operator),
        printable(&term.operand)
    )
}
