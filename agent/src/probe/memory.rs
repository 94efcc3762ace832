//! A request for memory, for the canary.

use std::io;
use std::ptr::null_mut;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

/// Asks for memory that is writable and executable, and gets none: the kernel refuses a mapping
/// without a length.
///
/// # Errors
/// Always.
pub(crate) fn ask_for_nothing() -> io::Result<()> {
    let protection = ProtFlags::READ | ProtFlags::WRITE | ProtFlags::EXEC;
    // SAFETY: at an address that the kernel chooses, so that nothing is mapped over.
    unsafe { mmap_anonymous(null_mut(), 0, protection, MapFlags::PRIVATE) }?;
    Ok(())
}
