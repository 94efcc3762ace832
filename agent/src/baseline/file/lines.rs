//! Evidence as lines of words.

use std::collections::BTreeMap;

use super::super::class::Class;
use super::super::drift::{Version, Versions};
use super::super::evidence::{Decision, Exposure, MAX_GAP, Marks, NodeExposure, NodeId, Seen};
use super::super::lock::Lock;
use super::super::profile::Phase;
use super::UNDATED;
use super::words::{Words, push, push_sample};

/// A behaviour that no instance has shown, such as one of a reviewed file.
const UNSEEN: &str = "unseen";
const LOCKED: &str = "locked";
const UNLOCKED: &str = "unlocked";

/// Bits that stand for a version.
pub(super) fn known_bits(versions: &Versions) -> u64 {
    versions
        .iter()
        .fold(0, |bits, version| bits | versions.bit(version))
}

pub(super) fn of_seen(seen: &Seen, known: u64) -> String {
    let mut line = String::new();
    if seen.is_seen() {
        push(&mut line, format_args!("first={}", seen.first));
        push(&mut line, format_args!("last={}", seen.last));
    } else {
        line.push_str(UNSEEN);
    }
    if seen.gap != 0 {
        push(&mut line, format_args!("gap={}", seen.gap));
    }
    push_sample(&mut line, "windows", &seen.windows);
    push_sample(&mut line, "instances", &seen.instances);
    if seen.versions & known != 0 {
        push(
            &mut line,
            format_args!("versions={:x}", seen.versions & known),
        );
    }
    let marks = Marks::NAMES
        .iter()
        .filter(|(mark, _)| seen.marks.has(*mark));
    let marks: Vec<&str> = marks.map(|(_, name)| *name).collect();
    if !marks.is_empty() {
        push(&mut line, format_args!("marks={}", marks.join(",")));
    }
    if let Some((decision, time)) = seen.decision() {
        push(&mut line, format_args!("{}={time}", word(decision)));
    }
    line
}

pub(super) fn seen(line: &str, known: u64) -> Result<Seen, String> {
    let mut words = Words::of(line)?;
    let mut seen = Seen::default();
    if words.take(UNSEEN).is_none() {
        (seen.first, seen.last) = (words.needed("first")?, words.needed("last")?);
        if !seen.is_seen() {
            return Err("'last' is before 'first'".to_owned());
        }
    }
    let gap = words.number("gap")?.unwrap_or(0);
    let gap = u32::try_from(gap).ok().filter(|gap| *gap <= MAX_GAP);
    seen.gap = gap.ok_or_else(|| format!("'gap' is at most {MAX_GAP}"))?;
    seen.windows = words.sample("windows")?;
    seen.instances = words.sample("instances")?;
    seen.versions = words.hex("versions", 16)?.unwrap_or(0) as u64;
    if seen.versions & !known != 0 {
        return Err("'versions' has a bit for none of the list of versions".to_owned());
    }
    seen.marks = marks(words.take("marks"))?;
    for decision in [Decision::Accepted, Decision::Rejected] {
        if let Some(time) = words.number(word(decision))? {
            seen.decide(decision, time);
        }
    }
    words.end()?;
    Ok(seen)
}

fn marks(names: Option<&str>) -> Result<Marks, String> {
    let mut names = names.into_iter().flat_map(|names| names.split(','));
    names.try_fold(Marks::default(), |marks, name| {
        let known = Marks::NAMES.iter().find(|(_, known)| *known == name);
        let (mark, _) = known.ok_or_else(|| format!("'{name}' is no mark"))?;
        Ok(marks.union(*mark))
    })
}

const fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Accepted => "accepted",
        Decision::Rejected => "rejected",
    }
}

pub(super) fn of_version(version: Version) -> String {
    format!("made={} digest={:032x}", version.made, version.digest)
}

pub(super) fn version(line: &str) -> Result<Version, String> {
    let mut words = Words::of(line)?;
    let made = words.needed("made")?;
    let digest = words.hex("digest", 32)?.ok_or("'digest=HEX' is missing")?;
    words.end()?;
    Ok(Version { made, digest })
}

/// What an operator said of a class.
pub(super) fn of_lock((phase, class, lock): (Phase, Class, Lock)) -> String {
    let word = if lock.is_locked() { LOCKED } else { UNLOCKED };
    let time = lock.time().unwrap_or(UNDATED);
    format!("phase={} class={class} {word}={time}", phase.name())
}

pub(super) fn lock(line: &str) -> Result<(Phase, Class, Lock), String> {
    let mut words = Words::of(line)?;
    let phase = words.take("phase").ok_or("'phase=NAME' is missing")?;
    let phase = Phase::from_name(phase).ok_or_else(|| format!("'{phase}' is no phase"))?;
    let class = words.take("class").ok_or("'class=NAME' is missing")?;
    let class = Class::from_name(class).ok_or_else(|| format!("'{class}' is no class"))?;
    let lock = match (words.number(LOCKED)?, words.number(UNLOCKED)?) {
        (Some(time), None) => Lock::new(true, time),
        // Nobody ever unlocked it then: it is what a class is without a word.
        (None, Some(UNDATED)) => return Err(format!("'{UNLOCKED}' has to be a number above 0")),
        (None, Some(time)) => Lock::new(false, time),
        _ => return Err(format!("'{LOCKED}=TIME' or '{UNLOCKED}=TIME' is missing")),
    };
    words.end()?;
    Ok((phase, class, lock))
}

/// What was watched, apart from the nodes.
pub(super) fn of_exposure(exposure: &Exposure) -> String {
    let mut line = format!("since={}", exposure.since());
    if exposure.first() != u64::MAX {
        push(&mut line, format_args!("first={}", exposure.first()));
    }
    push(&mut line, format_args!("last={}", exposure.last()));
    push_sample(&mut line, "instances", &exposure.instances());
    line
}

pub(super) fn exposure(
    line: &str,
    nodes: BTreeMap<NodeId, NodeExposure>,
) -> Result<Exposure, String> {
    let mut words = Words::of(line)?;
    let (since, last) = (words.needed("since")?, words.needed("last")?);
    let first = words.number("first")?.unwrap_or(u64::MAX);
    if first < since {
        return Err("'first' is before 'since'".to_owned());
    }
    let instances = words.sample("instances")?;
    words.end()?;
    Ok(Exposure::from_parts(since, first, last, instances, nodes))
}

pub(super) fn of_node(id: NodeId, node: &NodeExposure) -> String {
    format!(
        "node={:016x} windows={} seconds={} starts={} lossy={} covered={} until={}",
        id.0,
        node.windows,
        node.seconds,
        node.starts,
        node.lossy_seconds,
        node.covered_seconds,
        node.covered_until
    )
}

pub(super) fn node(line: &str) -> Result<(NodeId, NodeExposure), String> {
    let mut words = Words::of(line)?;
    let id = words.hex("node", 16)?.ok_or("'node=HEX' is missing")?;
    let node = NodeExposure {
        windows: words.needed("windows")?,
        seconds: words.needed("seconds")?,
        starts: words.needed("starts")?,
        lossy_seconds: words.needed("lossy")?,
        covered_seconds: words.needed("covered")?,
        covered_until: words.needed("until")?,
    };
    words.end()?;
    Ok((NodeId(id as u64), node))
}
