//! More rules of the same kind: those of some files with macros and lists in place, and the texts
//! that they compare with changed, so that they are distinct and alike in types and operators.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use gravlens::detect::RuleFile;
use gravlens::detect::catalogue::{self, Kind};
use saphyr::{LoadableYamlNode as _, Yaml};

/// Macros within macros.
const DEPTH: usize = 32;

/// What a file defines, conditions in words.
#[derive(Default)]
struct Definitions {
    macros: HashMap<String, Vec<String>>,
    lists: HashMap<String, Vec<String>>,
    rules: Vec<(String, Vec<String>)>,
}

/// A file with `count` rules made from those of `files`.
pub(crate) fn grown(files: &[RuleFile], count: usize) -> Result<RuleFile> {
    let mut definitions = Definitions::default();
    for file in files {
        definitions.read(file).with_context(|| file.path.clone())?;
    }
    let Definitions {
        macros,
        lists,
        rules,
    } = &definitions;
    ensure!(!rules.is_empty(), "there is no rule to make others from");
    let mut text = String::new();
    for number in 0..count {
        let (name, condition) = &rules[number % rules.len()];
        let mut words = Vec::new();
        place(condition, macros, lists, DEPTH, &mut words);
        let mut condition = changed(&words, number);
        if condition == changed(&words, number + 1) {
            // It compares no text that could be another.
            condition = format!("({condition}) and proc.name != grown{number}");
        }
        let condition = serde_json::to_string(&condition)?;
        let name = serde_json::to_string(&format!("{name} {number}"))?;
        text += &format!(
            "- rule: {name}\n  desc: grown\n  output: grown\n  priority: NOTICE\n  \
             condition: {condition}\n"
        );
    }
    Ok(RuleFile {
        path: "grown.yaml".to_owned(),
        text,
    })
}

impl Definitions {
    fn read(&mut self, file: &RuleFile) -> Result<()> {
        for document in Yaml::load_from_str(&file.text)? {
            for item in document.as_vec().into_iter().flatten() {
                self.item(item);
            }
        }
        Ok(())
    }

    fn item(&mut self, item: &Yaml<'_>) {
        let text = |key: &str| item.as_mapping_get(key).and_then(Yaml::as_str);
        let condition = text("condition").map(words);
        match (text("macro"), text("rule"), text("list"), condition) {
            (Some(name), _, _, Some(condition)) => {
                self.macros.insert(name.to_owned(), condition);
            }
            (_, Some(name), _, Some(condition)) => self.rules.push((name.to_owned(), condition)),
            (_, _, Some(name), _) => {
                let items = item.as_mapping_get("items").and_then(Yaml::as_vec);
                let items = items.into_iter().flatten().filter_map(quoted).collect();
                self.lists.insert(name.to_owned(), items);
            }
            _ => {}
        }
    }
}

/// An item of a list as a word of a condition.
fn quoted(item: &Yaml<'_>) -> Option<String> {
    match (item.as_str(), item.as_integer()) {
        (Some(text), _) if text.contains(' ') && !text.starts_with(['"', '\'']) => {
            Some(format!("\"{text}\""))
        }
        (Some(text), _) => Some(text.to_owned()),
        (None, number) => number.map(|number| number.to_string()),
    }
}

/// Words, strings and signs of a condition.
fn words(condition: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = condition.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' | '\'' => {
                let mut escaped = false;
                let inner = rest[1..].find(|character| {
                    let closes = character == first && !escaped;
                    escaped = character == '\\' && !escaped;
                    closes
                });
                inner.map_or(rest.len(), |end| end + 2)
            }
            '(' | ')' | ',' => 1,
            '=' | '!' | '<' | '>' => {
                let sign = |character: char| !"=!<>".contains(character);
                rest.find(sign).unwrap_or(rest.len())
            }
            _ => {
                let ends =
                    |character: char| character.is_whitespace() || "()\"',=".contains(character);
                rest.find(ends).unwrap_or(rest.len())
            }
        };
        words.push(rest[..end].to_owned());
        rest = rest[end..].trim_start();
    }
    words
}

/// Puts macros and lists in place.
fn place(
    condition: &[String],
    macros: &HashMap<String, Vec<String>>,
    lists: &HashMap<String, Vec<String>>,
    depth: usize,
    out: &mut Vec<String>,
) {
    for word in condition {
        let in_list = matches!(out.last().map(String::as_str), Some("(" | ","));
        if let Some(items) = lists.get(word)
            && in_list
            && depth > 0
        {
            let mut placed = Vec::new();
            for item in items {
                if !placed.is_empty() {
                    placed.push(",".to_owned());
                }
                placed.push(item.clone());
            }
            let mut inner = vec!["(".to_owned()];
            place(&placed, macros, lists, depth - 1, &mut inner);
            out.extend(inner.into_iter().skip(1));
        } else if let Some(inner) = macros.get(word)
            && depth > 0
        {
            out.push("(".to_owned());
            place(inner, macros, lists, depth - 1, out);
            out.push(")".to_owned());
        } else {
            out.push(word.clone());
        }
    }
}

/// The condition with other texts, where the field that they are compared with has many.
fn changed(words: &[String], number: usize) -> String {
    const KEPT: &[&str] = &[
        "and",
        "or",
        "not",
        "in",
        "intersects",
        "pmatch",
        "contains",
        "icontains",
        "startswith",
        "endswith",
        "glob",
        "iglob",
        "regex",
        "exists",
        "anyof",
        "allof",
        "oneof",
        "(",
        ")",
        ",",
        "=",
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
    ];
    let mut out = String::new();
    let mut takes_text = false;
    for word in words {
        let name = word.split('[').next().unwrap_or(word);
        if let Some(info) = catalogue::field(name) {
            takes_text = info.kind == Kind::Text && !info.few_values && info.name != "evt.type";
            out += word;
        } else if KEPT.contains(&word.as_str()) || !takes_text {
            out += word;
        } else if let Some(open) = word.strip_suffix(['"', '\'']) {
            out += &format!("{open}{number}{}", &word[open.len()..]);
        } else {
            out += &format!("{word}{number}");
        }
        out.push(' ');
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn grown_rules_load_and_are_distinct() {
        let bundled = gravlens::detect::bundled();
        let file = grown(&bundled, 300).unwrap();
        let lines = file.text.lines();
        let conditions: HashSet<_> = lines.filter(|line| line.contains("condition: ")).collect();
        assert_eq!(conditions.len(), 300);
        let loaded = gravlens::detect::load(&[file], &gravlens::detect::LoadOptions::default());
        let report = loaded.report.to_text();
        assert_eq!(loaded.set.rules().len(), 300, "{report}");
    }

    #[test]
    fn words_are_told_apart() {
        let told = words("(a.b=\"x \\\" y\" and not c.d in (e, 'f g')) or h>=3");
        let expected = [
            "(",
            "a.b",
            "=",
            "\"x \\\" y\"",
            "and",
            "not",
            "c.d",
            "in",
            "(",
            "e",
            ",",
            "'f g'",
            ")",
            ")",
            "or",
            "h>=3",
        ];
        assert_eq!(told, expected);
    }
}
