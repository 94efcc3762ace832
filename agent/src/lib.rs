//! Gravlens: runtime anomaly detection for containers.
//!
//! The modules are the data path, in this order:
//!
//! ```text
//! probe -> ingest -> decode -> enrich -> detect -> alert -> sinks
//! ```
//!
//! `pipeline` wires them; `model` is the vocabulary that they share.

pub mod alert;
pub mod baseline;
pub mod canary;
pub mod capture;
pub mod cli;
pub mod config;
pub mod decode;
pub mod detect;
pub mod downtime;
pub mod enrich;
#[cfg(test)]
mod fuzzing;
pub mod ingest;
pub mod model;
pub mod pipeline;
pub mod probe;
pub mod proto;
pub mod run_lock;
pub mod sandbox;
pub mod sinks;
pub mod state_dir;
pub mod telemetry;
