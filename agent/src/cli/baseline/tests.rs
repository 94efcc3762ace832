//! What is typed, and how it ends.

mod live;

use std::fs;
use std::path::Path;

use clap::Parser as _;

use super::super::{Cli, Exit, Failure, Verb};
use crate::baseline::file;

const A: &str = "workload: image a\nroles:\n- role: r\n  run: {dns: [a.example]}\n";
const MORE_OF_A: &str = "workload: image a\nroles:\n- role: r\n  run: {dns: [b.example]}\n";
const B: &str = "workload: image b\nroles:\n- role: r\n  run: {dns: [a.example]}\n";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// `gravlens baseline WORDS`, with names of files below that folder behind a `./`.
fn gravlens(folder: &Path, words: &str) -> Result<(), Failure> {
    let words = words
        .split_whitespace()
        .map(|word| match word.strip_prefix("./") {
            Some(name) => folder.join(name).display().to_string(),
            None => word.to_owned(),
        });
    let words = ["gravlens", "baseline"]
        .map(str::to_owned)
        .into_iter()
        .chain(words);
    let cli = Cli::try_parse_from(words).map_err(|error| Failure::new(Exit::Usage, error))?;
    let Verb::Baseline(verb) = cli.verb else {
        panic!("not baseline");
    };
    super::run(&cli.global, &verb)
}

/// What is wrong with what was typed.
fn refused(folder: &Path, words: &str) -> String {
    let failure = gravlens(folder, words).unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage, "{words}: {failure}");
    failure.to_string()
}

#[test]
fn files_that_cannot_be_used_are_wrong_arguments() {
    let folder = folder(&[("a.yaml", A), ("bad.yaml", "workload: [")]);
    let large = fs::File::create(folder.path().join("large.yaml")).unwrap();
    large.set_len(1 << 30).unwrap();
    for (words, reason) in [
        ("diff ./a.yaml ./absent.yaml", "cannot be read"),
        ("diff ./bad.yaml ./a.yaml", "bad.yaml:1:"),
        ("diff ./large.yaml ./a.yaml", "has more than 16 MiB"),
        ("show ./bad.yaml", "bad.yaml:1:"),
        ("show ./", "bad.yaml:1:"),
        ("merge ./a.yaml ./absent.yaml", "cannot be read"),
        (
            "simulate ./x.cap --baselines ./absent.yaml",
            "cannot be read",
        ),
    ] {
        let message = refused(folder.path(), words);
        assert!(message.contains(reason), "{words}: {message}");
    }
}

#[test]
fn what_prints_files_prints_one() {
    let folder = folder(&[("a.yaml", A), ("b.yaml", B)]);
    for words in ["show ./", "merge ./a.yaml ./b.yaml"] {
        let message = refused(folder.path(), words);
        assert!(message.contains("--into FOLDER"), "{message}");
    }
    for words in [
        "show ./ --output json --into ./new",
        "merge ./a.yaml --output json",
        "merge ./a.yaml --output json --into ./new",
        "show ./a.yaml --output ocsf",
        "show ./a.yaml --force",
    ] {
        refused(folder.path(), words);
    }
    assert!(!folder.path().join("new").exists());
}

#[test]
fn files_of_a_folder_are_written_for_review_and_as_one() {
    let folder = folder(&[("1.yaml", A), ("2.yaml", MORE_OF_A), ("3.yaml", B)]);
    let known = |folder: &Path| file::merged(file::read_folder(folder).unwrap());
    for words in ["show ./ --into ./shown", "merge ./ --into ./merged"] {
        gravlens(folder.path(), words).unwrap();
        refused(folder.path(), words);
        gravlens(folder.path(), &format!("{words} --force")).unwrap();
    }
    gravlens(
        folder.path(),
        "merge ./merged ./1.yaml --without-evidence --into ./again",
    )
    .unwrap();
    for (name, evidence) in [("shown", false), ("merged", true), ("again", false)] {
        let path = folder.path().join(name);
        let known = known(&path);
        let count = known.values().map(|profile| profile.behaviours().count());
        assert!(count.eq([2, 1]), "{name}: {known:?}");
        for entry in fs::read_dir(path).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            assert_eq!(text.contains("\nevidence:"), evidence, "{name}");
        }
    }
}

#[test]
fn numbers_have_to_make_sense() {
    let folder = folder(&[]);
    for (flag, value) in [
        ("--arm-bound", "NaN"),
        ("--arm-bound", "-1"),
        ("--arm-bound", "inf"),
        ("--arm-bound", "1e999"),
        ("--arm-bound", "many"),
        ("--horizon", "nan"),
        ("--horizon", "-0.5"),
        ("--horizon", "infinity"),
    ] {
        let message = refused(folder.path(), &format!("simulate ./x.cap {flag} {value}"));
        assert!(message.contains("number from 0 on"), "{message}");
    }
    for words in [
        "simulate ./x.cap --window 0",
        "simulate ./x.cap --told -1",
        "simulate ./x.cap --told few",
        "simulate ./x.cap --force",
        "simulate",
    ] {
        refused(folder.path(), words);
    }
    // There is no such capture, but nothing is wrong with what was typed.
    let words =
        "simulate ./x.cap --arm-bound 0 --horizon 0.5 --told 3 --waive-starts --export ./new";
    let failure = gravlens(folder.path(), words).unwrap_err();
    assert_eq!(failure.exit(), Exit::Failure, "{failure}");
}
