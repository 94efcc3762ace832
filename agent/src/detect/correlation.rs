//! Correlations: rules about several matches of others in one container.
//!
//! What they remember lives in the [`Correlator`], which the detection task owns. Time comes from
//! events and ticks, so the same events make the same matches. Memory is bounded: when the groups
//! of all containers take more than [`BYTES`], the group of the container with the most that was
//! seen last the longest time ago is forgotten, and counted.

mod groups;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::eval;
use super::ir::Source;
use super::set::{NOT_SHOWN, RuleIndex, RuleSet};
use super::sigma::correlation::CorrelationKind;
use crate::model::{ContainerView, Event, Finding, MatchedTerm};
use groups::{Groups, Key, Sighting, Whose};

/// Memory that all groups may take, in bytes, as far as it grows with what is seen.
const BYTES: usize = 8 << 20;

/// A correlation of a set.
#[derive(Debug)]
pub(crate) struct Correlation {
    /// The rule that its matches are alerts of.
    pub(crate) rule: RuleIndex,
    pub(crate) kind: CorrelationKind,
    pub(crate) members: Vec<Member>,
    /// Names of the fields that tell groups apart.
    pub(crate) group_by: Vec<String>,
    pub(crate) timespan_ns: u64,
    /// The same as written.
    pub(crate) timespan: String,
    /// Fewest that make a match.
    pub(crate) least: u64,
    /// Most that make one: it is decided when the time is over.
    pub(crate) most: Option<u64>,
    /// Its matches are alerts; else they only count for other correlations.
    pub(crate) alerts: bool,
}

/// A rule whose matches count.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) rule: RuleIndex,
    /// What counts are the matches of the rule's own correlation.
    pub(crate) correlated: bool,
    /// Values of the fields that tell groups apart.
    pub(crate) group: Box<[Source]>,
    /// Values of the fields that are counted.
    pub(crate) counted: Box<[Source]>,
}

/// The correlations of a set.
#[derive(Debug, Default)]
pub(crate) struct Correlations {
    list: Vec<Correlation>,
    by_member: HashMap<(RuleIndex, bool), Vec<(usize, usize)>>,
}

impl Correlations {
    pub(crate) fn new(list: Vec<Correlation>) -> Self {
        let mut by_member: HashMap<_, Vec<_>> = HashMap::new();
        for (index, correlation) in list.iter().enumerate() {
            for (position, member) in correlation.members.iter().enumerate() {
                let places = by_member
                    .entry((member.rule, member.correlated))
                    .or_default();
                places.push((index, position));
            }
        }
        Self { list, by_member }
    }

    /// Some of them counts, or tells apart, by an environment.
    pub(crate) fn are_secret(&self) -> bool {
        let mut members = self.list.iter().flat_map(|it| &it.members);
        members.any(|member| {
            let mut sources = member.group.iter().chain(&member.counted);
            sources.any(Source::is_secret)
        })
    }

    fn of(&self, rule: RuleIndex, correlated: bool) -> &[(usize, usize)] {
        let places = self.by_member.get(&(rule, correlated));
        places.map_or(&[], Vec::as_slice)
    }
}

/// A match of a correlation.
#[derive(Debug)]
pub struct Correlated {
    /// The correlation's rule.
    pub rule: RuleIndex,
    /// The event that made the match; where the end of the time decides, the last one.
    pub event: Event<'static>,
    /// What to tell people.
    pub finding: Finding,
}

/// What correlations remember.
#[derive(Debug, Default)]
pub struct Correlator {
    /// Digest of the set that the groups belong to.
    set: Option<Arc<str>>,
    groups: Groups,
}

impl Correlator {
    /// Something waits for time to pass.
    pub fn is_waiting(&self) -> bool {
        self.groups.are_ending()
    }

    /// Groups that had to be forgotten since this was asked last.
    pub fn take_forgotten(&mut self) -> u64 {
        self.groups.take_forgotten()
    }

    /// A rule matched an event. Returns what correlations make of it, at that time.
    pub fn observe(
        &mut self,
        set: &RuleSet,
        rule: RuleIndex,
        event: &Event<'_>,
        now_ns: u64,
    ) -> Vec<Correlated> {
        if set.correlations().list.is_empty() {
            return Vec::new();
        }
        let mut found = self.expire(set, now_ns);
        self.follow(set, rule, false, event, &mut found);
        found
    }

    /// Time passed.
    pub fn expire(&mut self, set: &RuleSet, now_ns: u64) -> Vec<Correlated> {
        self.belong_to(set);
        let mut found = Vec::new();
        while let Some((key, group)) = self.groups.take_due(now_ns) {
            let correlation = &set.correlations().list[key.correlation];
            let count = group.count();
            let in_range = count >= correlation.least && Some(count) <= correlation.most;
            if let (true, Some(event)) = (in_range, group.last) {
                if correlation.alerts {
                    found.push(matched(set, correlation, &key, count, &event));
                }
                self.follow(set, correlation.rule, true, &event, &mut found);
            }
        }
        found
    }

    /// Groups of another set mean nothing in this one.
    fn belong_to(&mut self, set: &RuleSet) {
        if self.set.as_deref() != Some(set.digest()) {
            self.groups = Groups::default();
            self.set = Some(set.digest().into());
        }
    }

    /// Counts a match, and the matches that it completes.
    fn follow(
        &mut self,
        set: &RuleSet,
        rule: RuleIndex,
        correlated: bool,
        event: &Event<'_>,
        found: &mut Vec<Correlated>,
    ) {
        let mut open = VecDeque::from([(rule, correlated)]);
        while let Some((rule, correlated)) = open.pop_front() {
            for &(index, position) in set.correlations().of(rule, correlated) {
                let correlation = &set.correlations().list[index];
                if let Some((key, count)) = self.add(correlation, index, position, event) {
                    if correlation.alerts {
                        found.push(matched(set, correlation, &key, count, event));
                    }
                    // Loading refuses circles.
                    open.push_back((correlation.rule, true));
                }
            }
        }
    }

    /// Adds a match to its group; returns the group and its count if that makes a match.
    fn add(
        &mut self,
        correlation: &Correlation,
        index: usize,
        position: usize,
        event: &Event<'_>,
    ) -> Option<(Key, u64)> {
        let member = &correlation.members[position];
        let read = |sources: &[Source]| -> Box<[Option<Box<str>>]> {
            let value = |source| eval::shown(source, event).map(String::into_boxed_str);
            sources.iter().map(value).collect()
        };
        let key = Key {
            correlation: index,
            whose: whose(&event.container),
            values: read(&member.group),
        };
        let value = match correlation.kind {
            CorrelationKind::ValueCount => {
                let values = read(&member.counted);
                // What is not there is no value.
                if values.iter().all(Option::is_none) {
                    return None;
                }
                Some(values)
            }
            _ => None,
        };
        let sighting = Sighting {
            at_ns: event.boot_ns,
            number: event.number,
            member: position,
            value,
        };
        let count = self.groups.add(correlation, &key, sighting, event);
        self.groups.shrink_to(BYTES);
        let count = count.filter(|count| *count >= correlation.least)?;
        self.groups.remove(&key);
        Some((key, count))
    }
}

fn whose(container: &ContainerView) -> Whose {
    match container {
        ContainerView::Host(_) => Whose::Node,
        ContainerView::Container(container) => Whose::Container(container.id.as_str().into()),
        ContainerView::Unknown { cgroup_id, .. } => Whose::Cgroup(*cgroup_id),
    }
}

fn matched(
    set: &RuleSet,
    correlation: &Correlation,
    key: &Key,
    count: u64,
    event: &Event<'_>,
) -> Correlated {
    let mut finding = set.finding(correlation.rule, event);
    let operator = match correlation.most {
        None => ">=".to_owned(),
        Some(most) if most == correlation.least => "=".to_owned(),
        Some(most) => format!("<= {most} and >="),
    };
    let info = Arc::clone(&finding.rule);
    let term = |field: &str, operator: &str, operand: String, value| MatchedTerm {
        field: field.to_owned(),
        operator: operator.to_owned(),
        operand,
        value,
        negated: false,
        met_at: None,
        file: info.file.clone(),
        line: info.line,
        column: 1,
        macros: Vec::new(),
    };
    let is_secret = |position: usize| {
        let mut members = correlation.members.iter();
        members.any(|member| member.group[position].is_secret())
    };
    let groups = correlation.group_by.iter().zip(&key.values).enumerate();
    let groups = groups.map(|(position, (field, value))| {
        let value = match value.as_deref() {
            Some(_) if is_secret(position) => Some(NOT_SHOWN.to_owned()),
            value => value.map(str::to_owned),
        };
        term(field, "group-by", String::new(), value)
    });
    let operand = format!("{} within {}", correlation.least, correlation.timespan);
    let value = Some(count.to_string());
    let counted = term(correlation.kind.name(), &operator, operand, value);
    finding
        .evidence
        .splice(..0, std::iter::once(counted).chain(groups));
    Correlated {
        rule: correlation.rule,
        event: event.to_owned(),
        finding,
    }
}
