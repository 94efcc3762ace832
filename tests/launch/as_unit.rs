//! `as_unit RESTRICTIONS PROGRAM [ARGUMENT]...`: executes a program under what systemd takes from it
//! with the unit of `deploy/systemd`, as far as that can be had without systemd.
//!
//! The restrictions are a JSON file, see [`Restrictions`].

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, mount_bind_recursive, mount_change};
use rustix::thread::{
    CapabilitySet, UnshareFlags, remove_capability_from_bounding_set, set_no_new_privs,
    unshare_unsafe,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};
use serde::Deserialize;

/// What the program gets.
#[derive(Deserialize)]
struct Restrictions {
    /// The bits of the capabilities that it may have.
    capabilities: u64,
    /// The numbers of the system calls that it may make. Others fail with EPERM.
    calls: Vec<i64>,
    /// The directories that it may write to; everything else can only be read.
    writable: Vec<PathBuf>,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(file), Some(program)) = (arguments.next(), arguments.next()) else {
        bail!("usage: as_unit RESTRICTIONS PROGRAM [ARGUMENT]...");
    };
    let text = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    let restrictions: Restrictions = serde_json::from_slice(&text)?;
    let filter = compile(&restrictions.calls)?;
    protect(&restrictions.writable)?;
    keep_capabilities(CapabilitySet::from_bits_retain(restrictions.capabilities))?;
    set_no_new_privs(true)?;
    apply_filter(&filter)?;
    Err(Command::new(program).args(arguments).exec().into())
}

fn compile(calls: &[i64]) -> Result<BpfProgram> {
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(rules, refuse, SeccompAction::Allow, arch)?;
    Ok(filter.try_into()?)
}

/// Enters namespaces of its own, with mounts of which only these can be written.
fn protect(writable: &[PathBuf]) -> Result<()> {
    // SAFETY: no other thread exists, and no table of descriptors is touched.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS) }?;
    mount_change(
        "/",
        MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
    )?;
    set_read_only(Path::new("/"), true)?;
    for path in writable {
        mount_bind_recursive(path, path).with_context(|| format!("binding {}", path.display()))?;
        set_read_only(path, false)?;
    }
    Ok(())
}

/// Sets or clears the flag of the mount at a path and of all below it.
fn set_read_only(path: &Path, on: bool) -> Result<()> {
    /// `struct mount_attr` of the kernel.
    #[repr(C)]
    struct Attributes {
        set: u64,
        clear: u64,
        propagation: u64,
        user_namespace: u64,
    }
    let attributes = Attributes {
        set: if on { libc::MOUNT_ATTR_RDONLY } else { 0 },
        clear: if on { 0 } else { libc::MOUNT_ATTR_RDONLY },
        propagation: 0,
        user_namespace: 0,
    };
    let name = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the kernel reads the name and as many bytes as the struct has, both of which live on.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            name.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<Attributes>(),
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error())
            .with_context(|| format!("setting the mounts at {}", path.display())),
    }
}

fn keep_capabilities(kept: CapabilitySet) -> Result<()> {
    for capability in CapabilitySet::all().difference(kept).iter() {
        match remove_capability_from_bounding_set(capability) {
            // Older kernels know fewer.
            Ok(()) | Err(Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
