//! Gravlens: runtime anomaly detection for containers.

pub mod alert;
pub mod config;
pub mod model;
pub mod proto;
pub mod sinks;
pub mod telemetry;
