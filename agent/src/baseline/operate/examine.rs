//! What is known of a behaviour.

use super::super::evidence::{Seen, Trust};
use super::super::generalise::tree::Nearest;
use super::super::profile::Profile;
use super::Behaviour;

/// What is known of a behaviour.
#[derive(Clone, Debug, Default)]
pub struct Examined {
    /// The role has done something that is kept, or a file names it.
    pub role_known: bool,
    /// The pattern that it fits; `None` when it is not known.
    pub pattern: Option<String>,
    /// What is known of the pattern.
    pub seen: Option<Seen>,
    /// A reviewed file says so.
    pub by_file: bool,
    /// What comes nearest, where it is not known. Of paths alone.
    pub nearest: Option<Nearest>,
}

impl Examined {
    /// What it counts for.
    pub fn trust(&self) -> Option<Trust> {
        self.seen.map(|seen| seen.trust())
    }
}

/// Looks for a behaviour in what was learnt and in a reviewed file, which outranks it. Takes time that
/// depends on both: do it with clones.
pub fn examine(learnt: &Profile, reviewed: Option<&Profile>, behaviour: &Behaviour) -> Examined {
    let in_file = reviewed
        .map(|file| look(file, behaviour))
        .unwrap_or_default();
    if in_file.seen.is_some() {
        return Examined {
            by_file: true,
            ..in_file
        };
    }
    let mut examined = look(learnt, behaviour);
    examined.role_known |= in_file.role_known;
    if examined.seen.is_none() && in_file.nearest.is_some() {
        examined.nearest = in_file.nearest;
    }
    examined
}

fn look(profile: &Profile, behaviour: &Behaviour) -> Examined {
    let Some(behaviours) = profile.roles.get(&behaviour.role) else {
        return Examined::default();
    };
    let mut examined = Examined {
        role_known: true,
        ..Examined::default()
    };
    if let Some(objects) = behaviours.get(behaviour.phase, behaviour.class) {
        behaviour.found(|object| {
            examined.seen = objects.get(object).copied();
            match examined.seen {
                Some(_) => examined.pattern = objects.pattern_of(&behaviour.object),
                None => examined.nearest = objects.nearest(object),
            }
        });
    }
    examined
}
