//! Gravlens: runtime anomaly detection for containers.

pub mod enrich;
pub mod model;
