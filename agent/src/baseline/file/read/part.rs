//! The part of a file that is for machines.

use std::collections::BTreeMap;

use super::super::super::drift::{Version, Versions};
use super::super::super::evidence::{Exposure, NodeExposure, NodeId, Seen};
use super::super::super::lock::Locks;
use super::super::error::Place;
use super::super::events::{Events, Result, Scalar};
use super::super::lines;

/// Most nodes of a file.
const MAX_NODES: usize = 100_000;

/// The part as it stands there.
#[derive(Debug)]
pub(super) struct Part {
    place: Place,
    of: String,
    pub(super) exposure: Exposure,
    pub(super) versions: Versions,
    pub(super) locks: Locks,
    pub(super) seen: Vec<Recorded>,
}

/// What is recorded of a behaviour, and where.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) seen: Seen,
    pub(super) place: Place,
}

impl Part {
    pub(super) fn read(events: &mut Events<'_>, place: Place) -> Result<Self> {
        let (mut of, mut watched) = (None, None);
        let mut nodes = BTreeMap::new();
        let mut versions: Vec<Version> = Vec::new();
        let mut locks = Locks::default();
        let mut seen = Vec::new();
        events.mapping("'evidence'", |events, key| match &*key.text {
            "of" => {
                of = Some(events.scalar("'of'")?.text.into_owned());
                Ok(())
            }
            "watched" => {
                watched = Some(events.scalar("'watched'")?);
                Ok(())
            }
            "nodes" => events.list("'nodes'", |events| read_node(events, &mut nodes)),
            "versions" => events.list("'versions'", |events| read_version(events, &mut versions)),
            "locks" => events.list("'locks'", |events| read_lock(events, &mut locks)),
            "seen" => events.list("'seen'", |events| {
                seen.push(events.scalar("what was seen")?);
                Ok(())
            }),
            _ => {
                let known = ["of", "watched", "nodes", "versions", "locks", "seen"];
                Err(events.unknown(key, &known))
            }
        })?;
        let missing = |key: &str| {
            let reason = format!("no '{key}' in the evidence: export the profile anew");
            events.error(place, reason)
        };
        let of = of.ok_or_else(|| missing("of"))?;
        let watched = watched.ok_or_else(|| missing("watched"))?;
        let exposure = lines::exposure(&watched.text, nodes)
            .map_err(|reason| events.error(watched.place, reason))?;
        let versions: Versions = versions.into_iter().collect();
        let known = lines::known_bits(&versions);
        let seen = seen.iter().map(|line| recorded(events, line, known));
        Ok(Self {
            place,
            of,
            exposure,
            seen: seen.collect::<Result<_>>()?,
            versions,
            locks,
        })
    }

    /// Fails if it does not belong to these behaviours.
    pub(super) fn check(
        &self,
        events: &Events<'_>,
        fingerprint: &str,
        behaviours: usize,
    ) -> Result<()> {
        if self.of != fingerprint || self.seen.len() != behaviours {
            let reason = "the evidence is that of other roles than those of this file: take the part \
                          'evidence' out, and what is in the file counts as reviewed";
            return Err(events.error(self.place, reason));
        }
        Ok(())
    }
}

fn recorded(events: &Events<'_>, line: &Scalar<'_>, known: u64) -> Result<Recorded> {
    let seen = lines::seen(&line.text, known).map_err(|reason| events.error(line.place, reason))?;
    Ok(Recorded {
        seen,
        place: line.place,
    })
}

fn read_node(events: &mut Events<'_>, nodes: &mut BTreeMap<NodeId, NodeExposure>) -> Result<()> {
    let line = events.scalar("a node")?;
    let (id, node) = lines::node(&line.text).map_err(|reason| events.error(line.place, reason))?;
    if nodes.insert(id, node).is_some() {
        return Err(events.error(line.place, "this node stands there twice"));
    }
    if nodes.len() > MAX_NODES {
        let reason = format!("more than {MAX_NODES} nodes");
        return Err(events.error(line.place, reason));
    }
    Ok(())
}

fn read_lock(events: &mut Events<'_>, locks: &mut Locks) -> Result<()> {
    let line = events.scalar("a lock")?;
    let (phase, class, lock) =
        lines::lock(&line.text).map_err(|reason| events.error(line.place, reason))?;
    if locks.get(phase, class).time().is_some() {
        return Err(events.error(line.place, "this class stands there twice"));
    }
    locks.join(phase, class, lock);
    Ok(())
}

/// Versions stand in their order, which says what the bits of behaviours mean.
fn read_version(events: &mut Events<'_>, versions: &mut Vec<Version>) -> Result<()> {
    let line = events.scalar("a version")?;
    let version = lines::version(&line.text).map_err(|reason| events.error(line.place, reason))?;
    if versions.last().is_some_and(|last| *last >= version) {
        return Err(events.error(line.place, "versions stand oldest first, each once"));
    }
    if versions.len() == Versions::MOST {
        let reason = format!("more than {} versions", Versions::MOST);
        return Err(events.error(line.place, reason));
    }
    versions.push(version);
    Ok(())
}
