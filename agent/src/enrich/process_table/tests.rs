use gravlens_common::{
    ABI_VERSION, ExecRecord, ExitRecord, ForkRecord, Kind, ProcessContext, RecordHeader,
    TaskRecord, context_valid,
};
use zerocopy::IntoBytes;

use super::*;
use crate::decode::{Record, decode};

fn context(tgid: u32, seq: u32, parent: (u32, u32)) -> ProcessContext {
    let mut comm = [0; 16];
    comm[..2].copy_from_slice(b"sh");
    ProcessContext {
        tgid,
        tid: tgid,
        start_boottime_ns: u64::from(tgid) * 1000,
        exec_seq: seq,
        parent_tgid: parent.0,
        parent_start_boottime_ns: u64::from(parent.0) * 1000,
        parent_exec_seq: parent.1,
        valid: context_valid::PARENT | context_valid::CREDENTIALS,
        comm,
        ..ProcessContext::default()
    }
}

fn header(kind: Kind, size: usize) -> RecordHeader {
    RecordHeader {
        kind: kind as u8,
        version: ABI_VERSION,
        size: size as u32,
        ..RecordHeader::default()
    }
}

fn exec(table: &mut ProcessTable, process: ProcessContext, argv: &[u8]) -> Arc<Process> {
    let record = ExecRecord {
        header: header(Kind::Exec, size_of::<ExecRecord>() + argv.len()),
        process,
        argv_len: argv.len() as u16,
        ..ExecRecord::default()
    };
    let bytes = [record.as_bytes(), argv].concat();
    let Record::Exec(view) = decode(&bytes).unwrap().1 else {
        panic!("not an exec")
    };
    table.exec(&view, 0)
}

fn fork(table: &mut ProcessTable, process: ProcessContext) -> Arc<Process> {
    let forker = ExecKey::new(
        process.parent_tgid,
        process.parent_start_boottime_ns,
        process.parent_exec_seq,
    );
    fork_by(table, process, forker)
}

fn fork_by(table: &mut ProcessTable, process: ProcessContext, forker: ExecKey) -> Arc<Process> {
    let record = ForkRecord {
        header: header(Kind::Fork, size_of::<ForkRecord>()),
        process,
        forker_key: forker.0,
    };
    let Record::Fork(view) = decode(record.as_bytes()).unwrap().1 else {
        panic!("not a fork")
    };
    table.fork(&view, 0)
}

/// The task iterator finds it.
fn find(table: &mut ProcessTable, process: ProcessContext) {
    let record = TaskRecord {
        header: header(Kind::Task, size_of::<TaskRecord>()),
        process,
        ..TaskRecord::default()
    };
    let Record::Task(task) = decode(record.as_bytes()).unwrap().1 else {
        panic!("not a task")
    };
    let details = ProcDetails {
        argv: b"found\0".to_vec(),
        ..ProcDetails::default()
    };
    table.found(&task, &details, 0);
}

fn exit(table: &mut ProcessTable, process: ProcessContext) -> Option<Arc<Process>> {
    table.exit(&as_context(process), 0)
}

fn as_context(process: ProcessContext) -> Context {
    let record = ExitRecord {
        header: header(Kind::Exit, size_of::<ExitRecord>()),
        process,
        ..ExitRecord::default()
    };
    let Record::Exit(view) = decode(record.as_bytes()).unwrap().1 else {
        panic!("not an exit")
    };
    view.context
}

fn bulk(process: &Process) -> BulkContext {
    BulkContext {
        exec_key: process.exec_id.key().0,
        ..BulkContext::default()
    }
}

#[test]
fn a_child_keeps_the_parent_that_forked_it() {
    let mut table = ProcessTable::default();
    exec(&mut table, context(10, 1, (1, 0)), b"server\0");
    let child = fork(&mut table, context(11, 1, (10, 1)));
    assert_eq!(child.image.argv[0].as_ref(), b"server");
    // The parent dies, the kernel hands the child to pid 1, and the child executes a shell.
    let shell = exec(&mut table, context(11, 2, (1, 0)), b"sh\0-c\0id\0");
    assert_eq!(shell.parent.as_ref().unwrap().exec_id.tgid, 10);
    assert_eq!(shell.image.cmdline.as_ref(), b"sh -c id");
}

#[test]
fn an_event_finds_the_image_that_made_it() {
    let mut table = ProcessTable::default();
    let first = exec(&mut table, context(10, 1, (1, 0)), b"one\0");
    let second = exec(&mut table, context(10, 2, (1, 0)), b"two\0");
    assert_eq!(table.of_bulk(&bulk(&first)).image.argv[0].as_ref(), b"one");
    assert_eq!(table.of_bulk(&bulk(&second)).image.argv[0].as_ref(), b"two");
}

#[test]
fn an_unknown_image_is_not_the_one_that_runs_now() {
    let mut table = ProcessTable::default();
    let known = exec(&mut table, context(10, 1, (1, 0)), b"one\0");
    let mut other = bulk(&known);
    other.exec_key ^= 1;
    let stand_in = table.of_bulk(&other);
    assert!(stand_in.image.argv.is_empty() && stand_in.comm.is_empty());
}

#[test]
fn a_reused_pid_has_no_part_in_the_old_ancestry() {
    let mut table = ProcessTable::default();
    exec(&mut table, context(10, 1, (1, 0)), b"old\0");
    let mut reused = context(10, 1, (99, 0));
    reused.start_boottime_ns += 5;
    let new = exec(&mut table, reused, b"new\0");
    assert!(new.parent.is_none());
}

#[test]
fn a_replaced_image_is_forgotten_after_a_while() {
    let mut table = ProcessTable::default();
    let first = exec(&mut table, context(10, 1, (1, 0)), b"one\0");
    exec(&mut table, context(10, 2, (1, 0)), b"two\0");
    table.tick(RETENTION_NS - 1);
    assert!(table.knows(first.exec_id.key()));
    table.tick(RETENTION_NS);
    assert!(!table.knows(first.exec_id.key()));
    assert_eq!(table.len(), 1);
}

#[test]
fn an_image_that_was_found_first_is_not_forgotten_for_its_own_exec() {
    let mut table = ProcessTable::default();
    exec(&mut table, context(10, 1, (1, 0)), b"one\0");
    let again = exec(&mut table, context(10, 1, (1, 0)), b"one\0");
    table.tick(RETENTION_NS);
    assert!(table.knows(again.exec_id.key()));
}

#[test]
fn who_only_changes_the_cgroup_tree_is_not_entered() {
    let mut table = ProcessTable::default();
    let outsider = as_context(context(20, 1, (1, 0)));
    assert_eq!(table.peek(&outsider).exec_id.tgid, 20);
    assert!(table.is_empty());
}

#[test]
fn a_clone_for_the_parent_runs_the_image_of_who_cloned() {
    let mut table = ProcessTable::default();
    exec(&mut table, context(10, 1, (1, 0)), b"supervisor\0");
    fork(&mut table, context(11, 1, (10, 1)));
    let cloner = exec(&mut table, context(11, 2, (10, 1)), b"worker\0");
    // CLONE_PARENT: the kernel names the cloner's parent as the child's.
    let child = fork_by(&mut table, context(12, 2, (10, 1)), cloner.exec_id.key());
    assert_eq!(child.image.argv[0].as_ref(), b"worker");
    assert_eq!(child.parent.as_ref().unwrap().exec_id.tgid, 10);
}

#[test]
fn a_process_that_is_not_known_has_no_ids() {
    let table = ProcessTable::default();
    let stand_in = table.of_bulk(&BulkContext::default());
    assert_eq!((stand_in.ids, stand_in.capabilities), (None, None));
}

#[test]
fn an_end_is_told_once() {
    let mut table = ProcessTable::default();
    exec(&mut table, context(10, 1, (1, 0)), b"sh\0");
    assert!(exit(&mut table, context(10, 1, (1, 0))).is_some());
    assert!(exit(&mut table, context(10, 1, (1, 0))).is_none());
    // Also that of a process that nothing told before.
    assert!(exit(&mut table, context(11, 1, (1, 0))).is_some());
    assert!(exit(&mut table, context(11, 1, (1, 0))).is_none());
    table.tick(RETENTION_NS);
    assert!(table.is_empty());
}

#[test]
fn a_lost_end_is_noticed_when_the_pid_comes_again() {
    let mut table = ProcessTable::default();
    exec(&mut table, context(10, 1, (1, 0)), b"old\0");
    let mut reused = context(10, 1, (1, 0));
    reused.start_boottime_ns += 5;
    exec(&mut table, reused, b"new\0");
    table.tick(RETENTION_NS);
    assert_eq!(table.len(), 1);
}

#[test]
fn a_lost_end_is_noticed_by_the_task_iterator() {
    let mut table = ProcessTable::default();
    let gone = exec(&mut table, context(10, 1, (1, 0)), b"gone\0");
    let runs = exec(&mut table, context(11, 1, (1, 0)), b"runs\0");
    table.retain_found(&[runs.exec_id.key()].into(), 1, 1);
    table.tick(1 + RETENTION_NS);
    assert!(!table.knows(gone.exec_id.key()) && table.knows(runs.exec_id.key()));
}

#[test]
fn who_ended_before_the_task_iterator_looked_keeps_the_parent_of_the_fork() {
    let mut table = ProcessTable::default();
    let parent = exec(&mut table, context(10, 1, (1, 0)), b"parent\0");
    fork(&mut table, context(11, 0, (10, 1)));
    table.retain_found(&[parent.exec_id.key()].into(), 1, 1);
    let orphan = exec(&mut table, context(11, 1, (1, 0)), b"orphan\0");
    assert_eq!(orphan.parent.as_ref().unwrap().exec_id.tgid, 10);
    table.tick(1 + RETENTION_NS);
    assert_eq!(table.len(), 2);
}

#[test]
fn the_task_iterator_says_nothing_of_who_came_after_it() {
    let mut table = ProcessTable::default();
    let young = exec(&mut table, context(10, 1, (1, 0)), b"young\0");
    table.retain_found(&HashSet::new(), 0, 1);
    table.tick(1 + RETENTION_NS);
    assert!(table.knows(young.exec_id.key()));
}

#[test]
fn an_overtaken_record_does_not_bring_an_old_image_back() {
    let mut table = ProcessTable::default();
    let now = exec(&mut table, context(10, 2, (1, 0)), b"now\0");
    exec(&mut table, context(10, 1, (1, 0)), b"before\0");
    table.tick(RETENTION_NS);
    assert_eq!(table.len(), 1);
    exit(&mut table, context(10, 2, (1, 0))).unwrap();
    table.tick(RETENTION_NS);
    assert!(!table.knows(now.exec_id.key()));
}

#[test]
fn an_endless_chain_of_forks_keeps_the_nearest_ancestors() {
    let mut table = ProcessTable::default();
    exec(&mut table, context(1000, 1, (1, 0)), b"chain\0");
    for pid in 1001..1500 {
        let child = fork(&mut table, context(pid, 1, (pid - 1, 1)));
        let depth = child.ancestors().count();
        assert_eq!(depth, usize::from(child.depth));
        assert!(depth <= usize::from(ancestry::MAX_ANCESTORS));
        let expected = usize::from(ancestry::MIN_ANCESTORS).min(pid as usize - 1000);
        let nearest = child.ancestors().take(expected).map(|it| it.exec_id.tgid);
        assert!(nearest.eq((0..expected as u32).map(|up| pid - 1 - up)));
        exit(&mut table, context(pid - 1, 1, (pid - 2, 1)));
    }
}

#[test]
fn children_of_one_parent_share_its_ancestry() {
    let mut table = ProcessTable::default();
    exec(&mut table, context(1000, 1, (1, 0)), b"chain\0");
    let last = 1000 + u32::from(ancestry::MAX_ANCESTORS);
    for pid in 1001..=last {
        fork(&mut table, context(pid, 1, (pid - 1, 1)));
    }
    let first = fork(&mut table, context(5000, 1, (last, 1)));
    let second = fork(&mut table, context(5001, 1, (last, 1)));
    let (first, second) = (
        first.parent.clone().unwrap(),
        second.parent.clone().unwrap(),
    );
    assert!(Arc::ptr_eq(&first, &second));
}

#[test]
fn long_command_lines_do_not_fill_the_memory() {
    let mut table = ProcessTable::default();
    let argv = [b"sh\0".as_slice(), &[b'x'; 32_000], b"\0"].concat();
    for pid in 10..3_000 {
        let event = exec(&mut table, context(pid, 1, (1, 0)), &argv);
        assert_eq!(event.image.argv[1].len(), 32_000, "the event is whole");
    }
    let kept: usize = (10..3_000)
        .filter_map(|pid| table.process(as_context(context(pid, 1, (1, 0))).exec_id.key()))
        .map(|process| process.image.argv.iter().map(|it| it.len()).sum::<usize>())
        .sum();
    assert!(kept < 40 * 1024 * 1024, "{kept}");
    let last = as_context(context(2_999, 1, (1, 0))).exec_id.key();
    assert!(table.process(last).unwrap().image.argv_truncated);
}

#[test]
fn a_full_table_forgets_who_ended_first() {
    let mut table = ProcessTable::default();
    for pid in 0..MAX_ENTRIES as u32 {
        fork(&mut table, context(pid + 2, 1, (1, 0)));
    }
    let refused = fork(&mut table, context(90_000, 1, (1, 0)));
    assert!(table.process(refused.exec_id.key()).is_none());
    exit(&mut table, context(2, 1, (1, 0)));
    let entered = fork(&mut table, context(90_001, 1, (1, 0)));
    assert!(table.process(entered.exec_id.key()).is_some());
    assert_eq!(table.len(), MAX_ENTRIES);
}

#[test]
fn an_image_that_is_found_before_its_records_come_keeps_the_parent_of_the_fork() {
    // A daemon: its parent has ended, and the kernel names another by now.
    let orphan = (1, 0);
    for fork_is_told_first in [true, false] {
        let mut table = ProcessTable::default();
        exec(&mut table, context(10, 1, (1, 0)), b"parent\0");
        if fork_is_told_first {
            fork(&mut table, context(11, 1, (10, 1)));
        }
        find(&mut table, context(11, 2, orphan));
        if !fork_is_told_first {
            fork(&mut table, context(11, 1, (10, 1)));
        }
        let image = exec(&mut table, context(11, 2, orphan), b"daemon\0");
        assert_eq!(image.parent.as_ref().unwrap().exec_id.tgid, 10);
    }
}

#[test]
fn an_image_that_was_never_told_is_found_later() {
    let mut table = ProcessTable::default();
    exec(&mut table, context(10, 1, (1, 0)), b"parent\0");
    let moved = table.refresh(&as_context(context(11, 1, (10, 1))), 0);
    let key = moved.exec_id.key();
    assert!(!table.knows(key) && !table.of_bulk(&bulk(&moved)).image.known);
    // Its children do not know it either.
    let child = fork(&mut table, context(12, 1, (11, 1)));
    assert!(!child.image.known);
    find(&mut table, context(11, 1, (1, 0)));
    let found = table.of_bulk(&bulk(&moved));
    assert!(table.knows(key) && found.seen_late);
    assert_eq!(found.image.argv[0].as_ref(), b"found");
    assert_eq!(found.parent.as_ref().unwrap().exec_id.tgid, 10);
}

#[test]
fn a_change_of_groups_makes_a_new_version() {
    let mut table = ProcessTable::default();
    let grouped = |pgid: u32, valid: u32| ProcessContext {
        pgid,
        valid: context_valid::PARENT | context_valid::CREDENTIALS | valid,
        ..context(10, 1, (1, 0))
    };
    let told = context_valid::GROUPS;
    exec(&mut table, grouped(10, told), b"sh\0");
    let group = |process: &Process| process.groups.map(|groups| groups.group);
    let moved = table.refresh(&as_context(grouped(7, told)), 0);
    assert_eq!(group(&moved), Some(7));
    // A record that could not read them says nothing of them.
    let kept = table.refresh(&as_context(grouped(0, 0)), 0);
    assert_eq!(group(&kept), Some(7));
    assert!(Arc::ptr_eq(&moved, &kept));
}

#[test]
fn an_environment_counts_like_arguments() {
    let mut table = ProcessTable::default();
    let variables = [b"A=", [b'x'; 8000].as_slice(), b"\0"].concat();
    let mut whole = 0;
    for pid in 1..6000 {
        let record = ExecRecord {
            header: header(Kind::Exec, size_of::<ExecRecord>() + variables.len()),
            process: context(pid, 1, (0, 0)),
            environment_len: variables.len() as u16,
            exe_flags: gravlens_common::exe_flags::ENVIRONMENT,
            ..ExecRecord::default()
        };
        let bytes = [record.as_bytes(), &variables].concat();
        let Ok((_, Record::Exec(exec))) = decode(&bytes) else {
            panic!("an exec record");
        };
        let process = table.exec(&exec, 0);
        // The event itself has all of it.
        assert!(process.image.environment.is_some());
        let kept = table.of_bulk(&bulk(&process));
        whole += usize::from(kept.image.environment.is_some());
    }
    let bytes = whole * variables.len();
    assert!(bytes > 28 << 20 && bytes < 32 << 20, "{bytes}");
}
