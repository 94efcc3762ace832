//! Loss accounting: every event in scope is counted once as seen, and once as delivered, suppressed
//! or dropped.

use aya_ebpf::bindings::BPF_NOEXIST;
use gravlens_common::{CgroupCounters, DropReason, Hook, HookCounters};

use crate::maps::{COUNTERS, OTHER_COUNTERS, ZERO_COUNTERS};

/// The counters of one hook in one cgroup, on this CPU.
#[derive(Clone, Copy)]
pub struct Account(*mut HookCounters);

/// Opens the account of an event and counts it as seen.
#[inline(always)]
pub fn seen(cgroup_id: u64, hook: Hook) -> Option<Account> {
    let counters = entry(cgroup_id)?;
    // SAFETY: the pointer is a live map value; the index is below `Hook::COUNT`.
    let counters = unsafe { &raw mut (*counters).hooks[hook as usize] };
    // SAFETY: as above; the value belongs to this CPU. A preempting program on the same CPU can
    // interrupt a plain increment, hence the atomic one.
    unsafe { add(&raw mut (*counters).seen) };
    Some(Account(counters))
}

/// No rule can want the event of this account, if there is one.
#[inline(always)]
pub fn suppressed(account: Option<Account>) {
    if let Some(Account(counters)) = account {
        // SAFETY: see `seen`.
        unsafe { add(&raw mut (*counters).suppressed) };
    }
}

impl Account {
    /// The record goes into the ring now.
    #[inline(always)]
    pub fn delivered(self) {
        // SAFETY: see `seen`.
        unsafe { add(&raw mut (*self.0).delivered) };
    }

    /// The ring had no room for the record after all. The counter goes back before the loss is
    /// counted, so that the two never add up to more than was seen.
    #[inline(always)]
    pub fn not_delivered(self) {
        // SAFETY: see `seen`.
        unsafe { crate::verifier::fetch_add(&raw mut (*self.0).delivered, -1) };
    }

    /// The event is lost.
    #[inline(always)]
    pub fn dropped(self, reason: DropReason) {
        // SAFETY: see `seen`; the index is below the number of reasons.
        unsafe { add(&raw mut (*self.0).dropped[reason as usize]) };
    }
}

#[inline(always)]
unsafe fn add(cell: *mut u64) {
    // SAFETY: the caller passes a field of a map value.
    unsafe { crate::verifier::fetch_add(cell, 1) };
}

#[inline(always)]
fn entry(cgroup_id: u64) -> Option<*mut CgroupCounters> {
    if let Some(counters) = COUNTERS.get_ptr_mut(cgroup_id) {
        return Some(counters);
    }
    first_event(cgroup_id)
}

/// Makes the entry of a cgroup, or falls back to the shared one when the map is full.
#[inline(never)]
fn first_event(cgroup_id: u64) -> Option<*mut CgroupCounters> {
    if let Some(zero) = ZERO_COUNTERS.get(0) {
        // A refusal means that another CPU was faster (fine) or that the map is full (below).
        let _ = COUNTERS.insert(cgroup_id, zero, u64::from(BPF_NOEXIST));
    }
    COUNTERS
        .get_ptr_mut(cgroup_id)
        .or_else(|| OTHER_COUNTERS.get_ptr_mut(0))
}
