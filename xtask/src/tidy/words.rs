//! Words that do not belong into the repository.

use std::path::Path;

use super::code::has_word;
use super::{Problem, Source};
use crate::run::workspace_root;

/// Work that is left open belongs into the tracker. Split, so that this file does not hold them.
const OPEN_WORK: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME")];

/// A folder of one machine, and hosts that another site replaces by its mirror.
const PLACES: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("deb.debian", ".org"),
    concat!("registry.npmjs", ".org"),
];

/// Finds such words. Samples of other projects (`data` folders) and lock files are not ours.
pub(super) fn check(source: &Source) -> Vec<Problem> {
    let path = Path::new(&source.path);
    let foreign = path.components().any(|part| part.as_os_str() == "data");
    if foreign
        || path
            .extension()
            .is_some_and(|extension| extension == "lock")
    {
        return Vec::new();
    }
    let here = workspace_root().to_string_lossy();
    let mut problems = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let mut found = |what: String| {
            problems.push(Problem::new(&source.path, index + 1, what));
        };
        if let Some(word) = OPEN_WORK.iter().find(|word| has_word(line, word)) {
            found(format!(
                "{word}: finish it, or open an issue and say what holds now"
            ));
        }
        let places = PLACES.iter().copied().chain([here.as_ref()]);
        if let Some(place) = places.into_iter().find(|place| line.contains(*place)) {
            found(format!(
                "names {place}, which is not the same on every machine"
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> usize {
        let (path, text) = (path.to_owned(), text.to_owned());
        check(&Source { path, text }).len()
    }

    #[test]
    fn words_are_found_in_our_files_only() {
        let text = format!("// {}: later\nsee {}x\nfine\n", OPEN_WORK[0], PLACES[0]);
        assert_eq!(problems("agent/src/a.rs", &text), 2);
        assert_eq!(problems("agent/tests/data/upstream.yaml", &text), 0);
        assert_eq!(problems("Cargo.lock", &text), 0);
        assert_eq!(problems("agent/src/a.rs", "let x = TODOS;"), 0);
    }
}
