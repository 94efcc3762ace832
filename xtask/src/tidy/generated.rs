//! Parts of the docs that the agent itself writes, between two marker lines:
//! `<!-- generated: gravlens docs NAME [FOLDER] -->` and `<!-- end generated -->`. Between
//! `<!-- generated: file PATH -->` and the same end stands a file that the tests run. Files that the
//! agent writes as a whole are listed here.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::{Problem, Source};
use crate::run::{cargo, workspace_root};

const BEGIN: &str = "<!-- generated: ";
const BY_AGENT: &str = "gravlens docs ";
const FROM_FILE: &str = "file ";
const END: &str = "<!-- end generated -->";

/// Files that are the output of `gravlens docs NAME`, and that name.
const WHOLE: &[(&str, &str)] = &[("docs/schema/record.schema.json", "schema")];

/// Compares the generated parts with what the agent prints today, or rewrites them.
pub(super) fn check(sources: &[Source], write: bool) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for source in sources {
        let document = source.path.starts_with("docs/") && source.path.ends_with(".md");
        if !document || !source.text.contains(BEGIN) {
            continue;
        }
        let fresh = renewed(&source.text, part).with_context(|| source.path.clone())?;
        problems.extend(compare(&source.path, &source.text, &fresh, write)?);
    }
    for (path, name) in WHOLE {
        let source = sources.iter().find(|source| source.path == *path);
        let old = source.map_or("", |source| &source.text);
        problems.extend(compare(path, old, &print(name)?, write)?);
    }
    Ok(problems)
}

/// Rewrites the file where it differs, or tells of it.
fn compare(path: &str, old: &str, fresh: &str, write: bool) -> Result<Option<Problem>> {
    if fresh == old {
        return Ok(None);
    }
    if write {
        let file = workspace_root().join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, fresh)?;
        println!("{path}: rewritten");
        return Ok(None);
    }
    let line = 1 + first_difference(old, fresh);
    let what = "is not what it is made of; run `cargo xtask tidy --write`";
    Ok(Some(Problem::new(path, line, what)))
}

/// What belongs between the markers of that name.
fn part(name: &str) -> Result<String> {
    if let Some(name) = name.strip_prefix(BY_AGENT) {
        return print(name);
    }
    let Some(path) = name.strip_prefix(FROM_FILE) else {
        bail!("`{BEGIN}{name} -->` is neither `{BY_AGENT}NAME` nor `{FROM_FILE}PATH`");
    };
    let text = fs::read_to_string(workspace_root().join(path))
        .with_context(|| format!("cannot read {path}, which a marker names"))?;
    Ok(format!("```{}\n{}\n```", language(path), text.trim_end()))
}

/// How Markdown names the language of a file.
fn language(path: &str) -> &str {
    let extension = Path::new(path).extension().and_then(|it| it.to_str());
    match extension {
        Some("rs") => "rust",
        Some("py") => "python",
        other => other.unwrap_or_default(),
    }
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
        .args([
            "run",
            "--release",
            "--quiet",
            "-p",
            "gravlens",
            "--",
            "docs",
        ])
        .args(name.split(' '))
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
        let fresh = renewed(DOCUMENT, |name| {
            Ok(name.strip_prefix(BY_AGENT).unwrap().to_owned() + "!\n")
        })
        .unwrap();
        assert_eq!(fresh, DOCUMENT.replace("old", "fields!"));
        assert_eq!(first_difference(DOCUMENT, &fresh), 4);
        assert_eq!(
            renewed(&fresh, |_| Ok("fields!".to_owned())).unwrap(),
            fresh
        );
    }

    #[test]
    fn a_file_is_a_block_of_its_language_and_other_names_are_refused() {
        let block = part("file xtask/Cargo.toml").unwrap();
        assert!(block.starts_with("```toml\n[package]"), "{block}");
        assert!(block.ends_with("\n```"), "{block}");
        assert_eq!((language("a.rs"), language("b.py")), ("rust", "python"));
        assert!(part("file no/such.rs").is_err());
        assert!(part("something else").is_err());
    }

    #[test]
    fn a_part_without_an_end_is_refused() {
        let open = DOCUMENT.replace(END, "");
        assert!(renewed(&open, |_| Ok(String::new())).is_err());
    }
}
