//! Who made an event.

use crate::{layout::assert_layout, limits::COMM_LEN};

/// A 64-bit fingerprint of an exec id, small enough to travel in every bulk record.
///
/// The identity itself is the triple (tgid, leader's start time, `self_exec_id`), which critical
/// records carry in full; both sides compute the key with this function.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExecKey(pub u64);

impl ExecKey {
    /// Key of an exec id.
    ///
    /// The start time alone is nearly unique; the pid and the exec count are spread over all bits
    /// by an odd multiplier (2^64 over the golden ratio, Knuth's multiplicative hashing) before
    /// they are mixed in.
    #[inline(always)]
    pub const fn new(tgid: u32, start_boottime_ns: u64, exec_seq: u32) -> Self {
        let low = ((exec_seq as u64) << 32) | tgid as u64;
        let mixed = low.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self(start_boottime_ns ^ mixed ^ (mixed >> 29))
    }
}

/// Bits of [`ProcessContext::valid`].
pub mod context_valid {
    /// `vpid` was read.
    pub const VPID: u32 = 1;
    /// `pid_ns` and `mnt_ns` were read.
    pub const NAMESPACES: u32 = 1 << 1;
    /// `loginuid` and `session_id` were read.
    pub const LOGIN: u32 = 1 << 2;
    /// Ids and capabilities were read.
    pub const CREDENTIALS: u32 = 1 << 3;
    /// The parent was read.
    pub const PARENT: u32 = 1 << 4;
    /// `tty_major` and `tty_minor` were read: the process has a controlling terminal.
    pub const TTY: u32 = 1 << 5;
    /// Process group and session were read.
    pub const GROUPS: u32 = 1 << 6;
}

/// The process behind a critical record, in full.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "user",
    derive(
        zerocopy::FromBytes,
        zerocopy::Immutable,
        zerocopy::IntoBytes,
        zerocopy::KnownLayout
    )
)]
pub struct ProcessContext {
    /// cgroup v2 id of the process.
    pub cgroup_id: u64,
    /// Start time of the thread group leader, nanoseconds since boot.
    pub start_boottime_ns: u64,
    /// Start time of the parent's thread group leader.
    pub parent_start_boottime_ns: u64,
    /// Effective capabilities.
    pub cap_effective: u64,
    /// Permitted capabilities.
    pub cap_permitted: u64,
    /// Inheritable capabilities.
    pub cap_inheritable: u64,
    /// Low 32 bits of `self_exec_id`.
    pub exec_seq: u32,
    /// The same of the parent.
    pub parent_exec_seq: u32,
    /// Thread group id in the initial pid namespace.
    pub tgid: u32,
    /// Thread id in the initial pid namespace.
    pub tid: u32,
    /// The parent's thread group id.
    pub parent_tgid: u32,
    /// Thread group id in the process's own pid namespace.
    pub vpid: u32,
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Effective group id.
    pub egid: u32,
    /// Audit login user id, `u32::MAX` when unset.
    pub loginuid: u32,
    /// Audit session id, `u32::MAX` when unset.
    pub session_id: u32,
    /// Inode number of the pid namespace.
    pub pid_ns: u32,
    /// Inode number of the mount namespace.
    pub mnt_ns: u32,
    /// Controlling terminal: major number.
    pub tty_major: u32,
    /// Controlling terminal: minor number.
    pub tty_minor: u32,
    /// Process group: pid of its leader in the initial pid namespace.
    pub pgid: u32,
    /// The same in the process's own pid namespace, zero when the leader is outside of it.
    pub vpgid: u32,
    /// Session: pid of its leader in the initial pid namespace.
    pub sid: u32,
    /// The same in the process's own pid namespace, zero when the leader is outside of it.
    pub vsid: u32,
    /// [`context_valid`].
    pub valid: u32,
    /// Spelled-out padding, zero.
    pub pad: u32,
    /// Command name, zero padded.
    pub comm: [u8; COMM_LEN],
}

assert_layout!(
    ProcessContext,
    size = 152,
    cgroup_id = 0,
    cap_effective = 24,
    exec_seq = 48,
    vpid = 68,
    loginuid = 88,
    pgid = 112,
    vsid = 124,
    valid = 128,
    comm = 136,
);

/// The process behind a bulk record: the daemon joins the rest from its process table.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "user",
    derive(
        zerocopy::FromBytes,
        zerocopy::Immutable,
        zerocopy::IntoBytes,
        zerocopy::KnownLayout
    )
)]
pub struct BulkContext {
    /// cgroup v2 id of the calling task.
    pub cgroup_id: u64,
    /// Its exec id's fingerprint.
    pub exec_key: u64,
    /// Calling thread.
    pub tid: u32,
    /// Return value of the call: a descriptor, zero or a negated errno.
    pub result: i32,
}

assert_layout!(
    BulkContext,
    size = 24,
    cgroup_id = 0,
    exec_key = 8,
    tid = 16,
    result = 20
);
