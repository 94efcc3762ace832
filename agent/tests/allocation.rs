//! Evaluation allocates nothing while nothing matches, and learning nothing while all is known.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use gravlens::baseline::{LearnSettings, Learner};
use gravlens::detect::{self, LoadOptions, Outcome};
use gravlens::model::{
    AddressFamily, AddressName, Capabilities, ContainerView, Endpoint, Event, EventFlags, ExeFile,
    ExecId, Ids, Image, Layer, Open, Path, Payload, Process, Provenance, Socket, SocketAddress,
    Syscall, Transport, Unit,
};

fn bytes(text: &str) -> Box<[u8]> {
    text.as_bytes().into()
}

fn path<B>(bytes: B) -> Path<B> {
    Path {
        bytes,
        truncated: false,
        unreachable: false,
        deleted: false,
    }
}

fn process(comm: &str, parent: Option<Arc<Process>>) -> Process {
    Process {
        groups: None,
        exec_id: ExecId {
            tgid: 100,
            start_boottime_ns: 1,
            exec_seq: 1,
        },
        depth: u16::from(parent.is_some()),
        parent,
        parent_tgid: 1,
        vpid: Some(1),
        cgroup_id: 1,
        comm: bytes(comm),
        image: Arc::new(Image {
            known: true,
            exe: Some(ExeFile {
                path: path(bytes("/usr/sbin/nginx")),
                inode: 1,
                device: 1,
                layer: Some(Layer::Lower),
                memfd: false,
                unlinked: false,
            }),
            filename: bytes(comm),
            argv: vec![bytes(comm), bytes("-g"), bytes("daemon off;")],
            cmdline: bytes("nginx -g daemon off;"),
            args_start: "nginx ".len(),
            cwd: path(bytes("/srv")),
            ..Image::default()
        }),
        tty: None,
        ids: Some(Ids::default()),
        capabilities: Some(Capabilities {
            effective: 0xffff_ffff,
            ..Capabilities::default()
        }),
        pid_namespace: 1,
        mount_namespace: 1,
        seen_late: false,
    }
}

fn event(syscall: Syscall, payload: Payload<'static>) -> Event<'static> {
    let parent = Arc::new(process("systemd", None));
    Event {
        number: 1,
        boot_ns: 2,
        time: UNIX_EPOCH + Duration::from_secs(1),
        syscall,
        result: Some(3),
        tid: 100,
        process: Arc::new(process("nginx", Some(parent))),
        container: ContainerView::Host(None),
        payload,
        flags: EventFlags::default(),
    }
}

fn events() -> [Event<'static>; 3] {
    let open = Open {
        executable: false,
        path: path(Cow::Borrowed(
            b"/usr/share/nginx/html/index.html".as_slice(),
        )),
        name: None,
        flags: 0,
        memfd: false,
        created: false,
        provenance: Provenance::Kernel,
        fd_shared: false,
        by_io_uring: false,
    };
    let address = |text: &str, port| {
        let address = text.parse().expect("the text is an address");
        Some(SocketAddress::Ip(address, port))
    };
    let socket = Socket {
        endpoint: Endpoint {
            family: AddressFamily::Inet,
            transport: Some(Transport::Tcp),
            local: address("10.0.0.1", 40_000),
            remote: address("10.0.0.2", 5432),
        },
        fd: 3,
        provenance: Provenance::Kernel,
        fd_shared: false,
        local_name: AddressName::None,
        remote_name: AddressName::Known(Arc::from(["db.example".into()])),
    };
    [
        event(Syscall::Execve, Payload::Exec),
        event(Syscall::Openat, Payload::Open(open)),
        event(Syscall::Connect, Payload::Socket(socket)),
    ]
}

#[test]
fn an_event_that_matches_nothing_allocates_nothing() {
    let mut files = detect::bundled();
    // Computed text: what needs a buffer must find it ready.
    files.push(detect::RuleFile {
        path: "computed.yaml".to_owned(),
        text: "- rule: computed\n  desc: d\n  output: o\n  priority: INFO\n  condition: >\n    \
               evt.type in (execve, openat, connect) and (proc.cwd = /x/ or fd.name = x or\n    \
               thread.cap_effective = x or toupper(tolower(proc.name)) = x or evt.time = x or\n    \
               evt.arg.flags = x or join(\"-\", (proc.name, proc.pid)) = x or\n    \
               fd.name glob \"*x?y*\" or fd.name regex \"[0-9]+x\" or proc.exeline = x)\n"
            .to_owned(),
    });
    let loaded = detect::load(&files, &LoadOptions::default());
    assert!(
        loaded.report.refused.is_empty(),
        "{}",
        loaded.report.to_text()
    );
    let events = events();
    let mut outcome = Outcome::default();
    // The first round sizes the buffers.
    for event in &events {
        loaded.set.evaluate(event, &mut outcome);
        assert!(outcome.matched.is_empty(), "{:?}", outcome.matched);
    }
    let counted = allocation_counter::measure(|| {
        for event in &events {
            loaded.set.evaluate(event, &mut outcome);
        }
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn what_a_workload_did_in_this_window_costs_no_allocation() {
    let unit = Unit {
        name: "nginx.service".to_owned(),
        manager: None,
        cgroup_id: 1,
        cgroup_path: "/system.slice/nginx.service".to_owned(),
        created_boot_ns: None,
    };
    let unit = ContainerView::Host(Some(Arc::new(unit)));
    let events = events().map(|event| Event {
        container: unit.clone(),
        ..event
    });
    let mut learner = Learner::new(LearnSettings::default(), BTreeMap::new());
    for event in &events {
        learner.observe(event, false);
    }
    let learnt = learner.profiles().values().next().expect("one was learnt");
    assert_eq!(learnt.behaviours().count(), 4, "{learnt:?}");
    // An execution enters another process, so it is none of what comes again and again.
    let [_, again @ ..] = &events;
    let counted = allocation_counter::measure(|| {
        for event in again {
            learner.observe(event, false);
        }
    });
    assert_eq!(counted.count_total, 0);
    assert!(learner.take_novel().is_empty());
}
