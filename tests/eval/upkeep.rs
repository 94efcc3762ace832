//! What operators do meanwhile: reload, rotate, look, start again.

use std::time::{Duration, Instant};

use anyhow::Result;
use integration_test::container::Container;

use crate::plan::Plan;
use crate::pods::Pod;
use crate::workloads::Workload;

/// Works on pods until then. Each container has its turn once in [`Plan::upkeep`], with what is next in
/// the list of its workload; at the end of the list, every second replica is started again.
pub(crate) async fn work(pods: &[Pod], plan: &Plan, end: Instant) -> Result<()> {
    let containers: Vec<(usize, &Workload, &Container)> = pods
        .iter()
        .enumerate()
        .flat_map(|(place, pod)| {
            let containers = pod.containers();
            containers.map(move |(workload, container)| (place, workload, container))
        })
        .collect();
    let pause = Duration::from_secs(plan.upkeep) / u32::try_from(containers.len().max(1))?;
    for turn in 0.. {
        for (place, workload, container) in &containers {
            let until = (Instant::now() + pause).min(end);
            tokio::time::sleep_until(until.into()).await;
            if Instant::now() >= end {
                return Ok(());
            }
            one(workload, container, turn + place).await?;
        }
    }
    Ok(())
}

async fn one(workload: &Workload, container: &Container, turn: usize) -> Result<()> {
    let round = workload.upkeep.len() + 1;
    match workload.upkeep.get(turn % round) {
        // A server that is being started does not answer: its operator comes again.
        Some(command) => container.exec(command).await.map(drop),
        None if (turn / round).is_multiple_of(2) => container.restart().await,
        None => Ok(()),
    }
}
