//! Gravlens: runtime anomaly detection for containers.

pub mod decode;
pub mod detect;
pub mod enrich;
pub mod ingest;
pub mod model;
pub mod probe;
pub mod proto;
pub mod sinks;
pub mod telemetry;
