//! The sensor: finds what this kernel offers, loads the programs and holds their links.
//!
//! The only module, besides `ingest`, that touches the kernel's BPF interface.

mod approvers;
mod arrays;
mod attach;
mod bpf;
mod btf;
mod compat;
mod counters;
mod doctor;
mod environment;
mod error;
mod events;
mod integrity;
mod known;
mod loader;
mod memory;
mod offsets;
mod overlay;
mod path_calls;
mod plain_loads;
mod programs;
mod requirements;
mod ring_meter;
mod scope;
mod tasks;
mod topics;
mod tracefs;
mod trampolines;

pub use attach::{AttachedTopic, Hooks, Refusal};
pub use btf::{Btf, BtfError, Field};
pub use counters::{CounterReader, KernelAccount};
pub use doctor::{Report, TopicReport, examine};
pub use error::ProbeError;
pub use events::markdown as events_markdown;
pub use integrity::Integrity;
pub use known::KnownOpens;
pub(crate) use loader::RingStatePod;
pub use loader::{EventLimit, Probe, ProbeOptions, Rings};
pub(crate) use memory::ask_for_nothing;
pub use offsets::{OffsetReport, ResolvedOffset};
pub(crate) use programs::largest as largest_program;
pub use programs::{ProgramSize, VERIFIER_LIMIT};
pub use requirements::check as check_requirements;
pub use ring_meter::RingMeter;
pub use scope::Scope;
pub use tasks::{Snapshot, proc_details};
pub use tracefs::ensure as ensure_tracefs;
