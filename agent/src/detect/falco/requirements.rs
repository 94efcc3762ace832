//! What a rule file asks of the engine that reads it.

use super::items::{Item, Read, wrong_type};
use super::yaml::Node;

/// Version of Falco's rule language that is understood: engine 0.63.
const ENGINE_MINOR: u64 = 63;

/// An engine version is `0.63.0`, or the number 63 in older files.
pub(super) fn engine_version(node: Node<'_>) -> Read<Item> {
    let written = node.scalar().unwrap_or_default();
    let mut parts = written.split('.').map(str::parse::<u64>);
    let newer = match (parts.next(), parts.next()) {
        (Some(Ok(minor)), None) => minor > ENGINE_MINOR,
        (Some(Ok(0)), Some(Ok(minor))) => minor > ENGINE_MINOR,
        (Some(Ok(_)), Some(Ok(_))) => true,
        _ => {
            return Err(wrong_type(
                node,
                "required_engine_version",
                "a version such as 0.57.0",
            ));
        }
    };
    let complaint = newer.then(|| {
        format!(
            "the file asks for engine {written}; 0.{ENGINE_MINOR}.0 is understood, and what it \
             does not know is refused rule by rule"
        )
    });
    Ok(Item::Requirement(complaint, node.place()))
}

/// The fields of Falco's `container` plugin are built in; other plugins do not exist here.
pub(super) fn plugin_versions(node: Node<'_>) -> Read<Item> {
    let items = node
        .items()
        .ok_or_else(|| wrong_type(node, "required_plugin_versions", "a list"))?;
    let mut foreign = Vec::new();
    for item in items {
        let name = item
            .entries()
            .and_then(|entries| {
                let found = entries.iter().find(|(key, _)| key.scalar() == Some("name"));
                found.and_then(|(_, name)| name.scalar())
            })
            .unwrap_or_default();
        if name != "container" {
            foreign.push(name.to_owned());
        }
    }
    let complaint = (!foreign.is_empty()).then(|| {
        format!(
            "plugins are not supported: {}; rules that need them are refused",
            foreign.join(", ")
        )
    });
    Ok(Item::Requirement(complaint, node.place()))
}
