//! `struct task_struct` and what hangs on it.

use gravlens_common::{ABSENT, ExecKey, ProcessContext, context_valid, limits::COMM_LEN};

use super::{
    cgroup::Cgroup, field, file::File, object::Object, read, read_at_or_zero, read_or_zero,
    read_ptr,
};
use crate::globals::*;

/// Kernel thread (`PF_KTHREAD` in include/linux/sched.h).
const PF_KTHREAD: u32 = 0x0020_0000;
/// Worker of an io_uring (`PF_IO_WORKER` in include/linux/sched.h).
const PF_IO_WORKER: u32 = 0x0000_0010;
/// The current call came in by a 32-bit entry (`TS_COMPAT` in arch/x86/include/asm/thread_info.h).
const TS_COMPAT: u32 = 0x0002;
/// A signal or exit_group ends the whole group (`SIGNAL_GROUP_EXIT` in sched/signal.h).
const SIGNAL_GROUP_EXIT: u32 = 0x0000_0004;

/// A task: one thread.
#[derive(Clone, Copy)]
pub struct Task(Object);

impl Task {
    /// The calling thread.
    #[inline(always)]
    pub fn current() -> Self {
        Self(Object::current_task())
    }

    /// A task by its address.
    #[inline(always)]
    pub fn at(address: u64) -> Self {
        Self(Object::at(address))
    }

    /// Thread group id in the initial pid namespace.
    #[inline(always)]
    pub fn tgid(self) -> Option<u32> {
        self.0.get(&TASK_TGID)
    }

    /// Thread id in the initial pid namespace.
    #[inline(always)]
    pub fn tid(self) -> Option<u32> {
        self.0.get(&TASK_PID)
    }

    /// The thread is its group's leader: the process itself.
    #[inline(always)]
    pub fn is_leader(self) -> bool {
        self.tgid() == self.tid()
    }

    /// A thread of the kernel, without user memory.
    #[inline(always)]
    pub fn is_kernel_thread(self) -> bool {
        self.0
            .get::<u32>(&TASK_FLAGS)
            .is_some_and(|flags| flags & PF_KTHREAD != 0)
    }

    /// A thread that the kernel made to work off an io_uring of the process.
    #[inline(always)]
    pub fn is_io_worker(self) -> bool {
        self.0
            .get::<u32>(&TASK_FLAGS)
            .is_some_and(|flags| flags & PF_IO_WORKER != 0)
    }

    /// It has made use of an io_uring.
    #[inline(always)]
    pub fn has_io_uring(self) -> bool {
        self.0.pointer(&TASK_IO_URING).is_some() || self.is_io_worker()
    }

    /// The current call came in by a 32-bit entry.
    #[inline(always)]
    pub fn is_in_compat_call(self) -> bool {
        self.0.get_or_zero::<u32>(&TASK_CALL_STATUS) & TS_COMPAT != 0
    }

    /// cgroup of the v2 hierarchy.
    #[inline(always)]
    pub fn cgroup(self) -> Option<Cgroup> {
        let css_set = self.0.pointer(&TASK_CGROUPS)?;
        let cgroup = css_set.pointer(&CSS_SET_DFL_CGRP)?;
        Some(Cgroup::at(cgroup.address()))
    }

    #[inline(always)]
    fn leader(self) -> Option<Self> {
        self.0.pointer(&TASK_GROUP_LEADER).map(Self)
    }

    #[inline(always)]
    fn parent(self) -> Option<Self> {
        self.0.pointer(&TASK_REAL_PARENT).map(Self)
    }

    /// Start time of the leader and the count of images run, the variable parts of an exec id.
    #[inline(always)]
    fn exec_id(self) -> Option<(u64, u32)> {
        let leader = self.leader()?;
        let start = leader.0.get_or_zero::<u64>(&TASK_START_BOOTTIME);
        // The field grew from 32 to 64 bits; the low half is enough.
        let count = leader.0.get_or_zero::<u32>(&TASK_SELF_EXEC_ID);
        Some((start, count))
    }

    /// Fingerprint of the exec id of a task; zero when it cannot be read.
    #[inline(always)]
    fn fingerprint(self, tgid: u32) -> u64 {
        match self.exec_id() {
            Some((start, count)) => ExecKey::new(tgid, start, count).0,
            None => 0,
        }
    }

    /// Fingerprint of the exec id of the current task.
    #[inline(always)]
    pub fn exec_key(tgid: u32) -> u64 {
        current_exec_key(tgid.into())
    }

    /// Fingerprint of the exec id of a task that is not the current one.
    #[inline(always)]
    pub fn exec_key_of_group(self) -> u64 {
        self.fingerprint(self.0.get_or_zero(&TASK_TGID))
    }

    /// It acts as root.
    #[inline(always)]
    pub fn is_root(self) -> bool {
        let cred = read_ptr(self.0.address(), &TASK_CRED);
        cred.and_then(|cred| read::<u32>(cred, &CRED_EUID)) == Some(0)
    }

    /// No thread of the group lives any more.
    #[inline(always)]
    pub fn group_is_dead(self) -> bool {
        let Some(signal) = read_ptr(self.0.address(), &TASK_SIGNAL) else {
            return true;
        };
        read::<u32>(signal, &SIGNAL_LIVE) == Some(0)
    }

    /// Wait status of the whole process.
    #[inline(always)]
    pub fn exit_code(self) -> u32 {
        let group = read_ptr(self.0.address(), &TASK_SIGNAL).and_then(|signal| {
            let flags = read::<u32>(signal, &SIGNAL_FLAGS)?;
            if flags & SIGNAL_GROUP_EXIT == 0 {
                return None;
            }
            read::<u32>(signal, &SIGNAL_GROUP_EXIT_CODE)
        });
        group
            .or_else(|| self.leader()?.0.get(&TASK_EXIT_CODE))
            .unwrap_or(0)
    }

    /// Fills the full context of the current task.
    #[inline(always)]
    pub fn describe_caller(cgroup_id: u64, context: &mut ProcessContext) {
        describe_current(context, cgroup_id);
    }

    /// Fills the full process context.
    #[inline(always)]
    pub fn describe(self, cgroup_id: u64, context: &mut ProcessContext) {
        context.cgroup_id = cgroup_id;
        context.tgid = self.0.get_or_zero(&TASK_TGID);
        context.tid = self.0.get_or_zero(&TASK_PID);
        if let Some((start, count)) = self.exec_id() {
            context.start_boottime_ns = start;
            context.exec_seq = count;
        }
        context.comm = read_or_zero::<[u8; COMM_LEN]>(self.0.address(), &TASK_COMM);
        context.pad = 0;
        context.valid = 0;
        self.describe_parent(context);
        self.describe_credentials(context);
        self.describe_login(context);
        self.describe_namespaces(context);
        self.describe_groups(context);
        self.describe_tty(context);
    }

    #[inline(always)]
    fn describe_parent(self, context: &mut ProcessContext) {
        let parent = self.leader().and_then(Self::parent);
        context.parent_tgid = 0;
        context.parent_exec_seq = 0;
        context.parent_start_boottime_ns = 0;
        let Some(parent) = parent else { return };
        context.parent_tgid = parent.0.get_or_zero(&TASK_TGID);
        if let Some((start, count)) = parent.exec_id() {
            context.parent_start_boottime_ns = start;
            context.parent_exec_seq = count;
            context.valid |= context_valid::PARENT;
        }
    }

    #[inline(always)]
    fn describe_credentials(self, context: &mut ProcessContext) {
        let Some(cred) = read_ptr(self.0.address(), &TASK_CRED) else {
            context.uid = 0;
            context.gid = 0;
            context.euid = 0;
            context.egid = 0;
            context.cap_effective = 0;
            context.cap_permitted = 0;
            context.cap_inheritable = 0;
            return;
        };
        context.uid = read_or_zero(cred, &CRED_UID);
        context.gid = read_or_zero(cred, &CRED_GID);
        context.euid = read_or_zero(cred, &CRED_EUID);
        context.egid = read_or_zero(cred, &CRED_EGID);
        context.cap_effective = read_or_zero(cred, &CRED_CAP_EFFECTIVE);
        context.cap_permitted = read_or_zero(cred, &CRED_CAP_PERMITTED);
        context.cap_inheritable = read_or_zero(cred, &CRED_CAP_INHERITABLE);
        context.valid |= context_valid::CREDENTIALS;
    }

    #[inline(always)]
    fn describe_login(self, context: &mut ProcessContext) {
        context.loginuid = u32::MAX;
        context.session_id = u32::MAX;
        if TASK_LOGINUID.load() != ABSENT {
            context.loginuid = self.0.get_or_zero(&TASK_LOGINUID);
            context.session_id = self.0.get_or_zero(&TASK_SESSIONID);
            context.valid |= context_valid::LOGIN;
        }
    }

    #[inline(always)]
    fn describe_namespaces(self, context: &mut ProcessContext) {
        context.vpid = 0;
        context.pid_ns = 0;
        context.mnt_ns = 0;
        if let Some((vpid, pid_ns)) = self.leader().and_then(Self::own_pid) {
            context.vpid = vpid;
            context.pid_ns = pid_ns;
            context.valid |= context_valid::VPID;
        }
        if let Some(mnt_ns) = self.mount_namespace() {
            context.mnt_ns = mnt_ns.get_or_zero(&MNT_NAMESPACE_INUM);
            context.valid |= context_valid::NAMESPACES;
        }
    }

    /// Pid in, and inode number of, the task's own pid namespace: the last of `pid.numbers`.
    #[inline(always)]
    fn own_pid(self) -> Option<(u32, u32)> {
        let pid = read_ptr(self.0.address(), &TASK_THREAD_PID)?;
        let level = read_or_zero::<u32>(pid, &PID_LEVEL);
        let upid = field(pid, &PID_NUMBERS)? + u64::from(level) * u64::from(UPID_SIZE.load());
        let namespace = read_ptr(upid, &UPID_NS)?;
        Some((
            read_or_zero(upid, &UPID_NR),
            read_or_zero(namespace, &PID_NAMESPACE_INUM),
        ))
    }

    /// Process group and session.
    #[inline(always)]
    fn describe_groups(self, context: &mut ProcessContext) {
        let signal = read_or_zero::<u64>(self.0.address(), &TASK_SIGNAL);
        let leader = read_or_zero::<u64>(self.0.address(), &TASK_GROUP_LEADER);
        let own = read_or_zero::<u64>(leader, &TASK_THREAD_PID);
        groups_of(context, signal, own);
    }

    #[inline(always)]
    fn describe_tty(self, context: &mut ProcessContext) {
        context.tty_major = 0;
        context.tty_minor = 0;
        if let Some((major, minor)) = self.tty() {
            context.tty_major = major;
            context.tty_minor = minor;
            context.valid |= context_valid::TTY;
        }
    }

    #[inline(always)]
    fn tty(self) -> Option<(u32, u32)> {
        let signal = read_ptr(self.0.address(), &TASK_SIGNAL)?;
        let tty = read_ptr(signal, &SIGNAL_TTY)?;
        let driver = read_ptr(tty, &TTY_DRIVER)?;
        let index = read_or_zero::<u32>(tty, &TTY_INDEX);
        let first = read_or_zero::<u32>(driver, &TTY_DRIVER_MINOR_START);
        Some((
            read_or_zero(driver, &TTY_DRIVER_MAJOR),
            first.wrapping_add(index),
        ))
    }

    #[inline(always)]
    fn mount_namespace(self) -> Option<Object> {
        let nsproxy = self.0.pointer(&TASK_NSPROXY)?;
        nsproxy.pointer(&NSPROXY_MNT_NS)
    }

    /// Root mount of the task's mount namespace: where its paths begin.
    #[inline(always)]
    pub fn root_mount(self) -> Option<u64> {
        if self.0.is_typed() {
            return Some(current_root_mount());
        }
        let root = self.mount_namespace()?.pointer(&MNT_NAMESPACE_ROOT)?;
        Some(root.address())
    }

    /// Address of the working directory's `struct path`.
    #[inline(always)]
    pub fn working_directory(self) -> Option<u64> {
        field(self.0.pointer(&TASK_FS)?.address(), &FS_PWD)
    }

    /// Address of the root directory's `struct path`: where the task's absolute names begin.
    #[inline(always)]
    pub fn root_directory(self) -> Option<u64> {
        field(self.0.pointer(&TASK_FS)?.address(), &FS_ROOT)
    }

    /// The executed file.
    #[inline(always)]
    pub fn exe_file(self) -> Option<File> {
        let mm = read_ptr(self.0.address(), &TASK_MM)?;
        read_ptr(mm, &MM_EXE_FILE).map(File::at)
    }

    /// Start and length of the arguments in the task's memory.
    #[inline(always)]
    pub fn arguments(self) -> Option<(u64, u64)> {
        let mm = read_ptr(self.0.address(), &TASK_MM)?;
        let start = read_or_zero::<u64>(mm, &MM_ARG_START);
        let end = read_or_zero::<u64>(mm, &MM_ARG_END);
        Some((start, end.saturating_sub(start)))
    }

    /// Start and length of the environment in the task's memory.
    #[inline(always)]
    pub fn environment(self) -> Option<(u64, u64)> {
        let mm = read_ptr(self.0.address(), &TASK_MM)?;
        let start = read_or_zero::<u64>(mm, &MM_ENV_START);
        let end = read_or_zero::<u64>(mm, &MM_ENV_END);
        Some((start, end.saturating_sub(start)))
    }

    /// The open file behind a descriptor of the current task.
    #[inline(always)]
    pub fn file(fd: u32) -> Option<File> {
        match current_file(fd.into()) {
            0 => None,
            file => Some(File::at(file)),
        }
    }

    /// Another task uses the current one's descriptor table and can change it at any moment.
    #[inline(always)]
    pub fn shares_files() -> bool {
        current_shares_files() != 0
    }
}

// Global functions: the verifier goes through each of them once, for any arguments, and not again in
// each program and at each call. They take and give numbers.

/// Address of the open file behind a descriptor; zero when there is none.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn current_file(fd: u64) -> u64 {
    let files = Object::current_task().pointer(&TASK_FILES);
    let Some(table) = files.and_then(|files| files.pointer(&FILES_FDT)) else {
        return 0;
    };
    if fd >= u64::from(table.get_or_zero::<u32>(&FDTABLE_MAX_FDS)) {
        return 0;
    }
    let array = table.get_or_zero::<u64>(&FDTABLE_FD);
    read_at_or_zero(array + fd * size_of::<u64>() as u64)
}

/// Whether another task uses the descriptor table.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn current_shares_files() -> u64 {
    let files = Object::current_task().pointer(&TASK_FILES);
    let users = files.map_or(0, |files| files.get_or_zero::<u32>(&FILES_COUNT));
    u64::from(users > 1)
}

/// Address of the root mount of the mount namespace; zero when it cannot be read.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn current_root_mount() -> u64 {
    let nsproxy = Object::current_task().pointer(&TASK_NSPROXY);
    let namespace = nsproxy.and_then(|nsproxy| nsproxy.pointer(&NSPROXY_MNT_NS));
    namespace.map_or(0, |namespace| namespace.get_or_zero(&MNT_NAMESPACE_ROOT))
}

/// Fingerprint of the exec id; zero when it cannot be read.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn current_exec_key(tgid: u64) -> u64 {
    let Some(leader) = Object::current_task().pointer(&TASK_GROUP_LEADER) else {
        return 0;
    };
    let start = leader.get_or_zero::<u64>(&TASK_START_BOOTTIME);
    let count = leader.get_or_zero::<u32>(&TASK_SELF_EXEC_ID);
    ExecKey::new(tgid as u32, start, count).0
}

/// Process group and session, numbered as in the initial pid namespace and in the process's own; by
/// the addresses of its `struct signal_struct` and of its own `struct pid`.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn groups_of(context: *mut ProcessContext, signal: u64, own: u64) -> u64 {
    if context.is_null() {
        return 0;
    }
    // SAFETY: the verifier checks that the caller gives as much memory as the type takes.
    let context = unsafe { &mut *context };
    context.pgid = 0;
    context.vpgid = 0;
    context.sid = 0;
    context.vsid = 0;
    if SIGNAL_GROUP.load() == ABSENT || SIGNAL_SESSION.load() == ABSENT || signal == 0 || own == 0 {
        return 0;
    }
    let level = read_or_zero::<u32>(own, &PID_LEVEL).into();
    let group = pid_numbers(read_or_zero(signal, &SIGNAL_GROUP), level);
    let session = pid_numbers(read_or_zero(signal, &SIGNAL_SESSION), level);
    context.pgid = group as u32;
    context.vpgid = (group >> 32) as u32;
    context.sid = session as u32;
    context.vsid = (session >> 32) as u32;
    context.valid |= context_valid::GROUPS;
    1
}

/// Number of a `struct pid` in the initial pid namespace and, in the upper half, in the one of that
/// level; zero where it has none. A leader of a task's group or session is in the task's own
/// namespace if it is as deep: nobody joins those of a namespace beside.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn pid_numbers(pid: u64, level: u64) -> u64 {
    if pid == 0 || PID_NUMBERS.load() == ABSENT {
        return 0;
    }
    let numbers = pid + u64::from(PID_NUMBERS.load());
    let number = read_or_zero::<u32>(numbers, &UPID_NR);
    let own = if u64::from(read_or_zero::<u32>(pid, &PID_LEVEL)) < level {
        0
    } else {
        read_or_zero::<u32>(numbers + level * u64::from(UPID_SIZE.load()), &UPID_NR)
    };
    u64::from(number) | u64::from(own) << 32
}

/// Fills the full context of the current task.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn describe_current(context: *mut ProcessContext, cgroup_id: u64) -> u64 {
    if context.is_null() {
        return 0;
    }
    // SAFETY: the verifier checks that the caller gives as much memory as the type takes.
    Task::current().describe(cgroup_id, unsafe { &mut *context });
    1
}
