//! The parts that a machine needs, how each is recognised, and which packages bring it.

use std::path::Path;

use anyhow::{Result, bail};
use clap::ValueEnum;

use super::{Missing, bpf_linker, elf, python};
use crate::ebpf_toolchain;
use crate::run::find_program;
use crate::vm::Kernel;

/// One thing that building or testing needs.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// a linker and the libraries' headers for crates with C parts
    Compiler,
    /// a rustc that builds kernel programs
    EbpfRustc,
    /// the linker of kernel programs, built with LLVM 22
    BpfLinker,
    /// Docker Engine, containerd and runc
    Docker,
    /// root file systems for containers
    Rootfs,
    /// network and module tools, a message server, and a checker of systemd units
    Tools,
    /// virtual machines
    Vm,
    /// Debian's cloud kernels for them
    Kernels,
    /// Python with stock gRPC clients and the schema of OCSF
    Python,
}

/// In the order in which they are installed and reported.
pub(super) const ALL: [Part; 9] = [
    Part::Compiler,
    Part::EbpfRustc,
    Part::BpfLinker,
    Part::Docker,
    Part::Rootfs,
    Part::Tools,
    Part::Vm,
    Part::Kernels,
    Part::Python,
];

/// Whether a part is there; the text is for people.
pub(super) enum State {
    Present(String),
    Missing(Missing),
}

/// A Debian package and what of it must be found, whoever installed it.
struct Need {
    package: &'static str,
    found: &'static [Trace],
}

enum Trace {
    Program(&'static str),
    File(&'static str),
    Static(&'static str),
}

use Trace::{File, Program, Static};

const COMPILER: &[Need] = &[
    need("gcc", &[Program("cc")]),
    need("g++", &[Program("c++")]), // LLVM wants libstdc++
    need("libc6-dev", &[File("/usr/include/stdlib.h")]),
    need("pkg-config", &[Program("pkg-config")]),
    need("git", &[Program("git")]),
];
const LLVM: &[Need] = &[
    need(
        "llvm-22-dev",
        &[File("/usr/lib/llvm-22/include/llvm-c/Core.h")],
    ),
    need(
        "libpolly-22-dev",
        &[File("/usr/lib/llvm-22/lib/libPolly.a")],
    ),
    need("libzstd-dev", &[File("/usr/include/zstd.h")]),
    need("zlib1g-dev", &[File("/usr/include/zlib.h")]),
];
const DOCKER: &[Need] = &[need(
    "docker.io",
    &[
        Program("dockerd"),
        Program("containerd"),
        Program("containerd-shim-runc-v2"),
        Program("runc"),
        Program("docker"),
    ],
)];
const ROOTFS: &[Need] = &[
    need("debootstrap", &[Program("debootstrap")]),
    // The dynamic build has the same path, and would not run in an empty root.
    need("busybox-static", &[Static("busybox")]),
];
const TOOLS: &[Need] = &[
    need("iproute2", &[Program("ip")]),
    need("kmod", &[Program("modprobe"), Program("depmod")]),
    need("nats-server", &[Program("nats-server")]),
    // It checks the unit of deploy/systemd; the machine's init stays what it is.
    need("systemd", &[Program("systemd-analyze")]),
];
const VM: &[Need] = &[
    need("qemu-system-x86", &[Program("qemu-system-x86_64")]),
    // virtio-fs is served by a program of this package.
    need("qemu-system-common", &[File("/usr/lib/qemu/virtiofsd")]),
    need("cpio", &[Program("cpio")]),
    need("xz-utils", &[Program("xz")]),
];

const fn need(package: &'static str, found: &'static [Trace]) -> Need {
    Need { package, found }
}

impl Part {
    /// The name on the command line.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Looks whether the part is there. Reads only.
    pub(super) fn probe(self) -> State {
        match self {
            Self::Compiler => probe_needs(COMPILER),
            Self::EbpfRustc => probe_ebpf_rustc(),
            Self::BpfLinker => probe_bpf_linker(),
            Self::Docker => probe_needs(DOCKER),
            Self::Rootfs => probe_needs(ROOTFS),
            Self::Tools => probe_needs(TOOLS),
            Self::Vm => probe_needs(VM),
            Self::Kernels => probe_kernels(),
            Self::Python => python::probe(),
        }
    }

    /// What is left to do once the packages are there.
    pub(super) fn finish(self) -> Result<()> {
        match self {
            Self::EbpfRustc if ebpf_toolchain::overridden() => {
                bail!("correct or unset {}", ebpf_toolchain::OVERRIDE)
            }
            Self::BpfLinker => bpf_linker::install(),
            Self::Python => python::install(),
            Self::Kernels => install_kernels(),
            _ => Ok(()),
        }
    }
}

/// Names in a sentence.
pub(super) fn names(parts: impl Iterator<Item = Part>) -> String {
    parts.map(Part::name).collect::<Vec<_>>().join(", ")
}

fn probe_needs(needs: &[Need]) -> State {
    let lacking: Vec<&Need> = needs.iter().filter(|need| !need.met()).collect();
    if lacking.is_empty() {
        let programs: Vec<&str> = needs.iter().flat_map(Need::programs).collect();
        return State::Present(programs.join(", "));
    }
    State::Missing(Missing {
        what: lacking
            .iter()
            .map(|need| format!("{} ({})", need.package, need.absent()))
            .collect::<Vec<_>>()
            .join(", "),
        packages: lacking.iter().map(|need| need.package).collect(),
    })
}

fn probe_ebpf_rustc() -> State {
    match ebpf_toolchain::detect() {
        Ok(found) => State::Present(found.to_string()),
        Err(refused) => State::Missing(Missing {
            what: refused.join("; "),
            packages: if ebpf_toolchain::overridden() {
                vec![] // no package changes what the variable names
            } else {
                vec!["rustc-web", "libstd-rust-web-dev-bpf", "cargo-web"]
            },
        }),
    }
}

fn probe_kernels() -> State {
    let (there, absent): (Vec<Kernel>, Vec<Kernel>) = Kernel::value_variants()
        .iter()
        .partition(|kernel| kernel.is_installed());
    let versions = |kernels: Vec<Kernel>| {
        let versions: Vec<String> = kernels.into_iter().map(Kernel::version).collect();
        versions.join(", ")
    };
    if absent.is_empty() {
        return State::Present(format!("target/vm/kernels with {}", versions(there)));
    }
    State::Missing(Missing {
        what: format!("target/vm/kernels lacks {}", versions(absent)),
        packages: vec![],
    })
}

fn install_kernels() -> Result<()> {
    for kernel in Kernel::value_variants() {
        if !kernel.is_installed() {
            kernel.install()?;
        }
    }
    Ok(())
}

/// LLVM is needed only where the linker has to be built; `LLVM_PREFIX` may name one.
fn probe_bpf_linker() -> State {
    match bpf_linker::probe() {
        Ok(found) => State::Present(found),
        Err(why) => State::Missing(Missing {
            what: why,
            packages: LLVM
                .iter()
                .filter(|need| !need.met() && !bpf_linker::llvm_is_named())
                .map(|need| need.package)
                .collect(),
        }),
    }
}

impl Need {
    fn met(&self) -> bool {
        self.found.iter().all(Trace::found)
    }

    fn absent(&self) -> String {
        let absent = self.found.iter().filter(|trace| !trace.found());
        let names: Vec<&str> = absent.map(Trace::text).collect();
        format!("no {}", names.join(", "))
    }

    fn programs(&self) -> impl Iterator<Item = &'static str> {
        self.found.iter().filter_map(|trace| match trace {
            Program(name) | Static(name) => Some(*name),
            File(_) => None,
        })
    }
}

impl Trace {
    fn found(&self) -> bool {
        match self {
            Program(name) => find_program(name).is_some(),
            Static(name) => find_program(name).is_some_and(|path| elf::is_static(&path)),
            File(path) => Path::new(path).exists(),
        }
    }

    fn text(&self) -> &'static str {
        match self {
            Program(text) | File(text) | Static(text) => text,
        }
    }
}
