//! `sigma.*`: what Sigma's log sources tell and Falco has no field for.

use super::super::catalogue::{family, number, text};
use super::super::event_types::EventTypes;
use super::super::value::{Scalar, Value, Values};
use super::present;
use crate::model::{Event, Open, Paths, Payload, Process, Syscall};

/// Calls after which a file of that name is new or may get other contents.
const TARGET: EventTypes = EventTypes::PATH_OPEN
    .union(EventTypes::RENAME)
    .union(EventTypes::LINK)
    .union(EventTypes::SYMLINK)
    .union(EventTypes::of(&[Syscall::Mknod, Syscall::Mknodat]));
/// Calls for which the kernel's audit writes PATH records.
const PATH: EventTypes = TARGET
    .union(EventTypes::MAKE)
    .union(EventTypes::REMOVE)
    .union(EventTypes::CHANGE)
    .union(EventTypes::EXEC);

family! { Sigma {
    ParentCommandLine = text("sigma.parent_command_line", "All arguments of the parent, its own name first: Sigma's `ParentCommandLine` (not in Falco).");
    LogonId = number("sigma.logon_id", "Real user id: what Sysmon for Linux calls `LogonId` (not in Falco).");
    CurrentDirectory = text("sigma.current_directory", "Working directory at exec, without a slash at its end: Sigma's `CurrentDirectory` (not in Falco).");
    TargetFilename = text("sigma.target_filename", "File that a call made, opened for writing or gave this name, if it succeeded: Sigma's `TargetFilename` (not in Falco).").on(TARGET);
    PathName = text("sigma.path_name", "Paths that a call was about that succeeded: `name` of auditd's PATH records (not in Falco).").on(PATH);
    PathNametype = text("sigma.path_nametype", "What became of these paths, `CREATE`, `DELETE` or `NORMAL`: `nametype` of auditd's PATH records (not in Falco).").on(PATH);
} }

pub(super) fn get<'a>(event: &'a Event<'_>, field: Sigma, scratch: &'a mut Vec<u8>) -> Value<'a> {
    match field {
        Sigma::ParentCommandLine => match &event.process.parent {
            Some(parent) if event.process.is_identified() => command_line(parent, scratch),
            _ => Value::Missing,
        },
        Sigma::LogonId => event
            .process
            .ids
            .as_ref()
            .map_or(Value::Missing, |ids| Value::number(ids.uid)),
        Sigma::CurrentDirectory if event.process.is_identified() => {
            present(&event.process.image.cwd.bytes)
        }
        Sigma::CurrentDirectory => Value::Missing,
        _ if event.result.is_none_or(|result| result < 0) => Value::Missing,
        Sigma::TargetFilename => target(event),
        Sigma::PathName => path_name(event),
        Sigma::PathNametype => path_nametype(event),
    }
}

fn command_line<'a>(process: &Process, scratch: &'a mut Vec<u8>) -> Value<'a> {
    for (position, argument) in process.image.argv.iter().enumerate() {
        if position > 0 {
            scratch.push(b' ');
        }
        scratch.extend_from_slice(argument);
    }
    present(scratch)
}

fn target<'a>(event: &'a Event<'_>) -> Value<'a> {
    match &event.payload {
        Payload::Open(open) if is_target(event.syscall, open) => present(&open.path.bytes),
        Payload::Paths(paths) if TARGET.contains(event.syscall) => {
            present(&new_path(event.syscall, paths).path.bytes)
        }
        _ => Value::Missing,
    }
}

fn is_target(syscall: Syscall, open: &Open<'_>) -> bool {
    !open.memfd && (open.created || open.is_write() || syscall == Syscall::Creat)
}

/// The path that the call puts something under.
fn new_path<'a>(syscall: Syscall, paths: &'a Paths<'_>) -> &'a crate::model::CallPath<'a> {
    if EventTypes::RENAME
        .union(EventTypes::LINK)
        .union(EventTypes::SYMLINK)
        .contains(syscall)
    {
        &paths.second
    } else {
        &paths.first
    }
}

fn path_name<'a>(event: &'a Event<'_>) -> Value<'a> {
    match &event.payload {
        Payload::Exec => match &event.process.image.exe {
            Some(exe) if event.process.is_identified() => present(&exe.path.bytes),
            _ => Value::Missing,
        },
        Payload::Open(open) if !open.memfd => present(&open.path.bytes),
        Payload::Paths(paths)
            if EventTypes::RENAME
                .union(EventTypes::LINK)
                .contains(event.syscall) =>
        {
            let [first, second] =
                [&paths.first, &paths.second].map(|path| path_scalar(&path.path.bytes));
            Value::Many(Values::Pair([first, second]))
        }
        Payload::Paths(paths) if PATH.contains(event.syscall) => {
            present(&new_path(event.syscall, paths).path.bytes)
        }
        _ => Value::Missing,
    }
}

fn path_scalar(bytes: &[u8]) -> Option<Scalar<'_>> {
    (!bytes.is_empty()).then_some(Scalar::Text(bytes))
}

fn path_nametype<'a>(event: &Event<'_>) -> Value<'a> {
    let (created, deleted, normal): (&[u8], &[u8], &[u8]) = (b"CREATE", b"DELETE", b"NORMAL");
    match &event.payload {
        Payload::Exec => Value::text(normal),
        Payload::Open(open) if open.memfd => Value::Missing,
        Payload::Open(open) if open.created => Value::text(created),
        Payload::Open(_) => Value::text(normal),
        Payload::Paths(_) => match event.syscall {
            call if EventTypes::RENAME.contains(call) => pair(deleted, created),
            call if EventTypes::LINK.contains(call) => pair(normal, created),
            call if EventTypes::SYMLINK.union(EventTypes::MAKE).contains(call) => {
                Value::text(created)
            }
            call if EventTypes::REMOVE.contains(call) => Value::text(deleted),
            call if PATH.contains(call) => Value::text(normal),
            _ => Value::Missing,
        },
        _ => Value::Missing,
    }
}

fn pair<'a>(first: &'a [u8], second: &'a [u8]) -> Value<'a> {
    Value::Many(Values::Pair([
        Some(Scalar::Text(first)),
        Some(Scalar::Text(second)),
    ]))
}
