//! The path walker: from a dentry and a mount up to the root of the mount namespace.
//!
//! The walk goes through mount points and never stops at the process's own root, so chroot hides
//! nothing. It runs in `bpf_loop`, whose body the verifier checks once, so the number of
//! components is not limited by the program's size.

use aya_ebpf::helpers::generated::{
    bpf_loop, bpf_probe_read_kernel, bpf_probe_read_kernel_str, bpf_probe_read_user,
    bpf_probe_read_user_str,
};
use gravlens_common::{limits, path_flags};

use super::{
    field,
    object::{FromStart, Start, Window},
    plain, read_at_or_zero, read_ptr,
    task::Task,
};
use crate::{
    approvers,
    globals::*,
    maps::PATH_SCRATCH,
    scratch::{PATH_HEAD, PathScratch},
    verifier,
};

/// Index one past the last byte of a path in its buffer.
const END: u64 = (PATH_HEAD + limits::PATH_ROOM) as u64;
/// Keeps a write index inside the buffer for the verifier; the buffer is a little longer.
const INDEX_MASK: i32 = 0x1FFF;

const _: () = assert!(
    END < INDEX_MASK as u64,
    "every index of the buffer passes the mask"
);

/// A path in its buffer.
#[derive(Clone, Copy)]
pub struct BuiltPath {
    /// Index of the first byte.
    pub start: u64,
    /// Number of bytes.
    pub len: u64,
    /// Number of bytes at the end that are the name as the caller passed it; zero for a path that
    /// is built from kernel objects alone.
    pub name_len: u64,
    /// [`path_flags`].
    pub flags: u8,
}

impl BuiltPath {
    /// No path, and why.
    #[inline(always)]
    pub fn unreadable() -> Self {
        Self {
            start: END,
            len: 0,
            name_len: 0,
            flags: path_flags::UNREADABLE,
        }
    }
}

/// Where a packed path has its parts, from the lowest bit: start, length of the name, flags.
const NAME_LEN: u32 = 16;
const FLAGS: u32 = 32;

impl BuiltPath {
    /// As one number, for functions that give numbers only; the upper half is free from bit 40.
    #[inline(always)]
    pub fn packed(self) -> u64 {
        self.start | self.name_len << NAME_LEN | u64::from(self.flags) << FLAGS
    }

    /// The path that was packed.
    #[inline(always)]
    pub fn unpacked(packed: u64) -> Self {
        let start = packed & 0xFFFF;
        Self {
            start,
            len: END - start,
            name_len: packed >> NAME_LEN & 0xFFFF,
            flags: (packed >> FLAGS) as u8,
        }
    }
}

/// State of the walk, on the stack of the program that runs it.
#[repr(C)]
struct Walk {
    buffer: *mut PathScratch,
    dentry: u64,
    mount: u64,
    mount_root: u64,
}

impl Walk {
    #[inline(always)]
    fn start(&self) -> u64 {
        // SAFETY: the program holds the slot. Volatile: see `PathScratch::start`.
        unsafe { core::ptr::read_volatile(&raw const (*self.buffer).start) }
    }

    #[inline(always)]
    fn set_start(&mut self, start: u64) {
        // SAFETY: as above.
        unsafe { core::ptr::write_volatile(&raw mut (*self.buffer).start, start) };
    }

    #[inline(always)]
    fn flags(&self) -> u8 {
        // SAFETY: as above.
        unsafe { core::ptr::read_volatile(&raw const (*self.buffer).flags) as u8 }
    }

    #[inline(always)]
    fn set_flags(&mut self, flags: u8) {
        // SAFETY: as above.
        unsafe { core::ptr::write_volatile(&raw mut (*self.buffer).flags, u64::from(flags)) };
    }
}

/// A name in the tree of files: what a `struct path` says.
#[derive(Clone, Copy)]
pub struct Place {
    dentry: u64,
    /// Address of the `struct vfsmount`.
    mount: u64,
}

impl Place {
    /// A dentry in a mount, by their addresses; null where there is none.
    #[inline(always)]
    pub fn new(dentry: u64, mount: u64) -> Self {
        Self { dentry, mount }
    }

    /// What the `struct path` at that address says.
    #[inline(always)]
    fn of(path: u64, buffer: *mut PathScratch) -> Self {
        let fields = Window::<FromStart, 2>::of(path, PathScratch::room(buffer));
        Self::new(fields.get(&PATH_DENTRY), fields.get(&PATH_MNT))
    }
}

/// What the walk needs of a dentry: its hash, its parent and its name are neighbours.
struct Dentry {
    address: u64,
    /// Zero when it cannot be read.
    parent: u64,
    fields: Window<FromHash, 4>,
}

struct FromHash;

impl Start for FromHash {
    #[inline(always)]
    fn offset() -> u32 {
        DENTRY_HASH_PPREV.load()
    }
}

/// A mount's parent and the place where it is mounted are neighbours too.
struct FromParent;

impl Start for FromParent {
    #[inline(always)]
    fn offset() -> u32 {
        MOUNT_PARENT.load()
    }
}

impl Dentry {
    #[inline(always)]
    fn at(address: u64, buffer: *mut PathScratch) -> Self {
        let fields = Window::of(address, PathScratch::room(buffer));
        Self {
            address,
            parent: fields.get(&DENTRY_PARENT),
            fields,
        }
    }

    #[inline(always)]
    fn is_root(&self) -> bool {
        self.parent == self.address
    }

    /// Its name is gone (`d_unlinked` in include/linux/dcache.h): the kernel finds a name by its
    /// hash only.
    #[inline(always)]
    fn is_deleted(&self) -> bool {
        self.parent != 0 && self.fields.get::<u64>(&DENTRY_HASH_PPREV) == 0 && !self.is_root()
    }

    /// The root of a filesystem: no other dentry has that name.
    #[inline(always)]
    fn is_named_slash(&self) -> bool {
        read_at_or_zero::<u8>(self.name()) == b'/'
    }

    #[inline(always)]
    fn name(&self) -> u64 {
        self.fields.get(&DENTRY_NAME)
    }

    #[inline(always)]
    fn name_len(&self) -> u64 {
        self.fields.get::<u32>(&DENTRY_NAME_LEN).into()
    }
}

/// Builds the path of a `struct path` into the buffer, relative to the root of the task's mount
/// namespace.
#[inline(always)]
pub fn build(path: u64, task: Task, buffer: *mut PathScratch) -> BuiltPath {
    build_place(Place::of(path, buffer), task, buffer)
}

/// The same for what it says.
#[inline(always)]
pub fn build_place(place: Place, task: Task, buffer: *mut PathScratch) -> BuiltPath {
    build_below(place, task, buffer, END)
}

/// The same for a name below a directory: the bytes from `start` on are already there.
#[inline(always)]
fn build_below(place: Place, task: Task, buffer: *mut PathScratch, start: u64) -> BuiltPath {
    let root = task.root_mount().unwrap_or(0);
    // SAFETY: the program holds the slot. Volatile: the verifier takes what comes out of a map for a
    // number, and the function takes nothing else.
    let index = unsafe {
        core::ptr::write_volatile(&raw mut (*buffer).root, root);
        core::ptr::read_volatile(&raw const (*buffer).index)
    };
    let flags = walk_up(index, place.dentry, place.mount, start) as u8;
    if flags & path_flags::UNREADABLE != 0 && flags & path_flags::TRUNCATED == 0 {
        return BuiltPath::unreadable();
    }
    // SAFETY: as above.
    let start = unsafe { core::ptr::read_volatile(&raw const (*buffer).start) };
    BuiltPath {
        start,
        len: END - start,
        name_len: 0,
        flags,
    }
}

/// Puts the names from a place up to the root before the byte at `start` of a slot, and returns
/// [`path_flags`]: `UNREADABLE` without `TRUNCATED` when there is no such place.
///
/// A global function: the verifier goes through it once, for any arguments, and not again in each
/// program and at each call.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn walk_up(index: u64, dentry: u64, mount: u64, start: u64) -> u64 {
    let nowhere = u64::from(path_flags::UNREADABLE);
    let Some(buffer) = PATH_SCRATCH.get_ptr_mut(index as u32) else {
        return nowhere;
    };
    let place = Place { dentry, mount };
    let Some(mut walk) = begin(place, buffer, start) else {
        return nowhere;
    };
    // SAFETY: the callback has the signature that bpf_loop expects and gets a live context.
    unsafe {
        bpf_loop(
            limits::PATH_COMPONENTS,
            step as *mut _,
            (&raw mut walk).cast(),
            0,
        );
    }
    let mut flags = walk.flags();
    // SAFETY: the caller holds the slot.
    let root = unsafe { core::ptr::read_volatile(&raw const (*buffer).root) };
    // A walk that did not arrive does not know where it would have ended.
    if flags & path_flags::TRUNCATED == 0 && root != walk.mount {
        flags |= path_flags::UNREACHABLE;
    }
    if walk.start() == END {
        prepend_byte(&mut walk, b'/');
    }
    approvers::met_begin(buffer, walk.start(), END - walk.start());
    if start == END && Dentry::at(dentry, buffer).is_deleted() {
        flags |= path_flags::DELETED;
    }
    u64::from(flags)
}

#[inline(always)]
fn begin(place: Place, buffer: *mut PathScratch, start: u64) -> Option<Walk> {
    if place.dentry == 0 || place.mount == 0 {
        return None;
    }
    let mut walk = Walk {
        buffer,
        dentry: place.dentry,
        mount: place.mount - u64::from(MOUNT_MNT.load()),
        mount_root: read_ptr(place.mount, &VFSMOUNT_ROOT)?,
    };
    walk.set_start(start);
    // TRUNCATED until the walk arrives: running out of iterations leaves it set.
    walk.set_flags(path_flags::TRUNCATED);
    Some(walk)
}

/// One step: over a mount point, or one name further up. Returns 1 to stop.
#[inline(never)]
extern "C" fn step(_index: u64, walk: *mut Walk) -> i64 {
    // SAFETY: bpf_loop hands back the context that `build` gave it.
    let walk = unsafe { &mut *walk };
    if walk.dentry == walk.mount_root {
        return cross_mount(walk);
    }
    let dentry = Dentry::at(walk.dentry, walk.buffer);
    if dentry.parent == 0 {
        walk.set_flags(walk.flags() | path_flags::UNREADABLE);
        return 1;
    }
    if dentry.is_root() {
        // A root that is not the mount's: a file outside what is mounted, or an internal filesystem
        // whose files are named but not placed (memfd).
        if !dentry.is_named_slash() {
            // A file in memory is named by its maker, slashes included.
            approvers::met_unknown(walk.buffer);
            prepend_name(walk, &dentry);
        }
        return arrive(walk);
    }
    if !prepend_name(walk, &dentry) {
        return 1;
    }
    walk.dentry = dentry.parent;
    0
}

#[inline(always)]
fn cross_mount(walk: &mut Walk) -> i64 {
    let mount = Window::<FromParent, 2>::of(walk.mount, PathScratch::room(walk.buffer));
    let parent = mount.get::<u64>(&MOUNT_PARENT);
    if parent == walk.mount {
        return arrive(walk);
    }
    let mountpoint = mount.get::<u64>(&MOUNT_MOUNTPOINT);
    let root = field(parent, &MOUNT_MNT).and_then(|mnt| read_ptr(mnt, &VFSMOUNT_ROOT));
    let (true, Some(root)) = (parent != 0 && mountpoint != 0, root) else {
        walk.set_flags(walk.flags() | path_flags::UNREADABLE);
        return 1;
    };
    walk.dentry = mountpoint;
    walk.mount = parent;
    walk.mount_root = root;
    0
}

#[inline(always)]
fn arrive(walk: &mut Walk) -> i64 {
    walk.set_flags(walk.flags() & !path_flags::TRUNCATED);
    1
}

/// Puts `/name` before what is there; false when there is no more room.
#[inline(always)]
fn prepend_name(walk: &mut Walk, dentry: &Dentry) -> bool {
    let (name, len) = (dentry.name(), dentry.name_len());
    if name == 0 {
        walk.set_flags(walk.flags() | path_flags::UNREADABLE);
        return false;
    }
    let end = walk.start();
    if len > limits::NAME_MAX as u64 || end <= PATH_HEAD as u64 + len + 1 {
        return false;
    }
    let start = end - len - 1;
    let len = verifier::mask::<0xFF>(len);
    let at = verifier::mask::<INDEX_MASK>(start);
    if at >= END {
        return false;
    }
    // SAFETY: `at` is below END and at most 255 + 1 bytes follow, which the buffer has room for.
    unsafe {
        let slot = (&raw mut (*walk.buffer).bytes)
            .cast::<u8>()
            .add(at as usize);
        if plain::granted() && len <= SHORT_NAME {
            copy_short(walk.buffer, end, name + len, len);
        } else {
            bpf_probe_read_kernel(slot.add(1).cast(), len as u32, name as *const _);
        }
        *slot = b'/';
        // The buffer is longer than any name's end.
        approvers::met(walk.buffer, slot.add(1), len, end == END);
    }
    walk.set_start(start);
    true
}

/// Longest name that is copied by plain loads.
const SHORT_NAME: u64 = 4 * WORD;
/// Bytes that one of them takes.
const WORD: u64 = size_of::<u64>() as u64;

const _: () = assert!(
    core::mem::offset_of!(PathScratch, bytes) as u64 >= SHORT_NAME,
    "a short name's words before the buffer's begin lie in the slot"
);

/// Copies a name from its end to its begin, word by word. What comes along from before its begin goes
/// where there is nothing yet, and is read from the same object: a name in a dentry follows other
/// fields, and one that is too long for it the head of a `struct external_name` (fs/dcache.c).
///
/// # Safety
///
/// The program holds the slot, and there is room before `end`.
#[inline(always)]
unsafe fn copy_short(buffer: *mut PathScratch, end: u64, name_end: u64, len: u64) {
    let end = verifier::mask::<INDEX_MASK>(end);
    // SAFETY: the buffer is longer than the mask lets an index be; for what the verifier takes to lie
    // before it, see above.
    let end = unsafe { (&raw mut (*buffer).bytes).cast::<u8>().add(end as usize) };
    let copy = |back: u64| {
        let word = plain::load(name_end - back);
        // SAFETY: as above.
        unsafe { verifier::store_word(end.sub(back as usize), word) };
    };
    copy(WORD);
    copy(2 * WORD);
    if len > 2 * WORD {
        copy(3 * WORD);
        copy(4 * WORD);
    }
}

#[inline(always)]
fn prepend_byte(walk: &mut Walk, byte: u8) {
    walk.set_start(END - 1);
    // SAFETY: END - 1 lies inside the buffer.
    unsafe { (*walk.buffer).bytes[END as usize - 1] = byte };
}

/// Address of the byte at `index` of a path buffer, bounded for the verifier.
#[inline(always)]
pub fn byte_at(buffer: *mut PathScratch, index: u64) -> Option<*mut u8> {
    let index = verifier::mask::<INDEX_MASK>(index);
    if index >= END {
        return None;
    }
    // SAFETY: the index is below END.
    Some(unsafe { (&raw mut (*buffer).bytes).cast::<u8>().add(index as usize) })
}

/// Where a name stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// In the caller's memory, which others may write to.
    User,
    /// In the kernel's copy.
    Kernel,
}

impl Memory {
    #[inline(always)]
    fn flags(self) -> u8 {
        match self {
            Self::User => path_flags::USER_MEMORY,
            Self::Kernel => 0,
        }
    }
}

/// Builds a path from the name that a call was given: below `directory` when it is relative, below the
/// task's root when it is absolute; as it stands when that is not known.
#[inline(always)]
pub fn build_from_name(
    memory: Memory,
    string: u64,
    directory: Option<u64>,
    task: Task,
    buffer: *mut PathScratch,
) -> BuiltPath {
    let Some((start, absolute)) = copy_string(memory, string, buffer) else {
        return BuiltPath::unreadable();
    };
    let below = if absolute {
        task.root_directory()
    } else {
        directory
    };
    let mut built = match below {
        Some(below) => join(below, absolute, task, buffer, start),
        None => plain(start),
    };
    built.name_len = END - start;
    built.flags |= memory.flags();
    built
}

/// A string as it stands.
#[inline(always)]
pub fn copy(memory: Memory, string: u64, buffer: *mut PathScratch) -> BuiltPath {
    let Some((start, _)) = copy_string(memory, string, buffer) else {
        return BuiltPath::unreadable();
    };
    let mut copied = plain(start);
    copied.name_len = END - start;
    copied.flags |= memory.flags();
    copied
}

#[inline(always)]
fn plain(start: u64) -> BuiltPath {
    BuiltPath {
        start,
        len: END - start,
        name_len: 0,
        flags: 0,
    }
}

/// Puts a directory's path before the name at `start`, with a slash between them; the name alone when
/// there is no such directory.
#[inline(always)]
fn join(
    directory: u64,
    absolute: bool,
    task: Task,
    buffer: *mut PathScratch,
    start: u64,
) -> BuiltPath {
    // An absolute name brings its slash.
    let below = if absolute { start } else { start - 1 };
    let Some(slash) = byte_at(buffer, below) else {
        return plain(start);
    };
    // SAFETY: `byte_at` bounded it.
    unsafe { *slash = b'/' };
    let built = build_below(Place::of(directory, buffer), task, buffer, below);
    if built.len == 0 { plain(start) } else { built }
}

/// Copies a string to the end of the buffer and tells where, and whether it begins with a slash;
/// `None` for one that is empty or cannot be read.
#[inline(always)]
fn copy_string(memory: Memory, string: u64, buffer: *mut PathScratch) -> Option<(u64, bool)> {
    let index = PathScratch::index(buffer);
    let copied = match memory {
        Memory::User => copy_from_user(index, string),
        Memory::Kernel => copy_from_kernel(index, string),
    };
    if copied == 0 {
        return None;
    }
    Some((copied & START, copied & ABSOLUTE != 0))
}

/// Parts of what the two functions below return; zero when there is no string.
const START: u64 = 0xFFFF_FFFF;
const ABSOLUTE: u64 = 1 << 32;

/// Global functions, as [`walk_up`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn copy_from_user(index: u64, string: u64) -> u64 {
    copy_to_end(Memory::User, index, string).unwrap_or(0)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn copy_from_kernel(index: u64, string: u64) -> u64 {
    copy_to_end(Memory::Kernel, index, string).unwrap_or(0)
}

/// It is read twice, since the place depends on its length.
#[inline(always)]
fn copy_to_end(memory: Memory, index: u64, string: u64) -> Option<u64> {
    let buffer = PATH_SCRATCH.get_ptr_mut(index as u32)?;
    let read_string = match memory {
        Memory::User => bpf_probe_read_user_str,
        Memory::Kernel => bpf_probe_read_kernel_str,
    };
    let probe = byte_at(buffer, PATH_HEAD as u64)?;
    // SAFETY: PATH_ROOM bytes follow the head.
    let len = unsafe { read_string(probe.cast(), limits::PATH_ROOM as u32, string as *const _) };
    // The length counts the final zero; an empty name has no path.
    if len <= 1 {
        return None;
    }
    // SAFETY: as above.
    let absolute = unsafe { *probe } == b'/';
    let len = verifier::mask::<0xFFF>((len - 1) as u64);
    let start = END - len;
    let target = byte_at(buffer, start)?;
    // SAFETY: `start` plus `len` is END, and the verifier's looser view of it (an index below END
    // and a length below 4,096) still ends inside the buffer.
    let read = match memory {
        Memory::User => bpf_probe_read_user,
        Memory::Kernel => bpf_probe_read_kernel,
    };
    let result = unsafe { read(target.cast(), len as u32, string as *const _) };
    let mark = if absolute { ABSOLUTE } else { 0 };
    (result == 0).then_some(start | mark)
}
