//! What a rule costs, as far as that can be said without running it.

use serde::Serialize;

use super::super::ir::{Leaf, Source, Test};
use super::super::set::Rule;
use super::{ExplainedEvent, leaf_ids};

/// How much a rule costs on events that it does not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CostClass {
    /// Never evaluated.
    None,
    /// Looked at rarely: on each event type something narrows it down.
    Low,
    /// Looked at often, and then cheap; or rarely, and then dear.
    Medium,
    /// Looked at often, and then dear.
    High,
}

impl CostClass {
    /// Word for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// The cost of a rule with its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Class.
    pub class: CostClass,
    /// Event types on which nothing narrows it down, or little does.
    pub often_on: Vec<&'static str>,
    /// The most expensive comparison.
    pub dearest: Option<String>,
    /// That comparison searches a text or computes one.
    pub is_dear: bool,
}

/// Share of events up to which a rule counts as looked at rarely.
const RARELY: f32 = 0.05;

pub(super) fn of(rule: &Rule, leaves: &[Leaf], events: &[ExplainedEvent]) -> Cost {
    let often = events.iter().filter(|event| {
        let narrowed = event.discriminator.as_ref();
        narrowed.is_none_or(|found| found.share > RARELY)
    });
    let often_on: Vec<_> = often.map(|event| event.event_type).collect();
    let compared = leaf_ids(&rule.condition).into_iter();
    let dearest = compared
        .map(|id| &leaves[id as usize])
        .max_by_key(|leaf| price(leaf));
    let is_dear = dearest.is_some_and(|leaf| price(leaf) >= Price::Search);
    let class = match (rule.enabled && !events.is_empty(), often_on.is_empty()) {
        (false, _) => CostClass::None,
        (true, true) if dearest.map(price) == Some(Price::Pattern) => CostClass::Medium,
        (true, true) => CostClass::Low,
        (true, false) if is_dear => CostClass::High,
        (true, false) => CostClass::Medium,
    };
    Cost {
        class,
        often_on,
        dearest: dearest.map(|leaf| format!("{} {}", leaf.shown.field, leaf.shown.operator)),
        is_dear,
    }
}

/// What a comparison costs, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Price {
    /// A number, a flag, or a look into a table.
    LookUp,
    /// The beginning or the end of a text.
    Edge,
    /// A whole text is searched.
    Search,
    /// A text is made for each event, or a pattern runs over one.
    Pattern,
}

fn price(leaf: &Leaf) -> Price {
    let test = match &leaf.test {
        Test::Prefix(_) | Test::Suffix(_) | Test::PathPrefix(_) => Price::Edge,
        Test::Contains(_) | Test::ContainsFolded(_) | Test::Glob(_) | Test::GlobFolded(_) => {
            Price::Search
        }
        Test::Regex(_) | Test::Dynamic(..) => Price::Pattern,
        _ => Price::LookUp,
    };
    match &leaf.left {
        Source::Transform(..) | Source::Join { .. } => Price::Pattern,
        _ => test,
    }
}
