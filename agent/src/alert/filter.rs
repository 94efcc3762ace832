//! Which records a subscriber wants. Evaluated in three values: what is not known yet neither
//! admits nor excludes, so a record is kept back only for a reason that holds.

mod labels;

use std::collections::HashMap;

use labels::LabelSelector;

use super::Facts;
use super::facts::{ContainerFacts, Kind, RuleFacts};
use crate::model::pod_labels;
use crate::proto::{self, RecordKind};

const MAX_SELECTORS: usize = 64;
const MAX_PATTERNS: usize = 1_000;
const MAX_PATTERN_BYTES: usize = 512;
/// Far more than there are kinds.
const MAX_KINDS: usize = 16;
const MIN_ID_DIGITS: usize = 6;

/// Why a filter is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Too many selectors.
    #[error("the filter has {0} selectors; at most {MAX_SELECTORS} are allowed")]
    TooManySelectors(usize),
    /// Too many patterns.
    #[error("the filter has {0} patterns; at most {MAX_PATTERNS} are allowed")]
    TooManyPatterns(usize),
    /// An empty pattern, which would match nothing.
    #[error("a pattern of the filter is empty")]
    EmptyPattern,
    /// A long pattern.
    #[error("a pattern of the filter has {0} bytes; at most {MAX_PATTERN_BYTES} are allowed")]
    LongPattern(usize),
    /// Not a container id.
    #[error("{0:?} is no container id: give `host` or at least {MIN_ID_DIGITS} hexadecimal digits")]
    NoContainerId(String),
    /// Not a label selector.
    #[error(
        "{selector:?} is no label selector: {why}; write requirements such as `app=web`, \
         `tier in (a,b)`, `team`, `!team`, joined by commas"
    )]
    NoLabelSelector {
        /// As it was given.
        selector: String,
        /// What is wrong with it.
        why: String,
    },
    /// Too many kinds.
    #[error("`kinds` has {0} elements; at most {MAX_KINDS} are allowed")]
    TooManyKinds(usize),
    /// A number that no kind of record has.
    #[error("{0} is no kind of record")]
    NoKind(i32),
    /// A number that no severity has.
    #[error("{0} is no severity")]
    NoSeverity(i32),
}

/// A filter that was checked.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Severities are numbered in rising order.
    min: i32,
    /// Empty: all.
    kinds: Vec<Kind>,
    allow: Vec<Selector>,
    deny: Vec<Selector>,
}

#[derive(Clone, Debug)]
struct Selector {
    wanted: proto::Selector,
    labels: Vec<LabelSelector>,
}

/// The answer to "does it match?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    Yes,
    No,
    Unknown,
}

impl From<bool> for Match {
    fn from(matches: bool) -> Self {
        if matches { Self::Yes } else { Self::No }
    }
}

impl Filter {
    /// Checks a filter from a request.
    ///
    /// # Errors
    /// See [`FilterError`].
    pub fn new(filter: proto::Filter) -> Result<Self, FilterError> {
        let selectors = filter.allow.len() + filter.deny.len();
        if selectors > MAX_SELECTORS {
            return Err(FilterError::TooManySelectors(selectors));
        }
        check_patterns(filter.allow.iter().chain(&filter.deny))?;
        let compile = |selectors: Vec<_>| -> Result<Vec<_>, _> {
            selectors.into_iter().map(Selector::new).collect()
        };
        Ok(Self {
            min: least(filter.min_severity)?,
            kinds: kinds(&filter.kinds)?,
            allow: compile(filter.allow)?,
            deny: compile(filter.deny)?,
        })
    }

    /// How much there is to compare with a record, at most.
    pub(super) fn effort(&self) -> usize {
        let selectors = self.allow.iter().chain(&self.deny);
        1 + selectors.map(Selector::effort).sum::<usize>()
    }

    /// Whether a record passes.
    pub fn admits(&self, facts: &Facts) -> bool {
        let severe = facts
            .rule
            .as_ref()
            .is_none_or(|rule| rule.severity >= self.min);
        let kind = facts.kind();
        let wanted = self.kinds.is_empty() || self.kinds.contains(&kind);
        kind == Kind::Gap || severe && wanted && self.selectors_admit(facts)
    }

    fn selectors_admit(&self, facts: &Facts) -> bool {
        let allowed =
            self.allow.is_empty() || self.allow.iter().any(|s| s.matches(facts) != Match::No);
        allowed && !self.deny.iter().any(|s| s.matches(facts) == Match::Yes)
    }
}

fn least(number: i32) -> Result<i32, FilterError> {
    match proto::Severity::try_from(number) {
        Ok(severity) => Ok(severity.into()),
        Err(_) => Err(FilterError::NoSeverity(number)),
    }
}

fn kinds(numbers: &[i32]) -> Result<Vec<Kind>, FilterError> {
    if numbers.len() > MAX_KINDS {
        return Err(FilterError::TooManyKinds(numbers.len()));
    }
    numbers.iter().copied().map(kind).collect()
}

fn kind(number: i32) -> Result<Kind, FilterError> {
    match RecordKind::try_from(number) {
        Ok(RecordKind::Alert) => Ok(Kind::Alert),
        Ok(RecordKind::Amend) => Ok(Kind::Amend),
        Ok(RecordKind::Loss) => Ok(Kind::Loss),
        Ok(RecordKind::Throttle) => Ok(Kind::Throttle),
        Ok(RecordKind::Unspecified) | Err(_) => Err(FilterError::NoKind(number)),
    }
}

fn check_patterns<'a>(
    selectors: impl Iterator<Item = &'a proto::Selector>,
) -> Result<(), FilterError> {
    let mut count = 0;
    for selector in selectors {
        for pattern in lists(selector).into_iter().flatten() {
            count += 1;
            match pattern.len() {
                0 => return Err(FilterError::EmptyPattern),
                1..=MAX_PATTERN_BYTES => {}
                length => return Err(FilterError::LongPattern(length)),
            }
        }
        if let Some(bad) = selector.container_ids.iter().find(|id| !is_id_prefix(id)) {
            return Err(FilterError::NoContainerId(bad.clone()));
        }
    }
    if count > MAX_PATTERNS {
        return Err(FilterError::TooManyPatterns(count));
    }
    Ok(())
}

fn lists(selector: &proto::Selector) -> [&Vec<String>; 10] {
    [
        &selector.rules,
        &selector.tags,
        &selector.attack_ids,
        &selector.container_ids,
        &selector.container_names,
        &selector.images,
        &selector.event_types,
        &selector.namespaces,
        &selector.pods,
        &selector.label_selectors,
    ]
}

fn is_id_prefix(text: &str) -> bool {
    text == HOST || text.len() >= MIN_ID_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

const HOST: &str = "host";

impl Selector {
    fn new(wanted: proto::Selector) -> Result<Self, FilterError> {
        let parse = |selector: &String| {
            LabelSelector::parse(selector).map_err(|why| FilterError::NoLabelSelector {
                selector: selector.clone(),
                why,
            })
        };
        let labels = wanted.label_selectors.iter().map(parse);
        Ok(Self {
            labels: labels.collect::<Result<_, _>>()?,
            wanted,
        })
    }

    fn effort(&self) -> usize {
        let patterns = lists(&self.wanted).into_iter().map(Vec::len).sum::<usize>();
        let labels = self.labels.iter().map(LabelSelector::effort).sum::<usize>();
        1 + patterns + labels
    }

    /// An addition goes where its alert went, so both are judged by what the alert told.
    fn matches(&self, facts: &Facts) -> Match {
        let rule = match &facts.rule {
            Some(rule) => self.matches_rule(rule),
            None => self.rule_unknown(),
        };
        let container = match &facts.container {
            Some(container) => self.matches_container(container),
            None => self.matches_container(&ContainerFacts::default()),
        };
        let event = known(
            &self.wanted.event_types,
            facts.event_type.as_ref(),
            |name, pattern| glob(pattern, name),
        );
        both(event, both(rule, container))
    }

    fn matches_rule(&self, rule: &RuleFacts) -> Match {
        let wanted = &self.wanted;
        let any_tag = |pattern: &str| rule.tags.iter().any(|tag| glob(pattern, tag));
        let any_id = |pattern: &str| rule.attack_ids.iter().any(|id| covers(pattern, id));
        let yes = any(&wanted.rules, |pattern| glob(pattern, &rule.name))
            && any(&wanted.tags, any_tag)
            && any(&wanted.attack_ids, any_id);
        yes.into()
    }

    fn rule_unknown(&self) -> Match {
        let wanted = &self.wanted;
        unknown_unless(
            wanted.rules.is_empty() && wanted.tags.is_empty() && wanted.attack_ids.is_empty(),
        )
    }

    fn matches_container(&self, container: &ContainerFacts) -> Match {
        let wanted = &self.wanted;
        if container.host {
            let asks_nothing_else = wanted.container_names.is_empty()
                && wanted.images.is_empty()
                && wanted.namespaces.is_empty()
                && wanted.pods.is_empty()
                && self.labels.is_empty();
            return (any(&wanted.container_ids, |id| id == HOST) && asks_nothing_else).into();
        }
        let id = known(
            &wanted.container_ids,
            container.id.as_ref(),
            |id, prefix| has_prefix(id, prefix),
        );
        let name = known(
            &wanted.container_names,
            container.name.as_ref(),
            |name, pattern| glob(pattern, name),
        );
        let image = known(
            &wanted.images,
            container.image.as_ref(),
            |image, pattern| glob(pattern, &image.reference) || glob(pattern, &image.repository),
        );
        let labels = container.labels.as_ref().map(|facts| &facts.labels);
        both(both(id, name), both(image, self.matches_labels(labels)))
    }

    fn matches_labels(&self, labels: Option<&HashMap<String, String>>) -> Match {
        let labelled = |patterns: &[String], label: &str| {
            known(patterns, labels, |labels, pattern| {
                let value = labels.get(label);
                value.is_some_and(|value| glob(pattern, value))
            })
        };
        let namespace = labelled(&self.wanted.namespaces, pod_labels::NAMESPACE);
        let pod = labelled(&self.wanted.pods, pod_labels::NAME);
        let selected = match labels {
            Some(labels) => {
                let matches = |selector: &LabelSelector| selector.matches(labels);
                Match::from(self.labels.is_empty() || self.labels.iter().any(matches))
            }
            None => unknown_unless(self.labels.is_empty()),
        };
        both(namespace, both(pod, selected))
    }
}

/// Whether what may be known matches one of the patterns.
fn known<T>(patterns: &[String], fact: Option<&T>, matches: impl Fn(&T, &str) -> bool) -> Match {
    match fact {
        Some(fact) => any(patterns, |pattern| matches(fact, pattern)).into(),
        None => unknown_unless(patterns.is_empty()),
    }
}

fn both(left: Match, right: Match) -> Match {
    match (left, right) {
        (Match::No, _) | (_, Match::No) => Match::No,
        (Match::Yes, Match::Yes) => Match::Yes,
        _ => Match::Unknown,
    }
}

fn unknown_unless(nothing_asked: bool) -> Match {
    if nothing_asked {
        Match::Yes
    } else {
        Match::Unknown
    }
}

fn any(patterns: &[String], matches: impl Fn(&str) -> bool) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern))
}

/// `T1059` covers `T1059.004`.
fn covers(wanted: &str, id: &str) -> bool {
    id.strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn has_prefix(id: &str, prefix: &str) -> bool {
    id.get(..prefix.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
}

/// Matches with `*` for any number of characters. What stands between two of them is looked for
/// behind what came before, so the time is that of reading pattern and text once.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let text = text.strip_prefix(begin);
    let Some(mut text) = text.and_then(|text| text.strip_suffix(end)) else {
        return false;
    };
    for part in middle.split('*') {
        let Some((_, after)) = text.split_once(part) else {
            return false;
        };
        text = after;
    }
    true
}

#[cfg(test)]
mod tests;
