//! The topics that are accounted for.

/// A topic of events, the unit of loss accounting. Numbers are indexes into
/// [`crate::CgroupCounters`] and are never reused.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is the topic of that name")]
pub enum Hook {
    Exec = 0,
    Fork = 1,
    Exit = 2,
    CgroupMkdir = 3,
    CgroupRmdir = 4,
    CgroupAttach = 5,
    SetIds = 6,
    Open = 7,
    Connect = 8,
    Send = 9,
    Bind = 10,
    Listen = 11,
    Accept = 12,
    FileChange = 13,
    Mount = 14,
    Privilege = 15,
    Memory = 16,
    Descriptor = 17,
    Signal = 18,
    Socket = 19,
    ExecFailed = 20,
    Dns = 21,
}

impl Hook {
    /// Number of hooks.
    pub const COUNT: usize = 22;

    /// Every hook, by number.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Exec,
        Self::Fork,
        Self::Exit,
        Self::CgroupMkdir,
        Self::CgroupRmdir,
        Self::CgroupAttach,
        Self::SetIds,
        Self::Open,
        Self::Connect,
        Self::Send,
        Self::Bind,
        Self::Listen,
        Self::Accept,
        Self::FileChange,
        Self::Mount,
        Self::Privilege,
        Self::Memory,
        Self::Descriptor,
        Self::Signal,
        Self::Socket,
        Self::ExecFailed,
        Self::Dns,
    ];

    /// Name, as in `doctor`, metrics and the stream.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Fork => "fork",
            Self::Exit => "exit",
            Self::CgroupMkdir => "cgroup_mkdir",
            Self::CgroupRmdir => "cgroup_rmdir",
            Self::CgroupAttach => "cgroup_attach",
            Self::SetIds => "set_ids",
            Self::Open => "open",
            Self::Connect => "connect",
            Self::Send => "send",
            Self::Bind => "bind",
            Self::Listen => "listen",
            Self::Accept => "accept",
            Self::FileChange => "file_change",
            Self::Mount => "mount",
            Self::Privilege => "privilege",
            Self::Memory => "memory",
            Self::Descriptor => "descriptor",
            Self::Signal => "signal",
            Self::Socket => "socket",
            Self::ExecFailed => "exec_failed",
            Self::Dns => "dns",
        }
    }

    /// Records of this hook travel in the critical ring and are never displaced by bulk ones.
    pub const fn is_critical(self) -> bool {
        matches!(self, Self::Mount | Self::Privilege) || (self as u32) < Self::Open as u32
    }
}
