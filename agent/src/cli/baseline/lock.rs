//! `baseline lock` and `unlock`: classes that an operator holds.

use clap::Args;
use serde::Serialize;

use super::super::{Failure, Global, output};
use super::{live, words};
use crate::alert::printable;
use crate::config::OutputFormat;
use crate::proto::{BaselinePhase, LockBaselineRequest, RelockedClass};

/// Which classes.
#[derive(Debug, Args)]
#[command(after_help = "\
What is new in a locked class is told and quarantined, whatever the numbers say. An unlocked one goes where
its numbers put it. A reviewed file locks its workload for as long as it is there.")]
pub(in crate::cli) struct LockArgs {
    /// Name of the workload, as `gravlens baseline list` has it
    #[arg(value_name = "WORKLOAD")]
    workload: String,
    /// Only in this phase [default: both]
    #[arg(long, value_parser = ["start", "run"])]
    phase: Option<String>,
    /// Only this class, such as exec or file_read [default: all]
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    workload: &'a str,
    locked: bool,
    classes: Vec<Class<'a>>,
}

#[derive(Debug, Serialize)]
struct Class<'a> {
    phase: String,
    class: &'a str,
    before: String,
    now: String,
}

/// `gravlens baseline lock` and `unlock`
pub(super) fn run(global: &Global, args: &LockArgs, locked: bool) -> Result<(), Failure> {
    let form = global.document()?;
    let phase = args.phase.as_deref().and_then(words::phase_of);
    let request = LockBaselineRequest {
        workload: args.workload.clone(),
        locked,
        phase: phase.unwrap_or(BaselinePhase::Unspecified).into(),
        class: args.class.clone().unwrap_or_default(),
    };
    let classes = live::ask(global, async |mut service| {
        Ok(service.lock(request).await?.into_inner().classes)
    })?;
    match form {
        OutputFormat::Text => output::text(&text(&args.workload, locked, &classes)),
        OutputFormat::Json => output::json(&Document {
            workload: &args.workload,
            locked,
            classes: classes.iter().map(Class::from).collect(),
        }),
    }
}

impl<'a> From<&'a RelockedClass> for Class<'a> {
    fn from(of: &'a RelockedClass) -> Self {
        Self {
            phase: words::phase(of.phase()),
            class: &of.class,
            before: words::state(of.before()),
            now: words::state(of.now()),
        }
    }
}

fn text(workload: &str, locked: bool, classes: &[RelockedClass]) -> String {
    let workload = printable(workload);
    let word = if locked { "locked" } else { "unlocked" };
    let plural = if classes.len() == 1 { "" } else { "es" };
    let mut text = format!("{word} {} class{plural} of '{workload}'\n", classes.len());
    let changed = classes.iter().map(Class::from);
    for class in changed.filter(|class| class.before != class.now) {
        let Class {
            phase,
            class,
            before,
            now,
        } = class;
        text.push_str(&format!(
            "  {phase} {}: {before} -> {now}\n",
            printable(class)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::BaselineState;

    #[test]
    fn what_changes_is_told() {
        let class = |class: &str, before: BaselineState| RelockedClass {
            phase: BaselinePhase::Run.into(),
            class: class.to_owned(),
            before: before.into(),
            now: BaselineState::Locked.into(),
        };
        let classes = [
            class("exec", BaselineState::Armed),
            class("dns", BaselineState::Locked),
        ];
        assert_eq!(
            text("image nginx", true, &classes),
            "locked 2 classes of 'image nginx'\n  run exec: armed -> locked\n"
        );
        assert_eq!(
            text("image nginx", true, &classes[1..]),
            "locked 1 class of 'image nginx'\n"
        );
    }
}
