//! The section `detection`: named searches and the conditions over them.

use super::super::falco::items::Trouble;
use super::super::falco::source::{Place, Text};
use super::super::falco::yaml::Node;
use super::super::report::RefusalKind;
use super::document::{Entries, Read, entries, texts, value};
use super::modifiers::Modifiers;

/// A detection.
#[derive(Debug)]
pub(crate) struct Detection {
    /// Searches in the order of their definition.
    pub(crate) searches: Vec<(Text, Search)>,
    /// Conditions, of which one must hold.
    pub(crate) conditions: Vec<Text>,
}

/// A search.
#[derive(Debug)]
pub(crate) enum Search {
    All(Vec<Search>),
    Any(Vec<Search>),
    Field(FieldSearch),
}

/// Comparison of one field.
#[derive(Debug)]
pub(crate) struct FieldSearch {
    /// Field and modifiers as written.
    pub(crate) key: Text,
    pub(crate) field: String,
    pub(crate) modifiers: Modifiers,
    pub(crate) values: Vec<SearchValue>,
}

/// A value to compare with.
#[derive(Debug)]
pub(crate) enum SearchValue {
    Null,
    Text(Text),
}

/// How deep searches may nest.
const DEPTH: usize = 16;

impl Detection {
    /// Reads the section; `other` are its keys that are no searches.
    pub(super) fn read(section: Node<'_>, other: &[&str]) -> Read<Self> {
        let entries = entries(section, "detection")?;
        let condition = value(&entries, "condition").ok_or_else(|| {
            Trouble::new(
                section.place(),
                RefusalKind::Item,
                "there is no 'condition'",
            )
            .hint("add 'condition:'")
        })?;
        if let Some(timeframe) = value(&entries, "timeframe") {
            let reason = "'timeframe' belongs to Sigma's old way to count events";
            return Err(
                Trouble::new(timeframe.place(), RefusalKind::UnsupportedFeature, reason)
                    .hint("write a correlation rule"),
            );
        }
        let searches: Entries<'_> = entries
            .into_iter()
            .filter(|(key, _)| !other.contains(&key.value.as_str()))
            .collect();
        let read = |(name, node): (Text, Node<'_>)| search(node, 0).map(|search| (name, search));
        Ok(Self {
            searches: searches.into_iter().map(read).collect::<Read<_>>()?,
            conditions: texts(condition, "condition")?,
        })
    }
}

fn search(node: Node<'_>, depth: usize) -> Read<Search> {
    if depth > DEPTH {
        let reason = format!("searches nest more than {DEPTH} levels deep");
        return Err(Trouble::new(node.place(), RefusalKind::TooLarge, reason));
    }
    if let Some(items) = node.items() {
        let searches = items.into_iter().map(|item| search(item, depth + 1));
        return Ok(Search::Any(not_empty(
            searches.collect::<Read<_>>()?,
            node,
        )?));
    }
    if node.entries().is_none() {
        return Err(keyword(node.place()));
    }
    let fields = entries(node, "search")?
        .into_iter()
        .map(|(key, value)| field(key, value).map(Search::Field));
    Ok(Search::All(not_empty(fields.collect::<Read<_>>()?, node)?))
}

fn not_empty(searches: Vec<Search>, node: Node<'_>) -> Read<Vec<Search>> {
    if searches.is_empty() {
        return Err(Trouble::new(
            node.place(),
            RefusalKind::Item,
            "a search needs at least one field",
        ));
    }
    Ok(searches)
}

fn keyword(place: Place) -> Trouble {
    Trouble::new(
        place,
        RefusalKind::UnsupportedFeature,
        "keywords are not supported here: events have fields, and no text of a log line",
    )
    .hint("name the field, as in 'CommandLine|contains:'")
}

fn field(key: Text, node: Node<'_>) -> Read<FieldSearch> {
    let (field, modifiers) = Modifiers::of_key(&key)?;
    if field.is_empty() {
        return Err(keyword(key.start()));
    }
    let value = |node: Node<'_>| match node.text() {
        Some(text) => Ok(SearchValue::Text(text)),
        None if node.is_null() => Ok(SearchValue::Null),
        None => {
            let reason = format!(
                "a value of '{}' must be text, found {}",
                key.value,
                node.kind()
            );
            Err(Trouble::new(node.place(), RefusalKind::Item, reason))
        }
    };
    let values = match node.items() {
        Some(items) => items.into_iter().map(value).collect::<Read<Vec<_>>>()?,
        None => vec![value(node)?],
    };
    if values.is_empty() {
        let reason = format!("'{}' has no value to compare with", key.value);
        return Err(Trouble::new(node.place(), RefusalKind::Item, reason));
    }
    Ok(FieldSearch {
        key,
        field,
        modifiers,
        values,
    })
}
