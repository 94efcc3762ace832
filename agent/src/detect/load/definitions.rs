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
use crate::model::Priority;

/// A rule with all its parts.
#[derive(Debug)]
pub(super) struct RuleDefinition {
    pub(super) name: Text,
    pub(super) condition: Text,
    pub(super) output: Text,
    pub(super) description: Text,
    pub(super) priority: Priority,
    pub(super) source: Option<Text>,
    pub(super) enabled: bool,
    pub(super) tags: Vec<Text>,
    pub(super) exceptions: Vec<Exception>,
    pub(super) warn_event_types: bool,
    pub(super) skip_unknown: bool,
}

/// A remark on a rule, or on none.
pub(super) type Remark = (Option<String>, Place, String);

/// Definitions gathered so far.
#[derive(Debug, Default)]
pub(super) struct Collector {
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
    pub(super) fn add(&mut self, item: Item) -> Added {
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
            Item::Requirement(complaint, place) => {
                if let Some(complaint) = complaint {
                    self.remarks.push((None, place, complaint));
                }
                Ok(())
            }
        }
    }

    /// All definitions, macros parsed.
    pub(super) fn finish(self) -> (Vec<RuleDefinition>, Definitions, Vec<Remark>) {
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
        match (list.change, self.lists.get_mut(&name)) {
            (None, _) => {
                self.lists.insert(name, list.items);
            }
            (Some(Override::Append), Some(items)) => items.extend(list.items),
            (Some(Override::Replace), Some(items)) => *items = list.items,
            (Some(_), None) => {
                return Err(nothing_to_change("list", &list.name, self.lists.keys()));
            }
        }
        Ok(())
    }

    fn macro_item(&mut self, item: MacroItem) -> Result<(), Trouble> {
        let position = self.position;
        let name = item.name.value.clone();
        match (item.change, self.macros.get_mut(&name)) {
            (Some(_), None) => {
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
            (None, None) => {
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
        for key in &item.unknown_keys {
            let reason = format!("key '{}' means nothing in a rule", key.value);
            self.remarks.push((Some(name.clone()), key.start(), reason));
        }
        if let Some(place) = &item.capture {
            let reason = "'capture' asks for a recording of system calls, which is not made";
            self.remarks
                .push((Some(name.clone()), place.clone(), reason.to_owned()));
        }
        let earlier = self.by_name.get(&name).copied();
        let only_enabled = item.condition.is_none()
            && item.output.is_none()
            && item.description.is_none()
            && item.priority.is_none();
        match (earlier, item.changes.is_empty()) {
            (Some(index), false) => self.change(index, item),
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

    /// Changes parts of an earlier rule.
    fn change(&mut self, index: usize, item: RuleItem) -> Result<(), Trouble> {
        let rule = &mut self.rules[index];
        for (part, change) in item.changes {
            let name = || Some(item.name.value.clone());
            match (part.as_str(), change) {
                ("*", _) => {
                    if let Some(condition) = &item.condition {
                        self.remarks.extend(append_remark(condition, name()));
                        rule.condition.append(condition);
                    }
                    append_text(&mut rule.output, item.output.as_ref());
                    append_text(&mut rule.description, item.description.as_ref());
                    rule.tags.extend(item.tags.iter().flatten().cloned());
                    append_exceptions(&mut rule.exceptions, item.exceptions.as_deref())?;
                }
                ("condition", Override::Append) => {
                    let condition = given(item.condition.as_ref(), "condition", &item.name)?;
                    self.remarks.extend(append_remark(condition, name()));
                    rule.condition.append(condition);
                }
                ("output", Override::Append) => {
                    append_text(
                        &mut rule.output,
                        Some(given(item.output.as_ref(), "output", &item.name)?),
                    );
                }
                ("desc", Override::Append) => {
                    let description = given(item.description.as_ref(), "desc", &item.name)?;
                    append_text(&mut rule.description, Some(description));
                }
                ("tags", Override::Append) => {
                    rule.tags.extend(
                        given(item.tags.as_ref(), "tags", &item.name)?
                            .iter()
                            .cloned(),
                    );
                }
                ("exceptions", Override::Append) => {
                    let exceptions = given(item.exceptions.as_ref(), "exceptions", &item.name)?;
                    append_exceptions(&mut rule.exceptions, Some(exceptions))?;
                }
                ("condition", Override::Replace) => {
                    rule.condition =
                        given(item.condition.as_ref(), "condition", &item.name)?.clone();
                }
                ("output", Override::Replace) => {
                    rule.output = given(item.output.as_ref(), "output", &item.name)?.clone();
                }
                ("desc", Override::Replace) => {
                    rule.description =
                        given(item.description.as_ref(), "desc", &item.name)?.clone();
                }
                ("tags", Override::Replace) => {
                    rule.tags = given(item.tags.as_ref(), "tags", &item.name)?.clone();
                }
                ("exceptions", Override::Replace) => {
                    rule.exceptions =
                        given(item.exceptions.as_ref(), "exceptions", &item.name)?.clone();
                }
                ("priority", Override::Replace) => {
                    rule.priority = *given(item.priority.as_ref(), "priority", &item.name)?;
                }
                ("enabled", Override::Replace) => {
                    rule.enabled = *given(item.enabled.as_ref(), "enabled", &item.name)?;
                }
                ("warn_evttypes", Override::Replace) => {
                    rule.warn_event_types =
                        *given(item.warn_event_types.as_ref(), "warn_evttypes", &item.name)?;
                }
                ("skip-if-unknown-filter", Override::Replace) => {
                    rule.skip_unknown = *given(
                        item.skip_unknown.as_ref(),
                        "skip-if-unknown-filter",
                        &item.name,
                    )?;
                }
                ("capture" | "capture_duration", Override::Replace) => {}
                (part, _) => {
                    let reason = format!("'{part}' of a rule cannot be changed so");
                    return Err(Trouble::new(item.name.start(), RefusalKind::Item, reason));
                }
            }
        }
        Ok(())
    }
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
        name,
    })
}

fn required<T>(part: Option<T>, key: &str, rule: &Text) -> Result<T, Trouble> {
    part.ok_or_else(|| {
        let reason = format!("the rule has no '{key}'");
        Trouble::new(rule.start(), RefusalKind::Item, reason).hint(format!("add '{key}:'"))
    })
}

fn given<'a, T>(part: Option<&'a T>, key: &str, rule: &Text) -> Result<&'a T, Trouble> {
    part.ok_or_else(|| {
        let reason = format!("'{key}' is to be changed, and the item has no '{key}'");
        Trouble::new(rule.start(), RefusalKind::Item, reason)
    })
}

fn append_text(text: &mut Text, more: Option<&Text>) {
    if let Some(more) = more {
        text.append(more);
    }
}

/// Values are added to an exception of the same name; others are added whole.
fn append_exceptions(
    exceptions: &mut Vec<Exception>,
    more: Option<&[Exception]>,
) -> Result<(), Trouble> {
    for exception in more.unwrap_or_default() {
        let same = exceptions
            .iter_mut()
            .find(|earlier| earlier.name.value == exception.name.value);
        match same {
            None => exceptions.push(exception.clone()),
            Some(earlier) if exception.fields.is_empty() && exception.comparisons.is_empty() => {
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
