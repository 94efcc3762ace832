//! Gravlens: runtime anomaly detection for containers.

pub mod decode;
pub mod model;
pub mod probe;
