//! The values of an alert that an exception may compare, by the fields that rules know.

use crate::proto::event::Payload;
use crate::proto::{Alert, Container, Identity, Path, Process, Term};

/// What an alert tells of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// The value, exactly as rules see it.
    Value(String),
    /// The event has none.
    Missing,
    /// It has one that the alert does not tell whole.
    Unknown,
}

/// Longest value that is written into a rule file.
const LONGEST: usize = 1_024;

impl Known {
    /// Text that is whole and can be written into a file; of an empty one nothing is known.
    fn whole(text: &str, escaped: bool) -> Self {
        if escaped || text.is_empty() || text.len() > LONGEST || text.contains(char::is_control) {
            return Self::Unknown;
        }
        Self::Value(text.to_owned())
    }

    pub(super) fn value(self) -> Option<String> {
        match self {
            Self::Value(value) => Some(value),
            Self::Missing | Self::Unknown => None,
        }
    }
}

/// The node itself.
const HOST: &str = "host";

/// The value of a field that [`super::proposal`] may choose.
pub(super) fn value(alert: &Alert, field: &str) -> Known {
    match field {
        "container.id" | "container.image.repository" | "container.name" => {
            of_container(alert.container.as_ref(), field)
        }
        "proc.name" | "proc.exepath" | "proc.cmdline" => match &alert.process {
            Some(process) => of_process(process, field),
            None => Known::Missing,
        },
        "proc.pname" => match alert.ancestors.first() {
            Some(parent) => of_process(parent, "proc.name"),
            None if alert.ancestors_truncated => Known::Unknown,
            None => Known::Missing,
        },
        _ => of_event(alert, field),
    }
}

fn of_container(container: Option<&Container>, field: &str) -> Known {
    let Some(container) = container else {
        return match field {
            "container.id" => Known::Value(HOST.to_owned()),
            _ => Known::Missing,
        };
    };
    let is_told = matches!(container.identity(), Identity::Full | Identity::Late);
    match field {
        // An id says nothing about the next container of the same kind.
        "container.id" => Known::Unknown,
        _ if !is_told => Known::Unknown,
        "container.name" => Known::whole(&container.name, false),
        _ => Known::whole(&container.image_repository, false),
    }
}

fn of_process(process: &Process, field: &str) -> Known {
    match field {
        "proc.name" => Known::whole(&process.name, process.escaped),
        "proc.cmdline" => {
            let cut = process.escaped || process.args_truncated;
            Known::whole(&process.command_line, cut)
        }
        _ => match process
            .executable
            .as_ref()
            .and_then(|exe| exe.path.as_ref())
        {
            Some(path) => of_path(path),
            None => Known::Missing,
        },
    }
}

fn of_path(path: &Path) -> Known {
    let in_part = path.escaped || path.truncated || path.unreachable;
    Known::whole(&path.text, in_part)
}

fn of_event(alert: &Alert, field: &str) -> Known {
    let event = alert.event.as_ref();
    let payload = event.and_then(|event| event.payload.as_ref());
    match (field, payload) {
        ("fd.name", Some(Payload::Open(open))) => {
            open.path.as_ref().map_or(Known::Missing, of_path)
        }
        ("fd.sip" | "fd.sport", Some(Payload::Socket(socket))) => {
            let kind = event.map_or("", |event| event.r#type.as_str());
            let endpoint = socket.endpoint.as_ref();
            // Of what comes in, this side is the server.
            let server = match kind {
                "bind" | "listen" | "accept" | "accept4" => {
                    endpoint.and_then(|end| end.local.as_ref())
                }
                _ => endpoint.and_then(|end| end.remote.as_ref()),
            };
            match (server, field) {
                (None, _) => Known::Missing,
                (Some(address), _) if address.ip.is_empty() => Known::Missing,
                (Some(address), "fd.sip") => Known::whole(&address.ip, false),
                (Some(address), _) => Known::Value(address.port.to_string()),
            }
        }
        ("dns.name", Some(Payload::Dns(dns))) => Known::whole(&dns.name, false),
        ("fd.sip" | "fd.sport" | "dns.name", _) => Known::Missing,
        (_, Some(Payload::Paths(_))) => of_evidence(&alert.evidence, field),
        _ => Known::Missing,
    }
}

/// What the rule compared stands in the alert as people see it.
fn of_evidence(evidence: &[Term], field: &str) -> Known {
    let found = evidence.iter().find(|term| term.field == field);
    match found.and_then(|term| term.value.as_deref()) {
        // A backslash may be an escape, dots at the end a cut.
        Some(value) => Known::whole(value, value.contains('\\') || value.ends_with('…')),
        None => Known::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Event, Executable, OpenPayload};

    fn path(text: &str) -> Path {
        Path {
            text: text.to_owned(),
            ..Path::default()
        }
    }

    #[test]
    fn what_is_escaped_or_cut_is_not_known() {
        let mut process = Process {
            name: "sh".to_owned(),
            command_line: "sh -c x".to_owned(),
            executable: Some(Executable {
                path: Some(path("/bin/sh")),
                ..Executable::default()
            }),
            ..Process::default()
        };
        assert_eq!(
            of_process(&process, "proc.exepath"),
            Known::Value("/bin/sh".to_owned())
        );
        process.args_truncated = true;
        assert_eq!(of_process(&process, "proc.cmdline"), Known::Unknown);
        assert_eq!(
            of_process(&process, "proc.name"),
            Known::Value("sh".to_owned())
        );
        process.escaped = true;
        assert_eq!(of_process(&process, "proc.name"), Known::Unknown);
        assert_eq!(Known::whole("a\nb", false), Known::Unknown);
    }

    #[test]
    fn the_node_is_named_and_a_container_is_known_when_the_runtime_told() {
        let mut alert = Alert::default();
        assert_eq!(
            value(&alert, "container.id"),
            Known::Value("host".to_owned())
        );
        assert_eq!(value(&alert, "container.image.repository"), Known::Missing);
        let mut container = Container {
            image_repository: "redis".to_owned(),
            ..Container::default()
        };
        container.set_identity(Identity::CgroupOnly);
        alert.container = Some(container.clone());
        assert_eq!(value(&alert, "container.image.repository"), Known::Unknown);
        container.set_identity(Identity::Late);
        alert.container = Some(container);
        assert_eq!(
            value(&alert, "container.image.repository"),
            Known::Value("redis".to_owned())
        );
    }

    #[test]
    fn a_file_is_the_opened_one_or_the_compared_one() {
        let open = OpenPayload {
            path: Some(path("/etc/shadow")),
            ..OpenPayload::default()
        };
        let mut alert = Alert {
            event: Some(Event {
                payload: Some(Payload::Open(open)),
                ..Event::default()
            }),
            ..Alert::default()
        };
        assert_eq!(
            value(&alert, "fd.name"),
            Known::Value("/etc/shadow".to_owned())
        );
        assert_eq!(value(&alert, "fs.path.name"), Known::Missing);
        alert.event.as_mut().unwrap().payload = Some(Payload::Paths(Default::default()));
        alert.evidence.push(Term {
            field: "fs.path.name".to_owned(),
            value: Some("/var/log/x".to_owned()),
            ..Term::default()
        });
        assert_eq!(
            value(&alert, "fs.path.name"),
            Known::Value("/var/log/x".to_owned())
        );
        alert.evidence[0].value = Some("/var/log/\\x00".to_owned());
        assert_eq!(value(&alert, "fs.path.name"), Known::Unknown);
    }
}
