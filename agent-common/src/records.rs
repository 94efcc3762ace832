//! Layouts of the records. Variable parts follow the fixed one, in the order of their length
//! fields, without padding or final zeroes.

use crate::{BulkContext, ProcessContext, RecordHeader, layout::assert_layout};

/// Bits that qualify a captured path.
pub mod path_flags {
    /// Longer than the limit: the beginning is missing.
    pub const TRUNCATED: u8 = 1;
    /// The walk ended outside the container's root.
    pub const UNREACHABLE: u8 = 1 << 1;
    /// The path could not be read at all.
    pub const UNREADABLE: u8 = 1 << 2;
    /// The file had no name left.
    pub const DELETED: u8 = 1 << 3;
    /// Read from the caller's memory, not from a kernel object.
    pub const USER_MEMORY: u8 = 1 << 4;
}

/// Bits of [`ExecRecord::exe_flags`].
pub mod exe_flags {
    /// The two layer bits below are meaningful.
    pub const LAYER_VALID: u16 = 1;
    /// The inode has an upper file.
    pub const UPPER: u16 = 1 << 1;
    /// The inode has a lower file.
    pub const LOWER: u16 = 1 << 2;
    /// The file lives in memory only.
    pub const MEMFD: u16 = 1 << 3;
    /// The file had no name left.
    pub const UNLINKED: u16 = 1 << 4;
    /// More arguments existed than were captured.
    pub const ARGV_TRUNCATED: u16 = 1 << 5;
    /// Inode, device and flags of the file were read.
    pub const FILE_VALID: u16 = 1 << 6;
    /// Standard streams were read.
    pub const STDIO_VALID: u16 = 1 << 7;
    /// execveat with a descriptor; with a path alone it cannot be told from execve.
    pub const EXECVEAT: u16 = 1 << 8;
    /// The environment was captured: a rule asks for it.
    pub const ENVIRONMENT: u16 = 1 << 9;
    /// More of the environment existed than was captured.
    pub const ENVIRONMENT_TRUNCATED: u16 = 1 << 10;
}

/// What a descriptor points to: [`StdioRecord::kind`].
pub mod stdio_kind {
    /// Not open.
    pub const CLOSED: u8 = 0;
    /// Regular file or directory.
    pub const FILE: u8 = 1;
    /// Character device.
    pub const CHAR_DEVICE: u8 = 2;
    /// Pipe or fifo.
    pub const PIPE: u8 = 3;
    /// Socket.
    pub const SOCKET: u8 = 4;
    /// Anything else.
    pub const OTHER: u8 = 5;
}

/// Two ends of a socket. Addresses are in network byte order, IPv4 in the first four bytes;
/// ports are in host byte order. Zero family: nothing was read.
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
pub struct SocketEnds {
    /// Address family (AF_INET, ...).
    pub family: u16,
    /// IP protocol number (6 TCP, 17 UDP), zero for unix sockets.
    pub protocol: u16,
    /// Own port.
    pub local_port: u16,
    /// Other end's port.
    pub remote_port: u16,
    /// Own address.
    pub local: [u8; 16],
    /// Other end's address.
    pub remote: [u8; 16],
}

assert_layout!(SocketEnds, size = 40, local = 8, remote = 24);

/// One standard stream at exec.
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
pub struct StdioRecord {
    /// Inode number.
    pub inode: u64,
    /// [`stdio_kind`].
    pub kind: u8,
    /// Spelled-out padding, zero.
    pub pad: [u8; 7],
    /// Addresses when it is a socket.
    pub ends: SocketEnds,
}

assert_layout!(StdioRecord, size = 56, kind = 8, ends = 16);

/// A new image runs. Followed by filename, interpreter, exe path, cwd, argv and environment.
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
pub struct ExecRecord {
    /// Kind [`crate::Kind::Exec`].
    pub header: RecordHeader,
    /// The process, already running the new image.
    pub process: ProcessContext,
    /// Descriptors 0, 1 and 2.
    pub stdio: [StdioRecord; 3],
    /// Inode of the executed file.
    pub exe_inode: u64,
    /// Device of the executed file, kernel encoding.
    pub exe_device: u32,
    /// Length of the file name passed to execve.
    pub filename_len: u16,
    /// Length of the interpreter path, zero when it is the file name.
    pub interpreter_len: u16,
    /// Length of the resolved path.
    pub exe_path_len: u16,
    /// Length of the working directory.
    pub cwd_len: u16,
    /// Length of the arguments: each with its final zero.
    pub argv_len: u16,
    /// [`exe_flags`].
    pub exe_flags: u16,
    /// [`path_flags`] of the resolved path.
    pub exe_path_flags: u8,
    /// [`path_flags`] of the working directory.
    pub cwd_flags: u8,
    /// Length of the environment: each variable with its final zero.
    pub environment_len: u16,
    /// Spelled-out padding, zero.
    pub pad: [u8; 4],
}

assert_layout!(
    ExecRecord,
    size = 368,
    process = 16,
    stdio = 168,
    exe_inode = 336,
    exe_device = 344,
    filename_len = 348,
    exe_path_len = 352,
    argv_len = 356,
    exe_flags = 358,
    exe_path_flags = 360,
    environment_len = 362,
);

/// A process was forked; the context is the child's.
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
pub struct ForkRecord {
    /// Kind [`crate::Kind::Fork`].
    pub header: RecordHeader,
    /// The child.
    pub process: ProcessContext,
    /// [`crate::ExecKey`] of the process that made the call. It is the child's parent, except with
    /// `CLONE_PARENT`, where its own parent becomes the child's; the child runs its image.
    pub forker_key: u64,
}

assert_layout!(ForkRecord, size = 176, process = 16, forker_key = 168);

/// The last thread of a process ended.
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
pub struct ExitRecord {
    /// Kind [`crate::Kind::Exit`].
    pub header: RecordHeader,
    /// The process.
    pub process: ProcessContext,
    /// Wait status: signal in the low seven bits, exit code in bits 8 to 15.
    pub code: u32,
    /// Spelled-out padding, zero.
    pub pad: u32,
}

assert_layout!(ExitRecord, size = 176, process = 16, code = 168);

/// A change in the cgroup tree. Followed by the path.
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
pub struct CgroupRecord {
    /// Kind CgroupMkdir, CgroupRmdir or CgroupAttach.
    pub header: RecordHeader,
    /// The process that moved (attach), or that changed the tree.
    pub process: ProcessContext,
    /// The cgroup.
    pub cgroup_id: u64,
    /// Length of the path below the cgroup root.
    pub path_len: u16,
    /// [`path_flags`].
    pub path_flags: u8,
    /// Spelled-out padding, zero.
    pub pad: [u8; 5],
}

assert_layout!(
    CgroupRecord,
    size = 184,
    process = 16,
    cgroup_id = 168,
    path_len = 176
);

/// A call of the setuid or setgid family; the context holds the ids *after* it.
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
pub struct SetIdsRecord {
    /// Kind [`crate::Kind::SetIds`].
    pub header: RecordHeader,
    /// The process.
    pub process: ProcessContext,
    /// Return value.
    pub result: i32,
    /// First argument of the call.
    pub argument: u32,
    /// [`crate::Call`].
    pub call: u8,
    /// Spelled-out padding, zero.
    pub pad: [u8; 7],
}

assert_layout!(
    SetIdsRecord,
    size = 184,
    process = 16,
    result = 168,
    argument = 172,
    call = 176
);

/// A barrier that the daemon asked for, put into each ring.
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
pub struct MarkerRecord {
    /// Kind [`crate::Kind::Marker`].
    pub header: RecordHeader,
    /// The daemon's number for this barrier.
    pub nonce: u64,
}

assert_layout!(MarkerRecord, size = 24, nonce = 16);

/// One process found by the task iterator. Followed by the exe path.
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
pub struct TaskRecord {
    /// Kind [`crate::Kind::Task`].
    pub header: RecordHeader,
    /// The process.
    pub process: ProcessContext,
    /// Inode of the executed file.
    pub exe_inode: u64,
    /// Device of the executed file, kernel encoding.
    pub exe_device: u32,
    /// Length of the resolved path.
    pub exe_path_len: u16,
    /// [`exe_flags`].
    pub exe_flags: u16,
    /// [`path_flags`] of the resolved path.
    pub exe_path_flags: u8,
    /// Spelled-out padding, zero.
    pub pad: [u8; 7],
}

assert_layout!(
    TaskRecord,
    size = 192,
    process = 16,
    exe_inode = 168,
    exe_device = 176,
    exe_path_len = 180,
    exe_flags = 182,
    exe_path_flags = 184,
);

/// Bits of [`SocketRecord::flags`].
pub mod socket_flags {
    /// The remote address is the kernel's own copy (cgroup hook or socket), not the caller's.
    pub const KERNEL_ADDRESS: u16 = 1;
    /// The descriptor table is shared with another process.
    pub const FD_SHARED: u16 = 1 << 1;
    /// The hook that reports the call does not see its result: the result's field says nothing.
    pub const NO_RESULT: u16 = 1 << 2;
    /// The unix path names the local end.
    pub const UNIX_LOCAL: u16 = 1 << 3;
}

/// A socket call: connect, send, bind, listen or accept. Followed by a unix path.
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
pub struct SocketRecord {
    /// Kind [`crate::Kind::Socket`].
    pub header: RecordHeader,
    /// Who.
    pub context: BulkContext,
    /// The two ends.
    pub ends: SocketEnds,
    /// Descriptor: the argument, or for accept the result.
    pub fd: i32,
    /// [`socket_flags`].
    pub flags: u16,
    /// Length of the unix path.
    pub path_len: u16,
    /// [`crate::Call`].
    pub call: u8,
    /// Spelled-out padding, zero.
    pub pad: [u8; 7],
}

assert_layout!(
    SocketRecord,
    size = 96,
    context = 16,
    ends = 40,
    fd = 80,
    flags = 84,
    path_len = 86,
    call = 88,
);
