//! Builds what the daemon embeds.

#[path = "build/ebpf.rs"]
mod ebpf;

fn main() {
    if let Err(error) = ebpf::build() {
        // cargo shows the lines of a failed build script as they stand.
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}
