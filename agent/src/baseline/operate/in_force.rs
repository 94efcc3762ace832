//! What counts of a reviewed file and of what was learnt.

use super::super::profile::{Behaviours, Profile};
use super::Behaviour;

impl Profile {
    /// What counts: what a reviewed file says, and what was learnt of all that the file does not have. For
    /// people: when the file changes, it is another one.
    #[must_use]
    pub fn under(&self, reviewed: &Self) -> Self {
        let mut all = self.clone();
        all.roles.clone_from(&reviewed.roles);
        for (role, phase, class, object, seen) in self.behaviours() {
            let behaviour = Behaviour {
                role: role.clone(),
                phase,
                class,
                object,
            };
            if behaviour.known_to(reviewed).is_none() {
                let behaviours: &mut Behaviours = all.roles.entry(role.clone()).or_default();
                let objects = behaviours.entry(phase, class);
                behaviour.found(|object| objects.put(object, seen));
            }
        }
        all
    }
}
