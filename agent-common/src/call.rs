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

            /// The call with this number. No table and no bounds check: kernel programs use it.
            #[inline(always)]
            pub const fn from_number(number: u8) -> Option<Self> {
                Some(match number {
                    $($number => Self::$call,)*
                    _ => return None,
                })
            }

            /// The topic under which the call is accounted.
            #[inline(always)]
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
    OpenByHandleAt = 29, "open_by_handle_at", Open;
    MemfdCreate = 30, "memfd_create", Open;
    Unlink = 31, "unlink", FileChange;
    Unlinkat = 32, "unlinkat", FileChange;
    Rmdir = 33, "rmdir", FileChange;
    Rename = 34, "rename", FileChange;
    Renameat = 35, "renameat", FileChange;
    Renameat2 = 36, "renameat2", FileChange;
    Link = 37, "link", FileChange;
    Linkat = 38, "linkat", FileChange;
    Symlink = 39, "symlink", FileChange;
    Symlinkat = 40, "symlinkat", FileChange;
    Mkdir = 41, "mkdir", FileChange;
    Mkdirat = 42, "mkdirat", FileChange;
    Mknod = 43, "mknod", FileChange;
    Mknodat = 44, "mknodat", FileChange;
    Chmod = 45, "chmod", FileChange;
    Fchmod = 46, "fchmod", FileChange;
    Fchmodat = 47, "fchmodat", FileChange;
    Fchmodat2 = 48, "fchmodat2", FileChange;
    Chown = 49, "chown", FileChange;
    Lchown = 50, "lchown", FileChange;
    Fchown = 51, "fchown", FileChange;
    Fchownat = 52, "fchownat", FileChange;
    Truncate = 53, "truncate", FileChange;
    Ftruncate = 54, "ftruncate", FileChange;
    Setxattr = 55, "setxattr", FileChange;
    Lsetxattr = 56, "lsetxattr", FileChange;
    Fsetxattr = 57, "fsetxattr", FileChange;
    Removexattr = 58, "removexattr", FileChange;
    Lremovexattr = 59, "lremovexattr", FileChange;
    Fremovexattr = 60, "fremovexattr", FileChange;
    Mount = 61, "mount", Mount;
    Umount = 62, "umount2", Mount;
    PivotRoot = 63, "pivot_root", Mount;
    Chroot = 64, "chroot", Mount;
    Fsopen = 65, "fsopen", Mount;
    Fsconfig = 66, "fsconfig", Mount;
    Fsmount = 67, "fsmount", Mount;
    OpenTree = 68, "open_tree", Mount;
    MoveMount = 69, "move_mount", Mount;
    MountSetattr = 70, "mount_setattr", Mount;
    Capset = 71, "capset", Privilege;
    Ptrace = 72, "ptrace", Privilege;
    ProcessVmReadv = 73, "process_vm_readv", Privilege;
    ProcessVmWritev = 74, "process_vm_writev", Privilege;
    PidfdGetfd = 75, "pidfd_getfd", Privilege;
    Unshare = 76, "unshare", Privilege;
    Setns = 77, "setns", Privilege;
    InitModule = 78, "init_module", Privilege;
    FinitModule = 79, "finit_module", Privilege;
    DeleteModule = 80, "delete_module", Privilege;
    Bpf = 81, "bpf", Privilege;
    IoUringSetup = 82, "io_uring_setup", Privilege;
    Keyctl = 83, "keyctl", Privilege;
    AddKey = 84, "add_key", Privilege;
    RequestKey = 85, "request_key", Privilege;
    Userfaultfd = 86, "userfaultfd", Privilege;
    PerfEventOpen = 87, "perf_event_open", Privilege;
    Mmap = 88, "mmap", Memory;
    Mprotect = 89, "mprotect", Memory;
    PkeyMprotect = 90, "pkey_mprotect", Memory;
    Dup = 91, "dup", Descriptor;
    Dup2 = 92, "dup2", Descriptor;
    Dup3 = 93, "dup3", Descriptor;
    Kill = 94, "kill", Signal;
    Tkill = 95, "tkill", Signal;
    Tgkill = 96, "tgkill", Signal;
    PidfdSendSignal = 97, "pidfd_send_signal", Signal;
    Socket = 98, "socket", Socket;
    Socketpair = 99, "socketpair", Socket;
    /// A DNS message that a process sent or received.
    Dns = 100, "dns", Dns;
}

impl Call {
    /// It opens a file by its name.
    #[inline(always)]
    pub const fn opens_by_name(self) -> bool {
        matches!(
            self,
            Self::Open | Self::Openat | Self::Openat2 | Self::Creat
        )
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
