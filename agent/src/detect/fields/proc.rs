//! `proc.*`: the process and its ancestors.

use super::super::catalogue::{FieldArg, family, flag, number, text};
use super::super::value::{Scalar, Value, Values};
use super::groups::{self, Kind};
use super::{computed, fd, present};
use crate::model::{Event, Layer, Process, StdioKind};

/// Who leads a group need not be an ancestor: the first of several commands in a pipe is none.
const LEADER: &str = "the leader where it is an ancestor, else the eldest ancestor in the group";
/// What is captured while a rule asks for it is known of what is executed from then on.
const ENVIRONMENT: &str = "known of programs that were executed while a rule asked for it";

family! { Proc {
    Name = text("proc.name", "Command name, at most 15 bytes.");
    Pname = text("proc.pname", "Command name of the parent.");
    Aname = text("proc.aname", "Command name of an ancestor: `[1]` is the parent, no brackets means any.")
        .indexed();
    Exe = text("proc.exe", "First argument: the name under which the program was called.");
    Pexe = text("proc.pexe", "First argument of the parent.");
    Aexe = text("proc.aexe", "First argument of an ancestor.").indexed();
    Exepath = text("proc.exepath", "Path of the executed file.");
    Pexepath = text("proc.pexepath", "Path of the parent's executed file.");
    Aexepath = text("proc.aexepath", "Path of an ancestor's executed file.").indexed();
    Args = text("proc.args", "Arguments after the first, joined by spaces; `[0]` is the first of them.")
        .indexed();
    Cmdline = text("proc.cmdline", "Command name and arguments, joined by spaces.");
    Pcmdline = text("proc.pcmdline", "Command line of the parent.");
    Acmdline = text("proc.acmdline", "Command line of an ancestor.").indexed();
    Exeline = text("proc.exeline", "All arguments, the program's own name first.");
    Cmdnargs = number("proc.cmdnargs", "Number of arguments after the first.");
    Cmdlenargs = number("proc.cmdlenargs", "Length of these arguments, without separators.");
    Cwd = text("proc.cwd", "Working directory at exec, with a slash at its end.");
    Pid = number("proc.pid", "Process id on the node.");
    Ppid = number("proc.ppid", "Process id of the parent.");
    Apid = number("proc.apid", "Process id of an ancestor.").indexed();
    Vpid = number("proc.vpid", "Process id inside its container.");
    Pvpid = number("proc.pvpid", "Process id of the parent inside the parent's container.");
    PidTs = number("proc.pid.ts", "Start of the process, nanoseconds since 1970.");
    PpidTs = number("proc.ppid.ts", "Start of the parent, nanoseconds since 1970.");
    Duration = number("proc.duration", "Nanoseconds since the start of the process.");
    PpidDuration = number("proc.ppid.duration", "Nanoseconds since the start of the parent.");
    Sid = number("proc.sid", "Session: process id of its leader inside the container, 0 when it is outside.");
    IsSidLeader = flag("proc.is_sid_leader", "The process leads its session.");
    Sname = text("proc.sname", "Command name of the session's leader.").limit(LEADER);
    SidExe = text("proc.sid.exe", "First argument of the session's leader.").limit(LEADER);
    SidExepath = text("proc.sid.exepath", "Path of the executed file of the session's leader.").limit(LEADER);
    Pgid = number("proc.pgid", "Process group: process id of its leader on the node.");
    IsPgidLeader = flag("proc.is_pgid_leader", "The process leads its process group.");
    PgidName = text("proc.pgid.name", "Command name of the process group's leader.").limit(LEADER);
    PgidExe = text("proc.pgid.exe", "First argument of the process group's leader.").limit(LEADER);
    PgidExepath = text("proc.pgid.exepath", "Path of the executed file of the process group's leader.").limit(LEADER);
    Vpgid = number("proc.vpgid", "Process group: process id of its leader inside the container, 0 when it is outside.");
    IsVpgidLeader = flag("proc.is_vpgid_leader", "The process leads its process group, by the numbers inside the container: it was started by itself, as from a terminal, and not by a script.");
    VpgidName = text("proc.vpgid.name", "Command name of the process group's leader.").limit(LEADER);
    VpgidExe = text("proc.vpgid.exe", "First argument of the process group's leader.").limit(LEADER);
    VpgidExepath = text("proc.vpgid.exepath", "Path of the executed file of the process group's leader.").limit(LEADER);
    LoginShellId = number("proc.loginshellid", "Process id of the eldest shell among the process and its ancestors: of those whose names end in `sh`.");
    Env = text("proc.env", "Environment at exec, the variables joined by spaces; `[NAME]` is the value of one. At most 8 KiB.")
        .maybe_keyed()
        .limit(ENVIRONMENT);
    EnvTruncated = flag("proc.env.truncated", "There was more of the environment than was captured (not in Falco).");
    Aenv = text("proc.aenv", "Environment of an ancestor: `[1]` is the parent's, `[NAME]` the value of one variable of the nearest ancestor that has it, no brackets means any.")
        .maybe_keyed()
        .limit(ENVIRONMENT);
    Tty = number("proc.tty", "Number of the controlling terminal, 0 when there is none.");
    IsExeUpperLayer = flag("proc.is_exe_upper_layer", "The executed file is in the overlay's writable layer.");
    IsExeLowerLayer = flag("proc.is_exe_lower_layer", "The executed file is the image's own.");
    IsExeFromMemfd = flag("proc.is_exe_from_memfd", "The executed file lives in memory only.");
    ExeIno = number("proc.exe_ino", "Inode number of the executed file.");
    StdinType = text("proc.stdin.type", "What descriptor 0 was at exec: `file`, `pipe`, `ipv4`, `ipv6`, `unix`, `other`; missing for processes older than the agent.").of_few();
    StdinName = text("proc.stdin.name", "Ends of the socket that descriptor 0 was at exec.");
    StdoutType = text("proc.stdout.type", "What descriptor 1 was at exec.").of_few();
    StdoutName = text("proc.stdout.name", "Ends of the socket that descriptor 1 was at exec.");
    StderrType = text("proc.stderr.type", "What descriptor 2 was at exec.").of_few();
    StderrName = text("proc.stderr.name", "Ends of the socket that descriptor 2 was at exec.");
} }

pub(super) fn get<'a>(
    event: &'a Event<'_>,
    field: Proc,
    argument: Option<&FieldArg>,
    scratch: &'a mut Vec<u8>,
) -> Value<'a> {
    let process = &*event.process;
    // Of a stand-in, what is no text would be zero: a fact that nobody told.
    if !process.is_identified() {
        return Value::Missing;
    }
    match field {
        Proc::Name => Value::optional(name(process)),
        Proc::Pname => of_parent(process, name),
        Proc::Aname => of_ancestor(process, argument, name),
        Proc::Exe => Value::optional(exe(process)),
        Proc::Pexe => of_parent(process, exe),
        Proc::Aexe => of_ancestor(process, argument, exe),
        Proc::Exepath => Value::optional(exepath(process)),
        Proc::Pexepath => of_parent(process, exepath),
        Proc::Aexepath => of_ancestor(process, argument, exepath),
        Proc::Args => args(process, argument),
        Proc::Cmdline => Value::optional(cmdline(process)),
        Proc::Pcmdline => of_parent(process, cmdline),
        Proc::Acmdline => of_ancestor(process, argument, cmdline),
        Proc::Exeline => exeline(process, scratch),
        Proc::Cmdnargs | Proc::Cmdlenargs if process.image.argv.is_empty() => Value::Missing,
        Proc::Cmdnargs => Value::number(process.image.argv.len() - 1),
        Proc::Cmdlenargs => Value::number(
            process
                .image
                .argv
                .iter()
                .skip(1)
                .map(|argument| argument.len())
                .sum::<usize>(),
        ),
        Proc::Cwd => cwd(process, scratch),
        Proc::Pid => Value::optional(pid(process)),
        Proc::Ppid => Value::number(process.parent_tgid),
        Proc::Apid => of_ancestor(process, argument, pid),
        Proc::Vpid => Value::optional(vpid(process)),
        Proc::Pvpid => of_parent(process, vpid),
        Proc::PidTs => start(event, Some(process)),
        Proc::PpidTs => start(event, process.parent.as_deref()),
        Proc::Duration => age(event, Some(process)),
        Proc::PpidDuration => age(event, process.parent.as_deref()),
        Proc::Sid => groups::own_id(process, Kind::Session),
        Proc::IsSidLeader => groups::leads_own(process, Kind::Session),
        Proc::Sname => groups::of_leader(process, Kind::Session, name),
        Proc::SidExe => groups::of_leader(process, Kind::Session, exe),
        Proc::SidExepath => groups::of_leader(process, Kind::Session, exepath),
        Proc::Pgid => groups::id(process, Kind::Group),
        Proc::IsPgidLeader => groups::leads(process, Kind::Group),
        Proc::Vpgid => groups::own_id(process, Kind::Group),
        Proc::IsVpgidLeader => groups::leads_own(process, Kind::Group),
        Proc::PgidName | Proc::VpgidName => groups::of_leader(process, Kind::Group, name),
        Proc::PgidExe | Proc::VpgidExe => groups::of_leader(process, Kind::Group, exe),
        Proc::PgidExepath | Proc::VpgidExepath => groups::of_leader(process, Kind::Group, exepath),
        Proc::LoginShellId => groups::login_shell(process),
        Proc::Env => env(process, argument),
        Proc::EnvTruncated => match &process.image.environment {
            Some(environment) => Value::flag(environment.truncated),
            None => Value::Missing,
        },
        Proc::Aenv => aenv(process, argument),
        Proc::Tty => Value::number(tty(process)),
        Proc::IsExeUpperLayer => layer(process, &[Layer::UpperOnly, Layer::CopiedUp]),
        Proc::IsExeLowerLayer => layer(process, &[Layer::Lower]),
        Proc::IsExeFromMemfd => process
            .image
            .exe
            .as_ref()
            .map_or(Value::Missing, |exe| Value::flag(exe.memfd)),
        Proc::ExeIno => process
            .image
            .exe
            .as_ref()
            .map_or(Value::Missing, |exe| Value::number(exe.inode)),
        Proc::StdinType => stream_type(process, 0),
        Proc::StdoutType => stream_type(process, 1),
        Proc::StderrType => stream_type(process, 2),
        Proc::StdinName => stream_name(process, 0, scratch),
        Proc::StdoutName => stream_name(process, 1, scratch),
        Proc::StderrName => stream_name(process, 2, scratch),
    }
}

type Reader = fn(&Process) -> Option<Scalar<'_>>;

fn name(process: &Process) -> Option<Scalar<'_>> {
    some_text(&process.comm)
}

fn exe(process: &Process) -> Option<Scalar<'_>> {
    some_text(process.image.argv.first()?)
}

fn exepath(process: &Process) -> Option<Scalar<'_>> {
    some_text(&process.image.exe.as_ref()?.path.bytes)
}

fn cmdline(process: &Process) -> Option<Scalar<'_>> {
    some_text(&process.image.cmdline)
}

fn pid(process: &Process) -> Option<Scalar<'_>> {
    Some(Scalar::Number(process.exec_id.tgid.into()))
}

fn vpid(process: &Process) -> Option<Scalar<'_>> {
    process.vpid.map(|vpid| Scalar::Number(vpid.into()))
}

fn some_text(bytes: &[u8]) -> Option<Scalar<'_>> {
    (!bytes.is_empty()).then_some(Scalar::Text(bytes))
}

fn of_parent<'a>(process: &'a Process, read: Reader) -> Value<'a> {
    Value::optional(process.parent.as_deref().and_then(read))
}

/// With an index the ancestor so far up, 0 being the process itself; without one all ancestors.
fn of_ancestor<'a>(process: &'a Process, argument: Option<&FieldArg>, read: Reader) -> Value<'a> {
    match argument {
        None => Value::Many(Values::Ancestors {
            next: process.parent.as_deref(),
            read,
        }),
        Some(FieldArg::Index(0)) => Value::optional(read(process)),
        Some(&FieldArg::Index(index)) => {
            Value::optional(process.ancestors().nth(index as usize - 1).and_then(read))
        }
        Some(FieldArg::Text(_)) => Value::Missing,
    }
}

fn args<'a>(process: &'a Process, argument: Option<&FieldArg>) -> Value<'a> {
    match argument {
        Some(&FieldArg::Index(index)) => process
            .image
            .argv
            .get(index as usize + 1)
            .map_or(Value::Missing, |argument| Value::text(argument)),
        _ if process.image.argv.is_empty() => Value::Missing,
        // A program without arguments has empty ones: comparisons with them are not all false.
        _ => Value::text(process.image.args()),
    }
}

fn environment(process: &Process) -> Option<Scalar<'_>> {
    some_text(process.image.environment.as_ref()?.text())
}

fn variable<'a>(process: &'a Process, name: &str) -> Option<Scalar<'a>> {
    let environment = process.image.environment.as_ref()?;
    environment.value(name.as_bytes()).map(Scalar::Text)
}

fn env<'a>(process: &'a Process, argument: Option<&FieldArg>) -> Value<'a> {
    Value::optional(match argument {
        None => environment(process),
        Some(FieldArg::Text(name)) => variable(process, name),
        // No variable is called by a number.
        Some(FieldArg::Index(_)) => None,
    })
}

fn aenv<'a>(process: &'a Process, argument: Option<&FieldArg>) -> Value<'a> {
    match argument {
        Some(FieldArg::Text(name)) => {
            let mut ancestors = process.ancestors();
            Value::optional(ancestors.find_map(|ancestor| variable(ancestor, name)))
        }
        _ => of_ancestor(process, argument, environment),
    }
}

fn exeline<'a>(process: &Process, scratch: &'a mut Vec<u8>) -> Value<'a> {
    for (position, argument) in process.image.argv.iter().enumerate() {
        if position > 0 {
            scratch.push(b' ');
        }
        scratch.extend_from_slice(argument);
    }
    present(scratch)
}

fn cwd<'a>(process: &'a Process, scratch: &'a mut Vec<u8>) -> Value<'a> {
    let path = &*process.image.cwd.bytes;
    if path.is_empty() || path.ends_with(b"/") {
        return present(path);
    }
    scratch.extend_from_slice(path);
    scratch.push(b'/');
    Value::text(scratch)
}

/// Wall-clock start of a process: the event's time less the time that passed between the two.
fn start<'a>(event: &Event<'_>, process: Option<&Process>) -> Value<'a> {
    let Some(process) = process else {
        return Value::Missing;
    };
    let now = super::time::unix_nanoseconds(event.time);
    let since_boot = i128::from(event.boot_ns);
    Value::number(now - since_boot + i128::from(process.exec_id.start_boottime_ns))
}

fn age<'a>(event: &Event<'_>, process: Option<&Process>) -> Value<'a> {
    process.map_or(Value::Missing, |process| {
        Value::number(
            event
                .boot_ns
                .saturating_sub(process.exec_id.start_boottime_ns),
        )
    })
}

/// Device number in the encoding of stat(2), as Falco and /proc show it.
fn tty(process: &Process) -> u32 {
    process.tty.map_or(0, |tty| {
        (tty.minor & 0xff) | (tty.major << 8) | ((tty.minor & !0xff) << 12)
    })
}

fn layer<'a>(process: &Process, wanted: &[Layer]) -> Value<'a> {
    process
        .image
        .exe
        .as_ref()
        .and_then(|exe| exe.layer)
        .map_or(Value::Missing, |layer| Value::flag(wanted.contains(&layer)))
}

fn stream_type<'a>(process: &Process, number: usize) -> Value<'a> {
    let Some(streams) = &process.image.stdio else {
        return Value::Missing;
    };
    match &streams[number].kind {
        StdioKind::Closed => Value::Missing,
        // Falco counts terminals and /dev/null among the files.
        StdioKind::File | StdioKind::CharDevice => Value::text(b"file"),
        StdioKind::Pipe => Value::text(b"pipe"),
        StdioKind::Socket(endpoint) => Value::text(fd::family_type(endpoint.family)),
        StdioKind::Other => Value::text(b"other"),
    }
}

fn stream_name<'a>(process: &Process, number: usize, scratch: &'a mut Vec<u8>) -> Value<'a> {
    let Some(streams) = &process.image.stdio else {
        return Value::Missing;
    };
    match &streams[number].kind {
        StdioKind::Socket(endpoint) => {
            fd::append_endpoint(endpoint.local.as_ref(), endpoint.remote.as_ref(), scratch);
            present(scratch)
        }
        StdioKind::Pipe => {
            let inode = streams[number].inode;
            computed(scratch, format_args!("pipe:[{inode}]"))
        }
        _ => Value::Missing,
    }
}
