//! Processes from records.

use std::sync::Arc;

use gravlens_common::BulkContext;

use super::ancestry::depth_below;
use crate::decode::{Context, ExecView, TaskView};
use crate::model::{Capabilities, Environment, ExecId, Groups, Ids, Image, Path, Process, Tty};

/// A new image.
pub(super) fn from_exec(exec: &ExecView<'_>, parent: Option<Arc<Process>>) -> Process {
    let argv = arguments(exec.argv);
    let image = Image {
        exe: exec.exe.file(),
        known: true,
        filename: exec.filename.into(),
        interpreter: exec.interpreter.map(Into::into),
        argv_truncated: exec.argv_truncated,
        cwd: owned(&exec.cwd),
        stdio: exec.stdio.clone(),
        environment: exec
            .environment
            .map(|bytes| Environment::new(bytes, exec.environment_truncated)),
        ..called(&exec.context.comm, argv)
    };
    Process {
        image: Arc::new(image),
        ..from_context(&exec.context, parent)
    }
}

/// What `/proc` shows of a process: as it is now, not as it was at the exec.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcDetails {
    /// Arguments, each with its final zero; empty when the process is gone or hides them.
    pub argv: Vec<u8>,
    /// There are more arguments.
    pub argv_truncated: bool,
    /// Working directory as the process sees it.
    pub cwd: Vec<u8>,
}

/// A process that the task iterator found.
pub(super) fn from_task(
    task: &TaskView<'_>,
    details: &ProcDetails,
    parent: Option<Arc<Process>>,
) -> Process {
    let exe = task.exe.file();
    let image = Image {
        known: true,
        filename: exe
            .as_ref()
            .map_or_else(Box::default, |exe| exe.path.bytes.clone()),
        exe,
        argv_truncated: details.argv_truncated,
        cwd: Path {
            bytes: details.cwd.as_slice().into(),
            ..Path::default()
        },
        ..called(&task.context.comm, arguments(&details.argv))
    };
    Process {
        image: Arc::new(image),
        seen_late: true,
        ..from_context(&task.context, parent)
    }
}

/// A fork: the forker's image in a process of its own.
pub(super) fn from_fork(
    child: &Context,
    parent: Option<Arc<Process>>,
    image: Option<&Arc<Image>>,
) -> Process {
    let process = from_context(child, parent);
    match image {
        Some(image) => Process {
            image: Arc::clone(image),
            ..process
        },
        None => process,
    }
}

/// What a critical record alone tells: no image.
pub(super) fn from_context(context: &Context, parent: Option<Arc<Process>>) -> Process {
    Process {
        exec_id: context.exec_id,
        depth: depth_below(parent.as_ref()),
        parent,
        parent_tgid: context.parent_tgid,
        vpid: context.vpid,
        cgroup_id: context.cgroup_id,
        comm: (*context.comm).into(),
        image: Arc::new(called(&context.comm, Vec::new())),
        groups: context.groups,
        tty: context.tty,
        ids: context.ids,
        capabilities: context.capabilities,
        pid_namespace: context.pid_namespace,
        mount_namespace: context.mount_namespace,
        seen_late: false,
    }
}

/// What a record tells of a process that can change while it runs one image.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    ids: Option<Ids>,
    capabilities: Option<Capabilities>,
    groups: Option<Groups>,
    cgroup_id: u64,
    tty: Option<Tty>,
}

impl Change {
    fn none(process: &Process) -> Self {
        Self {
            ids: process.ids,
            capabilities: process.capabilities,
            groups: process.groups,
            cgroup_id: process.cgroup_id,
            tty: process.tty,
        }
    }

    pub(super) fn apply(self, process: &mut Process) {
        process.ids = self.ids;
        process.capabilities = self.capabilities;
        process.groups = self.groups;
        process.cgroup_id = self.cgroup_id;
        process.tty = self.tty;
    }
}

/// The record's credentials, cgroup, terminal and groups, if any of them is new.
pub(super) fn change(process: &Process, context: &Context) -> Option<Change> {
    let told = Change {
        ids: context.ids.or(process.ids),
        capabilities: context.capabilities.or(process.capabilities),
        groups: context.groups.or(process.groups),
        cgroup_id: context.cgroup_id,
        tty: context.tty,
    };
    (told != Change::none(process)).then_some(told)
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
        depth: 0,
        parent_tgid: 0,
        vpid: None,
        cgroup_id: context.cgroup_id,
        comm: Box::default(),
        image: Arc::default(),
        groups: None,
        tty: None,
        ids: None,
        capabilities: None,
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

/// An image that was called so. Falco's command line is the name, then the arguments after the
/// first.
fn called(comm: &[u8], argv: Vec<Box<[u8]>>) -> Image {
    let mut line = comm.to_vec();
    for argument in argv.iter().skip(1) {
        line.push(b' ');
        line.extend_from_slice(argument);
    }
    Image {
        args_start: comm.len() + 1,
        cmdline: line.into(),
        argv,
        ..Image::default()
    }
}

fn owned(path: &Path<&[u8]>) -> Path<Box<[u8]>> {
    Path {
        bytes: path.bytes.into(),
        truncated: path.truncated,
        unreachable: path.unreachable,
        deleted: path.deleted,
    }
}
