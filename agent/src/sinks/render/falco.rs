//! Records as Falco's JSON, which falcosidekick and what else reads Falco's alerts understand.
//!
//! The shape is that of Falco's `json_output`: `time`, `rule`, `priority`, `source`, `hostname`,
//! `output`, `tags` and `output_fields`, whose names are those of Falco's fields. What is told beside
//! alerts (GAP, LOSS, AMEND) has rules of its own, as Falco tells of dropped events.

mod baseline;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{enum_word, time, unix_nanos};
use crate::proto::event::Payload;
use crate::proto::record::Body;
use crate::proto::{self, Record};

/// Digits of a container's id, as Falco has them.
const ID_DIGITS: usize = 12;
/// `container.id` of a process of the node.
const HOST: &str = "host";
/// `source` of what an event of the kernel raised.
const SYSCALL: &str = "syscall";
/// `source` of what the agent says of itself.
const INTERNAL: &str = "internal";

/// One line.
#[derive(Debug, Serialize)]
struct Line<'a> {
    uuid: String,
    output: String,
    priority: &'a str,
    rule: &'a str,
    source: &'static str,
    hostname: &'a str,
    tags: Vec<&'a str>,
    time: String,
    output_fields: Fields<'a>,
}

type Fields<'a> = BTreeMap<&'a str, Value>;

/// A record as a line without the newline; `None` for HELLO and HEARTBEAT, of which Falco has no
/// like.
pub(super) fn line(record: &Record, node: &str) -> Option<String> {
    let line = match record.body.as_ref()? {
        Body::Hello(_) | Body::Heartbeat(_) => return None,
        Body::Alert(alert) => of_alert(alert, node),
        Body::Amend(amend) => {
            let id = &amend.alert_id;
            let mut fields = Fields::new();
            add(&mut fields, "gravlens.alert_id", id);
            container(&mut fields, amend.container.as_ref());
            let output = match &amend.roll_up {
                Some(news) => {
                    fields.insert("gravlens.count", news.count.into());
                    format!(
                        "{} more alerts like {id}, {} in all.",
                        news.count, news.total
                    )
                }
                None => format!("The container of alert {id} is known now."),
            };
            internal(
                record,
                node,
                "Gravlens: alert amended",
                "Informational",
                &output,
                fields,
            )
        }
        Body::Gap(gap) => {
            let mut fields = Fields::new();
            let why = enum_word(gap.why().as_str_name(), "WHY_");
            fields.insert("gravlens.gap", why.into());
            if let Some(count) = gap.count {
                fields.insert("gravlens.count", count.into());
            }
            internal(
                record,
                node,
                "Gravlens: gap",
                "Critical",
                &gap.message,
                fields,
            )
        }
        Body::Throttle(throttle) => {
            let rule = throttle.rule.as_ref().map_or("", |rule| &rule.name);
            let output = format!(
                "{} alerts of {rule} are not told: it may tell {} a minute",
                throttle.count, throttle.limit_per_minute
            );
            let mut fields = Fields::new();
            add(&mut fields, "gravlens.rule", rule);
            fields.insert("gravlens.count", throttle.count.into());
            internal(
                record,
                node,
                "Gravlens: alerts throttled",
                "Warning",
                &output,
                fields,
            )
        }
        Body::Loss(loss) => {
            let reason = enum_word(loss.reason().as_str_name(), "REASON_");
            let output = format!("{} events lost at hook {}: {reason}", loss.count, loss.hook);
            let mut fields = Fields::new();
            add(&mut fields, "gravlens.hook", &loss.hook);
            add(&mut fields, "gravlens.reason", &reason);
            fields.insert("gravlens.count", loss.count.into());
            add(&mut fields, "container.id", short(&loss.container_id));
            add(&mut fields, "container.name", &loss.container_name);
            internal(
                record,
                node,
                "Gravlens: events lost",
                "Error",
                &output,
                fields,
            )
        }
    };
    // Strings, numbers and maps with string keys cannot fail.
    Some(serde_json::to_string(&line).expect("a record has a JSON form"))
}

fn internal<'a>(
    record: &Record,
    node: &'a str,
    rule: &'a str,
    priority: &'a str,
    output: &str,
    output_fields: Fields<'a>,
) -> Line<'a> {
    Line {
        uuid: format!("{:016x}-{}", record.stream_epoch, record.sequence),
        output: headed(record.time.as_ref(), priority, output),
        priority,
        rule,
        source: INTERNAL,
        hostname: node,
        tags: Vec::new(),
        time: time(record.time.as_ref()),
        output_fields,
    }
}

fn of_alert<'a>(alert: &'a proto::Alert, node: &'a str) -> Line<'a> {
    let rule = alert.rule.as_ref();
    let mut tags: Vec<&str> = rule.map_or_else(Vec::new, |rule| {
        rule.tags.iter().map(String::as_str).collect()
    });
    tags.sort_unstable();
    Line {
        uuid: alert.id.clone(),
        output: headed(alert.time.as_ref(), &alert.priority, &alert.output),
        priority: &alert.priority,
        rule: rule.map_or("", |rule| &rule.name),
        source: if alert.event.is_some() {
            SYSCALL
        } else {
            INTERNAL
        },
        hostname: node,
        tags,
        time: time(alert.time.as_ref()),
        output_fields: fields(alert),
    }
}

/// `time: Priority message`, as Falco has it.
fn headed(at: Option<&prost_types::Timestamp>, priority: &str, message: &str) -> String {
    let at = time(at);
    // The time of day is what stands between the `T` and the `Z`.
    let clock = at
        .split_once('T')
        .map_or("", |(_, clock)| clock.trim_end_matches('Z'));
    format!("{clock}: {priority} {message}")
}

fn fields(alert: &proto::Alert) -> Fields<'_> {
    let mut fields = Fields::new();
    // What decided the match, by the fields that the rule names. The others below have the last word.
    for term in &alert.evidence {
        if let Some(value) = &term.value {
            add(&mut fields, &term.field, value);
        }
    }
    if let Some(event) = &alert.event {
        self::event(&mut fields, event);
    }
    if let Some(process) = &alert.process {
        self::process(&mut fields, process);
        container(&mut fields, alert.container.as_ref());
    }
    if let Some(parent) = alert.ancestors.first() {
        add(&mut fields, "proc.pname", &parent.name);
        add(&mut fields, "proc.pcmdline", &parent.command_line);
    }
    if let Some(evidence) = &alert.baseline {
        baseline::fields(&mut fields, evidence);
    }
    if let Some(rule) = &alert.rule {
        // The licence of Sigma's rules asks to show the author with each match.
        add(&mut fields, "gravlens.rule_id", &rule.id);
        add(&mut fields, "gravlens.rule_author", &rule.author);
        add(&mut fields, "gravlens.rule_level", &rule.level);
    }
    add(&mut fields, "gravlens.alert_id", &alert.id);
    fields
}

fn event<'a>(fields: &mut Fields<'a>, event: &'a proto::Event) {
    add(fields, "evt.type", &event.r#type);
    if let Some(nanos) = unix_nanos(event.time.as_ref()) {
        fields.insert("evt.time", nanos.into());
    }
    if let Some(result) = event.result {
        fields.insert("evt.rawres", result.into());
    }
    let name = match &event.payload {
        Some(Payload::Open(open)) => open.path.as_ref().map(|path| path.text.clone()),
        Some(Payload::Socket(socket)) => socket.endpoint.as_ref().map(connection),
        _ => None,
    };
    if let Some(name) = name {
        add(fields, "fd.name", &name);
    }
}

/// `local->remote` as Falco has it, or what is known of it.
fn connection(endpoint: &proto::Endpoint) -> String {
    let text = |address: &proto::SocketAddress| match address.path.as_str() {
        "" => format!("{}:{}", address.ip, address.port),
        path => path.to_owned(),
    };
    match (&endpoint.local, &endpoint.remote) {
        (Some(local), Some(remote)) => format!("{}->{}", text(local), text(remote)),
        (Some(one), None) | (None, Some(one)) => text(one),
        (None, None) => String::new(),
    }
}

fn process<'a>(fields: &mut Fields<'a>, process: &'a proto::Process) {
    add(fields, "proc.name", &process.name);
    add(fields, "proc.cmdline", &process.command_line);
    let executable = process.executable.as_ref();
    if let Some(path) = executable.and_then(|executable| executable.path.as_ref()) {
        add(fields, "proc.exepath", &path.text);
    }
    if let Some(path) = &process.cwd {
        add(fields, "proc.cwd", &path.text);
    }
    fields.insert("proc.pid", process.pid.into());
    fields.insert("proc.ppid", process.parent_pid.into());
    if let Some(pid) = process.container_pid {
        fields.insert("proc.vpid", pid.into());
    }
    if let Some(credentials) = process.credentials {
        fields.insert("user.uid", credentials.uid.into());
    }
}

fn container<'a>(fields: &mut Fields<'a>, container: Option<&'a proto::Container>) {
    let Some(container) = container else {
        add(fields, "container.id", HOST);
        return;
    };
    add(fields, "container.id", short(&container.id));
    add(fields, "container.name", &container.name);
    add(fields, "container.image", &container.image);
    add(
        fields,
        "container.image.repository",
        &container.image_repository,
    );
    add(fields, "container.image.tag", &container.image_tag);
    add(fields, "container.image.digest", &container.image_digest);
}

/// What is not known is left out.
fn add<'a>(fields: &mut Fields<'a>, name: &'a str, value: &str) {
    if !value.is_empty() {
        fields.insert(name, value.into());
    }
}

fn short(id: &str) -> &str {
    id.get(..ID_DIGITS).unwrap_or(id)
}

#[cfg(test)]
mod tests;
