//! The kernel function that allows plain loads from kernel memory.

/// Number of the helper that the programs call in its place: no kernel has so many. The loader
/// replaces the calls where the kernel has the function.
pub const CAST_HELPER: u32 = 0x00C0_DE01;
