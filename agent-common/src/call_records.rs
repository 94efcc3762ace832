//! Layouts of the records about calls that take no path.
//!
//! Arguments stand in the order of the call, as the kernel saved the registers: exact, and widened
//! to 64 bits, so that the upper half of a 32-bit argument says nothing. Memory that one points to
//! is not read. A call that has fewer arguments leaves the rest undefined.
//!
//! | call | arguments |
//! |---|---|
//! | `capset` | header, data (both pointers); the context has the sets |
//! | `ptrace` | request, pid, address, data |
//! | `process_vm_readv`, `process_vm_writev` | pid, own vectors, their number, remote vectors, their number, flags |
//! | `pidfd_getfd` | pidfd, descriptor in the other process, flags |
//! | `unshare` | CLONE_* flags |
//! | `setns` | descriptor of a namespace or pidfd, CLONE_* flags |
//! | `init_module` | image (pointer), length, parameters (pointer) |
//! | `finit_module` | descriptor, parameters (pointer), flags |
//! | `delete_module` | name (pointer), flags |
//! | `bpf` | command, attributes (pointer), their size |
//! | `io_uring_setup` | entries, parameters (pointer) |
//! | `keyctl` | operation, then its own arguments |
//! | `add_key` | type, description, payload (pointers), length, keyring |
//! | `request_key` | type, description, callout (pointers), keyring |
//! | `userfaultfd` | flags |
//! | `perf_event_open` | attributes (pointer), pid, CPU, group descriptor, flags |
//! | `mmap` | address, length, protection, flags |
//! | `mprotect`, `pkey_mprotect` | address, length, protection, key (of the latter) |
//! | `dup`, `dup2`, `dup3` | old descriptor, new one, flags |
//! | `kill`, `tkill` | pid or tid, signal |
//! | `tgkill` | pid, tid, signal |
//! | `pidfd_send_signal` | pidfd, signal, information (pointer), flags |
//! | `socket`, `socketpair` | domain, type, protocol, pair (pointer) |

use crate::{BulkContext, ProcessContext, RecordHeader, layout::assert_layout};

/// Arguments in a [`CallRecord`]: as many as a system call can have.
pub const CALL_ARGUMENTS: usize = 6;
/// Arguments in a [`BulkCallRecord`].
pub const BULK_ARGUMENTS: usize = 4;

/// A call of [`crate::Hook::Privilege`]; the context holds the state *after* it.
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
pub struct CallRecord {
    /// Kind [`crate::Kind::Call`].
    pub header: RecordHeader,
    /// The process.
    pub process: ProcessContext,
    /// Return value.
    pub result: i64,
    /// Arguments.
    pub args: [u64; CALL_ARGUMENTS],
    /// [`crate::Call`].
    pub call: u8,
    /// Spelled-out padding, zero.
    pub pad: [u8; 7],
}

assert_layout!(
    CallRecord,
    size = 232,
    process = 16,
    result = 168,
    args = 176,
    call = 224,
);

/// Bits of [`BulkCallRecord::flags`].
pub mod call_flags {
    /// The descriptor table is shared with another process.
    pub const FD_SHARED: u8 = 1;
}

/// A call of the hooks Memory, Descriptor, Signal and Socket. Of a Descriptor call followed by a
/// [`crate::StdioRecord`]: what the descriptor is.
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
pub struct BulkCallRecord {
    /// Kind [`crate::Kind::BulkCall`].
    pub header: RecordHeader,
    /// Who.
    pub context: BulkContext,
    /// Return value in full: an address does not fit the context's.
    pub result: i64,
    /// Arguments.
    pub args: [u64; BULK_ARGUMENTS],
    /// [`crate::Call`].
    pub call: u8,
    /// [`call_flags`].
    pub flags: u8,
    /// Spelled-out padding, zero.
    pub pad: [u8; 6],
}

assert_layout!(
    BulkCallRecord,
    size = 88,
    context = 16,
    result = 40,
    args = 48,
    call = 80,
    flags = 81,
);
