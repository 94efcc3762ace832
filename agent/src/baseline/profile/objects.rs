//! The objects of one class.
//!
//! What is learnt of paths becomes patterns. A behaviour that is not plainly learnt - it waits for a
//! decision, an operator has made one, or no time makes it ordinary - is kept apart, where nothing
//! is generalised: what was decided of `/srv/7` says nothing of `/srv/8`, and a path that came too
//! late makes no pattern with those that were learnt. Each part is a join-semilattice, hence both are.
//!
//! What is apart comes first: a path that fits a pattern there is not looked up among the learnt
//! ones. The same text may be in both; then both are told, the learnt one first, and files keep them
//! as two behaviours, so that what they give when they are merged does not depend on the order.

mod paths;
#[cfg(test)]
mod tests;
mod texts;

use self::paths::Paths;
use self::texts::Texts;
use super::super::class::Class;
use super::super::evidence::{Marks, Seen, Trust};
use super::super::generalise::path::Segments;
use super::super::generalise::tree::{Merge, Nearest};

/// The objects of one role, phase and class, with what is known of each.
#[derive(Clone, Debug)]
pub(in crate::baseline) enum Objects {
    /// Paths, in which values become patterns.
    Paths(Paths),
    /// Texts that are general already: each stands for itself, apart or not.
    Texts(Texts),
}

/// An object to look for.
#[derive(Clone, Copy, Debug)]
pub(in crate::baseline) enum Found<'a> {
    Path(&'a Segments),
    Text(&'a str),
}

impl Merge for Seen {
    fn merge(&mut self, other: &Self) {
        Self::merge(self, other);
    }
}

impl Objects {
    pub(super) fn of(class: Class) -> Self {
        if class.is_of_files() {
            Self::Paths(Paths::default())
        } else {
            Self::Texts(Texts::default())
        }
    }

    pub(in crate::baseline) fn get(&self, object: Found<'_>) -> Option<&Seen> {
        match (self, object) {
            (Self::Paths(paths), Found::Path(path)) => paths.get(path),
            (Self::Texts(texts), Found::Text(text)) => texts.get(text),
            _ => None,
        }
    }

    /// The object, put among the learnt ones if it is not there. `None` for an object of the other
    /// kind.
    pub(in crate::baseline) fn entry(&mut self, object: Found<'_>) -> Option<&mut Seen> {
        match (self, object) {
            (Self::Paths(paths), Found::Path(path)) => Some(paths.entry(path)),
            (Self::Texts(texts), Found::Text(text)) => Some(texts.entry(text)),
            _ => None,
        }
    }

    /// The object, put apart if it is not there: for one that gets a mark or a decision. `None` when
    /// there is no room, and for an object of the other kind.
    pub(in crate::baseline) fn entry_apart(&mut self, object: Found<'_>) -> Option<&mut Seen> {
        match (self, object) {
            (Self::Paths(paths), Found::Path(path)) => paths.entry_apart(path),
            (Self::Texts(texts), Found::Text(text)) => texts.entry_within_bounds(text),
            _ => None,
        }
    }

    /// Puts in what another profile, or a file, knows of this very object: where it belongs by what
    /// it counts for, and without a bound.
    pub(in crate::baseline) fn put(&mut self, object: Found<'_>, seen: &Seen) {
        match (self, object) {
            (Self::Paths(paths), Found::Path(path)) => paths.put(path, seen),
            (Self::Texts(texts), Found::Text(text)) => texts.entry(text).merge(seen),
            _ => debug_assert!(false, "a class has objects of one kind"),
        }
    }

    /// Lets a behaviour that was in quarantine and has become ordinary count as learnt. Says whether
    /// it was one. Who has not heard of it keeps it in quarantine, and so do both after a merge.
    pub(in crate::baseline) fn release(&mut self, object: Found<'_>) -> bool {
        match (self, object) {
            (Self::Paths(paths), Found::Path(path)) => paths.release(path),
            (Self::Texts(texts), Found::Text(text)) => texts.release(text),
            _ => false,
        }
    }

    /// What comes nearest to an object that is not there.
    pub(in crate::baseline) fn nearest(&self, object: Found<'_>) -> Option<Nearest> {
        match (self, object) {
            (Self::Paths(paths), Found::Path(path)) => paths.nearest(path),
            _ => None,
        }
    }

    /// The pattern that a path, or another pattern, fits.
    pub(in crate::baseline) fn pattern_of(&self, text: &str) -> Option<String> {
        match self {
            Self::Paths(paths) => paths.pattern(&Segments::parse(text).ok()?),
            Self::Texts(texts) => texts.get(text).map(|_| text.to_owned()),
        }
    }

    /// In the order of the texts, of two with one text the learnt one first.
    pub(in crate::baseline) fn patterns(&self) -> Vec<(String, &Seen)> {
        match self {
            Self::Paths(paths) => paths.patterns(),
            Self::Texts(texts) => texts.patterns(),
        }
    }

    pub(super) fn seen(&self) -> Vec<&Seen> {
        match self {
            Self::Paths(paths) => paths.seen(),
            Self::Texts(texts) => texts.seen().collect(),
        }
    }

    /// What is known of guarded paths, and of all that is apart: nobody is trusted more for counting
    /// some of these too.
    pub(super) fn seen_guarded(&self) -> Vec<&Seen> {
        match self {
            Self::Paths(paths) => paths.seen_guarded(),
            Self::Texts(_) => Vec::new(),
        }
    }

    /// What is known of the learnt pattern that a path fits, if types stand in it for what varies.
    pub(in crate::baseline) fn shaped(&self, path: &Segments) -> Option<&Seen> {
        match self {
            Self::Paths(paths) => paths.shaped(path),
            Self::Texts(_) => None,
        }
    }

    /// Whether an object that is not there makes a pattern with those that were learnt. What is apart
    /// makes none: else whoever does something twice would be let to go on.
    pub(in crate::baseline) fn completes(&self, object: Found<'_>) -> bool {
        match (self, object) {
            (Self::Paths(paths), Found::Path(path)) => paths.completes(path),
            _ => false,
        }
    }

    pub(in crate::baseline) fn each_mut(&mut self, with: impl FnMut(&mut Seen)) {
        match self {
            Self::Paths(paths) => paths.each_mut(with),
            Self::Texts(texts) => texts.each_mut(with),
        }
    }

    pub(in crate::baseline) fn len(&self) -> usize {
        match self {
            Self::Paths(paths) => paths.len(),
            Self::Texts(texts) => texts.len(),
        }
    }

    /// One more may be kept. Paths become coarser instead.
    pub(in crate::baseline) fn has_room(&self) -> bool {
        match self {
            Self::Paths(_) => true,
            Self::Texts(texts) => texts.has_room(),
        }
    }

    /// Makes one pattern of the learnt paths below each directory of that depth, whatever is kept
    /// apart.
    pub(in crate::baseline) fn coarsen(&mut self, depth: usize) {
        if let Self::Paths(paths) = self {
            paths.coarsen(depth);
        }
    }

    /// About how many bytes the learnt paths take, which can be made fewer.
    pub(super) fn path_bytes(&self) -> usize {
        match self {
            Self::Paths(paths) => size_of::<Self>() + paths.learnt_bytes(),
            Self::Texts(_) => 0,
        }
    }

    /// About how many bytes all the rest takes.
    pub(super) fn fixed_bytes(&self) -> usize {
        match self {
            Self::Paths(paths) => paths.apart_bytes(),
            Self::Texts(texts) => size_of::<Self>() + texts.bytes(),
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Paths(paths), Self::Paths(other)) => paths.merge(other),
            (Self::Texts(texts), Self::Texts(other)) => texts.merge(other),
            _ => debug_assert!(false, "a class has objects of one kind"),
        }
    }
}

/// A behaviour out of quarantine, if it is in no more than that.
fn released(seen: &Seen) -> Option<Seen> {
    if seen.trust() != Trust::Quarantined {
        return None;
    }
    let mut released = *seen;
    released.marks = Marks::default();
    if seen.marks.has(Marks::OWN) {
        released.marks = Marks::OWN;
    }
    Some(released)
}
