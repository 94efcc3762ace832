//! Exceptions that would hide an alert, the narrowest first.

use serde::Serialize;

use super::values::{Known, value};
use crate::proto::Alert;

/// An exception that could be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Proposal {
    /// Position, from 1: the higher, the more is hidden.
    pub(super) level: usize,
    /// What is compared with `=`, all of which must hold.
    pub(super) fields: Vec<FieldValue>,
}

/// A field with the value that the alert has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct FieldValue {
    pub(super) field: &'static str,
    pub(super) value: String,
}

/// What an exception does to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Effect {
    /// It would not have been raised.
    Hidden,
    /// It would have been raised all the same.
    Kept,
    /// The alert does not tell enough to say.
    Unknown,
}

/// Fields of the workload; the first that is known is compared.
const WORKLOAD: &[&str] = &[
    "container.image.repository",
    "container.name",
    "container.id",
];
/// Fields of the program; likewise.
const PROGRAM: &[&str] = &["proc.exepath", "proc.name"];
/// Fields of what the event is about; the first group of which all are known is compared.
const OBJECT: &[&[&str]] = &[
    &["fd.name"],
    &["fd.sip", "fd.sport"],
    &["dns.name"],
    &["fs.path.name"],
    &["fs.path.target"],
    &["fs.path.source"],
    &["evt.arg.path"],
    &["evt.arg.name"],
];

/// What can be proposed for an alert; nothing when it does not tell a workload and a program.
pub(super) fn proposals(alert: &Alert) -> Vec<Proposal> {
    let known = |field: &'static str| {
        let value = value(alert, field).value()?;
        Some(FieldValue { field, value })
    };
    let first = |fields: &[&'static str]| fields.iter().find_map(|field| known(field));
    let (Some(workload), Some(program)) = (first(WORKLOAD), first(PROGRAM)) else {
        return Vec::new();
    };
    let parent = known("proc.pname");
    let line = known("proc.cmdline");
    let object: Vec<_> = OBJECT
        .iter()
        .find_map(|fields| {
            fields
                .iter()
                .map(|field| known(field))
                .collect::<Option<_>>()
        })
        .unwrap_or_default();
    // From the narrowest on, one thing after another is left out.
    let mut found: Vec<Vec<FieldValue>> = Vec::new();
    for (with_line, with_parent, with_object) in [
        (true, true, true),
        (false, true, true),
        (false, false, true),
        (false, false, false),
    ] {
        let mut fields = vec![workload.clone(), program.clone()];
        fields.extend(line.clone().filter(|_| with_line));
        fields.extend(parent.clone().filter(|_| with_parent));
        fields.extend(object.iter().filter(|_| with_object).cloned());
        if !found.contains(&fields) {
            found.push(fields);
        }
    }
    let proposal = |(level, fields)| Proposal { level, fields };
    (1..).zip(found).map(proposal).collect()
}

impl Proposal {
    /// What the exception would have done to an alert of the same rule.
    pub(super) fn effect(&self, alert: &Alert) -> Effect {
        let mut effect = Effect::Hidden;
        for FieldValue {
            field,
            value: wanted,
        } in &self.fields
        {
            match value(alert, field) {
                Known::Value(value) if value == *wanted => {}
                Known::Value(_) | Known::Missing => return Effect::Kept,
                Known::Unknown => effect = Effect::Unknown,
            }
        }
        effect
    }

    /// How narrow it is, in words.
    pub(super) fn words(&self) -> String {
        let words: Vec<_> = self.fields.iter().map(|found| word(found.field)).collect();
        match words.split_last() {
            Some((last, [])) => format!("this {last}"),
            Some((last, rest)) => format!("this {} and {last}", rest.join(", ")),
            None => String::new(),
        }
    }
}

fn word(field: &str) -> &'static str {
    match field {
        "container.image.repository" => "image",
        "container.name" => "container name",
        "container.id" => "node",
        "proc.exepath" | "proc.name" => "program",
        "proc.cmdline" => "command line",
        "proc.pname" => "parent",
        "fd.sip" => "address",
        "fd.sport" => "port",
        "dns.name" => "DNS name",
        _ => "file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::event::Payload;
    use crate::proto::{Container, Event, Executable, Identity, OpenPayload, Path, Process};

    fn alert(command_line: &str, file: Option<&str>) -> Alert {
        let path = |text: &str| {
            Some(Path {
                text: text.to_owned(),
                ..Path::default()
            })
        };
        let mut container = Container {
            image_repository: "docker.io/redis".to_owned(),
            ..Container::default()
        };
        container.set_identity(Identity::Full);
        let payload = file.map(|file| {
            Payload::Open(OpenPayload {
                path: path(file),
                ..OpenPayload::default()
            })
        });
        Alert {
            container: Some(container),
            process: Some(Process {
                name: "sh".to_owned(),
                command_line: command_line.to_owned(),
                executable: Some(Executable {
                    path: path("/bin/dash"),
                    ..Executable::default()
                }),
                ..Process::default()
            }),
            ancestors: vec![Process {
                name: "redis-server".to_owned(),
                ..Process::default()
            }],
            event: Some(Event {
                r#type: if file.is_some() { "openat" } else { "execve" }.to_owned(),
                payload,
                ..Event::default()
            }),
            ..Alert::default()
        }
    }

    #[test]
    fn the_narrowest_comes_first_and_each_next_one_leaves_something_out() {
        let found = proposals(&alert("sh -c x", Some("/etc/shadow")));
        let fields = |position: usize| {
            let fields = found[position].fields.iter().map(|found| found.field);
            fields.collect::<Vec<_>>()
        };
        assert_eq!(
            fields(0),
            [
                "container.image.repository",
                "proc.exepath",
                "proc.cmdline",
                "proc.pname",
                "fd.name"
            ]
        );
        assert_eq!(
            fields(2),
            ["container.image.repository", "proc.exepath", "fd.name"]
        );
        assert_eq!(fields(3), ["container.image.repository", "proc.exepath"]);
        assert_eq!(
            found[0].words(),
            "this image, program, command line, parent and file"
        );
        assert_eq!(found[3].level, 4);
        // Without a file there is one level less.
        assert_eq!(proposals(&alert("sh -c x", None)).len(), 3);
    }

    #[test]
    fn an_alert_is_hidden_kept_or_not_known() {
        let found = proposals(&alert("sh -c x", None));
        assert_eq!(found[0].effect(&alert("sh -c x", None)), Effect::Hidden);
        assert_eq!(found[0].effect(&alert("sh -c y", None)), Effect::Kept);
        assert_eq!(found[1].effect(&alert("sh -c y", None)), Effect::Hidden);
        let mut late = alert("sh -c x", None);
        if let Some(container) = &mut late.container {
            container.set_identity(Identity::CgroupOnly);
        }
        assert_eq!(found[0].effect(&late), Effect::Unknown);
        assert!(proposals(&late).is_empty());
    }

    #[test]
    fn an_alert_that_tells_no_program_gets_no_proposal() {
        let mut nameless = alert("sh", None);
        nameless.process = None;
        assert!(proposals(&nameless).is_empty());
    }
}
