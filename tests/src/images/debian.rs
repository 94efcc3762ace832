//! Debian images: what `debootstrap` makes of the distribution's own packages.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{find_program, run};

/// Names a mirror; without it debootstrap takes its own default.
const MIRROR_VARIABLE: &str = "GRAVLENS_TEST_DEBIAN_MIRROR";

const SUITE: &str = "bookworm";
/// Packages for building and for scripts.
pub(super) const TOOLS: &str = "gcc,make,libc6-dev,python3-minimal,procps";
/// Servers, what puts them under load, and what an intruder finds beside them.
pub(super) const SERVERS: &str = "nginx-light,redis-server,postgresql-15,apache2-utils,memcached,\
    openssh-server,openssh-client,python3,procps";
const NOT_NEEDED: [&str; 5] = [
    "var/cache/apt",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "var/lib/apt/lists",
];

/// Fills a root file system with a minimal Debian and these packages, separated by commas.
pub(super) fn build(root: &Path, packages: &str) -> Result<()> {
    let debootstrap = find_program("debootstrap")?;
    eprintln!("making a Debian root file system: some minutes, once");
    // In a mount namespace of its own: whatever it mounts is gone even when it is interrupted.
    run(Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(debootstrap)
        .arg("--variant=minbase")
        .arg(format!("--include={packages}"))
        .arg(SUITE)
        .arg(root)
        .args(std::env::var_os(MIRROR_VARIABLE)))?;
    for folder in NOT_NEEDED {
        let folder = root.join(folder);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
    }
    fs::create_dir_all(root.join("var/cache/apt/archives/partial"))?;
    fs::create_dir_all(root.join("var/lib/apt/lists/partial"))?;
    Ok(())
}
