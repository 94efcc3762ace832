//! Differences as lines.

use std::fmt::{self, Display, Formatter};

use super::super::evidence::Trust;
use super::super::file::push_item;
use super::{Change, Diff, Item, RoleDiff, Side};

impl Side {
    const fn sign(self) -> char {
        match self {
            Self::One => '-',
            Self::Other => '+',
        }
    }
}

/// As files have it: what is not printable is escaped.
impl Display for Item {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        push_item(&mut text, self.trust, &self.pattern);
        f.write_str(&text)
    }
}

impl Display for Diff {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.roles.iter().try_for_each(|role| role.fmt(f))
    }
}

impl Display for RoleDiff {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sign = self.only.map_or(' ', Side::sign);
        let mut role = String::new();
        push_item(&mut role, Trust::Learnt, self.role.text());
        match (self.only, self.changes.len()) {
            (None, _) => writeln!(f, "{sign} {role}")?,
            (Some(_), 1) => writeln!(f, "{sign} {role}: 1 behaviour")?,
            (Some(_), count) => writeln!(f, "{sign} {role}: {count} behaviours")?,
        }
        let mut heading = None;
        for (phase, class, change) in &self.changes {
            if heading != Some((phase, class)) {
                writeln!(f, "{sign}   {} {class}", phase.name())?;
                heading = Some((phase, class));
            }
            match change {
                Change::Only(side, item) => writeln!(f, "{}     {item}", side.sign())?,
                Change::Decided(one, other) => {
                    writeln!(f, "-     {one}")?;
                    writeln!(f, "+     {other}")?;
                }
                Change::Covered(one, other) => writeln!(f, "~     {one} -> {other}")?,
            }
        }
        Ok(())
    }
}
