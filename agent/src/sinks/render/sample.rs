//! A record of every kind and an alert about every kind of event, for the tests of all forms.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prost_types::Timestamp;

use crate::alert::{AlertSender, Filter, Spool, SpoolLimits, Start, Step, Subscription};
use crate::alert::{channel, sample};
use crate::model::{
    BaselineEvidence, BaselineExposure, BaselineKind, BaselinePhase, BaselineState, ContainerView,
};
use crate::proto::event::Payload;
use crate::proto::record::Body;
use crate::proto::{self, Record};

/// Name of the node in lines that name one.
pub(crate) const NODE: &str = "node-1";

/// What a subscriber receives of what `raise` sends.
pub(super) fn received(raise: impl FnOnce(&AlertSender)) -> Vec<Record> {
    let limits = SpoolLimits {
        bytes: 1 << 20,
        records: 100,
        age: None,
        memory_bytes: 1 << 20,
    };
    let writer = Spool::in_memory(limits, "a test").unwrap();
    let spool = Arc::clone(writer.spool());
    let (sender, stage) = channel(writer, 16);
    raise(&sender);
    drop(sender);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(stage.run());
    let mut subscription = Subscription::new(spool, Start::Oldest, Filter::default()).unwrap();
    let mut records = Vec::new();
    while let Step::Record(record) = subscription.step() {
        let mut record = record.decode().unwrap();
        record.stream_epoch = 0xab;
        record.time = Some(SystemTime::UNIX_EPOCH.into());
        if let Some(Body::Alert(alert)) = &mut record.body {
            alert.id = "00000000000000ab-1".into();
        }
        records.push(record);
    }
    records
}

/// The record of an alert about something in there.
pub(super) fn alert_in(container: ContainerView) -> Record {
    received(|sender| sender.raise(sample::alert_in(container))).remove(0)
}

/// Every sample, each under a name of its own.
pub(crate) fn records() -> Vec<(&'static str, Record)> {
    let mut records = alerts();
    records.extend(beside_alerts());
    for (place, (_, record)) in (1..).zip(&mut records) {
        if record.prev_sequence == 0 && record.sequence == 0 {
            continue;
        }
        (record.sequence, record.prev_sequence) = (place, place - 1);
        if let Some(Body::Alert(alert)) = &mut record.body {
            alert.id = format!("00000000000000ab-{place}");
        }
    }
    records
}

fn alerts() -> Vec<(&'static str, Record)> {
    let known = || alert_in(sample::container_view());
    vec![
        ("alert_open", known()),
        ("alert_host", alert_in(ContainerView::Host(None))),
        ("alert_pending", alert_in(sample::pending_container_view())),
        (
            "alert_unknown_cgroup",
            alert_in(sample::unknown_view(7, Some("its cgroup was gone"))),
        ),
        ("alert_pod", with(known(), pod)),
        ("alert_sensor", with(known(), about_the_sensor)),
        ("alert_undecided", with(known(), undecided)),
        ("alert_sigma", with(known(), of_sigma)),
        (
            "alert_exec",
            event("execve", Payload::Exec(proto::ExecPayload {})),
        ),
        (
            "alert_fork",
            event("clone", Payload::Fork(proto::ForkPayload {})),
        ),
        (
            "alert_exit",
            event(
                "procexit",
                Payload::Exit(proto::ExitPayload {
                    status: 0,
                    signal: 9,
                }),
            ),
        ),
        ("alert_connect", event("connect", connection())),
        ("alert_accept", event("accept4", connection())),
        ("alert_unix_socket", event("connect", unix_socket())),
        (
            "alert_dns_query",
            event("sendto", Payload::Dns(dns_query())),
        ),
        (
            "alert_dns_answer",
            event("recvfrom", Payload::Dns(dns_answer())),
        ),
        ("alert_paths", event("renameat2", paths())),
        ("alert_call", event("dup2", call())),
        (
            "alert_set_ids",
            event(
                "setuid",
                Payload::SetIds(proto::SetIdsPayload { argument: 0 }),
            ),
        ),
        ("alert_cgroup", event("cgroup_mkdir", cgroup())),
        ("alert_baseline", of_baseline(sample::behaviour())),
        ("alert_baseline_flood", of_baseline(flood())),
    ]
}

fn beside_alerts() -> Vec<(&'static str, Record)> {
    let gap = proto::Gap {
        why: proto::gap::Why::UncleanExit.into(),
        from_time: at(10),
        to_time: at(12),
        rebooted: true,
        message: "Nothing was watched for 2.0 s.".into(),
        ..Default::default()
    };
    let evicted = proto::Gap {
        why: proto::gap::Why::ClientTooSlow.into(),
        from_sequence: 3,
        to_sequence: 5,
        count: Some(3),
        message: "3 records were gone before they could be sent.".into(),
        ..Default::default()
    };
    let lost = proto::Gap {
        why: proto::gap::Why::SpoolLost.into(),
        lost_cursor: Some(proto::Cursor {
            epoch: 0xcd,
            sequence: 9,
        }),
        message: "The cursor is of an epoch that is not known.".into(),
        ..Default::default()
    };
    vec![
        ("hello", unplaced(Body::Hello(hello()))),
        ("heartbeat", unplaced(Body::Heartbeat(heartbeat()))),
        ("amend", placed(Body::Amend(amend(true)))),
        ("amend_host", placed(Body::Amend(amend(false)))),
        ("amend_roll_up", placed(Body::Amend(roll_up()))),
        ("throttle", placed(Body::Throttle(throttle()))),
        ("gap_unclean_exit", placed(Body::Gap(gap))),
        ("gap_client_too_slow", placed(Body::Gap(evicted))),
        ("gap_spool_lost", placed(Body::Gap(lost))),
        ("loss", placed(Body::Loss(loss()))),
    ]
}

/// Seconds after the sample's event.
fn at(seconds: u64) -> Option<Timestamp> {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds);
    Some(time.into())
}

fn placed(body: Body) -> Record {
    Record {
        stream_epoch: 0xab,
        sequence: 1,
        prev_sequence: 0,
        time: at(12),
        body: Some(body),
    }
}

fn unplaced(body: Body) -> Record {
    Record {
        sequence: 0,
        ..placed(body)
    }
}

fn with(mut record: Record, change: impl FnOnce(&mut proto::Alert)) -> Record {
    let Some(Body::Alert(alert)) = &mut record.body else {
        panic!("no alert: {record:?}");
    };
    change(alert);
    record
}

fn event(kind: &str, payload: Payload) -> Record {
    with(alert_in(sample::container_view()), |alert| {
        let event = alert.event.as_mut().unwrap();
        event.r#type = kind.into();
        event.payload = Some(payload);
        alert.evidence.clear();
        alert.output = format!("{kind} was called");
    })
}

fn pod(alert: &mut proto::Alert) {
    let labels = [
        ("io.kubernetes.pod.name", "web-0"),
        ("io.kubernetes.pod.namespace", "shop"),
        (
            "io.kubernetes.pod.uid",
            "0a1b2c3d-1111-2222-3333-444455556666",
        ),
    ];
    let container = alert.container.as_mut().unwrap();
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
    container.labels.extend(labels);
    container.privileged = Some(true);
    container.started = at(0);
    container.init_pid = 100;
    container.mounts = vec![proto::Mount {
        source: "/etc".into(),
        destination: "/host/etc".into(),
        read_write: true,
    }];
}

fn about_the_sensor(alert: &mut proto::Alert) {
    *alert = proto::Alert {
        severity: proto::Severity::Critical.into(),
        priority: "Critical".into(),
        rule: Some(proto::Rule {
            name: "Sensor blind".into(),
            description: "A hook gives no sign.".into(),
            attack_ids: vec!["T1562.001".into(), "T1562.006".into()],
            language: "built-in".into(),
            ..Default::default()
        }),
        output: "The hook open gives no sign.".into(),
        time: at(3),
        ..Default::default()
    };
}

fn undecided(alert: &mut proto::Alert) {
    alert.undecided = vec![proto::Term {
        field: "container.image.repository".into(),
        operator: "in".into(),
        operand: "(docker.io/nginx, …)".into(),
        value: None,
        negated: true,
        file: "shell.yaml".into(),
        line: 9,
        column: 3,
        ..proto::Term::default()
    }];
    let rule = alert.rule.as_mut().unwrap();
    rule.tags.push("mitre_execution".into());
    rule.attack_ids.push("T1611".into());
}

fn of_sigma(alert: &mut proto::Alert) {
    alert.rule = Some(proto::Rule {
        name: "Shadow file opened".into(),
        description: "Detects who opens the file of passwords.".into(),
        tags: vec!["attack.t1003.008".into()],
        attack_ids: vec!["T1003.008".into()],
        language: "sigma".into(),
        file: "sigma/shadow.yml".into(),
        line: 1,
        set_digest: "sha256:0011".into(),
        set_generation: 2,
        id: "0a1b2c3d-1111-2222-3333-444455556666".into(),
        author: "Ada Example".into(),
        level: "medium".into(),
        references: vec!["https://example.org/shadow".into()],
    });
}

fn of_baseline(evidence: BaselineEvidence) -> Record {
    received(|sender| sender.raise(sample::alert_of(evidence))).remove(0)
}

/// Of a process that a rule has matched, in a container that was not watched before.
fn flood() -> BaselineEvidence {
    BaselineEvidence {
        kind: BaselineKind::Flood,
        phase: BaselinePhase::Start,
        state: BaselineState::Locked,
        nearest: None,
        watched: BaselineExposure {
            windows: 0,
            instances: 0,
            starts: 0,
            seconds: 0,
        },
        predicted: None,
        tainted: true,
        ..sample::behaviour()
    }
}

fn ip(ip: &str, port: u32) -> Option<proto::SocketAddress> {
    Some(proto::SocketAddress {
        ip: ip.into(),
        port,
        ..Default::default()
    })
}

fn connection() -> Payload {
    Payload::Socket(proto::SocketPayload {
        endpoint: Some(proto::Endpoint {
            family: "inet".into(),
            transport: "tcp".into(),
            local: ip("172.17.0.2", 40_000),
            remote: ip("203.0.113.7", 443),
        }),
        fd: Some(3),
        provenance: proto::Provenance::Kernel.into(),
        remote_names: vec!["pool.example.org".into()],
        ..Default::default()
    })
}

fn unix_socket() -> Payload {
    Payload::Socket(proto::SocketPayload {
        endpoint: Some(proto::Endpoint {
            family: "unix".into(),
            remote: Some(proto::SocketAddress {
                path: "/run/docker.sock".into(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        provenance: proto::Provenance::Kernel.into(),
        ..Default::default()
    })
}

fn dns_query() -> proto::DnsPayload {
    proto::DnsPayload {
        transport: "udp".into(),
        server: "127.0.0.11".into(),
        id: Some(4660),
        name: "pool.example.org".into(),
        r#type: "A".into(),
        resolver: proto::DnsResolver::Configured.into(),
        ..Default::default()
    }
}

fn dns_answer() -> proto::DnsPayload {
    proto::DnsPayload {
        answer: true,
        rcode: "NOERROR".into(),
        cnames: vec!["pool.cdn.example.org".into()],
        addresses: vec!["203.0.113.7".into(), "2001:db8::7".into()],
        ttl: Some(60),
        r#match: proto::DnsMatch::Query.into(),
        ..dns_query()
    }
}

fn path(text: &str) -> Option<proto::Path> {
    Some(proto::Path {
        text: text.into(),
        ..Default::default()
    })
}

fn paths() -> Payload {
    let argument = |argument: &str, text: &str, name: &str| proto::PathArgument {
        argument: argument.into(),
        path: path(text),
        name: name.into(),
        provenance: proto::Provenance::UserMemory.into(),
        ..Default::default()
    };
    Payload::Paths(proto::PathsPayload {
        paths: vec![
            argument("oldpath", "/etc/passwd", "passwd"),
            argument("newpath", "/etc/passwd.bak", "passwd.bak"),
        ],
        numbers: vec![proto::NumberArgument {
            argument: "flags".into(),
            value: 0,
        }],
        descriptor: None,
    })
}

fn call() -> Payload {
    let argument = |name: &str, value: i64| proto::Argument {
        name: name.into(),
        value,
        text: value.to_string(),
    };
    Payload::Call(proto::CallPayload {
        arguments: vec![argument("oldfd", 3), argument("newfd", 1)],
        descriptor: Some(proto::Stdio {
            kind: proto::stdio::Kind::Socket.into(),
            inode: 77,
            socket: Some(proto::Endpoint {
                family: "inet6".into(),
                transport: "tcp".into(),
                local: ip("2001:db8::2", 40_000),
                remote: ip("2001:db8::7", 443),
            }),
        }),
        fd_shared: false,
    })
}

fn cgroup() -> Payload {
    Payload::Cgroup(proto::CgroupPayload {
        cgroup_id: 4712,
        path: path("/docker/inner"),
    })
}

fn amend(container: bool) -> proto::Amend {
    let Some(Body::Alert(alert)) = alert_in(sample::container_view()).body else {
        panic!("the sample is an alert");
    };
    proto::Amend {
        alert_id: "00000000000000ab-3".into(),
        alert_sequence: 3,
        container: alert.container.filter(|_| container),
        roll_up: None,
    }
}

fn roll_up() -> proto::Amend {
    proto::Amend {
        roll_up: Some(proto::RollUp {
            count: 17,
            total: 40,
            first: at(10),
            last: at(12),
            samples: vec!["Shell in container".into()],
        }),
        ..amend(false)
    }
}

fn throttle() -> proto::Throttle {
    proto::Throttle {
        rule: Some(proto::Rule {
            name: "Shell in container".into(),
            ..Default::default()
        }),
        count: 5,
        from_time: at(10),
        to_time: at(12),
        limit_per_minute: 1_000,
    }
}

fn loss() -> proto::Loss {
    proto::Loss {
        hook: "open".into(),
        reason: proto::loss::Reason::RingFull.into(),
        count: 7,
        from_time: at(10),
        to_time: at(12),
        cgroup_id: 4711,
        cgroup_path: "/docker/web".into(),
        container_id: sample::CONTAINER_ID.into(),
        container_name: "web".into(),
    }
}

fn hello() -> proto::Hello {
    proto::Hello {
        progress: Some(proto::Progress::default()),
        node: NODE.into(),
        agent_version: "1.2.3".into(),
        kernel_release: "6.12.1".into(),
        boot_id: "0f0f0f0f-0000-4000-8000-000000000001".into(),
        rules: Some(proto::RuleSetStatus {
            digest: "sha256:0011".into(),
            active: 71,
            generation: 2,
            loaded: at(0),
            failed_reload: Some(proto::FailedReload {
                time: at(1),
                digest: "sha256:0022".into(),
                reasons: vec!["own.yaml:3:1: rule 'x': no such field".into()],
                standing: true,
            }),
            ..Default::default()
        }),
        hooks: vec![hook()],
        oldest_sequence: 1,
        newest_sequence: 0,
        heartbeat_seconds: 5,
        agent_started: at(0),
        baselines: Some(proto::BaselineStatus {
            learnt_workloads: 4,
            reviewed_workloads: 1,
            reviewed_digest: "sha256:0033".into(),
        }),
    }
}

fn hook() -> proto::HookStatus {
    proto::HookStatus {
        topic: "open".into(),
        taken: Some("tracepoint".into()),
        refused: vec![proto::RefusedHook {
            hook: "trampoline".into(),
            why: "the kernel has none".into(),
        }],
        ..Default::default()
    }
}

fn heartbeat() -> proto::Heartbeat {
    proto::Heartbeat {
        progress: Some(proto::Progress {
            complete_through: 9,
            start: 2,
            delivered: 5,
            filtered_count: 1,
            missed: 1,
        }),
        events: Some(proto::EventAccount {
            seen: 10,
            delivered: 9,
            ring_full: 1,
            ..Default::default()
        }),
        alerts: Some(proto::AlertAccount {
            raised: 2,
            stored: 2,
            ..Default::default()
        }),
        events_time: at(11),
        canary_age_ms: Some(900),
    }
}
