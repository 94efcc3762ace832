//! Observables: values of a finding that analysts look up elsewhere.

use serde_json::Value;

use super::object::Object;
use super::values;

/// Attribute of an evidence, and what it is there: number and caption of `observable.type_id`.
const OBSERVED: &[(&[&str], u64, &str)] = &[
    (&["process", "name"], 9, "Process Name"),
    (&["process", "cmd_line"], 13, "Command Line"),
    (&["process", "file", "path"], 45, "File Path"),
    (&["process", "user", "uid"], 31, "User Object: uid"),
    (&["file", "path"], 45, "File Path"),
    (&["src_endpoint", "ip"], 2, "IP Address"),
    (&["src_endpoint", "hostname"], 1, "Hostname"),
    (&["dst_endpoint", "ip"], 2, "IP Address"),
    (&["dst_endpoint", "hostname"], 1, "Hostname"),
    (&["query", "hostname"], 1, "Hostname"),
];

/// Those of a finding on that node.
pub(super) fn of(node: &str, evidences: &[Value]) -> Vec<Value> {
    let host = observable("device.hostname", 1, "Hostname", node);
    let found = evidences.iter().enumerate().flat_map(|(index, evidence)| {
        OBSERVED.iter().filter_map(move |(path, type_id, caption)| {
            let found = path
                .iter()
                .try_fold(evidence, |value, name| value.get(name));
            let name = format!("evidences[{index}].{}", path.join("."));
            Some(observable(&name, *type_id, caption, found?.as_str()?))
        })
    });
    values([host].into_iter().chain(found))
}

fn observable(name: &str, type_id: u64, caption: &str, value: &str) -> Object {
    if value.is_empty() {
        return Object::default();
    }
    Object::default()
        .text("name", name)
        .number("type_id", type_id)
        .text("type", caption)
        .text("value", value)
}
