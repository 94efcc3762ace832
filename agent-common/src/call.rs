//! Calls by numbers of our own, since the kernel's differ between architectures.

use crate::Hook;

/// Declares the calls: variant, number, name and the topic under which each is accounted. Numbers
/// are never reused and count up from 1.
macro_rules! calls {
    ($($(#[$doc:meta])* $call:ident = $number:literal, $name:literal, $hook:ident;)*) => {
        /// What makes an event: a traced system call, or a change that a tracepoint of its own
        /// tells.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "each variant is the system call of that name")]
        pub enum Call {
            $($(#[$doc])* $call = $number,)*
        }

        impl Call {
            /// Every call, by number.
            pub const ALL: &[Self] = &[$(Self::$call),*];

            /// Falco's name of the event type (`evt.type`); of a system call the kernel's name, as
            /// in `tracepoint/syscalls/sys_exit_NAME`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$call => $name,)*
                }
            }

            /// The topic under which the call is accounted.
            pub const fn hook(self) -> Hook {
                match self {
                    $(Self::$call => Hook::$hook,)*
                }
            }
        }
    };
}

calls! {
    Execve = 1, "execve", Exec;
    Execveat = 2, "execveat", Exec;
    Open = 3, "open", Open;
    Openat = 4, "openat", Open;
    Openat2 = 5, "openat2", Open;
    Creat = 6, "creat", Open;
    Connect = 7, "connect", Connect;
    Sendto = 8, "sendto", Send;
    Sendmsg = 9, "sendmsg", Send;
    Sendmmsg = 10, "sendmmsg", Send;
    Bind = 11, "bind", Bind;
    Listen = 12, "listen", Listen;
    Accept = 13, "accept", Accept;
    Accept4 = 14, "accept4", Accept;
    Setuid = 15, "setuid", SetIds;
    Setgid = 16, "setgid", SetIds;
    Setreuid = 17, "setreuid", SetIds;
    Setregid = 18, "setregid", SetIds;
    Setresuid = 19, "setresuid", SetIds;
    Setresgid = 20, "setresgid", SetIds;
    Setfsuid = 21, "setfsuid", SetIds;
    Setfsgid = 22, "setfsgid", SetIds;
    Setgroups = 23, "setgroups", SetIds;
    /// Any of fork, vfork, clone and clone3: the tracepoint does not tell which.
    Clone = 24, "clone", Fork;
    /// The last thread of a process ended.
    Procexit = 25, "procexit", Exit;
    /// A cgroup was made.
    CgroupMkdir = 26, "cgroup_mkdir", CgroupMkdir;
    /// A cgroup was removed.
    CgroupRmdir = 27, "cgroup_rmdir", CgroupRmdir;
    /// A process moved to another cgroup.
    CgroupAttach = 28, "cgroup_attach", CgroupAttach;
}

impl Call {
    /// The call with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        // `ALL` is ordered by number, from 1.
        if number == 0 || number as usize > Self::ALL.len() {
            return None;
        }
        Some(Self::ALL[number as usize - 1])
    }

    /// Position in [`Self::ALL`].
    pub const fn index(self) -> usize {
        self as usize - 1
    }
}

const _: () = {
    let mut index = 0;
    while index < Call::ALL.len() {
        assert!(Call::ALL[index].index() == index);
        index += 1;
    }
};
