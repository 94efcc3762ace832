//! What to do by hand where setup cannot: other systems, no root.

use super::bpf_linker;
use super::part::Part;

/// Prints the steps for the parts that are missing.
pub(super) fn print_steps(missing: impl Iterator<Item = Part>) {
    println!("\nsetup cannot install packages here. By hand:");
    for part in missing {
        println!("\n{}:", part.name());
        for step in steps(part) {
            println!("  {step}");
        }
    }
    println!();
}

fn steps(part: Part) -> Vec<String> {
    let fixed: &[&str] = match part {
        Part::Compiler => {
            &["install a C and C++ compiler, the C library's headers, pkg-config, git"]
        }
        Part::EbpfRustc => &[
            "rustup toolchain install nightly --component rust-src",
            "or set GRAVLENS_EBPF_RUSTC to a rustc that has a core for bpfel-unknown-none",
        ],
        Part::BpfLinker => {
            return vec![
                "install LLVM 22 with its headers and static Polly, zstd's and zlib's headers"
                    .into(),
                format!(
                    "LLVM_PREFIX=<LLVM 22's folder> cargo install bpf-linker --locked \
                     --version {} --no-default-features --features llvm-22",
                    bpf_linker::VERSION
                ),
            ];
        }
        Part::Docker => &["install Docker Engine: dockerd, containerd, runc and the docker client"],
        Part::Rootfs => &["install debootstrap and a static busybox"],
        Part::Tools => &["install iproute2, kmod, nats-server and systemd-analyze"],
        Part::Vm => &["install qemu-system-x86_64, QEMU's virtiofsd, cpio and xz"],
        Part::Kernels => &[
            "unpack Debian's linux-image-6.1.*-cloud-amd64 into target/vm/kernels/6.1 and \
             linux-image-6.12.*-cloud-amd64 into target/vm/kernels/6.12",
        ],
        Part::Python => &["install Python 3.9 or later with its venv module"],
    };
    fixed.iter().map(|step| (*step).to_owned()).collect()
}
