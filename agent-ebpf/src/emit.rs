//! Records into rings, and when to wake the consumer.
//!
//! A wake-up costs 50 to 100 times as much as an event, so the event rate must not decide the wake
//! rate: the consumer polls on a timer while it is busy, and a program wakes it only when the
//! consumer went idle, when the ring fills up, or when the kind must not wait.

use aya_ebpf::{
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::{bpf_ktime_get_boot_ns, bpf_ringbuf_output},
    maps::RingBuf,
};
use gravlens_common::{ABI_VERSION, DropReason, Kind, RecordHeader, RingState};

use crate::{
    account::Account,
    fairness::Paid,
    globals::WAKE_BYTES,
    maps::{BULK, CRITICAL, RING_STATE},
};

/// When the consumer hears of a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// At once.
    Now,
    /// Within the consumer's timer.
    Later,
}

/// The header of a record of `size` bytes.
#[inline(always)]
pub fn header(kind: Kind, size: u32) -> RecordHeader {
    RecordHeader {
        kind: kind as u8,
        version: ABI_VERSION,
        flags: 0,
        size,
        // SAFETY: no arguments.
        boot_ns: unsafe { bpf_ktime_get_boot_ns() },
    }
}

/// Puts `size` bytes at `record` into the critical ring.
///
/// # Safety
///
/// `record` has `size` initialised bytes.
#[inline(always)]
pub unsafe fn critical(record: *const u8, size: u64, wake: Wake, account: Option<Account>) {
    // SAFETY: forwarded.
    unsafe { output(&CRITICAL, 0, record, size, wake, account) };
}

/// Puts `size` bytes at `record` into the bulk ring.
///
/// # Safety
///
/// `record` has `size` initialised bytes.
#[inline(always)]
pub unsafe fn bulk(record: *const u8, size: u64, paid: Paid) {
    // SAFETY: forwarded.
    unsafe { output(&BULK, 1, record, size, Wake::Later, paid.account()) };
}

#[inline(always)]
unsafe fn output(
    ring: &RingBuf,
    index: u32,
    record: *const u8,
    size: u64,
    wake: Wake,
    account: Option<Account>,
) {
    let flags = wake_flags(ring, index, wake);
    // Before the record can be read: a record that arrives is then always counted already, however
    // long this program is interrupted.
    if let Some(account) = account {
        account.delivered();
    }
    // SAFETY: the caller vouches for the record.
    let result = unsafe {
        bpf_ringbuf_output(
            core::ptr::from_ref(ring).cast_mut().cast(),
            record.cast_mut().cast(),
            size,
            flags,
        )
    };
    let Some(account) = account else { return };
    if result != 0 {
        account.not_delivered();
        account.dropped(DropReason::RingFull);
    }
}

#[inline(always)]
fn wake_flags(ring: &RingBuf, index: u32, wake: Wake) -> u64 {
    let force = u64::from(BPF_RB_FORCE_WAKEUP);
    if wake == Wake::Now {
        return force;
    }
    let Some(state) = RING_STATE.get_ptr_mut(index) else {
        return force;
    };
    // SAFETY: a live map value. The consumer and other CPUs write the flags too; the worst that a
    // race does is one wake-up too many.
    unsafe {
        if core::ptr::read_volatile(&raw const (*state).idle) != 0 {
            core::ptr::write_volatile(&raw mut (*state).idle, 0);
            return force;
        }
        if core::ptr::read_volatile(&raw const (*state).threshold_armed) != 0
            && ring.query(u64::from(BPF_RB_AVAIL_DATA)) >= WAKE_BYTES.load()
        {
            core::ptr::write_volatile(&raw mut (*state).threshold_armed, 0);
            return force;
        }
    }
    u64::from(BPF_RB_NO_WAKEUP)
}

const _: () = assert!(size_of::<RingState>() == 8);
