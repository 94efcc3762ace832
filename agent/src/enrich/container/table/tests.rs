mod scans;

use super::*;
use scans::scan;

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const SECOND: u64 = 1_000_000_000;

fn table() -> ContainerTable {
    let mut table = ContainerTable::new(TableSettings::default());
    table.mkdir(10, b"/docker", 1);
    table
}

fn own(id: &str) -> Vec<u8> {
    format!("/docker/{id}").into_bytes()
}

fn metadata(name: &str) -> Arc<ContainerMetadata> {
    Arc::new(ContainerMetadata {
        name: name.to_owned(),
        ..ContainerMetadata::default()
    })
}

fn full(id: &str, name: &str) -> ContainerMessage {
    ContainerMessage::Full {
        runtime: Runtime::Docker,
        id: id.to_owned(),
        metadata: metadata(name),
    }
}

fn failed(id: &str, why: &str) -> ContainerMessage {
    ContainerMessage::Failed {
        runtime: Runtime::Docker,
        id: id.to_owned(),
        why: why.into(),
    }
}

fn lost() -> ContainerMessage {
    ContainerMessage::RuntimeLost {
        runtime: Runtime::Docker,
        why: "the socket is gone".into(),
    }
}

fn back() -> ContainerMessage {
    ContainerMessage::RuntimeBack {
        runtime: Runtime::Docker,
    }
}

fn container(table: &mut ContainerTable, cgroup: u64) -> Arc<Container> {
    match table.view(cgroup) {
        ContainerView::Container(container) => container,
        other => panic!("cgroup {cgroup} shows {other:?}"),
    }
}

fn name(table: &mut ContainerTable, cgroup: u64) -> Option<String> {
    container(table, cgroup).metadata().map(|m| m.name.clone())
}

fn requests(table: &mut ContainerTable) -> Vec<String> {
    let mut ids = Vec::new();
    table.offer_requests(|request| {
        ids.push(request.id);
        true
    });
    ids
}

#[test]
fn a_new_container_is_asked_for_once_and_named_when_the_answer_comes() {
    let mut table = table();
    table.mkdir(11, &own(A), 5);
    let found = container(&mut table, 11);
    assert_eq!(
        (found.identity.clone(), found.runtime),
        (Identity::Pending, Runtime::Docker)
    );
    assert_eq!((found.cgroup_id, found.created_boot_ns), (11, Some(5)));
    assert_eq!(requests(&mut table), [A]);
    assert!(requests(&mut table).is_empty());
    let changed = table.apply(full(A, "web"));
    assert_eq!(changed.len(), 1);
    assert_eq!(name(&mut table, 11).as_deref(), Some("web"));
    assert!(table.apply(full(A, "web")).is_empty(), "nothing changed");
    assert_eq!(table.apply(full(A, "renamed")).len(), 1);
}

#[test]
fn what_docker_announced_first_is_there_at_once() {
    let mut table = table();
    assert!(
        table.apply(full(A, "web")).is_empty(),
        "no cgroup has it yet"
    );
    table.mkdir(11, &own(A), 5);
    assert_eq!(name(&mut table, 11).as_deref(), Some("web"));
    assert!(requests(&mut table).is_empty());
    table.apply(ContainerMessage::Gone { id: A.to_owned() });
    assert_eq!(
        name(&mut table, 11).as_deref(),
        Some("web"),
        "its last events are under way"
    );
}

#[test]
fn a_cgroup_parent_names_no_runtime_until_docker_answers() {
    let mut table = table();
    table.mkdir(20, b"/gravlens-test-1-1", 2);
    table.mkdir(21, format!("/gravlens-test-1-1/{A}").as_bytes(), 3);
    assert_eq!(container(&mut table, 21).runtime, Runtime::Unknown);
    assert_eq!(requests(&mut table), [A]);
    table.apply(full(A, "web"));
    assert_eq!(container(&mut table, 21).runtime, Runtime::Docker);
}

#[test]
fn nested_cgroups_inherit_the_container_and_its_changes() {
    let mut table = table();
    table.mkdir(11, &own(A), 5);
    table.mkdir(12, format!("/docker/{A}/init").as_bytes(), 6);
    table.mkdir(13, format!("/docker/{A}/init/deeper").as_bytes(), 7);
    table.apply(full(A, "web"));
    assert_eq!(name(&mut table, 13).as_deref(), Some("web"));
    assert!(matches!(table.view(10), ContainerView::Host(_)));
}

fn unit(table: &mut ContainerTable, cgroup: u64) -> Option<Arc<Unit>> {
    match table.view(cgroup) {
        ContainerView::Host(unit) => unit,
        other => panic!("cgroup {cgroup} shows {other:?}"),
    }
}

#[test]
fn a_service_is_known_by_the_life_of_its_cgroup() {
    let mut table = table();
    assert_eq!(unit(&mut table, 10), None);
    table.mkdir(20, b"/system.slice", 2);
    table.mkdir(21, b"/system.slice/a.service", 3);
    table.mkdir(22, b"/system.slice/a.service/worker", 4);
    assert_eq!(unit(&mut table, 20), None);
    let first = unit(&mut table, 21).unwrap();
    assert_eq!((first.name.as_str(), first.cgroup_id), ("a.service", 21));
    assert_eq!(first.created_boot_ns, Some(3));
    assert_eq!(unit(&mut table, 22), Some(Arc::clone(&first)));

    table.rmdir(22, b"/system.slice/a.service/worker", 5);
    table.rmdir(21, b"/system.slice/a.service", 5);
    assert_eq!(
        unit(&mut table, 22),
        Some(Arc::clone(&first)),
        "its last events"
    );
    table.mkdir(31, b"/system.slice/a.service", 6);
    table.mkdir(32, b"/system.slice/a.service/worker", 6);
    assert_eq!(unit(&mut table, 32).unwrap().cgroup_id, 31);
    table.tick(100 * SECOND);
    table.mkdir(33, b"/system.slice/a.service/other", 101 * SECOND);
    assert_eq!(unit(&mut table, 33).unwrap().cgroup_id, 31);
    // Below one that is out of sight nobody can tell where it begins and ends.
    table.mkdir(41, b"/system.slice/b.service/worker", 102 * SECOND);
    assert_eq!(unit(&mut table, 41), None);
}

#[test]
fn containers_of_a_service_are_no_part_of_it() {
    let mut table = table();
    table.mkdir(20, b"/system.slice/docker.service", 2);
    table.mkdir(
        21,
        format!("/system.slice/docker.service/{A}").as_bytes(),
        3,
    );
    assert_eq!(container(&mut table, 21).id, A);
    assert_eq!(unit(&mut table, 20).unwrap().name, "docker.service");
}

fn is_unknown(table: &mut ContainerTable, cgroup: u64) -> bool {
    matches!(table.view(cgroup), ContainerView::Unknown { .. })
}

fn is_pending(table: &mut ContainerTable, cgroup: u64) -> bool {
    table.view(cgroup).is_pending()
}

#[test]
fn an_unknown_cgroup_is_not_the_host_and_asks_for_a_scan() {
    let mut table = table();
    assert!(is_unknown(&mut table, 99));
    assert_eq!(table.counters().unknown_lookups, 1);
    assert!(table.take_scan_request(), "at once");
    assert!(is_unknown(&mut table, 98));
    assert!(!table.take_scan_request(), "one is under way");
    table.apply(scan(2, &[(10, "/docker")]));
    assert!(!table.take_scan_request(), "not twice in a second");
    table.tick(2 * SECOND);
    assert!(!table.take_scan_request(), "both were looked for");
    assert!(is_unknown(&mut table, 97));
    assert!(table.take_scan_request());
}

#[test]
fn a_scan_settles_what_an_unknown_cgroup_is() {
    let mut table = table();
    for cgroup in [11, 12, 13] {
        assert!(is_pending(&mut table, cgroup));
    }
    table.apply(scan(
        5,
        &[(10, "/docker"), (11, &format!("/docker/{A}")), (12, "/x")],
    ));
    let mut settled = table.take_settled();
    settled.sort_unstable();
    assert_eq!(settled, [11, 12, 13]);
    assert_eq!(container(&mut table, 11).id, A);
    assert!(matches!(table.view(12), ContainerView::Host(_)));
    assert!(is_unknown(&mut table, 13) && !is_pending(&mut table, 13));
    assert!(table.take_gone().contains(&13), "its counters go");
}

#[test]
fn a_scan_that_began_before_the_cgroup_was_met_settles_nothing() {
    let mut table = table();
    table.tick(6);
    assert!(is_pending(&mut table, 11));
    assert!(table.take_scan_request());
    table.apply(scan(5, &[(10, "/docker")]));
    assert!(is_pending(&mut table, 11));
    assert!(table.take_settled().is_empty());
    table.tick(2 * SECOND);
    assert!(table.take_scan_request(), "another one looks for it");
}

#[test]
fn a_cgroup_whose_path_was_not_read_to_its_end_is_not_the_host() {
    let cut = format!("/{}", "x".repeat(limits::CGROUP_PATH_MAX - 2));
    for path in ["", &cut] {
        let mut table = table();
        table.mkdir(11, path.as_bytes(), 5);
        assert!(is_pending(&mut table, 11));
        assert!(table.take_scan_request());
        table.apply(scan(6, &[(10, "/docker"), (11, &format!("{cut}/{A}"))]));
        assert_eq!(container(&mut table, 11).id, A);
        table.mkdir(11, path.as_bytes(), 7);
        assert_eq!(container(&mut table, 11).id, A, "what is known stays");
    }
}

#[test]
fn the_end_of_an_unknown_cgroup_tells_whose_it_was() {
    let mut table = table();
    assert!(is_pending(&mut table, 11) && is_pending(&mut table, 12));
    table.rmdir(11, &own(A), 5);
    table.rmdir(12, b"", 5);
    assert_eq!(table.take_settled(), [11, 12]);
    assert_eq!(container(&mut table, 11).id, A);
    assert!(is_unknown(&mut table, 12) && !is_pending(&mut table, 12));
    assert_eq!(table.take_gone(), [11, 12]);
}

#[test]
fn a_full_table_says_why_a_cgroup_stays_unknown() {
    let mut table = ContainerTable::new(TableSettings {
        max_cgroups: 1,
        ..TableSettings::default()
    });
    table.mkdir(10, b"/docker", 1);
    assert!(is_pending(&mut table, 11));
    table.apply(scan(5, &[(10, "/docker"), (11, "/x")]));
    let ContainerView::Unknown { why: Some(why), .. } = table.view(11) else {
        panic!("it is known");
    };
    assert!(why.contains("no place"), "{why}");
    assert!(table.take_gone().is_empty(), "it lives");
}

#[test]
fn a_child_whose_container_was_missed_waits_for_the_scan() {
    let mut table = table();
    table.mkdir(12, format!("/docker/{A}/init").as_bytes(), 6);
    assert!(table.take_scan_request());
    assert!(is_unknown(&mut table, 12));
    table.apply(scan(
        7,
        &[
            (10, "/docker"),
            (11, &format!("/docker/{A}")),
            (12, &format!("/docker/{A}/init")),
        ],
    ));
    assert_eq!(container(&mut table, 12).cgroup_id, 11);
    assert_eq!(container(&mut table, 12).created_boot_ns, None);
}

#[test]
fn an_exited_container_stays_known_for_a_while() {
    let mut table = table();
    table.mkdir(11, &own(A), 5);
    table.rmdir(11, &own(A), 10 * SECOND);
    table.apply(full(A, "short-lived"));
    table.tick(69 * SECOND);
    assert_eq!(
        name(&mut table, 11).as_deref(),
        Some("short-lived"),
        "a late answer counts"
    );
    table.tick(70 * SECOND);
    assert!(is_unknown(&mut table, 11));
    assert_eq!(table.containers().count(), 0);
}

#[test]
fn a_restarted_container_is_a_new_value_and_the_old_one_keeps_its_own() {
    let mut table = table();
    table.apply(full(A, "before"));
    table.mkdir(11, &own(A), 5);
    table.rmdir(11, &own(A), 6);
    table.mkdir(15, &own(A), 7);
    table.mkdir(16, format!("/docker/{A}/init").as_bytes(), 8);
    assert_eq!(
        name(&mut table, 15).as_deref(),
        Some("before"),
        "no wait for a known container"
    );
    table.apply(full(A, "after"));
    assert_eq!(name(&mut table, 11).as_deref(), Some("before"));
    assert_eq!(name(&mut table, 15).as_deref(), Some("after"));
    assert_eq!(container(&mut table, 16).cgroup_id, 15);
}

#[test]
fn a_cgroup_id_used_again_belongs_to_the_new_cgroup() {
    let mut table = table();
    table.mkdir(11, &own(A), 5);
    table.mkdir(11, &own(B), 6);
    assert_eq!(container(&mut table, 11).id, B);
    assert_eq!(requests(&mut table), [B]);
    table.mkdir(11, b"/plain", 7);
    assert!(matches!(table.view(11), ContainerView::Host(_)));
}

#[test]
fn a_failure_is_told_but_never_erases_an_answer() {
    let mut table = table();
    table.mkdir(11, &own(A), 5);
    assert_eq!(table.apply(failed(A, "no such container")).len(), 1);
    assert_eq!(
        container(&mut table, 11).identity,
        Identity::Failed("no such container".into())
    );
    table.apply(full(A, "web"));
    assert!(table.apply(failed(A, "removed meanwhile")).is_empty());
    assert_eq!(name(&mut table, 11).as_deref(), Some("web"));
}

#[test]
fn a_lost_runtime_fails_who_waits_and_its_return_asks_again() {
    let mut table = table();
    table.mkdir(11, &own(A), 5);
    assert_eq!(requests(&mut table), [A]);
    assert_eq!(table.apply(lost()).len(), 1);
    table.mkdir(12, &own(B), 6);
    let why = Identity::Failed("the socket is gone".into());
    assert_eq!(container(&mut table, 11).identity, why);
    assert_eq!(container(&mut table, 12).identity, why);
    assert!(requests(&mut table).is_empty());
    assert_eq!(table.apply(back()).len(), 2);
    let mut asked = requests(&mut table);
    asked.sort();
    assert_eq!(asked, [A, B]);
}

#[test]
fn a_runtime_without_a_client_fails_at_once() {
    let mut table = table();
    table.mkdir(11, format!("/machine.slice/libpod-{A}.scope").as_bytes(), 5);
    let found = container(&mut table, 11);
    assert_eq!(
        found.identity,
        Identity::Failed("no client for Podman is configured".into())
    );
    assert!(requests(&mut table).is_empty());
}

#[test]
fn a_full_request_channel_loses_no_request() {
    let mut table = table();
    table.mkdir(11, &own(A), 5);
    table.mkdir(12, &own(B), 6);
    let mut room = 1;
    let mut sent = Vec::new();
    table.offer_requests(|request| {
        if room == 0 {
            return false;
        }
        room -= 1;
        sent.push(request.id);
        true
    });
    assert_eq!(sent, [A]);
    assert_eq!(table.counters().deferred_requests, 1);
    assert_eq!(requests(&mut table), [B]);
}

#[test]
fn a_forged_id_does_not_leave_its_container() {
    let mut table = table();
    table.mkdir(11, &own(A), 5);
    table.mkdir(12, &own(B), 6);
    table.apply(full(A, "intruder"));
    table.apply(full(B, "victim"));
    table.mkdir(13, format!("/docker/{A}/docker-{B}.scope").as_bytes(), 7);
    assert_eq!(name(&mut table, 13).as_deref(), Some("intruder"));
    assert_eq!(table.counters().identity_conflicts, 1);
}

#[test]
fn a_nested_container_that_no_runtime_knows_counts_as_the_one_around_it() {
    let mut table = table();
    table.apply(full(A, "outer"));
    table.mkdir(11, &own(A), 5);
    table.mkdir(12, format!("/docker/{A}/docker/{B}").as_bytes(), 6);
    assert_eq!(container(&mut table, 12).identity, Identity::Pending);
    table.apply(failed(B, "no such container"));
    assert_eq!(name(&mut table, 12).as_deref(), Some("outer"));
    table.apply(full(B, "inner"));
    assert_eq!(name(&mut table, 12).as_deref(), Some("inner"));
}

#[test]
fn the_table_stays_within_its_bounds() {
    let settings = TableSettings {
        max_cgroups: 4,
        max_removed: 2,
        ..TableSettings::default()
    };
    let mut table = ContainerTable::new(settings);
    for id in 0..8 {
        table.mkdir(id, format!("/x/{id}").as_bytes(), id);
    }
    assert_eq!(table.counters().refused_cgroups, 4);
    table.rmdir(0, b"/x/0", 10);
    table.mkdir(9, b"/x/9", 11);
    assert!(table.known(9).is_some(), "a removed one made room");
    for id in 100..200 {
        table.rmdir(id, b"", id);
    }
    assert!(table.cgroups.len() <= 4 + 2 && table.removed.len() <= 2);
}
