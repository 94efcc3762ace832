//! Profiles that have become too large: coarser, never switched off.

use super::super::class::Class;
use super::{Objects, Phase, Profile};

/// Directories that keep their names at first, when what lies below them becomes one pattern.
const DEPTH: usize = 5;

impl Profile {
    /// Makes patterns coarser until the profile takes no more than so many bytes: of the class that an
    /// attack needs least first, from the deepest directories up. Says whether that was necessary.
    pub(super) fn shrink(&mut self, most: usize) -> bool {
        if self.bytes() <= most {
            return false;
        }
        let mut classes = Class::ALL;
        classes.sort_by_key(|class| class.worth());
        for depth in (1..=DEPTH).rev() {
            for class in classes {
                self.coarsen(class, depth);
                if self.bytes() <= most {
                    return true;
                }
            }
        }
        true
    }

    fn coarsen(&mut self, class: Class, depth: usize) {
        for behaviours in self.roles.values_mut() {
            for phase in Phase::ALL {
                if let Some(Objects::Paths(tree)) = behaviours.get_mut(phase, class) {
                    tree.coarsen(depth);
                }
            }
        }
    }
}
