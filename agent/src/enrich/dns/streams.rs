//! DNS over TCP: messages put together from segments.
//!
//! Each message has its length before it. Segments are seen where the network stack sees them:
//! repeated, out of order, cut in the midst of a length.

use std::collections::{BTreeMap, HashMap};

use crate::decode::DnsView;

/// Connections of an owner that are followed, each way counted; the longest unused gives way.
const MAX_STREAMS: usize = 64;
/// Bytes of a message under construction and of segments that came early. A message has 65,535 at
/// most.
const MAX_BYTES: usize = 128 * 1024;
/// Segments that came early.
const MAX_EARLY: usize = 32;
/// Bytes of all connections of an owner.
const MAX_OWNER_BYTES: usize = 512 * 1024;
/// A connection on which nothing came for so long is forgotten.
const IDLE_NS: u64 = 120_000_000_000;
const LENGTH: usize = 2;
/// Messages that one segment may complete. One that completes more is no resolver's: what follows
/// is not looked at, so that a segment does not make any number of events.
const MAX_MESSAGES: usize = 32;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Framed {
    pub(super) bytes: Box<[u8]>,
    /// All of it is there.
    pub(super) whole: bool,
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Stream {
    /// Number of the byte that comes next.
    next: u32,
    /// What has come of the message under construction, its length included.
    buffer: Vec<u8>,
    /// Segments that came too early, by their distance from the first `next` of all.
    early: BTreeMap<u32, (Box<[u8]>, bool)>,
    /// Bytes were missed, and with them where messages begin.
    broken: bool,
    touched_ns: u64,
}

impl Stream {
    fn starting_at(next: u32) -> Self {
        Self {
            next,
            ..Self::default()
        }
    }

    fn bytes(&self) -> usize {
        let early: usize = self.early.values().map(|(bytes, _)| bytes.len()).sum();
        self.buffer.len() + early
    }

    /// Takes a segment, whole or the beginning of one, and returns the messages that it completes.
    fn segment(&mut self, sequence: u32, bytes: &[u8], whole: bool) -> Vec<Framed> {
        if self.broken {
            return Vec::new();
        }
        self.early
            .entry(sequence)
            .and_modify(|(known, known_whole)| {
                if bytes.len() > known.len() {
                    (*known, *known_whole) = (bytes.into(), whole);
                }
            })
            .or_insert_with(|| (bytes.into(), whole));
        let mut told = Vec::new();
        while let Some(sequence) = self.first_ready() {
            let Some((bytes, whole)) = self.early.remove(&sequence) else {
                break;
            };
            let known = self.next.wrapping_sub(sequence) as usize;
            let Some(new) = bytes.get(known..) else {
                // Repeated. Of one that was cut the rest is missed only if it is new.
                continue;
            };
            self.buffer.extend_from_slice(new);
            self.next = self.next.wrapping_add(new.len() as u32);
            self.take_messages(&mut told);
            if !whole {
                self.give_up(&mut told);
            }
            if self.broken {
                return told;
            }
        }
        if self.early.len() > MAX_EARLY || self.bytes() > MAX_BYTES {
            self.give_up(&mut told);
        }
        told
    }

    /// A segment that begins at the next byte or before it.
    fn first_ready(&self) -> Option<u32> {
        // Half of the numbers lie behind, half before: as TCP compares them.
        let mut ready = self.early.keys().copied();
        ready.find(|sequence| self.next.wrapping_sub(*sequence) < 1 << 31)
    }

    fn take_messages(&mut self, told: &mut Vec<Framed>) {
        let mut at = 0;
        while let Some(length) = length_at(&self.buffer[at..]) {
            let begin = at + LENGTH;
            if told.len() == MAX_MESSAGES {
                self.buffer.drain(..at);
                self.give_up(told);
                return;
            }
            let Some(message) = self.buffer.get(begin..begin + length) else {
                break;
            };
            told.push(Framed {
                bytes: message.into(),
                whole: true,
            });
            at = begin + length;
        }
        self.buffer.drain(..at);
    }

    /// Tells what there is of the message under construction; the rest is missed.
    fn give_up(&mut self, told: &mut Vec<Framed>) {
        if self.buffer.len() > LENGTH {
            told.push(Framed {
                bytes: self.buffer[LENGTH..].into(),
                whole: false,
            });
        }
        let touched_ns = self.touched_ns;
        *self = Self {
            broken: true,
            touched_ns,
            ..Self::default()
        };
    }
}

fn length_at(buffer: &[u8]) -> Option<usize> {
    let length: [u8; LENGTH] = buffer.get(..LENGTH)?.try_into().ok()?;
    Some(u16::from_be_bytes(length).into())
}

/// The streams of an owner, by the cookie of their socket and whether they are received.
#[derive(Debug, Default)]
pub(super) struct Streams(HashMap<(u64, bool), Stream>);

impl Streams {
    /// Takes a segment and returns the messages that it completes. Of a connection that is older
    /// than the agent nobody knows where a message begins.
    pub(super) fn segment(&mut self, view: &DnsView<'_>, now_ns: u64) -> Vec<Framed> {
        let key = (view.cookie, view.received);
        if !self.0.contains_key(&key) {
            if !view.has_asker {
                return Vec::new();
            }
            self.make_room();
            self.0.insert(key, Stream::starting_at(view.sequence));
            if !view.received {
                // The server says nothing before it is asked.
                let answers = (view.cookie, true);
                let stream = Stream {
                    touched_ns: now_ns,
                    ..Stream::starting_at(view.acknowledged)
                };
                self.0.entry(answers).or_insert(stream);
            }
        }
        let Some(stream) = self.0.get_mut(&key) else {
            return Vec::new();
        };
        stream.touched_ns = now_ns;
        let told = stream.segment(view.sequence, view.payload, view.is_whole());
        while self.bytes() > MAX_OWNER_BYTES && self.forget_oldest() {}
        told
    }

    /// Forgets connections that have been idle for long.
    pub(super) fn expire(&mut self, now_ns: u64) {
        self.0
            .retain(|_, stream| stream.touched_ns.saturating_add(IDLE_NS) > now_ns);
    }

    fn make_room(&mut self) {
        // Two are made together.
        while self.0.len() + 2 > MAX_STREAMS && self.forget_oldest() {}
    }

    fn forget_oldest(&mut self) -> bool {
        let age = |(key, stream): (&(u64, bool), &Stream)| (stream.touched_ns, *key);
        let Some((_, oldest)) = self.0.iter().map(age).min() else {
            return false;
        };
        self.0.remove(&oldest).is_some()
    }

    fn bytes(&self) -> usize {
        self.0.values().map(Stream::bytes).sum()
    }
}

#[cfg(test)]
mod tests;
