//! Names of the kernel's numbers: error codes, open flags, capabilities.

use gravlens_common::O_PATH;

/// Name of an error number.
pub(crate) fn errno(number: i64) -> Option<&'static str> {
    let position = usize::try_from(number).ok()?.checked_sub(1)?;
    ERRNO.get(position).copied().filter(|name| !name.is_empty())
}

/// Error names by number, from 1; 41 and 58 are not in use.
const ERRNO: [&str; 133] = [
    "EPERM",
    "ENOENT",
    "ESRCH",
    "EINTR",
    "EIO",
    "ENXIO",
    "E2BIG",
    "ENOEXEC",
    "EBADF",
    "ECHILD",
    "EAGAIN",
    "ENOMEM",
    "EACCES",
    "EFAULT",
    "ENOTBLK",
    "EBUSY",
    "EEXIST",
    "EXDEV",
    "ENODEV",
    "ENOTDIR",
    "EISDIR",
    "EINVAL",
    "ENFILE",
    "EMFILE",
    "ENOTTY",
    "ETXTBSY",
    "EFBIG",
    "ENOSPC",
    "ESPIPE",
    "EROFS",
    "EMLINK",
    "EPIPE",
    "EDOM",
    "ERANGE",
    "EDEADLK",
    "ENAMETOOLONG",
    "ENOLCK",
    "ENOSYS",
    "ENOTEMPTY",
    "ELOOP",
    "",
    "ENOMSG",
    "EIDRM",
    "ECHRNG",
    "EL2NSYNC",
    "EL3HLT",
    "EL3RST",
    "ELNRNG",
    "EUNATCH",
    "ENOCSI",
    "EL2HLT",
    "EBADE",
    "EBADR",
    "EXFULL",
    "ENOANO",
    "EBADRQC",
    "EBADSLT",
    "",
    "EBFONT",
    "ENOSTR",
    "ENODATA",
    "ETIME",
    "ENOSR",
    "ENONET",
    "ENOPKG",
    "EREMOTE",
    "ENOLINK",
    "EADV",
    "ESRMNT",
    "ECOMM",
    "EPROTO",
    "EMULTIHOP",
    "EDOTDOT",
    "EBADMSG",
    "EOVERFLOW",
    "ENOTUNIQ",
    "EBADFD",
    "EREMCHG",
    "ELIBACC",
    "ELIBBAD",
    "ELIBSCN",
    "ELIBMAX",
    "ELIBEXEC",
    "EILSEQ",
    "ERESTART",
    "ESTRPIPE",
    "EUSERS",
    "ENOTSOCK",
    "EDESTADDRREQ",
    "EMSGSIZE",
    "EPROTOTYPE",
    "ENOPROTOOPT",
    "EPROTONOSUPPORT",
    "ESOCKTNOSUPPORT",
    "EOPNOTSUPP",
    "EPFNOSUPPORT",
    "EAFNOSUPPORT",
    "EADDRINUSE",
    "EADDRNOTAVAIL",
    "ENETDOWN",
    "ENETUNREACH",
    "ENETRESET",
    "ECONNABORTED",
    "ECONNRESET",
    "ENOBUFS",
    "EISCONN",
    "ENOTCONN",
    "ESHUTDOWN",
    "ETOOMANYREFS",
    "ETIMEDOUT",
    "ECONNREFUSED",
    "EHOSTDOWN",
    "EHOSTUNREACH",
    "EALREADY",
    "EINPROGRESS",
    "ESTALE",
    "EUCLEAN",
    "ENOTNAM",
    "ENAVAIL",
    "EISNAM",
    "EREMOTEIO",
    "EDQUOT",
    "ENOMEDIUM",
    "EMEDIUMTYPE",
    "ECANCELED",
    "ENOKEY",
    "EKEYEXPIRED",
    "EKEYREVOKED",
    "EKEYREJECTED",
    "EOWNERDEAD",
    "ENOTRECOVERABLE",
    "ERFKILL",
    "EHWPOISON",
];

pub(super) const O_CREAT: u32 = 0o100;

/// Four flags have other numbers on Arm.
#[cfg(target_arch = "aarch64")]
mod arch {
    pub(super) const O_DIRECTORY: u32 = 0o40_000;
    pub(super) const O_NOFOLLOW: u32 = 0o100_000;
    pub(super) const O_DIRECT: u32 = 0o200_000;
    pub(super) const O_LARGEFILE: u32 = 0o400_000;
}
#[cfg(not(target_arch = "aarch64"))]
mod arch {
    pub(super) const O_DIRECTORY: u32 = 0o200_000;
    pub(super) const O_NOFOLLOW: u32 = 0o400_000;
    pub(super) const O_DIRECT: u32 = 0o40_000;
    pub(super) const O_LARGEFILE: u32 = 0o100_000;
}
pub(super) const O_DIRECTORY: u32 = arch::O_DIRECTORY;

/// Open flags other than the access mode. A name of several bits stands before its parts.
const OPEN_FLAGS: &[(u32, &str)] = &[
    (O_CREAT, "O_CREAT"),
    (0o200, "O_EXCL"),
    (0o1000, "O_TRUNC"),
    (0o2000, "O_APPEND"),
    (0o4000, "O_NONBLOCK"),
    (0o4_010_000, "O_SYNC"),
    (0o10_000, "O_DSYNC"),
    (arch::O_DIRECT, "O_DIRECT"),
    (arch::O_LARGEFILE, "O_LARGEFILE"),
    (0o20_000_000 | O_DIRECTORY, "O_TMPFILE"),
    (O_DIRECTORY, "O_DIRECTORY"),
    (arch::O_NOFOLLOW, "O_NOFOLLOW"),
    (0o2_000_000, "O_CLOEXEC"),
    (O_PATH, "O_PATH"),
];

/// Appends open(2) flags, joined by `|`.
pub(super) fn open_flags(flags: u32, created: bool, buffer: &mut Vec<u8>) {
    let mode = ["O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"][(flags & 0o3) as usize];
    buffer.extend_from_slice(mode.as_bytes());
    let mut rest = flags;
    for &(bits, name) in OPEN_FLAGS {
        if rest & bits == bits {
            rest &= !bits;
            buffer.push(b'|');
            buffer.extend_from_slice(name.as_bytes());
        }
    }
    if created {
        buffer.extend_from_slice(b"|O_F_CREATED");
    }
}

/// Appends the names of a capability set, separated by spaces.
pub(super) fn capabilities(set: u64, buffer: &mut Vec<u8>) {
    for (bit, name) in CAPABILITIES.iter().enumerate() {
        if set & (1 << bit) != 0 {
            if !buffer.is_empty() {
                buffer.push(b' ');
            }
            buffer.extend_from_slice(b"CAP_");
            buffer.extend_from_slice(name.as_bytes());
        }
    }
}

/// Capability names by number.
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_their_numbers() {
        for (number, name) in [
            (1, Some("EPERM")),
            (2, Some("ENOENT")),
            (13, Some("EACCES")),
            (42, Some("ENOMSG")),
            (95, Some("EOPNOTSUPP")),
            (111, Some("ECONNREFUSED")),
            (115, Some("EINPROGRESS")),
            (133, Some("EHWPOISON")),
            (0, None),
            (41, None),
            (134, None),
        ] {
            assert_eq!(errno(number), name, "{number}");
        }
    }

    #[test]
    fn open_flags_are_named() {
        let mut buffer = Vec::new();
        open_flags(0o1101, true, &mut buffer);
        assert_eq!(buffer, b"O_WRONLY|O_CREAT|O_TRUNC|O_F_CREATED");
    }

    #[test]
    fn capabilities_are_named() {
        let mut buffer = Vec::new();
        capabilities(1 << 21 | 1, &mut buffer);
        assert_eq!(buffer, b"CAP_CHOWN CAP_SYS_ADMIN");
    }
}
