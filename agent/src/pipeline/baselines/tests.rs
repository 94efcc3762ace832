use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;
use crate::alert::{AlertSender, Filter, Spool, SpoolLimits, Start, Step, Subscription, channel};
use crate::baseline::{Profile, Workload};
use crate::proto::record::Body;
use crate::telemetry::{AgentFacts, Board};

const LIMIT: Duration = Duration::from_secs(20);
const REVIEWED: &str = "workload: image a\nroles:\n- role: r\n  run: {dns: [a.example]}\n";

fn settings(folder: &TempDir) -> config::Baselines {
    config::Baselines {
        dir: Some(folder.path().join("baselines.d")),
        ..config::Config::default().baselines
    }
}

fn write(folder: &TempDir, name: &str, text: &str) {
    let directory = folder.path().join("baselines.d");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(name), text).unwrap();
}

fn image(name: &str) -> Workload {
    Workload::from_text(&format!("image {name}"))
}

#[test]
fn without_baselines_nothing_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let off = config::Baselines {
        enabled: false,
        ..settings(&folder)
    };
    assert!(open(&off, folder.path()).unwrap().is_none());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_run_begins_with_what_is_reviewed_and_what_was_learnt() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "a.yaml", REVIEWED);
    let first = open(&settings(&folder), folder.path()).unwrap().unwrap();
    assert_eq!(first.facts.reviewed_workloads, 1);
    assert!(first.learner.reviewed().contains_key(&image("a")));
    let mut store = first.store;
    store.keep(&[(image("b"), Profile::default())]).unwrap();
    drop(store);
    let again = open(&settings(&folder), folder.path()).unwrap().unwrap();
    assert_eq!(again.facts.learnt_workloads, 1);
    assert!(again.learner.profiles().contains_key(&image("b")));
}

#[test]
fn a_reviewed_file_that_cannot_be_used_keeps_the_agent_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "a.yaml", "wrkload: x\n");
    let error = open(&settings(&folder), folder.path()).err().unwrap();
    assert!(error.to_string().contains("a.yaml:1:1: "), "{error}");
    let text = Profile::default().to_yaml(&image("a"), crate::baseline::file::Evidence::With);
    write(&folder, "a.yaml", &text);
    let error = open(&settings(&folder), folder.path()).err().unwrap();
    assert!(error.to_string().contains("baseline import"), "{error}");
}

#[tokio::test]
async fn the_keeper_keeps_what_it_was_given_last() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = BaselineStore::open(folder.path()).unwrap();
    let (sender, keeper) = keeper(store);
    let task = tokio::spawn(keeper.run());
    for names in [&["a", "b"][..], &["b", "c"]] {
        let changed = names.iter().map(|name| (image(name), Profile::default()));
        sender.send(changed.collect()).await.unwrap();
    }
    drop(sender);
    timeout(LIMIT, task).await.unwrap().unwrap();
    let (_, kept) = BaselineStore::open(folder.path()).unwrap();
    assert!(kept.profiles.keys().eq(&["a", "b", "c"].map(image)));
}

/// A review of a folder, and what it tells.
struct Watched {
    folder: TempDir,
    directory: PathBuf,
    taken: mpsc::Receiver<Reviewed>,
    told: Subscription,
    _alerts: AlertSender,
}

impl Watched {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(&folder, "a.yaml", REVIEWED);
        let directory = folder.path().join("baselines.d");
        let limits = SpoolLimits {
            bytes: 1 << 20,
            records: 1_000,
            age: None,
            memory_bytes: 1 << 20,
        };
        let writer = Spool::in_memory(limits, "a test").unwrap();
        let spool = Arc::clone(writer.spool());
        let (alerts, stage) = channel(writer, 16);
        let (sender, taken) = mpsc::channel(1);
        let review = Review {
            folder: directory.clone(),
            seen: Reviewed::read(Some(&directory)).unwrap().digest,
            // The tests share a process: nobody sends this one.
            hangup: signal(SignalKind::io()).unwrap(),
            reviewed: sender,
            board: Board::new(AgentFacts::of_this_node(SystemTime::now())),
            alerts: alerts.downgrade(),
        };
        tokio::spawn(review.run());
        tokio::spawn(stage.run());
        Self {
            folder,
            directory,
            taken,
            told: Subscription::new(spool, Start::Oldest, Filter::default()).unwrap(),
            _alerts: alerts,
        }
    }

    async fn next_output(&mut self) -> String {
        let next = async {
            loop {
                match self.told.step() {
                    Step::Record(record) => {
                        if let Some(Body::Alert(alert)) = record.decode().unwrap().body {
                            return alert.output;
                        }
                    }
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        timeout(LIMIT, next).await.expect("nothing was told")
    }
}

#[tokio::test]
async fn reviewed_files_that_changed_are_taken_over_and_bad_ones_are_told_once() {
    let mut watched = Watched::new();
    write(&watched.folder, "b.yaml", "workload: image b\n");
    let taken = timeout(LIMIT, watched.taken.recv()).await.unwrap().unwrap();
    assert!(taken.profiles.keys().eq(&[image("a"), image("b")]));
    let told = watched.next_output().await;
    assert!(told.contains("Baselines reviewed: 2 workloads"), "{told}");

    write(&watched.folder, "b.yaml", "workload: [\n");
    let told = watched.next_output().await;
    assert!(told.contains("b.yaml:"), "{told}");
    fs::remove_dir_all(&watched.directory).unwrap();
    let taken = timeout(LIMIT, watched.taken.recv()).await.unwrap().unwrap();
    assert!(taken.profiles.is_empty());
    let told = watched.next_output().await;
    assert!(told.contains("Baselines reviewed: 0 workloads"), "{told}");
}
