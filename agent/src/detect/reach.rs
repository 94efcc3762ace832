//! Which event types a condition can hold for: the base of the index, and of the warnings about
//! types that the sensor does not produce.

use std::collections::BTreeSet;

use super::event_types::EventTypes;

/// Event types for which a condition can hold, and for which it can fail to hold. Both may be too
/// wide, never too narrow.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    pub(crate) holds: Types,
    pub(crate) fails: Types,
}

impl Reach {
    /// A condition that says nothing about types, on a field that only some types have.
    pub(crate) fn field(on: EventTypes) -> Self {
        Self {
            holds: Types {
                traced: on,
                untraced: Names::AllBut(BTreeSet::new()),
            },
            fails: Types::all(),
        }
    }

    /// A condition that never holds.
    pub(crate) fn never() -> Self {
        Self {
            holds: Types::none(),
            fails: Types::all(),
        }
    }

    /// A test of the event's type.
    pub(crate) fn types(traced: EventTypes, untraced: BTreeSet<String>) -> Self {
        Self {
            holds: Types {
                traced,
                untraced: Names::Only(untraced.clone()),
            },
            fails: Types {
                traced: traced.complement(),
                untraced: Names::AllBut(untraced),
            },
        }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            holds: self.holds.intersection(other.holds),
            fails: self.fails.union(other.fails),
        }
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            holds: self.holds.union(other.holds),
            fails: self.fails.intersection(other.fails),
        }
    }

    pub(crate) fn negate(self) -> Self {
        Self {
            holds: self.fails,
            fails: self.holds,
        }
    }
}

/// A set of event types, those included that only Falco has.
#[derive(Clone, Debug)]
pub(crate) struct Types {
    pub(crate) traced: EventTypes,
    pub(crate) untraced: Names,
}

impl Types {
    fn all() -> Self {
        Self {
            traced: EventTypes::ALL,
            untraced: Names::AllBut(BTreeSet::new()),
        }
    }

    fn none() -> Self {
        Self {
            traced: EventTypes::NONE,
            untraced: Names::Only(BTreeSet::new()),
        }
    }

    fn union(self, other: Self) -> Self {
        Self {
            traced: self.traced.union(other.traced),
            untraced: self.untraced.union(other.untraced),
        }
    }

    fn intersection(self, other: Self) -> Self {
        Self {
            traced: self.traced.intersection(other.traced),
            untraced: self.untraced.intersection(other.untraced),
        }
    }
}

/// A set of names out of an endless supply.
#[derive(Clone, Debug)]
pub(crate) enum Names {
    Only(BTreeSet<String>),
    AllBut(BTreeSet<String>),
}

impl Names {
    fn union(self, other: Self) -> Self {
        match (self, other) {
            (Self::Only(a), Self::Only(b)) => Self::Only(&a | &b),
            (Self::AllBut(a), Self::AllBut(b)) => Self::AllBut(&a & &b),
            (Self::Only(a), Self::AllBut(b)) | (Self::AllBut(b), Self::Only(a)) => {
                Self::AllBut(&b - &a)
            }
        }
    }

    fn intersection(self, other: Self) -> Self {
        match (self, other) {
            (Self::Only(a), Self::Only(b)) => Self::Only(&a & &b),
            (Self::AllBut(a), Self::AllBut(b)) => Self::AllBut(&a | &b),
            (Self::Only(a), Self::AllBut(b)) | (Self::AllBut(b), Self::Only(a)) => {
                Self::Only(&a - &b)
            }
        }
    }
}
