//! `evt.arg.*` of calls that take no path. Calls on paths have some of the names too.

use super::super::catalogue::{family, number, text};
use super::super::event_types::EventTypes;
use super::super::value::Value;
use super::{computed, paths};
use crate::model::{Event, Payload};

/// Declares the text and the number of each argument.
macro_rules! arguments {
    ($($text:ident $raw:ident $name:literal $what:literal;)*) => {
        family! { Argument {
            $(
                $text = text(concat!("evt.arg.", $name), concat!($what, "."))
                    .on(EventTypes::with_argument($name));
                $raw = number(concat!("evt.rawarg.", $name), concat!($what, ", as a number."))
                    .on(EventTypes::with_number($name));
            )*
        } }

        /// Name of the argument, and whether its number is asked for.
        fn asked(field: Argument) -> (&'static str, bool) {
            match field {
                $(
                    Argument::$text => ($name, false),
                    Argument::$raw => ($name, true),
                )*
            }
        }
    };
}

arguments! {
    Request RawRequest "request" "What is asked of ptrace, `PTRACE_ATTACH`";
    Pid RawPid "pid" "Process that the call is about, as the caller's pid namespace numbers it";
    Tid RawTid "tid" "Thread that the signal is for, as the caller's pid namespace numbers it";
    Addr RawAddr "addr" "Address in the other process (ptrace), or of the memory";
    Data RawData "data" "Last argument of ptrace";
    Domain RawDomain "domain" "Address family of the new socket, `AF_PACKET`";
    Type RawType "type" "Type of the new socket with its flags, a number: 3 is SOCK_RAW; file system that fsopen asks for, while that of mount is not captured";
    Proto RawProto "proto" "Protocol of the new socket, a number";
    Cmd RawCmd "cmd" "Command of bpf, `BPF_PROG_LOAD`, or of fsconfig";
    Operation RawOperation "operation" "Operation of keyctl, `KEYCTL_JOIN_SESSION_KEYRING` (not in Falco)";
    Nstype RawNstype "nstype" "Kind of namespace that setns asks for, `CLONE_NEWNET`; `0` is any";
    Oldfd RawOldfd "oldfd" "Descriptor that is copied";
    Newfd RawNewfd "newfd" "Number that the copy is to have";
    PidFd RawPidFd "pid_fd" "Descriptor of the process that the call is about";
    TargetFd RawTargetFd "target_fd" "Descriptor in the other process";
    Prot RawProt "prot" "Protection asked for, `PROT_READ|PROT_WRITE|PROT_EXEC`";
    Length RawLength "length" "Length of the memory, the module or the key, or new length of the file, in bytes";
    Entries RawEntries "entries" "Entries asked for in an io_uring";
}

pub(super) fn get<'a>(
    event: &'a Event<'_>,
    field: Argument,
    scratch: &'a mut Vec<u8>,
) -> Value<'a> {
    let (name, raw) = asked(field);
    if raw {
        raw_argument(event, name)
    } else {
        named_argument(event, name, scratch)
    }
}

/// The argument of that name as Falco prints it.
pub(super) fn named_argument<'a>(
    event: &'a Event<'_>,
    name: &str,
    scratch: &'a mut Vec<u8>,
) -> Value<'a> {
    match &event.payload {
        Payload::Call(call) => match call.argument(event.syscall, name) {
            Some(argument) => computed(scratch, format_args!("{argument}")),
            None => Value::Missing,
        },
        Payload::Paths(call) => paths::argument(event, call, name, scratch),
        _ => Value::Missing,
    }
}

/// The argument of that name as a number.
pub(super) fn raw_argument<'a>(event: &Event<'_>, name: &str) -> Value<'a> {
    match &event.payload {
        Payload::Call(call) => {
            let argument = call.argument(event.syscall, name);
            argument.map_or(Value::Missing, |argument| Value::number(argument.number()))
        }
        Payload::Paths(call) => paths::raw_argument(event.syscall, call, name),
        _ => Value::Missing,
    }
}
