//! Gravlens: runtime anomaly detection for containers.

pub mod decode;
pub mod enrich;
pub mod model;
pub mod probe;
