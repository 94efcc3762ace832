//! Values that tests of the stream share.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Alert, Facts, Stored};
use crate::model::{
    BaselineEvidence, BaselineExposure, BaselineKind, BaselineNearest, BaselinePhase,
    BaselinePrediction, BaselineState, Capabilities, Container, ContainerMetadata, ContainerView,
    Event, EventFlags, ExeFile, ExecId, Finding, Identity, Ids, Image, Layer, MatchedTerm,
    NearException, Open, Path, Payload, PredictedPer, Priority, Process, Provenance, RuleInfo,
    Runtime, Syscall, Tty,
};
use crate::proto;

pub(crate) const CONTAINER_ID: &str =
    "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789";

pub(crate) fn rule() -> RuleInfo {
    RuleInfo {
        name: "Shell in container".into(),
        id: String::new(),
        author: String::new(),
        level: "",
        references: Vec::new(),
        priority: Priority::Warning,
        description: "A shell was started in a container.".into(),
        tags: vec!["container".into(), "shell".into()],
        attack_ids: vec!["T1059.004".into()],
        language: "falco",
        file: "rules/shells.yaml".into(),
        line: 12,
        set_digest: "sha256:0011".into(),
    }
}

fn container(identity: Identity) -> Arc<Container> {
    Arc::new(Container {
        id: CONTAINER_ID.into(),
        runtime: Runtime::Docker,
        cgroup_id: 4711,
        cgroup_path: format!("/docker/{CONTAINER_ID}"),
        identity,
        created_boot_ns: Some(5_000_000_000),
    })
}

pub(crate) fn known_container() -> Arc<Container> {
    container(Identity::Full(Arc::new(ContainerMetadata {
        name: "web".into(),
        image: "docker.io/nginx:1.27".into(),
        image_repository: "docker.io/nginx".into(),
        image_tag: "1.27".into(),
        image_digest: "sha256:beef".into(),
        labels: [("team".to_owned(), "shop".to_owned())].into(),
        ..ContainerMetadata::default()
    })))
}

pub(crate) fn container_view() -> ContainerView {
    ContainerView::Container(known_container())
}

pub(crate) fn pending_container_view() -> ContainerView {
    ContainerView::Container(container(Identity::Pending))
}

pub(crate) fn unknown_view(cgroup_id: u64, why: Option<&str>) -> ContainerView {
    ContainerView::Unknown {
        cgroup_id,
        why: why.map(Into::into),
    }
}

pub(crate) fn process(tgid: u32, name: &str, parent: Option<Arc<Process>>) -> Process {
    Process {
        exec_id: ExecId {
            tgid,
            start_boottime_ns: 9_000_000_000,
            exec_seq: 1,
        },
        parent_tgid: parent.as_ref().map_or(0, |parent| parent.exec_id.tgid),
        depth: parent.as_ref().map_or(0, |parent| parent.depth + 1),
        parent,
        vpid: Some(1),
        cgroup_id: 4711,
        comm: name.as_bytes().into(),
        image: Arc::new(Image {
            known: true,
            exe: Some(ExeFile {
                path: Path {
                    bytes: format!("/bin/{name}").into_bytes().into(),
                    ..Path::default()
                },
                inode: 99,
                device: 8 << 20 | 1,
                layer: Some(Layer::Lower),
                memfd: false,
                unlinked: false,
            }),
            filename: format!("/bin/{name}").into_bytes().into(),
            argv: vec![
                name.as_bytes().into(),
                b"-c".as_slice().into(),
                b"id".as_slice().into(),
            ],
            cmdline: format!("{name} -c id").into_bytes().into(),
            args_start: name.len() + 1,
            cwd: Path {
                bytes: b"/".as_slice().into(),
                ..Path::default()
            },
            ..Image::default()
        }),
        groups: None,
        tty: Some(Tty {
            major: 136,
            minor: 0,
        }),
        ids: Some(Ids::default()),
        capabilities: Some(Capabilities::default()),
        pid_namespace: 1,
        mount_namespace: 2,
        seen_late: false,
    }
}

/// A term of nothing, in a macro of a macro.
fn term() -> MatchedTerm {
    MatchedTerm {
        field: String::new(),
        operator: String::new(),
        operand: String::new(),
        value: None,
        negated: false,
        met_at: None,
        file: "shell.yaml".to_owned(),
        line: 4,
        column: 20,
        macros: vec!["sensitive_read".to_owned(), "password_file".to_owned()],
    }
}

/// `sh`, child of `nginx`, opens /etc/shadow in the container.
pub(crate) fn alert_in(container: ContainerView) -> Alert {
    let parent = Arc::new(process(100, "nginx", None));
    Alert {
        finding: Finding {
            rule: Arc::new(rule()),
            output: "Shell opened /etc/shadow".into(),
            evidence: vec![MatchedTerm {
                field: "fd.name".into(),
                operator: "startswith".into(),
                operand: "/etc/sh".into(),
                value: Some("/etc/shadow".into()),
                met_at: Some(0..7),
                ..term()
            }],
            undecided: Vec::new(),
            near_exceptions: vec![NearException {
                name: "backup".to_owned(),
                failed: MatchedTerm {
                    field: "proc.pname".to_owned(),
                    operator: "=".to_owned(),
                    operand: "restic".to_owned(),
                    value: Some("nginx".to_owned()),
                    column: 12,
                    macros: Vec::new(),
                    ..term()
                },
            }],
            baseline: None,
        },
        event: Event {
            number: 1,
            boot_ns: 10_000_000_000,
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
            syscall: Syscall::Openat,
            result: Some(3),
            tid: 200,
            process: Arc::new(process(200, "sh", Some(parent))),
            container,
            payload: Payload::Open(Open {
                path: Path {
                    bytes: Cow::Borrowed(b"/etc/shadow"),
                    ..Path::default()
                },
                name: None,
                flags: 0,
                memfd: false,
                created: false,
                executable: false,
                provenance: Provenance::Kernel,
                fd_shared: false,
                by_io_uring: false,
            }),
            flags: EventFlags::default(),
        },
        late: false,
        set_generation: 3,
    }
}

/// What a baseline says of the event of [`alert_in`].
pub(crate) fn behaviour() -> BaselineEvidence {
    BaselineEvidence {
        kind: BaselineKind::New,
        workload: "image docker.io/nginx".into(),
        class: "file_read",
        phase: BaselinePhase::Run,
        state: BaselineState::Armed,
        role: "root uid0 /bin/nginx > /bin/sh".into(),
        object: "/etc/shadow".into(),
        nearest: Some(BaselineNearest {
            pattern: "/etc/nginx/nginx.conf".into(),
            diverging: Some("shadow".into()),
        }),
        watched: BaselineExposure {
            windows: 1_440,
            instances: 2,
            starts: 3,
            seconds: 86_400,
        },
        predicted: Some(BaselinePrediction {
            per: PredictedPer::Day,
            expected: 0.25,
            bound: 0.75,
        }),
        tainted: false,
        count: 0,
        samples: Vec::new(),
    }
}

/// The alert of a baseline about the event of [`alert_in`].
pub(crate) fn alert_of(evidence: BaselineEvidence) -> Alert {
    let mut alert = alert_in(container_view());
    alert.finding = Finding {
        rule: Arc::new(RuleInfo {
            name: "Baseline: new behaviour (file_read)".into(),
            description: "A workload did what it never did.".into(),
            tags: ["baseline", "file_read", "T1005"].map(Into::into).into(),
            attack_ids: vec!["T1005".into()],
            language: "baseline",
            file: String::new(),
            line: 0,
            ..rule()
        }),
        output: format!("Baseline of {}: {}", evidence.workload, evidence.object),
        evidence: Vec::new(),
        undecided: Vec::new(),
        near_exceptions: Vec::new(),
        baseline: Some(Box::new(evidence)),
    };
    alert
}

/// Epoch of [`stored`].
pub(crate) const EPOCH: u64 = 0xfeed;

/// A stored alert, of [`rule`] when `matching`, of rule `Other` when not.
pub(crate) fn stored(sequence: u64, matching: bool) -> Stored {
    let name = if matching {
        rule().name
    } else {
        "Other".into()
    };
    let facts = Facts::alert(
        &RuleInfo { name, ..rule() },
        &ContainerView::Host(None),
        "execve",
    );
    let body = proto::record::Body::Alert(proto::Alert::default());
    Stored::new((EPOCH, sequence), SystemTime::UNIX_EPOCH, facts, body)
}
