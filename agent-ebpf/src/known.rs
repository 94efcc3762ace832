//! Opens that tell nobody anything end where they arise, counted as suppressed.
//!
//! The daemon says of an open that no rule can match, and that its baseline has counted in this
//! window, until when that holds. The key is all that the record would tell: see
//! [`gravlens_common::KnownOpen`].

use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_boot_ns};
use gravlens_common::{
    Fingerprint, KNOWN_HEAD, KNOWN_PATH_MAX, KnownActor, KnownOpen, known_by, known_generation,
};

use crate::{
    globals::{KNOWN_SEED_0, KNOWN_SEED_1},
    kernel::{
        path::{self, BuiltPath},
        task::Task,
    },
    maps::{KNOWN_ACTORS, KNOWN_GENERATION, KNOWN_OPENS, PATH_SCRATCH},
    scope::Caller,
    scratch::PathScratch,
    verifier,
};

const WORD: u64 = size_of::<u64>() as u64;

/// Of which rules and baselines something is known; zero if nothing is.
#[inline(always)]
fn generation() -> u64 {
    match KNOWN_GENERATION.get_ptr(0) {
        // SAFETY: a live map value. Volatile: the daemon writes it.
        Some(generation) => unsafe { core::ptr::read_volatile(generation) },
        None => 0,
    }
}

/// Whether anything can be known.
#[inline(always)]
pub fn is_on() -> bool {
    generation() != 0
}

/// A forked process has the role of its parent, in the parent's cgroup.
#[inline(always)]
pub fn forked(parent: u64, child: u64, cgroup_id: u64) {
    if !is_on() {
        return;
    }
    if let Some(actor) = actor(parent)
        && actor.cgroup_id == cgroup_id
    {
        // A refusal leaves the child unknown: it is told.
        let _ = KNOWN_ACTORS.insert(child, actor, 0);
    }
}

#[inline(always)]
fn actor(exec_key: u64) -> Option<KnownActor> {
    let actor = KNOWN_ACTORS.get_ptr(exec_key)?;
    // SAFETY: a live map value.
    Some(unsafe { core::ptr::read_volatile(actor) })
}

/// Whether this open, with the path that was built for it, tells nobody anything now.
#[inline(always)]
pub fn is_known(
    open: KnownOpen,
    caller: Caller,
    path: &BuiltPath,
    buffer: *mut PathScratch,
) -> bool {
    let is_whole = path.flags == 0 && path.name_len == 0 && path.len != 0;
    if !is_whole || path.len > KNOWN_PATH_MAX as u64 {
        return false;
    }
    let index = PathScratch::index(buffer);
    open_is_known(index, path.start, path.len, open.word(), caller.cgroup_id) != 0
}

/// A global function: the verifier goes through it once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn open_is_known(index: u64, start: u64, len: u64, open: u64, cgroup_id: u64) -> u64 {
    let Some(buffer) = PATH_SCRATCH.get_ptr_mut(index as u32) else {
        return 0;
    };
    let Some(actor) = actor(Task::exec_key((bpf_get_current_pid_tgid() >> 32) as u32)) else {
        return 0;
    };
    if actor.cgroup_id != cgroup_id {
        return 0;
    }
    let mut key = Fingerprint::new([KNOWN_SEED_0.load(), KNOWN_SEED_1.load()]);
    key.add(actor.role);
    key.add(known_generation(generation(), len));
    key.add(known_by(open, Task::current().is_root()));
    for word in 0..KNOWN_PATH_MAX as u64 / WORD {
        let read = word * WORD;
        if read + WORD > len {
            break;
        }
        let Some(at) = path::byte_at(buffer, start + read) else {
            return 0;
        };
        // SAFETY: the buffer goes on behind every index that `byte_at` lets pass.
        key.add(unsafe { verifier::load_word(at) });
    }
    // From the length alone, so that the verifier need not follow every way out of the loop.
    let left = len % WORD;
    if left != 0 {
        let Some(at) = path::byte_at(buffer, start + (len - left)) else {
            return 0;
        };
        // SAFETY: as above.
        key.add(unsafe { verifier::load_word(at) } & ((1 << (left * 8)) - 1));
    }
    let words = KNOWN_HEAD + len.div_ceil(WORD);
    let key = key.end(words);
    match KNOWN_OPENS.get_ptr(key) {
        // SAFETY: a live map value, of which the daemon writes new ones; the helper has no arguments.
        Some(until) => {
            u64::from(unsafe { core::ptr::read_volatile(until) > bpf_ktime_get_boot_ns() })
        }
        None => 0,
    }
}
