//! Whose machine this is.

use std::fs;

/// On the kernel command line of a virtual machine that was booted for one command.
pub const OURS: &str = "gravlens.test_machine";

/// The whole machine is the test's own: nothing runs in it that others started, so that the agent
/// may watch all of it.
pub fn is_ours() -> bool {
    let line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    line.split_whitespace().any(|word| word == OURS)
}
