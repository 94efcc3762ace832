//! An alert in words.

use super::super::told::Told;
use super::super::words;
use crate::alert::printable;
use crate::baseline::completeness::Lasting;
use crate::proto::{
    BaselineClass, BaselineKind, BaselineKnowledge, BaselineState, BaselineTrust,
    GetBaselineResponse,
};
use crate::sinks::render;

/// What is told of an alert.
pub(super) struct Story<'a> {
    told: &'a Told,
    now: Option<&'a GetBaselineResponse>,
}

impl<'a> Story<'a> {
    /// Of an alert, with what the agent knows now.
    pub(super) fn of(told: &'a Told, now: Option<&'a GetBaselineResponse>) -> Self {
        Self { told, now }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut part = |name: &str, sentences: Vec<String>| {
            text.push_str(&format!("{name}\n"));
            for sentence in sentences {
                text.push_str(&format!("  {sentence}\n"));
            }
        };
        part(&self.title(), self.what());
        part("Why it was told", self.why());
        if let Some(nearest) = self.nearest() {
            part("Nearest to it", vec![nearest]);
        }
        part("Now", self.now());
        part("What to do", self.what_to_do());
        text
    }

    fn title(&self) -> String {
        let alert = &self.told.alert;
        let severity = render::severity_word(alert.severity());
        let time = render::time(alert.time.as_ref());
        format!("{} {severity} {time}", printable(&alert.id))
    }

    fn what(&self) -> Vec<String> {
        let evidence = &self.told.evidence;
        let mut lines = Vec::new();
        let container = self.told.alert.container.as_ref();
        let container = container.filter(|container| !container.name.is_empty());
        let container = container.map_or_else(String::new, |container| {
            format!(", container {}", printable(&container.name))
        });
        lines.push(format!(
            "workload {}{container}",
            printable(&evidence.workload)
        ));
        if !evidence.role.is_empty() {
            lines.push(format!("role     {}", printable(&evidence.role)));
        }
        let class = printable(&evidence.class);
        let phase = words::phase(evidence.phase());
        lines.push(format!("class    {class}, in the {phase} phase"));
        if !evidence.object.is_empty() {
            lines.push(format!("object   {}", printable(&evidence.object)));
        }
        if evidence.count > 0 {
            let samples: Vec<_> = evidence.samples.iter().map(|of| printable(of)).collect();
            let samples = samples.join(", ");
            let count = evidence.count;
            lines.push(format!("together {count} behaviours, such as {samples}"));
        }
        lines
    }

    /// Why it was told: what the agent knew then.
    pub(super) fn why(&self) -> Vec<String> {
        let evidence = &self.told.evidence;
        let mut lines = vec![format!("{}.", why(evidence.kind()))];
        lines.push(format!("The class was {}.", state(evidence.state())));
        if let Some(watched) = &evidence.watched {
            let more = if watched.instances >= 16 {
                "at least "
            } else {
                ""
            };
            lines.push(format!(
                "The workload had been watched for {} in {} windows of {more}{} containers, and in {} \
                 starts.",
                Lasting(watched.seconds),
                watched.windows,
                watched.instances,
                watched.starts
            ));
        }
        if let Some(predicted) = &evidence.predicted {
            lines.push(format!(
                "Of new behaviours there were {}.",
                words::predicted(predicted)
            ));
        }
        if evidence.tainted {
            lines.push(
                "A rule had matched the process, or one that it descends from: nothing of it is learnt."
                    .to_owned(),
            );
        }
        lines
    }

    /// What was most like it then.
    pub(super) fn nearest(&self) -> Option<String> {
        let nearest = self.told.evidence.nearest.as_ref()?;
        let pattern = printable(&nearest.pattern);
        Some(match &nearest.diverging {
            Some(diverging) => format!(
                "{pattern}, from which it differs at {}",
                printable(diverging)
            ),
            None => format!("{pattern}, of which it is the beginning"),
        })
    }

    /// How it stands now.
    pub(super) fn now(&self) -> Vec<String> {
        let Some(now) = self.now else {
            return vec!["The agent does not know the workload any more.".to_owned()];
        };
        let mut lines = Vec::new();
        if let Some(knowledge) = &now.knowledge {
            lines.push(known(knowledge));
        }
        if let Some(class) = self.class() {
            lines.push(standing(class));
        }
        if now
            .baseline
            .as_ref()
            .is_some_and(|baseline| baseline.reviewed)
        {
            lines.push(
                "The workload has a reviewed file, which outranks what was learnt: what the file does \
                 not have is told."
                    .to_owned(),
            );
        }
        lines
    }

    /// The class as it stands now.
    pub(super) fn class(&self) -> Option<&'a BaselineClass> {
        let evidence = &self.told.evidence;
        let mut classes = self.now?.baseline.as_ref()?.classes.iter();
        classes.find(|class| class.class == evidence.class && class.phase() == evidence.phase())
    }

    fn what_to_do(&self) -> Vec<String> {
        let [accept, reject] = self.commands();
        vec![
            "If it belongs to the workload, this makes it known, and prints what a reviewed file needs:"
                .to_owned(),
            format!("  {accept}"),
            "If it does not, this has it told whenever it comes:".to_owned(),
            format!("  {reject}"),
        ]
    }

    /// What accepts and what rejects it.
    pub(super) fn commands(&self) -> [String; 2] {
        let what = match self.told.behaviour() {
            Some(_) => words::shell_word(&self.told.alert.id),
            None => {
                let workload = words::shell_word(&self.told.evidence.workload);
                format!("--workload {workload} --all-quarantined")
            }
        };
        ["accept", "reject"].map(|verb| format!("gravlens baseline {verb} {what}"))
    }
}

fn why(kind: BaselineKind) -> &'static str {
    match kind {
        BaselineKind::Unspecified => "The agent does not say why",
        BaselineKind::New => "The workload had never done it",
        BaselineKind::Quarantined => {
            "It came too late to be learnt, nobody has decided of it, and it came again"
        }
        BaselineKind::SeenOnce => {
            "It was no habit yet: it had come once, or in one container alone"
        }
        BaselineKind::Returning => "It was known, and stayed away for longer than it ever had",
        BaselineKind::NeverOrdinary => {
            "It is of a kind that no time makes ordinary: only an operator can accept it"
        }
        BaselineKind::Rejected => "An operator, or a reviewed file, had rejected it",
        BaselineKind::Flood => "More of the class came in one window than is told one by one",
        BaselineKind::Drift => {
            "More of the class came than was predicted: the workload is not what it was"
        }
        BaselineKind::Rollout => "A new version of the workload does what no version before it did",
    }
}

fn state(state: BaselineState) -> &'static str {
    match state {
        BaselineState::Unspecified => "in a state that the agent does not name",
        BaselineState::Cold => "cold: nothing had been watched",
        BaselineState::Learning => "learning: too little was known to tell what is new",
        BaselineState::Provisional => {
            "provisional: enough was known for a hint, and what is new is learnt"
        }
        BaselineState::Armed => "armed: enough was known to tell what is new, and to quarantine it",
        BaselineState::Locked => {
            "locked: a reviewed file or an operator says what the workload may do"
        }
    }
}

fn known(knowledge: &BaselineKnowledge) -> String {
    let seen = || {
        let last = match &knowledge.last {
            Some(last) => format!(", last at {}", render::time(Some(last))),
            None => String::new(),
        };
        let more = |count: u32| {
            if count >= 3 {
                "at least 3".to_owned()
            } else {
                count.to_string()
            }
        };
        format!(
            "it came in {} windows or starts and {} containers{last}",
            more(knowledge.windows),
            more(knowledge.instances)
        )
    };
    let by = match (&knowledge.decided, knowledge.by_file) {
        (_, true) => " by the reviewed file".to_owned(),
        (Some(time), _) => format!(" by an operator at {}", render::time(Some(time))),
        (None, false) => String::new(),
    };
    match knowledge.trust() {
        BaselineTrust::Unspecified if !knowledge.role_known => {
            "It is not known, nor is its role.".to_owned()
        }
        BaselineTrust::Unspecified => "It is not known.".to_owned(),
        BaselineTrust::Learnt => format!("It is learnt, as {}: {}.", pattern(knowledge), seen()),
        BaselineTrust::Quarantined => {
            format!("It is in quarantine: nobody has decided of it; {}.", seen())
        }
        BaselineTrust::NeverLearnt => {
            format!(
                "It is kept as never ordinary: nobody has decided of it; {}.",
                seen()
            )
        }
        BaselineTrust::Accepted => format!("It is accepted{by}, as {}.", pattern(knowledge)),
        BaselineTrust::Rejected => format!("It is rejected{by}, as {}.", pattern(knowledge)),
    }
}

fn pattern(knowledge: &BaselineKnowledge) -> String {
    printable(&knowledge.pattern).into_owned()
}

fn standing(class: &BaselineClass) -> String {
    let mut line = format!(
        "The class is {} with {} behaviours, {} of them in quarantine",
        words::state(class.state()),
        class.behaviours,
        class.quarantined
    );
    if let Some(predicted) = &class.predicted {
        line.push_str(&format!("; {}", words::predicted(predicted)));
    }
    if let Some(eta) = &class.eta {
        line.push_str(&format!("; armed {}", words::eta(eta)));
    }
    line.push('.');
    line
}
