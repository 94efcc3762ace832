//! Whose machine this is.

use std::fs;

use anyhow::{Context as _, Result};

/// On the kernel command line of a virtual machine that was booted for one command.
pub const OURS: &str = "gravlens.test_machine";

/// The whole machine is the test's own: nothing runs in it that others started, so that the agent
/// may watch all of it.
pub fn is_ours() -> bool {
    let line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    line.split_whitespace().any(|word| word == OURS)
}

/// Whether this process has every capability that the kernel knows. The engine gives a privileged
/// container all of them, and can give no more than it has.
pub fn has_all_capabilities() -> Result<bool> {
    let status = fs::read_to_string("/proc/self/status")?;
    let last = fs::read_to_string("/proc/sys/kernel/cap_last_cap")?;
    let held = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .context("the kernel tells no capabilities")?;
    let held = u64::from_str_radix(held.trim(), 16)?;
    let last: u32 = last.trim().parse()?;
    Ok(held.trailing_ones() > last)
}
