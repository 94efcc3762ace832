//! Gravlens: runtime anomaly detection for containers.

pub mod detect;
pub mod model;
