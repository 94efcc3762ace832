//! Layout of the records of calls on paths.

use crate::{BulkContext, Call, Hook, RecordHeader, layout::assert_layout};

/// A call on paths, also a failed one. Followed by the first path and the second.
///
/// Calls of [`Hook::FileChange`], of [`Hook::Mount`] (in the critical ring), and executions that
/// failed.
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
pub struct PathsRecord {
    /// Kind [`crate::Kind::Paths`].
    pub header: RecordHeader,
    /// Who.
    pub context: BulkContext,
    /// Arguments that are numbers; which ones, [`crate::PathCall`] says.
    pub args: [u32; 2],
    /// Descriptor argument that the first path comes from, -1 when there is none.
    pub descriptor: i32,
    /// Length of the first path.
    pub first_len: u16,
    /// Number of bytes at its end that are the name as the caller passed it.
    pub first_name_len: u16,
    /// Length of the second path.
    pub second_len: u16,
    /// Number of bytes at its end that are the name as the caller passed it.
    pub second_name_len: u16,
    /// [`Call`].
    pub call: u8,
    /// [`crate::path_flags`] and [`crate::open_marks::FD_SHARED`] of the first path.
    pub first_marks: u8,
    /// The same of the second.
    pub second_marks: u8,
    /// Spelled-out padding, zero.
    pub pad: u8,
}

assert_layout!(
    PathsRecord,
    size = 64,
    context = 16,
    args = 40,
    descriptor = 48,
    first_len = 52,
    second_len = 56,
    call = 60,
    first_marks = 61,
    second_marks = 62,
);

impl PathsRecord {
    /// The topic under which a record of this call is accounted.
    pub const fn hook(call: Call) -> Hook {
        match call.hook() {
            // An execution that succeeds has a record of its own.
            Hook::Exec => Hook::ExecFailed,
            hook => hook,
        }
    }
}
