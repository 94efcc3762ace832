//! The section `correlation`, of a Sigma document or of a rule in Falco's language.

use super::super::catalogue::nearest;
use super::super::falco::items::Trouble;
use super::super::falco::source::{Place, Text};
use super::super::falco::yaml::Node;
use super::super::report::RefusalKind;
use super::document::{Entries, Read, entries, texts, value, wrong};

/// Most events that can be asked for: each costs memory in every group.
const MOST_EVENTS: u64 = 10_000;
/// Most values and rules: each event is compared with all of them.
const MOST_VALUES: u64 = 1_000;

/// Where the section stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// The rules are named, by id or name.
    Sigma,
    /// The rule itself is one of the rules.
    Falco,
}

/// A correlation as written.
#[derive(Clone, Debug)]
pub(crate) struct Correlation {
    pub(crate) kind: CorrelationKind,
    /// Ids or names of the rules, in order; in Falco's language those beside the rule itself.
    pub(crate) rules: Vec<Text>,
    pub(crate) group_by: Vec<Text>,
    /// Nanoseconds.
    pub(crate) timespan_ns: u64,
    /// The same as written.
    pub(crate) timespan: String,
    /// Fewest that make a match; `None` asks for all rules.
    pub(crate) least: Option<u64>,
    /// Most that make a match.
    pub(crate) most: Option<u64>,
    /// Fields whose distinct values are counted.
    pub(crate) counted: Vec<Text>,
    pub(crate) aliases: Vec<Alias>,
    /// The rules make alerts of their own too.
    pub(crate) generate: bool,
    pub(crate) place: Place,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CorrelationKind {
    EventCount,
    ValueCount,
    Temporal,
    TemporalOrdered,
}

impl CorrelationKind {
    const ALL: &'static [Self] = &[
        Self::EventCount,
        Self::ValueCount,
        Self::Temporal,
        Self::TemporalOrdered,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::EventCount => "event_count",
            Self::ValueCount => "value_count",
            Self::Temporal => "temporal",
            Self::TemporalOrdered => "temporal_ordered",
        }
    }

    pub(crate) const fn is_temporal(self) -> bool {
        matches!(self, Self::Temporal | Self::TemporalOrdered)
    }
}

/// A name for fields that are called otherwise in each rule.
#[derive(Clone, Debug)]
pub(crate) struct Alias {
    pub(crate) name: String,
    /// Rule and field.
    pub(crate) fields: Vec<(Text, Text)>,
}

const KEYS: &[&str] = &[
    "type",
    "rules",
    "group-by",
    "timespan",
    "condition",
    "aliases",
    "generate",
];

impl Correlation {
    /// Reads the section.
    pub(crate) fn read(section: Node<'_>, language: Language) -> Read<Self> {
        let entries = entries(section, "correlation")?;
        if let Some((key, _)) = entries
            .iter()
            .find(|(key, _)| !is_key(&key.value, language))
        {
            let reason = format!("'{}' means nothing in a correlation", key.value);
            let trouble = Trouble::new(key.start(), RefusalKind::Item, reason);
            return Err(match nearest(&key.value, KEYS.iter().copied()) {
                Some(near) => trouble.hint(format!("did you mean '{near}'?")),
                None => trouble,
            });
        }
        let required = |key: &str| {
            value(&entries, key).ok_or_else(|| {
                let reason = format!("the correlation has no '{key}'");
                Trouble::new(section.place(), RefusalKind::Item, reason)
                    .hint(format!("add '{key}:'"))
            })
        };
        let kind = kind(required("type")?)?;
        let list = |key: &str| match value(&entries, key) {
            Some(node) if !node.is_null() => texts(node, key),
            _ => Ok(Vec::new()),
        };
        let rules = list("rules")?;
        if rules.is_empty() && (language == Language::Sigma || kind.is_temporal()) {
            required("rules")?;
            let reason = "the correlation names no rules";
            return Err(Trouble::new(section.place(), RefusalKind::Item, reason));
        }
        let timespan_node = required("timespan")?;
        let condition = Condition::read(&entries, kind, section)?;
        Ok(Self {
            kind,
            rules,
            group_by: list("group-by")?,
            timespan_ns: timespan(timespan_node)?,
            timespan: timespan_node.scalar().unwrap_or_default().to_owned(),
            least: condition.least,
            most: condition.most,
            counted: condition.fields,
            aliases: value(&entries, "aliases").map_or_else(|| Ok(Vec::new()), aliases)?,
            generate: flag(&entries, "generate")?,
            place: section.place(),
        })
    }
}

fn is_key(key: &str, language: Language) -> bool {
    let of_sigma = matches!(key, "aliases" | "generate");
    KEYS.contains(&key) && !(of_sigma && language == Language::Falco)
}

fn kind(node: Node<'_>) -> Read<CorrelationKind> {
    let word = node.scalar().unwrap_or_default();
    let found = CorrelationKind::ALL.iter().find(|kind| kind.name() == word);
    found.copied().ok_or_else(|| {
        let names = CorrelationKind::ALL.iter().map(|kind| kind.name());
        let reason = format!("correlations of type '{word}' are not supported here");
        let trouble = Trouble::new(node.place(), RefusalKind::UnsupportedFeature, reason);
        match nearest(word, names) {
            Some(near) => trouble.hint(format!("did you mean '{near}'?")),
            None => trouble.hint("there are event_count, value_count, temporal, temporal_ordered"),
        }
    })
}

/// `15s`, `30m`, `1h`, `7d`, `2w`.
fn timespan(node: Node<'_>) -> Read<u64> {
    let text = node.scalar().unwrap_or_default();
    let unit = text.chars().next_back().unwrap_or(' ');
    let seconds = match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        'w' => Some(604_800),
        _ => None,
    };
    let number = text
        .strip_suffix(unit)
        .and_then(|digits| digits.parse::<u64>().ok());
    let span = seconds
        .zip(number)
        .and_then(|(unit, number)| number.checked_mul(unit)?.checked_mul(1_000_000_000))
        .filter(|&span| span > 0);
    span.ok_or_else(|| {
        let reason = format!("'{text}' is no time span");
        Trouble::new(node.place(), RefusalKind::Item, reason)
            .hint("a number and s, m, h, d or w, as in 90m")
    })
}

fn aliases(node: Node<'_>) -> Read<Vec<Alias>> {
    let alias = |(name, node): (Text, Node<'_>)| {
        let fields = entries(node, "aliases")?.into_iter().map(|(rule, field)| {
            let text = field
                .text()
                .ok_or_else(|| wrong(field, "aliases", "a field"))?;
            Ok((rule, text))
        });
        Ok(Alias {
            name: name.value,
            fields: fields.collect::<Read<_>>()?,
        })
    };
    entries(node, "aliases")?.into_iter().map(alias).collect()
}

fn flag(entries: &Entries<'_>, key: &str) -> Read<bool> {
    match value(entries, key) {
        None => Ok(false),
        Some(node) => match node.scalar() {
            Some("true" | "True" | "yes") => Ok(true),
            Some("false" | "False" | "no") => Ok(false),
            _ => Err(wrong(node, key, "true or false")),
        },
    }
}

/// The section `condition`.
struct Condition {
    least: Option<u64>,
    most: Option<u64>,
    fields: Vec<Text>,
}

impl Condition {
    fn read(all: &Entries<'_>, kind: CorrelationKind, section: Node<'_>) -> Read<Self> {
        let refuse =
            |place, reason: &str| Err(Trouble::new(place, RefusalKind::Item, reason.to_owned()));
        let mut found = Self {
            least: None,
            most: None,
            fields: Vec::new(),
        };
        let Some(node) = value(all, "condition") else {
            if kind.is_temporal() {
                return Ok(found);
            }
            return refuse(section.place(), "the correlation has no 'condition'");
        };
        if let Some(text) = node.text() {
            let reason = "conditions over the names of rules are not supported here";
            return Err(
                Trouble::new(text.start(), RefusalKind::UnsupportedFeature, reason)
                    .hint("as in 'condition: {gte: 3}'"),
            );
        }
        for (key, node) in entries(node, "condition")? {
            if key.value == "field" {
                found.fields = texts(node, "field")?;
                continue;
            }
            let number = || {
                let number = node.scalar().and_then(|text| text.parse::<u64>().ok());
                number.ok_or_else(|| wrong(node, &key.value, "a whole number"))
            };
            let (least, most) = match key.value.as_str() {
                "gt" => (Some(number()?.saturating_add(1)), None),
                "gte" => (Some(number()?), None),
                "lt" => (None, Some(number()?.saturating_sub(1))),
                "lte" => (None, Some(number()?)),
                "eq" => (Some(number()?), Some(number()?)),
                other => {
                    let reason =
                        format!("'{other}' means nothing in the condition of a correlation");
                    return Err(
                        Trouble::new(key.start(), RefusalKind::UnsupportedFeature, reason)
                            .hint("there are gt, gte, lt, lte, eq and field"),
                    );
                }
            };
            found.least = least.or(found.least);
            found.most = most.or(found.most);
        }
        found.check(kind, &node.place())?;
        Ok(found)
    }

    fn check(&mut self, kind: CorrelationKind, place: &Place) -> Read<()> {
        let refuse = |kind, reason: String| Err(Trouble::new(place.clone(), kind, reason));
        if self.least.is_none() && self.most.is_none() {
            return refuse(
                RefusalKind::Item,
                "the condition asks for no number".to_owned(),
            );
        }
        // Without an event there is nothing to count.
        let least = self.least.unwrap_or(1).max(1);
        self.least = Some(least);
        if self.most.is_some_and(|most| most < least) {
            return refuse(
                RefusalKind::Item,
                "the condition can never hold: at least one event is counted".to_owned(),
            );
        }
        let most = match kind {
            CorrelationKind::EventCount => MOST_EVENTS,
            _ => MOST_VALUES,
        };
        if least.max(self.most.unwrap_or(0)) > most {
            return refuse(
                RefusalKind::TooLarge,
                format!("more than {most} cannot be counted"),
            );
        }
        if (kind == CorrelationKind::ValueCount) == self.fields.is_empty() {
            return refuse(
                RefusalKind::Item,
                "'field' belongs to value_count, which needs it".to_owned(),
            );
        }
        if kind == CorrelationKind::TemporalOrdered && self.most.is_some() {
            return refuse(
                RefusalKind::UnsupportedFeature,
                "an ordered correlation can ask for a least number only".to_owned(),
            );
        }
        Ok(())
    }
}
