//! How a workload stands.

use super::super::class::Class;
use super::super::completeness::Prediction;
use super::super::drift;
use super::super::evidence::{Totals, Trust};
use super::super::learner::LearnSettings;
use super::super::lock::Lock;
use super::super::profile::{Phase, Profile};
use super::super::state::{Eta, Flags, State};
use super::super::workload::Workload;

/// How a workload stands.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Its name.
    pub workload: Workload,
    /// Instances that are alive.
    pub instances: u32,
    /// Instances that were watched, 16 standing for so many or more.
    pub watched: usize,
    /// What was watched, since `since`.
    pub totals: Totals,
    /// When its exposure began anew, in seconds since the Unix epoch; 0: never.
    pub since: u64,
    /// When something was watched last; 0: never.
    pub last: u64,
    /// Behaviours that are kept.
    pub behaviours: usize,
    /// Those in quarantine: nobody has decided of them.
    pub quarantined: usize,
    /// About how many bytes of memory its profile takes.
    pub bytes: usize,
    /// A reviewed file says all that it may do.
    pub reviewed: bool,
    /// What holds beside the states.
    pub flags: Flags,
    /// Its classes, those without any behaviour included: start phase first.
    pub classes: Vec<ClassSummary>,
}

/// How a class of a workload stands in a phase.
#[derive(Clone, Debug)]
pub struct ClassSummary {
    /// The phase.
    pub phase: Phase,
    /// The class.
    pub class: Class,
    /// Its state.
    pub state: State,
    /// Behaviours that are kept.
    pub behaviours: usize,
    /// Those in quarantine.
    pub quarantined: usize,
    /// What is still expected; `None` before the first whole unit.
    pub prediction: Option<Prediction>,
    /// What it still needs to be armed; `None` when it is, or before the first whole unit.
    pub eta: Option<Eta>,
    /// What an operator said last of holding it.
    pub lock: Lock,
}

impl Summary {
    /// Of a profile that `live` instances go on to teach, at `now`.
    pub fn of(
        workload: &Workload,
        profile: &Profile,
        live: u32,
        settings: &LearnSettings,
        now: u64,
    ) -> Self {
        let exposure = profile.exposure();
        let classes: Vec<ClassSummary> = profile
            .classes()
            .map(|view| ClassSummary {
                phase: view.phase,
                class: view.class,
                state: view.standing.state,
                behaviours: view.behaviours,
                quarantined: profile.count_of(view.phase, view.class, Trust::Quarantined),
                prediction: view.prediction.copied(),
                eta: match view.standing.state {
                    State::Armed | State::Locked => None,
                    _ => profile.eta(view.phase, view.class, live.max(1), settings),
                },
                lock: profile.locks().get(view.phase, view.class),
            })
            .collect();
        let flags = Phase::ALL.map(|phase| profile.flags(phase));
        let any = |of: fn(&Flags) -> bool| flags.iter().any(of);
        Self {
            workload: workload.clone(),
            instances: live,
            watched: exposure.instances().count(),
            totals: exposure.totals(),
            since: exposure.since(),
            last: exposure.last(),
            behaviours: classes.iter().map(|class| class.behaviours).sum(),
            quarantined: classes.iter().map(|class| class.quarantined).sum(),
            bytes: profile.bytes(),
            reviewed: profile.is_reviewed(),
            flags: Flags {
                lossy: any(|flags| flags.lossy),
                drifting: any(|flags| flags.drifting),
                full: profile.is_full(),
                stale: any(|flags| flags.stale)
                    || (exposure.last() > 0 && drift::is_stale(exposure.last(), now)),
            },
            classes,
        }
    }

    /// How a class stands.
    pub fn class(&self, phase: Phase, class: Class) -> Option<&ClassSummary> {
        let mut classes = self.classes.iter();
        classes.find(|view| (view.phase, view.class) == (phase, class))
    }
}
