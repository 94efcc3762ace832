//! Profiles that have become too large: coarser, never switched off.

use std::collections::BTreeMap;

use super::super::class::Class;
use super::super::role::Role;
use super::{Objects, Phase, Profile};

/// Directories that keep their names at first, when what lies below them becomes one pattern.
const DEPTH: usize = 5;

/// Objects that can be made coarser.
type Place = (Role, Phase, Class);

impl Profile {
    /// Makes patterns coarser until the profile takes no more than so many bytes. Says whether that
    /// was necessary.
    ///
    /// The turn is that of the objects that take most, those of a class that an attack needs least
    /// counting more: what one role floods does not make coarser what the others do.
    pub(super) fn shrink(&mut self, most: usize) -> bool {
        if self.bytes() <= most {
            return false;
        }
        let mut depths: BTreeMap<Place, usize> = BTreeMap::new();
        while self.bytes() > most {
            let Some(place) = self.largest(&depths) else {
                break;
            };
            let depth = depths.entry(place.clone()).or_insert(DEPTH);
            let (role, phase, class) = place;
            let objects = self.roles.get_mut(&role);
            if let Some(Objects::Paths(tree)) =
                objects.and_then(|behaviours| behaviours.get_mut(phase, class))
            {
                tree.coarsen(*depth);
            }
            *depth -= 1;
        }
        true
    }

    /// The paths whose turn it is; `None` when all are as coarse as they can be.
    fn largest(&self, depths: &BTreeMap<Place, usize>) -> Option<Place> {
        let mut largest: Option<(usize, Place)> = None;
        for (role, behaviours) in &self.roles {
            for phase in Phase::ALL {
                for class in Class::ALL {
                    let Some(objects @ Objects::Paths(_)) = behaviours.get(phase, class) else {
                        continue;
                    };
                    let place = (role.clone(), phase, class);
                    let weight = objects.bytes() * usize::from(MOST_WORTH - class.worth());
                    let larger = largest.as_ref().is_none_or(|(most, _)| weight > *most);
                    if larger && depths.get(&place) != Some(&0) {
                        largest = Some((weight, place));
                    }
                }
            }
        }
        largest.map(|(_, place)| place)
    }
}

/// Above what any class of paths is worth.
const MOST_WORTH: u8 = 8;

#[cfg(test)]
mod tests {
    use super::super::super::evidence::InstanceId;
    use super::super::super::generalise::path::Segments;
    use super::super::Found;
    use super::*;

    fn observe(profile: &mut Profile, role: &str, path: &str) {
        let segments = Segments::of(path.as_bytes(), None);
        let behaviours = profile.roles.entry(Role::from_text(role)).or_default();
        let objects = behaviours.entry(Phase::Run, Class::FileRead);
        let seen = objects.entry(Found::Path(&segments)).unwrap();
        seen.observe(1, InstanceId(1), 0);
    }

    fn letters(mut number: usize) -> String {
        let mut text = String::new();
        for _ in 0..5 {
            text.push(char::from(b'a' + (number % 26) as u8));
            number /= 26;
        }
        text
    }

    #[test]
    fn who_floods_becomes_coarser_and_nobody_else() {
        let mut profile = Profile::default();
        observe(&mut profile, "root uid0 /a", "/srv/www/a/b/index.html");
        for number in 0..5_000 {
            let path = format!(
                "/usr/share/{}/{}/x.conf",
                letters(number / 7),
                letters(number)
            );
            observe(&mut profile, "outsider uid0 /find", &path);
        }
        assert!(profile.bytes() > 256 * 1024);
        assert!(profile.shrink(64 * 1024));
        assert!(profile.bytes() <= 64 * 1024);
        let patterns: Vec<String> = profile
            .behaviours()
            .filter(|(role, ..)| role.text().starts_with("root"))
            .map(|(.., pattern, _)| pattern)
            .collect();
        assert_eq!(patterns, ["/srv/www/a/b/index.html"]);
        assert!(!profile.shrink(64 * 1024));
    }
}
