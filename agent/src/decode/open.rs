//! Opens.

use gravlens_common::{BulkContext, Call, OpenRecord, open_marks, path_flags};

use super::{DecodeError, call, read, take, view::path};
use crate::model::{Path, Provenance};

/// An open.
#[derive(Clone, Debug)]
pub struct OpenView<'a> {
    /// Who, by fingerprint.
    pub context: BulkContext,
    /// The call.
    pub call: Call,
    /// File as the container sees it.
    pub path: Path<&'a [u8]>,
    /// open(2) flags.
    pub flags: u32,
    /// The call made the file.
    pub created: bool,
    /// The descriptor table is shared.
    pub fd_shared: bool,
    /// Where the path was read.
    pub provenance: Provenance,
}

impl<'a> OpenView<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (raw, mut rest) = read::<OpenRecord>(bytes)?;
        let name = take(&mut rest, raw.path_len)?;
        let has = |bit: u8| raw.marks & bit != 0;
        Ok(Self {
            context: raw.context,
            call: call(raw.call)?,
            path: path(name, raw.marks),
            flags: raw.flags,
            created: has(open_marks::CREATED),
            fd_shared: has(open_marks::FD_SHARED),
            provenance: if has(path_flags::USER_MEMORY) {
                Provenance::UserMemory
            } else {
                Provenance::Kernel
            },
        })
    }
}
