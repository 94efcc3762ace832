//! Read-only globals that the loader fills in before it loads the programs.
//!
//! The kernel freezes `.rodata`, so the verifier sees constants and prunes what they rule out.

use aya_ebpf::Global;
use gravlens_common::for_each_offset;

macro_rules! offsets {
    ($(($symbol:ident, $width:expr, $need:ident, $($path:literal),+)),* $(,)?) => {
        $(
            #[unsafe(no_mangle)]
            pub static $symbol: Global<u32> = Global::new(gravlens_common::ABSENT);
        )*
    };
}

for_each_offset!(offsets);

/// Thread group id of the agent, whose own events are ignored.
#[unsafe(no_mangle)]
pub static AGENT_TGID: Global<u32> = Global::new(0);
/// cgroup v2 id of the scope; zero: everything.
#[unsafe(no_mangle)]
pub static SCOPE_CGROUP: Global<u64> = Global::new(0);
/// Depth of the scope's cgroup below the root.
#[unsafe(no_mangle)]
pub static SCOPE_LEVEL: Global<u32> = Global::new(0);
/// Fill of the bulk ring, in bytes, that wakes the consumer.
#[unsafe(no_mangle)]
pub static WAKE_BYTES: Global<u64> = Global::new(1 << 20);
/// BTF id of the type that addresses are cast to; zero where this kernel does not grant it: see
/// `kernel::plain`.
#[unsafe(no_mangle)]
pub static CAST_TYPE: Global<u32> = Global::new(0);
/// Time in which a cgroup gets one more bulk event; zero: no limit.
#[unsafe(no_mangle)]
pub static BUCKET_INTERVAL_NS: Global<u64> = Global::new(0);
/// Time in which an empty bucket fills up.
#[unsafe(no_mangle)]
pub static BUCKET_DEPTH_NS: Global<u64> = Global::new(0);
/// Seed of the keys of known opens.
#[unsafe(no_mangle)]
pub static KNOWN_SEED_0: Global<u64> = Global::new(0);
#[unsafe(no_mangle)]
pub static KNOWN_SEED_1: Global<u64> = Global::new(0);
