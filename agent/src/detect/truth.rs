//! Three-valued logic after Kleene: what a condition says while part of the event is unknown.

/// Truth of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// Holds, whatever the unknown values turn out to be.
    True,
    /// Does not hold, whatever the unknown values turn out to be.
    False,
    /// Depends on values that are not known yet.
    Unknown,
}

impl Truth {
    /// Conjunction.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::True, Self::True) => Self::True,
            _ => Self::Unknown,
        }
    }

    /// Disjunction.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::True, _) | (_, Self::True) => Self::True,
            (Self::False, Self::False) => Self::False,
            _ => Self::Unknown,
        }
    }

    /// Negation.
    #[must_use]
    pub const fn negate(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

#[cfg(test)]
mod tests {
    use super::Truth::{False, True, Unknown};

    #[test]
    fn connectives_follow_kleenes_tables() {
        let table = [
            (True, True, True, True),
            (True, False, False, True),
            (True, Unknown, Unknown, True),
            (False, False, False, False),
            (False, Unknown, False, Unknown),
            (Unknown, Unknown, Unknown, Unknown),
        ];
        for (left, right, and, or) in table {
            assert_eq!(left.and(right), and, "{left:?} and {right:?}");
            assert_eq!(right.and(left), and, "{right:?} and {left:?}");
            assert_eq!(left.or(right), or, "{left:?} or {right:?}");
            assert_eq!(right.or(left), or, "{right:?} or {left:?}");
        }
        assert_eq!(True.negate(), False);
        assert_eq!(False.negate(), True);
        assert_eq!(Unknown.negate(), Unknown);
    }
}
