//! The tables of `docs/fields.md`, written from the catalogue.

use std::collections::BTreeMap;

use super::super::event_types::EventTypes;
use super::super::value::append;
use super::{Argument, FieldInfo, fields, unsupported};

/// The reference of all fields, as Markdown.
pub fn fields_markdown() -> String {
    let mut out = String::new();
    let mut families: BTreeMap<&str, Vec<&FieldInfo>> = BTreeMap::new();
    for info in fields() {
        let family = info.name.split('.').next().unwrap_or(info.name);
        families.entry(family).or_default().push(info);
    }
    for (family, infos) in families {
        append(&mut out, format_args!("\n## {family}\n\n"));
        out.push_str("| field | type | on | meaning |\n|---|---|---|---|\n");
        for info in infos {
            row(info, &mut out);
        }
    }
    out.push_str("\n## Known and not supported\n\n");
    out.push_str(
        "A rule whose condition needs one of these is refused with the reason; an output template \
         prints `<NA>`.\n\n| reason | fields |\n|---|---|\n",
    );
    let mut by_reason: Vec<(&str, Vec<String>)> = Vec::new();
    for (name, reason) in unsupported::names() {
        let name = format!("`{name}`");
        match by_reason.last_mut() {
            Some((last, names)) if *last == reason => names.push(name),
            _ => by_reason.push((reason, vec![name])),
        }
    }
    for (reason, names) in by_reason {
        append(
            &mut out,
            format_args!("| {reason} | {} |\n", names.join(" ")),
        );
    }
    out
}

fn row(info: &FieldInfo, out: &mut String) {
    let argument = match info.argument {
        Argument::Never => "",
        Argument::OptionalIndex => "([n])",
        Argument::OptionalKey => "([key])",
        Argument::Required => "[key]",
    };
    let (name, kind) = (info.name, info.kind.name());
    append(
        out,
        format_args!("| `{name}{argument}` | {kind} | {} | ", types(info.on)),
    );
    out.push_str(&info.description.replace('|', "\\|"));
    if let Some(limit) = info.limit {
        append(out, format_args!(" Limit: {limit}."));
    }
    if info.needs_metadata {
        out.push_str(" *runtime*");
    }
    out.push_str(" |\n");
}

pub(super) fn types(on: EventTypes) -> String {
    for (set, name) in [
        (EventTypes::ALL, "all"),
        (EventTypes::EXEC, "exec"),
        (EventTypes::OPEN, "open"),
        (EventTypes::SOCKET, "socket"),
        (EventTypes::DESCRIPTOR, "open, socket, calls on open files"),
        (
            EventTypes::OPEN.union(EventTypes::FILE),
            "open, calls on open files",
        ),
        (EventTypes::SOCKET_OR_DUP, "socket, dup"),
        (EventTypes::SET_UID, "setuid family"),
        (EventTypes::SET_GID, "setgid family"),
        (EventTypes::EXIT, "exit"),
        (EventTypes::CGROUP, "cgroup"),
        (EventTypes::DNS, "dns"),
        (EventTypes::EXEC.union(EventTypes::OPEN), "exec, open"),
    ] {
        if on == set {
            return name.to_owned();
        }
    }
    let names: Vec<_> = on.iter().map(|syscall| syscall.name()).collect();
    names.join(", ")
}
