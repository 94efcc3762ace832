//! Generates the gRPC code. The parser is a Rust library: no `protoc` is needed.

use std::env;
use std::path::PathBuf;

use anyhow::Context as _;
use prost::Message as _;
use tonic_prost_build::manual;

use crate::payloads;

const FILES: &[&str] = &[
    "gravlens/v1/alert.proto",
    "gravlens/v1/baseline.proto",
    "gravlens/v1/baseline_service.proto",
    "gravlens/v1/container.proto",
    "gravlens/v1/event.proto",
    "gravlens/v1/rule.proto",
    "gravlens/v1/status.proto",
];

/// Messages of captures: they are written to files and served by nobody.
const CAPTURE: &str = "gravlens/capture/v1/capture.proto";

const EVENT: &str = "gravlens/v1/event.proto";

/// Writes `gravlens.v1.rs` (messages, clients, servers), `gravlens.v1.AlertService.rs` (the stream's
/// server), `gravlens.capture.v1.rs`, `descriptors.bin` (for reflection) and `payloads.md` (for the docs) into
/// cargo's output directory.
pub(crate) fn generate() -> anyhow::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").context("not run by cargo")?)
        .join("../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let out = PathBuf::from(env::var_os("OUT_DIR").context("not run by cargo")?);

    let descriptors = protox::compile(FILES, [&root]).context("proto files")?;
    let event = descriptors.file.iter().find(|file| file.name() == EVENT);
    let event = event.context("there is no file of events")?;
    std::fs::write(out.join("payloads.md"), payloads::markdown(event))?;
    let mut embedded = descriptors.clone();
    for file in &mut embedded.file {
        // Comments: clients that ask by reflection do not need them in every agent's memory.
        file.source_code_info = None;
    }
    std::fs::write(out.join("descriptors.bin"), embedded.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_transport(true)
        .compile_fds(descriptors)
        .context("gRPC code")?;
    let capture = protox::compile([CAPTURE], [&root]).context("the proto file of captures")?;
    tonic_prost_build::configure()
        .compile_fds(capture)
        .context("code of captures")?;
    stream_server();
    Ok(())
}

/// The server of `AlertService` once more, with another response type: records that were encoded
/// when they were stored are copied to each subscriber, not encoded anew.
fn stream_server() {
    let watch = manual::Method::builder()
        .name("watch")
        .route_name("Watch")
        .input_type("crate::proto::WatchRequest")
        .output_type("crate::alert::OutgoingRecord")
        .codec_path("crate::sinks::grpc::RecordCodec")
        .server_streaming()
        .build();
    let service = manual::Service::builder()
        .name("AlertService")
        .package("gravlens.v1")
        .method(watch)
        .build();
    manual::Builder::new()
        .build_client(false)
        .compile(&[service]);
}
