//! What a profile takes, and how much more it may.

use super::super::class::Class;
use super::super::role::Role;
use super::{Behaviours, Objects, Phase, Profile};

/// Roles of a workload. One more has no profile: what it does is new each time.
const MAX_ROLES: usize = 512;
/// Most bytes of their texts.
const ROLE_BYTES: usize = 64 << 10;
/// Most bytes of what cannot be made coarser: texts, and the paths that are kept apart.
const FIXED_BYTES: usize = 256 << 10;
/// What paths may take until something is known of the settings.
const PATH_BYTES: usize = 256 << 10;
/// Paths may take so many times what they are made coarser for: they grow until a unit ends, and they
/// are not made coarser without end.
const SLACK: usize = 2;
/// More than one object takes: a path of the longest names.
const LARGEST: usize = 64 << 10;

/// About how many bytes a profile takes, by what has a bound of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Texts of roles.
    pub(super) roles: usize,
    /// What cannot be made coarser.
    pub(super) fixed: usize,
    /// Learnt paths.
    pub(super) paths: usize,
}

impl Profile {
    /// The most bytes that one may come to take by learning, whatever a workload does, when paths are
    /// made coarser beyond `most` bytes of them: about 1 MiB with the usual 256 KiB. What operators
    /// decide and what other profiles know has no bound here, but files have one.
    pub const fn ceiling(most: usize) -> usize {
        let roles = ROLE_BYTES + MAX_ROLES * size_of::<Behaviours>();
        size_of::<Self>() + roles + FIXED_BYTES + SLACK * most + 3 * LARGEST
    }

    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        let size = self.size();
        let roles = size.roles + self.roles.len() * size_of::<Behaviours>();
        size_of::<Self>() + roles + size.fixed + size.paths
    }

    /// One more object of a role may be kept.
    pub(in crate::baseline) fn has_room(&self, role: &Role, phase: Phase, class: Class) -> bool {
        let behaviours = self.roles.get(role);
        if behaviours.is_none() && self.roles.len() >= MAX_ROLES {
            return false;
        }
        let objects = behaviours.and_then(|behaviours| behaviours.get(phase, class));
        if !objects.is_none_or(Objects::has_room) {
            return false;
        }
        let size = self.size();
        let roles = match behaviours {
            Some(_) => 0,
            None => size.roles + role.text().len(),
        };
        let most = self.path_bytes.unwrap_or(PATH_BYTES);
        roles <= ROLE_BYTES
            && size.fixed < FIXED_BYTES
            && (!class.is_of_files() || size.paths < SLACK * most)
    }

    /// Takes no time that depends on what is in the objects.
    pub(super) fn size(&self) -> Size {
        let mut size = Size::default();
        for (role, behaviours) in &self.roles {
            size.roles += role.text().len();
            for objects in behaviours.all() {
                size.fixed += objects.fixed_bytes();
                size.paths += objects.path_bytes();
            }
        }
        size
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::evidence::{InstanceId, Marks};
    use super::super::super::generalise::path::Segments;
    use super::super::Found;
    use super::*;
    use crate::fuzzing::Chance;

    const MOST: usize = 256 << 10;

    /// Learns as the learner does: what is new only where there is room.
    fn learn(profile: &mut Profile, role: &Role, class: Class, object: &str, apart: bool) {
        let path = Segments::of(object.as_bytes(), None);
        let found = if class.is_of_files() {
            Found::Path(&path)
        } else {
            Found::Text(object)
        };
        let known = profile
            .roles
            .get(role)
            .and_then(|behaviours| behaviours.get(Phase::Run, class)?.get(found))
            .is_some();
        if !known && !profile.has_room(role, Phase::Run, class) {
            return;
        }
        let behaviours = profile.roles.entry(role.clone()).or_default();
        let objects = behaviours.entry(Phase::Run, class);
        let seen = if apart {
            objects.entry_apart(found)
        } else {
            objects.entry(found)
        };
        if let Some(seen) = seen {
            seen.observe(1, InstanceId(1), 0);
            if apart {
                seen.marks = Marks::QUARANTINED;
            }
        }
    }

    fn name(chance: &mut Chance, longest: usize) -> String {
        let length = 1 + chance.below(longest);
        let letter = |_| char::from(b'a' + chance.below(26) as u8);
        (0..length).map(letter).collect()
    }

    /// Long names, deep and wide directories, many texts, of few roles or many.
    fn hostile(seed: u64, roles: usize, longest: usize, classes: &[Class]) -> Profile {
        let mut chance = Chance::new(seed);
        let mut profile = Profile {
            path_bytes: Some(MOST),
            ..Profile::default()
        };
        let roles: Vec<Role> = (0..roles)
            .map(|_| Role::from_text(&format!("root uid0 /{}", name(&mut chance, longest))))
            .collect();
        for round in 0..20_000 {
            let role = &roles[chance.below(roles.len())];
            let class = classes[chance.below(classes.len())];
            let depth = 1 + chance.below(8);
            let names: Vec<String> = (0..depth).map(|_| name(&mut chance, longest)).collect();
            let object = format!("/{}", names.join("/"));
            learn(&mut profile, role, class, &object, chance.below(4) == 0);
            if round % 4_000 == 3_999 {
                assert!(profile.bytes() <= Profile::ceiling(MOST), "{seed}");
                profile.shrink(MOST);
            }
        }
        profile
    }

    #[test]
    fn whatever_a_workload_does_its_profile_has_a_bound() {
        let paths = [Class::FileRead, Class::FileCreate, Class::Library];
        let texts = [Class::Exec, Class::Arguments, Class::Dns];
        for (seed, (roles, longest, classes)) in [
            (1, 250, &paths[..]),
            (1, 250, &texts[..]),
            (3_000, 700, &texts[..]),
            (3_000, 20, &paths[..]),
            (600, 8, &Class::ALL[..]),
            (20, 4, &Class::ALL[..]),
        ]
        .into_iter()
        .enumerate()
        {
            let profile = hostile(seed as u64, roles, longest, classes);
            assert!(profile.bytes() <= Profile::ceiling(MOST), "{seed}");
            assert!(profile.size().roles <= ROLE_BYTES, "{seed}");
            assert!(profile.roles.len() <= MAX_ROLES, "{seed}");
        }
        assert!(Profile::ceiling(MOST) < 1_200 << 10);
    }

    #[test]
    fn many_programs_make_no_path_coarser() {
        let mut profile = Profile::default();
        for number in 0..2_000 {
            let role = format!("root uid0 /{number}/{}", "x".repeat(600));
            let path = "/srv/www/a/b/c/d/index.html";
            learn(
                &mut profile,
                &Role::from_text(&role),
                Class::FileRead,
                path,
                false,
            );
        }
        assert!(profile.roles.len() > 100);
        assert!(!profile.shrink(MOST));
    }
}
