//! The folder of public rule files, which are no part of this repository. The agent's tests include
//! this file too.

use std::path::PathBuf;

/// Names the folder.
const VARIABLE: &str = "GRAVLENS_CORPORA";
/// Where it is otherwise, beside the checkout.
const BESIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpora");

/// A file or folder in it.
///
/// # Errors
/// It is not there.
pub fn corpora(name: &str) -> Result<PathBuf, String> {
    let folder = std::env::var_os(VARIABLE).map_or_else(|| BESIDE.into(), PathBuf::from);
    let path = folder.join(name);
    if path.exists() {
        return Ok(path);
    }
    Err(format!(
        "this needs public rule files, and {} is not there: set {VARIABLE} to the folder that holds \
         falco/falco_rules.yaml, falco_fields.tsv and sigma",
        path.display()
    ))
}
