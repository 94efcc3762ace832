//! Opens.

use std::borrow::Cow;

use gravlens_common::{
    BulkContext, Call, OPEN_EXECUTABLE, OpenRecord, ShortOpenRecord, open_marks, path_flags,
};

use super::{
    DecodeError, call,
    paths::{name, placed},
    read,
    view::path,
};
use crate::model::{Path, Provenance};

/// An open.
#[derive(Clone, Debug)]
pub struct OpenView<'a> {
    /// Who, by fingerprint.
    pub context: BulkContext,
    /// The call.
    pub call: Call,
    /// File as the container sees it; a path from the caller's memory is resolved lexically.
    pub path: Path<Cow<'a, [u8]>>,
    /// Name as the caller passed it, where it was read.
    pub name: Option<&'a [u8]>,
    /// Flags: open(2)'s, of memfd_create its own.
    pub flags: u32,
    /// The call made the file.
    pub created: bool,
    /// The file that it made is a program: somebody may execute it.
    pub executable: bool,
    /// The descriptor table is shared.
    pub fd_shared: bool,
    /// io_uring made the open, in no system call of its own.
    pub by_io_uring: bool,
    /// Where the path was read.
    pub provenance: Provenance,
}

impl<'a> OpenView<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (raw, bytes) = read::<OpenRecord>(bytes)?;
        Self::of(&raw, bytes)
    }

    pub(super) fn from_short(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (raw, bytes) = read::<ShortOpenRecord>(bytes)?;
        Self::of(&raw.whole(), bytes)
    }

    fn of(raw: &OpenRecord, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let has = |bit: u8| raw.marks & bit != 0;
        let user_memory = has(path_flags::USER_MEMORY);
        let name = name(bytes, raw.name_len)?;
        let call = call(raw.call)?;
        Ok(Self {
            context: raw.context,
            call,
            path: match call {
                Call::MemfdCreate => in_memory(path(bytes, raw.marks)),
                _ => placed(bytes, name, raw.marks),
            },
            name,
            flags: match call {
                Call::MemfdCreate => raw.flags,
                _ => raw.flags & !OPEN_EXECUTABLE,
            },
            created: has(open_marks::CREATED),
            executable: call != Call::MemfdCreate && raw.flags & OPEN_EXECUTABLE != 0,
            fd_shared: has(open_marks::FD_SHARED),
            by_io_uring: has(open_marks::IO_URING),
            provenance: if user_memory {
                Provenance::UserMemory
            } else {
                Provenance::Kernel
            },
        })
    }
}

/// The walker puts a slash before the name of a file that has no place.
fn in_memory(path: Path<&[u8]>) -> Path<Cow<'_, [u8]>> {
    Path {
        unreachable: false,
        ..path.map(|bytes| Cow::Borrowed(bytes.strip_prefix(b"/").unwrap_or(bytes)))
    }
}
