//! `baseline list`: the workloads that the running agent knows.

mod document;

use clap::Args;

pub(super) use self::document::ClassDocument;
use self::document::Document;
use super::super::{Exit, Failure, Global, output};
use super::{live, words};
use crate::alert::printable;
use crate::baseline::completeness::{Lasting, up};
use crate::config::OutputFormat;
use crate::proto::{BaselineClass, BaselineState, BaselineSummary, ListBaselinesRequest};

/// Which, and how much of them.
#[derive(Debug, Args)]
#[command(after_help = "\
ALIVE are its containers now, KNOWN the behaviours that are kept, WAITING those in quarantine, of which
nobody has decided. FLAGS: `reviewed` has a reviewed file, which outranks what was learnt and locks it;
`full` was too large, and its patterns are coarser since; `stale` was not watched for 30 days; `drifting`
does more that is new than was predicted; `lossy` lost events in its last window.")]
pub(in crate::cli) struct ListArgs {
    /// Only these workloads, each with its classes
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    /// Tell of each class too: its state, and what it still needs to be armed
    #[arg(long)]
    classes: bool,
}

/// `gravlens baseline list`
pub(super) fn run(global: &Global, args: &ListArgs) -> Result<(), Failure> {
    let form = global.document()?;
    let all = live::ask(global, async |mut service| {
        let list = service.list(ListBaselinesRequest {}).await?;
        Ok(list.into_inner().baselines)
    })?;
    let chosen = choose(all, &args.workloads)?;
    match form {
        OutputFormat::Text => {
            output::text(&text(&chosen, args.classes || !args.workloads.is_empty()))
        }
        OutputFormat::Json => {
            let documents: Vec<_> = chosen.iter().map(Document::from).collect();
            output::json(&documents)
        }
    }
}

fn choose(all: Vec<BaselineSummary>, named: &[String]) -> Result<Vec<BaselineSummary>, Failure> {
    if named.is_empty() {
        return Ok(all);
    }
    for name in named {
        if !all.iter().any(|summary| summary.workload == *name) {
            let name = printable(name);
            let why = format!(
                "no workload '{name}' is known: `gravlens baseline list` names those that are"
            );
            return Err(Failure::new(Exit::Usage, why));
        }
    }
    let chosen = all
        .into_iter()
        .filter(|summary| named.contains(&summary.workload));
    Ok(chosen.collect())
}

fn text(summaries: &[BaselineSummary], classes: bool) -> String {
    if summaries.is_empty() {
        return "no workload is known yet\n".to_owned();
    }
    let header = [
        "WORKLOAD", "ALIVE", "KNOWN", "WAITING", "KIB", "WATCHED", "STATES", "FLAGS",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(summaries.iter().map(row));
    let mut text = output::table(&rows);
    if classes {
        for summary in summaries {
            text.push_str(&format!("\n{}\n", printable(&summary.workload)));
            text.push_str(&class_table(&summary.classes));
        }
    }
    text
}

fn row(summary: &BaselineSummary) -> Vec<String> {
    let watched = summary.watched.unwrap_or_default();
    vec![
        summary.workload.clone(),
        summary.instances.to_string(),
        summary.behaviours.to_string(),
        summary.quarantined.to_string(),
        summary.bytes.div_ceil(1024).to_string(),
        Lasting(watched.seconds).to_string(),
        states(&summary.classes),
        flags(summary).join(" "),
    ]
}

/// How many classes stand how: `armed 3, learning 9`.
fn states(classes: &[BaselineClass]) -> String {
    let strongest_first = [
        BaselineState::Locked,
        BaselineState::Armed,
        BaselineState::Provisional,
        BaselineState::Learning,
        BaselineState::Cold,
    ];
    let counts = strongest_first.iter().filter_map(|state| {
        let count = classes.iter().filter(|class| class.state() == *state);
        let count = count.count();
        (count > 0).then(|| format!("{} {count}", words::state(*state)))
    });
    let counts: Vec<String> = counts.collect();
    if counts.is_empty() {
        "-".to_owned()
    } else {
        counts.join(", ")
    }
}

fn flags(summary: &BaselineSummary) -> Vec<&'static str> {
    let flags = [
        (summary.reviewed, "reviewed"),
        (summary.full, "full"),
        (summary.stale, "stale"),
        (summary.drifting, "drifting"),
        (summary.lossy, "lossy"),
    ];
    let set = flags.into_iter().filter(|(set, _)| *set);
    set.map(|(_, name)| name).collect()
}

fn class_table(classes: &[BaselineClass]) -> String {
    let header = [
        "", "PHASE", "CLASS", "STATE", "KNOWN", "WAITING", "EXPECTED", "AT MOST", "ARMED",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for class in classes {
        let number = |number: Option<f64>| number.map_or("-".to_owned(), |n| format!("{n:.1}"));
        let predicted = class.predicted.as_ref();
        rows.push(vec![
            String::new(),
            words::phase(class.phase()),
            class.class.clone(),
            words::state(class.state()),
            class.behaviours.to_string(),
            class.quarantined.to_string(),
            number(predicted.map(|predicted| predicted.expected)),
            number(predicted.map(|predicted| up(predicted.bound))),
            armed(class),
        ]);
    }
    output::table(&rows)
}

fn armed(class: &BaselineClass) -> String {
    match (class.state(), &class.eta) {
        (BaselineState::Locked, _) if class.lock.is_some_and(|lock| lock.locked) => {
            "locked by an operator".to_owned()
        }
        (BaselineState::Locked, _) => "locked by its reviewed file".to_owned(),
        (BaselineState::Armed, _) => "is".to_owned(),
        (_, Some(eta)) => words::eta(eta),
        (_, None) => "after a whole unit".to_owned(),
    }
}

#[cfg(test)]
mod tests;
