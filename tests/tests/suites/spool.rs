//! The stream outlives kills, full disks and damaged files, or says what it lost.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use gravlens::proto::gap::Why;
use gravlens::proto::record::Body;
use gravlens::proto::watch_request::Start;
use gravlens::proto::{Cursor, Oldest, Record, WatchRequest};
use integration_test::agent::AgentSetup;
use integration_test::cgroup::TestCgroup;
use integration_test::client::{self, Watcher, rule_name};
use integration_test::runtime::block_on;
use integration_test::undo::{self, Leftover};
use integration_test::{shortened, soak};

use crate::flood::under_load;
use crate::watched::{ALERT_LIMIT, Watched};
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("spool::kills_at_random_moments_lose_nothing", kills),
    ("spool::a_full_disk_degrades_loudly_and_recovers", full_disk),
    ("spool::a_directory_that_cannot_be_written", read_only),
    ("spool::damaged_files_cost_what_was_hit", damage),
];

/// Alerts a second, in the test of kills.
const RATE: &str = "2000";
/// In the others.
const SLOW: &str = "500";
const KILLS: u32 = 100;
const FEW_KILLS: u32 = 3;
const DAMAGES: u32 = 2;
const ENDED_LIMIT: Duration = Duration::from_secs(120);
/// Room for everything that a test stores.
const ROOM: i64 = 8 << 30;

/// A record as it is compared: its place, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    place: (u64, u64),
    previous: u64,
    content: u64,
}

/// Compares by a hash, so that a long run needs little memory.
struct Comparison {
    hasher: RandomState,
    seen: Vec<Seen>,
    ids: HashSet<u64>,
    downtimes: u32,
    alerts: u64,
}

impl Comparison {
    fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            seen: Vec::new(),
            ids: HashSet::new(),
            downtimes: 0,
            alerts: 0,
        }
    }

    fn hash(&self, of: impl std::hash::Hash) -> u64 {
        self.hasher.hash_one(of)
    }

    fn see(&self, record: &Record) -> Seen {
        Seen {
            place: (record.stream_epoch, record.sequence),
            previous: record.prev_sequence,
            content: self.hash(format!("{:?}", record.body)),
        }
    }

    /// Takes what one subscription received.
    fn take(&mut self, records: &[Record]) -> Result<()> {
        client::check_account(records)?;
        for record in records.iter().filter(|record| record.sequence > 0) {
            match &record.body {
                Some(Body::Alert(alert)) => {
                    self.alerts += 1;
                    let id = self.hash(&alert.id);
                    ensure!(self.ids.insert(id), "{} came twice", alert.id);
                }
                Some(Body::Gap(gap)) => match gap.why() {
                    Why::UncleanExit => {
                        ensure!(gap.from_time.is_some() && gap.to_time.is_some(), "{gap:?}");
                        self.downtimes += 1;
                    }
                    why => bail!("a GAP of {why:?}: {}", gap.message),
                },
                _ => {}
            }
            self.seen.push(self.see(record));
        }
        Ok(())
    }

    fn cursor(&self) -> Option<Cursor> {
        let (epoch, sequence) = self.seen.last()?.place;
        Some(Cursor { epoch, sequence })
    }
}

fn kills(bench: &Bench) -> Result<()> {
    let rounds = if soak::asked() {
        KILLS
    } else {
        shortened::note(&format!(
            "spool: {FEW_KILLS} kills of {KILLS} (`cargo xtask soak` runs all)"
        ));
        FEW_KILLS
    };
    let roomy = |setup: &mut AgentSetup| {
        setup.set("stream.spool_bytes", ROOM);
        setup.set("stream.spool_records", 10_000_000);
    };
    block_on(under_load(bench, RATE, roomy, async |watched| {
        let Watched {
            mut watcher,
            mut agent,
            setup,
            cgroup: _cgroup,
        } = watched;
        let mut seen = Comparison::new();
        for _ in 0..rounds {
            let millis = RandomState::new().build_hasher().finish() % 2_000;
            tokio::time::sleep(Duration::from_millis(millis)).await;
            agent.kill()?;
            seen.take(&watcher.wait_ended(ENDED_LIMIT).await?)?;
            agent = setup.start().await?;
            let start = seen.cursor().map(Start::Cursor);
            watcher = Watcher::start(agent.socket(), request(start, false)).await?;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let replay = Watcher::start(agent.socket(), from_oldest()).await?;
        let replayed = replay.wait_ended(ENDED_LIMIT).await?;
        agent.stop()?;
        seen.take(&watcher.wait_ended(ENDED_LIMIT).await?)?;
        let alerts = seen.alerts;
        ensure!(seen.downtimes == rounds, "{} downtimes", seen.downtimes);
        compare(&seen, &replayed)?;
        println!("{rounds} kills, {alerts} alerts, each once and in order ... ");
        Ok(())
    }))
}

/// What was kept is what the clients had received, record by record.
fn compare(seen: &Comparison, replayed: &[Record]) -> Result<()> {
    client::check_account(replayed)?;
    let first = seen.seen.first().context("nothing was received")?.place.1;
    let kept = replayed.iter().filter(|record| record.sequence >= first);
    let mut received = seen.seen.iter();
    let mut count = 0;
    for record in kept {
        let expected = received.next().context("more is kept than was received")?;
        let kept = seen.see(record);
        ensure!(kept == *expected, "{record:?} was received as {expected:?}");
        count += 1;
    }
    ensure!(count > 0, "nothing was kept");
    Ok(())
}

fn request(start: Option<Start>, until_now: bool) -> WatchRequest {
    WatchRequest {
        start,
        until_now,
        ..WatchRequest::default()
    }
}

fn from_oldest() -> WatchRequest {
    request(Some(Start::Oldest(Oldest {})), true)
}

/// A state directory whose spool has a file system of its own.
struct SmallDisk {
    state: PathBuf,
    // Undone in this order.
    _mount: undo::Guard,
    _folder: undo::Guard,
}

impl SmallDisk {
    fn new(bench: &Bench, options: &str) -> Result<Self> {
        let state = bench.state.run_path("small-disk");
        let folder = undo::register(Leftover::Path(state.clone()));
        let spool = state.join("spool");
        fs::create_dir_all(&spool)?;
        let mounted = undo::register(Leftover::Mount(spool.clone()));
        mount(&["-t", "tmpfs", "-o", options, "tmpfs"], &spool)?;
        Ok(Self {
            state,
            _mount: mounted,
            _folder: folder,
        })
    }

    fn give(&self, setup: &mut AgentSetup) {
        setup.set("state_dir", self.state.to_string_lossy().into_owned());
    }

    fn remount(&self, options: &str) -> Result<()> {
        let spool = self.state.join("spool");
        mount(&["-o", &format!("remount,{options}")], &spool)
    }
}

fn mount(arguments: &[&str], path: &Path) -> Result<()> {
    let status = Command::new("mount").args(arguments).arg(path).status()?;
    ensure!(status.success(), "mount {arguments:?} {}", path.display());
    Ok(())
}

fn full_disk(bench: &Bench) -> Result<()> {
    let disk = SmallDisk::new(bench, "size=2m,mode=700")?;
    let small = |setup: &mut AgentSetup| {
        setup.set("stream.memory_bytes", 256 << 20);
        disk.give(setup);
    };
    block_on(under_load(bench, SLOW, small, async |watched| {
        watched
            .told("Alert stream not durable", ALERT_LIMIT)
            .await?;
        let status = client::status(watched.agent.socket()).await?;
        let stream = status.stream.context("no stream")?;
        ensure!(stream.not_durable.contains("full"), "{stream:?}");
        let why = |why: Why| move |gap: &gravlens::proto::Gap| gap.why() == why;
        let gaps = gaps(&watched.watcher.records());
        ensure!(gaps.iter().any(why(Why::NotDurable)), "{gaps:?}");
        // The stream goes on without the disk.
        let before = watched.watcher.alerts().len();
        watched.settle().await?;
        let after = watched.watcher.alerts().len();
        ensure!(after > before, "no alerts came from memory");
        disk.remount("size=1g")?;
        watched
            .told("Alert stream durable again", ALERT_LIMIT)
            .await?;
        watched.settle().await?;
        // All of it is in files now: a kill takes nothing.
        let Watched {
            watcher,
            agent,
            setup,
            cgroup: _cgroup,
        } = watched;
        agent.kill()?;
        let received = watcher.wait_ended(ENDED_LIMIT).await?;
        client::check_account(&received)?;
        let agent = setup.start().await?;
        let replay = Watcher::start(agent.socket(), from_oldest()).await?;
        let kept = replay.wait_ended(ENDED_LIMIT).await?;
        agent.stop()?;
        client::check_account(&kept)?;
        let kept: HashMap<u64, &Record> = kept.iter().map(|r| (r.sequence, r)).collect();
        for record in received.iter().filter(|record| record.sequence > 0) {
            let same = kept
                .get(&record.sequence)
                .is_some_and(|kept| kept.body == record.body);
            ensure!(same, "record {} is not kept", record.sequence);
        }
        Ok(())
    }))
}

/// Whether a rule has an alert among them.
fn tells(watcher: &Watcher, rule: &str) -> bool {
    let alerts = watcher.alerts();
    alerts.iter().any(|alert| rule_name(alert) == rule)
}

fn gaps(records: &[Record]) -> Vec<gravlens::proto::Gap> {
    let gaps = records.iter().filter_map(|record| match &record.body {
        Some(Body::Gap(gap)) => Some(gap.clone()),
        _ => None,
    });
    gaps.collect()
}

fn read_only(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let cgroup = TestCgroup::new()?;
        let mut setup = AgentSetup::new(&bench.state, &cgroup, engine.socket())?;
        let disk = SmallDisk::new(bench, "size=1m,mode=700")?;
        disk.give(&mut setup);
        disk.remount("ro")?;
        let agent = setup.start().await?;
        let replay = Watcher::start(agent.socket(), from_oldest()).await?;
        let records = replay.wait_ended(ENDED_LIMIT).await?;
        client::check_account(&records)?;
        let told = tells(&replay, "Alert stream not durable");
        ensure!(told, "nothing says so: {records:?}");
        let status = client::status(agent.socket()).await?;
        let stream = status.stream.context("no stream")?;
        ensure!(stream.not_durable.contains("Read-only"), "{stream:?}");
        agent.stop()
    })
}

fn damage(bench: &Bench) -> Result<()> {
    // Several files, so that what is hit is a part of it.
    let files = |setup: &mut AgentSetup| {
        setup.set("stream.spool_records", 2_000);
        setup.set("stream.memory_bytes", 64 << 10);
    };
    block_on(under_load(bench, SLOW, files, async |watched| {
        let Watched {
            watcher,
            mut agent,
            setup,
            cgroup: _cgroup,
        } = watched;
        drop(watcher);
        for round in 0..DAMAGES {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let status = client::status(agent.socket()).await?;
            let newest = status.stream.context("no stream")?.newest_sequence;
            agent.kill()?;
            let hit = hit_a_file(&setup.path("state").join("spool"), round % 2 == 0)?;
            agent = setup.start().await?;
            // What the start has to tell may still be on its way.
            let oldest = Some(Start::Oldest(Oldest {}));
            let replay = Watcher::start(agent.socket(), request(oldest, false)).await?;
            replay.settle(ENDED_LIMIT).await?;
            let records = replay.records();
            client::check_account(&records)?;
            let last = records.iter().map(|record| record.sequence).max();
            ensure!(
                last >= Some(newest),
                "{hit}: from {newest} the stream went back to {last:?}:\n{}",
                agent.stderr()
            );
            let lost: u64 = gaps(&records)
                .iter()
                .filter(|gap| gap.why() == Why::SpoolDamaged)
                .filter_map(|gap| gap.count)
                .sum();
            let told = tells(&replay, "Alert stream damaged");
            ensure!(
                lost == 0 || told,
                "{lost} records are lost and nothing says so"
            );
            println!("{hit}: {lost} of {newest} records lost, all told ... ");
        }
        agent.stop()
    }))
}

/// Cuts a file off or writes over it, at a random place, and says which.
fn hit_a_file(spool: &Path, cut: bool) -> Result<String> {
    let random = || RandomState::new().build_hasher().finish();
    let files: Vec<PathBuf> = fs::read_dir(spool)?
        .map(|file| Ok(file?.path()))
        .filter(|path: &Result<PathBuf>| {
            path.as_ref()
                .is_ok_and(|path| !path.to_string_lossy().ends_with("-shm"))
        })
        .collect::<Result<_>>()?;
    let files: Vec<_> = files
        .into_iter()
        .filter(|path| length(path) > 1_000)
        .collect();
    ensure!(!files.is_empty(), "there are no files");
    let path = &files[random() as usize % files.len()];
    let at = random() % length(path);
    let file: File = OpenOptions::new().write(true).open(path)?;
    if cut {
        file.set_len(at)?;
    } else {
        file.write_all_at(&[0xA5; 64], at)?;
    }
    let deed = if cut { "cut off" } else { "written over" };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(format!("{name} {deed} at {at}"))
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}
