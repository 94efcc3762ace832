//! A thread changes what a call was given: what is told is what the kernel took, every time.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use integration_test::facts::Facts;
use integration_test::offence::{Offence, Told};
use integration_test::{shortened, soak};

use crate::Test;
use crate::bench::{Bench, name_provenance};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("races::the_path_of_an_open", open),
    ("races::the_address_of_a_connect", connect),
    ("races::the_arguments_of_an_exec", exec),
    ("races::the_descriptor_of_an_open", descriptor),
    ("races::the_name_of_an_unlink", unlink),
    ("races::the_name_of_a_rename", rename),
    ("races::the_name_of_a_chmod", chmod),
];

const ROUNDS: u32 = 500;
/// An image takes a hundred times as long as an open.
const IMAGES: u32 = 30;
/// Runs of which one has to be a race.
const ATTEMPTS: u32 = 10;
/// Rounds of a soak.
const SOAK_ROUNDS: u32 = 10_000;
/// Rounds at a time: each makes several alerts, and an emulated machine stores them slowly.
const PART: u32 = 2_000;

fn rounds() -> u32 {
    noted(if soak::asked() { SOAK_ROUNDS } else { ROUNDS })
}

/// A soak may ask for fewer: images take longest in an emulated machine.
fn images() -> Result<u32> {
    let images = if soak::asked() {
        soak::images()?.unwrap_or(SOAK_ROUNDS)
    } else {
        IMAGES
    };
    Ok(noted(images))
}

/// The same number, told if it is not the whole.
fn noted(rounds: u32) -> u32 {
    if rounds < SOAK_ROUNDS {
        shortened::note(&format!(
            "races: {rounds} rounds of {SOAK_ROUNDS} (`cargo xtask soak` runs all)"
        ));
    }
    rounds
}

/// One run of the offender.
struct Run {
    folder: PathBuf,
    told: Told,
    seen: Vec<Facts>,
    rounds: u32,
}

impl Run {
    /// The path of a file of the race.
    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

fn run(bench: &Bench, case: &str, rounds: u32) -> Result<Run> {
    let folder = bench.folder(&format!("races-{case}"))?;
    let offence = Offence::offender("races")?
        .args([case, &rounds.to_string()])
        .arg(&folder)
        .within(Duration::from_secs(600));
    let (told, seen) = bench.seen(&offence)?;
    Ok(Run {
        folder,
        told,
        seen,
        rounds,
    })
}

/// How sure what is told is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Certainty {
    /// The kernel took it.
    Exact,
    /// It may be the other one.
    Doubtful,
}

/// Runs the offender until both values were taken: on a busy machine the two threads may not run
/// at the same time. What is exact has to be told rightly in every run.
fn race(
    bench: &Bench,
    case: &str,
    rounds: u32,
    certainty: Certainty,
    colours: impl Fn(&Run) -> Result<Vec<Option<char>>>,
) -> Result<()> {
    let marked = match certainty {
        Certainty::Exact => "",
        Certainty::Doubtful => ", each marked as read from the caller's memory",
    };
    for _ in 0..ATTEMPTS {
        let mut total = Count::default();
        while total.rounds < rounds as usize {
            let part = PART.min(rounds - total.rounds as u32);
            let run = run(bench, case, part)?;
            total.add(compare(&run, &colours(&run)?, certainty)?);
        }
        let Count {
            rounds,
            red,
            wrongly,
        } = total;
        println!("{rounds} rounds, {red} took the first value, {wrongly} told wrongly{marked}");
        if red > 0 && red < rounds {
            return Ok(());
        }
    }
    bail!("in {ATTEMPTS} runs there was no race")
}

/// What came of rounds.
#[derive(Clone, Copy, Default)]
struct Count {
    rounds: usize,
    red: usize,
    wrongly: usize,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.red += other.red;
        self.wrongly += other.wrongly;
    }
}

/// Compares what the offender learnt from the kernel with what was told, call by call.
fn compare(run: &Run, seen: &[Option<char>], certainty: Certainty) -> Result<Count> {
    let truth: Vec<char> = run.told.value("truth")?.chars().collect();
    let rounds = run.rounds as usize;
    ensure!(truth.len() == rounds, "{} of {rounds} rounds", truth.len());
    ensure!(seen.len() == rounds, "{} of {rounds} seen", seen.len());
    let pairs = truth.iter().zip(seen).enumerate();
    let wrong: Vec<_> = pairs
        .filter(|(_, (truth, seen))| Some(**truth) != **seen)
        .collect();
    ensure!(
        certainty == Certainty::Doubtful || wrong.is_empty(),
        "told wrongly: {wrong:?}"
    );
    Ok(Count {
        rounds,
        red: truth.iter().filter(|one| **one == 'r').count(),
        wrongly: wrong.len(),
    })
}

fn open(bench: &Bench) -> Result<()> {
    race(bench, "open", rounds(), Certainty::Exact, |run| {
        let (red, blue) = (run.file("file-r"), run.file("file-b"));
        let mut colours = Vec::new();
        for facts in opens_of(run) {
            ensure!(facts.get("provenance") == "kernel", "{facts}");
            colours.push(colour(facts.get("path"), &red, &blue));
        }
        Ok(colours)
    })
}

/// The opens of the race: for reading, which those that made the files were not.
fn opens_of(run: &Run) -> impl Iterator<Item = &Facts> {
    let folder = run.folder.display().to_string();
    run.seen.iter().filter(move |facts| {
        let ours = facts.get("path").starts_with(&folder) && facts.get("write") == "false";
        facts.call == "openat" && ours
    })
}

fn colour(value: &str, red: &str, blue: &str) -> Option<char> {
    match value {
        value if value == red => Some('r'),
        value if value == blue => Some('b'),
        _ => None,
    }
}

fn connect(bench: &Bench) -> Result<()> {
    race(bench, "connect", rounds(), Certainty::Exact, |run| {
        let (red, blue) = (run.told.value("red")?, run.told.value("blue")?);
        let mut colours = Vec::new();
        for facts in run.seen.iter().filter(|facts| facts.call == "connect") {
            ensure!(facts.get("provenance") == "kernel", "{facts}");
            ensure!(facts.get("result") == "0", "{facts}");
            colours.push(colour(facts.get("remote"), red, blue));
        }
        Ok(colours)
    })
}

fn exec(bench: &Bench) -> Result<()> {
    race(bench, "exec", images()?, Certainty::Exact, |run| {
        let images = run.seen.iter().filter(|facts| facts.call == "execve");
        // The first is the program itself.
        let arguments = images.skip(1).map(|facts| facts.get("args"));
        let last = arguments.map(|words| words.rsplit(' ').next().unwrap_or_default());
        Ok(last
            .map(|word| colour(word, "argument-r", "argument-b"))
            .collect())
    })
}

/// The other thread puts another file behind the new descriptor: whoever looks there after the
/// call cannot know, and has to say so. Trampolines see the file before the thread can.
fn descriptor(bench: &Bench) -> Result<()> {
    let rounds = rounds();
    let exact = bench.opens_are_exact()?;
    let (mut done, mut wrong) = (0, 0);
    while done < rounds {
        // What the other thread does is told too, many calls a round: all at once would be more
        // than the agent holds for its client.
        let some = ROUNDS.min(rounds - done);
        wrong += mistaken(&run(bench, "descriptor", some)?, exact)?;
        done += some;
    }
    println!("{rounds} rounds, {wrong} told with the other file, all of them marked");
    Ok(())
}

/// How many opens are told with the other file. Each has to say that it may be.
fn mistaken(run: &Run, exact: bool) -> Result<u32> {
    let red = run.file("file-r");
    // The first open is that of the file which the other thread puts there.
    let opens: Vec<&Facts> = opens_of(run).skip(1).collect();
    let (count, rounds) = (opens.len(), run.rounds);
    ensure!(count == rounds as usize, "{count} of {rounds} seen");
    let mut wrong = 0;
    for facts in opens {
        if exact {
            ensure!(
                facts.get("path") == red,
                "told with the other file: {facts}"
            );
            ensure!(facts.get("fd_shared") == "false", "in doubt: {facts}");
        }
        let sure = facts.get("provenance") == "kernel" && facts.get("fd_shared") == "false";
        ensure!(
            sure == exact,
            "another thread shares the descriptors: {facts}"
        );
        if facts.get("path") != red {
            ensure!(facts.get("fd_shared") == "true", "unmarked: {facts}");
            wrong += 1;
        }
    }
    Ok(wrong)
}

fn unlink(bench: &Bench) -> Result<()> {
    change(bench, "unlink", "unlinkat")
}

fn rename(bench: &Bench) -> Result<()> {
    change(bench, "rename", "renameat")
}

fn chmod(bench: &Bench) -> Result<()> {
    change(bench, "chmod", "fchmodat")
}

/// Trampolines tell the kernel's own name. Without them it is read from the caller's memory after
/// the call, and what is told has to say so.
fn change(bench: &Bench, case: &str, call: &str) -> Result<()> {
    let exact = bench.changes_are_exact()?;
    let provenance = name_provenance(exact);
    let certainty = if exact {
        Certainty::Exact
    } else {
        Certainty::Doubtful
    };
    race(bench, case, rounds(), certainty, |run| {
        let (red, blue) = (run.file("file-r"), run.file("file-b"));
        let mut colours = Vec::new();
        for facts in run.seen.iter().filter(|facts| facts.call == call) {
            ensure!(facts.get("provenance") == provenance, "{facts}");
            ensure!(facts.get("result") == "0", "{facts}");
            colours.push(colour(facts.get("path"), &red, &blue));
        }
        Ok(colours)
    })
}
