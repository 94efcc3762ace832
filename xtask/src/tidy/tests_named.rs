//! Tests that documents name as their proof, `like::this` in `docs/kernels.md`.

use std::collections::HashSet;

use super::{Problem, Source};

const DOCUMENT: &str = "docs/kernels.md";

/// Finds rows of the matrix without a test, and names that no suite has.
pub(super) fn check(sources: &[Source]) -> Vec<Problem> {
    let Some(document) = sources.iter().find(|source| source.path == DOCUMENT) else {
        return Vec::new();
    };
    let suites = sources
        .iter()
        .filter(|source| source.path.starts_with("tests/tests/"));
    let known: HashSet<&str> = suites.flat_map(|source| names(&source.text, '"')).collect();
    let mut problems = Vec::new();
    for (index, line) in document.text.lines().enumerate() {
        let mut problem = |what| problems.push(Problem::new(DOCUMENT, index + 1, what));
        let tests: Vec<&str> = names(line, '`').collect();
        if is_row(line) && tests.is_empty() {
            problem("this row names no test".to_owned());
        }
        for test in tests.into_iter().filter(|test| !known.contains(test)) {
            problem(format!("no suite has a test {test}"));
        }
    }
    problems
}

/// A row of a table, other than its head.
fn is_row(line: &str) -> bool {
    line.starts_with("| ") && !line.contains("| test |")
}

/// What stands between two `quote`s and looks like the name of a test.
fn names(text: &str, quote: char) -> impl Iterator<Item = &str> {
    text.split(quote).filter(|name| {
        let plain = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        name.split_once("::")
            .is_some_and(|(module, test)| plain(module) && plain(test))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        let (path, text) = (path.to_owned(), text.to_owned());
        Source { path, text }
    }

    #[test]
    fn each_row_needs_a_test_that_exists() {
        let sources = [
            source("tests/tests/a.rs", r#"("races::open", open), "other""#),
            source(
                DOCUMENT,
                "| what | test |\n|---|---|\n| a | `races::open` |\n| b | `races::gone` |\n| c | |",
            ),
        ];
        let problems: Vec<String> = check(&sources).iter().map(ToString::to_string).collect();
        let gone = "docs/kernels.md:4: no suite has a test races::gone";
        assert_eq!(
            problems,
            [gone, "docs/kernels.md:5: this row names no test"]
        );
    }
}
