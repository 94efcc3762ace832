//! The recordings: real containers at work, watched by `gravlens record`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use integration_test::agent::AgentSetup;
use integration_test::cgroup::TestCgroup;
use integration_test::engine::Engine;
use integration_test::state::State;

use crate::attacks::{ATTACKS, Attack, Mark, now};
use crate::plan::Plan;
use crate::pods::{Habit, Pod, Site};
use crate::stage::Stage;
use crate::truth::Truth;
use crate::upkeep;
use crate::workloads::Group;

/// A part as large as all of it.
const PART_BYTES: &str = "1099511627776";
/// Room for what many containers do as they start.
const RING_BYTES: i64 = 128 << 20;
/// How long users may wait for their service.
const READY: Duration = Duration::from_secs(120);
/// What is still to be written when the containers are gone.
const SETTLE: Duration = Duration::from_secs(2);
/// Name of the capture in its folder.
const CAPTURE: &str = "trace";

/// A part of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Ordinary work with attacks in it.
    Poison,
    /// Ordinary work.
    Train,
    /// Ordinary work by others, with other habits.
    HeldOut,
    /// Attacks, one after another in each container, while its users go on.
    Attacks,
}

impl Phase {
    pub(crate) const ALL: [Self; 4] = [Self::Poison, Self::Train, Self::HeldOut, Self::Attacks];

    /// Its folder.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Poison => "poison",
            Self::Train => "train",
            Self::HeldOut => "held-out",
            Self::Attacks => "attacks",
        }
    }

    const fn mix(self) -> &'static str {
        match self {
            Self::Poison | Self::Train => "train",
            Self::HeldOut | Self::Attacks => "other",
        }
    }

    fn replicas(self, plan: &Plan) -> usize {
        match self {
            Self::Poison => 2,
            Self::Train => plan.replicas,
            Self::HeldOut => plan.held_out_replicas,
            Self::Attacks => plan.attacked,
        }
    }
}

/// Where recordings are made.
#[derive(Debug)]
pub(crate) struct Studio<'a> {
    pub(crate) state: &'a State,
    pub(crate) engine: &'a Engine,
    pub(crate) stage: &'a Stage,
    pub(crate) plan: &'a Plan,
}

/// The capture of a recording.
pub(crate) fn capture(folder: &Path) -> PathBuf {
    folder.join(CAPTURE)
}

impl Studio<'_> {
    /// Records a phase of some groups into a folder, which is there only when all of it is.
    pub(crate) async fn record(
        &self,
        phase: Phase,
        groups: &[&'static Group],
        folder: &Path,
    ) -> Result<()> {
        let draft = folder.with_extension("new");
        if draft.exists() {
            fs::remove_dir_all(&draft)?;
        }
        fs::create_dir_all(&draft)?;
        let (watched, beside) = (TestCgroup::new()?, TestCgroup::new()?);
        let mut setup = AgentSetup::new(self.state, &watched, self.engine.socket())?;
        setup.set("limits.events_per_second", 0);
        setup.set_bulk_ring_bytes(RING_BYTES);
        let file = capture(&draft);
        let arguments: [&OsStr; 3] = [
            file.as_os_str(),
            "--part-bytes".as_ref(),
            PART_BYTES.as_ref(),
        ];
        let said = File::create(setup.path("stdout.log"))?;
        let recorder = setup.record(&arguments, said).await?;
        let mut truth = Truth {
            begin: now(),
            ..Truth::default()
        };
        let site = Site {
            engine: self.engine,
            stage: self.stage,
            watched: &watched,
            beside: &beside,
        };
        let pods = self.start(phase, groups, site, &mut truth).await?;
        truth.marks = self.act(phase, &pods).await?;
        truth.end = now();
        try_join_all(pods.iter().map(Pod::check)).await?;
        drop(pods);
        tokio::time::sleep(SETTLE).await;
        recorder.stop()?;
        truth.write(&draft)?;
        Ok(fs::rename(&draft, folder)?)
    }

    /// Starts the replicas, a group's one after another, and waits until all have users.
    async fn start(
        &self,
        phase: Phase,
        groups: &[&'static Group],
        site: Site<'_>,
        truth: &mut Truth,
    ) -> Result<Vec<Pod>> {
        let mut pods = Vec::new();
        for number in 0..phase.replicas(self.plan) {
            for group in groups {
                let habit = Habit {
                    seed: 1_000 * phase as u64 + number as u64,
                    mix: phase.mix(),
                    pace: self.plan.pace,
                };
                let pod = Pod::start(site, group, number, habit).await?;
                for (workload, container) in pod.containers() {
                    let there = (workload.name.to_owned(), now());
                    truth.containers.insert(container.id().to_owned(), there);
                }
                pods.push(pod);
            }
        }
        let deadline = Instant::now() + READY;
        for pod in &pods {
            while let Err(error) = pod.check().await {
                ensure!(Instant::now() < deadline, error);
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
        Ok(pods)
    }

    /// What is done in a phase, and when.
    async fn act(&self, phase: Phase, pods: &[Pod]) -> Result<Vec<Mark>> {
        let plan = self.plan;
        let length = match phase {
            Phase::Train => plan.train,
            Phase::HeldOut => plan.held_out,
            Phase::Poison | Phase::Attacks => return self.attack(phase, pods).await,
        };
        let end = Instant::now() + Duration::from_secs(length);
        upkeep::work(pods, plan, end).await?;
        Ok(Vec::new())
    }

    async fn attack(&self, phase: Phase, pods: &[Pod]) -> Result<Vec<Mark>> {
        try_join_all(pods.iter().map(Pod::besiege)).await?;
        // Until every container is in its run phase, and at a whole distance from its start.
        let wait = self.plan.start_phase + self.plan.window;
        tokio::time::sleep(Duration::from_secs(wait)).await;
        let shares = shares(phase, pods);
        let attacked = shares
            .into_iter()
            .map(|(pod, attacks)| self.siege(pod, attacks));
        let marks = try_join_all(attacked).await?;
        Ok(marks.into_iter().flatten().collect())
    }

    /// Carries out attacks on one pod, each in a window of its own.
    async fn siege(&self, pod: &Pod, attacks: Vec<&'static Attack>) -> Result<Vec<Mark>> {
        let mut marks = Vec::new();
        for attack in attacks {
            let begun = Instant::now();
            let mark = attack.run(pod).await;
            marks.push(mark.with_context(|| format!("cannot carry out {}", attack.name))?);
            tokio::time::sleep_until((begun + self.plan.spacing()).into()).await;
        }
        // What is told of the last is told within its window.
        tokio::time::sleep(self.plan.spacing()).await;
        Ok(marks)
    }
}

/// Who is attacked how. Of poison every replica has all: what two containers do is a habit.
fn shares(phase: Phase, pods: &[Pod]) -> Vec<(&Pod, Vec<&'static Attack>)> {
    let mut next: BTreeMap<&str, usize> = BTreeMap::new();
    let mut shares: Vec<(&Pod, Vec<&'static Attack>)> =
        pods.iter().map(|pod| (pod, Vec::new())).collect();
    for attack in ATTACKS {
        let of_group = |pod: &Pod| pod.container(attack.workload).is_ok();
        let mut targets: Vec<_> = shares.iter_mut().filter(|(pod, _)| of_group(pod)).collect();
        match phase {
            Phase::Poison if attack.poison => {
                for (_, attacks) in targets {
                    attacks.push(attack);
                }
            }
            Phase::Attacks if !targets.is_empty() => {
                let turn = next.entry(attack.workload).or_default();
                let place = *turn % targets.len();
                *turn += 1;
                targets[place].1.push(attack);
            }
            _ => {}
        }
    }
    shares
}
