//! System calls by numbers of our own, since the kernel's differ between architectures.

use crate::Hook;

/// A traced system call. Numbers are never reused.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the system call of that name")]
pub enum Call {
    Execve = 1,
    Execveat = 2,
    Open = 3,
    Openat = 4,
    Openat2 = 5,
    Creat = 6,
    Connect = 7,
    Sendto = 8,
    Sendmsg = 9,
    Sendmmsg = 10,
    Bind = 11,
    Listen = 12,
    Accept = 13,
    Accept4 = 14,
    Setuid = 15,
    Setgid = 16,
    Setreuid = 17,
    Setregid = 18,
    Setresuid = 19,
    Setresgid = 20,
    Setfsuid = 21,
    Setfsgid = 22,
    Setgroups = 23,
}

impl Call {
    /// Every call, by number.
    pub const ALL: [Self; 23] = [
        Self::Execve,
        Self::Execveat,
        Self::Open,
        Self::Openat,
        Self::Openat2,
        Self::Creat,
        Self::Connect,
        Self::Sendto,
        Self::Sendmsg,
        Self::Sendmmsg,
        Self::Bind,
        Self::Listen,
        Self::Accept,
        Self::Accept4,
        Self::Setuid,
        Self::Setgid,
        Self::Setreuid,
        Self::Setregid,
        Self::Setresuid,
        Self::Setresgid,
        Self::Setfsuid,
        Self::Setfsgid,
        Self::Setgroups,
    ];

    /// The call with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        // `ALL` is ordered by number, from 1.
        if number == 0 || number as usize > Self::ALL.len() {
            return None;
        }
        Some(Self::ALL[number as usize - 1])
    }

    /// Name of the system call, as in `tracepoint/syscalls/sys_exit_NAME`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Execve => "execve",
            Self::Execveat => "execveat",
            Self::Open => "open",
            Self::Openat => "openat",
            Self::Openat2 => "openat2",
            Self::Creat => "creat",
            Self::Connect => "connect",
            Self::Sendto => "sendto",
            Self::Sendmsg => "sendmsg",
            Self::Sendmmsg => "sendmmsg",
            Self::Bind => "bind",
            Self::Listen => "listen",
            Self::Accept => "accept",
            Self::Accept4 => "accept4",
            Self::Setuid => "setuid",
            Self::Setgid => "setgid",
            Self::Setreuid => "setreuid",
            Self::Setregid => "setregid",
            Self::Setresuid => "setresuid",
            Self::Setresgid => "setresgid",
            Self::Setfsuid => "setfsuid",
            Self::Setfsgid => "setfsgid",
            Self::Setgroups => "setgroups",
        }
    }

    /// The topic under which the call is accounted.
    pub const fn hook(self) -> Hook {
        match self {
            Self::Execve | Self::Execveat => Hook::Exec,
            Self::Open | Self::Openat | Self::Openat2 | Self::Creat => Hook::Open,
            Self::Connect => Hook::Connect,
            Self::Sendto | Self::Sendmsg | Self::Sendmmsg => Hook::Send,
            Self::Bind => Hook::Bind,
            Self::Listen => Hook::Listen,
            Self::Accept | Self::Accept4 => Hook::Accept,
            Self::Setuid
            | Self::Setgid
            | Self::Setreuid
            | Self::Setregid
            | Self::Setresuid
            | Self::Setresgid
            | Self::Setfsuid
            | Self::Setfsgid
            | Self::Setgroups => Hook::SetIds,
        }
    }
}

const _: () = {
    let mut index = 0;
    while index < Call::ALL.len() {
        assert!(Call::ALL[index] as usize == index + 1);
        index += 1;
    }
};
