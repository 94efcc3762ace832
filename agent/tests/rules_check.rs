//! `gravlens rules check`, `explain` and `fields` as a user runs them.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const RULES: &str = "\
- list: readers
  items: [cat, a-reader-with-a-long-name]
- rule: Reader opens a secret
  desc: For this test.
  condition: evt.type = openat and fd.name startswith /run/secrets/ and proc.name in (readers)
  output: opened %fd.name
  priority: WARNING
- rule: Refused
  desc: It asks for a field that nobody has.
  condition: evt.type = openat and fd.namme = /x
  output: opened
  priority: WARNING
";

fn rules(arguments: &[&str], path: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gravlens"))
        .arg("rules")
        .args(arguments)
        .arg(path)
        .output()
        .expect("the agent can be run")
}

fn file() -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile();
    let file = file.expect("a file can be made");
    std::fs::write(file.path(), RULES).expect("rules can be written");
    file
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("the output is JSON")
}

#[test]
fn what_is_refused_and_what_is_warned_of_has_a_place_and_a_hint() {
    let file = file();
    let output = rules(&["check", "--no-bundled", "--output", "json"], file.path());
    assert_eq!(output.status.code(), Some(7));
    let report = json(&output);
    assert_eq!(report["loaded"], 1);
    let refused = &report["refused"][0];
    assert_eq!(
        (refused["line"].as_u64(), refused["column"].as_u64()),
        (Some(10), Some(36))
    );
    assert_eq!(refused["rule"], "Refused");
    assert_eq!(refused["hint"], "did you mean 'fd.name'?");
    let warning = &report["warnings"][0];
    assert_eq!(warning["kind"], "long_name");
    assert_eq!(
        (warning["line"].as_u64(), warning["column"].as_u64()),
        (Some(2), Some(16))
    );
}

#[test]
fn as_many_may_be_refused_as_are_allowed() {
    let file = file();
    for (allowed, code) in [("0", 7), ("1", 0), ("2", 0)] {
        let output = rules(&["check", "--allow-refused", allowed], file.path());
        assert_eq!(output.status.code(), Some(code), "{allowed}");
    }
}

#[test]
fn a_rule_is_explained_without_an_agent_and_without_root() {
    let file = file();
    let output = rules(&["explain", "reader*"], file.path());
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout);
    for line in [
        "Reader opens a secret\n  WARNING, ",
        "  openat (hook open)\n",
        "kernel\n  not asked: --kernel asks this machine's, as root\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    // A path alone stands for its rules, without those that are loaded before it.
    let output = rules(&["explain", "--output", "json"], file.path());
    let explained = json(&output);
    assert_eq!(explained.as_array().map(Vec::len), Some(1));
    assert_eq!(explained[0]["rule"]["name"], "Reader opens a secret");
    assert_eq!(explained[0]["kernel"]["asked"], false);
    let output = rules(&["explain", "Reader opens a secre"], file.path());
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("did you mean 'Reader opens a secret'?"),
        "{said}"
    );
}

#[test]
fn a_field_is_found_or_its_neighbour_is() {
    let output = rules(&["fields"], Path::new("proc.nam"));
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("did you mean 'proc.name'?"), "{said}");
    let output = rules(&["fields", "--output", "json"], Path::new("proc.cmdline"));
    let fields = json(&output);
    assert_eq!(fields[0]["name"], "proc.cmdline");
    assert_eq!(fields[0]["type"], "text");
}
