//! Plays cases under an agent, and holds what fired against them.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use integration_test::agent::AgentSetup;
use integration_test::cases::{Case, Fired, faults, fired, play_all};
use integration_test::cgroup::TestCgroup;
use integration_test::images::Image;
use integration_test::runtime::block_on;
use integration_test::shortened;

use crate::Bench;
use crate::watched::Watched;

/// Plays all cases in containers, with an agent that `configure` sets up. Of the rules that `counted`
/// gives none may fire that the case does not name. Returns how many deeds were done.
pub(crate) fn play(
    bench: &Bench,
    cases: &[Case],
    configure: impl FnOnce(&mut AgentSetup),
    counted: fn(&Fired) -> &BTreeSet<String>,
) -> Result<usize> {
    block_on(async {
        let engine = bench.engine.lock().await;
        for image in [Image::Busybox, Image::Debian, Image::Offenders] {
            image.ensure(&engine, &bench.state).await?;
        }
        let cgroup = TestCgroup::new()?;
        let mut setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
        configure(&mut setup);
        let watched = Watched::start_with(setup, cgroup).await?;
        let played = play_all(cases, watched.stage(&engine)).await?;
        watched.settle().await?;
        // That a twin is not told counts only if everything was seen.
        let events = watched.barrier().await?.events.context("no account")?;
        ensure!(
            events.delivered + events.suppressed == events.seen,
            "lost: {events:?}"
        );
        let alerts = watched.watcher.alerts();
        let mut wrong = Vec::new();
        for played in &played {
            let fired = fired(&alerts, &played.container);
            wrong.extend(faults(played, &fired, counted(&fired)));
        }
        watched.finish()?;
        tell_what_was_left_out(cases);
        ensure!(wrong.is_empty(), "\n{}", wrong.join("\n"));
        Ok(played.len())
    })
}

/// Says which rules were not tried, and why.
fn tell_what_was_left_out(cases: &[Case]) {
    for case in cases {
        if let Some(why) = &case.not_run {
            shortened::note(&format!("{:?} has no offender: {why}", case.rule));
        }
    }
}
