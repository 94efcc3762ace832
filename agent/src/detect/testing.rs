//! Events made by hand, for tests.

#[expect(unreachable_pub, reason = "it is public where the file belongs")]
#[path = "../../../tests/src/corpora.rs"]
mod corpora;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::{LoadOptions, Loaded, Outcome, RuleFile, load};
use crate::model::{
    Capabilities, Container, ContainerMetadata, ContainerView, Event, EventFlags, ExeFile, ExecId,
    Identity, Ids, Image, Open, Path, Payload, Process, Provenance, Runtime, Syscall,
};

pub(crate) use corpora::corpora;

/// A process of that name with these arguments.
pub(crate) fn process(
    pid: u32,
    comm: &str,
    args: &[&str],
    parent: Option<Arc<Process>>,
) -> Process {
    let bytes = |text: &str| text.as_bytes().into();
    let cmdline = std::iter::once(comm)
        .chain(args.iter().copied())
        .collect::<Vec<_>>()
        .join(" ");
    Process {
        exec_id: ExecId {
            tgid: pid,
            start_boottime_ns: 1_000_000_000,
            exec_seq: 1,
        },
        parent_tgid: parent.as_ref().map_or(0, |parent| parent.exec_id.tgid),
        depth: parent.as_ref().map_or(0, |parent| parent.depth + 1),
        parent,
        vpid: Some(pid % 100),
        cgroup_id: 7,
        comm: bytes(comm),
        image: Arc::new(Image {
            known: true,
            exe: Some(ExeFile {
                path: path(format!("/usr/bin/{comm}").as_bytes().into()),
                inode: 42,
                device: 1,
                layer: None,
                memfd: false,
                unlinked: false,
            }),
            filename: bytes(comm),
            argv: std::iter::once(comm)
                .chain(args.iter().copied())
                .map(bytes)
                .collect(),
            cmdline: bytes(&cmdline),
            args_start: comm.len() + 1,
            cwd: path(bytes("/srv")),
            ..Image::default()
        }),
        groups: None,
        tty: None,
        ids: Some(Ids::default()),
        capabilities: Some(Capabilities::default()),
        pid_namespace: 1,
        mount_namespace: 1,
        seen_late: false,
    }
}

pub(crate) fn path<B>(bytes: B) -> Path<B> {
    Path {
        bytes,
        truncated: false,
        unreachable: false,
        deleted: false,
    }
}

/// An event of the process on the node.
pub(crate) fn event(
    process: Process,
    syscall: Syscall,
    payload: Payload<'static>,
) -> Event<'static> {
    Event {
        number: 1,
        boot_ns: 3_000_000_000,
        time: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        syscall,
        result: Some(0),
        tid: process.exec_id.tgid,
        process: Arc::new(process),
        container: ContainerView::Host(None),
        payload,
        flags: EventFlags::default(),
    }
}

/// An exec event.
pub(crate) fn exec(process: Process) -> Event<'static> {
    event(process, Syscall::Execve, Payload::Exec)
}

/// An openat event with descriptor 3.
pub(crate) fn open(process: Process, file: &str, flags: u32) -> Event<'static> {
    let open = Open {
        path: path(Cow::Owned(file.as_bytes().to_vec())),
        name: None,
        flags,
        memfd: false,
        created: false,
        executable: false,
        provenance: Provenance::Kernel,
        fd_shared: false,
        by_io_uring: false,
    };
    Event {
        result: Some(3),
        ..event(process, Syscall::Openat, Payload::Open(open))
    }
}

/// The event, in a container whose metadata is in that state.
pub(crate) fn in_container(mut event: Event<'static>, identity: Identity) -> Event<'static> {
    event.container = ContainerView::Container(Arc::new(Container {
        id: "0123456789abcdef".repeat(4),
        runtime: Runtime::Docker,
        cgroup_id: 7,
        cgroup_path: "/docker/x".to_owned(),
        identity,
        created_boot_ns: None,
    }));
    event
}

/// Metadata of a container with that image.
pub(crate) fn metadata(image: &str) -> Identity {
    Identity::Full(Arc::new(ContainerMetadata {
        name: "web".to_owned(),
        image: image.to_owned(),
        image_repository: image.to_owned(),
        ..ContainerMetadata::default()
    }))
}

/// Loads rule text.
pub(crate) fn loaded(text: &str) -> Loaded {
    let file = RuleFile {
        path: "test.yaml".to_owned(),
        text: text.to_owned(),
    };
    load(&[file], &LoadOptions::default())
}

/// Loads one rule with that condition.
pub(crate) fn with_condition(condition: &str) -> Loaded {
    loaded(&format!(
        "- rule: r\n  desc: d\n  condition: |\n    {}\n  output: o %proc.name\n  priority: INFO\n",
        condition.replace('\n', "\n    ")
    ))
}

/// What the condition says about the event: `true`, `false` or `unknown`.
pub(crate) fn verdict(condition: &str, event: &Event<'_>) -> &'static str {
    let Loaded { set, report } = with_condition(condition);
    assert!(
        report.refused.is_empty(),
        "{condition}: {}",
        report.to_text()
    );
    let mut outcome = Outcome::default();
    set.evaluate(event, &mut outcome);
    match (outcome.matched.len(), outcome.undecided.len()) {
        (1, 0) => "true",
        (0, 1) => "unknown",
        _ => "false",
    }
}
