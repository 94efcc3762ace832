//! What a profile knows of a behaviour.

use super::super::evidence::{Seen, Trust};
use super::super::file::UNDATED;
use super::super::generalise::tree::Nearest;
use super::super::profile::Profile;
use super::Behaviour;

/// What a profile knows of a behaviour.
#[derive(Clone, Debug, Default)]
pub struct Examined {
    /// The role has done something that is kept.
    pub role_known: bool,
    /// The pattern that it fits; `None` when it is not known.
    pub pattern: Option<String>,
    /// What is known of the pattern.
    pub seen: Option<Seen>,
    /// What comes nearest, where it is not known. Of paths alone.
    pub nearest: Option<Nearest>,
}

impl Examined {
    /// What it counts for.
    pub fn trust(&self) -> Option<Trust> {
        self.seen.map(|seen| seen.trust())
    }

    /// A reviewed file has decided of it.
    pub fn is_of_file(&self) -> bool {
        matches!(
            self.seen.and_then(|seen| seen.decision()),
            Some((_, UNDATED))
        )
    }
}

/// Looks for a behaviour. Takes time that depends on the profile: do it with one that was cloned.
pub fn examine(profile: &Profile, behaviour: &Behaviour) -> Examined {
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
