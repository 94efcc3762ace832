//! Links from one document of the repository to another.

use std::path::Path;

use super::{Problem, Source};
use crate::run::workspace_root;

/// Finds links in Markdown files that lead nowhere.
pub(super) fn check(source: &Source) -> Vec<Problem> {
    if !source.path.ends_with(".md") {
        return Vec::new();
    }
    let folder = workspace_root().join(&source.path);
    let folder = folder.parent().unwrap_or(workspace_root());
    let mut problems = Vec::new();
    let mut fenced = false;
    for (index, line) in source.text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        if fenced {
            continue;
        }
        for target in targets(line).filter(|target| leads_nowhere(folder, target)) {
            problems.push(Problem::new(
                &source.path,
                index + 1,
                format!("no file {target}"),
            ));
        }
    }
    problems
}

/// What stands in `](...)`, without a heading's name.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default())
}

fn leads_nowhere(folder: &Path, target: &str) -> bool {
    let local = !target.is_empty() && !target.contains(':');
    local && !folder.join(target).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_to_files_are_followed() {
        let line = "[a](Cargo.toml#x) [b](#y) [c](mailto:a@b) [d](absent.md)";
        let folder = workspace_root();
        let bad: Vec<&str> = targets(line)
            .filter(|target| leads_nowhere(folder, target))
            .collect();
        assert_eq!(bad, ["absent.md"]);
    }
}
