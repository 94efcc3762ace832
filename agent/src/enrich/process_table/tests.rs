use gravlens_common::{
    ABI_VERSION, ExecRecord, ForkRecord, Kind, ProcessContext, RecordHeader, context_valid,
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
    let record = ForkRecord {
        header: header(Kind::Fork, size_of::<ForkRecord>()),
        process,
    };
    let Record::Fork(child) = decode(record.as_bytes()).unwrap().1 else {
        panic!("not a fork")
    };
    table.fork(&child)
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
    assert_eq!(child.argv[0].as_ref(), b"server");
    // The parent dies, the kernel hands the child to pid 1, and the child executes a shell.
    let shell = exec(&mut table, context(11, 2, (1, 0)), b"sh\0-c\0id\0");
    assert_eq!(shell.parent.as_ref().unwrap().exec_id.tgid, 10);
    assert_eq!(shell.cmdline.as_ref(), b"sh -c id");
}

#[test]
fn an_event_finds_the_image_that_made_it() {
    let mut table = ProcessTable::default();
    let first = exec(&mut table, context(10, 1, (1, 0)), b"one\0");
    let second = exec(&mut table, context(10, 2, (1, 0)), b"two\0");
    assert_eq!(
        table.of_bulk(&bulk(&first)).unwrap().argv[0].as_ref(),
        b"one"
    );
    assert_eq!(
        table.of_bulk(&bulk(&second)).unwrap().argv[0].as_ref(),
        b"two"
    );
}

#[test]
fn an_unknown_image_is_not_the_one_that_runs_now() {
    let mut table = ProcessTable::default();
    let known = exec(&mut table, context(10, 1, (1, 0)), b"one\0");
    let mut other = bulk(&known);
    other.exec_key ^= 1;
    let stand_in = table.of_bulk(&other).unwrap_err();
    assert!(stand_in.argv.is_empty() && stand_in.comm.is_empty());
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
    assert!(table.get(first.exec_id.key()).is_some());
    table.tick(RETENTION_NS);
    assert!(table.get(first.exec_id.key()).is_none());
    assert_eq!(table.len(), 1);
}

#[test]
fn an_image_that_was_found_first_is_not_forgotten_for_its_own_exec() {
    let mut table = ProcessTable::default();
    exec(&mut table, context(10, 1, (1, 0)), b"one\0");
    let again = exec(&mut table, context(10, 1, (1, 0)), b"one\0");
    table.tick(RETENTION_NS);
    assert!(table.get(again.exec_id.key()).is_some());
}

#[test]
fn who_only_changes_the_cgroup_tree_is_not_entered() {
    let table = ProcessTable::default();
    let record = ForkRecord {
        header: header(Kind::Fork, size_of::<ForkRecord>()),
        process: context(20, 1, (1, 0)),
    };
    let Record::Fork(outsider) = decode(record.as_bytes()).unwrap().1 else {
        panic!("not a fork")
    };
    assert_eq!(table.peek(&outsider).exec_id.tgid, 20);
    assert!(table.is_empty());
}
