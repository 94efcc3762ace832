//! Gravlens: runtime anomaly detection for containers.

pub mod alert;
pub mod config;
pub mod decode;
pub mod detect;
pub mod downtime;
pub mod enrich;
pub mod ingest;
pub mod model;
pub mod probe;
pub mod proto;
pub mod run_lock;
pub mod sinks;
pub mod telemetry;
