//! Processes from records.

use std::sync::Arc;

use gravlens_common::BulkContext;

use crate::decode::{Context, ExecView, TaskView};
use crate::model::{Capabilities, ExecId, Ids, Path, Process};

/// A new image.
pub(super) fn from_exec(exec: &ExecView<'_>, parent: Option<Arc<Process>>) -> Process {
    let argv = arguments(exec.argv);
    Process {
        exe: exec.exe.file(),
        filename: exec.filename.into(),
        interpreter: exec.interpreter.map(Into::into),
        cmdline: cmdline(&exec.context.comm, &argv),
        argv,
        argv_truncated: exec.argv_truncated,
        cwd: owned(&exec.cwd),
        stdio: exec.stdio.clone(),
        ..from_context(&exec.context, parent)
    }
}

/// A process that ran before the agent. `/proc` shows arguments and working directory as they are
/// now, not as they were at the exec.
pub(super) fn from_task(
    task: &TaskView<'_>,
    argv: &[u8],
    cwd: &[u8],
    parent: Option<Arc<Process>>,
) -> Process {
    let argv = arguments(argv);
    let exe = task.exe.file();
    Process {
        filename: exe
            .as_ref()
            .map_or_else(Box::default, |exe| exe.path.bytes.clone()),
        exe,
        cmdline: cmdline(&task.context.comm, &argv),
        argv,
        cwd: Path {
            bytes: cwd.into(),
            ..Path::default()
        },
        seen_late: true,
        ..from_context(&task.context, parent)
    }
}

/// A fork: the parent's image in a process of its own.
pub(super) fn from_fork(child: &Context, parent: Option<&Arc<Process>>) -> Process {
    let Some(image) = parent else {
        return from_context(child, None);
    };
    Process {
        exe: image.exe.clone(),
        filename: image.filename.clone(),
        interpreter: image.interpreter.clone(),
        argv: image.argv.clone(),
        argv_truncated: image.argv_truncated,
        cmdline: image.cmdline.clone(),
        cwd: image.cwd.clone(),
        stdio: image.stdio.clone(),
        ..from_context(child, parent.cloned())
    }
}

/// What a critical record alone tells: no image.
pub(super) fn from_context(context: &Context, parent: Option<Arc<Process>>) -> Process {
    Process {
        exec_id: context.exec_id,
        parent,
        parent_tgid: context.parent_tgid,
        vpid: context.vpid,
        cgroup_id: context.cgroup_id,
        cmdline: context.comm.clone(),
        comm: context.comm.clone(),
        exe: None,
        filename: Box::default(),
        interpreter: None,
        argv: Vec::new(),
        argv_truncated: false,
        cwd: Path::default(),
        tty: context.tty,
        stdio: None,
        ids: context.ids.unwrap_or_default(),
        capabilities: context.capabilities,
        pid_namespace: context.pid_namespace,
        mount_namespace: context.mount_namespace,
        seen_late: false,
    }
}

/// The process with the record's credentials, cgroup and terminal, if any of them is new.
pub(super) fn refreshed(process: &Process, context: &Context) -> Option<Process> {
    let ids = context.ids.unwrap_or(process.ids);
    let same = process.ids == ids
        && process.capabilities == context.capabilities
        && process.cgroup_id == context.cgroup_id
        && process.tty == context.tty;
    (!same).then(|| Process {
        ids,
        capabilities: context.capabilities,
        cgroup_id: context.cgroup_id,
        tty: context.tty,
        ..process.clone()
    })
}

/// A stand-in for an image that is not known: the record has a thread and a cgroup, no more.
pub(super) fn unknown(context: &BulkContext) -> Process {
    Process {
        exec_id: ExecId {
            tgid: context.tid,
            start_boottime_ns: 0,
            exec_seq: 0,
        },
        parent: None,
        parent_tgid: 0,
        vpid: None,
        cgroup_id: context.cgroup_id,
        comm: Box::default(),
        exe: None,
        filename: Box::default(),
        interpreter: None,
        argv: Vec::new(),
        argv_truncated: false,
        cmdline: Box::default(),
        cwd: Path::default(),
        tty: None,
        stdio: None,
        ids: Ids::default(),
        capabilities: Capabilities::default(),
        pid_namespace: 0,
        mount_namespace: 0,
        seen_late: true,
    }
}

/// Arguments, each up to its zero; what a truncation cut short is kept.
fn arguments(mut bytes: &[u8]) -> Vec<Box<[u8]>> {
    let mut arguments = Vec::new();
    while !bytes.is_empty() {
        let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
        arguments.push(bytes[..end].into());
        bytes = bytes.get(end + 1..).unwrap_or_default();
    }
    arguments
}

/// Falco's command line: the name, then the arguments after the first.
fn cmdline(comm: &[u8], argv: &[Box<[u8]>]) -> Box<[u8]> {
    let mut line = comm.to_vec();
    for argument in argv.iter().skip(1) {
        line.push(b' ');
        line.extend_from_slice(argument);
    }
    line.into()
}

fn owned(path: &Path<&[u8]>) -> Path<Box<[u8]>> {
    Path {
        bytes: path.bytes.into(),
        truncated: path.truncated,
        unreachable: path.unreachable,
        deleted: path.deleted,
    }
}
