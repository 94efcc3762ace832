//! Gravlens: runtime anomaly detection for containers.

pub mod alert;
pub mod config;
pub mod downtime;
pub mod model;
pub mod proto;
pub mod run_lock;
pub mod sinks;
pub mod telemetry;
