//! The rules that come with the agent, built into the binary.

use super::load::RuleFile;

/// Name and contents of each file, in load order.
const FILES: &[(&str, &str)] = &[];

/// The bundled rule files in load order.
pub fn bundled() -> Vec<RuleFile> {
    let file = |&(name, text): &(&str, &str)| RuleFile {
        path: format!("rules/{name}"),
        text: text.to_owned(),
    };
    FILES.iter().map(file).collect()
}
