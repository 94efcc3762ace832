//! Capture limits, shared by the programs that cut and the decoder that checks.

/// Longest path captured, in bytes, without a final zero: the kernel's PATH_MAX less one.
pub const PATH_MAX: usize = 4095;
/// Room that a path takes in a scratch buffer; a power of two, so that the verifier can bound it.
pub const PATH_ROOM: usize = 4096;
/// Most components that a path walk visits.
pub const PATH_COMPONENTS: u32 = 2048;
/// Longest file name of one component (the kernel's NAME_MAX).
pub const NAME_MAX: usize = 255;
/// Most bytes of argv captured, zero bytes included.
pub const ARGV_MAX: usize = 32 * 1024;
/// Most bytes of the environment captured, zero bytes included.
pub const ENVIRONMENT_MAX: usize = 8 * 1024;
/// Bytes of argv and environment copied at a time: a page that is not resident costs one chunk, not
/// all.
pub const ARGV_CHUNK: usize = 4096;
/// Longest unix socket path (`sockaddr_un.sun_path`).
pub const UNIX_PATH_MAX: usize = 108;
/// Length of the kernel's `task_struct.comm`, with its final zero.
pub const COMM_LEN: usize = 16;
/// Most payload bytes captured of a DNS packet; a power of two, so that the verifier can bound it.
pub const DNS_PAYLOAD_MAX: usize = 4096;
/// Sockets that are remembered with the task that asks a DNS server through them.
pub const DNS_ASKERS: u32 = 8192;
/// Longest cgroup path captured.
pub const CGROUP_PATH_MAX: usize = 1024;
/// cgroups with counters of their own; later ones share the entry of `OTHER_CGROUP`.
pub const COUNTED_CGROUPS: u32 = 4096;
/// cgroup id under which counters stand when their own entry could not be made. No cgroup has it:
/// the id of a kernfs node is never zero.
pub const OTHER_CGROUP: u64 = 0;
/// Numbers of system calls that the programs can look up, from 0.
pub const CALL_NUMBERS: u32 = 512;

/// Numbers of 32-bit system calls that can be traced, from zero.
pub const COMPAT_CALLS: u32 = 512;

/// Opens that tell nobody anything for a while; the least recently used gives way.
pub const KNOWN_OPENS: u32 = 32_768;

/// Processes whose role the programs know, likewise.
pub const KNOWN_ACTORS: u32 = 8_192;
