//! Whether predictions come true: workloads made up of a steady core, of timers and of rare paths,
//! with fixed seeds.

mod claims;

use std::collections::BTreeSet;
use std::ops::Range;

use super::*;
use crate::baseline::evidence::{InstanceId, NodeId, WindowId};

const HOUR: u64 = 3_600;
const WINDOW: u64 = 600;
const NODE: NodeId = NodeId(1);

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In (0, 1].
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Evenly on a logarithmic scale.
    fn scale(&mut self, range: Range<f64>) -> f64 {
        range.start * (range.end / range.start).powf(self.unit())
    }
}

/// How a behaviour comes, in seconds of one instance.
#[derive(Clone, Copy)]
enum Habit {
    /// At random, with this mean gap.
    Rare(f64),
    /// By the clock, in all instances at once.
    Timer { period: u64, phase: u64 },
    /// Once, when an instance starts.
    Start,
}

/// Behaviours that come together.
struct Group {
    habit: Habit,
    size: usize,
}

/// One behaviour came.
struct Event {
    time: u64,
    behaviour: usize,
    instance: u64,
    /// As so many kernel events.
    burst: u64,
}

fn core_and_rare(random: &mut Random) -> Vec<Group> {
    let day = DAY as f64;
    let core = (1..=60).map(|rank| 2.0 * f64::from(rank));
    let rare: Vec<f64> = (0..120).map(|_| random.scale(600.0..60.0 * day)).collect();
    core.chain(rare)
        .map(|gap| Group {
            habit: Habit::Rare(gap),
            size: 1,
        })
        .collect()
}

fn timers(random: &mut Random) -> Vec<Group> {
    let periods = [300, 900, HOUR, HOUR, 6 * HOUR, DAY, DAY, 7 * DAY];
    let timer = |period| Group {
        habit: Habit::Timer {
            period,
            phase: random.next() % period,
        },
        size: 1,
    };
    periods.map(timer).into()
}

/// A workload that runs for a while, replayed into evidence.
struct Run {
    groups: Vec<Group>,
    instances: u64,
    events: Vec<Event>,
    replayed: usize,
    now: u64,
    seen: Vec<Seen>,
    exposure: Exposure,
}

impl Run {
    fn new(random: &mut Random, groups: Vec<Group>, instances: u64, end: u64) -> Self {
        let mut events = Vec::new();
        let mut behaviour = 0;
        for group in &groups {
            let members = behaviour..behaviour + group.size;
            for (time, instance) in times(random, group.habit, instances, end) {
                let burst = 1 + (-4.0 * random.unit().ln()) as u64;
                events.extend(members.clone().map(|behaviour| Event {
                    time,
                    behaviour,
                    instance,
                    burst,
                }));
            }
            behaviour = members.end;
        }
        events.sort_by_key(|event| event.time);
        Self {
            groups,
            instances,
            events,
            replayed: 0,
            now: 0,
            seen: vec![Seen::default(); behaviour],
            exposure: Exposure::default(),
        }
    }

    fn advance(&mut self, windows: u64) {
        for _ in 0..windows {
            let end = self.now + WINDOW;
            for instance in 0..self.instances {
                let instance = InstanceId(instance);
                self.exposure.whole_window(NODE, instance, self.now, end);
            }
            self.now = end;
        }
        while let Some(event) = self.events.get(self.replayed).filter(|e| e.time < self.now) {
            let seen = &mut self.seen[event.behaviour];
            seen.observe(event.time, InstanceId(event.instance), 1);
            seen.count(WindowId(event.time / WINDOW * 1_000 + event.instance));
            self.replayed += 1;
        }
    }

    fn prediction(&self) -> Prediction {
        let incidence = Incidence::tally(&self.seen, self.exposure.since());
        Prediction::new(Unit::Window, incidence, &self.exposure).unwrap()
    }

    /// Goes on until the bound is met.
    fn until(&mut self, bound: f64) -> Prediction {
        loop {
            self.advance(6);
            let prediction = self.prediction();
            if prediction.bound <= bound {
                return prediction;
            }
        }
    }

    /// Behaviours that come for the first time in the next `seconds`.
    fn news(&self, seconds: u64) -> u64 {
        let end = self.now + seconds;
        let mut new = vec![false; self.seen.len()];
        for event in &self.events[self.replayed..] {
            new[event.behaviour] |= event.time < end && !self.seen[event.behaviour].is_seen();
        }
        new.iter().filter(|new| **new).count() as u64
    }

    /// How many news of one instance are to be expected in the next day, by what nobody can see.
    fn truth(&self) -> f64 {
        let mut behaviour = 0;
        let mut rate = 0.0;
        for group in &self.groups {
            if let (Habit::Rare(gap), false) = (group.habit, self.seen[behaviour].is_seen()) {
                rate += group.size as f64 * (1.0 - (-(DAY as f64) / gap).exp());
            }
            behaviour += group.size;
        }
        rate
    }
}

/// When a behaviour comes, and in which instance, until it came in three windows: later ones
/// change nothing.
fn times(random: &mut Random, habit: Habit, instances: u64, end: u64) -> Vec<(u64, u64)> {
    let mut times: Vec<(u64, u64)> = Vec::new();
    let mut windows = BTreeSet::new();
    match habit {
        Habit::Start => times.extend((0..instances).map(|instance| (0, instance))),
        Habit::Timer { period, phase } => {
            let ticks = (phase..end).step_by(period as usize).take(3);
            times.extend(
                ticks.flat_map(|time| (0..instances).map(move |instance| (time, instance))),
            );
        }
        Habit::Rare(gap) => {
            let mut time = 0.0;
            while windows.len() < 3 {
                time -= gap / instances as f64 * random.unit().ln();
                if time >= end as f64 {
                    break;
                }
                let (time, instance) = (time as u64, random.next() % instances);
                windows.insert((time / WINDOW, instance));
                times.push((time, instance));
            }
        }
    }
    times
}

fn run(seed: u64, with_timers: bool, instances: u64, days: u64) -> Run {
    let mut random = Random(seed);
    let mut groups = core_and_rare(&mut random);
    if with_timers {
        groups.extend(timers(&mut random));
    }
    Run::new(&mut random, groups, instances, days * DAY)
}
