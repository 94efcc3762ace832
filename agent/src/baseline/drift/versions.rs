//! The versions of a workload, as bits of 64.

/// A version: an image, or a build of a unit. Two times of the same digest are two versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// When it was made, as the image says: the same on every node, so that all of them agree on
    /// which is the oldest. Where nothing tells, any time that is about right.
    pub made: u64,
    /// The first half of its digest.
    pub digest: u128,
}

/// The newest 64 versions of a profile. Bit *n* of [`crate::baseline::evidence::Seen::versions`] stands for
/// the *n*th, oldest first: the order is that of the versions themselves, so equal sets give equal
/// bits. When the list changes, a [`Remap`] moves the bits of every behaviour along.
///
/// The order must not change with what a node sees: were it by last use, say, a version could be
/// dropped in one merge and come back in the next without the behaviours that had it, and the
/// result would depend on the order of merges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions(
    /// Ascending, without duplicates, at most `MOST`.
    Vec<Version>,
);

const MOST: usize = Versions::MOST;

/// Where the bits go when a list of versions becomes another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remap(
    /// New mask of each old bit; 0: dropped.
    [u64; MOST],
);

impl Remap {
    /// Moves the bits. Those of no version are dropped.
    #[must_use]
    pub fn apply(&self, bits: u64) -> u64 {
        let mut moved = 0;
        let mut left = bits;
        while left != 0 {
            moved |= self.0[left.trailing_zeros() as usize];
            left &= left - 1;
        }
        moved
    }
}

impl Versions {
    /// How many are kept.
    pub const MOST: usize = 64;

    /// The bit of a version; 0 when it is not one of those kept.
    pub fn bit(&self, version: Version) -> u64 {
        self.0.binary_search(&version).map_or(0, |at| 1 << at)
    }

    /// Adds a version. When the list changed, the bits of every behaviour have to be moved. One
    /// that is older than the 64 kept is not added.
    #[must_use]
    pub fn add(&mut self, version: Version) -> Option<Remap> {
        if self.0.contains(&version) {
            return None;
        }
        let before = self.clone();
        self.union(&[version]);
        (*self != before).then(|| before.remap(self))
    }

    /// Union. Gives where the own bits go and where those of `other`: move both before behaviours
    /// are merged.
    #[must_use]
    pub fn merge(&mut self, other: &Self) -> (Remap, Remap) {
        let before = self.clone();
        self.union(&other.0);
        (before.remap(self), other.remap(self))
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Version> {
        self.0.iter().copied()
    }

    fn union(&mut self, others: &[Version]) {
        self.0.extend_from_slice(others);
        self.0.sort_unstable();
        self.0.dedup();
        let oldest = self.0.len().saturating_sub(MOST);
        self.0.drain(..oldest);
    }

    fn remap(&self, new: &Self) -> Remap {
        let mut masks = [0; MOST];
        for (mask, version) in masks.iter_mut().zip(self.iter()) {
            *mask = new.bit(version);
        }
        Remap(masks)
    }
}

impl FromIterator<Version> for Versions {
    fn from_iter<I: IntoIterator<Item = Version>>(versions: I) -> Self {
        let mut list = Self::default();
        list.union(&versions.into_iter().collect::<Vec<_>>());
        list
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::{btree_map, btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    fn version(made: u64) -> Version {
        let digest = u128::from(made.wrapping_mul(0x9e37_79b9)) << 3;
        Version { made, digest }
    }

    /// A profile: versions, and the bits of its behaviours.
    #[derive(Clone, Debug, PartialEq)]
    struct Profile(Versions, BTreeMap<u8, u64>);

    impl Profile {
        fn add(&mut self, made: u64, behaviour: u8) {
            if let Some(remap) = self.0.add(version(made)) {
                self.1
                    .values_mut()
                    .for_each(|bits| *bits = remap.apply(*bits));
            }
            *self.1.entry(behaviour).or_default() |= self.0.bit(version(made));
        }

        fn merged(mut self, other: &Self) -> Self {
            let (own, theirs) = self.0.merge(&other.0);
            self.1
                .values_mut()
                .for_each(|bits| *bits = own.apply(*bits));
            for (behaviour, bits) in &other.1 {
                *self.1.entry(*behaviour).or_default() |= theirs.apply(*bits);
            }
            self
        }

        fn versions_of(&self, behaviour: u8) -> Vec<u64> {
            let bits = self.1.get(&behaviour).copied().unwrap_or_default();
            let has = |version: &Version| self.0.bit(*version) & bits != 0;
            self.0
                .iter()
                .filter(has)
                .map(|version| version.made)
                .collect()
        }
    }

    fn profiles() -> impl Strategy<Value = Profile> {
        (
            btree_set(0..200_u64, 0..90),
            btree_map(0..6_u8, any::<u64>(), 0..6),
        )
            .prop_map(|(made, behaviours)| {
                let versions: Versions = made.into_iter().map(version).collect();
                let unused = MOST - versions.0.len();
                let known = u64::MAX.checked_shr(unused as u32).unwrap_or(0);
                let bits = behaviours
                    .into_iter()
                    .map(|(key, bits)| (key, bits & known));
                Profile(versions, bits.collect())
            })
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut profile = Profile(Versions::default(), BTreeMap::new());
        (0..65).for_each(|made| profile.add(made, (made % 2) as u8));
        assert_eq!(profile.0.iter().count(), 64);
        assert_eq!(
            profile.versions_of(0),
            (1..33).map(|half| 2 * half).collect::<Vec<_>>()
        );
        assert_eq!(
            profile.versions_of(1),
            (0..32).map(|half| 2 * half + 1).collect::<Vec<_>>()
        );
        // Too old to come back.
        assert_eq!(profile.0.add(version(0)), None);
        assert_eq!(profile.0.bit(version(0)), 0);
    }

    #[test]
    fn bits_of_no_version_are_dropped() {
        let (mut one, other) = (Versions::default(), Versions::from_iter([version(1)]));
        let (own, theirs) = one.merge(&other);
        assert_eq!((own.apply(u64::MAX), theirs.apply(u64::MAX)), (0, 1));
    }

    proptest! {
        #[test]
        fn merge_is_a_join(a in profiles(), b in profiles(), c in profiles()) {
            prop_assert_eq!(a.clone().merged(&b), b.clone().merged(&a));
            let left = a.clone().merged(&b).merged(&c);
            prop_assert_eq!(&left, &a.clone().merged(&b.clone().merged(&c)));
            prop_assert_eq!(&left.clone().merged(&b), &left);
            prop_assert_eq!(a.clone().merged(&a), a);
        }

        #[test]
        fn versions_stay_with_their_behaviours(
            seen in vec((0..100_u64, 0..4_u8), 0..150), split in 0..150_usize,
        ) {
            let empty = Profile(Versions::default(), BTreeMap::new());
            let learn = |seen: &[(u64, u8)]| {
                let mut profile = empty.clone();
                seen.iter().for_each(|(made, behaviour)| profile.add(*made, *behaviour));
                profile
            };
            let whole = learn(&seen);
            let (one, other) = seen.split_at(split.min(seen.len()));
            prop_assert_eq!(&learn(one).merged(&learn(other)), &whole);
            let kept: Vec<u64> = whole.0.iter().map(|version| version.made).collect();
            for behaviour in 0..4 {
                let mut made: Vec<u64> = seen
                    .iter()
                    .filter(|(made, of)| *of == behaviour && kept.contains(made))
                    .map(|(made, _)| *made)
                    .collect();
                made.sort_unstable();
                made.dedup();
                prop_assert_eq!(whole.versions_of(behaviour), made);
            }
        }
    }
}
