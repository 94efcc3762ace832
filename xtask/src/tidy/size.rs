//! Files that a person can read in one sitting.

use super::{Problem, Source};

/// Lines of a Rust file, its tests apart.
const MOST: usize = 800;

/// A file of data, such as system call numbers, says so in a comment that starts like this.
const TABLE: &str = "// tidy: table";

/// Finds Rust files that are too long.
pub(super) fn check(source: &Source) -> Option<Problem> {
    let rust = source.path.ends_with(".rs");
    let table = source.text.lines().any(|line| line.starts_with(TABLE));
    if !rust || table || is_test(&source.path) {
        return None;
    }
    let lines = without_tests(&source.text);
    (lines > MOST).then(|| {
        let what = format!("{lines} lines, at most {MOST}: split it by topic");
        Problem::new(&source.path, MOST + 1, what)
    })
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

fn without_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines
        .windows(2)
        .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "));
    tests.unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: String) -> Source {
        let path = path.to_owned();
        Source { path, text }
    }

    #[test]
    fn only_lines_before_the_tests_count() {
        let long = "x\n".repeat(MOST);
        let tests = "#[cfg(test)]\nmod tests {\n".to_owned() + &long;
        assert!(check(&source("a/src/b.rs", long.clone() + &tests)).is_none());
        assert!(check(&source("a/src/b.rs", long.clone() + "x\n")).is_some());
        assert!(check(&source("a/src/b.rs", long.clone() + "// tidy: table, x\n")).is_none());
        assert!(check(&source("a/tests/b.rs", long + "x\n")).is_none());
    }
}
