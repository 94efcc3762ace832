//! The header of every record.

use crate::layout::assert_layout;

/// Version of the record layouts: a decoder refuses any other.
pub const ABI_VERSION: u8 = 2;

/// Kind of a record. Numbers are never reused.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A new image runs: [`crate::ExecRecord`].
    Exec = 1,
    /// A process was forked: [`crate::ForkRecord`].
    Fork = 2,
    /// The last thread of a process ended: [`crate::ExitRecord`].
    Exit = 3,
    /// A cgroup was made: [`crate::CgroupRecord`].
    CgroupMkdir = 4,
    /// A cgroup was removed: [`crate::CgroupRecord`].
    CgroupRmdir = 5,
    /// A process moved to another cgroup: [`crate::CgroupRecord`].
    CgroupAttach = 6,
    /// A call of the setuid or setgid family: [`crate::SetIdsRecord`].
    SetIds = 7,
    /// A barrier that the daemon asked for: [`crate::MarkerRecord`].
    Marker = 8,
    /// One process found by the task iterator: [`crate::TaskRecord`].
    Task = 9,
    /// A call that changes privileges or reaches into others: [`crate::CallRecord`].
    Call = 10,
    /// A file was opened or could not be: [`crate::OpenRecord`].
    Open = 32,
    /// A socket call: [`crate::SocketRecord`].
    Socket = 33,
    /// A frequent call that takes no path: [`crate::BulkCallRecord`].
    BulkCall = 34,
    /// A call on paths: [`crate::PathsRecord`].
    Paths = 35,
    /// A DNS packet: [`crate::DnsRecord`].
    Dns = 36,
    /// [`Self::Open`] in a shorter form: [`crate::ShortOpenRecord`].
    ShortOpen = 37,
}

impl Kind {
    /// The kind with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Exec,
            2 => Self::Fork,
            3 => Self::Exit,
            4 => Self::CgroupMkdir,
            5 => Self::CgroupRmdir,
            6 => Self::CgroupAttach,
            7 => Self::SetIds,
            8 => Self::Marker,
            9 => Self::Task,
            10 => Self::Call,
            32 => Self::Open,
            33 => Self::Socket,
            34 => Self::BulkCall,
            35 => Self::Paths,
            36 => Self::Dns,
            37 => Self::ShortOpen,
            _ => return None,
        })
    }
}

/// Flags of [`RecordHeader::flags`].
pub mod record_flags {
    /// Reserved for the daemon: a record of an earlier time arrived after its turn.
    pub const OUT_OF_ORDER: u16 = 1;
}

/// First bytes of every record.
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
pub struct RecordHeader {
    /// [`Kind`].
    pub kind: u8,
    /// [`ABI_VERSION`].
    pub version: u8,
    /// [`record_flags`].
    pub flags: u16,
    /// Size of the whole record in bytes, this header included.
    pub size: u32,
    /// Nanoseconds since boot (CLOCK_BOOTTIME) when the hook ran.
    pub boot_ns: u64,
}

assert_layout!(
    RecordHeader,
    size = 16,
    kind = 0,
    version = 1,
    flags = 2,
    size = 4,
    boot_ns = 8
);
