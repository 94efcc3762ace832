//! The topics of events and the programs that serve each.

use gravlens_common::{Call, Hook};

use super::path_calls;

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attach {
    /// A tracepoint with typed arguments.
    BtfTracepoint(&'static str),
    /// The entry tracepoint of a system call.
    SyscallEntry(Call),
    /// The exit tracepoint of a system call.
    SyscallExit(Call),
    /// The entry of a kernel function; what it sees.
    FunctionEntry(&'static str, &'static str),
    /// The end of a kernel function; what it sees.
    FunctionExit(&'static str, &'static str),
    /// The entry of the function that works off requests of io_uring; what it sees. A kernel that
    /// lacks the function has no such requests.
    RequestEntry(&'static str, &'static str),
    /// Likewise the end of such a function.
    RequestExit(&'static str, &'static str),
    /// The exit tracepoint, by a program that serves several calls and has a name of its own in the object.
    SharedExit {
        /// Name in the object.
        program: &'static str,
        /// The call.
        call: Call,
    },
    /// A hook on socket addresses, on the scope's cgroup; what it sees.
    CgroupSockAddr(&'static str),
    /// A hook on packets that sockets receive, on the scope's cgroup; what it sees.
    CgroupIngress(&'static str),
    /// The same on packets that they send.
    CgroupEgress(&'static str),
}

impl Attach {
    /// What a program that is attached so sees, and nobody sees without it.
    pub(super) fn sees(self) -> String {
        match self {
            Self::BtfTracepoint(name) => format!("{name} events"),
            Self::SyscallEntry(call) => format!("which events are {} calls", call.name()),
            Self::SyscallExit(call) | Self::SharedExit { call, .. } => {
                format!("{} calls", call.name())
            }
            Self::CgroupSockAddr(what)
            | Self::CgroupIngress(what)
            | Self::CgroupEgress(what)
            | Self::FunctionEntry(_, what)
            | Self::FunctionExit(_, what)
            | Self::RequestEntry(_, what)
            | Self::RequestExit(_, what) => what.to_owned(),
        }
    }
}

/// One program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program {
    /// Name in reports, and in the object unless it serves several calls.
    pub(super) name: &'static str,
    /// Where it goes.
    pub(super) attach: Attach,
}

/// A topic. All its programs are needed: calls that an architecture does not have are left out, and
/// those that the kernel was built without are passed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Topic {
    /// What is accounted under it; `None` for helpers of other topics.
    pub(super) hook: Option<Hook>,
    /// Name in reports.
    pub(super) name: &'static str,
    /// The agent does not start without it.
    pub(super) mandatory: bool,
    /// Name of the alternative in reports.
    pub(super) taken: &'static str,
    /// Its programs.
    pub(super) programs: &'static [Program],
    /// Programs that see more, taken in place of others where all of them can be attached.
    pub(super) trampolines: Option<Trampolines>,
    /// A hook that would see more and needs trampolines, with what it would add.
    pub(super) better: Option<(&'static str, &'static str)>,
}

/// Programs that need trampolines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trampolines {
    /// Name of the alternative in reports.
    pub(super) taken: &'static str,
    /// What they see that the others do not.
    pub(super) gain: &'static str,
    /// All of them are needed.
    pub(super) programs: &'static [Program],
    /// Calls that need no program of their own then; the topic's other programs stay.
    pub(super) serve: &'static [Call],
}

const fn traced(name: &'static str) -> Program {
    Program {
        name,
        attach: Attach::BtfTracepoint(name),
    }
}

const fn named(name: &'static str, tracepoint: &'static str) -> Program {
    Program {
        name,
        attach: Attach::BtfTracepoint(tracepoint),
    }
}

const fn entry_of(name: &'static str, call: Call) -> Program {
    Program {
        name,
        attach: Attach::SyscallEntry(call),
    }
}

const fn exit_of(name: &'static str, call: Call) -> Program {
    Program {
        name,
        attach: Attach::SyscallExit(call),
    }
}

const fn on_cgroup(name: &'static str, sees: &'static str) -> Program {
    Program {
        name,
        attach: Attach::CgroupSockAddr(sees),
    }
}

pub(super) const fn request_begins(
    name: &'static str,
    function: &'static str,
    sees: &'static str,
) -> Program {
    Program {
        name,
        attach: Attach::RequestEntry(function, sees),
    }
}

pub(super) const fn request_ends(
    name: &'static str,
    function: &'static str,
    sees: &'static str,
) -> Program {
    Program {
        name,
        attach: Attach::RequestExit(function, sees),
    }
}

/// Programs on what io_uring runs, beside those on calls: see `hooks/socket_trampolines.rs` in the
/// kernel programs.
const fn beside(
    taken: &'static str,
    gain: &'static str,
    programs: &'static [Program],
) -> Trampolines {
    Trampolines {
        taken,
        gain,
        programs,
        serve: &[],
    }
}

const fn lifecycle(hook: Hook, taken: &'static str, programs: &'static [Program]) -> Topic {
    Topic {
        hook: Some(hook),
        name: hook.name(),
        mandatory: true,
        taken,
        programs,
        trampolines: None,
        better: None,
    }
}

const fn calls(
    hook: Hook,
    taken: &'static str,
    programs: &'static [Program],
    better: Option<(&'static str, &'static str)>,
) -> Topic {
    Topic {
        hook: Some(hook),
        name: hook.name(),
        mandatory: false,
        taken,
        programs,
        trampolines: None,
        better,
    }
}

impl Topic {
    /// The programs that serve the topic with these trampolines, which come last: one that tells of a
    /// call leaves a mark for the program on the call's end, which has to be there to take it.
    pub(super) fn programs_with(
        &self,
        trampolines: Trampolines,
    ) -> impl Iterator<Item = &'static Program> + use<> {
        let served = move |program: &&Program| match program.attach {
            Attach::SyscallExit(call) | Attach::SharedExit { call, .. } => {
                trampolines.serve.contains(&call)
            }
            _ => false,
        };
        let others = self.programs.iter().filter(move |program| !served(program));
        others.chain(trampolines.programs)
    }

    /// It is told at the end of system calls.
    pub(super) fn follows_calls(&self) -> bool {
        let exit = |program: &Program| {
            matches!(
                program.attach,
                Attach::SyscallExit(_) | Attach::SharedExit { .. }
            )
        };
        self.programs.iter().any(exit)
    }

    const fn or_trampolines(mut self, trampolines: Trampolines) -> Self {
        self.trampolines = Some(trampolines);
        self
    }
}

/// See `hooks/open_trampoline.rs` in the kernel programs.
const OPEN_TRAMPOLINES: Trampolines = Trampolines {
    taken: "fexit/do_filp_open,fentry/fd_install",
    gain: "opens of io_uring, and each file although its descriptor was replaced",
    programs: &[
        Program {
            name: "open_file",
            attach: Attach::FunctionExit("do_filp_open", "opens"),
        },
        Program {
            name: "install_file",
            attach: Attach::FunctionEntry("fd_install", "the descriptors of opened files"),
        },
        Program {
            name: "install_fixed_file",
            attach: Attach::FunctionEntry("io_fixed_fd_install", "files that io_uring keeps"),
        },
    ],
    serve: &[Call::Open, Call::Creat, Call::Openat, Call::Openat2],
};

/// See `hooks/path_trampolines.rs` and `hooks/place_trampolines.rs` in the kernel programs. The end of
/// each function before its entry: what is put together at the entry is given back at the end.
const FILE_CHANGE_TRAMPOLINES: Trampolines = Trampolines {
    taken: "fentry,fexit/do_unlinkat and its like",
    gain: "names that are removed, moved, linked and made as directories by io_uring, and as the \
           kernel took them although another thread exchanged them; files whose mode, owner or length \
           changes, as the kernel found them",
    programs: path_calls::FILE_CHANGE_TRAMPOLINES,
    serve: path_calls::FILE_CHANGES_ON_NAMES,
};

/// See `hooks/place_trampolines.rs` in the kernel programs.
const MOUNT_TRAMPOLINES: Trampolines = Trampolines {
    taken: "fexit/path_mount",
    gain: "the place and the source of a mount as the kernel took them",
    programs: path_calls::MOUNT_TRAMPOLINES,
    serve: &[],
};

/// What programs on the sends of io_uring see.
const SENT: &str = "how io_uring's ended";

/// Name of the topic of 32-bit calls, which is left out where there are none.
pub(super) const COMPAT: &str = "compat";
/// Its hook.
pub(super) const COMPAT_HOOK: &str = "tp_btf/sys_exit";

/// Every topic, lifecycle first: a record about a process must find its exec record before it.
pub(super) const TOPICS: &[Topic] = &[
    lifecycle(
        Hook::CgroupMkdir,
        "tp_btf/cgroup_mkdir",
        &[traced("cgroup_mkdir")],
    ),
    lifecycle(
        Hook::CgroupRmdir,
        "tp_btf/cgroup_rmdir",
        &[traced("cgroup_rmdir")],
    ),
    lifecycle(
        Hook::CgroupAttach,
        "tp_btf/cgroup_attach_task",
        &[named("cgroup_attach", "cgroup_attach_task")],
    ),
    lifecycle(
        Hook::Fork,
        "tp_btf/sched_process_fork",
        &[named("fork", "sched_process_fork")],
    ),
    lifecycle(
        Hook::Exec,
        "tp_btf/sched_process_exec",
        &[named("exec", "sched_process_exec")],
    ),
    lifecycle(
        Hook::Exit,
        "tp_btf/sched_process_exit",
        &[named("exit", "sched_process_exit")],
    ),
    calls(
        Hook::SetIds,
        "tracepoint/syscalls/sys_exit_set*",
        &[
            exit_of("sys_exit_setuid", Call::Setuid),
            exit_of("sys_exit_setgid", Call::Setgid),
            exit_of("sys_exit_setreuid", Call::Setreuid),
            exit_of("sys_exit_setregid", Call::Setregid),
            exit_of("sys_exit_setresuid", Call::Setresuid),
            exit_of("sys_exit_setresgid", Call::Setresgid),
            exit_of("sys_exit_setfsuid", Call::Setfsuid),
            exit_of("sys_exit_setfsgid", Call::Setfsgid),
            exit_of("sys_exit_setgroups", Call::Setgroups),
        ],
        Some((
            "fentry/commit_creds",
            "the personalities that io_uring takes on",
        )),
    ),
    calls(
        Hook::Open,
        "tracepoint/syscalls/sys_exit_open*",
        &[
            #[cfg(target_arch = "x86_64")]
            exit_of("sys_exit_open", Call::Open),
            exit_of("sys_exit_openat", Call::Openat),
            exit_of("sys_exit_openat2", Call::Openat2),
            #[cfg(target_arch = "x86_64")]
            exit_of("sys_exit_creat", Call::Creat),
            exit_of("sys_exit_open_by_handle_at", Call::OpenByHandleAt),
            exit_of("sys_exit_memfd_create", Call::MemfdCreate),
        ],
        None,
    )
    .or_trampolines(OPEN_TRAMPOLINES),
    Topic {
        hook: None,
        name: COMPAT,
        mandatory: false,
        taken: COMPAT_HOOK,
        programs: &[named("compat", "sys_exit")],
        trampolines: None,
        better: None,
    },
    calls(
        Hook::FileChange,
        "tracepoint/syscalls/sys_exit_unlink* and its like",
        path_calls::FILE_CHANGE,
        None,
    )
    .or_trampolines(FILE_CHANGE_TRAMPOLINES),
    calls(
        Hook::Mount,
        "tracepoint/syscalls/sys_exit_mount and its like",
        path_calls::MOUNT,
        None,
    )
    .or_trampolines(MOUNT_TRAMPOLINES),
    calls(
        Hook::ExecFailed,
        "tracepoint/syscalls/sys_exit_execve*",
        path_calls::EXEC_FAILED,
        Some((
            "fexit/do_execveat_common",
            "names as the kernel took them although another thread exchanged them",
        )),
    ),
    calls(
        Hook::Connect,
        "tracepoint/syscalls/sys_exit_connect",
        &[exit_of("sys_exit_connect", Call::Connect)],
        None,
    )
    .or_trampolines(beside(
        "tracepoint/syscalls/sys_exit_connect and fentry,fexit/io_connect",
        "the results of io_uring's, and those to unix sockets",
        &[
            request_ends("ring_connect_ends", "io_connect", "how io_uring's ended"),
            request_begins(
                "ring_connect_begins",
                "io_connect",
                "io_uring's to unix sockets",
            ),
        ],
    )),
    calls(
        Hook::Send,
        "tracepoint/syscalls/sys_exit_send*",
        &[
            exit_of("sys_exit_sendto", Call::Sendto),
            exit_of("sys_exit_sendmsg", Call::Sendmsg),
            exit_of("sys_exit_sendmmsg", Call::Sendmmsg),
        ],
        None,
    )
    .or_trampolines(beside(
        "tracepoint/syscalls/sys_exit_send* and fentry,fexit/io_send*",
        "the results of io_uring's",
        &[
            request_ends("ring_send_ends", "io_send", SENT),
            request_begins("ring_send_begins", "io_send", SENT),
            request_ends("ring_sendmsg_ends", "io_sendmsg", SENT),
            request_begins("ring_sendmsg_begins", "io_sendmsg", SENT),
            request_ends("ring_send_zc_ends", "io_send_zc", SENT),
            request_begins("ring_send_zc_begins", "io_send_zc", SENT),
            request_ends("ring_sendmsg_zc_ends", "io_sendmsg_zc", SENT),
            request_begins("ring_sendmsg_zc_begins", "io_sendmsg_zc", SENT),
        ],
    )),
    // After the exits, and entries before hooks: whoever is in a call now is told of by its exit,
    // and no slot is opened that no exit would close.
    Topic {
        hook: None,
        name: "socket_address",
        mandatory: false,
        taken: "cgroup/connect4,connect6,sendmsg4,sendmsg6",
        programs: &[
            entry_of("sys_enter_connect", Call::Connect),
            entry_of("sys_enter_sendto", Call::Sendto),
            entry_of("sys_enter_sendmsg", Call::Sendmsg),
            entry_of("sys_enter_sendmmsg", Call::Sendmmsg),
            on_cgroup(
                "connect4",
                "the kernel's copy of IPv4 addresses that are connected to",
            ),
            on_cgroup(
                "connect6",
                "the kernel's copy of IPv6 addresses that are connected to",
            ),
            on_cgroup(
                "sendmsg4",
                "the kernel's copy of IPv4 addresses that are sent to",
            ),
            on_cgroup(
                "sendmsg6",
                "the kernel's copy of IPv6 addresses that are sent to",
            ),
        ],
        trampolines: None,
        better: None,
    },
    // Behind the addresses: they tell who asks.
    calls(
        Hook::Dns,
        "cgroup_skb",
        &[
            Program {
                name: "dns_egress",
                attach: Attach::CgroupEgress("DNS queries"),
            },
            Program {
                name: "dns_ingress",
                attach: Attach::CgroupIngress("DNS answers, and so the names of addresses"),
            },
        ],
        None,
    ),
    calls(
        Hook::Bind,
        "tracepoint/syscalls/sys_exit_bind",
        &[exit_of("sys_exit_bind", Call::Bind)],
        None,
    )
    .or_trampolines(beside(
        "tracepoint/syscalls/sys_exit_bind and fexit/io_bind",
        "io_uring's",
        &[request_ends(
            "ring_bind_ends",
            "io_bind",
            "io_uring's binds",
        )],
    )),
    calls(
        Hook::Listen,
        "tracepoint/syscalls/sys_exit_listen",
        &[exit_of("sys_exit_listen", Call::Listen)],
        None,
    )
    .or_trampolines(beside(
        "tracepoint/syscalls/sys_exit_listen and fexit/io_listen",
        "io_uring's",
        &[request_ends(
            "ring_listen_ends",
            "io_listen",
            "io_uring's listens",
        )],
    )),
    calls(
        Hook::Accept,
        "tracepoint/syscalls/sys_exit_accept*",
        &[
            exit_of("sys_exit_accept", Call::Accept),
            exit_of("sys_exit_accept4", Call::Accept4),
        ],
        None,
    )
    .or_trampolines(beside(
        "tracepoint/syscalls/sys_exit_accept* and fexit/do_accept",
        "io_uring's",
        &[Program {
            name: "ring_accept_ends",
            attach: Attach::FunctionExit("do_accept", "io_uring's accepts"),
        }],
    )),
    calls(
        Hook::Privilege,
        "tracepoint/syscalls/sys_exit_*",
        &[
            exit_of("sys_exit_capset", Call::Capset),
            exit_of("sys_exit_ptrace", Call::Ptrace),
            exit_of("sys_exit_process_vm_readv", Call::ProcessVmReadv),
            exit_of("sys_exit_process_vm_writev", Call::ProcessVmWritev),
            exit_of("sys_exit_pidfd_getfd", Call::PidfdGetfd),
            exit_of("sys_exit_unshare", Call::Unshare),
            exit_of("sys_exit_setns", Call::Setns),
            exit_of("sys_exit_init_module", Call::InitModule),
            exit_of("sys_exit_finit_module", Call::FinitModule),
            exit_of("sys_exit_delete_module", Call::DeleteModule),
            exit_of("sys_exit_bpf", Call::Bpf),
            exit_of("sys_exit_io_uring_setup", Call::IoUringSetup),
            exit_of("sys_exit_keyctl", Call::Keyctl),
            exit_of("sys_exit_add_key", Call::AddKey),
            exit_of("sys_exit_request_key", Call::RequestKey),
            exit_of("sys_exit_userfaultfd", Call::Userfaultfd),
            exit_of("sys_exit_perf_event_open", Call::PerfEventOpen),
        ],
        None,
    ),
    calls(
        Hook::Memory,
        "tracepoint/syscalls/sys_exit_m*protect,mmap",
        &[
            exit_of("sys_exit_mmap", Call::Mmap),
            exit_of("sys_exit_mprotect", Call::Mprotect),
            exit_of("sys_exit_pkey_mprotect", Call::PkeyMprotect),
        ],
        None,
    ),
    calls(
        Hook::Descriptor,
        "tracepoint/syscalls/sys_exit_dup*",
        &[
            exit_of("sys_exit_dup", Call::Dup),
            #[cfg(target_arch = "x86_64")]
            exit_of("sys_exit_dup2", Call::Dup2),
            exit_of("sys_exit_dup3", Call::Dup3),
        ],
        None,
    ),
    calls(
        Hook::Signal,
        "tracepoint/syscalls/sys_exit_*kill",
        &[
            exit_of("sys_exit_kill", Call::Kill),
            exit_of("sys_exit_tkill", Call::Tkill),
            exit_of("sys_exit_tgkill", Call::Tgkill),
            exit_of("sys_exit_pidfd_send_signal", Call::PidfdSendSignal),
        ],
        None,
    ),
    calls(
        Hook::Socket,
        "tracepoint/syscalls/sys_exit_socket*",
        &[
            exit_of("sys_exit_socket", Call::Socket),
            exit_of("sys_exit_socketpair", Call::Socketpair),
        ],
        None,
    )
    .or_trampolines(beside(
        "tracepoint/syscalls/sys_exit_socket* and fexit/io_socket",
        "io_uring's",
        &[request_ends(
            "ring_socket_ends",
            "io_socket",
            "io_uring's sockets",
        )],
    )),
];
