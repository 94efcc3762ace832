//! Debian's cloud kernels, unpacked below `target/vm/kernels` and not installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use super::kernels_folder;
use crate::run::{answer, run};

/// A kernel family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kernel {
    /// Debian 12's own
    #[value(name = "6.1")]
    V6_1,
    /// Debian 13's, as Debian 12 gets it too
    #[value(name = "6.12")]
    V6_12,
}

/// A kernel that is there.
pub(super) struct Installed {
    /// Compressed kernel image.
    pub(super) image: PathBuf,
    /// Folder of its modules.
    pub(super) modules: PathBuf,
    /// Modules that the root file system needs, in the order in which they are loaded.
    pub(super) needed: &'static [&'static str],
}

impl Kernel {
    /// What every kernel package of the family begins with.
    const fn prefix(self) -> &'static str {
        match self {
            Self::V6_1 => "linux-image-6.1.",
            Self::V6_12 => "linux-image-6.12.",
        }
    }

    const fn modules(self) -> &'static [&'static str] {
        match self {
            Self::V6_1 => &[
                "virtio_ring",
                "virtio",
                "virtio_pci_modern_dev",
                "virtio_pci_legacy_dev",
                "virtio_pci",
                "fuse",
                "virtiofs",
                "overlay",
            ],
            // The rest is built in.
            Self::V6_12 => &["overlay"],
        }
    }

    /// The version, as on the command line.
    pub(crate) fn version(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn folder(self) -> PathBuf {
        kernels_folder().join(self.version())
    }

    /// The kernel, if it was fetched.
    pub(super) fn installed(self) -> Result<Installed> {
        let folder = self.folder();
        let absent = || {
            format!(
                "kernel {} is not there: run `cargo xtask setup`",
                self.version()
            )
        };
        let image = entry(&folder.join("boot"), "vmlinuz-").with_context(absent)?;
        let modules = entry(&folder.join("lib/modules"), "").with_context(absent)?;
        Ok(Installed {
            image,
            modules,
            needed: self.modules(),
        })
    }

    /// Whether the kernel was fetched.
    pub(crate) fn is_installed(self) -> bool {
        self.installed().is_ok()
    }

    /// Fetches the newest package of the family and unpacks it.
    pub(crate) fn install(self) -> Result<()> {
        let Err(error) = self.fetch() else {
            return Ok(());
        };
        println!("{error:#}; once more with fresh package lists");
        run(Command::new("apt-get").arg("update"))?;
        self.fetch()
    }

    fn fetch(self) -> Result<()> {
        let package = self.newest_package()?;
        let folder = self.folder();
        let unpacked = kernels_folder().join(format!("{}.new", self.version()));
        for old in [&folder, &unpacked] {
            if old.exists() {
                fs::remove_dir_all(old)?;
            }
        }
        fs::create_dir_all(&unpacked)?;
        // Straight into the folder: apt's own cache would need room for it too.
        run(Command::new("apt-get")
            .args(["download", "-o", "APT::Sandbox::User=root", &package])
            .current_dir(&unpacked))?;
        let archive = entry(&unpacked, "linux-image-").context("apt-get download left no file")?;
        run(Command::new("dpkg-deb")
            .arg("-x")
            .arg(&archive)
            .arg(&unpacked))?;
        fs::remove_file(archive)?;
        fs::rename(&unpacked, &folder)?;
        Ok(())
    }

    fn newest_package(self) -> Result<String> {
        let names = answer("apt-cache", &["pkgnames", self.prefix()]).unwrap_or_default();
        let newest = names
            .lines()
            .filter(|name| name.ends_with("-cloud-amd64"))
            .max_by_key(|name| numbers(name));
        match newest {
            Some(name) => Ok(name.to_owned()),
            None => bail!(
                "no package {}*-cloud-amd64 is known: run `apt-get update`, on Debian 12",
                self.prefix()
            ),
        }
    }
}

/// The numbers in a name, in order: they compare as versions do.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// The entry of a folder whose name begins so.
fn entry(folder: &Path, prefix: &str) -> Option<PathBuf> {
    let mut entries = fs::read_dir(folder).ok()?.flatten();
    let found = entries.find(|entry| entry.file_name().to_string_lossy().starts_with(prefix))?;
    Some(found.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_package_is_not_the_last_in_the_alphabet() {
        let newest = [
            "linux-image-6.12.9+deb12-cloud-amd64",
            "linux-image-6.12.111+deb12-cloud-amd64",
        ]
        .into_iter()
        .max_by_key(|name| numbers(name));
        assert_eq!(newest, Some("linux-image-6.12.111+deb12-cloud-amd64"));
    }
}
