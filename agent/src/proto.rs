//! Messages, clients and servers generated from `proto/gravlens/v1`.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated code"
)]

tonic::include_proto!("gravlens.v1");

/// The descriptors of every file, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The server of `AlertService`, with records that are encoded already.
pub mod stream_server {
    tonic::include_proto!("gravlens.v1.AlertService");
}

/// Messages of captures, generated from `proto/gravlens/capture/v1`.
pub mod capture {
    tonic::include_proto!("gravlens.capture.v1");
}
