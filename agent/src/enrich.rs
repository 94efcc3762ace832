//! Joins what the kernel tells with what the agent knows: processes and containers.

pub mod container;
pub mod dns;
pub mod docker;
pub(crate) mod pace;
pub mod process_table;
