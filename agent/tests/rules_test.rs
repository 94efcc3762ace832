//! `gravlens rules test` as a user runs it.

use std::path::Path;
use std::process::{Command, Output};

const RULES: &str = "\
- rule: Cat opens anything
  desc: For this test.
  condition: evt.type = openat and proc.name = cat
  output: opened
  priority: WARNING
";
const HOLDS: &str = "\
- rule: Cat opens anything
  expect: fires
  why: a file is read
  fields: {evt.type: openat, fd.name: /etc/hosts, proc.name: cat}
";
const FAILS: &str = "\
- rule: Cat opens anything
  expect: fires
  why: another program
  fields: {evt.type: openat, fd.name: /etc/hosts, proc.name: tac}
";

fn test(arguments: &[&str], path: Option<&Path>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gravlens"))
        .args(["rules", "test"])
        .args(arguments)
        .args(path)
        .output()
        .expect("the agent can be run")
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr]
        .map(String::from_utf8_lossy)
        .concat()
}

/// A folder with rules and, if there are any, their samples.
fn folder(samples: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    std::fs::write(folder.path().join("own.yaml"), RULES).expect("rules can be written");
    if let Some(samples) = samples {
        std::fs::write(folder.path().join("own.samples.yaml"), samples)
            .expect("samples can be written");
    }
    folder
}

#[test]
fn bundled_samples_hold() {
    let output = test(&[], None);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).ends_with(" samples passed, 0 failed\n"));
}

#[test]
fn samples_that_hold_are_counted() {
    let folder = folder(Some(HOLDS));
    for path in [folder.path().to_owned(), folder.path().join("own.yaml")] {
        let output = test(&["--no-bundled"], Some(&path));
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert_eq!(said(&output), "1 samples passed, 0 failed\n");
    }
}

#[test]
fn a_sample_that_fails_is_named() {
    let folder = folder(Some(&format!("{HOLDS}{FAILS}")));
    let output = test(&[], Some(folder.path()));
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains(
            "own.samples.yaml:5:3: rule 'Cat opens anything' on \"another program\": quiet, \
             where fires is expected\n1 samples passed, 1 failed"
        ),
        "{}",
        said(&output)
    );
    let output = test(&["--output", "json"], Some(folder.path()));
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let failure = &report["failures"][0];
    assert_eq!(report["passed"], 1);
    assert_eq!(failure["rule"], "Cat opens anything");
    assert_eq!(failure["sample"], "another program");
    assert_eq!(failure["line"], 5);
    assert_eq!(
        (&failure["expected"], &failure["found"]),
        (&"fires".into(), &"quiet".into())
    );
}

#[test]
fn rules_without_samples_do_not_pass() {
    let output = test(&[], Some(folder(None).path()));
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("no samples"), "{}", said(&output));
}
