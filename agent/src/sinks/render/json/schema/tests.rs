use jsonschema::Validator;
use serde_json::{Value, json};

use super::*;
use crate::sinks::render::{json_record, sample};

fn validator() -> Validator {
    let document: Value = serde_json::from_str(&schema()).unwrap();
    let mut options = jsonschema::options();
    options = options.should_validate_formats(true);
    options.build(&document).unwrap()
}

fn rendered() -> Vec<Value> {
    let records = sample::records();
    let lines = records.iter().map(|(_, record)| json_record(record));
    lines
        .map(|line| serde_json::from_str(&line).unwrap())
        .collect()
}

#[test]
fn every_record_is_as_the_schema_says() {
    let validator = validator();
    for record in rendered() {
        let errors: Vec<String> = validator
            .iter_errors(&record)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?} in {record:#}");
    }
}

#[test]
fn the_samples_are_of_every_kind() {
    let rendered = rendered();
    let document: Value = serde_json::from_str(&schema()).unwrap();
    let kinds = document["$defs"]["Kind"].to_string();
    for kind in ["hello", "alert", "amend", "gap", "loss", "heartbeat"] {
        assert!(kinds.contains(kind), "{kinds}");
        assert!(
            rendered.iter().any(|record| record["record"] == kind),
            "{kind}"
        );
    }
}

#[test]
fn a_mangled_record_is_refused() {
    let validator = validator();
    let alert = rendered()
        .into_iter()
        .find(|record| record["record"] == "alert");
    let alert = alert.unwrap();
    let mangled = |pointer: &str, value: Option<Value>| {
        let mut record = alert.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = record.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => parent.insert(name.to_owned(), value),
            None => parent.remove(name),
        };
        record
    };
    for (pointer, value) in [
        ("/record", Some(json!("alarm"))),
        ("/epoch", Some(json!(7))),
        ("/time", Some(json!("yesterday"))),
        ("/time", None),
        ("/sequence", Some(json!("1"))),
        ("/alert", None),
        ("/alert/id", None),
        ("/alert/process/pid", Some(json!("200"))),
        ("/alert/process/pid", Some(json!(-1))),
        ("/alert/event/open/path/text", None),
        ("/alert/container/labels", Some(json!({"team": 7}))),
        ("/alert/rule/tags", Some(json!("shell"))),
    ] {
        let record = mangled(pointer, value.clone());
        assert!(!validator.is_valid(&record), "{pointer} = {value:?}");
    }
    let extended = mangled("/alert/later", Some(json!(1)));
    assert!(validator.is_valid(&extended), "new fields may appear");
}
