//! A token bucket for each cgroup: one container cannot fill the bulk ring for all.
//!
//! The bucket is one time, shared between CPUs: when it was empty. Since then a token has come in
//! each interval, up to the burst. A token is taken by one atomic addition, so none is lost; CPUs
//! that look at the same moment may take the last token together, and the time then lies in the
//! future until it is paid back. So a burst is exceeded by the number of CPUs less one at most, and
//! the rate over a longer time by nothing. Only the rounding of the interval to nanoseconds
//! remains, below a thousandth up to a million events a second.

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::bpf_ktime_get_boot_ns};
use gravlens_common::{Bucket, DropReason, limits};

use crate::{
    account::Account,
    globals::{BUCKET_DEPTH_NS, BUCKET_INTERVAL_NS},
    maps::BUCKETS,
    verifier,
};

/// The account of an event that its cgroup has paid for: what the bulk ring takes.
#[derive(Clone, Copy)]
pub struct Paid(Option<Account>);

impl Paid {
    /// For the agent's own records, which no cgroup pays for.
    pub const FREE: Self = Self(None);

    /// The account of the event.
    #[inline(always)]
    pub fn account(self) -> Option<Account> {
        self.0
    }
}

/// What an event paid with.
#[derive(Clone, Copy)]
pub struct Token(());

impl Token {
    /// The event has paid.
    #[inline(always)]
    pub fn spent(self, account: Option<Account>) -> Paid {
        Paid(account)
    }
}

/// Takes a token for an event that has been counted as seen, before it costs anything else, unless
/// its record had to be put together when its call began. `None` when the cgroup has none left: then
/// the event has been counted as cut.
#[inline(always)]
pub fn pay(cgroup_id: u64, account: Option<Account>) -> Option<Paid> {
    token(cgroup_id, account).map(|token| token.spent(account))
}

/// The token alone, likewise: there may be more to decide before the event is told.
#[inline(always)]
pub fn token(cgroup_id: u64, account: Option<Account>) -> Option<Token> {
    if BUCKET_INTERVAL_NS.load() == 0 || take(cgroup_id) != 0 {
        return Some(Token(()));
    }
    if let Some(account) = account {
        account.dropped(DropReason::RateLimited);
    }
    None
}

/// Whether a token was taken. A number and a call of its own: a program that pays in several places
/// is verified once.
#[inline(never)]
fn take(cgroup_id: u64) -> u64 {
    let Some(bucket) = bucket(cgroup_id) else {
        // Not even the shared bucket is there: rather a full ring than an event that nobody sees.
        return 1;
    };
    // SAFETY: no arguments.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    // SAFETY: a live map value; other CPUs change it with atomic instructions.
    let cell = unsafe { &raw mut (*bucket).empty_at_ns };
    // SAFETY: as above.
    let mut empty_at = unsafe { core::ptr::read_volatile(cell) };
    let full = now.saturating_sub(BUCKET_DEPTH_NS.load());
    if empty_at < full {
        // It ran over. Whoever is faster has done the same.
        // SAFETY: as above.
        unsafe { verifier::compare_exchange(cell, empty_at, full) };
        empty_at = full;
    }
    if empty_at + BUCKET_INTERVAL_NS.load() > now {
        return 0;
    }
    // SAFETY: as above.
    unsafe { verifier::fetch_add(cell, BUCKET_INTERVAL_NS.load() as i64) };
    1
}

/// The bucket of a cgroup. Those that find the map full share one, as they share an account.
#[inline(always)]
fn bucket(cgroup_id: u64) -> Option<*mut Bucket> {
    if let Some(bucket) = BUCKETS.get_ptr_mut(cgroup_id) {
        return Some(bucket);
    }
    // A refusal means that another CPU was faster (fine) or that the map is full (below).
    let _ = BUCKETS.insert(cgroup_id, Bucket::default(), u64::from(BPF_NOEXIST));
    BUCKETS
        .get_ptr_mut(cgroup_id)
        .or_else(|| BUCKETS.get_ptr_mut(limits::OTHER_CGROUP))
}
