//! Items in file order become definitions: later items replace, append to or change earlier ones.

use std::collections::HashMap;
use std::rc::Rc;

use super::super::catalogue::nearest;
use super::super::falco::items::{
    Exception, Item, ListItem, MacroItem, Override, RuleItem, Trouble,
};
use super::super::falco::resolve::{self, Definitions, Macro};
use super::super::falco::source::{Place, Text};
use super::super::report::RefusalKind;
use super::super::sigma::correlation::Correlation;
use crate::model::Priority;

/// A rule with all its parts.
#[derive(Debug)]
pub(in super::super) struct RuleDefinition {
    pub(in super::super) name: Text,
    pub(in super::super) condition: Text,
    pub(in super::super) output: Text,
    pub(in super::super) description: Text,
    pub(in super::super) priority: Priority,
    pub(in super::super) source: Option<Text>,
    pub(in super::super) enabled: bool,
    pub(in super::super) tags: Vec<Text>,
    pub(in super::super) exceptions: Vec<Exception>,
    pub(in super::super) warn_event_types: bool,
    pub(in super::super) skip_unknown: bool,
    pub(in super::super) correlation: Option<Correlation>,
}

/// A remark on a rule, or on none.
pub(in super::super) type Remark = (Option<String>, Place, String);

/// Definitions gathered so far.
#[derive(Debug, Default)]
pub(in super::super) struct Collector {
    /// Rules in the order of their first definition.
    rules: Vec<RuleDefinition>,
    by_name: HashMap<String, usize>,
    macros: HashMap<String, MacroText>,
    lists: HashMap<String, Vec<Text>>,
    position: usize,
    remarks: Vec<Remark>,
}

#[derive(Debug)]
struct MacroText {
    condition: Text,
    index: usize,
    visibility: usize,
}

type Added = Result<(), (Option<String>, Trouble)>;

impl Collector {
    /// Takes the next item.
    pub(in super::super) fn add(&mut self, item: Item) -> Added {
        self.position += 1;
        match item {
            Item::List(list) => self.list(list).map_err(|trouble| (None, trouble)),
            Item::Macro(definition) => self
                .macro_item(definition)
                .map_err(|trouble| (None, trouble)),
            Item::Rule(rule) => {
                let name = rule.name.value.clone();
                self.rule(*rule).map_err(|trouble| (Some(name), trouble))
            }
            // The loader keeps them apart.
            Item::Sigma(_) => Ok(()),
            Item::Requirement(complaint, place) => {
                if let Some(complaint) = complaint {
                    self.remarks.push((None, place, complaint));
                }
                Ok(())
            }
        }
    }

    /// All definitions, macros parsed.
    pub(in super::super) fn finish(self) -> (Vec<RuleDefinition>, Definitions, Vec<Remark>) {
        let macros = self.macros.into_iter().map(|(name, text)| {
            let parsed = resolve::parse(&text.condition);
            let parsed = parsed.map_err(|mut trouble| {
                trouble.reason = format!("macro '{name}': {}", trouble.reason);
                trouble
            });
            let definition = Macro {
                condition: Rc::new(text.condition),
                parsed,
                index: text.index,
                visibility: text.visibility,
            };
            (name, definition)
        });
        let definitions = Definitions {
            macros: macros.collect(),
            lists: self.lists,
        };
        (self.rules, definitions, self.remarks)
    }

    fn list(&mut self, list: ListItem) -> Result<(), Trouble> {
        let name = list.name.value.clone();
        self.remark(None, list.remarks);
        match (list.change, self.lists.get_mut(&name)) {
            // What replaces nothing is the first definition.
            (None | Some(Override::Replace), _) => {
                self.lists.insert(name, list.items);
            }
            (Some(Override::Append), Some(items)) => items.extend(list.items),
            (Some(Override::Append), None) => {
                return Err(nothing_to_change("list", &list.name, self.lists.keys()));
            }
        }
        Ok(())
    }

    fn macro_item(&mut self, item: MacroItem) -> Result<(), Trouble> {
        let position = self.position;
        let name = item.name.value.clone();
        self.remark(None, item.remarks);
        match (item.change, self.macros.get_mut(&name)) {
            (Some(Override::Append), None) => {
                return Err(nothing_to_change("macro", &item.name, self.macros.keys()));
            }
            (Some(Override::Append), Some(earlier)) => {
                self.remarks.extend(append_remark(&item.condition, None));
                earlier.condition.append(&item.condition);
                earlier.visibility = position;
            }
            (_, Some(earlier)) => {
                earlier.condition = item.condition;
                earlier.visibility = position;
            }
            // What replaces nothing is the first definition.
            (None | Some(Override::Replace), None) => {
                let definition = MacroText {
                    condition: item.condition,
                    index: position,
                    visibility: position,
                };
                self.macros.insert(name, definition);
            }
        }
        Ok(())
    }

    fn rule(&mut self, item: RuleItem) -> Result<(), Trouble> {
        let name = item.name.value.clone();
        self.remark(Some(&name), item.remarks.iter().cloned());
        let earlier = self.by_name.get(&name).copied();
        let only_enabled = item.condition.is_none()
            && item.output.is_none()
            && item.description.is_none()
            && item.priority.is_none();
        match (earlier, item.changes.is_empty()) {
            (Some(index), false) => self.change(index, &item),
            (None, false) => Err(nothing_to_change("rule", &item.name, self.by_name.keys())),
            // The old way to switch a rule on or off.
            (Some(index), true) if only_enabled && item.enabled.is_some() => {
                self.rules[index].enabled = item.enabled == Some(true);
                Ok(())
            }
            (earlier, true) => {
                let rule = complete(item)?;
                match earlier {
                    Some(index) => self.rules[index] = rule,
                    None => {
                        self.by_name.insert(name, self.rules.len());
                        self.rules.push(rule);
                    }
                }
                Ok(())
            }
        }
    }

    fn remark(
        &mut self,
        rule: Option<&String>,
        remarks: impl IntoIterator<Item = (Place, String)>,
    ) {
        let remarks = remarks.into_iter();
        self.remarks
            .extend(remarks.map(|(place, reason)| (rule.cloned(), place, reason)));
    }

    /// Changes parts of an earlier rule.
    fn change(&mut self, index: usize, item: &RuleItem) -> Result<(), Trouble> {
        let whole = item.changes.iter().any(|(part, _)| part == "*");
        for part in item.given() {
            let named = item.changes.iter().any(|(named, _)| named == part);
            let appended = whole && APPENDED.contains(&part);
            if whole && !appended {
                let reason = format!("'append' leaves '{part}' as it was: it is passed over");
                self.remark(Some(&item.name.value), [(item.name.start(), reason)]);
            } else if !named && !appended {
                let reason =
                    format!("'{part}' is given and 'override' does not say what to do with it");
                let trouble = Trouble::new(item.name.start(), RefusalKind::Item, reason);
                return Err(trouble.hint(format!("add 'override: {{{part}: replace}}'")));
            }
        }
        let rule = &mut self.rules[index];
        for (part, change) in &item.changes {
            let parts: &[&str] = match part.as_str() {
                "*" => APPENDED,
                part => &[part],
            };
            for &part in parts {
                match change {
                    Override::Append if whole && !item.given().contains(&part) => {}
                    Override::Append => append_part(rule, part, item, &mut self.remarks)?,
                    Override::Replace => replace_part(rule, part, item)?,
                }
                if let (Override::Append, "condition", Some(condition)) =
                    (change, part, &item.condition)
                {
                    let name = item.name.value.clone();
                    self.remarks.extend(append_remark(condition, Some(name)));
                }
            }
        }
        Ok(())
    }
}

/// Parts of a rule that can be appended to, and that `append: true` appends to.
const APPENDED: &[&str] = &["condition", "output", "desc", "tags", "exceptions"];

fn append_part(
    rule: &mut RuleDefinition,
    part: &str,
    item: &RuleItem,
    remarks: &mut Vec<Remark>,
) -> Result<(), Trouble> {
    let name = &item.name;
    match part {
        "condition" => rule.condition.append(given(&item.condition, part, name)?),
        "output" => rule.output.append(given(&item.output, part, name)?),
        "desc" => rule
            .description
            .append(given(&item.description, part, name)?),
        "tags" => rule
            .tags
            .extend(given(&item.tags, part, name)?.iter().cloned()),
        "exceptions" => {
            let more = given(&item.exceptions, part, name)?;
            for exception in more.iter().filter(|more| more.values.is_empty()) {
                let reason = format!("exception '{}' adds no values", exception.name.value);
                remarks.push((Some(name.value.clone()), exception.place.clone(), reason));
            }
            append_exceptions(&mut rule.exceptions, more)?;
        }
        _ => return Err(unchangeable(part, "appended to", name)),
    }
    Ok(())
}

fn replace_part(rule: &mut RuleDefinition, part: &str, item: &RuleItem) -> Result<(), Trouble> {
    let name = &item.name;
    match part {
        "condition" => rule.condition = given(&item.condition, part, name)?.clone(),
        "output" => rule.output = given(&item.output, part, name)?.clone(),
        "desc" => rule.description = given(&item.description, part, name)?.clone(),
        "tags" => rule.tags = given(&item.tags, part, name)?.clone(),
        "exceptions" => rule.exceptions = given(&item.exceptions, part, name)?.clone(),
        "priority" => rule.priority = *given(&item.priority, part, name)?,
        "enabled" => rule.enabled = *given(&item.enabled, part, name)?,
        "warn_evttypes" => rule.warn_event_types = *given(&item.warn_event_types, part, name)?,
        "skip-if-unknown-filter" => rule.skip_unknown = *given(&item.skip_unknown, part, name)?,
        // Recordings are not made, which a remark on the item says.
        "capture" => {
            given(&item.capture, part, name)?;
        }
        "capture_duration" => {
            given(&item.capture_duration, part, name)?;
        }
        _ => return Err(unchangeable(part, "replaced", name)),
    }
    Ok(())
}

fn unchangeable(part: &str, verb: &str, rule: &Text) -> Trouble {
    let reason = format!("'{part}' of a rule cannot be {verb}");
    Trouble::new(rule.start(), RefusalKind::Item, reason)
}

/// A rule item that stands for itself.
fn complete(item: RuleItem) -> Result<RuleDefinition, Trouble> {
    let name = item.name;
    Ok(RuleDefinition {
        condition: required(item.condition, "condition", &name)?,
        output: required(item.output, "output", &name)?,
        description: required(item.description, "desc", &name)?,
        priority: required(item.priority, "priority", &name)?,
        source: item.source,
        enabled: item.enabled.unwrap_or(true),
        tags: item.tags.unwrap_or_default(),
        exceptions: item.exceptions.unwrap_or_default(),
        warn_event_types: item.warn_event_types.unwrap_or(true),
        skip_unknown: item.skip_unknown.unwrap_or(false),
        correlation: item.correlation,
        name,
    })
}

fn required<T>(part: Option<T>, key: &str, rule: &Text) -> Result<T, Trouble> {
    part.ok_or_else(|| {
        let reason = format!("the rule has no '{key}'");
        Trouble::new(rule.start(), RefusalKind::Item, reason).hint(format!("add '{key}:'"))
    })
}

fn given<'a, T>(part: &'a Option<T>, key: &str, rule: &Text) -> Result<&'a T, Trouble> {
    part.as_ref().ok_or_else(|| {
        let reason = format!("'{key}' is to be changed, and the item has no '{key}'");
        Trouble::new(rule.start(), RefusalKind::Item, reason)
    })
}

/// Values are added to an exception of the same name; others are added whole.
fn append_exceptions(exceptions: &mut Vec<Exception>, more: &[Exception]) -> Result<(), Trouble> {
    for exception in more {
        let same = exceptions
            .iter_mut()
            .find(|earlier| earlier.name.value == exception.name.value);
        match same {
            None => exceptions.push(exception.clone()),
            Some(earlier)
                if exception.fields.is_empty()
                    && exception.comparisons.is_empty()
                    && exception.expires.is_none() =>
            {
                earlier.values.extend(exception.values.iter().cloned());
            }
            Some(_) => {
                return Err(Trouble::new(
                    exception.place.clone(),
                    RefusalKind::Item,
                    format!(
                        "exception '{}' exists already: only its values can be appended to",
                        exception.name.value
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// Text is appended without brackets: `A or B` and `and not C` make `A or (B and not C)`.
fn append_remark(condition: &Text, rule: Option<String>) -> Option<Remark> {
    let word = condition.value.trim_start();
    word.starts_with("and").then(|| {
        let reason = "an appended 'and' binds to the last operand of an 'or' before it; an \
                      exception binds to the whole condition";
        (rule, condition.start(), reason.to_owned())
    })
}

fn nothing_to_change<'a>(
    item: &str,
    name: &Text,
    known: impl Iterator<Item = &'a String>,
) -> Trouble {
    let reason = format!("there is no {item} '{}' before this to change", name.value);
    let trouble = Trouble::new(name.start(), RefusalKind::Undefined, reason);
    match nearest(&name.value, known.map(String::as_str)) {
        Some(near) => trouble.hint(format!("did you mean '{near}'?")),
        None => trouble,
    }
}
