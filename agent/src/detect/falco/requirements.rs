//! What a rule file asks of the engine that reads it.

use super::super::report::RefusalKind;
use super::items::{Item, Read, Trouble, wrong_type};
use super::yaml::Node;

/// Version of Falco's rule language that is understood: engine 0.63.
const ENGINE_MINOR: u64 = 63;
/// The plugin whose fields are built in.
const BUILT_IN: &str = "container";

/// An engine version is `0.63.0`, or the number 63 in older files.
pub(super) fn engine_version(node: Node<'_>) -> Read<Item> {
    let written = node.scalar().unwrap_or_default();
    let newer = match numbers(written).as_deref() {
        Some(&[minor]) => minor > ENGINE_MINOR,
        Some(&[0, minor, ..]) => minor > ENGINE_MINOR,
        Some(&[_, _, ..]) => true,
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

/// One to three numbers with dots between them; a suffix such as `-rc1` does not count.
fn numbers(version: &str) -> Option<Vec<u64>> {
    let end = version.find(['-', '+']).unwrap_or(version.len());
    let numbers: Option<Vec<u64>> = version[..end]
        .split('.')
        .map(|number| number.parse().ok())
        .collect();
    numbers.filter(|numbers| numbers.len() <= 3)
}

/// The fields of Falco's `container` plugin are built in; other plugins do not exist here. One of
/// the alternatives is as good as the plugin itself.
pub(super) fn plugin_versions(node: Node<'_>) -> Read<Item> {
    let items = node
        .items()
        .ok_or_else(|| wrong_type(node, "required_plugin_versions", "a list"))?;
    let mut foreign = Vec::new();
    for item in items {
        let mut names = vec![plugin(item)?];
        if let Some(alternatives) = value(item, "alternatives") {
            let alternatives = alternatives
                .items()
                .ok_or_else(|| wrong_type(alternatives, "alternatives", "a list"))?;
            for alternative in alternatives {
                names.push(plugin(alternative)?);
            }
        }
        if !names.contains(&BUILT_IN) {
            foreign.push(names.join(" or "));
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

/// Name of a plugin that is asked for with a version.
fn plugin<'a>(node: Node<'a>) -> Read<&'a str> {
    let name = text(node, "name")?;
    let version = text(node, "version")?;
    match numbers(version).as_deref() {
        Some([_, _, _]) => Ok(name),
        _ => {
            let node = value(node, "version").unwrap_or(node);
            Err(wrong_type(node, "version", "a version such as 0.4.0"))
        }
    }
}

fn text<'a>(node: Node<'a>, key: &str) -> Read<&'a str> {
    value(node, key).and_then(Node::scalar).ok_or_else(|| {
        let reason = format!("a plugin is asked for without its '{key}'");
        Trouble::new(node.place(), RefusalKind::Item, reason)
            .hint("as in 'name: container' and 'version: 0.4.0'")
    })
}

fn value<'a>(node: Node<'a>, key: &str) -> Option<Node<'a>> {
    let entries = node.entries()?;
    let found = entries
        .into_iter()
        .find(|(name, _)| name.scalar() == Some(key));
    found.map(|(_, value)| value)
}
