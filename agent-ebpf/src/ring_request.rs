//! Whether io_uring runs a function that system calls run too.

use gravlens_common::Call;

use crate::{
    compat_call,
    kernel::{regs, task::Task},
    maps::TWIN_CALLS,
};

/// The call that the thread is in, of either width: of those of the full width, one whose function
/// io_uring runs too.
#[inline(always)]
pub fn current_call(task: Task) -> Option<Call> {
    match regs::native_number(task) {
        Some(number) => TWIN_CALLS.get(number).copied().and_then(Call::from_number),
        None => compat_call::current(task).map(|made| made.call),
    }
}

/// Whether the thread works off a request: it has a ring, and is in no system call of that kind. A
/// request may run at the end of whatever call the thread is in.
#[inline(always)]
pub fn is_made_by(task: Task, is_kind: impl Fn(Call) -> bool) -> bool {
    !current_call(task).is_some_and(is_kind) && task.has_io_uring()
}
