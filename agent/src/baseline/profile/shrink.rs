//! Profiles with too many paths: coarser, never switched off.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::super::class::Class;
use super::super::role::Role;
use super::{Objects, Phase, Profile};

/// Directories that keep their names at first, when what lies below them becomes one pattern.
const DEPTH: usize = 5;
/// Directories that keep their names always: `/var/lib/app/{any}` still says something.
const FLOOR: usize = 3;

/// Above what any class of paths is worth.
const MOST_WORTH: u8 = 8;

/// Objects that may be made coarser: the greatest comes first, of equal ones that of the first role.
type Place = (usize, Reverse<(Role, Phase, Class)>, usize);

impl Profile {
    /// Makes patterns coarser until the learnt paths take no more than so many bytes, or as few as
    /// they can. Says whether they took more.
    ///
    /// The turn is that of the objects that take most, those of a class that an attack needs least
    /// counting more: what one role floods does not make coarser what the others do. Who takes no
    /// more than an equal share is left alone.
    pub(super) fn shrink(&mut self, most: usize) -> bool {
        let mut bytes = self.size().paths;
        // What could not be helped before cannot be helped now.
        if bytes <= most.max(self.least) {
            return bytes > most;
        }
        let mut places = self.places(most);
        while bytes > most
            && let Some((_, Reverse((role, phase, class)), depth)) = places.pop()
        {
            let behaviours = self.roles.get_mut(&role);
            let Some(objects) = behaviours.and_then(|all| all.get_mut(phase, class)) else {
                continue;
            };
            let before = objects.path_bytes();
            objects.coarsen(depth);
            let after = objects.path_bytes();
            bytes = bytes + after - before;
            if depth > FLOOR {
                let place = Reverse((role, phase, class));
                places.push((weight(after, class), place, depth - 1));
            }
        }
        self.least = if bytes > most { bytes } else { 0 };
        true
    }

    /// All that take more than an equal share.
    fn places(&self, most: usize) -> BinaryHeap<Place> {
        let mut places = Vec::new();
        for (role, behaviours) in &self.roles {
            for phase in Phase::ALL {
                for class in Class::ALL {
                    if let Some(objects @ Objects::Paths(_)) = behaviours.get(phase, class) {
                        places.push((objects.path_bytes(), role, phase, class));
                    }
                }
            }
        }
        let share = most / places.len().max(1);
        let greater = places.into_iter().filter(|(bytes, ..)| *bytes > share);
        greater
            .map(|(bytes, role, phase, class)| {
                let place = Reverse((role.clone(), phase, class));
                (weight(bytes, class), place, DEPTH)
            })
            .collect()
    }
}

fn weight(bytes: usize, class: Class) -> usize {
    bytes * usize::from(MOST_WORTH - class.worth())
}

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

    fn patterns(profile: &Profile, role: &str) -> Vec<String> {
        profile
            .behaviours()
            .filter(|(of, ..)| of.text() == role)
            .map(|(.., pattern, _)| pattern)
            .collect()
    }

    #[test]
    fn who_floods_becomes_coarser_and_nobody_else() {
        let mut profile = Profile::default();
        observe(&mut profile, "root uid0 /a", "/srv/www/a/b/index.html");
        for number in 0..5_000 {
            let path = format!(
                "/usr/share/doc/{}/{}/x.conf",
                letters(number / 7),
                letters(number)
            );
            observe(&mut profile, "outsider uid0 /find", &path);
        }
        assert!(profile.size().paths > 256 * 1024);
        assert!(profile.shrink(64 * 1024));
        assert!(profile.size().paths <= 64 * 1024);
        let kept = patterns(&profile, "root uid0 /a");
        assert_eq!(kept, ["/srv/www/a/b/index.html"]);
        let coarse = patterns(&profile, "outsider uid0 /find");
        assert_eq!(coarse, ["/usr/share/doc/{any}.conf"]);
        assert!(!profile.shrink(64 * 1024));
    }

    #[test]
    fn the_first_directories_keep_their_names() {
        let mut profile = Profile::default();
        observe(
            &mut profile,
            "root uid0 /a",
            "/srv/www/a/b/c/d/e/index.html",
        );
        for number in 0..2_000 {
            observe(&mut profile, "r", &format!("/etc/{}", letters(number)));
            observe(&mut profile, "r", &format!("/{}/a/b", letters(number)));
        }
        let before = patterns(&profile, "r");
        // It is told each time, and nothing is done in vain, nor to those that have their share.
        assert!(profile.shrink(64 * 1024) && profile.shrink(64 * 1024));
        assert_eq!(patterns(&profile, "r"), before);
        let kept = patterns(&profile, "root uid0 /a");
        assert_eq!(kept, ["/srv/www/a/b/c/d/e/index.html"]);
    }
}
