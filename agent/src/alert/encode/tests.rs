use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::alert::sample;
use crate::model::{self, Call, Image, Process, Syscall};
use crate::proto::event::Payload;

#[test]
fn an_alert_names_rule_event_process_ancestors_and_container() {
    let encoded = alert("id-1".into(), &sample::alert_in(sample::container_view()));
    assert_eq!(encoded.priority, "Warning");
    assert_eq!(encoded.severity(), proto::Severity::Warning);
    let event = encoded.event.unwrap();
    assert_eq!(event.r#type, "openat");
    let Some(Payload::Open(open)) = event.payload else {
        panic!("no open");
    };
    assert_eq!(open.path.unwrap().text, "/etc/shadow");
    assert!(open.read && !open.write);
    let process = encoded.process.unwrap();
    assert_eq!((process.pid, process.name.as_str()), (200, "sh"));
    let executable = process.executable.unwrap();
    assert_eq!((executable.device_major, executable.device_minor), (8, 1));
    // The event is 10 s after boot, the process started 9 s after it.
    let started = SystemTime::try_from(process.start_time.unwrap()).unwrap();
    let event_time = SystemTime::try_from(event.time.unwrap()).unwrap();
    assert_eq!(
        event_time.duration_since(started).unwrap(),
        Duration::from_secs(1)
    );
    let ancestors: Vec<_> = encoded.ancestors.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(ancestors, ["nginx"]);
    assert_eq!(encoded.container.unwrap().identity(), proto::Identity::Full);
}

#[test]
fn a_node_process_has_no_container_and_a_late_one_says_so() {
    let host = alert("id".into(), &sample::alert_in(ContainerView::Host(None)));
    assert_eq!(host.container, None);
    let late = Alert {
        late: true,
        ..sample::alert_in(sample::container_view())
    };
    let late = alert("id".into(), &late).container.unwrap();
    assert_eq!(late.identity(), proto::Identity::Late);
}

#[test]
fn a_call_is_told_with_its_arguments_by_name() {
    let mut input = sample::alert_in(ContainerView::Host(None));
    input.event.syscall = Syscall::Ptrace;
    input.event.payload = model::Payload::Call(Call {
        arguments: [16, 7, 0, 0, 0, 0],
        descriptor: None,
        fd_shared: false,
    });
    let event = alert("id".into(), &input).event.unwrap();
    let Some(Payload::Call(call)) = event.payload else {
        panic!("no call");
    };
    let request = &call.arguments[0];
    assert_eq!((request.name.as_str(), request.value), ("request", 16));
    assert_eq!(request.text, "PTRACE_ATTACH");
    assert_eq!(call.arguments.len(), 4);
    assert_eq!(call.descriptor, None);
}

fn own_image(process: &mut Process) -> &mut Image {
    Arc::get_mut(&mut process.image).unwrap()
}

#[test]
fn an_unknown_cgroup_is_neither_the_node_nor_a_known_container() {
    let unknown = |why| alert("id".into(), &sample::alert_in(sample::unknown_view(9, why)));
    let waits = unknown(None).container.unwrap();
    assert_eq!(waits.identity(), proto::Identity::CgroupOnly);
    assert_eq!((waits.cgroup_id, waits.id.as_str()), (9, ""));
    let failed = unknown(Some("gone")).container.unwrap();
    assert_eq!(failed.identity(), proto::Identity::Failed);
    assert_eq!(failed.identity_error, "gone");
}

#[test]
fn long_chains_and_long_arguments_of_ancestors_are_cut() {
    let mut chain = sample::process(1, "init", None);
    own_image(&mut chain).argv.push(vec![b'x'; 10_000].into());
    for pid in 2..60 {
        chain = sample::process(pid, "sh", Some(Arc::new(chain)));
        own_image(&mut chain).argv.push(vec![b'x'; 10_000].into());
    }
    let mut input = sample::alert_in(ContainerView::Host(None));
    input.event.process = Arc::new(chain);
    let encoded = alert("id".into(), &input);
    assert_eq!(encoded.ancestors.len(), MAX_ANCESTORS);
    assert!(encoded.ancestors_truncated);
    assert!(encoded.ancestors[0].args_truncated);
    assert_eq!(encoded.ancestors[0].args.len(), 3);
    assert_eq!(encoded.process.unwrap().args.len(), 4);
}

#[test]
fn bytes_that_are_no_text_are_marked() {
    let mut input = sample::alert_in(ContainerView::Host(None));
    let mut process = sample::process(7, "sh", None);
    own_image(&mut process).argv[2] = b"\xff".as_slice().into();
    input.event.process = Arc::new(process);
    let process = alert("id".into(), &input).process.unwrap();
    assert!(process.escaped);
    assert_eq!(process.args[2], "\\xff");
}

#[test]
fn what_a_baseline_says_is_told_and_nothing_that_it_does_not_know() {
    let encoded = alert("id".into(), &sample::alert_of(sample::behaviour()));
    assert_eq!(encoded.rule.unwrap().language, "baseline");
    let told = encoded.baseline.unwrap();
    assert_eq!(told.kind(), proto::BaselineKind::New);
    assert_eq!(told.phase(), proto::BaselinePhase::Run);
    assert_eq!(told.state(), proto::BaselineState::Armed);
    assert_eq!(told.workload, "image docker.io/nginx");
    assert_eq!(
        (told.class.as_str(), told.object.as_str()),
        ("file_read", "/etc/shadow")
    );
    let nearest = told.nearest.unwrap();
    assert_eq!(nearest.diverging.as_deref(), Some("shadow"));
    let watched = told.watched.unwrap();
    assert_eq!((watched.windows, watched.instances), (1_440, 2));
    assert_eq!((watched.starts, watched.seconds), (3, 86_400));
    let predicted = told.predicted.unwrap();
    assert_eq!(predicted.per(), proto::baseline_prediction::Per::Day);
    assert_eq!((predicted.expected, predicted.bound), (0.25, 0.75));
    let unknown = model::BaselineEvidence {
        nearest: None,
        predicted: None,
        ..sample::behaviour()
    };
    let told = alert("id".into(), &sample::alert_of(unknown))
        .baseline
        .unwrap();
    assert!(told.nearest.is_none() && told.predicted.is_none());
    let by_rule = alert("id".into(), &sample::alert_in(ContainerView::Host(None)));
    assert!(by_rule.baseline.is_none());
}
