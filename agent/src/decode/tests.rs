use gravlens_common::{
    BulkCallRecord, BulkContext, CallRecord, DnsRecord, Hook, OPEN_EXECUTABLE, OpenRecord,
    PathsRecord, ProcessContext, ShortOpenRecord, SocketEnds, SocketRecord, StdioRecord,
    call_flags, context_valid, dns_flags, exe_flags, open_marks, path_flags, stdio_kind,
};
use proptest::prelude::*;
use zerocopy::IntoBytes;

use super::*;
use crate::model::{Groups, Layer, Provenance, StdioKind};

fn header(kind: Kind, size: usize) -> RecordHeader {
    RecordHeader {
        kind: kind as u8,
        version: ABI_VERSION,
        flags: 0,
        size: size as u32,
        boot_ns: 42,
    }
}

fn open_record(path: &[u8], marks: u8) -> Vec<u8> {
    named_open_record(path, 0, marks)
}

fn named_open_record(path: &[u8], name_len: u16, marks: u8) -> Vec<u8> {
    let record = OpenRecord {
        header: header(Kind::Open, size_of::<OpenRecord>() + path.len()),
        context: BulkContext {
            result: -2,
            ..BulkContext::default()
        },
        flags: 0o101,
        name_len,
        call: Call::Openat as u8,
        marks,
    };
    [record.as_bytes(), path].concat()
}

/// The same in its short form.
fn short_open_record(path: &[u8], marks: u8) -> Vec<u8> {
    let bytes = open_record(path, marks);
    let (record, path) = OpenRecord::read_from_prefix(&bytes).unwrap();
    [ShortOpenRecord::of(&record).unwrap().as_bytes(), path].concat()
}

fn paths_record(call: Call, first: &[u8], second: &[u8]) -> Vec<u8> {
    let tail = [first, second].concat();
    let record = PathsRecord {
        header: header(Kind::Paths, size_of::<PathsRecord>() + tail.len()),
        descriptor: -1,
        first_len: first.len() as u16,
        second_len: second.len() as u16,
        call: call as u8,
        ..PathsRecord::default()
    };
    [record.as_bytes(), &tail].concat()
}

/// The record with the last bytes of each path marked as the names that were passed.
fn with_names(mut record: Vec<u8>, names: [u16; 2]) -> Vec<u8> {
    let mut set = |at: usize, value: &[u8]| record[at..at + value.len()].copy_from_slice(value);
    let [first, second] = names.map(u16::to_le_bytes);
    set(std::mem::offset_of!(PathsRecord, first_name_len), &first);
    set(std::mem::offset_of!(PathsRecord, second_name_len), &second);
    let user = [path_flags::USER_MEMORY];
    set(std::mem::offset_of!(PathsRecord, first_marks), &user);
    set(std::mem::offset_of!(PathsRecord, second_marks), &user);
    record
}

fn paths_of(bytes: &[u8]) -> PathsView<'_> {
    match decode(bytes).unwrap().1 {
        Record::Paths(call) => call,
        _ => panic!("not a call on paths"),
    }
}

fn exec_record() -> Vec<u8> {
    let tail: &[&[u8]] = &[b"/bin/x", b"", b"/bin/y", b"/tmp", b"x\0-a\0", b"A=b\0"];
    let mut record = ExecRecord {
        process: ProcessContext {
            tgid: 7,
            comm: *b"x\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            pgid: 6,
            sid: 5,
            vpgid: 2,
            valid: context_valid::GROUPS,
            ..ProcessContext::default()
        },
        filename_len: 6,
        exe_path_len: 6,
        cwd_len: 4,
        argv_len: 5,
        environment_len: 4,
        exe_flags: exe_flags::FILE_VALID
            | exe_flags::LAYER_VALID
            | exe_flags::UPPER
            | exe_flags::ENVIRONMENT
            | exe_flags::ENVIRONMENT_TRUNCATED,
        ..ExecRecord::default()
    };
    let tail = tail.concat();
    record.header = header(Kind::Exec, size_of::<ExecRecord>() + tail.len());
    [record.as_bytes(), &tail].concat()
}

fn cgroup_record(kind: Kind) -> Vec<u8> {
    let record = CgroupRecord {
        header: header(kind, size_of::<CgroupRecord>()),
        process: ProcessContext {
            cgroup_id: 8,
            ..ProcessContext::default()
        },
        cgroup_id: 9,
        ..CgroupRecord::default()
    };
    record.as_bytes().to_vec()
}

fn call_record() -> Vec<u8> {
    let record = CallRecord {
        header: header(Kind::Call, size_of::<CallRecord>()),
        process: ProcessContext {
            cgroup_id: 8,
            ..ProcessContext::default()
        },
        result: -1,
        args: [1, 2, 3, 4, 5, u64::MAX],
        call: Call::Ptrace as u8,
        pad: [0; 7],
    };
    record.as_bytes().to_vec()
}

fn bulk_call_record(call: Call) -> Vec<u8> {
    let record = BulkCallRecord {
        header: header(Kind::BulkCall, size_of::<BulkCallRecord>()),
        context: BulkContext {
            cgroup_id: 8,
            ..BulkContext::default()
        },
        result: 0x7F00_0000_0000,
        args: [1, 2, 3, 4],
        call: call as u8,
        flags: call_flags::FD_SHARED,
        pad: [0; 6],
    };
    record.as_bytes().to_vec()
}

fn dup_record() -> Vec<u8> {
    let descriptor = StdioRecord {
        kind: stdio_kind::SOCKET,
        ends: SocketEnds {
            family: 2,
            ..SocketEnds::default()
        },
        ..StdioRecord::default()
    };
    let mut bytes = [&bulk_call_record(Call::Dup2), descriptor.as_bytes()].concat();
    let size = (bytes.len() as u32).to_le_bytes();
    bytes[4..8].copy_from_slice(&size);
    bytes
}

fn dns_record(payload: &[u8], flags: u16) -> Vec<u8> {
    let mut asked = [0; 16];
    asked[..4].copy_from_slice(&[10, 0, 0, 53]);
    let mut remote = asked;
    remote[3] = 66;
    let record = DnsRecord {
        header: header(Kind::Dns, size_of::<DnsRecord>() + payload.len()),
        context: BulkContext {
            cgroup_id: 8,
            ..BulkContext::default()
        },
        cookie: 5,
        ends: SocketEnds {
            family: 2,
            protocol: 17,
            local_port: 40_000,
            remote_port: 41_000,
            remote,
            ..SocketEnds::default()
        },
        asked,
        total_len: 600,
        asked_family: 2,
        asked_port: 53,
        payload_len: payload.len() as u16,
        flags,
        ..DnsRecord::default()
    };
    [record.as_bytes(), payload].concat()
}

#[test]
fn an_image_has_its_groups_and_environment() {
    let bytes = exec_record();
    let (_, Record::Exec(exec)) = decode(&bytes).unwrap() else {
        panic!("an exec record");
    };
    let groups = Groups {
        group: 6,
        session: 5,
        own_group: 2,
        own_session: 0,
    };
    assert_eq!(exec.context.groups, Some(groups));
    assert_eq!(exec.argv, b"x\0-a\0");
    assert_eq!(exec.environment, Some(b"A=b\0".as_slice()));
    assert!(exec.environment_truncated);
    let mut bytes = bytes;
    let flags = std::mem::offset_of!(ExecRecord, exe_flags);
    bytes[flags..flags + 2].copy_from_slice(&0_u16.to_le_bytes());
    let valid = size_of::<RecordHeader>() + std::mem::offset_of!(ProcessContext, valid);
    bytes[valid..valid + 4].copy_from_slice(&0_u32.to_le_bytes());
    let (_, Record::Exec(exec)) = decode(&bytes).unwrap() else {
        panic!("an exec record");
    };
    assert_eq!((exec.context.groups, exec.environment), (None, None));
    assert!(!exec.environment_truncated);
}

#[test]
fn a_program_that_an_open_made_is_told_beside_the_flags() {
    let with_flags = |mut bytes: Vec<u8>, at: usize, flags: u32| {
        bytes[at..at + 4].copy_from_slice(&flags.to_le_bytes());
        bytes
    };
    let told = |bytes: &[u8]| match decode(bytes).unwrap().1 {
        Record::Open(open) => (open.flags, open.executable),
        _ => panic!("an open"),
    };
    let flags = OPEN_EXECUTABLE | 0o101;
    let whole = with_flags(
        open_record(b"/x", 0),
        std::mem::offset_of!(OpenRecord, flags),
        flags,
    );
    let short = with_flags(
        short_open_record(b"/x", 0),
        std::mem::offset_of!(ShortOpenRecord, flags),
        flags,
    );
    assert_eq!(told(&whole), (0o101, true));
    assert_eq!(told(&short), (0o101, true));
    assert_eq!(told(&open_record(b"/x", 0)), (0o101, false));
    // Of memfd_create the bit is a flag as others.
    let mut memory = whole;
    memory[std::mem::offset_of!(OpenRecord, call)] = Call::MemfdCreate as u8;
    assert_eq!(told(&memory), (flags, false));
}

#[test]
fn a_dns_packet_keeps_who_was_asked_beside_its_own_addresses() {
    let bytes = dns_record(b"query", dns_flags::ASKER);
    let (_, Record::Dns(dns)) = decode(&bytes).unwrap() else {
        panic!("a DNS record");
    };
    assert_eq!(dns.asked, Some("10.0.0.53".parse().unwrap()));
    assert_eq!(dns.remote(), Some("10.0.0.66".parse().unwrap()));
    assert_eq!(
        (dns.payload, dns.received, dns.is_whole()),
        (&b"query"[..], false, false)
    );
    let bytes = dns_record(&[], dns_flags::RECEIVED);
    let (_, Record::Dns(dns)) = decode(&bytes).unwrap() else {
        panic!("a DNS record");
    };
    assert_eq!(
        (dns.asked, dns.received, dns.has_asker),
        (None, true, false)
    );
    assert_eq!(origin_of(&bytes[..128]), Some((Some(8), Hook::Dns)));
    assert_eq!(origin_of(&bytes[..100]), Some((None, Hook::Dns)));
}

fn origin_of(bytes: &[u8]) -> Option<(Option<u64>, Hook)> {
    origin(bytes).map(|origin| (origin.cgroup_id, origin.hook))
}

#[test]
fn a_damaged_record_tells_its_account_while_its_fixed_part_is_there() {
    let change = cgroup_record(Kind::CgroupRmdir);
    assert_eq!(origin_of(&change), Some((Some(9), Hook::CgroupRmdir)));
    assert_eq!(origin_of(&change[..160]), Some((None, Hook::CgroupRmdir)));
    let mut exec = exec_record();
    exec.truncate(size_of::<ExecRecord>());
    exec[16] = 7;
    assert!(decode(&exec).is_err());
    assert_eq!(origin_of(&exec), Some((Some(7), Hook::Exec)));
    let mut open = open_record(b"/x", 0);
    open[46] = u8::MAX;
    assert!(decode(&open).is_err());
    assert_eq!(origin_of(&open), Some((Some(0), Hook::Open)));
}

#[test]
fn a_socket_record_without_its_call_and_a_strange_kind_tell_no_account() {
    let mut socket = SocketRecord {
        header: header(Kind::Socket, size_of::<SocketRecord>()),
        call: Call::Bind as u8,
        ..SocketRecord::default()
    };
    socket.context.cgroup_id = 5;
    assert_eq!(origin_of(socket.as_bytes()), Some((Some(5), Hook::Bind)));
    socket.call = u8::MAX;
    assert_eq!(origin_of(socket.as_bytes()), Some((None, Hook::Connect)));
    socket.header.kind = u8::MAX;
    assert_eq!(origin_of(socket.as_bytes()), Some((None, Hook::Open)));
    socket.header.kind = Kind::Marker as u8;
    assert_eq!(origin_of(socket.as_bytes()), None);
    assert_eq!(origin_of(&[]), Some((None, Hook::Open)));
}

#[test]
fn an_open_keeps_path_result_and_provenance() {
    let bytes = open_record(b"/etc/passwd", path_flags::USER_MEMORY);
    let (head, record) = decode(&bytes).unwrap();
    let Record::Open(open) = record else {
        panic!("not an open")
    };
    assert_eq!(head.boot_ns, 42);
    assert_eq!(&*open.path.bytes, b"/etc/passwd");
    assert_eq!(open.context.result, -2);
    assert_eq!(open.provenance, Provenance::UserMemory);
}

#[test]
fn an_unreadable_path_is_empty_not_wrong() {
    let bytes = open_record(b"/half", path_flags::UNREADABLE);
    let Record::Open(open) = decode(&bytes).unwrap().1 else {
        panic!("not an open")
    };
    assert_eq!(&*open.path.bytes, b"");
    assert_eq!(open.name, None);
}

#[test]
fn a_relative_name_is_resolved_and_kept() {
    let path = b"/srv/www/../../etc/shadow";
    let bytes = named_open_record(path, 16, path_flags::USER_MEMORY);
    let Record::Open(open) = decode(&bytes).unwrap().1 else {
        panic!("not an open")
    };
    assert_eq!(&*open.path.bytes, b"/etc/shadow");
    assert_eq!(open.name, Some(b"../../etc/shadow".as_slice()));
}

#[test]
fn a_name_outlives_its_directory() {
    let marks = path_flags::USER_MEMORY | path_flags::UNREADABLE;
    let bytes = named_open_record(b"/half/./shadow", 8, marks);
    let Record::Open(open) = decode(&bytes).unwrap().1 else {
        panic!("not an open")
    };
    assert_eq!(&*open.path.bytes, b"shadow");
    assert_eq!(open.name, Some(b"./shadow".as_slice()));
}

#[test]
fn a_call_on_paths_keeps_both_paths_and_names() {
    let bytes = paths_record(Call::Rename, b"/srv/a/../b", b"/srv/jail/../../c");
    let bytes = with_names(bytes, [6, 8]);
    let call = paths_of(&bytes);
    assert_eq!(call.hook(), Hook::FileChange);
    assert_eq!(&*call.paths.first.path.bytes, b"/srv/b");
    assert_eq!(call.paths.first.name.as_deref(), Some(b"a/../b".as_slice()));
    let second = &call.paths.second;
    // The name is absolute, so its `..` stay below the root that it began at.
    assert_eq!(&*second.path.bytes, b"/srv/jail/c");
    assert_eq!(second.provenance, Some(Provenance::UserMemory));
    assert_eq!(call.paths.descriptor, None);
}

#[test]
fn strings_that_are_no_paths_stay_as_they_are() {
    let bytes = paths_record(Call::Symlink, b"../x/../y", b"/l");
    let bytes = with_names(bytes, [9, 2]);
    assert_eq!(&*paths_of(&bytes).paths.first.path.bytes, b"../x/../y");
    let secret = with_names(paths_record(Call::Fsconfig, b"password", b"x"), [8, 1]);
    let call = paths_of(&secret);
    assert_eq!(&*call.paths.first.path.bytes, b"password");
    assert_eq!(&*call.paths.second.path.bytes, b"");
    assert_eq!(call.paths.second.name, None);
}

#[test]
fn a_path_of_the_kernel_is_told_from_one_that_was_not_read() {
    let mut bytes = paths_record(Call::Fchmod, b"/x", b"");
    bytes[std::mem::offset_of!(PathsRecord, first_marks)] = open_marks::FD_SHARED;
    let paths = paths_of(&bytes).paths;
    assert_eq!(paths.first.provenance, Some(Provenance::Kernel));
    assert!(paths.first.fd_shared);
    assert_eq!(paths.second.provenance, None);
}

#[test]
fn an_execution_among_the_calls_on_paths_has_failed() {
    let bytes = paths_record(Call::Execve, b"/absent", b"");
    assert_eq!(paths_of(&bytes).hook(), Hook::ExecFailed);
    assert_eq!(origin_of(&bytes), Some((Some(0), Hook::ExecFailed)));
    let foreign = paths_record(Call::Connect, b"", b"");
    assert!(matches!(decode(&foreign), Err(DecodeError::Unknown { .. })));
}

#[test]
fn a_memory_file_has_a_name_and_no_place() {
    let mut bytes = open_record(b"/memfd:payload", path_flags::UNREACHABLE);
    bytes[std::mem::offset_of!(OpenRecord, call)] = Call::MemfdCreate as u8;
    let Record::Open(open) = decode(&bytes).unwrap().1 else {
        panic!("not an open")
    };
    assert_eq!(&*open.path.bytes, b"memfd:payload");
    assert!(!open.path.unreachable);
}

#[test]
fn a_short_open_is_the_same_open() {
    let path = b"/etc/passwd";
    let (long, short) = (open_record(path, 0), short_open_record(path, 0));
    assert_eq!(short.len(), 40 + path.len());
    let as_text = |bytes: &[u8]| format!("{:?}", decode(bytes).unwrap());
    assert_eq!(as_text(&short), as_text(&long));
    assert_eq!(origin_of(&short), origin_of(&long));
}

#[test]
fn what_does_not_fit_into_a_short_open_is_kept_whole() {
    let with = |change: fn(&mut OpenRecord)| {
        let mut record = OpenRecord::default();
        change(&mut record);
        ShortOpenRecord::of(&record)
    };
    assert!(with(|record| record.context.cgroup_id = 1 << 32).is_none());
    assert!(with(|record| record.context.result = 40_000).is_none());
    assert!(with(|record| record.name_len = 1).is_none());
    assert!(with(|_| ()).is_some());
}

#[test]
fn an_exec_is_cut_into_its_parts() {
    let bytes = exec_record();
    let Record::Exec(exec) = decode(&bytes).unwrap().1 else {
        panic!("not an exec")
    };
    assert_eq!(exec.filename, b"/bin/x");
    assert_eq!(exec.interpreter, None);
    assert_eq!(exec.cwd.bytes, b"/tmp");
    assert_eq!(exec.argv, b"x\0-a\0");
    assert_eq!(exec.exe.file().unwrap().layer, Some(Layer::UpperOnly));
    assert_eq!(exec.context.ids, None, "credentials were not read");
}

#[test]
fn a_call_keeps_arguments_and_result() {
    let bytes = call_record();
    let Record::Call(call) = decode(&bytes).unwrap().1 else {
        panic!("not a call")
    };
    assert_eq!((call.call, call.result), (Call::Ptrace, -1));
    assert_eq!(call.arguments, [1, 2, 3, 4, 5, u64::MAX]);
    let bytes = bulk_call_record(Call::Mmap);
    let Record::BulkCall(call) = decode(&bytes).unwrap().1 else {
        panic!("not a bulk call")
    };
    assert_eq!((call.call, call.result), (Call::Mmap, 0x7F00_0000_0000));
    assert_eq!(call.arguments, [1, 2, 3, 4, 0, 0]);
    assert!(call.fd_shared && call.descriptor.is_none());
}

#[test]
fn a_copied_descriptor_is_described() {
    let bytes = dup_record();
    let Record::BulkCall(call) = decode(&bytes).unwrap().1 else {
        panic!("not a bulk call")
    };
    let descriptor = call.descriptor.unwrap();
    assert!(matches!(descriptor.kind, StdioKind::Socket(_)));
    let without = bulk_call_record(Call::Dup2);
    assert!(matches!(decode(&without), Err(DecodeError::Short { .. })));
}

#[test]
fn a_call_of_another_ring_is_refused() {
    let mut critical = call_record();
    critical[std::mem::offset_of!(CallRecord, call)] = Call::Kill as u8;
    for bytes in [critical, bulk_call_record(Call::Ptrace)] {
        assert!(matches!(decode(&bytes), Err(DecodeError::Unknown { .. })));
    }
    assert_eq!(origin_of(&call_record()), Some((Some(8), Hook::Privilege)));
    let kill = bulk_call_record(Call::Kill);
    assert_eq!(origin_of(&kill), Some((Some(8), Hook::Signal)));
}

#[test]
fn every_cut_is_an_error() {
    for whole in [
        exec_record(),
        open_record(b"/x", 0),
        short_open_record(b"/x", 0),
        paths_record(Call::Rename, b"/a", b"/b"),
        call_record(),
        bulk_call_record(Call::Mmap),
        dup_record(),
        dns_record(b"query", dns_flags::ASKER),
    ] {
        for len in 0..whole.len() {
            assert!(decode(&whole[..len]).is_err(), "{len} bytes decoded");
        }
    }
}

#[test]
fn lengths_beyond_the_record_are_an_error() {
    let mut open = open_record(b"/x", 0);
    open[std::mem::offset_of!(OpenRecord, name_len)] = 200;
    let mut exec = exec_record();
    exec[std::mem::offset_of!(ExecRecord, cwd_len)] = 200;
    let mut paths = paths_record(Call::Rename, b"/a", b"/b");
    paths[std::mem::offset_of!(PathsRecord, second_len)] = 200;
    let named = with_names(paths_record(Call::Rename, b"/a", b"/b"), [1, 3]);
    for bytes in [open, exec, paths, named] {
        assert!(matches!(decode(&bytes), Err(DecodeError::Short { .. })));
    }
}

#[test]
fn foreign_versions_and_kinds_are_refused() {
    let mut bytes = open_record(b"/x", 0);
    bytes[1] = ABI_VERSION + 1;
    assert_eq!(
        decode(&bytes).unwrap_err(),
        DecodeError::Version(ABI_VERSION + 1)
    );
    let mut bytes = open_record(b"/x", 0);
    bytes[0] = 200;
    assert!(matches!(decode(&bytes), Err(DecodeError::Unknown { .. })));
}

proptest! {
    #[test]
    fn a_short_open_loses_nothing(
        cgroup_id in any::<u32>(), exec_key in any::<u64>(), tid in any::<u32>(),
        result in any::<i16>(), flags in any::<u32>(), call in any::<u8>(), marks in any::<u8>(),
        size in 48..5000_usize,
    ) {
        let record = OpenRecord {
            header: header(Kind::Open, size),
            context: BulkContext {
                cgroup_id: cgroup_id.into(),
                exec_key,
                tid,
                result: result.into(),
            },
            flags,
            name_len: 0,
            call,
            marks,
        };
        prop_assert_eq!(ShortOpenRecord::of(&record).unwrap().whole(), record);
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 16..600)) {
        let _ = decode(&bytes);
        // The same with a header that passes, so that the bodies are reached.
        bytes[1] = ABI_VERSION;
        let size = (bytes.len() as u32).to_le_bytes();
        bytes[4..8].copy_from_slice(&size);
        for kind in 0..40 {
            bytes[0] = kind;
            if let Ok((_, Record::Socket(socket))) = decode(&bytes) {
                let _ = socket.endpoint();
            }
        }
    }
}
