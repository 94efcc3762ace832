//! Gravlens: runtime anomaly detection for containers.

pub mod model;
pub mod proto;
