//! Shows alerts to people.

use std::fmt::Write;

use gravlens::proto::event::Payload;
use gravlens::proto::{Alert, Container, Event, Identity, Process, Severity, Term};

use crate::client::rule_name;

const LONGEST_VALUE: usize = 100;

/// One alert on a few lines: when, how bad, which rule, where, who, and why. Exceptions of the rule
/// that did not apply are only counted.
pub fn describe(alert: &Alert) -> String {
    let mut text = String::new();
    let time = alert.time.as_ref().map_or_else(String::new, clock);
    let severity = severity_name(alert.severity());
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  {time}  {severity:<8}  {}", rule_name(alert));
    let _ = writeln!(text, "      container  {}", place(alert.container.as_ref()));
    let _ = writeln!(text, "      process    {}", lineage(alert));
    if let Some(event) = alert.event.as_ref() {
        let _ = writeln!(text, "      event      {}", deed(event));
    }
    let (exceptions, decisive): (Vec<&Term>, _) = alert.evidence.iter().partition(|t| t.negated);
    for (number, term) in decisive.iter().enumerate() {
        let label = if number == 0 { "evidence" } else { "" };
        let _ = writeln!(text, "      {label:<9}  {}", evidence(term));
    }
    if !exceptions.is_empty() {
        let _ = writeln!(
            text,
            "                 and none of {} exceptions",
            exceptions.len()
        );
    }
    if !alert.undecided.is_empty() {
        let terms: Vec<String> = alert.undecided.iter().map(evidence).collect();
        let _ = writeln!(text, "      undecided  {}", terms.join("; "));
    }
    text
}

/// Falco's word in capitals.
pub fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational => "INFO",
        other => other
            .as_str_name()
            .strip_prefix("SEVERITY_")
            .unwrap_or_default(),
    }
}

/// Time of day in UTC, with milliseconds.
fn clock(time: &prost_types::Timestamp) -> String {
    let second = time.seconds.rem_euclid(86_400);
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        second / 3_600,
        second / 60 % 60,
        second % 60,
        time.nanos / 1_000_000
    )
}

fn place(container: Option<&Container>) -> String {
    let Some(container) = container else {
        return "none: a process of the node".to_owned();
    };
    let id = container.id.get(..12).unwrap_or(&container.id);
    let identity = match container.identity() {
        Identity::Full => String::new(),
        Identity::Failed => format!("  identity: failed ({})", container.identity_error),
        other => format!("  identity: {}", other.as_str_name()),
    };
    format!(
        "{} ({id})  image {}{identity}",
        container.name, container.image
    )
}

/// The process and its ancestors inside the container, then whoever started those.
fn lineage(alert: &Alert) -> String {
    let mut processes = vec![];
    processes.extend(alert.process.as_ref().map(one_process));
    processes.extend(alert.ancestors.iter().map(one_process));
    processes.join("\n                 <- ")
}

fn one_process(process: &Process) -> String {
    let user = process.credentials.as_ref().map(|c| c.euid);
    let user = user.map_or_else(String::new, |uid| format!(" uid {uid}"));
    let command = if process.command_line.is_empty() {
        &process.name
    } else {
        &process.command_line
    };
    format!("{} [pid {}{user}]", shortened(command), process.pid)
}

/// The call, what it was about and how it ended.
fn deed(event: &Event) -> String {
    let object = match &event.payload {
        Some(Payload::Open(open)) => open.path.as_ref().map(|path| path.text.clone()),
        Some(Payload::Socket(socket)) => {
            let remote = socket
                .endpoint
                .as_ref()
                .and_then(|ends| ends.remote.as_ref());
            remote.map(|remote| match remote.ip.as_str() {
                "" => remote.path.clone(),
                ip => format!("{ip} port {}", remote.port),
            })
        }
        Some(Payload::Dns(dns)) => Some(format!("{} {}", dns.r#type, dns.name)),
        _ => None,
    };
    let object = object.map_or_else(String::new, |object| format!(" {}", shortened(&object)));
    let result = event
        .result
        .map_or_else(String::new, |result| format!(" = {result}"));
    format!("{}{object}{result}", event.r#type)
}

fn evidence(term: &Term) -> String {
    let value = match &term.value {
        Some(value) => shortened(value),
        None => "missing".to_owned(),
    };
    let not = if term.negated { "not " } else { "" };
    let operand = shortened(&term.operand);
    format!(
        "{not}{} {} {operand}  (is {value})",
        term.field, term.operator
    )
}

/// One line of bounded length, without control characters.
fn shortened(text: &str) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = printable.take(LONGEST_VALUE).collect();
    if text.chars().count() > LONGEST_VALUE {
        line.push_str("...");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_told_in_full() {
        let process = |name: &str, pid| Process {
            name: name.to_owned(),
            command_line: format!("{name} -c x\ny"),
            pid,
            ..Process::default()
        };
        let alert = Alert {
            time: Some(prost_types::Timestamp {
                seconds: 86_400 + 3_723,
                nanos: 45_000_000,
            }),
            severity: Severity::Critical.into(),
            process: Some(process("sh", 7)),
            ancestors: vec![process("httpd", 5)],
            container: Some(Container {
                id: "a".repeat(64),
                identity: Identity::Full.into(),
                name: "web".to_owned(),
                image: "shop:1".to_owned(),
                ..Container::default()
            }),
            evidence: vec![Term {
                field: "proc.name".to_owned(),
                operator: "=".to_owned(),
                operand: "sh".to_owned(),
                value: Some("sh".to_owned()),
                negated: false,
                ..Term::default()
            }],
            ..Alert::default()
        };
        let text = describe(&alert);
        for part in [
            "01:02:03.045  CRITICAL",
            "web (aaaaaaaaaaaa)  image shop:1",
            "sh -c x y [pid 7]",
            "<- httpd -c x y [pid 5]",
            "proc.name = sh  (is sh)",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }
}
