//! Whether io_uring runs a function that system calls run too.

use gravlens_common::Call;

use crate::{
    compat_call,
    kernel::{regs, task::Task},
    maps::TWIN_CALLS,
};

/// Whether the thread works off a request: it has a ring, and is in no system call of that kind. A
/// request may run at the end of whatever call the thread is in.
#[inline(always)]
pub fn is_made_by(task: Task, is_kind: impl Fn(Call) -> bool) -> bool {
    let call = match regs::native_number(task) {
        Some(number) => TWIN_CALLS.get(number).copied().and_then(Call::from_number),
        None => compat_call::current(task).map(|made| made.call),
    };
    !call.is_some_and(is_kind) && task.has_io_uring()
}
