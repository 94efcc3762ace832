//! Items of a rule file: lists, macros, rules and version requirements, as written.

use std::sync::Arc;

use super::super::catalogue::nearest;
use super::super::report::RefusalKind;
use super::super::sigma::correlation::{Correlation, Language};
use super::super::sigma::document::{self, Document};
use super::expiry::Expiry;
use super::lexer;
use super::requirements::{engine_version, plugin_versions};
use super::source::{Place, Text};
use super::yaml::{self, Node};
use crate::model::Priority;

/// Something wrong, before it is known which rule it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) place: Place,
    pub(crate) kind: RefusalKind,
    pub(crate) reason: String,
    pub(crate) hint: Option<String>,
}

impl Trouble {
    pub(crate) fn new(place: Place, kind: RefusalKind, reason: impl Into<String>) -> Self {
        Self {
            place,
            kind,
            reason: reason.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Something that an item's author should know.
pub(crate) type Remark = (Place, String);

/// What to do with a part of an item that an earlier one defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Override {
    Append,
    Replace,
}

/// An item of a rule file.
#[derive(Debug)]
pub(crate) enum Item {
    List(ListItem),
    Macro(MacroItem),
    Rule(Box<RuleItem>),
    /// `required_engine_version` and `required_plugin_versions`; what they ask for and cannot have.
    Requirement(Option<String>, Place),
    /// A document of Sigma, which may lie in the same files.
    Sigma(Document),
}

#[derive(Debug)]
pub(crate) struct ListItem {
    pub(crate) name: Text,
    pub(crate) items: Vec<Text>,
    pub(crate) change: Option<Override>,
    pub(crate) remarks: Vec<Remark>,
}

#[derive(Debug)]
pub(crate) struct MacroItem {
    pub(crate) name: Text,
    pub(crate) condition: Text,
    pub(crate) change: Option<Override>,
    pub(crate) remarks: Vec<Remark>,
}

/// A rule, or changes to one.
#[derive(Debug)]
pub(crate) struct RuleItem {
    pub(crate) name: Text,
    pub(crate) condition: Option<Text>,
    pub(crate) output: Option<Text>,
    pub(crate) description: Option<Text>,
    pub(crate) priority: Option<Priority>,
    pub(crate) source: Option<Text>,
    pub(crate) enabled: Option<bool>,
    pub(crate) tags: Option<Vec<Text>>,
    pub(crate) exceptions: Option<Vec<Exception>>,
    /// A recording of system calls is asked for, or is not.
    pub(crate) capture: Option<bool>,
    pub(crate) capture_duration: Option<u64>,
    pub(crate) warn_event_types: Option<bool>,
    pub(crate) skip_unknown: Option<bool>,
    /// Not in Falco, which passes over the key.
    pub(crate) correlation: Option<Correlation>,
    /// Parts of an earlier rule that this item changes, by key.
    pub(crate) changes: Vec<(String, Override)>,
    pub(crate) remarks: Vec<Remark>,
}

impl RuleItem {
    /// Keys of the parts that the item holds.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let parts = [
            ("condition", self.condition.is_some()),
            ("output", self.output.is_some()),
            ("desc", self.description.is_some()),
            ("priority", self.priority.is_some()),
            ("source", self.source.is_some()),
            ("enabled", self.enabled.is_some()),
            ("tags", self.tags.is_some()),
            ("exceptions", self.exceptions.is_some()),
            ("capture", self.capture.is_some()),
            ("capture_duration", self.capture_duration.is_some()),
            ("warn_evttypes", self.warn_event_types.is_some()),
            ("skip-if-unknown-filter", self.skip_unknown.is_some()),
        ];
        let given = parts.into_iter().filter(|(_, given)| *given);
        given.map(|(part, _)| part).collect()
    }
}

/// An exception of a rule.
#[derive(Clone, Debug)]
pub(crate) struct Exception {
    pub(crate) name: Text,
    pub(crate) fields: Vec<Text>,
    /// `fields` was a single name: values are compared with it as one list.
    pub(crate) single: bool,
    pub(crate) comparisons: Vec<Text>,
    pub(crate) values: Vec<ExceptionValue>,
    /// Who answers for it. Falco passes over this key and the next two.
    pub(crate) owner: Option<Text>,
    /// Why it is there.
    pub(crate) reason: Option<Text>,
    /// When it ends; never, if that is not written.
    pub(crate) expires: Option<Expiry>,
    pub(crate) place: Place,
}

/// A value of an exception.
#[derive(Clone, Debug)]
pub(crate) enum ExceptionValue {
    One(Text),
    Many(Vec<ExceptionValue>, Place),
}

pub(super) type Read<T> = Result<T, Trouble>;

/// What was found in a file, in order.
pub(crate) type Found = Result<Item, (Option<String>, Trouble)>;

/// Reads a rule file.
pub(crate) fn read(path: &Arc<str>, text: &str) -> Vec<Found> {
    let (mut items, mut broken) = (Vec::new(), Vec::new());
    yaml::for_each_item(
        path,
        text,
        |node| items.push(item(node).map_err(|trouble| (rule_name(node), trouble))),
        |error| {
            let name = named_in(&error.file.text);
            let trouble = Trouble::new(error.place, RefusalKind::Yaml, error.reason);
            broken.push(Err((name, trouble)));
        },
    );
    items.append(&mut broken);
    items
}

/// Name of a rule that could not be read as a whole.
fn rule_name(node: Node<'_>) -> Option<String> {
    let entries = node.entries()?;
    let (_, name) = entries
        .iter()
        .find(|(key, _)| matches!(key.scalar(), Some("rule" | "title")))?;
    name.scalar().map(str::to_owned)
}

/// Name of a rule in text that is no YAML.
fn named_in(text: &str) -> Option<String> {
    let name = |line: &'_ str| {
        let keys = ["- rule:", "title:"];
        keys.iter()
            .find_map(|key| line.strip_prefix(key).map(str::to_owned))
    };
    let line = text.lines().find_map(name)?;
    Some(line.trim().trim_matches(['"', '\'']).to_owned())
}

fn item(node: Node<'_>) -> Read<Item> {
    if document::is_sigma(node) {
        return document::read(node).map(Item::Sigma);
    }
    let entries = node.entries().ok_or_else(|| {
        Trouble::new(
            node.place(),
            RefusalKind::Item,
            format!(
                "expected an item with a key such as 'rule', found {}",
                node.kind()
            ),
        )
    })?;
    let mut keyed = Vec::new();
    for (key, value) in entries {
        match key.text() {
            Some(key) => keyed.push((key, value)),
            None => {
                return Err(Trouble::new(
                    key.place(),
                    RefusalKind::Item,
                    "a key must be text",
                ));
            }
        }
    }
    for (key, value) in &keyed {
        match key.value.as_str() {
            "rule" => return rule(node, *value, &keyed).map(|rule| Item::Rule(Box::new(rule))),
            "macro" => return macro_item(*value, &keyed).map(Item::Macro),
            "list" => return list(*value, &keyed).map(Item::List),
            "required_engine_version" => return engine_version(*value),
            "required_plugin_versions" => return plugin_versions(*value),
            _ => {}
        }
    }
    let keys = keyed.first().map_or("", |(key, _)| key.value.as_str());
    Err(Trouble::new(
        node.place(),
        RefusalKind::Item,
        format!("an item that is no rule, macro or list; its first key is '{keys}'"),
    )
    .hint("begin the item with 'rule:', 'macro:' or 'list:'"))
}

type Entries<'a, 'b> = &'b [(Text, Node<'a>)];

fn value<'a>(entries: Entries<'a, '_>, key: &str) -> Option<Node<'a>> {
    entries
        .iter()
        .find(|(name, _)| name.value == key)
        .map(|&(_, node)| node)
}

fn text(node: Node<'_>, what: &str) -> Read<Text> {
    node.text().ok_or_else(|| wrong_type(node, what, "text"))
}

pub(super) fn wrong_type(node: Node<'_>, what: &str, expected: &str) -> Trouble {
    Trouble::new(
        node.place(),
        RefusalKind::Item,
        format!("'{what}' must be {expected}, found {}", node.kind()),
    )
}

fn optional_text(entries: Entries<'_, '_>, key: &str) -> Read<Option<Text>> {
    value(entries, key).map(|node| text(node, key)).transpose()
}

fn optional_flag(entries: Entries<'_, '_>, key: &str) -> Read<Option<bool>> {
    let Some(node) = value(entries, key) else {
        return Ok(None);
    };
    match node.scalar() {
        Some("true" | "True" | "TRUE" | "yes") => Ok(Some(true)),
        Some("false" | "False" | "FALSE" | "no") => Ok(Some(false)),
        _ => Err(wrong_type(node, key, "true or false")),
    }
}

fn texts(node: Node<'_>, what: &str) -> Read<Vec<Text>> {
    if node.is_null() {
        return Ok(Vec::new());
    }
    let items = node
        .items()
        .ok_or_else(|| wrong_type(node, what, "a list"))?;
    items.into_iter().map(|item| text(item, what)).collect()
}

fn list(name: Node<'_>, entries: Entries<'_, '_>) -> Read<ListItem> {
    let name = text(name, "list")?;
    let items = value(entries, "items").ok_or_else(|| missing(&name, "list", "items"))?;
    let change = single_change(entries, "items")?;
    let mut remarks = remarks_on_keys(entries, &["list", "items", "override", "append"], "a list");
    remarks.extend(remark_on_name(&name, "list"));
    Ok(ListItem {
        items: texts(items, "items")?,
        change,
        remarks,
        name,
    })
}

fn macro_item(name: Node<'_>, entries: Entries<'_, '_>) -> Read<MacroItem> {
    let name = text(name, "macro")?;
    let condition =
        value(entries, "condition").ok_or_else(|| missing(&name, "macro", "condition"))?;
    let keys = &["macro", "condition", "override", "append"];
    let mut remarks = remarks_on_keys(entries, keys, "a macro");
    remarks.extend(remark_on_name(&name, "macro"));
    Ok(MacroItem {
        condition: text(condition, "condition")?,
        change: single_change(entries, "condition")?,
        remarks,
        name,
    })
}

fn missing(name: &Text, item: &str, key: &str) -> Trouble {
    Trouble::new(
        name.start(),
        RefusalKind::Item,
        format!("{item} '{}' has no '{key}'", name.value),
    )
    .hint(format!("add '{key}:'"))
}

/// Remarks on keys that mean nothing there, and on the old way to append.
fn remarks_on_keys(entries: Entries<'_, '_>, known: &[&str], item: &str) -> Vec<Remark> {
    let unknown = entries
        .iter()
        .map(|(key, _)| key)
        .filter(|key| !known.contains(&key.value.as_str()));
    let mut remarks: Vec<Remark> = unknown
        .map(|key| {
            let near = nearest(&key.value, known.iter().copied());
            let hint = near.map_or_else(String::new, |near| format!("; did you mean '{near}'?"));
            let reason = format!("key '{}' means nothing in {item}{hint}", key.value);
            (key.start(), reason)
        })
        .collect();
    if let Some((key, _)) = entries.iter().find(|(key, _)| key.value == "append") {
        let reason = "'append' is the old way: 'override' says which parts are appended to";
        remarks.push((key.start(), reason.to_owned()));
    }
    remarks
}

/// A remark on a name that no condition can hold.
fn remark_on_name(name: &Text, item: &str) -> Option<Remark> {
    (!lexer::is_identifier(&name.value)).then(|| {
        let reason = format!(
            "no condition can name the {item} '{}': names have letters, digits and '_', and begin \
             with a letter",
            name.value
        );
        (name.start(), reason)
    })
}

const RULE_KEYS: &[&str] = &[
    "rule",
    "condition",
    "output",
    "desc",
    "priority",
    "source",
    "enabled",
    "tags",
    "exceptions",
    "capture",
    "capture_duration",
    "warn_evttypes",
    "skip-if-unknown-filter",
    "correlation",
    "override",
    "append",
];

fn rule(node: Node<'_>, name: Node<'_>, entries: Entries<'_, '_>) -> Read<RuleItem> {
    let mut name = text(name, "rule")?;
    if name.value.trim().is_empty() {
        return Err(Trouble::new(
            node.place(),
            RefusalKind::Item,
            "a rule needs a name",
        ));
    }
    name.value = name.value.trim().to_owned();
    let priority = value(entries, "priority").map(priority).transpose()?;
    let tags = value(entries, "tags")
        .map(|node| texts(node, "tags"))
        .transpose()?;
    let mut remarks = remarks_on_keys(entries, RULE_KEYS, "a rule");
    let capture = optional_flag(entries, "capture")?;
    let capture_duration = optional_milliseconds(entries, "capture_duration")?;
    if capture == Some(true)
        && let Some(node) = value(entries, "capture")
    {
        let reason = "'capture' asks for a recording of system calls, which is not made";
        remarks.push((node.place(), reason.to_owned()));
    }
    let exceptions = value(entries, "exceptions")
        .map(|node| exceptions(node, &mut remarks))
        .transpose()?;
    Ok(RuleItem {
        name,
        condition: optional_text(entries, "condition")?,
        output: optional_text(entries, "output")?,
        description: optional_text(entries, "desc")?,
        priority,
        source: optional_text(entries, "source")?,
        enabled: optional_flag(entries, "enabled")?,
        tags,
        exceptions,
        capture,
        capture_duration,
        warn_event_types: optional_flag(entries, "warn_evttypes")?,
        skip_unknown: optional_flag(entries, "skip-if-unknown-filter")?,
        correlation: value(entries, "correlation")
            .map(|node| Correlation::read(node, Language::Falco))
            .transpose()?,
        changes: changes(entries)?,
        remarks,
    })
}

fn optional_milliseconds(entries: Entries<'_, '_>, key: &str) -> Read<Option<u64>> {
    let Some(node) = value(entries, key) else {
        return Ok(None);
    };
    let number = node.scalar().and_then(|text| text.parse().ok());
    let number = number.ok_or_else(|| wrong_type(node, key, "a number of milliseconds"))?;
    Ok(Some(number))
}

fn priority(node: Node<'_>) -> Read<Priority> {
    let word = node.scalar().unwrap_or_default();
    let upper = word.to_ascii_uppercase();
    let found = Priority::ALL
        .iter()
        .copied()
        .find(|priority| priority.name() == upper)
        .or((upper == "INFORMATIONAL").then_some(Priority::Informational));
    found.ok_or_else(|| {
        let near = nearest(&upper, Priority::ALL.iter().map(|priority| priority.name()));
        let hint = near.map_or_else(
            || "one of EMERGENCY ALERT CRITICAL ERROR WARNING NOTICE INFO DEBUG".to_owned(),
            |near| format!("did you mean {near}?"),
        );
        Trouble::new(
            node.place(),
            RefusalKind::Item,
            format!("'{word}' is no priority"),
        )
        .hint(hint)
    })
}

/// `append: true`, or the one entry of `override`.
fn single_change(entries: Entries<'_, '_>, key: &str) -> Read<Option<Override>> {
    let changes = changes(entries)?;
    match changes.as_slice() {
        [] => Ok(None),
        [(part, change)] if part == key || part == "*" => Ok(Some(*change)),
        [(part, _), ..] => {
            let place = value(entries, "override").map(Node::place);
            let place = place.unwrap_or_else(|| entries[0].1.place());
            Err(Trouble::new(
                place,
                RefusalKind::Item,
                format!("'{part}' cannot be overridden here, only '{key}' can"),
            ))
        }
    }
}

/// The overrides of an item; the old `append: true` is an append to `*`.
fn changes(entries: Entries<'_, '_>) -> Read<Vec<(String, Override)>> {
    let mut changes = Vec::new();
    if optional_flag(entries, "append")? == Some(true) {
        changes.push(("*".to_owned(), Override::Append));
    }
    let Some(node) = value(entries, "override") else {
        return Ok(changes);
    };
    if !changes.is_empty() {
        return Err(Trouble::new(
            node.place(),
            RefusalKind::Item,
            "'append' and 'override' in one item",
        )
        .hint("leave 'append' out"));
    }
    let parts = node
        .entries()
        .ok_or_else(|| wrong_type(node, "override", "a mapping of a key to append or replace"))?;
    for (key, change) in parts {
        let name = key.scalar().unwrap_or_default().to_owned();
        let change = match change.scalar() {
            Some("append") => Override::Append,
            Some("replace") => Override::Replace,
            _ => return Err(wrong_type(change, "override", "append or replace")),
        };
        changes.push((name, change));
    }
    Ok(changes)
}

fn exceptions(node: Node<'_>, remarks: &mut Vec<Remark>) -> Read<Vec<Exception>> {
    if node.is_null() {
        return Ok(Vec::new());
    }
    let items = node
        .items()
        .ok_or_else(|| wrong_type(node, "exceptions", "a list"))?;
    let mut found: Vec<Exception> = Vec::new();
    for item in items {
        let exception = exception(item, remarks)?;
        let name = &exception.name.value;
        if found.iter().any(|earlier| earlier.name.value == *name) {
            let reason = format!("exception '{name}' stands twice: both count");
            remarks.push((exception.place.clone(), reason));
        }
        found.push(exception);
    }
    Ok(found)
}

const EXCEPTION_KEYS: &[&str] = &[
    "name", "fields", "comps", "values", // Not in Falco, which passes over these.
    "owner", "reason", "expires",
];

fn exception(node: Node<'_>, remarks: &mut Vec<Remark>) -> Read<Exception> {
    let entries: Vec<(Text, Node<'_>)> = node
        .entries()
        .ok_or_else(|| wrong_type(node, "exceptions", "a list of mappings"))?
        .into_iter()
        .filter_map(|(key, value)| key.text().map(|key| (key, value)))
        .collect();
    remarks.extend(remarks_on_keys(&entries, EXCEPTION_KEYS, "an exception"));
    let get = |name: &str| value(&entries, name);
    let name = get("name").ok_or_else(|| {
        Trouble::new(
            node.place(),
            RefusalKind::Item,
            "an exception needs a 'name'",
        )
    })?;
    let (fields, single) = one_or_many(get("fields"), "fields")?;
    let (comparisons, _) = one_or_many(get("comps"), "comps")?;
    let values = match get("values") {
        Some(node) if !node.is_null() => node
            .items()
            .ok_or_else(|| wrong_type(node, "values", "a list"))?
            .into_iter()
            .map(exception_value)
            .collect::<Read<_>>()?,
        _ => Vec::new(),
    };
    Ok(Exception {
        name: text(name, "name")?,
        fields,
        single,
        comparisons,
        values,
        owner: get("owner").map(|node| text(node, "owner")).transpose()?,
        reason: get("reason").map(|node| text(node, "reason")).transpose()?,
        expires: get("expires").map(Expiry::read).transpose()?,
        place: node.place(),
    })
}

fn one_or_many(node: Option<Node<'_>>, what: &str) -> Read<(Vec<Text>, bool)> {
    match node {
        None => Ok((Vec::new(), false)),
        Some(node) => match node.text() {
            Some(text) => Ok((vec![text], true)),
            None => texts(node, what).map(|texts| (texts, false)),
        },
    }
}

fn exception_value(node: Node<'_>) -> Read<ExceptionValue> {
    match node.items() {
        Some(items) => {
            let items = items
                .into_iter()
                .map(exception_value)
                .collect::<Read<_>>()?;
            Ok(ExceptionValue::Many(items, node.place()))
        }
        None => text(node, "values").map(ExceptionValue::One),
    }
}
