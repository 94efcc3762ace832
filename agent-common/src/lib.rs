//! The ABI between the kernel programs and the daemon.
//!
//! Every type here is `repr(C)`, made of integers and byte arrays, with its padding spelled out and
//! its size and offsets asserted, so that both sides agree byte by byte and no kernel memory leaks
//! through a hole. Kinds and hooks are numbers that are never reused.
#![no_std]

mod approver;
mod call;
mod call_records;
mod cast;
mod compat_call;
mod context;
mod counters;
mod dns_record;
mod header;
mod hook;
mod known;
mod layout;
pub mod limits;
mod offsets;
mod open_record;
mod path_call;
mod paths;
mod records;

pub use approver::{
    ACCESS_MODE, ApproverTable, EventClass, NAME_HEAD, NAME_PLACES, NameKey, O_PATH, PATH_BEGIN,
    PORT_PLACES, VERDICT_CALLS, WantedName, port_bit, verdict,
};
pub use call::Call;
pub use call_records::{BULK_ARGUMENTS, BulkCallRecord, CALL_ARGUMENTS, CallRecord, call_flags};
pub use cast::CAST_HELPER;
pub use compat_call::{CompatCall, compat_flags};
pub use context::{BulkContext, ExecKey, ProcessContext, context_valid};
pub use counters::{Bucket, CgroupCounters, DropReason, HookCounters, RingState};
pub use dns_record::{DNS_PORT, DnsRecord, dns_flags};
pub use header::{ABI_VERSION, Kind, RecordHeader, record_flags};
pub use hook::Hook;
pub use known::{
    Fingerprint, KNOWN_HEAD, KNOWN_PATH_MAX, KnownActor, KnownOpen, known_by, known_generation,
    known_key,
};
pub use offsets::{ABSENT, OFFSETS, OffsetSpec};
pub use open_record::{OPEN_EXECUTABLE, OpenRecord, ShortOpenRecord, open_marks};
pub use path_call::{PathCall, PathSource, argument, path_source};
pub use paths::PathsRecord;
pub use records::{
    CgroupRecord, ExecRecord, ExitRecord, ForkRecord, MarkerRecord, SetIdsRecord, SocketEnds,
    SocketRecord, StdioRecord, TaskRecord, exe_flags, path_flags, socket_flags, stdio_kind,
};
