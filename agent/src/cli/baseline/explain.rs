//! `baseline explain`: why an alert was told, and how it stands now.

mod document;
mod story;

use clap::Args;
use tonic::Code;

use self::document::Document;
use self::story::Story;
use super::super::{Failure, Global, client, output};
use super::live;
use super::told::Told;
use crate::config::OutputFormat;
use crate::proto::{GetBaselineRequest, GetBaselineResponse};

/// Which alert.
#[derive(Debug, Args)]
pub(in crate::cli) struct ExplainArgs {
    /// Id of the alert, as every alert has it
    #[arg(value_name = "ALERT")]
    id: String,
}

/// `gravlens baseline explain`
pub(super) fn run(global: &Global, args: &ExplainArgs) -> Result<(), Failure> {
    let form = global.document()?;
    let agent = client::agent(global)?;
    let (told, now) = client::runtime()?.block_on(async {
        let told = Told::find(&agent, &args.id).await?;
        let now = now(&agent, &told).await?;
        Ok::<_, Failure>((told, now))
    })?;
    match form {
        OutputFormat::Text => output::text(&Story::of(&told, now.as_ref()).text()),
        OutputFormat::Json => output::json(&Document::of(&told, now.as_ref())),
    }
}

/// What the agent knows now; `None` when it does not know the workload any more.
async fn now(agent: &client::Agent, told: &Told) -> Result<Option<GetBaselineResponse>, Failure> {
    let request = GetBaselineRequest {
        workload: told.evidence.workload.clone(),
        behaviour: told.behaviour(),
    };
    match live::service(agent).await?.get(request).await {
        Ok(answer) => Ok(Some(answer.into_inner())),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status.into()),
    }
}

#[cfg(test)]
mod tests;
