//! Lints that a crate forgot to inherit would silently not hold in it.

use super::{Problem, Source};

/// Has its own target and workspace, so it cannot inherit.
const APART: &str = "agent-ebpf/Cargo.toml";

/// Finds member crates without the workspace's lints.
pub(super) fn check(source: &Source) -> Option<Problem> {
    let member = source.path.ends_with("/Cargo.toml") && source.path != APART;
    let inherits = source.text.contains("[lints]\nworkspace = true");
    (member && !inherits).then(|| {
        let what = "add `[lints]` with `workspace = true`";
        Problem::new(&source.path, 1, what)
    })
}
