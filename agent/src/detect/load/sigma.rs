//! Sigma: documents become rules of the same set, and correlations between rules.

mod correlations;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use super::super::compile::sigma::SigmaCompiler;
use super::super::falco::items::Trouble;
use super::super::falco::source::{Place, Text};
use super::super::ir::{Exception, Node};
use super::super::report::RefusalKind;
use super::super::set::Rule;
use super::super::sigma::Level;
use super::super::sigma::document::{CorrelationRule, Document, Filter, Meta, SigmaRule};
use super::super::sigma::logsource::{CONTAINER, Source};
use super::Loader;
use crate::model::RuleInfo;

pub(super) use correlations::FalcoCorrelation;

/// The documents of all files, in order.
#[derive(Debug, Default)]
pub(super) struct Documents {
    rules: Vec<SigmaRule>,
    correlations: Vec<CorrelationRule>,
    filters: Vec<Filter>,
}

/// A rule as others may refer to it.
#[derive(Debug)]
struct Known {
    /// Position among the loaded rules.
    index: usize,
    /// Id, name and title.
    names: Vec<String>,
    /// Log source; `None` for Falco's rules.
    source: Option<Source>,
    /// It is loaded disabled for its level only.
    below_level: bool,
}

impl Known {
    fn is_called(&self, reference: &str) -> bool {
        self.names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(reference))
    }
}

impl Documents {
    pub(super) fn add(&mut self, document: Document) {
        match document {
            Document::Rule(rule) => self.rules.push(*rule),
            Document::Correlation(rule) => self.correlations.push(*rule),
            Document::Filter(filter) => self.filters.push(*filter),
        }
    }
}

impl Loader {
    /// Compiles the documents behind the rules that are loaded already, of which some wait for
    /// their correlation. Returns the correlations.
    pub(super) fn sigma(
        &mut self,
        documents: &Documents,
        loaded: &mut Vec<Rule>,
        falco: Vec<FalcoCorrelation>,
    ) -> Vec<super::super::correlation::Correlation> {
        let mut known: Vec<Known> = Vec::new();
        for (index, rule) in loaded.iter().enumerate() {
            known.push(Known {
                index,
                names: vec![rule.info.name.clone()],
                source: None,
                below_level: false,
            });
        }
        let mut taken = self.taken(loaded, &falco);
        let mut refused = HashSet::new();
        self.check_filters(documents);
        for rule in &documents.rules {
            let outcome = taken
                .claim(&rule.meta)
                .and_then(|()| self.sigma_rule(rule, &documents.filters, &mut refused));
            match outcome {
                Ok((compiled, source)) => {
                    let below_level = !compiled.enabled;
                    known.push(Known {
                        index: loaded.len(),
                        names: names(&rule.meta),
                        source: Some(source),
                        below_level,
                    });
                    loaded.push(compiled);
                }
                Err(trouble) => self.refuse(Some(rule.meta.title.value.clone()), trouble),
            }
        }
        self.correlate(documents, &mut taken, loaded, known, falco)
    }

    fn taken(&self, loaded: &[Rule], falco: &[FalcoCorrelation]) -> Taken {
        let waiting = falco.iter().map(|waiting| &waiting.rule);
        let names = loaded.iter().chain(waiting).map(|rule| {
            let place = format!("{}:{}", rule.info.file, rule.info.line);
            (rule.info.name.clone(), place)
        });
        Taken {
            names: names.collect(),
        }
    }

    fn sigma_rule(
        &mut self,
        rule: &SigmaRule,
        filters: &[Filter],
        refused: &mut HashSet<usize>,
    ) -> Result<(Rule, Source), Trouble> {
        let meta = &rule.meta;
        let title = meta.title.value.clone();
        let source = rule.source.source()?;
        let mut compiler = SigmaCompiler::new(&mut self.compiler, source);
        // Alone first: what is wrong with a filter is not the rule's trouble.
        compiler.detection(&rule.detection)?;
        let mut applied = Vec::new();
        let mut exceptions = Vec::new();
        let mut broken = Vec::new();
        for (position, filter) in filters.iter().enumerate() {
            if !applies(filter, rule) {
                continue;
            }
            match SigmaCompiler::new(&mut self.compiler, source).detection(&filter.detection) {
                Ok((node, _)) => {
                    applied.push(&filter.detection);
                    exceptions.push(left_out(filter, node));
                }
                Err(trouble) => broken.push((position, trouble)),
            }
        }
        for (position, trouble) in broken {
            if refused.insert(position) {
                let title = filters[position].meta.title.value.clone();
                self.refuse(Some(title), trouble);
            }
        }
        self.compiler.remarks.clear();
        let mut compiler = SigmaCompiler::new(&mut self.compiler, source);
        let (condition, reach) =
            compiler.rule(&rule.detection, applied.into_iter(), &rule.source.place)?;
        for (place, reason) in std::mem::take(&mut self.compiler.remarks) {
            self.warn(Some(title.clone()), &place, reason);
        }
        if let Some(status) = &meta.status
            && ["deprecated", "unsupported"].contains(&status.value.as_str())
        {
            let reason = format!("its author calls the rule {}", status.value);
            self.warn(Some(title.clone()), &status.start(), reason);
        }
        if reach.holds.traced.is_empty() {
            let reason = "the condition never holds".to_owned();
            self.warn(Some(title), &meta.title.start(), reason);
        }
        let output = format!("{} {CONTAINER}", source.output());
        let level = meta.level.unwrap_or(Level::Medium);
        let mut compiled = self.rule_of(meta, level, &output)?;
        compiled.event_types = reach.holds.traced;
        compiled.condition = condition;
        compiled.exceptions = exceptions;
        Ok((compiled, source))
    }

    /// A rule that never holds, with all that the document tells of it.
    fn rule_of(&mut self, meta: &Meta, level: Level, output: &str) -> Result<Rule, Trouble> {
        let title = meta.title.value.replace('%', "%%");
        let template = Text::made(&format!("{title} | {output}"));
        let priority = level.priority();
        let enabled = level >= self.minimum_level && priority.at_least(self.minimum_priority);
        Ok(Rule {
            info: Arc::new(self.sigma_info(meta, level)),
            event_types: super::super::event_types::EventTypes::NONE,
            enabled,
            alerts: true,
            exceptions: Vec::new(),
            condition: Node::Or(Box::default()),
            output: self.compiler.output(&Rc::new(template))?,
        })
    }

    fn sigma_info(&self, meta: &Meta, level: Level) -> RuleInfo {
        let Place { file, line, .. } = meta.title.start();
        let text =
            |text: &Option<Text>| text.as_ref().map_or_else(String::new, |t| t.value.clone());
        let tags: Vec<String> = meta.tags.iter().map(|tag| tag.value.clone()).collect();
        RuleInfo {
            name: meta.title.value.clone(),
            id: text(&meta.id),
            author: meta.author.clone(),
            level: level.name(),
            references: meta.references.clone(),
            priority: level.priority(),
            description: meta.description.clone(),
            attack_ids: tags.iter().filter_map(|tag| attack_id(tag)).collect(),
            tags,
            language: "sigma",
            file: file.to_string(),
            line,
            set_digest: Arc::clone(&self.digest),
        }
    }

    /// Warns of filters that do not do what their authors may expect.
    fn check_filters(&mut self, documents: &Documents) {
        for filter in &documents.filters {
            let title = &filter.meta.title;
            let name = Some(title.value.clone());
            for reference in &filter.rules {
                let mut rules = documents.rules.iter();
                if !rules.any(|rule| is_called(&rule.meta, &reference.value)) {
                    let reason = format!("no rule has the id or the name '{}'", reference.value);
                    self.warn(name.clone(), &reference.start(), reason);
                }
            }
            if !documents.rules.iter().any(|rule| applies(filter, rule)) {
                let reason = "the filter changes no rule".to_owned();
                self.warn(name.clone(), &title.start(), reason);
            }
            for condition in &filter.detection.conditions {
                let mut words = condition.value.split(|c: char| !c.is_alphanumeric());
                if !words.any(|word| word.eq_ignore_ascii_case("not")) {
                    let reason = "the condition is added with 'and': the rules fire on what it \
                                  selects only; to leave that out write 'not' before it";
                    self.warn(name.clone(), &condition.start(), reason.to_owned());
                }
            }
        }
    }
}

/// Names that rules have, with the places of their definition.
#[derive(Debug)]
struct Taken {
    names: HashMap<String, String>,
}

impl Taken {
    /// Takes title and id of a document; refuses those that others have.
    fn claim(&mut self, meta: &Meta) -> Result<(), Trouble> {
        for name in [Some(&meta.title), meta.id.as_ref()].into_iter().flatten() {
            if let Some(place) = self.names.get(&name.value) {
                let reason = format!("a rule is called '{}' already, at {place}", name.value);
                return Err(Trouble::new(name.start(), RefusalKind::Item, reason));
            }
        }
        let Place { file, line, .. } = meta.title.start();
        for name in [Some(&meta.title), meta.id.as_ref()].into_iter().flatten() {
            self.names
                .insert(name.value.clone(), format!("{file}:{line}"));
        }
        Ok(())
    }
}

fn names(meta: &Meta) -> Vec<String> {
    let names = [meta.id.as_ref(), meta.name.as_ref(), Some(&meta.title)];
    let names = names.into_iter().flatten();
    names.map(|name| name.value.clone()).collect()
}

fn is_called(meta: &Meta, reference: &str) -> bool {
    names(meta)
        .iter()
        .any(|name| name.eq_ignore_ascii_case(reference))
}

/// The filter is for the rule: it names it, or no rule at all, and its log source covers the
/// rule's.
fn applies(filter: &Filter, rule: &SigmaRule) -> bool {
    let named = filter.rules.is_empty()
        || filter
            .rules
            .iter()
            .any(|name| is_called(&rule.meta, &name.value));
    named
        && filter
            .source
            .as_ref()
            .is_none_or(|source| source.covers(&rule.source))
}

/// What a filter leaves out, as an exception of the rule.
fn left_out(filter: &Filter, node: Node) -> Exception {
    let excepted = match node {
        Node::Not(excepted) => *excepted,
        other => Node::Not(Box::new(other)),
    };
    Exception {
        name: filter.meta.title.value.clone(),
        alternatives: Box::new([excepted]),
    }
}

/// `attack.t1059.004` is the technique T1059.004.
fn attack_id(tag: &str) -> Option<String> {
    let id = tag
        .to_ascii_lowercase()
        .strip_prefix("attack.")?
        .to_ascii_uppercase();
    super::is_attack_id(&id).then_some(id)
}
