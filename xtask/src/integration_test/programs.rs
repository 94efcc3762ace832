//! The test programs, and which of them has a test of a given name.

use std::fs;

use anyhow::{Result, bail};

use crate::run::{cargo, workspace_root};
use crate::steps::Step;
use crate::test::step;

/// A test program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// With containers.
    Suites,
    /// Without.
    Sensor,
}

const ALL: [Program; 2] = [Program::Suites, Program::Sensor];

impl Program {
    const fn name(self) -> &'static str {
        match self {
            Self::Suites => "suites",
            Self::Sensor => "sensor",
        }
    }
}

/// The step that runs the suites on a Docker Engine; `filter` selects tests by name.
pub(crate) fn privileged(filter: &[String]) -> Step {
    let targets = ["--lib", "--test", Program::Suites.name()];
    local("privileged", &targets, 40, filter)
}

/// The step that runs the sensor suite on this machine.
pub(crate) fn sensor(filter: &[String]) -> Step {
    let targets = ["--test", Program::Sensor.name()];
    local(Program::Sensor.name(), &targets, 8, filter)
}

fn local(name: &'static str, targets: &[&str], minutes: u64, filter: &[String]) -> Step {
    let mut command = cargo();
    command
        .args(["test", "-p", "integration-test", "--release"])
        .args(targets)
        .args(["--", "--test-threads=1", "--nocapture"])
        .args(filter);
    step(name, vec![command], minutes, &["build"])
}

/// The programs that have a test whose name contains one of these: a test program fails when it
/// has none, as it would after a typing error.
pub(super) fn with(filter: &[String]) -> Result<Vec<Program>> {
    let words: Vec<&String> = filter
        .iter()
        .filter(|word| !word.starts_with('-'))
        .collect();
    if words.is_empty() {
        return Ok(ALL.to_vec());
    }
    let mut found = Vec::new();
    for program in ALL {
        let names = names(program)?;
        let matches = |word: &&String| names.iter().any(|name| name.contains(word.as_str()));
        if words.iter().any(matches) {
            found.push(program);
        }
    }
    if found.is_empty() {
        bail!("no test matches {words:?}; `cargo test -p integration-test -- --list` shows all");
    }
    Ok(found)
}

/// The names of a program's tests, as its source has them.
fn names(program: Program) -> Result<Vec<String>> {
    let folder = workspace_root().join("tests/tests").join(program.name());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let text = fs::read_to_string(entry?.path())?;
        names.extend(
            quoted(&text)
                .filter(|word| is_name(word))
                .map(str::to_owned),
        );
    }
    Ok(names)
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

/// `topic::what_holds`.
fn is_name(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    word.contains("::") && word.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_words(words: &[&str]) -> Result<Vec<Program>> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        with(&words)
    }

    #[test]
    fn only_programs_with_such_a_test_run() {
        assert_eq!(with_words(&[]).unwrap(), ALL);
        assert_eq!(with_words(&["--list"]).unwrap(), ALL);
        assert_eq!(with_words(&["races::"]).unwrap(), [Program::Sensor]);
        assert_eq!(with_words(&["doctor::"]).unwrap(), [Program::Suites]);
        assert!(with_words(&["no such test"]).is_err());
    }

    #[test]
    fn every_test_is_found_by_its_name() {
        for program in ALL {
            assert!(names(program).unwrap().len() > 10, "{program:?}");
        }
    }
}
