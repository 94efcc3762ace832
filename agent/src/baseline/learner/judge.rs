//! What is made of an act: it is known, it is learnt, or something is new about it.

use super::super::act::{Act, Object};
use super::super::class::Class;
use super::super::completeness::Prediction;
use super::super::drift::{self, Age};
use super::super::evidence::{Marks, Seen, Trust};
use super::super::generalise::arguments;
use super::super::generalise::path::Segments;
use super::super::generalise::tree::Nearest;
use super::super::profile::{Found, Phase, Profile};
use super::super::role::Role;
use super::super::state::State;
use super::LearnSettings;
use super::instance::{Instance, Key, Telling};
use super::novel::{Evidence, Kind, Novel};
use super::rollout::{self, Rollout};
use super::surges::{Surge, Surges};
use super::watched::Watched;
use crate::model::Event;

/// Shapes of arguments that a role may have before only their flags are told apart.
const SHAPES: usize = 8;
/// Instances that vouch for a behaviour that came too late to be learnt.
const CORROBORATING: usize = 3;
/// Seconds that a behaviour must have been known for before what is unusual about it is forgiven.
const LASTING: u64 = 86_400;

/// Everything that one act is judged with.
pub(super) struct Judgement<'a> {
    pub(super) settings: &'a LearnSettings,
    pub(super) profile: &'a mut Profile,
    /// What a reviewed file says of the workload.
    pub(super) reviewed: Option<&'a Profile>,
    pub(super) role: &'a Role,
    /// The role that started the program of who acts.
    pub(super) starter: &'a Role,
    pub(super) instance: &'a mut Instance,
    pub(super) path: &'a mut Segments,
    pub(super) tainted: bool,
    pub(super) event: &'a Event<'a>,
    pub(super) phase: Phase,
    pub(super) now: u64,
    /// What surges of the workload.
    pub(super) surges: &'a mut Surges,
    /// The version of the instance, where it is new.
    pub(super) rollout: Option<&'a mut Rollout>,
    /// Instances of the workload that are alive.
    pub(super) live: u32,
    /// What is to be told.
    pub(super) told: &'a mut Vec<Novel>,
    /// Where acts are kept, if they are.
    pub(super) watched: Option<&'a mut Vec<Watched>>,
}

impl Judgement<'_> {
    /// Learns an act, or says what is new about it; whether it is as ordinary as anything.
    pub(super) fn act(&mut self, act: &Act<'_>) -> bool {
        let text = match act.object {
            Object::Path(path) => {
                self.path.read(path, self.event.process.vpid);
                self.path.to_string()
            }
            Object::Arguments(argv) => self.arguments(act.class, argv),
            object => object.text(),
        };
        let is_path = matches!(act.object, Object::Path(_));
        let state = self.claim(act.class, is_path).0;
        let known = self.known(self.phase, act.class, found(is_path, self.path, &text));
        let is_ordinary_later =
            || self.is_ordinary_later(act.class, found(is_path, self.path, &text));
        let is_later = known.is_none() && !act.grave && is_ordinary_later();
        let object = found(is_path, self.path, &text);
        let completes = known.is_none()
            && !is_later
            && (self.completes(act, object, state) || self.is_of_own_pattern(act, state));
        let kind = match known {
            Some(seen) => self.kind_of_known(&seen, state).filter(|kind| {
                matches!(kind, Kind::Grave | Kind::Rejected) || !is_ordinary_later()
            }),
            None if is_later || completes => None,
            None => kind_of_new(act, state),
        };
        if let Some(watched) = self.watched.take() {
            let is_known = known.is_some() || is_later || completes;
            watched.push(Watched::of(self, act, &text, is_known));
        }
        if is_later {
            return false;
        }
        let is_rolled_out = kind.is_some_and(|kind| self.is_rolled_out(act.class, kind, state));
        // Before it is learnt: then it would be nearest to itself.
        let behaviour = Behaviour {
            class: act.class,
            is_path,
            text: &text,
            state,
        };
        match kind {
            Some(kind) if self.is_part_of_new_program(act, kind) => {}
            Some(kind) if is_rolled_out => self.roll_out(&behaviour, kind),
            Some(kind) => self.tell(&behaviour, kind),
            None => {}
        }
        // A new version teaches what it does.
        let kind = kind.filter(|_| !is_rolled_out);
        let is_open = state < State::Armed || is_rolled_out;
        if kind != Some(Kind::Rejected) && (known.is_some() || self.may_teach(act, is_open)) {
            self.learn(act, is_path, &text, kind, state);
        }
        if kind.is_none() && known.is_some_and(|seen| seen.trust() == Trust::Quarantined) {
            self.release(act.class, is_path, &text);
        }
        let is_guarded = is_path && self.path.guard().is_some();
        kind.is_none() && !self.tainted && !is_guarded
    }

    /// What was reviewed outranks what was learnt.
    fn known(&self, phase: Phase, class: Class, object: Found<'_>) -> Option<Seen> {
        self.known_of(self.role, phase, class, object)
    }

    /// The same of another role.
    fn known_of(&self, role: &Role, phase: Phase, class: Class, object: Found<'_>) -> Option<Seen> {
        let known = |profile: &Profile| profile.known(role, phase, class, object);
        self.reviewed
            .and_then(known)
            .or_else(|| known(self.profile))
    }

    /// What is ordinary in the run phase is so from the start on: who has started works. It is none of
    /// what starting is, so it is not learnt as such.
    fn is_ordinary_later(&self, class: Class, object: Found<'_>) -> bool {
        if self.phase != Phase::Start || self.tainted {
            return false;
        }
        let seen = self.known(Phase::Run, class, object);
        seen.is_some_and(|seen| match seen.trust() {
            Trust::Accepted => true,
            Trust::Learnt => self.is_established(&seen),
            Trust::Quarantined | Trust::Rejected | Trust::NeverLearnt => false,
        })
    }

    /// Whether a path that came too late to be learnt fits what was: with the others that differ in one
    /// value alone it is the third of its shape. Without this a pattern of which the time to learn saw
    /// two would be told value by value for good.
    fn completes(&self, act: &Act<'_>, object: Found<'_>, state: State) -> bool {
        if state != State::Armed || act.grave || self.tainted {
            return false;
        }
        let behaviours = self.profile.roles.get(self.role);
        let objects = behaviours.and_then(|behaviours| behaviours.get(self.phase, act.class));
        objects.is_some_and(|objects| objects.completes(object))
    }

    /// Whether a file is one of those that the role makes, by a pattern of it: who makes `{n}.tmp` works
    /// on any of these, and who writes to any of them may have to make it. In which phase it did so says
    /// nothing of a name that varies.
    fn is_of_own_pattern(&self, act: &Act<'_>, state: State) -> bool {
        let classes: &[Class] = match act.class {
            Class::FileCreate => &[Class::FileCreate, Class::FileWrite],
            Class::FileWrite => &[Class::FileCreate, Class::FileWrite],
            Class::FileRemove => &[Class::FileCreate, Class::FileRemove],
            _ => return false,
        };
        if state != State::Armed || act.grave || self.tainted || self.path.guard().is_some() {
            return false;
        }
        let Some(behaviours) = self.profile.roles.get(self.role) else {
            return false;
        };
        Phase::ALL.into_iter().any(|phase| {
            let objects = classes
                .iter()
                .filter_map(|class| behaviours.get(phase, *class));
            let mut shaped = objects.filter_map(|objects| objects.shaped(self.path));
            shaped.any(|seen| seen.trust() == Trust::Learnt && self.is_established(seen))
        })
    }

    /// Whether the alert of a new program that a process runs tells of this too: what the program is
    /// for, nobody knows, and so all of it is new. What an attack cannot do without is told all the same.
    fn is_part_of_new_program(&self, act: &Act<'_>, kind: Kind) -> bool {
        let may_be = match act.class {
            Class::Exec | Class::NetOut | Class::Listen | Class::RareCall | Class::FileMode => {
                false
            }
            class => self.path_may_wait(class),
        };
        if kind != Kind::New || !may_be || self.tainted {
            return false;
        }
        let Some(exe) = &self.event.process.image.exe else {
            return false;
        };
        let exe = Object::Executable(exe).text();
        let started = self.known_of(self.starter, self.phase, Class::Exec, Found::Text(&exe));
        let is_armed = self.profile.standing(self.phase, Class::Exec).state >= State::Armed;
        is_armed && started.is_some_and(|seen| seen.trust() == Trust::Quarantined)
    }

    /// What the class may claim of the object at hand, and by which prediction.
    fn claim(&self, class: Class, is_path: bool) -> (State, Option<&Prediction>) {
        if is_path && self.path.guard().is_some() {
            return self.profile.of_guarded(self.phase, class);
        }
        let state = self.profile.standing(self.phase, class).state;
        (state, self.profile.prediction(self.phase, class))
    }

    /// Enough instances have known it for long: it is as ordinary as what was learnt.
    fn release(&mut self, class: Class, is_path: bool, text: &str) {
        let behaviours = self.profile.roles.get_mut(self.role);
        let objects = behaviours.and_then(|behaviours| behaviours.get_mut(self.phase, class));
        if let Some(objects) = objects {
            objects.release(found(is_path, self.path, text));
        }
    }

    /// With many shapes already, only the flags are told apart.
    fn arguments(&self, class: Class, argv: &[Box<[u8]>]) -> String {
        let shape = arguments::shape(argv);
        let behaviours = self.profile.roles.get(self.role);
        match behaviours.and_then(|behaviours| behaviours.get(self.phase, class)) {
            Some(objects)
                if objects.len() >= SHAPES && objects.get(Found::Text(&shape)).is_none() =>
            {
                format!("flags {}", arguments::flags_only(argv))
            }
            _ => shape,
        }
    }

    fn kind_of_known(&self, seen: &Seen, state: State) -> Option<Kind> {
        match seen.trust() {
            Trust::Accepted => None,
            Trust::Rejected => Some(Kind::Rejected),
            Trust::NeverLearnt => Some(Kind::Grave),
            Trust::Quarantined => {
                let corroborated = seen.instances.count() >= CORROBORATING && self.is_lasting(seen);
                (!corroborated).then_some(Kind::Quarantined)
            }
            Trust::Learnt if state < State::Armed => None,
            Trust::Learnt if drift::age(seen, self.profile.exposure.last()) != Age::Known => {
                Some(Kind::Returning)
            }
            Trust::Learnt => (!self.is_established(seen)).then_some(Kind::Unestablished),
        }
    }

    /// One appearance is no habit: it takes two units, and two instances where there are so many. What
    /// one instance alone does, as a leader may, takes a day.
    fn is_established(&self, seen: &Seen) -> bool {
        let instances = self.profile.exposure.instances().count();
        seen.windows.count() >= 2
            && (seen.instances.count() >= instances.min(2) || self.is_lasting(seen))
    }

    fn is_lasting(&self, seen: &Seen) -> bool {
        self.now.saturating_sub(seen.first) >= LASTING
    }

    /// Whether what is new may be kept. A process that a rule has matched teaches nothing; what the
    /// others do in the unit is all there, and it is them that a prediction is of. What cannot be made coarser has a
    /// bound, and so has what comes in one unit of a class that is open to what is new.
    fn may_teach(&mut self, act: &Act<'_>, is_open: bool) -> bool {
        if self.tainted {
            return false;
        }
        if !self.profile.has_room(self.role, self.phase, act.class) {
            return false;
        }
        act.grave || !is_open || self.instance.may_learn(act.class, self.settings.flood)
    }

    fn learn(
        &mut self,
        act: &Act<'_>,
        is_path: bool,
        text: &str,
        kind: Option<Kind>,
        state: State,
    ) {
        let mark = match kind {
            Some(Kind::Grave) => Some(Marks::NEVER_LEARNT),
            Some(Kind::New) if state >= State::Armed => Some(Marks::QUARANTINED),
            _ => None,
        };
        let version = self.instance.version;
        let version = version.map_or(0, |version| self.profile.versions.bit(version));
        let objects = self
            .profile
            .roles
            .entry(self.role.clone())
            .or_default()
            .entry(self.phase, act.class);
        let object = found(is_path, self.path, text);
        let seen = match mark {
            // Apart from what is learnt: it must not become a pattern with it.
            Some(_) => objects.entry_apart(object),
            None => objects.entry(object),
        };
        let Some(seen) = seen else {
            return;
        };
        if let Some(mark) = mark {
            seen.marks = seen.marks.union(mark);
        }
        if self.tainted {
            return;
        }
        seen.observe(self.now, self.instance.id, version);
        if !seen.windows.is_full() {
            self.instance.saw(Key {
                role: self.role.clone(),
                class: act.class,
                object: text.into(),
            });
        }
    }
}

/// What an act comes down to.
struct Behaviour<'a> {
    class: Class,
    is_path: bool,
    text: &'a str,
    state: State,
}

/// Telling what is new.
impl Judgement<'_> {
    /// Whether something new is told with the rest of a new version. What a reviewed file says all of, a
    /// new version has no part in.
    fn is_rolled_out(&self, class: Class, kind: Kind, state: State) -> bool {
        let new = matches!(kind, Kind::New | Kind::Unestablished | Kind::Returning);
        let may_wait = rollout::may_wait(class) && self.path_may_wait(class) && !self.tainted;
        new && may_wait && state == State::Armed && self.rollout.is_some()
    }

    /// What is guarded never waits.
    fn path_may_wait(&self, class: Class) -> bool {
        !class.is_of_files() || self.path.guard().is_none()
    }

    fn roll_out(&mut self, behaviour: &Behaviour<'_>, kind: Kind) {
        // What it is not told for the first time is in the list already.
        if kind != Kind::New {
            return;
        }
        let novel = self.describe(behaviour, kind);
        if let Some(rollout) = &mut self.rollout {
            rollout.add(novel);
        }
    }

    /// Tells something new: by itself, or as a part of more.
    fn tell(&mut self, behaviour: &Behaviour<'_>, kind: Kind) {
        let surges = kind == Kind::New && behaviour.state == State::Armed;
        if surges && self.phase == Phase::Run && self.is_part_of_surge(behaviour) {
            return;
        }
        let kind = match self.instance.tell(behaviour.class, self.settings.surge) {
            Telling::One => kind,
            Telling::Many => Kind::Flood,
            Telling::None => return,
        };
        let novel = self.describe(behaviour, kind);
        self.told.push(novel);
    }

    /// Whether what is new is told by the surge that it is part of. What is worth much to an attack, or
    /// guarded, is told all the same.
    fn is_part_of_surge(&mut self, behaviour: &Behaviour<'_>) -> bool {
        let class = behaviour.class;
        let prediction = self.profile.prediction(self.phase, class);
        let bound = prediction.map_or(0.0, |prediction| prediction.of_workload(self.live).bound);
        let surge = self.surges.novelty(class, self.now, bound);
        if let Surge::Began(count) = surge {
            let novel = self.describe(behaviour, Kind::Drift);
            self.told.push(Novel {
                count,
                samples: vec![format!("{class} {}", behaviour.text)],
                role: Role::nobody(),
                object: String::new(),
                ..novel
            });
        }
        surge != Surge::None && rollout::may_wait(class) && self.path_may_wait(class)
    }

    fn describe(&self, behaviour: &Behaviour<'_>, kind: Kind) -> Novel {
        let class = behaviour.class;
        let nearest = (behaviour.is_path && kind == Kind::New)
            .then(|| self.nearest(class))
            .flatten();
        Novel {
            kind,
            class,
            phase: self.phase,
            state: behaviour.state,
            workload: self.instance.workload.clone(),
            event: self.event.to_owned(),
            waited: false,
            role: self.role.clone(),
            object: behaviour.text.to_owned(),
            nearest,
            evidence: Evidence::of(self.profile.exposure()),
            prediction: self.claim(class, behaviour.is_path).1.copied(),
            tainted: self.tainted,
            count: 0,
            samples: Vec::new(),
        }
    }

    /// What comes nearest to the path at hand, of what was reviewed if anything was.
    fn nearest(&self, class: Class) -> Option<Nearest> {
        let nearest = |profile: &Profile| {
            let behaviours = profile.roles.get(self.role)?;
            let objects = behaviours.get(self.phase, class)?;
            objects.nearest(Found::Path(self.path))
        };
        self.reviewed
            .and_then(nearest)
            .or_else(|| nearest(self.profile))
    }
}

fn kind_of_new(act: &Act<'_>, state: State) -> Option<Kind> {
    match state {
        _ if act.grave => Some(Kind::Grave),
        State::Cold | State::Learning => None,
        State::Provisional | State::Armed | State::Locked => Some(Kind::New),
    }
}

fn found<'a>(is_path: bool, path: &'a Segments, text: &'a str) -> Found<'a> {
    if is_path {
        Found::Path(path)
    } else {
        Found::Text(text)
    }
}
