//! Loading: rule files become a rule set, and a report of everything that did not.

pub(super) mod definitions;
pub(super) mod exceptions;
mod sigma;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use super::compile::Compiler;
use super::correlation::Correlation;
use super::falco::items::{self, Item, Trouble};
use super::falco::resolve;
use super::falco::source::{Place, Text};
use super::lint;
use super::reach::{Names, Reach};
use super::report::{LoadReport, Refusal, RefusalKind, Warning, WarningKind};
use super::set::{Rule, RuleSet};
use super::sigma::Level;
use crate::model::{Priority, RuleInfo};
use definitions::{Collector, RuleDefinition};
use sigma::{Documents, FalcoCorrelation};

/// A rule file in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFile {
    /// Path, for messages.
    pub path: String,
    /// Contents.
    pub text: String,
}

/// What a load may be told.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Value of `evt.hostname`.
    pub hostname: Option<String>,
    /// Rules less urgent than this are loaded disabled.
    pub minimum_priority: Priority,
    /// Sigma rules of a lower level are loaded disabled.
    pub minimum_level: Level,
    /// To warn of exceptions that have ended; `None` warns of none.
    pub now: Option<SystemTime>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            hostname: None,
            minimum_priority: Priority::Debug,
            minimum_level: Level::Informational,
            now: None,
        }
    }
}

/// A rule set with the report of its load.
#[derive(Debug)]
pub struct Loaded {
    /// The rules that could be loaded.
    pub set: RuleSet,
    /// What was refused, and warnings.
    pub report: LoadReport,
}

/// Loads rule files in order. Nothing that is wrong with one rule keeps another from loading.
pub fn load(files: &[RuleFile], options: &LoadOptions) -> Loaded {
    let mut loader = Loader {
        report: LoadReport::default(),
        compiler: Compiler::new(options.hostname.as_deref()),
        digest: set_digest(files).into(),
        minimum_priority: options.minimum_priority,
        minimum_level: options.minimum_level,
    };
    let mut collector = Collector::default();
    let mut documents = Documents::default();
    for file in files {
        for found in items::read(&Arc::from(file.path.as_str()), &file.text) {
            let outcome = found.and_then(|item| match item {
                Item::Sigma(document) => {
                    documents.add(document);
                    Ok(())
                }
                item => collector.add(item),
            });
            if let Err((rule, trouble)) = outcome {
                loader.refuse(rule, trouble);
            }
        }
    }
    let (rules, definitions, warnings) = collector.finish();
    for (rule, place, reason) in warnings {
        loader.warn(rule, &place, reason);
    }
    if let Some(now) = options.now {
        loader.report.warnings.extend(lint::expired(&rules, now));
    }
    // A macro that is broken is reported itself, whether or not a rule uses it.
    for broken in definitions
        .macros
        .values()
        .filter_map(|found| found.parsed.as_ref().err())
    {
        loader.refuse(None, broken.clone());
    }
    let (mut loaded, mut counting) = (Vec::new(), Vec::new());
    for definition in rules {
        let name = definition.name.value.clone();
        match loader.rule(&definition, &definitions) {
            Ok(rule) => match definition.correlation {
                None => loaded.push(rule),
                Some(correlation) => counting.push(FalcoCorrelation { rule, correlation }),
            },
            Err(trouble) if definition.skip_unknown && trouble.kind == RefusalKind::NoSuchField => {
                let reason = format!("the rule is left out as it asks: {}", trouble.reason);
                loader.warn(Some(name), &trouble.place, reason);
            }
            Err(trouble) => loader.refuse(Some(name), trouble),
        }
    }
    let correlations = loader.sigma(&documents, &mut loaded, counting);
    loader.finish(loaded, correlations, files)
}

/// The conditions of all rules as they are written, macros and exceptions in place, by name.
#[cfg(test)]
pub(super) fn conditions(files: &[RuleFile]) -> Vec<(String, resolve::Resolved)> {
    let mut collector = Collector::default();
    for file in files {
        for found in items::read(&Arc::from(file.path.as_str()), &file.text) {
            collector.add(found.unwrap()).unwrap();
        }
    }
    let (rules, definitions, _) = collector.finish();
    let condition = |rule: &RuleDefinition| {
        let text = Rc::new(rule.condition.clone());
        let expression = resolve::parse(&text).unwrap();
        let expanded = resolve::expand(&expression, &text, &definitions).unwrap();
        let exceptions = exceptions::resolved(rule, &definitions).unwrap();
        exceptions::apply(expanded.condition, &exceptions)
    };
    rules
        .iter()
        .map(|rule| (rule.name.value.clone(), condition(rule)))
        .collect()
}

struct Loader {
    report: LoadReport,
    compiler: Compiler,
    digest: Arc<str>,
    minimum_priority: Priority,
    minimum_level: Level,
}

impl Loader {
    fn refuse(&mut self, rule: Option<String>, trouble: Trouble) {
        let Trouble {
            place,
            kind,
            reason,
            hint,
        } = trouble;
        self.report.refused.push(Refusal {
            rule,
            file: place.file.to_string(),
            line: place.line,
            column: place.column,
            kind,
            reason,
            hint,
        });
    }

    fn warn(&mut self, rule: Option<String>, place: &Place, reason: String) {
        self.warn_of(WarningKind::Meaning, rule, place, reason);
    }

    fn warn_of(&mut self, kind: WarningKind, rule: Option<String>, place: &Place, reason: String) {
        let warning = Warning {
            rule,
            file: place.file.to_string(),
            line: place.line,
            column: place.column,
            kind,
            reason,
            hint: None,
        };
        if !self.report.warnings.contains(&warning) {
            self.report.warnings.push(warning);
        }
    }

    fn rule(
        &mut self,
        definition: &RuleDefinition,
        definitions: &resolve::Definitions,
    ) -> Result<Rule, Trouble> {
        let source = &definition.source;
        if let Some(source) = source.as_ref().filter(|source| source.value != "syscall") {
            let reason = format!("no events of source '{}' exist here", source.value);
            return Err(Trouble::new(
                source.start(),
                RefusalKind::UnsupportedFeature,
                reason,
            ));
        }
        let name = &definition.name.value;
        let text = Rc::new(definition.condition.clone());
        let expression = resolve::parse(&text)?;
        let expanded = resolve::expand(&expression, &text, definitions)?;
        let exceptions = exceptions::resolved(definition, definitions)?;
        let condition = exceptions::apply(expanded.condition, &exceptions);
        self.compiler.remarks = expanded.remarks;
        let (condition, reach) = self.compiler.rule(&condition)?;
        // A rule for events that nobody produces needs fields that nobody fills: the events are
        // the reason that its author can act upon.
        self.check_reach(definition, &text, &reach)?;
        self.compiler.unsupported.take().map_or(Ok(()), Err)?;
        let exceptions = self.compiler.exceptions(&exceptions)?;
        let output = self.compiler.output(&Rc::new(definition.output.clone()))?;
        for (place, reason) in std::mem::take(&mut self.compiler.remarks) {
            self.warn(Some(name.clone()), &place, reason);
        }
        let urgent = definition.priority.at_least(self.minimum_priority);
        Ok(Rule {
            info: Arc::new(self.info(definition)),
            event_types: reach.holds.traced,
            enabled: definition.enabled && urgent,
            alerts: true,
            condition,
            exceptions,
            output,
        })
    }

    fn info(&self, definition: &RuleDefinition) -> RuleInfo {
        let Place { file, line, .. } = definition.name.start();
        let tags: Vec<String> = definition
            .tags
            .iter()
            .map(|tag| tag.value.clone())
            .collect();
        RuleInfo {
            name: definition.name.value.clone(),
            id: String::new(),
            author: String::new(),
            level: "",
            references: Vec::new(),
            priority: definition.priority,
            description: definition.description.value.trim().to_owned(),
            attack_ids: tags
                .iter()
                .filter(|tag| is_attack_id(tag))
                .cloned()
                .collect(),
            tags,
            language: "falco",
            file: file.to_string(),
            line,
            set_digest: Arc::clone(&self.digest),
        }
    }

    /// Refuses a rule that needs events nobody produces, and warns of one that gets fewer than it
    /// asks for.
    fn check_reach(
        &mut self,
        definition: &RuleDefinition,
        text: &Text,
        reach: &Reach,
    ) -> Result<(), Trouble> {
        let name = &definition.name.value;
        let holds = &reach.holds;
        match &holds.untraced {
            Names::Only(names) if !names.is_empty() => {
                let list = names
                    .iter()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(", ");
                if holds.traced.is_empty() {
                    return Err(Trouble::new(
                        text.start(),
                        RefusalKind::UntracedEvent,
                        format!("no loaded hook produces the events that the rule needs: {list}"),
                    ));
                }
                let reason =
                    format!("no loaded hook produces {list}: the rule sees its other events only");
                let kind = WarningKind::UntracedEvent;
                self.warn_of(kind, Some(name.clone()), &text.start(), reason);
            }
            Names::Only(_) if holds.traced.is_empty() => {
                self.warn_of(
                    WarningKind::NeverHolds,
                    Some(name.clone()),
                    &text.start(),
                    "the condition never holds".to_owned(),
                );
            }
            Names::Only(_) => {}
            Names::AllBut(_) if definition.warn_event_types => {
                let reason = "the condition names no event type: it is evaluated for all of them";
                let kind = WarningKind::NoEventType;
                self.warn_of(kind, Some(name.clone()), &text.start(), reason.to_owned());
            }
            Names::AllBut(_) => {}
        }
        Ok(())
    }

    fn finish(
        mut self,
        rules: Vec<Rule>,
        correlations: Vec<Correlation>,
        files: &[RuleFile],
    ) -> Loaded {
        let order: BTreeMap<&str, usize> = files
            .iter()
            .map(|file| file.path.as_str())
            .zip(0..)
            .collect();
        let position = |file: &String| order.get(file.as_str()).copied();
        self.report.loaded = rules.len();
        self.report
            .refused
            .sort_by_key(|refusal| (position(&refusal.file), refusal.line, refusal.column));
        self.report
            .warnings
            .sort_by_key(|warning| (position(&warning.file), warning.line, warning.column));
        Loaded {
            set: RuleSet::new(
                self.digest,
                rules,
                self.compiler.leaves,
                self.compiler.written,
            )
            .with_correlations(correlations),
            report: self.report,
        }
    }
}

/// `T1059` or `T1059.004`.
fn is_attack_id(tag: &str) -> bool {
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let Some(number) = tag.strip_prefix('T') else {
        return false;
    };
    match number.split_once('.') {
        None => digits(number, 4),
        Some((technique, part)) => digits(technique, 4) && digits(part, 3),
    }
}

/// SHA-256 over the contents in order, in hexadecimal. Paths do not count: the same rules are the
/// same set.
pub fn set_digest(files: &[RuleFile]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        hash.update((file.text.len() as u64).to_le_bytes());
        hash.update(&file.text);
    }
    hash.finalize()
        .iter()
        .fold(String::new(), |mut text, byte| {
            super::value::append(&mut text, format_args!("{byte:02x}"));
            text
        })
}

/// A rule file or directory that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read rules from {path}: {reason}")]
pub struct ReadError {
    /// Path.
    pub path: PathBuf,
    /// What is wrong.
    pub reason: String,
}

/// Reads rule files: a file as it is, a directory's `*.yaml` and `*.yml` in the order of their
/// names, without the samples.
pub fn read_paths(paths: &[PathBuf]) -> Result<Vec<RuleFile>, ReadError> {
    let mut files = Vec::new();
    for path in paths {
        let error = |error: std::io::Error| failed(path, error.to_string());
        if path.metadata().map_err(error)?.is_dir() {
            let mut names = Vec::new();
            for entry in path.read_dir().map_err(error)? {
                names.push(entry.map_err(error)?.path());
            }
            // A link to nowhere is a rule file that cannot be read, not one that is not there.
            names.retain(|name| is_rule_file(name) && !name.is_dir());
            names.sort();
            if names.is_empty() {
                return Err(failed(path, NO_RULE_FILE.to_owned()));
            }
            for name in names {
                files.push(read_file(&name)?);
            }
        } else {
            files.push(read_file(path)?);
        }
    }
    Ok(files)
}

const NO_RULE_FILE: &str = "the directory holds no *.yaml file";

/// Reads a file or directory as [`read_paths`] does, that need not be there nor hold anything.
pub(super) fn read_optional_path(path: &Path) -> Result<Vec<RuleFile>, ReadError> {
    let missing = |error: std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    if path.metadata().is_err_and(missing) {
        return Ok(Vec::new());
    }
    match read_paths(&[path.to_owned()]) {
        Err(error) if error.reason == NO_RULE_FILE => Ok(Vec::new()),
        read => read,
    }
}

/// Reads the samples that belong to rules: of a directory its `*.samples.yaml`, of a file
/// `topic.yaml` its neighbour `topic.samples.yaml`, if there is one.
pub fn read_sample_paths(paths: &[PathBuf]) -> Result<Vec<RuleFile>, ReadError> {
    let mut files = Vec::new();
    for path in paths {
        let error = |error: std::io::Error| failed(path, error.to_string());
        let mut names = Vec::new();
        if path.metadata().map_err(error)?.is_dir() {
            for entry in path.read_dir().map_err(error)? {
                names.push(entry.map_err(error)?.path());
            }
            names.retain(|name| is_sample_file(name) && name.is_file());
            names.sort();
        } else if is_sample_file(path) {
            names.push(path.clone());
        } else {
            let neighbour = path.with_extension("samples.yaml");
            names.extend(neighbour.is_file().then_some(neighbour));
        }
        for name in names {
            files.push(read_file(&name)?);
        }
    }
    Ok(files)
}

fn failed(path: &Path, reason: String) -> ReadError {
    ReadError {
        path: path.to_owned(),
        reason,
    }
}

/// Whether a file of a directory is one of rules, by its name.
pub fn is_rule_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_yaml = name.ends_with(".yaml") || name.ends_with(".yml");
    is_yaml && !name.contains(".samples.") && !name.starts_with('.')
}

/// Whether a path names a file of samples rather than of rules.
pub fn is_sample_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".samples.yaml") || name.ends_with(".samples.yml")
}

/// Largest rule file: far above any real one, far below what would hurt.
const FILE_LIMIT: u64 = 16 << 20;

fn read_file(path: &Path) -> Result<RuleFile, ReadError> {
    let error = |error: std::io::Error| failed(path, error.to_string());
    let metadata = path.metadata().map_err(error)?;
    if !metadata.is_file() {
        return Err(failed(path, "it is no regular file".to_owned()));
    }
    let length = metadata.len();
    if length > FILE_LIMIT {
        return Err(failed(
            path,
            format!("{length} bytes are more than {FILE_LIMIT}"),
        ));
    }
    Ok(RuleFile {
        path: path.display().to_string(),
        text: std::fs::read_to_string(path).map_err(error)?,
    })
}
