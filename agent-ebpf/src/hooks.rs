//! The programs, one topic per file.

mod calls;
mod cgroup;
mod compat;
mod dns;
mod exec;
mod fork_exit;
mod marker;
pub mod open;
pub mod open_trampoline;
pub mod path_trampolines;
mod paths;
pub mod place_trampolines;
mod set_ids;
mod socket;
mod socket_address;
mod socket_enter;
mod socket_gate;
mod socket_trampolines;
mod task_iter;
mod trampoline;
