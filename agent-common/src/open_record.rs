//! Layouts of the records of opens.

use crate::{BulkContext, Kind, RecordHeader, layout::assert_layout};

/// Bits of [`OpenRecord::marks`] beside [`crate::path_flags`], which share the byte.
pub mod open_marks {
    /// The call made the file (FMODE_CREATED).
    pub const CREATED: u8 = 1 << 5;
    /// The descriptor table is shared with another process.
    pub const FD_SHARED: u8 = 1 << 6;
    /// io_uring opened it, in no system call of its own.
    pub const IO_URING: u8 = 1 << 7;
}

/// Bit of [`OpenRecord::flags`] beside those of open(2), which does not use it: the call made a file
/// that somebody may execute. The marks have no bit left. Not of memfd_create, which uses it.
pub const OPEN_EXECUTABLE: u32 = 1 << 31;

/// A file was opened or could not be. The path takes the rest of the record.
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
pub struct OpenRecord {
    /// Kind [`crate::Kind::Open`].
    pub header: RecordHeader,
    /// Who.
    pub context: BulkContext,
    /// open(2) flags, and [`OPEN_EXECUTABLE`].
    pub flags: u32,
    /// Number of bytes at the path's end that are the name as the caller passed it, zero when the
    /// path was not read from the caller's memory.
    pub name_len: u16,
    /// [`crate::Call`].
    pub call: u8,
    /// [`crate::path_flags`] and [`open_marks`].
    pub marks: u8,
}

assert_layout!(
    OpenRecord,
    size = 48,
    context = 16,
    flags = 40,
    name_len = 44,
    call = 46,
    marks = 47,
);

/// An [`OpenRecord`] of which a part is implied, as of nearly all: by far the most frequent record.
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
pub struct ShortOpenRecord {
    /// Kind [`crate::Kind::ShortOpen`].
    pub header: RecordHeader,
    /// [`BulkContext::exec_key`].
    pub exec_key: u64,
    /// [`BulkContext::cgroup_id`]: the kernel counts the upper half up only after it has given all
    /// numbers of the lower one away (`__kernfs_new_node` in fs/kernfs/dir.c).
    pub cgroup_id: u32,
    /// [`BulkContext::tid`].
    pub tid: u32,
    /// [`OpenRecord::flags`].
    pub flags: u32,
    /// [`BulkContext::result`].
    pub result: i16,
    /// [`OpenRecord::call`].
    pub call: u8,
    /// [`OpenRecord::marks`].
    pub marks: u8,
}

assert_layout!(
    ShortOpenRecord,
    size = 40,
    exec_key = 16,
    cgroup_id = 24,
    tid = 28,
    flags = 32,
    result = 36,
    call = 38,
    marks = 39,
);

impl ShortOpenRecord {
    /// Bytes that it takes less.
    const SAVED: u32 = (size_of::<OpenRecord>() - size_of::<Self>()) as u32;

    /// The short form; `None` of a record that does not fit into it.
    #[inline(always)]
    pub const fn of(record: &OpenRecord) -> Option<Self> {
        let context = &record.context;
        let result = context.result as i16;
        if context.cgroup_id > u32::MAX as u64
            || result as i32 != context.result
            || record.name_len != 0
        {
            return None;
        }
        Some(Self {
            header: RecordHeader {
                kind: Kind::ShortOpen as u8,
                size: record.header.size.wrapping_sub(Self::SAVED),
                ..record.header
            },
            exec_key: context.exec_key,
            cgroup_id: context.cgroup_id as u32,
            tid: context.tid,
            flags: record.flags,
            result,
            call: record.call,
            marks: record.marks,
        })
    }

    /// The record that it stands for.
    pub const fn whole(&self) -> OpenRecord {
        OpenRecord {
            header: RecordHeader {
                kind: Kind::Open as u8,
                size: self.header.size.wrapping_add(Self::SAVED),
                ..self.header
            },
            context: BulkContext {
                cgroup_id: self.cgroup_id as u64,
                exec_key: self.exec_key,
                tid: self.tid,
                result: self.result as i32,
            },
            flags: self.flags,
            name_len: 0,
            call: self.call,
            marks: self.marks,
        }
    }
}
