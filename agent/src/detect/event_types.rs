//! Sets of event types, and the names that a rule may use for them.

use crate::model::{ArgumentNames, Syscall, parameters};

/// A set of the event types that the sensor can produce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventTypes(u128);

const _: () = assert!(Syscall::ALL.len() < 128, "one bit per event type");

impl EventTypes {
    /// No event type.
    pub const NONE: Self = Self(0);
    /// Every event type that the sensor can produce.
    pub const ALL: Self = Self::of(Syscall::ALL);
    /// Execution of a new image.
    pub(crate) const EXEC: Self = Self::of(&[Syscall::Execve, Syscall::Execveat]);
    /// Opening of files that have a path.
    pub(crate) const PATH_OPEN: Self = Self::of(&[
        Syscall::Open,
        Syscall::Openat,
        Syscall::Openat2,
        Syscall::Creat,
        Syscall::OpenByHandleAt,
    ]);
    /// Opening of files.
    pub(crate) const OPEN: Self = Self::PATH_OPEN.union(Self::of(&[Syscall::MemfdCreate]));
    /// Calls that make directories and special files.
    pub(crate) const MAKE: Self = Self::of(&[
        Syscall::Mkdir,
        Syscall::Mkdirat,
        Syscall::Mknod,
        Syscall::Mknodat,
    ]);
    /// Calls that remove a name.
    pub(crate) const REMOVE: Self = Self::of(&[Syscall::Unlink, Syscall::Unlinkat, Syscall::Rmdir]);
    /// Calls that change the mode, owner, length or attributes of a file.
    pub(crate) const CHANGE: Self = Self::of(&[
        Syscall::Chmod,
        Syscall::Fchmod,
        Syscall::Fchmodat,
        Syscall::Fchmodat2,
        Syscall::Chown,
        Syscall::Lchown,
        Syscall::Fchown,
        Syscall::Fchownat,
        Syscall::Truncate,
        Syscall::Ftruncate,
        Syscall::Setxattr,
        Syscall::Lsetxattr,
        Syscall::Fsetxattr,
        Syscall::Removexattr,
        Syscall::Lremovexattr,
        Syscall::Fremovexattr,
    ]);
    /// Calls that give a file another name.
    pub(crate) const RENAME: Self =
        Self::of(&[Syscall::Rename, Syscall::Renameat, Syscall::Renameat2]);
    /// Calls that give a file a further name.
    pub(crate) const LINK: Self = Self::of(&[Syscall::Link, Syscall::Linkat]);
    /// Calls that make a symbolic link.
    pub(crate) const SYMLINK: Self = Self::of(&[Syscall::Symlink, Syscall::Symlinkat]);
    /// Calls on paths that take an open file instead.
    pub(crate) const FILE: Self = Self::of(&[
        Syscall::Fchmod,
        Syscall::Fchown,
        Syscall::Ftruncate,
        Syscall::Fsetxattr,
        Syscall::Fremovexattr,
    ]);
    /// Socket calls.
    pub(crate) const SOCKET: Self = Self::of(&[
        Syscall::Connect,
        Syscall::Sendto,
        Syscall::Sendmsg,
        Syscall::Sendmmsg,
        Syscall::Bind,
        Syscall::Listen,
        Syscall::Accept,
        Syscall::Accept4,
    ]);
    /// Calls that work on a descriptor.
    pub(crate) const DESCRIPTOR: Self = Self::OPEN.union(Self::SOCKET).union(Self::FILE);
    /// Calls that change user ids.
    pub(crate) const SET_UID: Self = Self::of(&[
        Syscall::Setuid,
        Syscall::Setreuid,
        Syscall::Setresuid,
        Syscall::Setfsuid,
    ]);
    /// Calls that change group ids.
    pub(crate) const SET_GID: Self = Self::of(&[
        Syscall::Setgid,
        Syscall::Setregid,
        Syscall::Setresgid,
        Syscall::Setfsgid,
    ]);
    /// The end of a process.
    pub(crate) const EXIT: Self = Self::of(&[Syscall::Procexit]);
    /// Changes of the cgroup tree.
    pub(crate) const CGROUP: Self = Self::of(&[
        Syscall::CgroupMkdir,
        Syscall::CgroupRmdir,
        Syscall::CgroupAttach,
    ]);

    /// DNS messages.
    pub(crate) const DNS: Self = Self::of(&[Syscall::Dns]);

    /// Copying of descriptors.
    pub(crate) const DUP: Self = Self::of(&[Syscall::Dup, Syscall::Dup2, Syscall::Dup3]);
    /// Calls that make or copy a descriptor of a socket, or work on one.
    pub(crate) const SOCKET_OR_DUP: Self = Self::SOCKET.union(Self::DUP);

    /// The calls that have an argument of that name.
    pub(crate) const fn with_argument(name: &str) -> Self {
        let mut found = Self::with_number(name);
        let mut position = 0;
        while position < Syscall::ALL.len() {
            let syscall = Syscall::ALL[position];
            if has_path(syscall, name) {
                found = found.union(Self::of(&[syscall]));
            }
            position += 1;
        }
        found
    }

    /// The calls that have an argument of that name which is a number.
    pub(crate) const fn with_number(name: &str) -> Self {
        let mut found = Self::NONE;
        let mut position = 0;
        while position < Syscall::ALL.len() {
            let syscall = Syscall::ALL[position];
            if has_parameter(syscall, name) || has_number(syscall, name) {
                found = found.union(Self::of(&[syscall]));
            }
            position += 1;
        }
        found
    }

    /// The set of the listed types.
    pub const fn of(types: &[Syscall]) -> Self {
        let mut bits = 0;
        let mut position = 0;
        while position < types.len() {
            bits |= 1 << types[position].index();
            position += 1;
        }
        Self(bits)
    }

    /// Types in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Types in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Types that are not in the set.
    #[must_use]
    pub const fn complement(self) -> Self {
        Self(!self.0 & Self::ALL.0)
    }

    /// The set holds the type.
    pub const fn contains(self, syscall: Syscall) -> bool {
        self.0 & (1 << syscall.index()) != 0
    }

    /// The set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The types in declaration order.
    pub fn iter(self) -> impl Iterator<Item = Syscall> {
        Syscall::ALL
            .iter()
            .copied()
            .filter(move |&syscall| self.contains(syscall))
    }
}

const fn has_parameter(syscall: Syscall, name: &str) -> bool {
    let parameters = parameters(syscall);
    let mut position = 0;
    while position < parameters.len() {
        if is_same(parameters[position].name, name) {
            return true;
        }
        position += 1;
    }
    false
}

const fn has_path(syscall: Syscall, name: &str) -> bool {
    match ArgumentNames::of(syscall) {
        Some(names) => is_same(names.first, name) || is_same(names.second, name),
        None => false,
    }
}

/// A call on paths with a number of that name.
const fn has_number(syscall: Syscall, name: &str) -> bool {
    match ArgumentNames::of(syscall) {
        Some(names) => is_same(names.numbers[0], name) || is_same(names.numbers[1], name),
        None => false,
    }
}

/// `==` cannot be evaluated at compile time.
const fn is_same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut position = 0;
    while position < left.len() {
        if left[position] != right[position] {
            return false;
        }
        position += 1;
    }
    true
}

/// What a name in `evt.type` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TypeName {
    /// The sensor produces it.
    Traced(Syscall),
    /// The sensor reports it under the name of a more general type.
    Alias(Syscall),
    /// Falco knows it, no loaded hook produces it.
    Untraced,
    /// Nobody knows it.
    Unheard,
}

/// Looks up a name of `evt.type`.
pub(crate) fn type_name(name: &str) -> TypeName {
    let traced = Syscall::ALL.iter().find(|call| call.name() == name);
    match (traced, name) {
        (Some(&syscall), _) => TypeName::Traced(syscall),
        (None, "fork" | "vfork" | "clone3") => TypeName::Alias(Syscall::Clone),
        (None, _) if untraced_names().any(|known| known == name) => TypeName::Untraced,
        (None, _) => TypeName::Unheard,
    }
}

/// Names that Falco knows and that no hook of the sensor produces.
pub(crate) fn untraced_names() -> impl Iterator<Item = &'static str> {
    UNTRACED.split_ascii_whitespace()
}

/// Linux system calls that are not traced, and Falco's event types that are no system calls.
const UNTRACED: &str = "
    _sysctl accessat acct adjtimex afs_syscall alarm arch_prctl brk cachestat capget chdir
    clock_adjtime clock_getres clock_gettime clock_nanosleep clock_settime close close_range
    copy_file_range create_module access epoll_create epoll_create1 epoll_ctl epoll_pwait
    epoll_pwait2 epoll_wait eventfd eventfd2 exit exit_group faccessat faccessat2 fadvise64
    fallocate fanotify_init fanotify_mark fchdir fcntl fdatasync fgetxattr flistxattr flock fspick
    fstat fstatfs fsync futex futex_waitv futimesat get_mempolicy get_robust_list getcpu getcwd
    getdents getdents64 getegid geteuid getgid getgroups getitimer getpeername getpgid getpgrp
    getpid getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid getsockname
    getsockopt gettid gettimeofday getuid getxattr inotify_add_watch inotify_init inotify_init1
    inotify_rm_watch io_cancel io_destroy io_getevents io_setup io_submit io_uring_enter
    io_uring_register ioctl ioperm iopl ioprio_get ioprio_set kcmp kexec_file_load kexec_load
    landlock_add_rule landlock_create_ruleset landlock_restrict_self lgetxattr listxattr llistxattr
    lookup_dcookie lseek lstat madvise mbind membarrier memfd_secret migrate_pages mincore mlock
    mlock2 mlockall mmap2 modify_ldt move_pages mq_getsetattr mq_notify mq_open mq_timedreceive
    mq_timedsend mq_unlink mremap msgctl msgget msgrcv msgsnd msync munlock munlockall munmap
    name_to_handle_at nanosleep newfstatat pause personality pidfd_open pipe pipe2 pkey_alloc
    pkey_free poll ppoll prctl pread pread64 preadv preadv2 prlimit prlimit64 process_madvise
    process_mrelease pselect6 pwrite pwrite64 pwritev pwritev2 quotactl quotactl_fd read readahead
    readlink readlinkat readv reboot recv recvfrom recvmmsg recvmsg remap_file_pages restart_syscall
    rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
    rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min
    sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
    sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select
    semctl semget semop semtimedop send sendfile sendfile64 set_mempolicy set_robust_list
    set_tid_address setdomainname sethostname setitimer setpgid setpriority setrlimit setsid
    setsockopt settimeofday shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 splice
    stat stat64 statfs statx swapoff swapon sync sync_file_range syncfs sysfs sysinfo syslog tee
    time timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create
    timerfd_gettime timerfd_settime times umask umount uname uselib ustat utime utimensat utimes
    vhangup vmsplice wait4 waitid waitpid write writev asyncevent container cpu_hotplug drop
    group_added group_deleted infra k8s mesos notification page_fault pluginevent procinfo scapevent
    signaldeliver switch syscall tracer user_added user_deleted";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        assert_eq!(type_name("openat"), TypeName::Traced(Syscall::Openat));
        assert_eq!(type_name("vfork"), TypeName::Alias(Syscall::Clone));
        assert_eq!(type_name("sendfile"), TypeName::Untraced);
        assert_eq!(type_name("opena"), TypeName::Unheard);
    }

    #[test]
    fn no_traced_type_is_listed_as_untraced() {
        for name in untraced_names() {
            assert!(
                !EventTypes::ALL.iter().any(|syscall| syscall.name() == name),
                "{name} is traced"
            );
        }
    }

    #[test]
    fn complement_stays_within_the_known_types() {
        assert_eq!(EventTypes::ALL.complement(), EventTypes::NONE);
        assert_eq!(EventTypes::NONE.complement(), EventTypes::ALL);
        assert!(EventTypes::OPEN.contains(Syscall::Creat));
        assert!(!EventTypes::OPEN.contains(Syscall::Connect));
    }
}
