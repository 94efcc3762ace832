//! Groups of matches, in bounded memory.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::super::sigma::correlation::CorrelationKind;
use super::Correlation;
use crate::model::Event;

/// Matches of one rule that an ordered correlation looks back at.
const LOOK_BACK: usize = 64;
/// What a group takes beside what it holds.
const GROUP_BYTES: usize = 512;
/// What an event takes that is kept for the end of the time; paths and names are longer and
/// shorter than this.
const EVENT_BYTES: usize = 1024;

/// Whose events a group holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Whose {
    Node,
    Container(Box<str>),
    /// A cgroup of which nothing is known.
    Cgroup(u64),
}

/// Values of fields; `None` where the event has none.
pub(super) type FieldValues = Box<[Option<Box<str>>]>;

/// What tells groups apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) correlation: usize,
    pub(super) whose: Whose,
    pub(super) values: FieldValues,
}

/// A match of a member.
#[derive(Clone, Debug)]
pub(super) struct Sighting {
    /// Time of the event, nanoseconds since boot.
    pub(super) at_ns: u64,
    /// Number of the event, which decides between those of one time.
    pub(super) number: u64,
    pub(super) member: usize,
    /// What is counted, if values are.
    pub(super) value: Option<FieldValues>,
}

/// A group.
#[derive(Debug)]
pub(super) struct Group {
    /// Oldest first.
    seen: VecDeque<Sighting>,
    /// Matches, where only their number counts.
    events: u64,
    /// When its time is over.
    due_ns: u64,
    /// The newest event, where the end of the time decides.
    pub(super) last: Option<Event<'static>>,
    bytes: usize,
}

impl Group {
    /// What there is of what is counted.
    pub(super) fn count(&self) -> u64 {
        self.events.max(self.seen.len() as u64)
    }
}

/// The share of one container.
#[derive(Debug, Default)]
struct Share {
    bytes: usize,
    /// Its groups, the one that was seen last the longest time ago first.
    groups: BTreeSet<u64>,
}

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// By a serial number that grows each time a group is added to.
    groups: BTreeMap<u64, (Key, Group)>,
    by_key: HashMap<Key, u64>,
    due: BTreeSet<(u64, u64)>,
    shares: BTreeMap<Whose, Share>,
    bytes: usize,
    /// Groups that the end of their time decides.
    ending: usize,
    serial: u64,
    forgotten: u64,
}

impl Groups {
    /// Some are decided when their time is over, without an event.
    pub(super) fn are_ending(&self) -> bool {
        self.ending > 0
    }

    pub(super) fn take_forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.forgotten)
    }

    /// Adds a match; returns the group's count unless the end of its time decides.
    pub(super) fn add(
        &mut self,
        correlation: &Correlation,
        key: &Key,
        sighting: Sighting,
        event: &Event<'_>,
    ) -> Option<u64> {
        let span = correlation.timespan_ns;
        let mut group = self.remove(key).unwrap_or_else(|| Group {
            seen: VecDeque::new(),
            events: 0,
            due_ns: sighting.at_ns.saturating_add(span),
            last: None,
            bytes: 0,
        });
        let count = match correlation.most {
            Some(most) => {
                group.add_until_the_end(correlation.kind, sighting, event, most);
                None
            }
            None => Some(group.add_to_window(correlation, sighting)),
        };
        group.bytes = group.size(key);
        self.insert(key.clone(), group);
        count
    }

    /// The next group whose time is over.
    pub(super) fn take_due(&mut self, now_ns: u64) -> Option<(Key, Group)> {
        let &(due_ns, serial) = self.due.first()?;
        if due_ns >= now_ns {
            return None;
        }
        self.take(serial)
    }

    /// Forgets groups until the rest takes no more than that.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        while self.bytes > bytes {
            let most = self.shares.values().max_by_key(|share| share.bytes);
            let oldest = most.and_then(|share| share.groups.first().copied());
            let Some(serial) = oldest else { return };
            self.take(serial);
            self.forgotten += 1;
        }
    }

    /// Takes a group away.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Group> {
        let serial = *self.by_key.get(key)?;
        self.take(serial).map(|(_, group)| group)
    }

    fn insert(&mut self, key: Key, group: Group) {
        self.serial += 1;
        let serial = self.serial;
        self.bytes += group.bytes;
        self.ending += usize::from(group.last.is_some());
        self.due.insert((group.due_ns, serial));
        let share = self.shares.entry(key.whose.clone()).or_default();
        share.bytes += group.bytes;
        share.groups.insert(serial);
        self.by_key.insert(key.clone(), serial);
        self.groups.insert(serial, (key, group));
    }

    fn take(&mut self, serial: u64) -> Option<(Key, Group)> {
        let (key, group) = self.groups.remove(&serial)?;
        self.by_key.remove(&key);
        self.due.remove(&(group.due_ns, serial));
        self.bytes -= group.bytes;
        self.ending -= usize::from(group.last.is_some());
        if let Some(share) = self.shares.get_mut(&key.whose) {
            share.bytes -= group.bytes;
            share.groups.remove(&serial);
            if share.groups.is_empty() {
                self.shares.remove(&key.whose);
            }
        }
        Some((key, group))
    }
}

impl Group {
    /// Counts in the time that the first match opened.
    fn add_until_the_end(
        &mut self,
        kind: CorrelationKind,
        sighting: Sighting,
        event: &Event<'_>,
        most: u64,
    ) {
        let newest = self.last.as_ref().map(|last| (last.boot_ns, last.number));
        if newest <= Some((sighting.at_ns, sighting.number)) {
            self.last = Some(event.to_owned());
        }
        match kind {
            CorrelationKind::EventCount => self.events += 1,
            _ => {
                self.forget_same(kind, &sighting);
                // One too many decides as well as many.
                if self.seen.len() as u64 <= most {
                    self.seen.push_back(sighting);
                }
            }
        }
    }

    /// Counts in the time before the newest match. Returns how many there are.
    fn add_to_window(&mut self, correlation: &Correlation, sighting: Sighting) -> u64 {
        let (kind, span) = (correlation.kind, correlation.timespan_ns);
        let newer = self.forget_same(kind, &sighting);
        // An event that waited for its container comes after newer ones.
        if !newer {
            let order = (sighting.at_ns, sighting.number);
            let at = self
                .seen
                .partition_point(|seen| (seen.at_ns, seen.number) <= order);
            self.seen.insert(at, sighting);
        }
        let newest = self.seen.back().map_or(0, |seen| seen.at_ns);
        while self
            .seen
            .front()
            .is_some_and(|seen| newest - seen.at_ns > span)
        {
            self.seen.pop_front();
        }
        self.due_ns = newest.saturating_add(span);
        let least = usize::try_from(correlation.least).unwrap_or(usize::MAX);
        match kind {
            CorrelationKind::EventCount | CorrelationKind::ValueCount => {
                let surplus = self.seen.len().saturating_sub(least);
                self.seen.drain(..surplus);
                self.seen.len() as u64
            }
            CorrelationKind::Temporal => self.seen.len() as u64,
            CorrelationKind::TemporalOrdered => {
                self.look_back(correlation.members.len());
                self.in_order(correlation.members.len())
            }
        }
    }

    /// Of a value, or of a rule, only the newest match counts. Returns whether that is one that
    /// was there already.
    fn forget_same(&mut self, kind: CorrelationKind, sighting: &Sighting) -> bool {
        let same = self.seen.iter().position(|seen| match kind {
            CorrelationKind::ValueCount => seen.value == sighting.value,
            CorrelationKind::Temporal => seen.member == sighting.member,
            CorrelationKind::EventCount | CorrelationKind::TemporalOrdered => false,
        });
        match same {
            Some(at) if self.seen[at].at_ns > sighting.at_ns => true,
            Some(at) => {
                self.seen.remove(at);
                false
            }
            None => false,
        }
    }

    /// Keeps the newest matches of each rule.
    fn look_back(&mut self, members: usize) {
        let mut kept = vec![0; members];
        for sighting in std::mem::take(&mut self.seen).into_iter().rev() {
            kept[sighting.member] += 1;
            if kept[sighting.member] <= LOOK_BACK {
                self.seen.push_front(sighting);
            }
        }
    }

    /// How many of the rules matched one after another, from the first one on.
    fn in_order(&self, members: usize) -> u64 {
        let mut reached = 0;
        for sighting in &self.seen {
            if sighting.member == reached {
                reached += 1;
                if reached == members {
                    break;
                }
            }
        }
        reached as u64
    }

    fn size(&self, key: &Key) -> usize {
        let of = |values: &FieldValues| {
            let lengths = values.iter().flatten().map(|value| value.len() + 16);
            lengths.sum::<usize>()
        };
        // Either all have a value or none has.
        let with_values = self.seen.iter().take_while(|seen| seen.value.is_some());
        let values = with_values.filter_map(|seen| seen.value.as_ref());
        GROUP_BYTES
            + 2 * of(&key.values)
            + self.seen.len() * std::mem::size_of::<Sighting>()
            + values.map(of).sum::<usize>()
            + self.last.as_ref().map_or(0, |_| EVENT_BYTES)
    }
}
