//! Every dependency can be had under a licence of the allow-list in `deny.toml`.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use spdx::{Expression, ParseMode};

use super::{Problem, Source};
use crate::run::cargo;

const LIST: &str = "deny.toml";

/// What the agent runs on; nothing else is shipped.
const PLATFORMS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

/// The outcome for all workspaces in the repository.
pub(super) struct Licences {
    pub(super) problems: Vec<Problem>,
    pub(super) checked: usize,
}

/// Checks the dependencies of each workspace in the repository.
pub(super) fn check(sources: &[Source]) -> Result<Licences> {
    let list = sources
        .iter()
        .find(|source| source.path == LIST)
        .with_context(|| format!("{LIST} is missing: it holds the licences that are allowed"))?;
    let allowed = allow_list(&list.text)?;
    let mut problems = BTreeSet::new();
    let mut packages = BTreeSet::new();
    for lock in sources
        .iter()
        .filter(|source| source.path.ends_with("Cargo.lock"))
    {
        let manifest = lock.path.replace("Cargo.lock", "Cargo.toml");
        for package in dependencies(&manifest)? {
            if let Err(why) = permitted(&package, &allowed) {
                problems.insert((lock.path.clone(), package.line_in(&lock.text), why));
            }
            packages.insert(package.name + " " + &package.version);
        }
    }
    let problems = problems
        .into_iter()
        .map(|(path, line, what)| Problem::new(&path, line, what));
    Ok(Licences {
        problems: problems.collect(),
        checked: packages.len(),
    })
}

struct Package {
    name: String,
    version: String,
    licence: Option<String>,
}

impl Package {
    fn line_in(&self, lock: &str) -> usize {
        let entry = format!("name = \"{}\"", self.name);
        lock.lines().take_while(|line| **line != entry).count() + 1
    }
}

/// The strings of `allow = [...]`, one a line. Reading TOML in full would cost a dependency.
fn allow_list(text: &str) -> Result<BTreeSet<String>> {
    let lines = text.lines().skip_while(|line| line.trim() != "allow = [");
    let allowed: BTreeSet<String> = lines
        .skip(1)
        .take_while(|line| line.trim() != "]")
        .filter_map(|line| line.split('"').nth(1))
        .map(str::to_owned)
        .collect();
    if allowed.is_empty() {
        bail!("{LIST} has no `allow = [` with one quoted licence on each line below");
    }
    Ok(allowed)
}

/// What the workspace's shipped and test programs depend on, its own crates apart.
fn dependencies(manifest: &str) -> Result<Vec<Package>> {
    let mut command = cargo();
    command.args([
        "metadata",
        "--format-version",
        "1",
        "--manifest-path",
        manifest,
    ]);
    for platform in PLATFORMS {
        command.args(["--filter-platform", platform]);
    }
    let output = command.output().context("could not start cargo")?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("`cargo metadata` failed for {manifest}: {}", why.trim());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array();
    let packages = packages.context("`cargo metadata` names no packages")?;
    Ok(packages
        .iter()
        .filter(|package| !package["source"].is_null())
        .map(|package| Package {
            name: text(&package["name"]).unwrap_or_default(),
            version: text(&package["version"]).unwrap_or_default(),
            licence: text(&package["license"]),
        })
        .collect())
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn permitted(package: &Package, allowed: &BTreeSet<String>) -> Result<(), String> {
    let name = format!("{} {}", package.name, package.version);
    let Some(licence) = &package.licence else {
        return Err(format!("{name} names no licence"));
    };
    let expression = Expression::parse_mode(licence, ParseMode::LAX)
        .map_err(|error| format!("{name}: licence `{licence}`: {}", error.reason))?;
    if expression.evaluate(|requirement| allowed.contains(&requirement.to_string())) {
        return Ok(());
    }
    Err(format!(
        "{name} is under {licence}, which {LIST} does not allow"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(licence: &str) -> bool {
        let allowed = allow_list("allow = [\n  \"MIT\",\n  \"Zlib\", # why\n]\n").unwrap();
        let package = Package {
            name: "a".to_owned(),
            version: "1.0.0".to_owned(),
            licence: Some(licence.to_owned()),
        };
        permitted(&package, &allowed).is_ok()
    }

    #[test]
    fn one_way_to_satisfy_the_expression_is_enough() {
        assert!(verdict("MIT"));
        assert!(verdict("GPL-3.0-only OR MIT"));
        assert!(verdict("MIT/Apache-2.0")); // an old way to write OR
        assert!(verdict("MIT AND Zlib"));
        assert!(!verdict("MIT AND GPL-3.0-only"));
        assert!(!verdict("GPL-3.0-only"));
        assert!(!verdict("no licence at all"));
    }
}
