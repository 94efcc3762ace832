//! Documents of Sigma: rules, correlations and filters, as written.

use super::super::catalogue::nearest;
use super::super::falco::items::Trouble;
use super::super::falco::source::Text;
use super::super::falco::yaml::Node;
use super::super::report::RefusalKind;
use super::correlation::{Correlation, Language};
use super::level::Level;
use super::logsource::LogSource;
use super::search::Detection;

/// A document.
#[derive(Debug)]
pub(crate) enum Document {
    Rule(Box<SigmaRule>),
    Correlation(Box<CorrelationRule>),
    Filter(Box<Filter>),
}

/// What all documents tell of themselves.
#[derive(Debug)]
pub(crate) struct Meta {
    pub(crate) title: Text,
    pub(crate) id: Option<Text>,
    /// A short name by which correlations and filters may refer to it.
    pub(crate) name: Option<Text>,
    pub(crate) author: String,
    pub(crate) description: String,
    pub(crate) references: Vec<String>,
    pub(crate) tags: Vec<Text>,
    pub(crate) level: Option<Level>,
    pub(crate) status: Option<Text>,
}

/// A rule about single events.
#[derive(Debug)]
pub(crate) struct SigmaRule {
    pub(crate) meta: Meta,
    pub(crate) source: LogSource,
    pub(crate) detection: Detection,
}

/// A rule about several events.
#[derive(Debug)]
pub(crate) struct CorrelationRule {
    pub(crate) meta: Meta,
    pub(crate) correlation: Correlation,
}

/// What is added to the conditions of rules.
#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) meta: Meta,
    pub(crate) source: Option<LogSource>,
    /// Ids or names; none stands for every rule of the log source.
    pub(crate) rules: Vec<Text>,
    pub(crate) detection: Detection,
}

pub(super) type Read<T> = Result<T, Trouble>;

/// Keys and values of a mapping whose keys are text.
pub(super) type Entries<'a> = Vec<(Text, Node<'a>)>;

/// Whether a node is a document of Sigma: by its content, since both languages have the same
/// extensions and may lie in one directory.
pub(crate) fn is_sigma(node: Node<'_>) -> bool {
    let Some(entries) = node.entries() else {
        return false;
    };
    let has = |names: &[&str]| {
        let mut keys = entries.iter().filter_map(|(key, _)| key.scalar());
        keys.any(|key| names.contains(&key))
    };
    has(&["detection", "logsource", "correlation", "filter"]) && !has(&["rule", "macro", "list"])
}

/// Reads a document.
pub(crate) fn read(node: Node<'_>) -> Read<Document> {
    let entries = entries(node, "a Sigma document")?;
    if let Some(action) = value(&entries, "action") {
        let reason = "'action' is Sigma's old way to share parts between documents";
        return Err(
            Trouble::new(action.place(), RefusalKind::UnsupportedFeature, reason)
                .hint("write each rule out whole"),
        );
    }
    let meta = meta(node, &entries)?;
    if let Some(section) = value(&entries, "correlation") {
        let correlation = Correlation::read(section, Language::Sigma)?;
        return Ok(Document::Correlation(Box::new(CorrelationRule {
            meta,
            correlation,
        })));
    }
    let source = value(&entries, "logsource")
        .map(LogSource::read)
        .transpose()?;
    if let Some(section) = value(&entries, "filter") {
        return filter(section, meta, source).map(|filter| Document::Filter(Box::new(filter)));
    }
    let detection = value(&entries, "detection")
        .ok_or_else(|| missing(&meta.title, "detection"))
        .and_then(|section| Detection::read(section, &["condition", "timeframe"]))?;
    Ok(Document::Rule(Box::new(SigmaRule {
        source: source.ok_or_else(|| missing(&meta.title, "logsource"))?,
        detection,
        meta,
    })))
}

fn filter(section: Node<'_>, meta: Meta, source: Option<LogSource>) -> Read<Filter> {
    let entries = entries(section, "filter")?;
    let rules = match value(&entries, "rules") {
        None => Vec::new(),
        Some(node) => match node.text() {
            Some(text) if text.value.eq_ignore_ascii_case("any") => Vec::new(),
            Some(text) => vec![text],
            None => texts(node, "rules")?,
        },
    };
    Ok(Filter {
        detection: Detection::read(section, &["condition", "rules"])?,
        meta,
        source,
        rules,
    })
}

fn meta(node: Node<'_>, entries: &Entries<'_>) -> Read<Meta> {
    let mut title = value(entries, "title")
        .and_then(Node::text)
        .filter(|title| !title.value.trim().is_empty())
        .ok_or_else(|| {
            Trouble::new(
                node.place(),
                RefusalKind::Item,
                "the document has no 'title'",
            )
            .hint("add 'title:'")
        })?;
    title.value = title.value.trim().to_owned();
    let text = |key| match value(entries, key) {
        Some(node) if !node.is_null() => node
            .text()
            .map(Some)
            .ok_or_else(|| wrong(node, key, "text")),
        _ => Ok(None),
    };
    // `author` may be a list, and `description` may be left empty.
    let joined = |key| {
        value(entries, key).map_or_else(String::new, |node| match node.items() {
            Some(items) => {
                let items = items.into_iter().filter_map(Node::scalar);
                items.collect::<Vec<_>>().join(", ")
            }
            None => node.scalar().unwrap_or_default().trim().to_owned(),
        })
    };
    Ok(Meta {
        id: text("id")?,
        name: text("name")?,
        author: joined("author"),
        description: joined("description"),
        references: match value(entries, "references") {
            Some(node) => node.items().map_or_else(
                || node.scalar().map(str::to_owned).into_iter().collect(),
                |items| {
                    items
                        .into_iter()
                        .filter_map(Node::scalar)
                        .map(str::to_owned)
                        .collect()
                },
            ),
            None => Vec::new(),
        },
        tags: match value(entries, "tags") {
            Some(node) if !node.is_null() => texts(node, "tags")?,
            _ => Vec::new(),
        },
        level: value(entries, "level").map(level).transpose()?,
        status: text("status")?,
        title,
    })
}

fn level(node: Node<'_>) -> Read<Level> {
    let word = node.scalar().unwrap_or_default();
    Level::named(word).ok_or_else(|| {
        let names = Level::ALL.iter().map(|level| level.name());
        let reason = format!("'{word}' is no level");
        let trouble = Trouble::new(node.place(), RefusalKind::Item, reason);
        match nearest(&word.to_lowercase(), names) {
            Some(near) => trouble.hint(format!("did you mean '{near}'?")),
            None => trouble.hint("one of informational low medium high critical"),
        }
    })
}

/// The value of a key.
pub(in super::super) fn value<'a>(entries: &Entries<'a>, key: &str) -> Option<Node<'a>> {
    entries
        .iter()
        .find(|(name, _)| name.value == key)
        .map(|&(_, node)| node)
}

/// Keys and values of a mapping; refuses what is none.
pub(in super::super) fn entries<'a>(node: Node<'a>, what: &str) -> Read<Entries<'a>> {
    let entries = node
        .entries()
        .ok_or_else(|| wrong(node, what, "a mapping"))?;
    let named = entries.into_iter().map(|(key, value)| match key.text() {
        Some(key) => Ok((key, value)),
        None => Err(Trouble::new(
            key.place(),
            RefusalKind::Item,
            "a key must be text",
        )),
    });
    named.collect()
}

/// Texts of a list, or a single one.
pub(in super::super) fn texts(node: Node<'_>, what: &str) -> Read<Vec<Text>> {
    if let Some(text) = node.text() {
        return Ok(vec![text]);
    }
    let items = node.items().ok_or_else(|| wrong(node, what, "a list"))?;
    let texts = items
        .into_iter()
        .map(|item| item.text().ok_or_else(|| wrong(item, what, "text")));
    texts.collect()
}

/// A value of the wrong type.
pub(in super::super) fn wrong(node: Node<'_>, what: &str, expected: &str) -> Trouble {
    let reason = format!("'{what}' must be {expected}, found {}", node.kind());
    Trouble::new(node.place(), RefusalKind::Item, reason)
}

fn missing(title: &Text, key: &str) -> Trouble {
    let reason = format!("the document has no '{key}'");
    Trouble::new(title.start(), RefusalKind::Item, reason).hint(format!("add '{key}:'"))
}
