//! Opens.

use std::borrow::Cow;

use gravlens_common::{BulkContext, Call, OpenRecord, open_marks, path_flags};

use super::{DecodeError, call, lexical, read, view::path};
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
    /// open(2) flags.
    pub flags: u32,
    /// The call made the file.
    pub created: bool,
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
        let has = |bit: u8| raw.marks & bit != 0;
        let user_memory = has(path_flags::USER_MEMORY);
        let name = name(bytes, raw.name_len)?;
        let path = path(bytes, raw.marks);
        Ok(Self {
            context: raw.context,
            call: call(raw.call)?,
            path: match name {
                // The directory was lost on the way: the name is what remains.
                Some(name) if path.bytes.is_empty() => path.map(|_| lexical::resolved(name)),
                Some(_) => path.map(lexical::resolved),
                None if user_memory => path.map(lexical::resolved),
                _ => path.map(Cow::Borrowed),
            },
            name,
            flags: raw.flags,
            created: has(open_marks::CREATED),
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

/// The last `len` bytes of the path.
fn name(path: &[u8], len: u16) -> Result<Option<&[u8]>, DecodeError> {
    let start = path
        .len()
        .checked_sub(len.into())
        .ok_or(DecodeError::Short { len: path.len() })?;
    Ok((len > 0).then(|| &path[start..]))
}
