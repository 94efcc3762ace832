//! Fuzzing: what reads outside bytes is given inputs that are changed at random.
//!
//! Each input has a number, and follows from that and the seeds alone. A run prints the number that
//! it begins with; the one at hand stands in a file, should an input end the whole process.
//! `GRAVLENS_FUZZ_FIRST` has a run begin with a number, so that a failure is seen again.

pub(crate) mod text;

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::panic::{RefUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// Set by `cargo xtask soak`: then it goes on for [`LONG`].
const SOAK: &str = "GRAVLENS_SOAK";
const LONG: Duration = Duration::from_secs(600);
/// Number of the first input.
const FIRST: &str = "GRAVLENS_FUZZ_FIRST";
/// CPU time that one input may take, in a debug build.
const MOST_TIME: Duration = Duration::from_secs(5);
/// An input that is not done by then hangs, however busy the machine is.
const HANGS: Duration = Duration::from_secs(180);

/// Numbers that look like chance: SplitMix64.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below the limit, or 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// The folder of seeds with that name, below `tests/corpora`.
pub(crate) fn corpus(name: &str) -> PathBuf {
    let corpora = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/corpora");
    [corpora, name].iter().collect()
}

/// Names and contents of the seeds, in the order of the names.
pub(crate) fn seeds(corpus_name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = fs::read_dir(corpus(corpus_name)).unwrap();
    let mut seeds: Vec<_> = folder
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    seeds.sort();
    seeds
}

/// What is fuzzed, and what it may take.
pub(crate) struct Campaign {
    /// As `cargo xtask soak` calls it.
    pub(crate) name: &'static str,
    /// Folder of the seeds.
    pub(crate) corpus: &'static str,
    /// Inputs of the short form.
    pub(crate) short: u64,
    /// Bytes that may be allocated at a time for one input.
    pub(crate) most_memory: u64,
}

/// What came of an input.
struct Tried {
    /// It was taken whole; `None` if something panicked.
    taken: Option<bool>,
    /// The most bytes that were allocated at a time.
    memory: u64,
    /// CPU time.
    time: Duration,
}

impl Campaign {
    /// Tries out inputs that `mutate` makes of two seeds each. `try_out` says whether an input was
    /// taken whole, and panics where it finds a fault.
    pub(crate) fn run(
        &self,
        mutate: impl Fn(&[u8], &[u8], &mut Chance) -> Vec<u8>,
        try_out: fn(&[u8]) -> bool,
    ) {
        let long = std::env::var_os(SOAK).is_some();
        let first = first(long);
        let at_hand = AtHand::new(self.name);
        println!(
            "{}: begins with {first}; the number at hand is in {}",
            self.name,
            at_hand.path.display()
        );
        let seeds = seeds(self.corpus);
        let (inputs, outcomes) = worker(try_out);
        let begin = Instant::now();
        let (mut tried, mut whole, mut most_memory, mut most_time) = (0, 0, 0, Duration::ZERO);
        while if long {
            begin.elapsed() < LONG
        } else {
            tried < self.short
        } {
            let number = first.wrapping_add(tried);
            at_hand.tell(number);
            let mut chance = Chance::new(number);
            let (_, seed) = chance.pick(&seeds);
            let (_, other) = chance.pick(&seeds);
            let bytes = mutate(seed, other, &mut chance);
            inputs.send(bytes.clone()).unwrap();
            let fault = match outcomes.recv_timeout(HANGS) {
                Err(_) => Some(format!("hangs: it takes more than {HANGS:?}")),
                Ok(Tried { taken: None, .. }) => Some("is not stood".to_owned()),
                Ok(Tried {
                    taken: Some(taken),
                    memory,
                    time,
                }) => {
                    whole += u64::from(taken);
                    most_memory = most_memory.max(memory);
                    most_time = most_time.max(time);
                    self.beyond(memory, time)
                }
            };
            if let Some(fault) = fault {
                panic!("input {number} {fault}: {}", kept(&bytes).display());
            }
            tried += 1;
        }
        at_hand.remove();
        println!(
            "{}: {tried} inputs, {whole} whole, at most {most_memory} bytes of memory and {} ms",
            self.name,
            most_time.as_millis()
        );
        assert!(whole > 0 && whole < tried, "{whole} of {tried} are whole");
    }

    fn beyond(&self, memory: u64, time: Duration) -> Option<String> {
        if memory > self.most_memory {
            return Some(format!("takes {memory} bytes of memory"));
        }
        (time > MOST_TIME).then(|| format!("takes {time:?} of CPU time"))
    }
}

fn first(long: bool) -> u64 {
    if let Ok(first) = std::env::var(FIRST) {
        return first
            .parse()
            .unwrap_or_else(|_| panic!("{FIRST} is the number of an input"));
    }
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(now) if long => now.as_nanos() as u64,
        _ => 1,
    }
}

/// A thread that tries inputs out, so that one that hangs is noticed.
fn worker(try_out: fn(&[u8]) -> bool) -> (SyncSender<Vec<u8>>, Receiver<Tried>) {
    let (inputs, given) = sync_channel::<Vec<u8>>(1);
    let (told, outcomes) = sync_channel(1);
    thread::spawn(move || {
        for bytes in given {
            if told.send(tried(&bytes, try_out)).is_err() {
                return;
            }
        }
    });
    (inputs, outcomes)
}

fn tried(bytes: &[u8], try_out: impl Fn(&[u8]) -> bool + RefUnwindSafe) -> Tried {
    let begin = cpu_time();
    let mut taken = None;
    let allocated = allocation_counter::measure(|| {
        taken = catch_unwind(|| try_out(bytes)).ok();
    });
    Tried {
        taken,
        memory: allocated.bytes_max,
        time: cpu_time().saturating_sub(begin),
    }
}

/// CPU time of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The file with the number of the input at hand.
struct AtHand {
    path: PathBuf,
    file: File,
}

impl AtHand {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gravlens-{name}-{}", std::process::id()));
        let file = File::create(&path).unwrap();
        Self { path, file }
    }

    fn tell(&self, number: u64) {
        let line = format!("{number:20}\n");
        self.file.write_all_at(line.as_bytes(), 0).unwrap();
    }

    fn remove(self) {
        fs::remove_file(self.path).unwrap();
    }
}

/// Where an input is kept that was not stood.
fn kept(bytes: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("gravlens-found-{:08x}", crc32fast::hash(bytes)));
    fs::write(&path, bytes).unwrap();
    path
}

/// Changes some bytes: single ones, numbers, stretches, and the length.
pub(crate) fn change(bytes: &mut Vec<u8>, other: &[u8], chance: &mut Chance) {
    for _ in 0..=chance.below(6) {
        if bytes.is_empty() {
            bytes.push(chance.next() as u8);
        }
        let at = chance.below(bytes.len());
        match chance.below(8) {
            0 => bytes[at] ^= 1 << chance.below(8),
            1 => bytes[at] = chance.next() as u8,
            2 => bytes[at] = [0, 1, 0x7F, 0x80, 0xFF][chance.below(5)],
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..(at + chance.below(64)).min(bytes.len()))),
            5 => {
                let end = (at + chance.below(64)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = chance.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            6 => {
                let from = chance.below(other.len());
                let end = (from + chance.below(256)).min(other.len());
                bytes.splice(at..at, other[from..end].iter().copied());
            }
            _ => {
                let number = chance.next() >> chance.below(64);
                let number = number.to_le_bytes();
                let len = number.len().min(bytes.len() - at);
                bytes[at..at + len].copy_from_slice(&number[..len]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_follows_from_its_number() {
        let drawn = |seed| {
            let mut chance = Chance::new(seed);
            let mut bytes = b"seed".to_vec();
            change(&mut bytes, b"other", &mut chance);
            text::change("a b\n- c", "d e", &["f"], &mut chance) + &String::from_utf8_lossy(&bytes)
        };
        assert_eq!(drawn(7), drawn(7));
        assert!((0..20).any(|seed| drawn(seed) != drawn(seed + 1)));
    }

    #[test]
    fn panics_memory_and_time_are_told() {
        let campaign = Campaign {
            name: "fuzz-nothing",
            corpus: "capture",
            short: 1,
            most_memory: 1_000,
        };
        let outcome = tried(b"", |_| vec![1_u8; 4_096].len() == 4_096);
        assert_eq!(outcome.taken, Some(true));
        assert!(campaign.beyond(outcome.memory, outcome.time).is_some());
        assert_eq!(campaign.beyond(1_000, MOST_TIME), None);
        assert!(campaign.beyond(0, MOST_TIME * 2).is_some());
        let panics = |bytes: &[u8]| bytes[0] == 1;
        assert_eq!(tried(b"", panics).taken, None);
    }
}
