//! Build steps: the gRPC code from `proto/`, and the kernel programs that the daemon embeds.

#[path = "build/ebpf.rs"]
mod ebpf;
#[path = "build/payloads.rs"]
mod payloads;
#[path = "build/proto.rs"]
mod proto;

fn main() -> anyhow::Result<()> {
    proto::generate()?;
    ebpf::build()
}
