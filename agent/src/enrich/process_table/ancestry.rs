//! Bounds on ancestry.

use std::sync::Arc;

use crate::model::Process;

/// Ancestors that every process keeps, if it had as many.
pub(super) const MIN_ANCESTORS: u16 = 32;
/// Ancestors at which an ancestry is cut to [`MIN_ANCESTORS`]: cutting every 32nd generation only
/// costs each fork as much as copying one process.
pub(super) const MAX_ANCESTORS: u16 = 64;

/// The process with its nearest ancestors only, when it has too many to become a parent.
pub(super) fn shortened(process: &Process) -> Option<Arc<Process>> {
    if process.depth < MAX_ANCESTORS {
        return None;
    }
    let kept: Vec<&Process> = process
        .ancestors()
        .take(usize::from(MIN_ANCESTORS))
        .collect();
    let parent = kept.into_iter().rev().fold(None, |parent, ancestor| {
        Some(Arc::new(with_parent(ancestor, parent)))
    });
    Some(Arc::new(with_parent(process, parent)))
}

/// A copy under another parent; the image is shared.
pub(super) fn with_parent(process: &Process, parent: Option<Arc<Process>>) -> Process {
    Process {
        depth: depth_below(parent.as_ref()),
        parent,
        ..process.clone()
    }
}

/// Number of ancestors of a child of that parent.
pub(super) fn depth_below(parent: Option<&Arc<Process>>) -> u16 {
    parent.map_or(0, |parent| parent.depth + 1)
}
