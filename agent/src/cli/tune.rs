//! `tune`: from an alert to the exception that hides it and as little else as can be.

mod history;
mod item;
mod local_file;
mod proposal;
mod report;
mod values;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::Args;

use super::run::RunArgs;
use super::{Exit, Failure, Global, alerts, client, output};
use crate::config::{Config, OutputFormat};
use crate::detect::{self, LoadReport, RuleFile, SampleEvent, Truth};
use crate::proto::Alert;
use item::Item;
use local_file::LocalFile;
use proposal::Proposal;
use report::Report;

/// Where `rules.local` is a directory, the file in it.
const OWN_FILE: &str = "exceptions.yaml";

/// Which alert, and what to do about it.
#[derive(Debug, Args)]
pub(super) struct TuneArgs {
    /// Id of the alert, as every alert has it
    id: String,
    /// Take this proposal: 1 is the narrowest
    #[arg(long, value_name = "N", default_value_t = 1)]
    level: usize,
    /// Look at alerts from this time (RFC 3339) or age (30s, 10m, 2h, 1d) on [default: all kept]
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Add the exception to the file, which a running agent takes over by itself
    #[arg(long, requires = "reason")]
    write: bool,
    /// File with your own rules, which need not be there yet [default: rules.local, or
    /// exceptions.yaml in it]
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Who answers for the exception [default: who is logged in]
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Why the alert is none
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Last day of the exception (2026-12-31), how long it holds (30d), or `never`
    #[arg(long, value_name = "DATE|DAYS", default_value = "90d")]
    expires: String,
}

/// `gravlens tune`
pub(super) fn run(global: &Global, args: &TuneArgs) -> Result<(), Failure> {
    let config = global.load(RunArgs::default().flags())?.config;
    let now = SystemTime::now();
    // What is wrong with the arguments is told before the agent is asked.
    let file = local_file(&config, args)?;
    let expires = item::expiry(&args.expires, now)
        .map_err(|why| Failure::new(Exit::Usage, format!("--expires {}: {why}", args.expires)))?;
    let since = args
        .since
        .as_deref()
        .map(|since| alerts::since(since, now))
        .transpose()?;
    let agent = client::agent(global)?;
    let (alert, history) = client::runtime()?.block_on(async {
        let alert = history::alert(&agent, &args.id).await?;
        let rule = alert.rule.clone().unwrap_or_default();
        can_have_exceptions(&rule.name, &rule.language)?;
        let history = history::of_rule(&agent, &rule.name, since).await?;
        Ok::<_, Failure>((alert, history))
    })?;
    // Its container may have become known only later.
    let amended = history
        .iter()
        .find(|recorded| recorded.alert.id == alert.id);
    let alert = amended.map_or(alert, |recorded| recorded.alert.clone());
    let proposals = proposal::proposals(&alert);
    let chosen = choose(&proposals, args)?;
    let item = Item {
        alert: &alert,
        proposal: chosen,
        owner: args.owner.clone().or_else(logged_in),
        reason: args.reason.clone(),
        expires,
    };
    if args.write && item.owner.is_none() {
        return Err(Failure::new(
            Exit::Usage,
            "--write: nobody is logged in; name an --owner",
        ));
    }
    let text = item.text();
    let mut report = Report::new(&alert, &proposals, chosen, &history, text.clone());
    if let Some(file) = &file {
        let new = file.with(&text);
        let checked = check(&config, file, &new, &item)?;
        report.about_file(file.name(), &checked, args.write);
        if args.write {
            file.write(&new)?;
        }
    }
    match global.document()? {
        OutputFormat::Text => output::text(&report.to_text()),
        OutputFormat::Json => output::json(&report),
    }
}

/// The file that is named, or the configured one: that is looked at only if it can be there.
fn local_file(config: &Config, args: &TuneArgs) -> Result<Option<LocalFile>, Failure> {
    if let Some(path) = &args.file {
        return LocalFile::read(path).map(Some);
    }
    let own = match config.rules.local.as_deref() {
        Some(local) if local.is_dir() => Some(local.join(OWN_FILE)),
        local => local.map(Path::to_owned),
    };
    match own {
        Some(own) if args.write || own.parent().is_some_and(Path::is_dir) => {
            LocalFile::read(&own).map(Some)
        }
        None if args.write => Err(Failure::new(
            Exit::Usage,
            "--write: set rules.local, or name the file with your own rules: --file PATH",
        )),
        _ => Ok(None),
    }
}

fn logged_in() -> Option<String> {
    let names = ["SUDO_USER", "USER", "LOGNAME"];
    let mut found = names.iter().filter_map(|name| std::env::var(name).ok());
    found.find(|name| !name.is_empty())
}

fn can_have_exceptions(rule: &str, language: &str) -> Result<(), Failure> {
    if ["falco", "sigma"].contains(&language) {
        return Ok(());
    }
    let why = match language {
        "baseline" => format!(
            "'{rule}' tells what is new to a baseline: there are no exceptions of it; what is ordinary \
             has to be in the workload's profile"
        ),
        _ => format!("'{rule}' tells of the sensor itself: there are no exceptions of it"),
    };
    Err(Failure::new(Exit::Failure, why))
}

fn choose<'a>(proposals: &'a [Proposal], args: &TuneArgs) -> Result<&'a Proposal, Failure> {
    if proposals.is_empty() {
        let why = format!(
            "{} does not tell which workload and which program it is about: an exception from it \
             would hide more than this",
            args.id
        );
        return Err(Failure::new(Exit::Failure, why));
    }
    let position = args.level.checked_sub(1);
    position
        .and_then(|position| proposals.get(position))
        .ok_or_else(|| {
            let why = format!(
                "--level {}: there are levels 1 to {}",
                args.level,
                proposals.len()
            );
            Failure::new(Exit::Usage, why)
        })
}

/// What loading says of the file with the exception.
struct Checked {
    /// Warnings about the file.
    report: LoadReport,
    /// The agent loads it: the configuration names the file or its directory.
    is_loaded: bool,
}

/// Loads everything as it would be. An exception that does not hide the alert, and a file that does
/// not load, are no answer.
fn check(
    config: &Config,
    file: &LocalFile,
    text: &str,
    item: &Item<'_>,
) -> Result<Checked, Failure> {
    let sources = config.rules.sources();
    let files = file.among(sources.read()?, text);
    checked(&files, file, file.is_loaded_from(&sources), item)
}

fn checked(
    files: &[RuleFile],
    file: &LocalFile,
    is_loaded: bool,
    item: &Item<'_>,
) -> Result<Checked, Failure> {
    let options = detect::LoadOptions {
        now: Some(SystemTime::now()),
        ..detect::LoadOptions::default()
    };
    let detect::Loaded { set, mut report } = detect::check(files, &options);
    let own = file.name();
    report.refused.retain(|refusal| refusal.file == own);
    report.warnings.retain(|warning| warning.file == own);
    if let Some(refusal) = report.refused.first() {
        let why = format!(
            "{own}:{}:{}: {}; nothing was written",
            refusal.line, refusal.column, refusal.reason
        );
        return Err(Failure::new(Exit::RulesRefused, why));
    }
    let rule = rule_name(item.alert);
    let values: Vec<_> = item
        .proposal
        .fields
        .iter()
        .map(|found| (found.field, found.value.as_str()))
        .collect();
    let event = SampleEvent::with_values(&values);
    let holds = event.and_then(|event| set.excepts(rule, &item.name(), &event));
    if holds != Some(Truth::True) {
        let why = format!(
            "with the exception in {own}, rule '{rule}' would raise the alert all the same; nothing \
             was written"
        );
        return Err(Failure::new(Exit::Failure, why));
    }
    Ok(Checked { report, is_loaded })
}

fn rule_name(alert: &Alert) -> &str {
    alert.rule.as_ref().map_or("", |rule| rule.name.as_str())
}

#[cfg(test)]
mod tests;
