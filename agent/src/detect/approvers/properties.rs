//! No event that a rule can want is ever dropped.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::Approvers;
use crate::detect::catalogue::{FieldArg, FieldId};
use crate::detect::fields::evt::Evt;
use crate::detect::ir::Test;
use crate::detect::testing::{event, path, process};
use crate::detect::{
    FieldSource, LoadOptions, Outcome, RuleFile, RuleSet, Value, bundled, load, read_paths,
};
use crate::model::{
    AddressFamily, AddressName, Call, CallPath, Endpoint, Event, Open, Paths, Payload, Provenance,
    Socket, SocketAddress, Syscall, Transport, UnixName,
};

/// An event of which nothing is known but what the kernel programs know: a rule that does not fail on
/// it can match an event of this class with this path and these ports.
struct Vague<'a>(&'a Event<'static>);

impl FieldSource for Vague<'_> {
    fn syscall(&self) -> Syscall {
        self.0.syscall
    }

    fn get<'a>(
        &'a self,
        field: FieldId,
        argument: Option<&'a FieldArg>,
        scratch: &'a mut Vec<u8>,
    ) -> Value<'a> {
        match field {
            FieldId::Proc(_)
            | FieldId::Container(_)
            | FieldId::User(_)
            | FieldId::Thread(_)
            | FieldId::Evt(Evt::Num | Evt::Rawtime | Evt::RawtimeS | Evt::Time) => Value::Unknown,
            _ => self.0.get(field, argument, scratch),
        }
    }
}

/// Whether a rule matches, or may.
fn is_wanted(set: &RuleSet, event: &Event<'static>) -> bool {
    let mut outcome = Outcome::default();
    let vague = Vague(event);
    set.evaluate(&vague, &mut outcome);
    !outcome.matched.is_empty() || !outcome.undecided.is_empty()
}

/// Panics if a wanted event is dropped; how many were wanted and how many dropped.
fn check(set: &RuleSet, events: &[Event<'static>]) -> (usize, usize) {
    let approvers = Approvers::of(set);
    let (mut wanted, mut dropped) = (0, 0);
    for event in events {
        let kept = approvers.keeps(event);
        let is_wanted = is_wanted(set, event);
        assert!(
            kept || !is_wanted,
            "{:?} {:?} {:?}",
            event.syscall,
            event.result,
            event.payload
        );
        wanted += usize::from(is_wanted);
        dropped += usize::from(!kept);
    }
    (wanted, dropped)
}

const OPENS: &[Syscall] = &[
    Syscall::Open,
    Syscall::Openat,
    Syscall::Openat2,
    Syscall::Creat,
    Syscall::OpenByHandleAt,
];
const SOCKETS: &[Syscall] = &[
    Syscall::Connect,
    Syscall::Sendto,
    Syscall::Sendmsg,
    Syscall::Bind,
    Syscall::Listen,
    Syscall::Accept,
    Syscall::Accept4,
];
const CHANGES: &[Syscall] = &[
    Syscall::Unlink,
    Syscall::Rename,
    Syscall::Symlinkat,
    Syscall::Fchmod,
    Syscall::Truncate,
    Syscall::Setxattr,
    Syscall::Mount,
    Syscall::Execve,
];
const CALLS: &[Syscall] = &[
    Syscall::Mmap,
    Syscall::Dup,
    Syscall::Kill,
    Syscall::Socket,
    Syscall::Ptrace,
];

/// A path as the kernel builds one: absolute, with whole names only.
fn built(text: &str) -> String {
    let names: Vec<&str> = text
        .split('/')
        .filter(|name| !matches!(*name, "" | "." | ".."))
        .collect();
    format!("/{}", names.join("/"))
}

fn call_path(text: &str) -> CallPath<'static> {
    CallPath {
        path: path(Cow::Owned(text.as_bytes().to_vec())),
        ..CallPath::default()
    }
}

/// Paths that are made of these pieces, and of others.
fn paths(pieces: Vec<String>) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => select(pieces),
        1 => select(vec!["/etc/", "/tmp", "shadow", "x", "/.ssh/", "/lib/libc.so.6"])
            .prop_map(str::to_owned),
        1 => "[a-z.]{1,9}",
    ];
    let glue = select(vec!["", "/", "x", "/y/"]);
    let parts = prop::collection::vec((piece, glue, any::<bool>()), 1..4);
    parts.prop_map(|parts| {
        let mut text = String::new();
        for (piece, glue, upper) in parts {
            let shout = upper && piece.len() % 3 == 0;
            text.push_str(&if shout { piece.to_uppercase() } else { piece });
            text.push_str(glue);
        }
        built(&text)
    })
}

fn opens(pieces: Vec<String>) -> impl Strategy<Value = Event<'static>> {
    let flags = select(vec![
        0,
        1,
        2,
        3,
        0o101,
        0o1101,
        0o2001,
        0o10_000_000,
        0o200_000,
    ]);
    (
        select(OPENS),
        paths(pieces),
        flags,
        select(vec![3, 3, 3, 0, -2, -13]),
        any::<[bool; 3]>(),
    )
        .prop_map(
            |(syscall, file, flags, result, [created, executable, named])| {
                let created = created && result >= 0;
                // By name where there was no file to ask.
                let name = (result < 0 || named && flags == 3).then(|| file.clone().into_bytes());
                let open = Open {
                    path: path(Cow::Owned(file.into_bytes())),
                    name: name.map(Cow::Owned),
                    flags,
                    memfd: false,
                    created,
                    executable: created && executable,
                    provenance: Provenance::Kernel,
                    fd_shared: false,
                    by_io_uring: false,
                };
                Event {
                    result: Some(result),
                    ..event(process(7, "x", &[], None), syscall, Payload::Open(open))
                }
            },
        )
}

fn sockets() -> impl Strategy<Value = Event<'static>> {
    let port = || select(vec![22_u16, 53, 443, 4444, 8540, 4118, 65535]);
    let results = select(vec![Some(0), Some(3), Some(-115), Some(-111), None]);
    let end = |port: u16| SocketAddress::Ip(IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)), port);
    (select(SOCKETS), port(), port(), results, any::<[bool; 2]>()).prop_map(
        move |(syscall, local, remote, result, [is_unix, is_bound])| {
            let endpoint = if is_unix {
                Endpoint {
                    family: AddressFamily::Unix,
                    transport: None,
                    local: None,
                    remote: Some(SocketAddress::Unix(UnixName::new(b"/run/docker.sock"))),
                }
            } else {
                Endpoint {
                    family: AddressFamily::Inet,
                    transport: Some(Transport::Tcp),
                    local: is_bound.then(|| end(local)),
                    remote: Some(end(remote)),
                }
            };
            let socket = Socket {
                endpoint,
                fd: 3,
                provenance: Provenance::Kernel,
                fd_shared: false,
                local_name: AddressName::None,
                remote_name: AddressName::None,
            };
            Event {
                result,
                ..event(process(7, "x", &[], None), syscall, Payload::Socket(socket))
            }
        },
    )
}

fn others(pieces: Vec<String>) -> impl Strategy<Value = Event<'static>> {
    let result = || select(vec![0_i64, 5, -1, -13]);
    let changes = (
        select(CHANGES),
        paths(pieces.clone()),
        paths(pieces),
        result(),
    );
    let changes = changes.prop_map(|(syscall, first, second, result)| {
        let failed = if syscall == Syscall::Execve {
            -2
        } else {
            result
        };
        let call = Paths {
            first: call_path(&first),
            second: call_path(&second),
            ..Paths::default()
        };
        Event {
            result: Some(failed),
            ..event(process(7, "x", &[], None), syscall, Payload::Paths(call))
        }
    });
    let calls = (select(CALLS), result()).prop_map(|(syscall, result)| {
        let call = Call {
            arguments: [0; 6],
            descriptor: None,
            fd_shared: false,
        };
        Event {
            result: Some(result),
            ..event(process(7, "x", &[], None), syscall, Payload::Call(call))
        }
    });
    let in_memory = (any::<bool>(), select(vec![3_i64, -24])).prop_map(|(named, result)| {
        let open = Open {
            path: path(Cow::Borrowed(b"memfd:shadow".as_slice())),
            name: (result < 0).then_some(Cow::Borrowed(b"shadow".as_slice())),
            flags: u32::from(named),
            memfd: true,
            created: false,
            executable: false,
            provenance: Provenance::Kernel,
            fd_shared: false,
            by_io_uring: false,
        };
        let process = process(7, "x", &[], None);
        Event {
            result: Some(result),
            ..event(process, Syscall::MemfdCreate, Payload::Open(open))
        }
    });
    prop_oneof![4 => changes, 2 => calls, 1 => in_memory]
}

fn events(pieces: Vec<String>, count: usize) -> impl Strategy<Value = Vec<Event<'static>>> {
    let one = prop_oneof![
        6 => opens(pieces.clone()),
        2 => sockets(),
        2 => others(pieces),
    ];
    prop::collection::vec(one, count)
}

/// Texts that the comparisons of a set look for, wildcards filled in.
fn pieces(set: &RuleSet) -> Vec<String> {
    let mut found = Vec::new();
    let mut add = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        found.push(
            text.replace(['*', '?'], "x")
                .replace("[0-9]", "4")
                .replace("[a-z]", "a"),
        );
    };
    for leaf in set.leaves() {
        match &leaf.test {
            Test::Equal(text)
            | Test::EqualFolded(text)
            | Test::Prefix(text)
            | Test::PrefixFolded(text)
            | Test::Suffix(text)
            | Test::SuffixFolded(text)
            | Test::ContainsFolded(text) => add(text),
            Test::TextIn(texts) => texts.iter().for_each(|text| add(text)),
            Test::Contains(finder) => add(finder.needle()),
            Test::Glob(glob) | Test::GlobFolded(glob) => add(glob.pattern()),
            Test::PathPrefix(prefixes) => {
                prefixes.literals().for_each(&mut add);
                let patterns = prefixes.patterns().iter();
                patterns.for_each(|pattern| add(pattern.pattern()));
            }
            _ => {}
        }
    }
    // A set has them in no order.
    found.sort_unstable();
    found.retain(|text| text.len() < 200 && !text.contains('\0'));
    found
}

const PATH_FIELDS: &[&str] = &[
    "fd.name",
    "fd.directory",
    "fd.filename",
    "fs.path.name",
    "evt.arg.name",
    "sigma.target_filename",
    "sigma.path_name",
    "tolower(fd.name)",
    "toupper(fd.name)",
    "basename(fd.name)",
    "fd.nameraw",
    "fs.path.source",
    "fs.path.target",
];
const TEXTS: &[&str] = &[
    "/etc",
    "/etc/",
    "/etc/shadow",
    "shadow",
    "SHADOW",
    "/.ssh/",
    ".ssh",
    "/home/*/.ssh",
    "/",
    "/lib/libc.so.6",
    "*/.ssh/id_*",
    "/proc/[0-9]*/root/*",
    "/etc/x",
    "x",
    "/tmp/",
    "et",
];
const OPERATORS: &[&str] = &[
    "=",
    "!=",
    "startswith",
    "endswith",
    "contains",
    "icontains",
    "glob",
    "iglob",
];

fn comparison() -> impl Strategy<Value = String> {
    let text = || select(TEXTS);
    let of_path = (select(PATH_FIELDS), select(OPERATORS), text())
        .prop_map(|(field, operator, text)| format!("{field} {operator} \"{text}\""));
    let of_list = (
        select(PATH_FIELDS),
        select(vec!["in", "pmatch"]),
        prop::collection::vec(text(), 1..4),
    )
        .prop_map(|(field, operator, texts)| {
            let texts: Vec<_> = texts.iter().map(|text| format!("\"{text}\"")).collect();
            format!("{field} {operator} ({})", texts.join(", "))
        });
    let of_class = select(vec![
        "evt.type in (open, openat, openat2)",
        "evt.type = creat",
        "evt.type = open_by_handle_at",
        "evt.type = memfd_create",
        "evt.type in (connect, sendto)",
        "evt.type in (unlink, rename, symlinkat)",
        "evt.type in (kill, dup, mmap)",
        "evt.type startswith open",
        "evt.is_open_read = true",
        "evt.is_open_write = true",
        "evt.is_open_write = false",
        "evt.is_open_exec = true",
        "evt.is_open_create = true",
        "evt.failed = true",
        "evt.failed = false",
        "evt.res = SUCCESS",
        "evt.res != SUCCESS",
        "evt.res in (EACCES, ENOENT)",
        "evt.rawres >= 0",
        "evt.rawres < 0",
        "evt.rawres in (-2, 3)",
        "evt.rawres != 3",
        "fd.num >= 0",
        "fd.num < 0",
        "fd.num = -1",
        "fd.typechar = f",
        "fd.typechar = m",
        "fd.type exists",
        "evt.dir = <",
        "evt.arg.flags contains O_CREAT",
        "sigma.path_nametype = CREATE",
        "sigma.path_nametype exists",
        "fs.path.name exists",
        "sigma.target_filename exists",
    ]);
    let of_port = select(vec![
        "fd.sport = 22",
        "fd.rport in (22, 443)",
        "fd.lport = 4444",
        "fd.port != 53",
        "fd.port = 4118",
        "fd.cport < 1024",
        "fd.sip = 8.8.8.8",
        "fd.l4proto = tcp",
        "fd.connected = true",
    ]);
    let of_process = select(vec![
        "proc.name = cat",
        "container.id != host",
        "container.name = web",
        "evt.num > 5",
    ]);
    prop_oneof![
        5 => of_path,
        3 => of_list,
        6 => of_class.prop_map(str::to_owned),
        2 => of_port.prop_map(str::to_owned),
        1 => of_process.prop_map(str::to_owned),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    comparison().prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 2..5)
                .prop_map(|all| format!("({})", all.join(" and "))),
            2 => prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|any| format!("({})", any.join(" or "))),
            1 => inner.prop_map(|one| format!("not ({one})")),
        ]
    })
}

fn rule_set(conditions: &[String]) -> RuleSet {
    let rules = conditions.iter().enumerate().map(|(number, condition)| {
        format!(
            "- rule: r{number}\n  desc: d\n  condition: {}\n  output: o\n  priority: INFO\n",
            serde_json::to_string(condition).unwrap()
        )
    });
    let file = RuleFile {
        path: "test.yaml".to_owned(),
        text: rules.collect(),
    };
    let loaded = load(&[file], &LoadOptions::default());
    // A rule that can fire on nothing is refused or never fires: both are fine here.
    loaded.set
}

fn texts() -> Vec<String> {
    TEXTS
        .iter()
        .map(|text| text.replace(['*', '['], "4"))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn what_a_rule_can_want_is_kept(
        conditions in prop::collection::vec(condition(), 1..4),
        events in events(texts(), 48),
    ) {
        check(&rule_set(&conditions), &events);
    }
}

#[test]
fn some_of_these_events_are_wanted_and_some_are_dropped() {
    let strategy = (
        prop::collection::vec(condition(), 1..4),
        events(texts(), 48),
    );
    let mut runner = TestRunner::deterministic();
    let (mut wanted, mut dropped) = (0, 0);
    for _ in 0..40 {
        let (conditions, events) = strategy.new_tree(&mut runner).unwrap().current();
        let found = check(&rule_set(&conditions), &events);
        wanted += found.0;
        dropped += found.1;
    }
    assert!(wanted > 100 && dropped > 100, "{wanted} and {dropped}");
}

/// Compares on events that are made of what the rules look for.
fn check_files(files: &[RuleFile]) {
    let set = load(files, &LoadOptions::default()).set;
    let strategy = events(pieces(&set), 200);
    let mut runner = TestRunner::deterministic();
    let mut wanted = 0;
    for _ in 0..40 {
        let events = strategy.new_tree(&mut runner).unwrap().current();
        wanted += check(&set, &events).0;
    }
    assert!(wanted > 100, "{wanted} events are wanted");
}

fn corpora(path: &str) -> Vec<RuleFile> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpora");
    let corpora = std::env::var_os("GRAVLENS_CORPORA").map_or_else(|| beside.into(), PathBuf::from);
    let files = read_paths(&[corpora.join(path)]);
    files.expect("GRAVLENS_CORPORA is the folder of public rule files")
}

#[test]
fn what_a_bundled_rule_can_want_is_kept() {
    check_files(&bundled());
}

#[test]
fn what_a_rule_of_falco_can_want_is_kept() {
    check_files(&corpora("falco/falco_rules.yaml"));
}

#[test]
fn what_a_rule_of_sigma_can_want_is_kept() {
    check_files(&corpora("sigma/file_event"));
    check_files(&corpora("sigma/network_connection"));
}
