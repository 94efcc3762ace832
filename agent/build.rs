//! Build steps: the gRPC code from `proto/`.

#[path = "build/proto.rs"]
mod proto;

fn main() -> anyhow::Result<()> {
    proto::generate()
}
