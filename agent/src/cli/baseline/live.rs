//! Baselines of the running agent.

use std::collections::BTreeMap;

use tonic::Streaming;
use tonic::transport::Channel;

use crate::baseline::file;
use crate::baseline::{Profile, Workload};
use crate::cli::{Failure, Global, client};
use crate::proto::baseline_service_client::BaselineServiceClient;
use crate::proto::{ExportBaselinesRequest, ExportBaselinesResponse};

/// The service of the agent that is meant.
pub(super) async fn service(
    agent: &client::Agent,
) -> Result<BaselineServiceClient<Channel>, Failure> {
    let channel = client::connect(agent).await?;
    Ok(BaselineServiceClient::new(channel).max_decoding_message_size(client::MAX_MESSAGE_BYTES))
}

/// Asks the agent that is meant.
pub(super) fn ask<T>(
    global: &Global,
    with: impl AsyncFnOnce(BaselineServiceClient<Channel>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let agent = client::agent(global)?;
    client::runtime()?.block_on(async { with(service(&agent).await?).await })
}

/// What the agent has learnt of these workloads, of all if none is named; or what is `in_force`, with
/// what reviewed files say.
pub(super) fn profiles(
    global: &Global,
    workloads: &[String],
    in_force: bool,
) -> Result<BTreeMap<Workload, Profile>, Failure> {
    let request = ExportBaselinesRequest {
        workloads: workloads.to_vec(),
        without_evidence: false,
        in_force,
    };
    ask(global, async |mut service| {
        let pieces = service.export(request).await?.into_inner();
        read(pieces).await
    })
}

async fn read(
    mut pieces: Streaming<ExportBaselinesResponse>,
) -> Result<BTreeMap<Workload, Profile>, Failure> {
    let mut profiles = BTreeMap::new();
    let mut text = Vec::new();
    while let Some(piece) = pieces.message().await.map_err(client::broken)? {
        text.extend_from_slice(&piece.chunk);
        if piece.last {
            let name = format!("the agent's file of '{}'", piece.workload);
            let (workload, profile) = file::read_bytes(&text, &name)?;
            profiles.insert(workload, profile);
            text.clear();
        }
    }
    Ok(profiles)
}

/// What the agent has learnt of one workload.
pub(super) fn profile(global: &Global, workload: &str) -> Result<(Workload, Profile), Failure> {
    let named = [workload.to_owned()];
    let profiles = profiles(global, &named, false)?;
    // The agent answers for what was named, or says that it does not know it.
    Ok(profiles
        .into_iter()
        .next()
        .unwrap_or_else(|| (Workload::from_text(workload), Profile::default())))
}
