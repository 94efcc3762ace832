//! The one table of kernel fields that the programs read.
//!
//! Nothing is baked in at build time: the loader finds each path in the running kernel's BTF and
//! injects the offset as a read-only global of the same name, so that the verifier sees a
//! constant. `doctor` prints the table and the decoder's tests use it.

/// Offset of a field that this kernel does not have; also the compiled default, so that a program
/// loaded without its offsets reads nothing rather than something wrong.
pub const ABSENT: u32 = u32::MAX;

/// One field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetSpec {
    /// Name of the global in the object file.
    pub symbol: &'static str,
    /// Paths to try in order, `struct.field.field`; the first that exists wins. Kernels rename
    /// and move fields. A path that is only a struct name asks for the size of that struct; `[n]` picks an array element.
    pub paths: &'static [&'static str],
    /// Size of the field in bytes, zero where any size is fine (embedded structs).
    pub width: u32,
    /// Without a required field the agent does not start; without an optional one the values that
    /// need it are flagged as not valid.
    pub required: bool,
}

/// Calls `$callback!` with the whole table: `(SYMBOL, width, required|optional, paths...)`.
#[macro_export]
macro_rules! for_each_offset {
    ($callback:ident) => {
        $callback! {
            (TASK_TGID, 4, required, "task_struct.tgid"),
            (TASK_PID, 4, required, "task_struct.pid"),
            (TASK_COMM, 16, required, "task_struct.comm"),
            (TASK_GROUP_LEADER, 8, required, "task_struct.group_leader"),
            (TASK_REAL_PARENT, 8, required, "task_struct.real_parent"),
            (TASK_START_BOOTTIME, 8, required, "task_struct.start_boottime"),
            (TASK_SELF_EXEC_ID, 0, required, "task_struct.self_exec_id"),
            (TASK_CRED, 8, required, "task_struct.cred"),
            (TASK_CGROUPS, 8, required, "task_struct.cgroups"),
            (TASK_NSPROXY, 8, required, "task_struct.nsproxy"),
            (TASK_FS, 8, required, "task_struct.fs"),
            (TASK_FILES, 8, required, "task_struct.files"),
            (TASK_MM, 8, required, "task_struct.mm"),
            (TASK_SIGNAL, 8, required, "task_struct.signal"),
            (TASK_THREAD_PID, 8, required, "task_struct.thread_pid"),
            (TASK_EXIT_CODE, 4, required, "task_struct.exit_code"),
            (TASK_FLAGS, 4, required, "task_struct.flags"),
            (TASK_LOGINUID, 4, optional, "task_struct.loginuid.val"),
            (TASK_SESSIONID, 4, optional, "task_struct.sessionid"),
            (SIGNAL_LIVE, 4, required, "signal_struct.live.counter"),
            (SIGNAL_FLAGS, 4, required, "signal_struct.flags"),
            (SIGNAL_TTY, 8, optional, "signal_struct.tty"),
            (SIGNAL_GROUP, 8, optional, "signal_struct.pids[2]"),
            (SIGNAL_SESSION, 8, optional, "signal_struct.pids[3]"),
            (SIGNAL_GROUP_EXIT_CODE, 4, required, "signal_struct.group_exit_code"),
            (TTY_INDEX, 4, optional, "tty_struct.index"),
            (TTY_DRIVER, 8, optional, "tty_struct.driver"),
            (TTY_DRIVER_MAJOR, 4, optional, "tty_driver.major"),
            (TTY_DRIVER_MINOR_START, 4, optional, "tty_driver.minor_start"),
            (CRED_UID, 4, required, "cred.uid.val"),
            (CRED_GID, 4, required, "cred.gid.val"),
            (CRED_EUID, 4, required, "cred.euid.val"),
            (CRED_EGID, 4, required, "cred.egid.val"),
            (CRED_CAP_EFFECTIVE, 8, required, "cred.cap_effective"),
            (CRED_CAP_PERMITTED, 8, required, "cred.cap_permitted"),
            (CRED_CAP_INHERITABLE, 8, required, "cred.cap_inheritable"),
            (CSS_SET_DFL_CGRP, 8, required, "css_set.dfl_cgrp"),
            (CGROUP_KN, 8, required, "cgroup.kn"),
            (CGROUP_ROOT, 8, required, "cgroup.root"),
            (CGROUP_LEVEL, 4, required, "cgroup.level"),
            (CGROUP_ANCESTORS, 0, required, "cgroup.ancestors"),
            (CGROUP_ROOT_HIERARCHY_ID, 4, required, "cgroup_root.hierarchy_id"),
            (KERNFS_NODE_ID, 8, required, "kernfs_node.id"),
            (NSPROXY_MNT_NS, 8, required, "nsproxy.mnt_ns"),
            (MNT_NAMESPACE_INUM, 4, required, "mnt_namespace.ns.inum"),
            (MNT_NAMESPACE_ROOT, 8, required, "mnt_namespace.root"),
            (PID_LEVEL, 4, required, "pid.level"),
            (PID_NUMBERS, 0, required, "pid.numbers"),
            (UPID_SIZE, 0, required, "upid"),
            (UPID_NR, 4, required, "upid.nr"),
            (UPID_NS, 8, required, "upid.ns"),
            (PID_NAMESPACE_INUM, 4, required, "pid_namespace.ns.inum"),
            (MM_EXE_FILE, 8, required, "mm_struct.exe_file"),
            (MM_ARG_START, 8, required, "mm_struct.arg_start"),
            (MM_ARG_END, 8, required, "mm_struct.arg_end"),
            (MM_ENV_START, 8, required, "mm_struct.env_start"),
            (MM_ENV_END, 8, required, "mm_struct.env_end"),
            (BPRM_FILENAME, 8, required, "linux_binprm.filename"),
            (BPRM_INTERP, 8, required, "linux_binprm.interp"),
            (BPRM_FDPATH, 8, optional, "linux_binprm.fdpath"),
            (FS_PWD, 0, required, "fs_struct.pwd"),
            (FS_ROOT, 0, required, "fs_struct.root"),
            (PATH_MNT, 8, required, "path.mnt"),
            (PATH_DENTRY, 8, required, "path.dentry"),
            (FILES_FDT, 8, required, "files_struct.fdt"),
            (FILES_COUNT, 4, required, "files_struct.count.counter"),
            (FDTABLE_MAX_FDS, 4, required, "fdtable.max_fds"),
            (FDTABLE_FD, 8, required, "fdtable.fd"),
            (FILE_PATH, 0, required, "file.f_path"),
            (FILE_INODE, 8, required, "file.f_inode"),
            (FILE_FLAGS, 4, required, "file.f_flags"),
            (FILE_MODE, 4, required, "file.f_mode"),
            (FILE_PRIVATE_DATA, 8, required, "file.private_data"),
            (INODE_INO, 8, required, "inode.i_ino"),
            (INODE_MODE, 2, required, "inode.i_mode"),
            (INODE_NLINK, 4, required, "inode.i_nlink", "inode.__i_nlink"),
            (INODE_SB, 8, required, "inode.i_sb"),
            (SB_DEV, 4, required, "super_block.s_dev"),
            (SB_MAGIC, 8, required, "super_block.s_magic"),
            (DENTRY_PARENT, 8, required, "dentry.d_parent"),
            (DENTRY_NAME_LEN, 4, required, "dentry.d_name.len"),
            (DENTRY_NAME, 8, required, "dentry.d_name.name"),
            (DENTRY_INODE, 8, required, "dentry.d_inode"),
            (DENTRY_FSDATA, 8, optional, "dentry.d_fsdata"),
            (DENTRY_HASH_PPREV, 8, required, "dentry.d_hash.pprev"),
            (MOUNT_MNT, 0, required, "mount.mnt"),
            (MOUNT_PARENT, 8, required, "mount.mnt_parent"),
            (MOUNT_MOUNTPOINT, 8, required, "mount.mnt_mountpoint"),
            (VFSMOUNT_ROOT, 8, required, "vfsmount.mnt_root"),
            (OVL_INODE_VFS_INODE, 0, optional, "ovl_inode.vfs_inode"),
            (OVL_INODE_UPPER, 8, optional, "ovl_inode.__upperdentry"),
            (OVL_INODE_ENTRY, 8, optional, "ovl_inode.oe"),
            (OVL_ENTRY_NUMLOWER, 4, optional, "ovl_entry.__numlower", "ovl_entry.numlower"),
            (SOCKET_SK, 8, required, "socket.sk"),
            (SOCKET_FILE, 8, required, "socket.file"),
            (SK_FAMILY, 2, required, "sock.__sk_common.skc_family"),
            (SK_PROTOCOL, 2, required, "sock.sk_protocol"),
            (SK_COOKIE, 8, required, "sock.__sk_common.skc_cookie"),
            (SK_DADDR, 4, required, "sock.__sk_common.skc_daddr"),
            (SK_RCV_SADDR, 4, required, "sock.__sk_common.skc_rcv_saddr"),
            (SK_DPORT, 2, required, "sock.__sk_common.skc_dport"),
            (SK_NUM, 2, required, "sock.__sk_common.skc_num"),
            (SK_V6_DADDR, 16, optional, "sock.__sk_common.skc_v6_daddr"),
            (SK_V6_RCV_SADDR, 16, optional, "sock.__sk_common.skc_v6_rcv_saddr"),
            (UNIX_SK_ADDR, 8, required, "unix_sock.addr"),
            (UNIX_SK_PEER, 8, required, "unix_sock.peer"),
            (UNIX_ADDRESS_LEN, 4, required, "unix_address.len"),
            (UNIX_ADDRESS_NAME, 0, required, "unix_address.name"),
            (REGS_ARG0, 8, required, "pt_regs.di", "pt_regs.orig_x0"),
            (REGS_ARG1, 8, required, "pt_regs.si", "pt_regs.regs[1]"),
            (REGS_ARG2, 8, required, "pt_regs.dx", "pt_regs.regs[2]"),
            (REGS_ARG3, 8, required, "pt_regs.r10", "pt_regs.regs[3]"),
            (REGS_ARG4, 8, required, "pt_regs.r8", "pt_regs.regs[4]"),
            (REGS_ARG5, 8, required, "pt_regs.r9", "pt_regs.regs[5]"),
            (REGS_NUMBER, 8, optional, "pt_regs.orig_ax"),
            (REGS_COMPAT_ARG0, 8, optional, "pt_regs.bx"),
            (REGS_COMPAT_ARG1, 8, optional, "pt_regs.cx"),
            (REGS_COMPAT_ARG2, 8, optional, "pt_regs.dx"),
            (REGS_COMPAT_ARG3, 8, optional, "pt_regs.si"),
            (REGS_COMPAT_ARG4, 8, optional, "pt_regs.di"),
            (REGS_COMPAT_ARG5, 8, optional, "pt_regs.bp"),
            (TASK_IO_URING, 8, optional, "task_struct.io_uring"),
            (FILENAME_NAME, 8, optional, "filename.name"),
            (OPEN_FLAGS_FLAGS, 4, optional, "open_flags.open_flag"),
            (REQUEST_FILE, 8, optional, "io_kiocb.file"),
            (REQUEST_RESULT, 4, optional, "io_kiocb.cqe.res"),
            (REQUEST_CONNECT_ADDRESS, 8, optional, "io_connect.addr"),
            (REQUEST_CONNECT_LEN, 4, optional, "io_connect.addr_len"),
            (REQUEST_SOCKET_DOMAIN, 4, optional, "io_socket.domain"),
            (REQUEST_SOCKET_TYPE, 4, optional, "io_socket.type"),
            (REQUEST_SOCKET_PROTOCOL, 4, optional, "io_socket.protocol"),
            (REQUEST_XATTR_FILENAME, 8, optional, "io_xattr.filename"),
            (REQUEST_XATTR_NAME, 8, optional, "io_xattr.ctx.kname"),
            (REQUEST_XATTR_FLAGS, 4, optional, "io_xattr.ctx.flags"),
            (TASK_CALL_STATUS, 4, optional, "task_struct.thread_info.status"),
        }
    };
}

macro_rules! table {
    (@required required) => { true };
    (@required optional) => { false };
    ($(($symbol:ident, $width:expr, $need:ident, $($path:literal),+)),* $(,)?) => {
        /// The table, in declaration order.
        pub const OFFSETS: &[OffsetSpec] = &[$(OffsetSpec {
            symbol: stringify!($symbol),
            paths: &[$($path),+],
            width: $width,
            required: table!(@required $need),
        }),*];
    };
}

for_each_offset!(table);
