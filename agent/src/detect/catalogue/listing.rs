//! The fields for `rules fields`.

use serde::Serialize;

use super::super::glob::Glob;
use super::super::value::append;
use super::markdown::types;
use super::{Argument, FieldInfo, Lookup, fields, look_up, unsupported};

/// What is told of a field name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldListing {
    /// Name.
    pub name: String,
    /// It can be read here.
    pub supported: bool,
    /// Why it cannot.
    pub why_not: Option<String>,
    /// Type of its values: `text`, `number`, `boolean` or `address`.
    #[serde(rename = "type")]
    pub kind: Option<&'static str>,
    /// What stands in its brackets: `[n]`, `[key]`, in round brackets where it may be left out.
    pub argument: Option<&'static str>,
    /// Event types that can have a value, by Falco's names.
    pub event_types: Vec<&'static str>,
    /// What it is.
    pub description: Option<&'static str>,
    /// What to know before relying on it.
    pub limit: Option<&'static str>,
    /// Unknown until the container runtime has answered.
    pub runtime: bool,
    /// Its event types in a word.
    #[serde(skip)]
    on: String,
}

/// A name that nobody has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no field '{name}'{}", hint(.near))]
pub struct NoSuchField {
    /// The name.
    pub name: String,
    /// The nearest name, if one is near.
    pub near: Option<&'static str>,
}

fn hint(near: &Option<&'static str>) -> String {
    match near {
        Some(near) => format!(": did you mean '{near}'?"),
        None => "; without a name all fields are listed".to_owned(),
    }
}

/// All fields; those of a name, of a family (`proc`) or of a pattern with `*` and `?`.
pub fn field_list(asked: Option<&str>) -> Result<Vec<FieldListing>, NoSuchField> {
    let all = || fields().map(supported);
    let not_here = || unsupported::names().map(|(name, why)| unfilled(name, why.to_owned()));
    let Some(asked) = asked else {
        return Ok(all().chain(not_here()).collect());
    };
    let pattern = if asked.contains(['*', '?']) {
        Glob::new(asked.to_owned())
    } else {
        Glob::new(format!("{asked}.*"))
    };
    let is_asked = |field: &FieldListing| pattern.matches(field.name.as_bytes());
    let found: Vec<_> = all().chain(not_here()).filter(is_asked).collect();
    // `evt.type` is a field and the beginning of another one.
    match look_up(asked) {
        Lookup::Supported(info) => Ok(std::iter::once(supported(info)).chain(found).collect()),
        _ if !found.is_empty() => Ok(found),
        Lookup::Unsupported(why) => Ok(vec![unfilled(asked, why)]),
        Lookup::NoSuchField(near) => Err(NoSuchField {
            name: asked.to_owned(),
            near,
        }),
    }
}

fn supported(info: &FieldInfo) -> FieldListing {
    let argument = match info.argument {
        Argument::Never => None,
        Argument::OptionalIndex => Some("([n])"),
        Argument::OptionalKey => Some("([key])"),
        Argument::Required => Some("[key]"),
    };
    FieldListing {
        name: info.name.to_owned(),
        supported: true,
        why_not: None,
        kind: Some(info.kind.name()),
        argument,
        event_types: info.on.iter().map(|syscall| syscall.name()).collect(),
        description: Some(info.description),
        limit: info.limit,
        runtime: info.needs_metadata,
        on: types(info.on),
    }
}

fn unfilled(name: &str, why: String) -> FieldListing {
    FieldListing {
        name: name.to_owned(),
        supported: false,
        why_not: Some(why),
        kind: None,
        argument: None,
        event_types: Vec::new(),
        description: None,
        limit: None,
        runtime: false,
        on: String::new(),
    }
}

/// The fields as people read them.
pub fn field_list_text(fields: &[FieldListing]) -> String {
    let mut out = String::new();
    for field in fields {
        let name = format!("{}{}", field.name, field.argument.unwrap_or_default());
        match &field.why_not {
            Some(why) => append(&mut out, format_args!("{name:<28} not supported: {why}\n")),
            None => {
                let kind = field.kind.unwrap_or_default();
                append(
                    &mut out,
                    format_args!("{name:<28} {kind:<8} on {}\n", field.on),
                );
            }
        }
        let runtime = "unknown until the container runtime has answered";
        let limit = field.limit.map(|limit| format!("limit: {limit}"));
        let notes = [
            field.description.map(str::to_owned),
            limit,
            field.runtime.then(|| runtime.to_owned()),
        ];
        for note in notes.into_iter().flatten() {
            append(&mut out, format_args!("    {note}\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(asked: &str) -> Vec<String> {
        let found = field_list(Some(asked)).unwrap();
        found.into_iter().map(|field| field.name).collect()
    }

    #[test]
    fn a_name_a_family_and_a_pattern_are_found() {
        assert_eq!(names("proc.name"), ["proc.name"]);
        assert_eq!(names("evt.type"), ["evt.type", "evt.type.is"]);
        assert!(names("proc").contains(&"proc.exepath".to_owned()));
        assert!(names("fd.*port").contains(&"fd.sport".to_owned()));
        assert!(names("fd.*port").iter().all(|name| name.ends_with("port")));
    }

    #[test]
    fn what_is_not_supported_says_why_and_what_nobody_has_what_is_near() {
        let found = field_list(Some("evt.buffer")).unwrap();
        assert!(!found[0].supported && found[0].why_not.is_some());
        assert!(field_list_text(&found).contains("not supported: the sensor does not trace"));
        let wrong = field_list(Some("proc.nam")).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "there is no field 'proc.nam': did you mean 'proc.name'?"
        );
        let nothing = field_list(Some("zzz")).unwrap_err();
        assert_eq!(nothing.near, None);
    }

    #[test]
    fn every_known_name_is_listed_once() {
        let all = field_list(None).unwrap();
        assert_eq!(all.len(), super::super::known_names().count());
        let name = all
            .iter()
            .find(|field| field.name == "container.image")
            .unwrap();
        assert!(name.runtime && !name.event_types.is_empty());
    }
}
