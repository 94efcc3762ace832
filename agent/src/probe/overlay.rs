//! overlayfs's description of its structs, which tell an image's files from a container's own.

use std::{fs, io, path::Path};

use rustix::mount::{FsOpenFlags, fsopen};

use super::btf::{Btf, BtfError};

/// overlayfs is a module on many distributions; it describes its own structs.
const MODULE_BTF: &str = "/sys/kernel/btf/overlay";

/// A struct that overlayfs has had on every supported kernel.
const STRUCT: &str = "ovl_inode";

/// Why the module's structs stay unknown.
#[derive(Debug, thiserror::Error)]
enum OverlayError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Btf(#[from] BtfError),
}

/// The kernel's description with overlayfs in it, where it is to be had. Without it the programs
/// run and do not tell layers.
pub(super) fn described(kernel: Btf) -> Btf {
    if kernel.find(STRUCT).is_ok() {
        return kernel;
    }
    with_module(kernel, module_btf())
}

fn with_module(kernel: Btf, module: io::Result<Vec<u8>>) -> Btf {
    let both = module
        .map_err(OverlayError::from)
        .and_then(|module| Ok(kernel.with_module(&module)?));
    both.unwrap_or_else(|error| {
        tracing::warn!(
            message = "overlayfs does not describe its structs: the layer of executables is not \
                       told.",
            path = MODULE_BTF,
            %error
        );
        kernel
    })
}

/// Offsets are fixed when the programs are loaded: a module that came with the first container,
/// after the agent, would stay unknown.
fn module_btf() -> io::Result<Vec<u8>> {
    if !Path::new(MODULE_BTF).exists() {
        load_module()?;
    }
    fs::read(MODULE_BTF)
}

/// Has the kernel look for the filesystem, which loads its module as a mount would, and mounts
/// nothing.
fn load_module() -> io::Result<()> {
    fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A description of nothing.
    fn empty() -> Vec<u8> {
        let mut bytes = vec![0; 24];
        bytes[..3].copy_from_slice(&[0x9F, 0xEB, 1]);
        bytes[4] = 24;
        bytes
    }

    #[test]
    fn a_module_that_cannot_be_used_leaves_the_kernel_as_it_is() {
        let kernel = Btf::parse(&empty()).unwrap();
        let unreadable = || Err(io::Error::from(io::ErrorKind::PermissionDenied));
        for module in [unreadable(), Ok(b"\x9F\xEB".to_vec()), Ok(Vec::new())] {
            let both = with_module(kernel.clone(), module);
            assert_eq!(both.find(STRUCT), kernel.find(STRUCT));
        }
    }

    #[test]
    fn the_kernel_knows_the_filesystem_once_it_was_looked_for() {
        // Without the right to mount, the kernel refuses before it looks.
        if load_module().is_ok() {
            let known = fs::read_to_string("/proc/filesystems").unwrap();
            assert!(known.contains("overlay"));
        }
    }
}
