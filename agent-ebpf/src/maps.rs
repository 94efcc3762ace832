//! Maps. Sizes given here are replaced by the loader where they depend on the machine.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, PerCpuHashMap, RingBuf},
};
use gravlens_common::{
    ApproverTable, Bucket, CgroupCounters, CompatCall, KnownActor, PathCall, RingState, limits,
};

use crate::{
    dns_askers::Asker,
    hooks::{open_trampoline::Opened, path_trampolines::HELD_PATHS_MAX},
    ongoing::OngoingCall,
    scratch::{DnsScratch, ExecScratch, PathScratch, PathsScratch},
};

/// Lifecycle and security-critical records.
#[map]
pub static CRITICAL: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// Everything else.
#[map]
pub static BULK: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// Wake-up state, indexed by ring: 0 critical, 1 bulk.
#[map]
pub static RING_STATE: Array<RingState> = Array::with_max_entries(2, 0);

/// Loss accounting by cgroup v2 id.
#[map]
pub static COUNTERS: PerCpuHashMap<u64, CgroupCounters> =
    PerCpuHashMap::with_max_entries(limits::COUNTED_CGROUPS, BPF_F_NO_PREALLOC);

/// Counters of the cgroups that found no room in `COUNTERS`.
#[map]
pub static OTHER_COUNTERS: PerCpuArray<CgroupCounters> = PerCpuArray::with_max_entries(1, 0);

/// What each cgroup has left of its share of the bulk ring, by cgroup v2 id. The loader makes the
/// entry that those share who find no room.
#[map]
pub static BUCKETS: HashMap<u64, Bucket> =
    HashMap::with_max_entries(limits::COUNTED_CGROUPS, BPF_F_NO_PREALLOC);

/// A zero value to insert: too large for the stack.
#[map]
pub static ZERO_COUNTERS: Array<CgroupCounters> = Array::with_max_entries(1, 0);

/// Socket calls under way, by thread. Nothing is evicted: a thread that blocks keeps its slot,
/// whatever others do. The loader sizes it to the threads that the machine can have; memory is
/// taken by calls under way only.
#[map]
pub static ONGOING: HashMap<u64, OngoingCall> =
    HashMap::with_max_entries(1 << 15, BPF_F_NO_PREALLOC);

/// Files that are open and have no descriptor yet, by thread; sized and filled as `ONGOING`.
#[map]
pub static OPENED: HashMap<u64, Opened> = HashMap::with_max_entries(1 << 15, BPF_F_NO_PREALLOC);

/// Calls whose functions io_uring runs too: their [`gravlens_common::Call`], by the kernel's number.
#[map]
pub static TWIN_CALLS: Array<u8> = Array::with_max_entries(limits::CALL_NUMBERS, 0);

/// 32-bit system calls by the kernel's number, filled in by the loader.
#[map]
pub static COMPAT_CALLS: Array<CompatCall> = Array::with_max_entries(limits::COMPAT_CALLS, 0);

/// Buffers for exec records; the loader sizes it to CPUs x [`crate::scratch::NESTING`].
#[map]
pub static EXEC_SCRATCH: Array<ExecScratch> = Array::with_max_entries(6, 0);

/// Buffers for paths; sized likewise.
#[map]
pub static PATH_SCRATCH: Array<PathScratch> = Array::with_max_entries(6, 0);

/// Buffers for calls on paths; sized likewise.
#[map]
pub static PATHS_SCRATCH: Array<PathsScratch> = Array::with_max_entries(6, 0);

/// Threads whose call trampolines have told, until it ends; sized and filled as `ONGOING`.
#[map]
pub static TOLD: HashMap<u64, u32> = HashMap::with_max_entries(1 << 15, BPF_F_NO_PREALLOC);

/// Buffers of calls on paths that have begun and not ended, for trampolines.
#[map]
pub static HELD_PATHS: Array<PathsScratch> = Array::with_max_entries(HELD_PATHS_MAX, 0);

/// Which of `HELD_PATHS` a thread has.
#[map]
pub static HOLDERS: HashMap<u64, u32> =
    HashMap::with_max_entries(HELD_PATHS_MAX, BPF_F_NO_PREALLOC);

/// Calls on paths by the kernel's number, filled in by the loader.
#[map]
pub static PATH_CALLS: Array<PathCall> = Array::with_max_entries(limits::CALL_NUMBERS, 0);

/// Not zero while a rule asks for the environment of what is executed: it can hold secrets.
#[map]
pub static ENVIRONMENT_WANTED: Array<u32> = Array::with_max_entries(1, 0);

/// Which events some rule can want. Zeros, as the map is made, want every event.
#[map]
pub static APPROVERS: Array<ApproverTable> = Array::with_max_entries(1, 0);

/// Not zero once the daemon ends: from then on nothing is reported.
#[map]
pub static ENDED: Array<u32> = Array::with_max_entries(1, 0);

/// Who asks a DNS server through a socket, by the socket's cookie. The least recently used gives
/// way: its packets are then told without their task.
#[map]
pub static DNS_ASKERS: LruHashMap<u64, Asker> = LruHashMap::with_max_entries(limits::DNS_ASKERS, 0);

/// Buffers for DNS packets; sized as those for paths.
#[map]
pub static DNS_SCRATCH: Array<DnsScratch> = Array::with_max_entries(6, 0);

/// Generation of the rules and baselines in force; zero: nothing is known.
#[map]
pub static KNOWN_GENERATION: Array<u64> = Array::with_max_entries(1, 0);

/// Processes that the daemon knows, by the fingerprint of their exec id.
#[map]
pub static KNOWN_ACTORS: LruHashMap<u64, KnownActor> =
    LruHashMap::with_max_entries(limits::KNOWN_ACTORS, 0);

/// Until when an open tells nobody anything, by its key: time since boot.
#[map]
pub static KNOWN_OPENS: LruHashMap<[u64; 2], u64> =
    LruHashMap::with_max_entries(limits::KNOWN_OPENS, 0);
