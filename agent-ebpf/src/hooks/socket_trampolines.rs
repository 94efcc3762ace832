//! Socket calls by io_uring, where the kernel grants trampolines.
//!
//! The function that works off a request (io_uring/net.c) opens a slot at its beginning, as a system
//! call does, and knows socket and result at its end. Accepted sockets are taken from `do_accept`
//! (net/socket.c), which a request may call many times.

use aya_ebpf::{
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};
use gravlens_common::{Call, Hook, socket_flags};

use super::{
    calls,
    socket::{self, Passed},
};
use crate::{
    globals::*,
    kernel::{
        is_error,
        request::{EAGAIN, Request},
        task::Task,
    },
    ongoing::{self, OngoingCall},
    ring_request, scope,
};

/// The connection is being made.
const EINPROGRESS: i32 = 115;

/// Requests whose address a cgroup hook notes.
macro_rules! with_address {
    ($($begins:ident, $ends:ident: $function:literal => $call:ident),* $(,)?) => {
        $(
            #[fentry(function = $function)]
            pub fn $begins(_ctx: FEntryContext) -> i32 {
                ongoing::begin(Call::$call);
                0
            }

            #[fexit(function = $function)]
            pub fn $ends(ctx: FExitContext) -> i32 {
                address_ends(&ctx, Call::$call)
            }
        )*
    };
}

with_address! {
    ring_connect_begins, ring_connect_ends: "io_connect" => Connect,
    ring_send_begins, ring_send_ends: "io_send" => Sendto,
    ring_sendmsg_begins, ring_sendmsg_ends: "io_sendmsg" => Sendmsg,
    ring_send_zc_begins, ring_send_zc_ends: "io_send_zc" => Sendto,
    ring_sendmsg_zc_begins, ring_sendmsg_zc_ends: "io_sendmsg_zc" => Sendmsg,
}

#[fexit(function = "io_bind")]
pub fn ring_bind_ends(ctx: FExitContext) -> i32 {
    own_end(&ctx, Call::Bind)
}

#[fexit(function = "io_listen")]
pub fn ring_listen_ends(ctx: FExitContext) -> i32 {
    own_end(&ctx, Call::Listen)
}

#[fexit(function = "io_socket")]
pub fn ring_socket_ends(ctx: FExitContext) -> i32 {
    let request = Request::at(ctx.arg::<u64>(0));
    let result = request.result(&ctx);
    calls::of_hook(Hook::Socket, Call::Socket, result.into(), || {
        let number = |field| u64::from(request.get::<u32>(field));
        [
            number(&REQUEST_SOCKET_DOMAIN),
            number(&REQUEST_SOCKET_TYPE),
            number(&REQUEST_SOCKET_PROTOCOL),
            0,
        ]
    });
    0
}

/// The file of the listener, then that of the new socket or an error.
#[fexit(function = "do_accept")]
pub fn ring_accept_ends(ctx: FExitContext) -> i32 {
    let Ok(accepted) = ctx.ret::<i64>() else {
        return 0;
    };
    let is_accept = |call| matches!(call, Call::Accept | Call::Accept4);
    if accepted == -i64::from(EAGAIN) || !ring_request::is_made_by(Task::current(), is_accept) {
        return 0;
    }
    let Some(caller) = scope::caller() else {
        return 0;
    };
    // Which descriptor the socket gets is not known yet.
    let (file, result, flags) = if is_error(accepted) {
        (ctx.arg::<u64>(0), accepted as i32, 0)
    } else {
        (accepted as u64, 0, socket_flags::NO_RESULT)
    };
    let noted = OngoingCall::new(0);
    socket::report(Call::Accept4, caller, result, &noted, || {
        Passed::by_file(file, 0, 0, flags)
    });
    0
}

/// A connect or a send has ended, or its first try has.
#[inline(always)]
fn address_ends(ctx: &FExitContext, call: Call) -> i32 {
    let Some(caller) = scope::caller() else {
        return 0;
    };
    let noted = ongoing::end(caller);
    let request = Request::at(ctx.arg::<u64>(0));
    let mut result = request.result(ctx);
    let connects = matches!(call, Call::Connect);
    if result == -EAGAIN {
        // A connection that is being made was told its address; a send is told again.
        if !connects || !noted.has_address() {
            return 0;
        }
        result = -EINPROGRESS;
    }
    // Without an address it is data, or the rest of a connect that has been told, or a unix socket's.
    if !noted.has_address() && !(connects && socket::is_unix(request.file())) {
        return 0;
    }
    socket::report(call, caller, result, &noted, || {
        let address = request.get::<u64>(&REQUEST_CONNECT_ADDRESS);
        let len = request.get::<u32>(&REQUEST_CONNECT_LEN);
        Passed::by_file(request.file(), address, len.into(), 0)
    });
    0
}

/// A call about the socket's own end.
#[inline(always)]
fn own_end(ctx: &FExitContext, call: Call) -> i32 {
    let request = Request::at(ctx.arg::<u64>(0));
    let result = request.result(ctx);
    let Some(caller) = scope::caller() else {
        return 0;
    };
    if result != -EAGAIN {
        let noted = OngoingCall::new(0);
        socket::report(call, caller, result, &noted, || {
            Passed::by_file(request.file(), 0, 0, 0)
        });
    }
    0
}
