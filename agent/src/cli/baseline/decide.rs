//! `baseline accept` and `reject`: whether behaviours belong to their workload.

mod report;

use clap::Args;

use super::super::{Exit, Failure, Global, client, output};
use super::told::Told;
use super::{live, words};
use crate::config::OutputFormat;
use crate::proto::decide_baseline_request::What;
use crate::proto::{AllQuarantined, BaselineBehaviour, BaselineDecision, DecideBaselineRequest};

/// Which behaviours.
#[derive(Debug, Args)]
#[command(after_help = "\
The agent holds to it at once, and its stream tells who decided what. What is printed is the same as a
reviewed file of these behaviours alone. To have it reviewed, and on every node, put it into the file of the
workload:

  gravlens baseline accept ALERT > patch.yaml
  gravlens baseline merge reviewed/FILE patch.yaml --without-evidence --into new/

A reviewed file that says the opposite is not overruled: change it. Of an execution --role is who starts the
program. --object may be a pattern, such as '/srv/{n}'.")]
pub(in crate::cli) struct DecideArgs {
    /// Id of the alert that tells of the behaviour
    #[arg(value_name = "ALERT")]
    alert: Option<String>,
    /// Name of the workload, as `gravlens baseline list` has it
    #[arg(long, value_name = "NAME")]
    workload: Option<String>,
    /// Who does it, as `gravlens baseline show` has it
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// In which phase
    #[arg(long, value_parser = ["start", "run"])]
    phase: Option<String>,
    /// Class of the behaviour, such as exec or file_read
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// What it is done to
    #[arg(long, value_name = "OBJECT")]
    object: Option<String>,
    /// Everything of the workload that is in quarantine. If it is accepted, the workload has changed: its
    /// classes arm anew
    #[arg(long)]
    all_quarantined: bool,
    /// The role has not been seen yet. Of an alert it need not have been
    #[arg(long)]
    new_role: bool,
}

/// What is named.
#[derive(Debug, PartialEq)]
enum Named {
    Alert(String),
    Of(String, What),
}

/// `gravlens baseline accept` and `reject`
pub(super) fn run(
    global: &Global,
    args: &DecideArgs,
    decision: BaselineDecision,
) -> Result<(), Failure> {
    let form = global.document()?;
    let named = args.named()?;
    let agent = client::agent(global)?;
    let (workload, answer) = client::runtime()?.block_on(async {
        let (workload, what, of_alert) = match named {
            Named::Of(workload, what) => (workload, what, false),
            Named::Alert(id) => {
                let told = Told::find(&agent, &id).await?;
                let behaviour = told.behaviour().ok_or_else(|| of_many(&told, decision))?;
                (told.evidence.workload, What::Behaviour(behaviour), true)
            }
        };
        let request = DecideBaselineRequest {
            workload: workload.clone(),
            decision: decision.into(),
            what: Some(what),
            // The agent saw it.
            new_role: args.new_role || of_alert,
        };
        let mut service = live::service(&agent).await?;
        let answer = service.decide(request).await?.into_inner();
        Ok::<_, Failure>((workload, answer))
    })?;
    match form {
        OutputFormat::Text => output::text(&report::text(&workload, decision, &answer)),
        OutputFormat::Json => output::json(&report::Document::of(&workload, decision, &answer)),
    }
}

impl DecideArgs {
    fn named(&self) -> Result<Named, Failure> {
        let usage = |why: &str| Failure::new(Exit::Usage, why);
        let parts = [&self.role, &self.phase, &self.class, &self.object];
        let any_part = parts.iter().any(|part| part.is_some());
        match (&self.alert, &self.workload) {
            (Some(_), _) if self.workload.is_some() || any_part || self.all_quarantined => {
                Err(usage("an alert says all: leave out the other arguments"))
            }
            (Some(alert), _) => Ok(Named::Alert(alert.clone())),
            (None, None) => Err(usage(
                "say which: the id of an alert, or --workload with --role, --phase, --class and \
                 --object, or with --all-quarantined",
            )),
            (None, Some(_)) if self.all_quarantined && any_part => Err(usage(
                "--all-quarantined is about all of the workload: leave out what names one behaviour",
            )),
            (None, Some(workload)) if self.all_quarantined => Ok(Named::Of(
                workload.clone(),
                What::AllQuarantined(AllQuarantined {}),
            )),
            (None, Some(workload)) => {
                let behaviour = self.behaviour().ok_or_else(|| {
                    usage("a behaviour has four parts: --role, --phase, --class and --object")
                })?;
                Ok(Named::Of(workload.clone(), What::Behaviour(behaviour)))
            }
        }
    }

    fn behaviour(&self) -> Option<BaselineBehaviour> {
        Some(BaselineBehaviour {
            role: self.role.clone()?,
            phase: words::phase_of(self.phase.as_deref()?)?.into(),
            class: self.class.clone()?,
            object: self.object.clone()?,
        })
    }
}

fn of_many(told: &Told, decision: BaselineDecision) -> Failure {
    let verb = match decision {
        BaselineDecision::Reject => "reject",
        _ => "accept",
    };
    let workload = words::shell_word(&told.evidence.workload);
    let why = format!(
        "this alert tells of many behaviours together: `gravlens baseline {verb} --workload {workload} \
         --all-quarantined` decides of all that wait"
    );
    Failure::new(Exit::Usage, why)
}

#[cfg(test)]
mod tests;
