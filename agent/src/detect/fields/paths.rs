//! Arguments of calls on paths: `evt.arg.*`, and `fs.path.*`.

use super::super::catalogue::{family, text};
use super::super::event_types::EventTypes;
use super::super::value::Value;
use super::path_names;
use super::{computed, fd, present};
use crate::model::{CallPath, Event, Paths, Payload, Syscall};

/// Calls that Falco sums up under one path.
const ONE: EventTypes = EventTypes::PATH_OPEN
    .union(EventTypes::REMOVE)
    .union(EventTypes::MAKE)
    .union(EventTypes::CHANGE)
    .union(EventTypes::of(&[Syscall::Umount]));
/// Calls that make one name after another.
const TWO: EventTypes = EventTypes::RENAME
    .union(EventTypes::LINK)
    .union(EventTypes::SYMLINK)
    .union(EventTypes::of(&[Syscall::Mount]));

family! { Fs {
    Name = text("fs.path.name", "Path that a call was about that succeeded; calls with two paths have a source and a target instead.").on(ONE);
    Nameraw = text("fs.path.nameraw", "The same as the caller passed it.").on(ONE)
        .limit("not known of what was read from the file itself: opens, and calls that take a descriptor");
    Source = text("fs.path.source", "Old path of a rename, new path of a hard link, path of a symbolic link, what is mounted; of calls that succeeded.").on(TWO);
    Sourceraw = text("fs.path.sourceraw", "The same as the caller passed it.").on(TWO);
    Target = text("fs.path.target", "New path of a rename, existing path of a hard link, what a symbolic link points to, where something is mounted; of calls that succeeded.").on(TWO);
    Targetraw = text("fs.path.targetraw", "The same as the caller passed it.").on(TWO);
} }

pub(super) fn get<'a>(event: &'a Event<'_>, field: Fs, scratch: &'a mut Vec<u8>) -> Value<'a> {
    if event.result.is_none_or(|result| result < 0) {
        return Value::Missing;
    }
    match &event.payload {
        Payload::Open(open) if ONE.contains(event.syscall) => match field {
            Fs::Name => present(&open.path.bytes),
            Fs::Nameraw => present(open.name.as_deref().unwrap_or_default()),
            _ => Value::Missing,
        },
        Payload::Paths(paths) => of_paths(event.syscall, paths, field, scratch),
        _ => Value::Missing,
    }
}

fn of_paths<'a>(
    call: Syscall,
    paths: &'a Paths<'_>,
    field: Fs,
    scratch: &'a mut Vec<u8>,
) -> Value<'a> {
    let (source, target) = match call {
        // The new name stands second in the call and is the source in Falco.
        Syscall::Link | Syscall::Linkat | Syscall::Symlink | Syscall::Symlinkat => {
            (&paths.second, &paths.first)
        }
        _ => (&paths.first, &paths.second),
    };
    match field {
        Fs::Name if ONE.contains(call) => present(&paths.first.path.bytes),
        Fs::Nameraw if ONE.contains(call) => raw(&paths.first),
        Fs::Source if TWO.contains(call) => present(&source.path.bytes),
        Fs::Sourceraw if TWO.contains(call) => raw(source),
        Fs::Target if matches!(call, Syscall::Symlink | Syscall::Symlinkat) => {
            link_target(&target.path.bytes, &source.path.bytes, scratch)
        }
        Fs::Target if TWO.contains(call) => present(&target.path.bytes),
        Fs::Targetraw if TWO.contains(call) => raw(target),
        _ => Value::Missing,
    }
}

fn raw<'a>(path: &'a CallPath<'_>) -> Value<'a> {
    present(path.name.as_deref().unwrap_or_default())
}

/// Where a symbolic link leads: a relative target starts from the link's directory.
fn link_target<'a>(target: &'a [u8], link: &[u8], scratch: &'a mut Vec<u8>) -> Value<'a> {
    let Some((directory, _)) = fd::split(link).filter(|_| !target.starts_with(b"/")) else {
        return present(target);
    };
    scratch.extend_from_slice(directory);
    scratch.push(b'/');
    scratch.extend_from_slice(target);
    let resolved = crate::decode::resolved(scratch).into_owned();
    *scratch = resolved;
    present(scratch)
}

/// An argument by its name, as text.
pub(super) fn argument<'a>(
    event: &Event<'_>,
    paths: &'a Paths<'_>,
    name: &str,
    scratch: &'a mut Vec<u8>,
) -> Value<'a> {
    if let Some(path) = paths.path(event.syscall, name) {
        // Rules compare the name that an execution was given, as for those that succeed.
        return match (name, &path.name) {
            ("filename", Some(name)) if is_exec(event.syscall) => present(name),
            _ => present(&path.path.bytes),
        };
    }
    if name == "fd" {
        return match file_descriptor(event.syscall, paths) {
            Some(descriptor) => computed(scratch, format_args!("{descriptor}")),
            None => Value::Missing,
        };
    }
    match paths.number(event.syscall, name) {
        Some(number) => {
            path_names::append(event.syscall, name, number, scratch);
            Value::text(scratch)
        }
        None => Value::Missing,
    }
}

fn is_exec(call: Syscall) -> bool {
    EventTypes::EXEC.contains(call)
}

/// An argument by its name, as the number that was passed.
pub(super) fn raw_argument<'a>(call: Syscall, paths: &Paths<'_>, name: &str) -> Value<'a> {
    let number = match name {
        "fd" => return file_descriptor(call, paths).map_or(Value::Missing, Value::number),
        _ => paths.number(call, name),
    };
    number.map_or(Value::Missing, Value::number)
}

/// Descriptor of a call that takes an open file.
pub(super) fn file_descriptor(call: Syscall, paths: &Paths<'_>) -> Option<i32> {
    paths.descriptor.filter(|_| EventTypes::FILE.contains(call))
}

/// All arguments as `name=value`, separated by spaces.
pub(super) fn arguments(call: Syscall, paths: &Paths<'_>, out: &mut Vec<u8>) {
    let Some(names) = crate::model::ArgumentNames::of(call) else {
        return;
    };
    for (name, path) in [(names.first, &paths.first), (names.second, &paths.second)] {
        if !name.is_empty() {
            separate(out, name);
            out.extend_from_slice(&path.path.bytes);
        }
    }
    for (name, number) in paths.named_numbers(call) {
        separate(out, name);
        path_names::append(call, name, number, out);
    }
}

fn separate(out: &mut Vec<u8>, name: &str) {
    if !out.is_empty() {
        out.push(b' ');
    }
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
}
