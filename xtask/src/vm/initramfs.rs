//! The archive that the kernel starts from: a static shell, modules, the job.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::kernel::Installed;
use crate::run::find_program;

const INIT: &str = include_str!("init.sh");

/// Builds the archive in `folder` and gives its path.
pub(super) fn build(kernel: &Installed, job: &str, folder: &Path) -> Result<PathBuf> {
    let root = folder.join(format!("initramfs-{}", std::process::id()));
    let archive = root.with_extension("cpio");
    let built = fill(&root, kernel, job).and_then(|()| pack(&root, &archive));
    // Whether it could be built or not, the folder has served.
    let _ = fs::remove_dir_all(&root);
    built.map(|()| archive)
}

fn fill(root: &Path, kernel: &Installed, job: &str) -> Result<()> {
    fs::create_dir_all(root.join("bin"))?;
    fs::create_dir_all(root.join("modules"))?;
    let busybox = find_program("busybox").context("no busybox: run `cargo xtask setup`")?;
    fs::copy(busybox, root.join("bin/busybox"))?;
    fs::write(root.join("job"), job)?;
    let init = root.join("init");
    fs::write(&init, INIT)?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
    for (number, name) in kernel.needed.iter().enumerate() {
        // The first process loads them in the order of their names.
        let target = root.join(format!("modules/{number:02}-{name}.ko"));
        copy_module(&kernel.modules.join("kernel"), name, &target)?;
    }
    Ok(())
}

fn copy_module(modules: &Path, name: &str, target: &Path) -> Result<()> {
    let plain = format!("{name}.ko");
    let packed = format!("{name}.ko.xz");
    let found = find(modules, &[&plain, &packed])
        .with_context(|| format!("the kernel's package has no module {name}"))?;
    if found.extension().is_some_and(|extension| extension == "xz") {
        let output = Command::new("xz").arg("-dc").arg(&found).output()?;
        if !output.status.success() {
            bail!("cannot unpack {}", found.display());
        }
        fs::write(target, output.stdout)?;
    } else {
        fs::copy(&found, target)?;
    }
    Ok(())
}

fn find(folder: &Path, names: &[&str]) -> Option<PathBuf> {
    let entries: Vec<PathBuf> = fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    let named = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|it| names.iter().any(|n| it == *n))
    };
    if let Some(found) = entries.iter().find(|path| named(path)) {
        return Some(found.clone());
    }
    entries
        .iter()
        .filter(|path| path.is_dir())
        .find_map(|path| find(path, names))
}

fn pack(root: &Path, archive: &Path) -> Result<()> {
    let output = fs::File::create(archive)?;
    let status = Command::new("sh")
        .args(["-c", "find . | cpio --create --format=newc --quiet"])
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(output)
        .status()?;
    if !status.success() {
        bail!("cpio failed: {status}");
    }
    Ok(())
}
