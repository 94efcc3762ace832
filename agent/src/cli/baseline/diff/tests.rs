use serde_json::json;

use super::*;
use crate::baseline::file;

const OLD: &str = "workload: image a\nroles:\n- role: r\n  run: {dns: [a.example, b.example], \
                   file_read: [/a/1]}\n";
const NEW: &str = "workload: image b\nroles:\n- role: r\n  run: {dns: [rejected: a.example, c.example], \
                   file_read: ['/a/{n}']}\n- role: s\n  start: {exec: [/bin/x]}\n";

fn compared(old: &str, new: &str) -> Comparison {
    let read = |text| file::read(text, "f.yaml").unwrap();
    Comparison::of(read(old), read(new))
}

fn json(found: &Comparison) -> serde_json::Value {
    serde_json::to_value(Document::of(found)).unwrap()
}

#[test]
fn a_difference_is_told_by_the_code_and_nothing_else() {
    let failure = compared(OLD, NEW).outcome().unwrap_err();
    assert_eq!(failure.exit(), Exit::Failure);
    assert_eq!(failure.to_string(), "");
    let same = compared(OLD, OLD);
    assert!(same.outcome().is_ok());
    assert_eq!(same.text(), "");
}

#[test]
fn other_names_are_said_and_are_no_difference() {
    let renamed = OLD.replace("image a", "image z");
    let found = compared(OLD, &renamed);
    assert!(found.outcome().is_ok());
    assert_eq!(found.text(), "different workloads: image a and image z\n");
    assert_eq!(
        json(&found),
        json!({
            "old": "image a", "new": "image z", "same_workload": false, "differ": false, "roles": [],
        })
    );
}

#[test]
fn json_has_a_part_for_everything() {
    let item = |pattern, trust| json!({"pattern": pattern, "trust": trust});
    let change = |class, change, old, new| json!({"phase": "run", "class": class, "change": change, "old": old, "new": new});
    let none = || serde_json::Value::Null;
    let found = compared(OLD, NEW);
    assert_eq!(
        json(&found),
        json!({
            "old": "image a", "new": "image b", "same_workload": false, "differ": true,
            "roles": [
                {
                    "role": "r", "only": null,
                    "changes": [
                        change(
                            "file_read", "covered", item("/a/1", "accepted"), item("/a/{n}", "accepted"),
                        ),
                        change(
                            "dns", "decided", item("a.example", "accepted"), item("a.example", "rejected"),
                        ),
                        change("dns", "removed", item("b.example", "accepted"), none()),
                        change("dns", "added", none(), item("c.example", "accepted")),
                    ],
                },
                {
                    "role": "s", "only": "new",
                    "changes": [{
                        "phase": "start", "class": "exec", "change": "added", "old": null,
                        "new": item("/bin/x", "accepted"),
                    }],
                },
            ],
        })
    );
}
