//! Which overlay layer a file is on.

use gravlens_common::{ABSENT, exe_flags};

use super::{file::Inode, read, read_ptr};
use crate::globals::*;

/// Magic number of overlayfs (`OVERLAYFS_SUPER_MAGIC` in uapi/linux/magic.h).
const OVERLAYFS: u64 = 0x794c_7630;

/// Layer bits of [`exe_flags`] for a file on overlayfs; zero elsewhere, and where this kernel's
/// overlay module does not describe its structs.
///
/// An inode with an upper dentry has a file in the container's own layer; one with lower layers
/// besides was copied up from the image.
#[inline(always)]
pub fn layer_flags(inode: Inode, dentry: Option<u64>) -> u16 {
    if inode.magic() != Some(OVERLAYFS) {
        return 0;
    }
    let embedded = OVL_INODE_VFS_INODE.load();
    if embedded == ABSENT || OVL_INODE_UPPER.load() == ABSENT {
        return 0;
    }
    let ovl_inode = inode.address() - u64::from(embedded);
    let Some(lower_count) = lower_count(ovl_inode, dentry) else {
        return 0;
    };
    let mut flags = exe_flags::LAYER_VALID;
    if read_ptr(ovl_inode, &OVL_INODE_UPPER).is_some() {
        flags |= exe_flags::UPPER;
    }
    if lower_count > 0 {
        flags |= exe_flags::LOWER;
    }
    flags
}

/// Number of lower layers that hold the file. The `ovl_entry` hangs on the inode since 6.5 and on
/// the dentry before.
#[inline(always)]
fn lower_count(ovl_inode: u64, dentry: Option<u64>) -> Option<u32> {
    let entry = if OVL_INODE_ENTRY.load() == ABSENT {
        read_ptr(dentry?, &DENTRY_FSDATA)?
    } else {
        match read_ptr(ovl_inode, &OVL_INODE_ENTRY) {
            Some(entry) => entry,
            // A pure upper inode may have no entry at all.
            None => return Some(0),
        }
    };
    read(entry, &OVL_ENTRY_NUMLOWER)
}
