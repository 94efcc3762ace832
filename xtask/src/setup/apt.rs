//! Debian packages: whether apt can be used, and one careful installation.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::run::{answer, find_program, run};

use super::service_policy::ServicePolicy;

const DEBIAN: &str = "12";

/// Options that keep apt from asking, from hanging on a lock, and from pulling in extras.
const OPTIONS: &[&str] = &[
    "-q",
    "-y",
    "-o",
    "DPkg::Lock::Timeout=600",
    "-o",
    "Dpkg::Use-Pty=0",
    "-o",
    "Dpkg::Options::=--force-confold",
    "-o",
    "Acquire::Retries=3",
    "-o",
    "Acquire::http::Timeout=60",
];

/// Why apt cannot bring packages here, if it cannot.
pub(super) fn usable() -> Result<(), String> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |key: &str| {
        let value = release.lines().find_map(|line| line.strip_prefix(key));
        value.unwrap_or_default().trim_matches('"').to_owned()
    };
    if field("ID=") != "debian" || field("VERSION_ID=") != DEBIAN {
        return Err(format!("this is not Debian {DEBIAN}"));
    }
    if find_program("apt-get").is_none() {
        return Err("there is no apt-get".to_owned());
    }
    if answer("id", &["-u"]).as_deref() != Some("0") {
        return Err("installing packages needs root".to_owned());
    }
    Ok(())
}

/// Installs packages in one transaction. Fetches package lists only if they are absent or stale.
pub(super) fn install(packages: &BTreeSet<&str>) -> Result<()> {
    let _policy = ServicePolicy::deny()?;
    let unknown = unknown(packages);
    let mut updated = false;
    if !unknown.is_empty() {
        println!("setup: apt does not know {} yet", unknown.join(", "));
        update();
        updated = true;
    }
    let first = install_once(packages);
    let Err(error) = &first else {
        return first;
    };
    if updated {
        return first;
    }
    // Lists that are older than the archive name files that are gone.
    println!("setup: {error:#}; trying again with fresh package lists");
    update();
    install_once(packages)
}

/// Each attempt asks anew what apt would do: lists that were renewed can change the answer.
fn install_once(packages: &BTreeSet<&str>) -> Result<()> {
    refuse_removals(packages)?;
    run(apt_get("install")
        .arg("--no-install-recommends")
        .args(packages))
}

fn apt_get(verb: &str) -> Command {
    let mut command = Command::new("apt-get");
    command
        .arg(verb)
        .args(OPTIONS)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("APT_LISTCHANGES_FRONTEND", "none")
        .env("NEEDRESTART_SUSPEND", "1");
    command
}

/// A source that cannot be reached is no reason to stop: the packages may come from another.
fn update() {
    if let Err(error) = run(&mut apt_get("update")) {
        println!("setup: {error}; going on with the lists that there are");
    }
}

/// The packages that no package list offers.
fn unknown<'a>(packages: &BTreeSet<&'a str>) -> Vec<&'a str> {
    let offered = |package: &str| {
        let policy = answer("apt-cache", &["policy", package]).unwrap_or_default();
        policy.contains("Candidate:") && !policy.contains("Candidate: (none)")
    };
    packages
        .iter()
        .copied()
        .filter(|package| !offered(package))
        .collect()
}

/// Stops if apt would take something away, or does not say whether it would. A QEMU tool from
/// another release is the one exception: it shares files with the QEMU of this release, so the two
/// cannot stay together.
fn refuse_removals(packages: &BTreeSet<&str>) -> Result<()> {
    let output = apt_get("install")
        .args(["--simulate", "--no-install-recommends"])
        .args(packages)
        .output()
        .context("could not start apt-get")?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("apt cannot install {packages:?}: {}", why.trim());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let removed = removals(&text);
    if removed.is_empty() {
        return Ok(());
    }
    let list = removed.join(", ");
    if removed.iter().all(|name| name.starts_with("qemu-")) {
        println!(
            "setup: apt removes {list}: not of this Debian release, it blocks QEMU's packages"
        );
        return Ok(());
    }
    bail!(
        "apt would remove {list}; install {packages:?} by hand, or leave parts out with `--without`"
    )
}

/// The packages that a simulated installation takes away.
fn removals(simulation: &str) -> Vec<&str> {
    simulation
        .lines()
        .filter_map(|line| line.strip_prefix("Remv ")?.split_whitespace().next())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removals_are_told_from_installations() {
        let simulation = "Reading package lists...\nInst jq (1.6-2.1 Debian:12 [amd64])\n\
                          Remv mawk [1.3.4] [base-files:amd64 ]\nConf jq (1.6-2.1)\n";
        assert_eq!(removals(simulation), ["mawk"]);
        assert!(removals("").is_empty());
    }
}
