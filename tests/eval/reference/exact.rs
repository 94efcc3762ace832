//! Sets of what each program did, exactly as it was.

use std::collections::HashSet;

use super::{Act, Reference};

/// Program, class and object.
#[derive(Debug, Default)]
pub(super) struct Exact {
    known: HashSet<String>,
}

fn key(act: &Act<'_>) -> String {
    let watched = act.watched;
    format!("{} {} {}", act.program, watched.class, watched.exact)
}

impl Reference for Exact {
    fn learn(&mut self, act: &Act<'_>) {
        self.known.insert(key(act));
    }

    fn knows(&self, act: &Act<'_>) -> Option<bool> {
        Some(self.known.contains(&key(act)))
    }

    fn alert(&self, act: &Act<'_>) -> String {
        key(act)
    }
}
