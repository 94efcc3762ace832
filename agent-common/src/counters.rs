//! Loss accounting: monotonic counters per cgroup, hook and CPU.

use crate::{Hook, layout::assert_layout};

/// Why an event that was seen did not reach the ring.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The ring had no room.
    RingFull = 0,
    /// Every scratch slot of this CPU was taken by a preempted program.
    ScratchBusy = 1,
    /// The cgroup used up its share of the ring.
    RateLimited = 2,
}

/// Counters of one hook. Never reset: the daemon takes differences.
///
/// `seen = delivered + suppressed + dropped[..]` holds exactly whenever no program is running. While one runs,
/// `seen` is the larger side, and `delivered` may count a record that finds no room in the ring: it
/// is counted before the record can be read, and taken back when there is no room.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookCounters {
    /// Events in scope.
    pub seen: u64,
    /// Records put into a ring, or about to be.
    pub delivered: u64,
    /// Events dropped, indexed by [`DropReason`].
    pub dropped: [u64; 3],
    /// Events that no rule can want.
    pub suppressed: u64,
}

assert_layout!(
    HookCounters,
    size = 48,
    seen = 0,
    delivered = 8,
    dropped = 16,
    suppressed = 40,
);

/// Counters of one cgroup on one CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CgroupCounters {
    /// Indexed by [`Hook`].
    pub hooks: [HookCounters; Hook::COUNT],
}

impl CgroupCounters {
    /// All counters zero.
    pub const ZERO: Self = Self {
        hooks: [HookCounters {
            seen: 0,
            delivered: 0,
            dropped: [0; 3],
            suppressed: 0,
        }; Hook::COUNT],
    };
}

/// Wake-up state of one ring, shared between the programs and the consumer.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingState {
    /// The consumer sleeps without a timer: the next record must wake it.
    pub idle: u32,
    /// The next record that finds the ring fuller than the threshold must wake the consumer.
    pub threshold_armed: u32,
}

assert_layout!(RingState, size = 8, idle = 0, threshold_armed = 4);

/// What a cgroup has left of its share of the bulk ring, as one number.
///
/// A full bucket, and each that has never been used, is any time long past.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Boot time at which the bucket was empty: it has filled since. In the future when CPUs have
    /// taken the last token at the same time, which is then paid back.
    pub empty_at_ns: u64,
}

assert_layout!(Bucket, size = 8, empty_at_ns = 0);
