//! Ring records into typed views: a pure function of bytes.
//!
//! Nothing is trusted: every length is checked against the record, every number against its list.
//! Absence stays absence (`valid` bits become `Option`), and a view borrows from the record.

#![forbid(unsafe_code)]

mod call;
mod comm;
mod context;
mod dns;
mod lexical;
mod open;
mod origin;
mod paths;
mod socket;
mod view;

use gravlens_common::{
    ABI_VERSION, BulkCallRecord, Call, CallRecord, CgroupRecord, ExecRecord, ExitRecord,
    ForkRecord, Kind, MarkerRecord, RecordHeader, SetIdsRecord, TaskRecord,
};
use thiserror::Error;
use zerocopy::FromBytes;

use crate::model::ExecId;

pub use call::{BulkCallView, CallView};
pub use comm::Comm;
pub use context::Context;
pub use dns::{DnsView, MAX_ADDRESSES, Parsed, parse as parse_dns};
pub(crate) use lexical::resolved;
pub use open::OpenView;
pub use origin::{Origin, origin};
pub use paths::PathsView;
pub use socket::SocketView;
pub use view::{CgroupView, ExeView, ExecView, ExitView, ForkView, SetIdsView, TaskView};

/// A record that is not what the ABI says.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Fewer bytes than the fixed part or than its lengths add up to.
    #[error("record of {len} bytes is too short")]
    Short {
        /// Bytes there are.
        len: usize,
    },
    /// The header's size is not the record's.
    #[error("record of {len} bytes says it has {size}")]
    Size {
        /// Bytes there are.
        len: usize,
        /// What the header says.
        size: u32,
    },
    /// Another version of the layouts.
    #[error("record of ABI version {0}")]
    Version(u8),
    /// A kind, call or other number that is not in its list.
    #[error("unknown {what} {number}")]
    Unknown {
        /// What the number stands for.
        what: &'static str,
        /// The number.
        number: u8,
    },
}

/// One record.
#[derive(Clone, Debug)]
pub enum Record<'a> {
    /// A new image runs.
    Exec(ExecView<'a>),
    /// A process was forked; the context is the child's.
    Fork(ForkView),
    /// A process ended.
    Exit(ExitView),
    /// A cgroup was made, removed or joined.
    Cgroup(CgroupView<'a>),
    /// Credentials were changed, or were not.
    SetIds(SetIdsView),
    /// A barrier.
    Marker(u64),
    /// A process found by the iterator.
    Task(TaskView<'a>),
    /// A file was opened, or was not.
    Open(OpenView<'a>),
    /// A socket call.
    Socket(SocketView<'a>),
    /// A call that changes privileges or reaches into others.
    Call(CallView),
    /// A frequent call that takes no path.
    BulkCall(BulkCallView),
    /// A call on paths.
    Paths(PathsView<'a>),
    /// A DNS packet.
    Dns(DnsView<'a>),
}

/// Time and flags of any record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Nanoseconds since boot.
    pub boot_ns: u64,
    /// [`gravlens_common::record_flags`].
    pub flags: u16,
}

/// Decodes one record.
pub fn decode(bytes: &[u8]) -> Result<(Head, Record<'_>), DecodeError> {
    let (header, _) = read::<RecordHeader>(bytes)?;
    if header.version != ABI_VERSION {
        return Err(DecodeError::Version(header.version));
    }
    if header.size as usize != bytes.len() {
        return Err(DecodeError::Size {
            len: bytes.len(),
            size: header.size,
        });
    }
    let head = Head {
        boot_ns: header.boot_ns,
        flags: header.flags,
    };
    Ok((head, body(header.kind, bytes)?))
}

fn body(kind: u8, bytes: &[u8]) -> Result<Record<'_>, DecodeError> {
    let unknown = DecodeError::Unknown {
        what: "kind",
        number: kind,
    };
    Ok(match Kind::from_number(kind).ok_or(unknown)? {
        Kind::Exec => {
            let (record, rest) = read::<ExecRecord>(bytes)?;
            Record::Exec(ExecView::new(&record, rest)?)
        }
        Kind::Fork => Record::Fork(ForkView::new(&read::<ForkRecord>(bytes)?.0)),
        Kind::Exit => Record::Exit(ExitView::new(&read::<ExitRecord>(bytes)?.0)),
        Kind::CgroupMkdir | Kind::CgroupRmdir | Kind::CgroupAttach => {
            let (record, rest) = read::<CgroupRecord>(bytes)?;
            Record::Cgroup(CgroupView::new(&record, rest)?)
        }
        Kind::SetIds => Record::SetIds(SetIdsView::new(&read::<SetIdsRecord>(bytes)?.0)?),
        Kind::Marker => Record::Marker(read::<MarkerRecord>(bytes)?.0.nonce),
        Kind::Task => {
            let (record, rest) = read::<TaskRecord>(bytes)?;
            Record::Task(TaskView::new(&record, rest)?)
        }
        Kind::Open => Record::Open(OpenView::new(bytes)?),
        Kind::ShortOpen => Record::Open(OpenView::from_short(bytes)?),
        Kind::Socket => Record::Socket(SocketView::new(bytes)?),
        Kind::Call => Record::Call(CallView::new(&read::<CallRecord>(bytes)?.0)?),
        Kind::Dns => Record::Dns(DnsView::new(bytes)?),
        Kind::BulkCall => {
            let (record, rest) = read::<BulkCallRecord>(bytes)?;
            Record::BulkCall(BulkCallView::new(&record, rest)?)
        }
        Kind::Paths => Record::Paths(PathsView::new(bytes)?),
    })
}

/// The process of a task record, for whoever needs it before decoding.
pub fn task_exec_id(bytes: &[u8]) -> Option<ExecId> {
    let process = read::<TaskRecord>(bytes).ok()?.0.process;
    Some(context::exec_id(&process))
}

fn read<T: FromBytes>(bytes: &[u8]) -> Result<(T, &[u8]), DecodeError> {
    T::read_from_prefix(bytes).map_err(|_| DecodeError::Short { len: bytes.len() })
}

/// Cuts `len` bytes off the front.
fn take<'a>(rest: &mut &'a [u8], len: u16) -> Result<&'a [u8], DecodeError> {
    let short = DecodeError::Short { len: rest.len() };
    let (head, tail) = rest.split_at_checked(len as usize).ok_or(short)?;
    *rest = tail;
    Ok(head)
}

fn call(number: u8) -> Result<Call, DecodeError> {
    Call::from_number(number).ok_or(DecodeError::Unknown {
        what: "call",
        number,
    })
}

#[cfg(test)]
mod tests;
