//! Parts of the docs that the agent itself writes, between two marker lines:
//! `<!-- generated: gravlens docs NAME -->` and `<!-- end generated -->`.

use std::fs;

use anyhow::{Context as _, Result, bail};

use super::{Problem, Source};
use crate::run::{cargo, workspace_root};

const BEGIN: &str = "<!-- generated: gravlens docs ";
const END: &str = "<!-- end generated -->";

/// Compares the generated parts with what the agent prints today, or rewrites them.
pub(super) fn check(sources: &[Source], write: bool) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for source in sources {
        let document = source.path.starts_with("docs/") && source.path.ends_with(".md");
        if !document || !source.text.contains(BEGIN) {
            continue;
        }
        let fresh = renewed(&source.text, print).with_context(|| source.path.clone())?;
        if fresh == source.text {
            continue;
        }
        if write {
            fs::write(workspace_root().join(&source.path), fresh)?;
            println!("{}: rewritten", source.path);
        } else {
            let line = 1 + first_difference(&source.text, &fresh);
            let what = "is not what the agent prints; run `cargo xtask tidy --write`";
            problems.push(Problem::new(&source.path, line, what));
        }
    }
    Ok(problems)
}

/// The document with each generated part replaced by what `print` gives for its name.
fn renewed(text: &str, print: impl Fn(&str) -> Result<String>) -> Result<String> {
    let mut fresh = String::new();
    let mut inside = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix(BEGIN) {
            if inside {
                bail!("`{line}` before the `{END}` of the part above");
            }
            let name = name.trim_end_matches("-->").trim();
            fresh.push_str(&format!("{line}\n\n{}\n\n", print(name)?.trim()));
            inside = true;
        } else if line == END {
            inside = false;
        }
        if !inside {
            fresh.push_str(line);
            fresh.push('\n');
        }
    }
    if inside {
        bail!("a generated part has no `{END}`");
    }
    Ok(fresh)
}

fn print(name: &str) -> Result<String> {
    let output = cargo()
        .args(["run", "--quiet", "-p", "gravlens", "--", "docs", name])
        .output()
        .context("could not start cargo")?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("`gravlens docs {name}` failed: {}", why.trim());
    }
    String::from_utf8(output.stdout).context("the agent printed no UTF-8")
}

fn first_difference(old: &str, new: &str) -> usize {
    old.lines()
        .zip(new.lines())
        .take_while(|(old, new)| old == new)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str =
        "# A\n\n<!-- generated: gravlens docs fields -->\n\nold\n\n<!-- end generated -->\nend\n";

    #[test]
    fn only_what_lies_between_the_markers_changes() {
        let fresh = renewed(DOCUMENT, |name| Ok(format!("{name}!\n"))).unwrap();
        assert_eq!(fresh, DOCUMENT.replace("old", "fields!"));
        assert_eq!(first_difference(DOCUMENT, &fresh), 4);
        assert_eq!(
            renewed(&fresh, |_| Ok("fields!".to_owned())).unwrap(),
            fresh
        );
    }

    #[test]
    fn a_part_without_an_end_is_refused() {
        let open = DOCUMENT.replace(END, "");
        assert!(renewed(&open, |_| Ok(String::new())).is_err());
    }
}
