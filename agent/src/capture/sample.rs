//! A story as the detection task hears it, for tests.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gravlens_common::{
    ABI_VERSION, BulkContext, Call, CgroupRecord, ExecKey, ExecRecord, ExitRecord, ForkRecord,
    Kind, OpenRecord, ProcessContext, RecordHeader, TaskRecord, context_valid, exe_flags,
};
use zerocopy::IntoBytes;

use super::{Input, encode_reading};
use crate::enrich::container::{ContainerMessage, ScannedCgroup};
use crate::enrich::dns::{Owner, ResolverMessage};
use crate::enrich::process_table::ProcDetails;
use crate::model::{ContainerMetadata, Mount, Runtime};
use crate::proto::capture::{Header, Reading, Settings};

const SECOND: u64 = 1_000_000_000;
/// When the story begins.
pub(crate) const BEGIN_NS: u64 = 100 * SECOND;
/// The container of the story, and its cgroup.
pub(crate) const CONTAINER: &str =
    "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";
const CGROUP: u64 = 50;
/// A cgroup that nothing told of.
const STRANGE: u64 = 60;

/// The header of the story.
pub(crate) fn header() -> Header {
    Header {
        capture_id: 7,
        part: 1,
        first_block: 1,
        agent_version: "0.1.0".to_owned(),
        abi_version: ABI_VERSION.into(),
        big_endian: cfg!(target_endian = "big"),
        kernel: "6.12".to_owned(),
        machine: "x86_64".to_owned(),
        boot_id: "b".to_owned(),
        node: "node".to_owned(),
        scope: String::new(),
        begun: Some(reading(BEGIN_NS)),
        settings: Some(Settings {
            grace_ns: 250_000_000,
            decide_within_ns: 30 * SECOND,
            pending_max: 100,
            runtimes: vec![super::encode_runtime(Runtime::Docker).into()],
        }),
    }
}

/// Both clocks at that time since boot.
pub(crate) fn reading(boot_ns: u64) -> Reading {
    encode_reading(boot_ns, wall(boot_ns))
}

fn wall(boot_ns: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + Duration::from_nanos(boot_ns)
}

fn header_of(kind: Kind, size: usize, boot_ns: u64) -> RecordHeader {
    RecordHeader {
        kind: kind as u8,
        version: ABI_VERSION,
        flags: 0,
        size: size as u32,
        boot_ns,
    }
}

fn context(pid: u32, seq: u32, parent: u32, cgroup_id: u64, comm: &str) -> ProcessContext {
    let mut padded = [0; 16];
    padded[..comm.len()].copy_from_slice(comm.as_bytes());
    ProcessContext {
        cgroup_id,
        tgid: pid,
        tid: pid,
        start_boottime_ns: u64::from(pid) * 1_000,
        exec_seq: seq,
        parent_tgid: parent,
        parent_start_boottime_ns: u64::from(parent) * 1_000,
        // Who runs a container has executed its program.
        parent_exec_seq: if parent == 200 { 2 } else { 1 },
        valid: context_valid::PARENT | context_valid::CREDENTIALS,
        comm: padded,
        ..ProcessContext::default()
    }
}

fn exec(process: ProcessContext, argv: &[&str], boot_ns: u64) -> Vec<u8> {
    let path = format!("/usr/bin/{}", argv[0]);
    let arguments: String = argv
        .iter()
        .map(|argument| format!("{argument}\0"))
        .collect();
    let tail = [&path, "", &path, "/srv", &arguments].concat();
    let record = ExecRecord {
        header: header_of(Kind::Exec, size_of::<ExecRecord>() + tail.len(), boot_ns),
        process,
        filename_len: path.len() as u16,
        exe_path_len: path.len() as u16,
        cwd_len: 4,
        argv_len: arguments.len() as u16,
        exe_flags: exe_flags::FILE_VALID,
        ..ExecRecord::default()
    };
    [record.as_bytes(), tail.as_bytes()].concat()
}

fn fork(child: ProcessContext, boot_ns: u64) -> Vec<u8> {
    let forker = ExecKey::new(
        child.parent_tgid,
        child.parent_start_boottime_ns,
        child.parent_exec_seq,
    );
    let record = ForkRecord {
        header: header_of(Kind::Fork, size_of::<ForkRecord>(), boot_ns),
        process: child,
        forker_key: forker.0,
    };
    record.as_bytes().to_vec()
}

fn exit(process: ProcessContext, boot_ns: u64) -> Vec<u8> {
    let record = ExitRecord {
        header: header_of(Kind::Exit, size_of::<ExitRecord>(), boot_ns),
        process,
        ..ExitRecord::default()
    };
    record.as_bytes().to_vec()
}

fn mkdir(cgroup_id: u64, path: &str, boot_ns: u64) -> Vec<u8> {
    let size = size_of::<CgroupRecord>() + path.len();
    let record = CgroupRecord {
        header: header_of(Kind::CgroupMkdir, size, boot_ns),
        process: context(100, 1, 1, 1, "dockerd"),
        cgroup_id,
        path_len: path.len() as u16,
        ..CgroupRecord::default()
    };
    [record.as_bytes(), path.as_bytes()].concat()
}

fn open(process: &ProcessContext, path: &str, boot_ns: u64) -> Vec<u8> {
    let key = ExecKey::new(process.tgid, process.start_boottime_ns, process.exec_seq);
    let record = OpenRecord {
        header: header_of(Kind::Open, size_of::<OpenRecord>() + path.len(), boot_ns),
        context: BulkContext {
            cgroup_id: process.cgroup_id,
            exec_key: key.0,
            tid: process.tid,
            result: 3,
        },
        flags: 0,
        name_len: 0,
        call: Call::Openat as u8,
        marks: 0,
    };
    [record.as_bytes(), path.as_bytes()].concat()
}

fn task(process: ProcessContext) -> Vec<u8> {
    let path = b"/usr/bin/dockerd";
    let size = size_of::<TaskRecord>() + path.len();
    let record = TaskRecord {
        header: header_of(Kind::Task, size, BEGIN_NS),
        process,
        exe_path_len: path.len() as u16,
        exe_flags: exe_flags::FILE_VALID,
        ..TaskRecord::default()
    };
    [record.as_bytes(), path].concat()
}

fn tick(boot_ns: u64) -> Input {
    let wall = wall(boot_ns);
    Input::Tick { boot_ns, wall }
}

fn described(id: &str, name: &str) -> Input {
    Input::Message(ContainerMessage::Full {
        runtime: Runtime::Docker,
        id: id.to_owned(),
        metadata: Arc::new(ContainerMetadata {
            name: name.to_owned(),
            image: "nginx:1.25".to_owned(),
            image_repository: "nginx".to_owned(),
            image_tag: "1.25".to_owned(),
            labels: [("team", "shop"), ("app", "web"), ("zone", "a")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            mounts: vec![Mount {
                source: "/srv/www".to_owned(),
                destination: "/var/www".to_owned(),
                read_write: true,
            }],
            started_at: Some(wall(BEGIN_NS)),
            init_pid: 200,
            ..ContainerMetadata::default()
        }),
    })
}

/// The node as the story begins.
pub(crate) fn state() -> Vec<Input> {
    let dockerd = context(100, 1, 1, 1, "dockerd");
    vec![
        Input::ScannedCgroup(ScannedCgroup {
            id: 1,
            path: b"/".to_vec(),
        }),
        Input::Scan {
            started_boot_ns: BEGIN_NS - 2,
            ended_boot_ns: BEGIN_NS - 1,
            complete: true,
        },
        Input::FoundProcess(
            task(dockerd),
            ProcDetails {
                argv: b"dockerd\0-H\0fd://\0".to_vec(),
                argv_truncated: false,
                cwd: b"/".to_vec(),
            },
        ),
        Input::Running(vec![
            ExecKey::new(dockerd.tgid, dockerd.start_boottime_ns, 1).0,
        ]),
        Input::Iteration(BEGIN_NS - 1),
    ]
}

/// What happens: a container starts, a shell in it reads a file, and its name comes later than the
/// grace. Something happens in a cgroup that a walk has to find, and the runtime goes and comes.
pub(crate) fn story() -> Vec<Input> {
    let at = |ms: u64| BEGIN_NS + ms * 1_000_000;
    let nginx = context(200, 2, 100, CGROUP, "nginx");
    let shell = context(201, 2, 200, CGROUP, "sh");
    let stranger = context(300, 2, 100, STRANGE, "sh");
    let mut story = vec![
        Input::Record(mkdir(CGROUP, &format!("/docker/{CONTAINER}"), at(1))),
        Input::Record(fork(context(200, 1, 100, CGROUP, "runc"), at(2))),
        Input::Record(exec(nginx, &["nginx", "-g", "daemon off;"], at(3))),
        tick(at(50)),
        Input::Record(fork(context(201, 1, 200, CGROUP, "nginx"), at(60))),
        Input::Record(exec(shell, &["sh", "-c", "id"], at(61))),
        Input::Record(open(&shell, "/etc/shadow", at(62))),
        // No record at all, as a damaged ring would give.
        Input::Record(b"no record".to_vec()),
        Input::Record(exec(stranger, &["sh", "-c", "whoami"], at(70))),
    ];
    // Definite matches leave without the name.
    story.extend((2..8).map(|step| tick(at(50 * step))));
    story.extend([
        described(CONTAINER, "web"),
        Input::Record(open(&shell, "/etc/shadow", at(400))),
        Input::ScannedCgroup(ScannedCgroup {
            id: 1,
            path: b"/".to_vec(),
        }),
        Input::ScannedCgroup(ScannedCgroup {
            id: CGROUP,
            path: format!("/docker/{CONTAINER}").into_bytes(),
        }),
        Input::ScannedCgroup(ScannedCgroup {
            id: STRANGE,
            path: format!("/docker/{}", "ab".repeat(32)).into_bytes(),
        }),
        Input::Scan {
            started_boot_ns: at(401),
            ended_boot_ns: at(402),
            complete: true,
        },
        Input::Resolvers(ResolverMessage {
            owner: Owner::Container(CGROUP),
            servers: Some(vec![[127, 0, 0, 11].into(), [0; 16].into()]),
        }),
        Input::Resolvers(ResolverMessage {
            owner: Owner::Node,
            servers: None,
        }),
        tick(at(450)),
        Input::Message(ContainerMessage::Failed {
            runtime: Runtime::Docker,
            id: "ab".repeat(32),
            why: "no such container".into(),
        }),
        Input::Message(ContainerMessage::RuntimeLost {
            runtime: Runtime::Docker,
            why: "connection refused".into(),
        }),
        Input::Message(ContainerMessage::RuntimeBack {
            runtime: Runtime::Docker,
        }),
        Input::Message(ContainerMessage::Gone {
            id: "cd".repeat(32),
        }),
        Input::Account { seen: 12, lost: 1 },
        Input::Record(exit(shell, at(500))),
        Input::Record(exec(
            context(300, 3, 100, STRANGE, "sh"),
            &["sh", "-c", "last"],
            at(510),
        )),
    ]);
    story
}

/// Rules for the story: one is definite, one needs the image, one never waits, one is about the
/// node.
pub(crate) const RULES: &str = "\
- rule: Shell
  desc: d
  condition: evt.type = execve and proc.name = sh
  output: shell %proc.cmdline of %proc.pname in %container.name at %evt.time number %evt.num
  priority: NOTICE
- rule: Shell in nginx
  desc: d
  condition: evt.type = execve and proc.name = sh and container.image.repository = nginx
  output: shell in %container.image.repository
  priority: WARNING
- rule: Shadow read
  desc: d
  condition: evt.type = openat and fd.name = /etc/shadow
  output: '%proc.name reads %fd.name, below %proc.aname[1]'
  priority: CRITICAL
- rule: Exec on the node
  desc: d
  condition: evt.type = execve and container.id = host
  output: exec of %proc.name on %evt.hostname
  priority: NOTICE
";
