//! Events that no rule can want end where they arise, counted as suppressed.
//!
//! The class of an event decides before anything is paid or built. Where the path decides, the walker
//! looks each name up on its way; the event pays its token afterwards, so that what nobody wants takes
//! nothing from the share of its cgroup.

use gravlens_common::{
    ApproverTable, EventClass, Hook, NAME_HEAD, NAME_PLACES, NameKey, PATH_BEGIN, PORT_PLACES,
    SocketEnds, VERDICT_CALLS, WantedName, path_flags, port_bit, verdict,
};

use crate::{
    account::{self, Account},
    fairness::{self, Paid},
    kernel::path::{self, BuiltPath},
    maps::APPROVERS,
    scope::Caller,
    scratch::PathScratch,
    verifier,
};

/// Keep indexes inside the table, for the verifier.
const CALL_MASK: i32 = VERDICT_CALLS as i32 - 1;
const CLASS_MASK: i32 = EventClass::COUNT as i32 - 1;
const NAME_MASK: i32 = NAME_PLACES as i32 - 1;
const PORT_MASK: i32 = PORT_PLACES as i32 - 1;

#[inline(always)]
fn table() -> Option<*mut ApproverTable> {
    APPROVERS.get_ptr_mut(0)
}

/// What becomes of the caller's event: a number of [`verdict`].
#[inline(always)]
pub fn verdict_of(call: u8, class: EventClass, caller: Caller) -> u8 {
    let class = u64::from(class.number());
    approver_verdict(u64::from(call), class, caller.cgroup_id) as u8
}

/// A global function: the verifier goes through it once, and callers with much on their stack have no
/// room for it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn approver_verdict(call: u64, class: u64, cgroup_id: u64) -> u64 {
    let Some(table) = table() else {
        return u64::from(verdict::KEEP);
    };
    let call = verifier::mask::<CALL_MASK>(call);
    let class = verifier::mask::<CLASS_MASK>(class);
    // SAFETY: a live map value; both indexes are masked to the table's size. Volatile: the daemon
    // writes it.
    let (found, exempt) = unsafe {
        let verdicts = (&raw const (*table).verdicts).cast::<u8>();
        let index = call as usize * EventClass::COUNT + class as usize;
        (
            core::ptr::read_volatile(verdicts.add(index)),
            core::ptr::read_volatile(&raw const (*table).exempt_cgroup),
        )
    };
    if exempt == cgroup_id {
        u64::from(verdict::KEEP)
    } else {
        u64::from(found)
    }
}

/// Pays for a bulk event of which the class decides. `None` when it has been counted as suppressed or
/// as cut.
#[inline(always)]
pub fn pay(call: u8, class: EventClass, caller: Caller, account: Option<Account>) -> Option<Paid> {
    if verdict_of(call, class, caller) == verdict::DROP {
        account::suppressed(account);
        return None;
    }
    fairness::pay(caller.cgroup_id, account)
}

/// Has the next walk look up which of these classes want the names that it meets; none of zero.
#[inline(always)]
pub fn ask(buffer: *mut PathScratch, classes: u8) {
    // SAFETY: the program holds the slot. Volatile: see `PathScratch::start`.
    unsafe {
        core::ptr::write_volatile(&raw mut (*buffer).asked, u64::from(classes));
        core::ptr::write_volatile(&raw mut (*buffer).wanted, 0);
    }
}

/// Whether a class that was asked about wants the path that was built since. Of one that is not whole,
/// or that the caller named, it is not known, so it is wanted. Walks look nothing up any more.
#[inline(always)]
pub fn wants(buffer: *mut PathScratch, path: &BuiltPath) -> bool {
    // SAFETY: as above.
    let wanted = unsafe {
        core::ptr::write_volatile(&raw mut (*buffer).asked, 0);
        core::ptr::read_volatile(&raw const (*buffer).wanted)
    };
    let is_whole = path.flags & (path_flags::TRUNCATED | path_flags::UNREADABLE) == 0;
    wanted != 0 || !is_whole || path.name_len != 0
}

#[inline(always)]
fn asked(buffer: *mut PathScratch) -> u64 {
    // SAFETY: as above.
    unsafe { core::ptr::read_volatile(&raw const (*buffer).asked) }
}

/// The walk has met a name of that length, whose bytes begin at that address, with as many bytes of
/// the buffer behind it as a key may take.
///
/// # Safety
///
/// `NAME_HEAD` bytes can be read at `name`.
#[inline(always)]
pub unsafe fn met(buffer: *mut PathScratch, name: *const u8, len: u64, is_last: bool) {
    let asked = asked(buffer);
    if asked == 0 {
        return;
    }
    // SAFETY: the caller vouches for the bytes.
    let head = unsafe { first_bytes::<NAME_HEAD>(name) };
    add(buffer, asked & classes(NameKey::of(len, head), is_last));
}

/// The walk has met what may be more than one name: all classes want it.
#[inline(always)]
pub fn met_unknown(buffer: *mut PathScratch) {
    add(buffer, asked(buffer));
}

/// The walk has ended, with a path of that length whose first byte has that index.
#[inline(always)]
pub fn met_begin(buffer: *mut PathScratch, start: u64, len: u64) {
    let asked = asked(buffer);
    if asked == 0 || len < PATH_BEGIN as u64 {
        return;
    }
    let Some(first) = path::byte_at(buffer, start) else {
        return;
    };
    // SAFETY: the buffer goes on behind every index that `byte_at` lets pass.
    let begin = unsafe { first_bytes::<PATH_BEGIN>(first) } as u32;
    add(buffer, asked & classes(NameKey::of_begin(begin), false));
}

/// Bytes as a number, the first one lowest.
///
/// # Safety
///
/// `LEN` bytes can be read at `start`.
#[inline(always)]
unsafe fn first_bytes<const LEN: usize>(start: *const u8) -> u64 {
    let mut number = 0;
    // From the last to the first: each takes one register more for a moment only.
    for index in (0..LEN).rev() {
        // SAFETY: the caller vouches for the bytes.
        let byte = unsafe { core::ptr::read_volatile(start.add(index)) };
        number = number << 8 | u64::from(byte);
    }
    // Put together here and now: the bytes would else wait one by one on the stack.
    verifier::mask::<-1>(number)
}

#[inline(always)]
fn add(buffer: *mut PathScratch, classes: u64) {
    // SAFETY: the program holds the slot. Volatile: see `PathScratch::start`.
    unsafe {
        let wanted = core::ptr::read_volatile(&raw const (*buffer).wanted);
        core::ptr::write_volatile(&raw mut (*buffer).wanted, wanted | classes);
    }
}

/// Classes that want a name.
#[inline(always)]
fn classes(key: NameKey, is_last: bool) -> u64 {
    let Some(table) = table() else {
        return 0;
    };
    let place = verifier::mask::<NAME_MASK>(u64::from(key.place));
    // SAFETY: a live map value; the index is masked to the table's size. Volatile: the daemon writes
    // it.
    let entry = unsafe {
        let names = (&raw const (*table).names).cast::<u64>();
        core::ptr::read_volatile(names.add(place as usize))
    };
    u64::from(WantedName(entry).classes(key.tag, is_last))
}

/// Whether calls of this hook want a socket with these ends.
#[inline(always)]
pub fn wants_ports(hook: Hook, ends: &SocketEnds) -> bool {
    let bit = u64::from(port_bit(hook));
    hooks_of_either(u64::from(ends.remote_port), u64::from(ends.local_port)) & bit != 0
}

/// A global function, as above.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hooks_of_either(one: u64, other: u64) -> u64 {
    u64::from(hooks_of(one) | hooks_of(other))
}

#[inline(always)]
fn hooks_of(port: u64) -> u8 {
    let Some(table) = table() else {
        return 0;
    };
    let place = verifier::mask::<PORT_MASK>(port);
    // SAFETY: as for names.
    unsafe {
        let ports = (&raw const (*table).ports).cast::<u8>();
        core::ptr::read_volatile(ports.add(place as usize))
    }
}
