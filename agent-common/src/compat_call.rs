//! The table of 32-bit system calls: one for programs and loader.

use crate::{Call, PathCall, argument, layout::assert_layout};

/// [`CompatCall::flags`].
pub mod compat_flags {
    /// Its arguments stand in a block that its first one points to.
    pub const BLOCK: u8 = 1 << 0;
    /// It stands for several calls on sockets: its first argument tells which, its second points to
    /// the block of that call's arguments (`socketcall`).
    pub const SOCKETS: u8 = 1 << 1;
    /// Trampolines tell of it: its end has nothing to add.
    pub const BY_TRAMPOLINE: u8 = 1 << 2;
    /// The program on the ends of calls is attached.
    pub const WATCHED: u8 = 1 << 3;
}

/// What is known of a number.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompatCall {
    /// The call, with the places of its paths if it has any. [`PathCall::call`] is zero for a call
    /// that is not traced, and for one that stands for several.
    pub call: PathCall,
    /// [`compat_flags`].
    pub flags: u8,
}

assert_layout!(CompatCall, size = 10, call = 0, flags = 9);

impl CompatCall {
    /// A call that passes its arguments as the one of the full width does.
    pub const fn of(call: Call) -> Self {
        let call = match PathCall::of(call) {
            Some(path_call) => path_call,
            None => PathCall::without_paths(call),
        };
        Self { call, flags: 0 }
    }

    /// One whose length stands in two arguments, each one half (`truncate64`).
    pub const fn with_halves(call: Call) -> Self {
        let mut entry = Self::of(call);
        entry.call.args = [1, 2];
        entry
    }

    /// One that keeps no numbers.
    pub const fn without_numbers(call: Call) -> Self {
        let mut entry = Self::of(call);
        entry.call.args = [argument::NONE; 2];
        entry
    }

    /// One whose arguments stand in a block.
    pub const fn in_a_block(call: Call) -> Self {
        let mut entry = Self::of(call);
        entry.flags = compat_flags::BLOCK;
        entry
    }

    /// The one that stands for the calls on sockets.
    pub const SOCKETS: Self = Self {
        call: PathCall::NOTHING,
        flags: compat_flags::SOCKETS,
    };

    /// The call that a `socketcall` stands for, by its first argument (include/uapi/linux/net.h).
    /// No table and no bounds check: kernel programs use it.
    #[inline(always)]
    pub const fn of_socketcall(number: u64) -> Option<Call> {
        Some(match number {
            1 => Call::Socket,
            2 => Call::Bind,
            3 => Call::Connect,
            4 => Call::Listen,
            5 => Call::Accept,
            8 => Call::Socketpair,
            11 => Call::Sendto,
            16 => Call::Sendmsg,
            18 => Call::Accept4,
            20 => Call::Sendmmsg,
            _ => return None,
        })
    }
}
