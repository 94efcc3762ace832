//! Socket calls with their results: connect, UDP send, bind, listen and accept.

use aya_ebpf::{
    helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user, bpf_probe_read_user_str},
    macros::tracepoint,
    programs::TracePointContext,
};
use gravlens_common::{
    BulkContext, Call, EventClass, Kind, RecordHeader, SocketEnds, SocketRecord, limits,
    socket_flags,
};

use super::socket_gate::Gate;
use crate::{
    account, emit,
    kernel::{
        file::File,
        regs::{self, Arguments},
        sock::{self, AF_UNIX, Sock, UnixName},
        task::Task,
    },
    ongoing::{self, OngoingCall},
    scope::{self, Caller},
    verifier,
};

/// Room for a unix path: a power of two above `UNIX_PATH_MAX`, for the verifier.
const UNIX_ROOM: usize = 128;
/// Bytes of the family in front of a unix name.
const UNIX_FAMILY: u64 = 2;
/// Bounds a unix path's length.
const UNIX_LEN_MASK: i32 = UNIX_ROOM as i32 - 1;
/// What stands for the descriptor where there is none.
const NO_DESCRIPTOR: u64 = u64::MAX;

macro_rules! socket_programs {
    ($($program:ident => $call:ident),* $(,)?) => {
        $(
            #[tracepoint]
            pub fn $program(ctx: TracePointContext) -> u32 {
                let passed = || Passed::of(Arguments::current(), false);
                observe(Call::$call, regs::result(&ctx) as i32, passed);
                0
            }
        )*
    };
}

socket_programs! {
    sys_exit_connect => Connect,
    sys_exit_sendto => Sendto,
    sys_exit_sendmsg => Sendmsg,
    sys_exit_bind => Bind,
    sys_exit_listen => Listen,
    sys_exit_accept => Accept,
    sys_exit_accept4 => Accept4,
}

/// The address hooks have reported each message: the call's result is the number of messages sent
/// and tells nothing of any one.
#[tracepoint]
pub fn sys_exit_sendmmsg(_ctx: TracePointContext) -> u32 {
    if let Some(caller) = scope::caller() {
        ongoing::end(caller);
    }
    0
}

/// The arguments that socket calls have in common, of those that have them.
pub struct Passed {
    fd: u64,
    address: u64,
    address_len: u64,
    /// [`socket_flags`] of how they were passed.
    flags: u16,
    /// Address of the socket's file, where it is known; else the descriptor tells.
    file: u64,
}

impl Passed {
    #[inline(always)]
    pub fn of(arguments: Arguments, in_memory: bool) -> Self {
        let [fd, address, address_len] = arguments.three();
        Self {
            fd,
            address,
            address_len,
            // Another thread can have changed them.
            flags: if in_memory {
                socket_flags::FD_SHARED
            } else {
                0
            },
            file: 0,
        }
    }

    /// A file in place of a descriptor, the caller's address, and [`socket_flags`].
    #[inline(always)]
    pub fn by_file(file: u64, address: u64, address_len: u64, flags: u16) -> Self {
        Self {
            fd: NO_DESCRIPTOR,
            address,
            address_len,
            flags,
            file,
        }
    }
}

/// The record with room for a unix path behind it.
#[repr(C)]
struct Message {
    record: SocketRecord,
    path: [u8; UNIX_ROOM],
}

#[inline(always)]
const fn is_send(call: Call) -> bool {
    matches!(call, Call::Sendto | Call::Sendmsg)
}

#[inline(always)]
const fn is_accept(call: Call) -> bool {
    matches!(call, Call::Accept | Call::Accept4)
}

/// Reports a call that has ended. Its arguments are read once it is clear that there is something to
/// report: most sends are data on a connection.
#[inline(always)]
pub fn observe(call: Call, result: i32, passed: impl FnOnce() -> Passed) {
    let Some(caller) = scope::caller() else {
        return;
    };
    let noted = take_noted(call, caller);
    if is_send(call) && !noted.has_address() {
        // Only a datagram with an address of its own is a destination; the rest is data on a
        // connection that connect or accept reported.
        return;
    }
    report(call, caller, result, &noted, passed);
}

/// Reports a call, with what a cgroup hook noted of it.
#[inline(always)]
pub fn report(
    call: Call,
    caller: Caller,
    result: i32,
    noted: &OngoingCall,
    passed: impl FnOnce() -> Passed,
) {
    let account = account::seen(caller.cgroup_id, call.hook());
    let passed = passed();
    let class = if passed.flags & socket_flags::NO_RESULT != 0 {
        EventClass::NO_RESULT
    } else {
        EventClass::of_result(result.into())
    };
    let Some(gate) = Gate::enter(call, class, caller, account) else {
        return;
    };
    let mut message = message(call, caller, result, &passed);
    describe(&mut message, call, noted, &passed);
    let record = &message.record;
    let cgroup_id = record.context.cgroup_id;
    let Some(paid) = gate.leave(call.hook(), &record.ends, cgroup_id, account) else {
        return;
    };
    let path_len = verifier::mask::<UNIX_LEN_MASK>(u64::from(message.record.path_len));
    let size = size_of::<SocketRecord>() as u64 + path_len;
    message.record.header = emit::header(Kind::Socket, size as u32);
    // SAFETY: the message is initialised and `size` is at most its length.
    unsafe { emit::bulk((&raw const message).cast(), size, paid) };
}

/// The file is a unix socket's.
#[inline(always)]
pub fn is_unix(file: u64) -> bool {
    let Some(sock) = Sock::of_file(File::at(file)) else {
        return false;
    };
    let mut ends = SocketEnds::default();
    sock.describe(&mut ends);
    ends.family == AF_UNIX
}

/// What a cgroup hook noted during this call.
#[inline(always)]
fn take_noted(call: Call, caller: Caller) -> OngoingCall {
    if is_send(call) || matches!(call, Call::Connect) {
        ongoing::end(caller)
    } else {
        OngoingCall::new(call as u64)
    }
}

#[inline(always)]
fn message(call: Call, caller: Caller, result: i32, passed: &Passed) -> Message {
    let by_file = passed.file != 0;
    let (fd, mut flags) = if is_accept(call) && !by_file {
        (result, 0)
    } else {
        (passed.fd as i32, passed.flags)
    };
    if !by_file && Task::shares_files() {
        flags |= socket_flags::FD_SHARED;
    }
    Message {
        record: SocketRecord {
            header: RecordHeader::default(),
            context: BulkContext {
                cgroup_id: caller.cgroup_id,
                exec_key: Task::exec_key((caller.pid_tgid >> 32) as u32),
                tid: caller.tid(),
                result,
            },
            ends: SocketEnds::default(),
            fd,
            flags,
            path_len: 0,
            call: call as u8,
            pad: [0; 7],
        },
        path: [0; UNIX_ROOM],
    }
}

#[inline(always)]
fn describe(message: &mut Message, call: Call, noted: &OngoingCall, passed: &Passed) {
    let file = if passed.file != 0 {
        Some(File::at(passed.file))
    } else {
        let fd = u32::try_from(message.record.fd).ok();
        fd.and_then(|fd| Task::file(fd))
    };
    let sock = file.and_then(Sock::of_file);
    if noted.has_address() {
        describe_noted(message, noted, sock);
        return;
    }
    if let Some(sock) = sock {
        sock.describe(&mut message.record.ends);
    }
    if message.record.ends.family == AF_UNIX {
        describe_unix(message, call, sock, passed);
    } else if message.record.context.result < 0 {
        from_arguments(message, call, passed);
    } else {
        message.record.flags |= socket_flags::KERNEL_ADDRESS;
    }
}

/// The address that the kernel used. The own end comes from the socket, which has one by now, if
/// the descriptor still is that socket's.
#[inline(always)]
fn describe_noted(message: &mut Message, noted: &OngoingCall, sock: Option<Sock>) {
    let ends = &mut message.record.ends;
    *ends = noted.ends;
    message.record.flags |= socket_flags::KERNEL_ADDRESS;
    let Some(sock) = sock else { return };
    if sock.cookie() != noted.cookie {
        message.record.flags |= socket_flags::FD_SHARED;
        return;
    }
    message.record.flags &= !socket_flags::FD_SHARED;
    let mut now = SocketEnds::default();
    sock.describe(&mut now);
    if now.family == ends.family {
        ends.local = now.local;
        ends.local_port = now.local_port;
    }
}

/// A call that failed left nothing in the socket: the caller's own argument is what remains.
#[inline(always)]
fn from_arguments(message: &mut Message, call: Call, passed: &Passed) {
    if !matches!(call, Call::Connect | Call::Bind) {
        return;
    }
    let mut asked = SocketEnds::default();
    sock::remote_from_user(passed.address, &mut asked);
    let ends = &mut message.record.ends;
    if asked.family != 0 {
        ends.family = asked.family;
    }
    if matches!(call, Call::Bind) {
        ends.local = asked.remote;
        ends.local_port = asked.remote_port;
    } else {
        ends.remote = asked.remote;
        ends.remote_port = asked.remote_port;
    }
}

#[inline(always)]
fn describe_unix(message: &mut Message, call: Call, sock: Option<Sock>, passed: &Passed) {
    let remote = matches!(call, Call::Connect);
    if !remote {
        message.record.flags |= socket_flags::UNIX_LOCAL;
    }
    let name = sock.and_then(|sock| {
        if remote {
            sock.unix_peer()
        } else {
            sock.unix_local()
        }
    });
    if let Some(name) = name {
        message.record.path_len = copy_name(message, name);
        message.record.flags |= socket_flags::KERNEL_ADDRESS;
    } else if remote || matches!(call, Call::Bind) {
        message.record.path_len = copy_argument(message, passed);
    }
}

#[inline(always)]
fn copy_name(message: &mut Message, name: UnixName) -> u16 {
    let len = verifier::mask::<UNIX_LEN_MASK>(u64::from(name.len));
    // SAFETY: the room is one byte longer than the mask allows.
    let result = unsafe {
        bpf_probe_read_kernel(
            message.path.as_mut_ptr().cast(),
            len as u32,
            name.start as *const _,
        )
    };
    if result == 0 { len as u16 } else { 0 }
}

/// The name in the caller's `sockaddr_un`, behind two bytes of family: a path, which ends with a
/// zero byte, or an abstract one, which begins with one and is as long as the address.
#[inline(always)]
fn copy_argument(message: &mut Message, passed: &Passed) -> u16 {
    let name = passed.address + UNIX_FAMILY;
    // SAFETY: the destination has UNIX_ROOM bytes.
    let len = unsafe {
        bpf_probe_read_user_str(
            message.path.as_mut_ptr().cast(),
            UNIX_ROOM as u32,
            name as *const _,
        )
    };
    if len > 1 {
        return (len - 1) as u16;
    }
    let len = u64::from(passed.address_len as u32).saturating_sub(UNIX_FAMILY);
    if len > limits::UNIX_PATH_MAX as u64 {
        return 0;
    }
    let len = verifier::mask::<UNIX_LEN_MASK>(len);
    // SAFETY: the room is one byte longer than the mask allows.
    let result = unsafe {
        bpf_probe_read_user(
            message.path.as_mut_ptr().cast(),
            len as u32,
            name as *const _,
        )
    };
    if result == 0 { len as u16 } else { 0 }
}
