//! `rules`: check, explain, test, list and reload, and try on recordings.

mod backtest;
mod explain;
mod fields;
mod reload;

use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, Subcommand};

use super::run::RunArgs;
use super::{Exit, Failure, Global, client, output};
use crate::config::{Config, OutputFormat};
use crate::detect::{self, LoadOptions, Loaded, RuleFile};
use crate::model::Priority;
use crate::proto::loaded_rule::State;
use crate::proto::rule_service_client::RuleServiceClient;
use crate::proto::{ListRulesRequest, ListRulesResponse, LoadedRule, RuleSetStatus};
use crate::sinks::render::{self, json as schema, severity_word};

/// What to do with rules.
#[derive(Debug, Subcommand)]
pub(super) enum RulesVerb {
    /// Load rules as `run` would and say what is refused, what may surprise and what makes no sense
    Check {
        #[command(flatten)]
        selection: Selection,
        /// Succeed also when rules are refused, as many as this at most
        #[arg(long, value_name = "N", default_value_t = 0)]
        allow_refused: usize,
    },
    /// Say what rules need, what narrows them down, what they cost and what they compare
    Explain(explain::ExplainArgs),
    /// List the fields that rules can ask for
    Fields {
        /// A field, a family such as `proc`, or a pattern with `*`; all fields without one
        #[arg(value_name = "NAME|PATTERN")]
        name: Option<String>,
    },
    /// Run the samples beside rules: events that a rule must fire on, or must not
    Test(TestSelection),
    /// Say which alerts new rules would have made of recordings, against old ones
    Backtest(backtest::BacktestArgs),
    /// List the rules that `run` would load, or those of the running agent
    List {
        #[command(flatten)]
        selection: Selection,
        /// Ask the running agent
        #[arg(long, conflicts_with_all = ["paths", "no_bundled"])]
        running: bool,
    },
    /// Have the running agent read its rule files anew; what cannot be loaded changes nothing
    Reload,
}

/// Which rules.
#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Files and directories, instead of the configured ones
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Leave out the bundled rules
    #[arg(long)]
    no_bundled: bool,
}

/// Which rules to test.
#[derive(Debug, Args)]
pub(super) struct TestSelection {
    /// Files and directories with rules, their `*.samples.yaml` beside them; the bundled rules
    /// without one
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Do not load the bundled rules, with their macros and lists, before these
    #[arg(long, requires = "paths")]
    no_bundled: bool,
}

/// `gravlens rules …`
pub(super) fn run(global: &Global, verb: RulesVerb) -> Result<(), Failure> {
    match verb {
        RulesVerb::Check {
            selection,
            allow_refused,
        } => check(global, &selection, allow_refused),
        RulesVerb::Explain(args) => explain::run(global, &args),
        RulesVerb::Fields { name } => fields::run(global, name.as_deref()),
        RulesVerb::Test(selection) => test(global, &selection),
        RulesVerb::Backtest(args) => backtest::run(global, &args),
        RulesVerb::List { running: true, .. } => running(global),
        RulesVerb::List { selection, .. } => list(global, &selection),
        RulesVerb::Reload => reload::run(global),
    }
}

/// The rule files that are asked for.
fn files(config: &Config, selection: &Selection) -> Result<Vec<RuleFile>, Failure> {
    let mut sources = config.rules.sources();
    sources.bundled &= !selection.no_bundled;
    if !selection.paths.is_empty() {
        sources.paths.clone_from(&selection.paths);
        sources.local = None;
    }
    Ok(sources.read()?)
}

/// What the configuration says of loading.
pub(super) fn load_options(config: &Config) -> LoadOptions {
    LoadOptions {
        minimum_priority: config.rules.min_priority.unwrap_or(Priority::Debug),
        ..load_options_of_named(config)
    }
}

/// The same for files that the command line names: the least priority is that of configured rules.
pub(super) fn load_options_of_named(config: &Config) -> LoadOptions {
    LoadOptions {
        minimum_level: config.rules.sigma_min_level,
        now: Some(SystemTime::now()),
        ..LoadOptions::default()
    }
}

/// Loads and looks for what makes no sense.
fn checked(global: &Global, selection: &Selection) -> Result<Loaded, Failure> {
    let config = global.load(RunArgs::default().flags())?.config;
    let files = files(&config, selection)?;
    Ok(detect::check(&files, &load_options(&config)))
}

fn check(global: &Global, selection: &Selection, allow_refused: usize) -> Result<(), Failure> {
    let report = checked(global, selection)?.report;
    match global.document()? {
        OutputFormat::Text => output::text(&report.to_text())?,
        OutputFormat::Json => output::json(&report)?,
    }
    if report.refused.len() <= allow_refused {
        return Ok(());
    }
    Err(Failure::silent(Exit::RulesRefused))
}

fn test(global: &Global, selection: &TestSelection) -> Result<(), Failure> {
    let (rules, samples) = tested_files(selection)?;
    if samples.is_empty() {
        let message = "no samples stand beside these rules: see docs/rules.md";
        return Err(Failure::new(Exit::Usage, message));
    }
    let loaded = detect::load(&rules, &LoadOptions::default());
    let report = detect::run_sample_files(&loaded.set, &samples);
    for refusal in &loaded.report.refused {
        let detect::Refusal {
            file, line, reason, ..
        } = refusal;
        eprintln!("gravlens: refused: {file}:{line}: {reason}");
    }
    match global.document()? {
        OutputFormat::Text => output::text(&report.to_text())?,
        OutputFormat::Json => output::json(&report)?,
    }
    if report.failures.is_empty() {
        return Ok(());
    }
    Err(Failure::silent(Exit::Failure))
}

/// Rules and samples. The configuration plays no part: samples hold or fail everywhere alike.
fn tested_files(selection: &TestSelection) -> Result<(Vec<RuleFile>, Vec<RuleFile>), Failure> {
    let mut rules = Vec::new();
    if !selection.no_bundled {
        rules.extend(detect::bundled());
    }
    if selection.paths.is_empty() {
        return Ok((rules, detect::bundled_samples()));
    }
    let named = selection.paths.iter();
    let rule_paths: Vec<_> = named
        .filter(|path| !detect::is_sample_file(path))
        .cloned()
        .collect();
    rules.extend(detect::read_paths(&rule_paths)?);
    Ok((rules, detect::read_sample_paths(&selection.paths)?))
}

fn list(global: &Global, selection: &Selection) -> Result<(), Failure> {
    let config = global.load(RunArgs::default().flags())?.config;
    let files = files(&config, selection)?;
    let rules = detect::rule_list(&detect::load(&files, &load_options(&config)).set);
    match global.document()? {
        OutputFormat::Text => output::text(&detect::rule_list_text(&rules)),
        OutputFormat::Json => output::json(&rules),
    }
}

fn running(global: &Global) -> Result<(), Failure> {
    let agent = client::agent(global)?;
    let response = client::runtime()?.block_on(async {
        let mut rules = RuleServiceClient::new(client::connect(&agent).await?)
            .max_decoding_message_size(client::MAX_MESSAGE_BYTES);
        let response = rules.list(ListRulesRequest {}).await?;
        Ok::<_, Failure>(response.into_inner())
    })?;
    match global.document()? {
        OutputFormat::Text => output::text(&running_text(&response)),
        OutputFormat::Json => output::json(&running_json(&response)),
    }
}

/// A set in numbers.
pub(super) fn summary(set: &RuleSetStatus) -> String {
    let RuleSetStatus {
        digest,
        active,
        disabled,
        refused,
        generation,
        without_events,
        ..
    } = set;
    let blind = match without_events {
        0 => String::new(),
        blind => format!(" ({blind} without events)"),
    };
    let time = render::time(set.loaded.as_ref());
    format!(
        "{active} active{blind}, {disabled} disabled, {refused} refused; generation {generation}, \
         loaded {time}, digest {digest}"
    )
}

/// The last reload that failed.
pub(super) fn failed_reload(set: &RuleSetStatus) -> Option<String> {
    let failed = set.failed_reload.as_ref()?;
    let time = render::time(failed.time.as_ref());
    let stands = if failed.standing {
        "the files are not what is in force"
    } else {
        "changed since"
    };
    let reasons = failed.reasons.join("; ");
    Some(format!("{time}, {stands}: {reasons}"))
}

fn state_word(rule: &LoadedRule) -> &'static str {
    match rule.state() {
        State::Unspecified => "unknown",
        State::Active => "active",
        State::Disabled => "disabled",
        State::Refused => "refused",
        State::WithoutEvents => "without events",
    }
}

fn running_text(response: &ListRulesResponse) -> String {
    let mut rows = vec![
        ["PRIORITY", "STATE", "RULE", "ATT&CK", "PLACE"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for entry in &response.rules {
        let rule = entry.rule.clone().unwrap_or_default();
        let mut place = format!("{}:{}", rule.file, rule.line);
        if !entry.reason.is_empty() {
            place.push_str(&format!(" {}", entry.reason));
        }
        rows.push(vec![
            severity_word(entry.severity()).to_owned(),
            state_word(entry).to_owned(),
            rule.name,
            rule.attack_ids.join(","),
            place,
        ]);
    }
    let set = response.set.clone().unwrap_or_default();
    let failed = failed_reload(&set).map(|failed| format!("not reloaded: {failed}\n"));
    format!(
        "{}{}\n{}",
        output::table(&rows),
        summary(&set),
        failed.unwrap_or_default()
    )
}

fn running_json(response: &ListRulesResponse) -> serde_json::Value {
    let rule = |entry: &LoadedRule| {
        let rule = entry.rule.clone().unwrap_or_default();
        serde_json::json!({
            "name": rule.name,
            "priority": severity_word(entry.severity()),
            "state": state_word(entry),
            "reason": entry.reason,
            "tags": rule.tags,
            "attack_ids": rule.attack_ids,
            "description": rule.description,
            "file": rule.file,
            "line": rule.line,
            "id": rule.id,
            "author": rule.author,
        })
    };
    let rules: Vec<_> = response.rules.iter().map(rule).collect();
    serde_json::json!({
        "digest": response.set_digest,
        "set": schema::RuleSet::from(response.set.as_ref()),
        "rules": rules,
    })
}
