//! `evt.*`: the call itself, its result and its arguments.

use super::super::catalogue::{FieldArg, family, flag, number, text};
use super::super::event_types::EventTypes;
use super::super::value::{Scalar, Value};
use super::argument::{named_argument, raw_argument};
use super::names;
use super::time::{Moment, unix_nanoseconds};
use super::{computed, dns, fd, path_names, paths, present, put};
use crate::model::{Call, Event, Layer, Open, Payload, Process, Syscall};
use gravlens_common::Hook;

/// Calls with flags that are told.
const FLAGS: EventTypes = EventTypes::EXEC
    .union(EventTypes::OPEN)
    .union(EventTypes::with_argument("flags"));
const NAME: EventTypes = EventTypes::OPEN.union(EventTypes::with_argument("name"));
const FILENAME: EventTypes = EventTypes::EXEC.union(EventTypes::with_argument("filename"));
const PATH: EventTypes =
    EventTypes::of(&[Syscall::OpenByHandleAt]).union(EventTypes::with_argument("path"));
const UID: EventTypes = EventTypes::SET_UID.union(EventTypes::with_argument("uid"));
const GID: EventTypes = EventTypes::SET_GID.union(EventTypes::with_argument("gid"));
const FD: EventTypes = EventTypes::DESCRIPTOR
    .union(EventTypes::with_argument("fd"))
    .union(EventTypes::of(&[Syscall::Socket]));
const SIGNAL: EventTypes = EventTypes::EXIT.union(EventTypes::with_argument("sig"));

family! { Evt {
    Num = number("evt.num", "Number of the event in this run of the agent, from 1.");
    Type = text("evt.type", "Name of the call.");
    TypeIs = number("evt.type.is", "1 if the event is of the type in brackets, else 0.").keyed();
    SyscallType = text("syscall.type", "Name of the system call; missing for events that are none.");
    Dir = text("evt.dir", "Always `<`: events are reported when the call returns.").of_few();
    Source = text("evt.source", "Always `syscall`.").of_few();
    Category = text("evt.category", "`process`, `file`, `net`, `memory`, `signal`, `user` or `other`.").of_few();
    Hostname = text("evt.hostname", "Name of the node.").of_few();
    Time = text("evt.time", "Time of day with nanoseconds, UTC.");
    TimeS = text("evt.time.s", "Time of day without the fraction, UTC.");
    TimeIso8601 = text("evt.time.iso8601", "Date and time in ISO 8601 with nanoseconds, UTC.");
    Datetime = text("evt.datetime", "Date and time with nanoseconds, UTC.");
    DatetimeS = text("evt.datetime.s", "Date and time without the fraction, UTC.");
    Rawtime = number("evt.rawtime", "Nanoseconds since 1970.");
    RawtimeS = number("evt.rawtime.s", "Seconds since 1970.");
    Res = text("evt.res", "`SUCCESS` or the name of the error; unknown for sendmmsg, for accepts by io_uring and, without trampolines, for its connects and sends.").of_few();
    Rawres = number("evt.rawres", "Return value: a descriptor, 0 or a negative error number; unknown as `evt.res` is.");
    Failed = flag("evt.failed", "The call failed; unknown as `evt.res` is.");
    IsOpenRead = flag("evt.is_open_read", "A file was opened for reading (`O_PATH` is no reading).");
    IsOpenWrite = flag("evt.is_open_write", "A file was opened for writing.");
    IsOpenExec = flag("evt.is_open_exec", "An open that made a file which somebody may execute.");
    IsOpenCreate = flag("evt.is_open_create", "An open that made the file.");
    Args = text("evt.args", "Arguments as `name=value`, separated by spaces.");
    ArgFlags = text("evt.arg.flags", "Names of the call's flags, or what is known of the executed file.")
        .on(FLAGS);
    ArgName = text("evt.arg.name", "Path of the opened, unlinked or unmounted file; name of a file in memory.").on(NAME);
    ArgFilename = text("evt.arg.filename", "Name passed to execve, path whose mode is changed.").on(FILENAME);
    ArgPathname = text("evt.arg.pathname", "Path whose owner is changed.").on(EventTypes::with_argument("pathname"));
    ArgCallPath = text("evt.arg.path", "Path that the call is about.").on(PATH);
    ArgOldpath = text("evt.arg.oldpath", "Existing path of a rename or a hard link.").on(EventTypes::with_argument("oldpath"));
    ArgNewpath = text("evt.arg.newpath", "New path of a rename or a hard link.").on(EventTypes::with_argument("newpath"));
    ArgTarget = text("evt.arg.target", "What a symbolic link points to, as passed.").on(EventTypes::with_argument("target"));
    ArgLinkpath = text("evt.arg.linkpath", "Path of a symbolic link.").on(EventTypes::with_argument("linkpath"));
    ArgMode = text("evt.arg.mode", "Names of the mode's bits, such as `S_ISUID`.").on(EventTypes::with_argument("mode"));
    ArgAttribute = text("evt.arg.attribute", "Name of an extended attribute (not in Falco).").on(EventTypes::with_argument("attribute"));
    ArgDev = text("evt.arg.dev", "What is mounted, as passed; number of a device that is made.").on(EventTypes::with_argument("dev"));
    ArgDir = text("evt.arg.dir", "Where something is mounted.").on(EventTypes::with_argument("dir"));
    ArgKey = text("evt.arg.key", "Parameter of a file system.").on(EventTypes::with_argument("key"));
    ArgValue = text("evt.arg.value", "Its value, where that is a path; others can be secrets (not in Falco).").on(EventTypes::with_argument("value"));
    ArgNewRoot = text("evt.arg.new_root", "New root of a mount namespace (not in Falco).").on(EventTypes::with_argument("new_root"));
    ArgPutOld = text("evt.arg.put_old", "Where its old root goes (not in Falco).").on(EventTypes::with_argument("put_old"));
    ArgFrom = text("evt.arg.from", "Mount that is moved (not in Falco).").on(EventTypes::with_argument("from"));
    ArgTo = text("evt.arg.to", "Where it is moved (not in Falco).").on(EventTypes::with_argument("to"));
    ArgFd = text("evt.arg.fd", "Descriptor number.").on(FD);
    ArgTuple = text("evt.arg.tuple", "Both ends of the socket, client first.").on(EventTypes::SOCKET);
    ArgUid = text("evt.arg.uid", "User id passed to the call.").on(UID);
    ArgGid = text("evt.arg.gid", "Group id passed to the call.").on(GID);
    ArgStatus = text("evt.arg.status", "Exit status, 0 to 255.").on(EventTypes::EXIT);
    ArgSig = text("evt.arg.sig", "Signal that was sent, `SIGKILL`; at an exit the number of the one that ended the process, 0 when none.").on(SIGNAL);
    ArgRes = text("evt.arg.res", "As `evt.res`.").of_few();
    ArgPath = text("evt.arg.cgroup", "Path of the cgroup (not in Falco).").on(EventTypes::CGROUP);
    RawFlags = number("evt.rawarg.flags", "Flags as the kernel numbers them.").on(EventTypes::OPEN.union(EventTypes::with_argument("flags")));
    RawMode = number("evt.rawarg.mode", "Mode as the kernel numbers it.").on(EventTypes::with_argument("mode"));
    RawFd = number("evt.rawarg.fd", "Descriptor number.").on(FD);
    RawUid = number("evt.rawarg.uid", "User id passed to the call.").on(UID);
    RawGid = number("evt.rawarg.gid", "Group id passed to the call.").on(GID);
    RawRes = number("evt.rawarg.res", "As `evt.rawres`.");
    RawStatus = number("evt.rawarg.status", "Exit status, 0 to 255.").on(EventTypes::EXIT);
    RawSig = number("evt.rawarg.sig", "Number of the signal that was sent or that ended the process.").on(SIGNAL);
} }

pub(super) fn get<'a>(
    event: &'a Event<'_>,
    field: Evt,
    argument: Option<&FieldArg>,
    scratch: &'a mut Vec<u8>,
) -> Value<'a> {
    match field {
        Evt::Num => Value::number(event.number),
        Evt::Type => Value::text(event.syscall.name().as_bytes()),
        Evt::TypeIs => type_is(event.syscall, argument),
        Evt::SyscallType => syscall_type(event.syscall),
        Evt::Dir => Value::text(b"<"),
        Evt::Source => Value::text(b"syscall"),
        Evt::Category => Value::text(category(event)),
        // The event does not know it: the loader puts the node's name in its place.
        Evt::Hostname => Value::Missing,
        Evt::Time
        | Evt::TimeS
        | Evt::TimeIso8601
        | Evt::Datetime
        | Evt::DatetimeS
        | Evt::Rawtime
        | Evt::RawtimeS => time(event, field, scratch),
        Evt::Res | Evt::ArgRes => of_result(event, |result| result_name(result, scratch)),
        Evt::Rawres | Evt::RawRes => of_result(event, Value::number),
        Evt::Failed => of_result(event, |result| Value::flag(result < 0)),
        Evt::IsOpenRead => open_flag(event, |open| open.is_read()),
        Evt::IsOpenWrite => open_flag(event, |open| open.is_write()),
        Evt::IsOpenExec => open_flag(event, |open| open.executable),
        Evt::IsOpenCreate => open_flag(event, |open| {
            open.created || (event.syscall == Syscall::Creat && event.result >= Some(0))
        }),
        Evt::Args => arguments(event, scratch),
        _ => single_argument(event, field, scratch),
    }
}

/// A value made of the call's result.
fn of_result<'a>(event: &Event<'_>, value: impl FnOnce(i64) -> Value<'a>) -> Value<'a> {
    match (event.result, &event.payload) {
        (Some(result), _) => value(result),
        // An image that runs was executed without error, though its hook sees no return value.
        (None, Payload::Exec) => value(0),
        // The call has a result; the hook ran before it.
        (None, Payload::Socket(_)) => Value::Unknown,
        (None, _) => Value::Missing,
    }
}

fn type_is<'a>(syscall: Syscall, argument: Option<&FieldArg>) -> Value<'a> {
    let asked = match argument {
        Some(FieldArg::Text(name)) => &**name == syscall.name(),
        _ => false,
    };
    Value::number(i64::from(asked))
}

fn syscall_type<'a>(syscall: Syscall) -> Value<'a> {
    match syscall {
        Syscall::Procexit
        | Syscall::CgroupMkdir
        | Syscall::CgroupRmdir
        | Syscall::CgroupAttach
        | Syscall::Dns => Value::Missing,
        _ => Value::text(syscall.name().as_bytes()),
    }
}

fn category(event: &Event<'_>) -> &'static [u8] {
    match &event.payload {
        Payload::Exec | Payload::Fork | Payload::Exit { .. } => b"process",
        Payload::Paths(_) if EventTypes::EXEC.contains(event.syscall) => b"process",
        Payload::Open(_) | Payload::Paths(_) => b"file",
        Payload::Socket(_) | Payload::Dns(_) => b"net",
        Payload::SetIds(_) => b"user",
        Payload::Cgroup(_) => b"other",
        Payload::Call(_) => match event.syscall.hook() {
            Hook::Privilege => b"process",
            Hook::Memory => b"memory",
            Hook::Signal => b"signal",
            Hook::Socket => b"net",
            _ => b"other",
        },
    }
}

fn time<'a>(event: &Event<'_>, field: Evt, scratch: &'a mut Vec<u8>) -> Value<'a> {
    let moment = Moment::of(event.time);
    let fraction = !matches!(field, Evt::TimeS | Evt::DatetimeS);
    match field {
        Evt::Rawtime => return Value::number(unix_nanoseconds(event.time)),
        Evt::RawtimeS => {
            return Value::number(unix_nanoseconds(event.time).div_euclid(1_000_000_000));
        }
        Evt::Time | Evt::TimeS => moment.clock(scratch, fraction),
        Evt::TimeIso8601 => {
            moment.date(scratch);
            scratch.push(b'T');
            moment.clock(scratch, fraction);
            scratch.extend_from_slice(b"+0000");
        }
        _ => {
            moment.date(scratch);
            scratch.push(b' ');
            moment.clock(scratch, fraction);
        }
    }
    Value::text(scratch)
}

fn result_name(result: i64, scratch: &mut Vec<u8>) -> Value<'_> {
    if result >= 0 {
        return Value::text(b"SUCCESS");
    }
    match result.checked_neg().and_then(names::errno) {
        Some(name) => Value::text(name.as_bytes()),
        None => computed(scratch, format_args!("{result}")),
    }
}

fn open_flag<'a>(event: &Event<'_>, holds: impl Fn(&Open<'_>) -> bool) -> Value<'a> {
    // Falco says false, not missing, for events that open nothing.
    Value::flag(matches!(&event.payload, Payload::Open(open) if !open.memfd && holds(open)))
}

/// The argument fields, one event type at a time.
fn single_argument<'a>(event: &'a Event<'_>, field: Evt, scratch: &'a mut Vec<u8>) -> Value<'a> {
    match (&event.payload, field) {
        (Payload::Exec, Evt::ArgFlags) => {
            exe_flags(&event.process, scratch);
            present(scratch)
        }
        (Payload::Exec, Evt::ArgFilename) => present(&event.process.image.filename),
        (Payload::Open(open), Evt::ArgFlags) => {
            open_flags(open, scratch);
            Value::text(scratch)
        }
        (Payload::Open(open), Evt::RawFlags) => Value::number(open.flags),
        (Payload::Open(open), Evt::ArgName) => present(fd::file_name(open)),
        (Payload::Open(open), Evt::ArgCallPath) if event.syscall == Syscall::OpenByHandleAt => {
            present(&open.path.bytes)
        }
        (Payload::Open(_) | Payload::Socket(_), Evt::RawFd) => fd::descriptor(event),
        (Payload::Open(_) | Payload::Socket(_), Evt::ArgFd) => {
            as_text(&fd::descriptor(event), scratch)
        }
        (Payload::Socket(socket), Evt::ArgTuple) => {
            fd::socket_name(&socket.endpoint, event.syscall, scratch)
        }
        (Payload::Call(_), _) => call_argument(event, field, scratch),
        (Payload::SetIds(ids), Evt::RawUid) if EventTypes::SET_UID.contains(event.syscall) => {
            Value::number(ids.argument)
        }
        (Payload::SetIds(ids), Evt::RawGid) if EventTypes::SET_GID.contains(event.syscall) => {
            Value::number(ids.argument)
        }
        (Payload::SetIds(ids), Evt::ArgUid) if EventTypes::SET_UID.contains(event.syscall) => {
            computed(scratch, format_args!("{}", ids.argument))
        }
        (Payload::SetIds(ids), Evt::ArgGid) if EventTypes::SET_GID.contains(event.syscall) => {
            computed(scratch, format_args!("{}", ids.argument))
        }
        (Payload::Exit { status, .. }, Evt::RawStatus) => Value::number(*status),
        (Payload::Exit { status, .. }, Evt::ArgStatus) => {
            computed(scratch, format_args!("{status}"))
        }
        (Payload::Exit { signal, .. }, Evt::RawSig) => Value::number(*signal),
        (Payload::Exit { signal, .. }, Evt::ArgSig) => computed(scratch, format_args!("{signal}")),
        (Payload::Cgroup(change), Evt::ArgPath) => present(&change.path),
        (Payload::Paths(call), _) => {
            let name = FIELDS[field as usize].name;
            if let Some(name) = name.strip_prefix("evt.rawarg.") {
                return paths::raw_argument(event.syscall, call, name);
            }
            let name = name.strip_prefix("evt.arg.").unwrap_or_default();
            paths::argument(event, call, name, scratch)
        }
        _ => Value::Missing,
    }
}

fn open_flags(open: &Open<'_>, out: &mut Vec<u8>) {
    if open.memfd {
        path_names::memfd_flags(open.flags, out);
    } else {
        names::open_flags(open.flags, open.created, out);
    }
}

/// Arguments of calls without a path whose names other calls use too.
fn call_argument<'a>(event: &'a Event<'_>, field: Evt, scratch: &'a mut Vec<u8>) -> Value<'a> {
    match field {
        Evt::ArgFd if event.syscall == Syscall::Socket => as_text(&fd::descriptor(event), scratch),
        Evt::RawFd if event.syscall == Syscall::Socket => fd::descriptor(event),
        Evt::ArgFd => named_argument(event, "fd", scratch),
        Evt::RawFd => raw_argument(event, "fd"),
        Evt::ArgFlags => named_argument(event, "flags", scratch),
        Evt::RawFlags => raw_argument(event, "flags"),
        Evt::ArgSig => named_argument(event, "sig", scratch),
        Evt::RawSig => raw_argument(event, "sig"),
        _ => Value::Missing,
    }
}

fn as_text<'a>(value: &Value<'_>, scratch: &'a mut Vec<u8>) -> Value<'a> {
    match value {
        Value::One(Scalar::Number(number)) => computed(scratch, format_args!("{number}")),
        Value::Unknown => Value::Unknown,
        _ => Value::Missing,
    }
}

/// What is known of the executed file, in Falco's words.
fn exe_flags(process: &Process, buffer: &mut Vec<u8>) {
    let Some(exe) = &process.image.exe else {
        return;
    };
    let upper = matches!(exe.layer, Some(Layer::UpperOnly | Layer::CopiedUp));
    let flags = [
        (upper, "EXE_UPPER_LAYER"),
        (exe.memfd, "EXE_FROM_MEMFD"),
        (exe.layer == Some(Layer::Lower), "EXE_LOWER_LAYER"),
    ];
    for (_, name) in flags.iter().filter(|(holds, _)| *holds) {
        if !buffer.is_empty() {
            buffer.push(b'|');
        }
        buffer.extend_from_slice(name.as_bytes());
    }
}

/// All arguments of the event.
fn arguments<'a>(event: &'a Event<'_>, scratch: &'a mut Vec<u8>) -> Value<'a> {
    match &event.payload {
        Payload::Exec => {
            put(
                scratch,
                format_args!("pid={} exe=", event.process.exec_id.tgid),
            );
            scratch.extend_from_slice(
                event
                    .process
                    .image
                    .argv
                    .first()
                    .map_or(&[], |argument| argument),
            );
            scratch.extend_from_slice(b" args=");
            scratch.extend_from_slice(event.process.image.args());
        }
        Payload::Fork => put(
            scratch,
            format_args!(
                "pid={} ptid={}",
                event.process.exec_id.tgid, event.process.parent_tgid
            ),
        ),
        Payload::Exit { status, signal } => {
            put(scratch, format_args!("status={status} sig={signal}"));
        }
        Payload::Open(open) => {
            scratch.extend_from_slice(b"name=");
            scratch.extend_from_slice(&open.path.bytes);
            scratch.extend_from_slice(b" flags=");
            open_flags(open, scratch);
        }
        Payload::Socket(socket) => {
            put(scratch, format_args!("fd={} tuple=", socket.fd));
            fd::append_socket_name(&socket.endpoint, event.syscall, scratch);
        }
        Payload::SetIds(ids) => put(scratch, format_args!("id={}", ids.argument)),
        Payload::Call(call) => call_arguments(call, event.syscall, scratch),
        Payload::Paths(call) => paths::arguments(event.syscall, call, scratch),
        Payload::Dns(message) => dns::arguments(message, scratch),
        Payload::Cgroup(change) => {
            scratch.extend_from_slice(b"cgroup=");
            scratch.extend_from_slice(&change.path);
        }
    }
    if let Some(result) = event.result {
        if !scratch.is_empty() {
            scratch.push(b' ');
        }
        put(scratch, format_args!("res={result}"));
    }
    Value::text(scratch)
}

fn call_arguments(call: &Call, syscall: Syscall, buffer: &mut Vec<u8>) {
    for (name, value) in call.named(syscall) {
        if !buffer.is_empty() {
            buffer.push(b' ');
        }
        put(buffer, format_args!("{name}={value}"));
    }
}
