//! The gRPC server.

mod codec;

pub use codec::RecordCodec;
