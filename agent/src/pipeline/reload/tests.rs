//! The task with real files, and the detection task's side played by the test.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::alert::{Filter, Spool, SpoolLimits, Start, Step, Subscription, channel};
use crate::config::Config;
use crate::proto::record::Body;
use crate::sinks::reload::{ReloadClient, channel as requests};
use crate::telemetry::AgentFacts;

const PACE: Pace = Pace {
    quiet: Duration::from_millis(150),
    sweep: Duration::from_hours(1),
    unwatched: Duration::from_hours(1),
    retry: Duration::from_millis(10),
    patience: Duration::from_secs(2),
};
const LIMIT: Duration = Duration::from_secs(30);
/// Long enough for a reload that must not come.
const QUIET: Duration = Duration::from_millis(800);

/// An agent that does nothing but reload.
struct Agent {
    directory: PathBuf,
    sets: mpsc::Receiver<NewRules>,
    client: ReloadClient,
    board: Board,
    spool: std::sync::Arc<Spool>,
    task: JoinHandle<()>,
    _stage: JoinHandle<()>,
    _alerts: crate::alert::AlertSender,
    _folder: tempfile::TempDir,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn rule(name: &str) -> String {
    format!(
        "- rule: {name}\n  desc: d\n  condition: evt.type = open and fd.name = /x\n  output: o\n  \
         priority: INFO\n"
    )
}

const BROKEN: &str = "- rule: broken\n  desc: d\n  condition: evt.type =\n  output: o\n  \
                      priority: INFO\n";

impl Agent {
    fn start(watch: bool) -> Self {
        Self::with(watch, PACE, |directory| {
            fs::write(directory.join("a.yaml"), rule("first")).unwrap();
        })
    }

    fn with(watch: bool, pace: Pace, write: impl FnOnce(&Path)) -> Self {
        // The tests share a process: nobody sends this one.
        Self::on_signal(SignalKind::io(), watch, pace, write)
    }

    fn on_signal(kind: SignalKind, watch: bool, pace: Pace, write: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("rules");
        fs::create_dir(&directory).unwrap();
        write(&directory);
        let mut settings = Config::default().rules;
        settings.bundled = false;
        settings.paths = vec![directory.clone()];
        settings.local = Some(folder.path().join("local.yaml"));
        let loader = RuleLoader::new(&settings, "node");
        let loaded = loader.load(&loader.sources.read().unwrap()).unwrap();
        let current = Rules::new(loaded, 1, EventTypes::ALL);
        let mut facts = AgentFacts::of_this_node(SystemTime::now());
        facts.rules = current.snapshot.facts.clone();
        let board = Board::new(facts);
        let limits = SpoolLimits {
            bytes: 1 << 20,
            records: 1_000,
            age: None,
            memory_bytes: 1 << 20,
        };
        let writer = Spool::in_memory(limits, "a test").unwrap();
        let spool = std::sync::Arc::clone(writer.spool());
        let (alerts, stage) = channel(writer, 16);
        let (client, asked) = requests();
        let (rules, sets) = mpsc::channel(1);
        let reloader = Reloader::new(Parts {
            loader,
            current,
            seen: EventTypes::ALL,
            watch,
            hangup: signal(kind).unwrap(),
            requests: asked,
            rules,
            board: board.clone(),
            alerts: alerts.downgrade(),
            pace,
        });
        Self {
            directory,
            sets,
            client,
            board,
            spool,
            task: tokio::spawn(reloader.run()),
            _stage: tokio::spawn(stage.run()),
            _alerts: alerts,
            _folder: folder,
        }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.join(name), text).unwrap();
    }

    /// Takes the next set over, as detection does, and tells its rules.
    async fn taken(&mut self) -> Vec<String> {
        let new = timeout(LIMIT, self.sets.recv()).await;
        take(new.expect("no set came").unwrap())
    }

    async fn is_quiet(&mut self) -> bool {
        timeout(QUIET, self.sets.recv()).await.is_err()
    }

    async fn reload(&mut self) -> ReloadAnswer {
        let client = self.client.clone();
        let mut asked = std::pin::pin!(client.reload("a test".to_owned()));
        loop {
            tokio::select! {
                answer = &mut asked => return answer.unwrap(),
                Some(new) = self.sets.recv() => {
                    take(new);
                }
            }
        }
    }

    /// Waits for so many findings in the stream: name and what it says.
    async fn told(&self, count: usize) -> Vec<(String, String)> {
        let found = async {
            loop {
                let told = self.told_so_far();
                if told.len() >= count {
                    return told;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LIMIT, found).await.expect("not told")
    }

    fn told_so_far(&self) -> Vec<(String, String)> {
        let spool = std::sync::Arc::clone(&self.spool);
        let mut all = Subscription::new(spool, Start::Oldest, Filter::default()).unwrap();
        let mut told = Vec::new();
        while let Step::Record(record) = all.step() {
            if let Some(Body::Alert(alert)) = record.decode().unwrap().body {
                told.push((alert.rule.unwrap().name, alert.output));
            }
        }
        told
    }

    fn failed(&self) -> Option<FailedReload> {
        self.board.facts().failed_reload.clone()
    }
}

fn take(new: NewRules) -> Vec<String> {
    let rules = new.rules.snapshot.rules.iter();
    let names = rules.map(|rule| rule.info.name.clone()).collect();
    new.taken.send(()).unwrap();
    names
}

#[tokio::test]
async fn a_file_that_changes_is_taken_over_once() {
    let mut agent = Agent::start(true);
    assert!(agent.is_quiet().await, "nothing has changed");
    agent.write("a.yaml", &rule("second"));
    assert_eq!(agent.taken().await, ["second"]);
    // The same contents, and a file that is none of rules.
    agent.write("a.yaml", &rule("second"));
    agent.write("notes.txt", "x");
    assert!(agent.is_quiet().await);
    fs::write(agent.directory.with_file_name("local.yaml"), rule("own")).unwrap();
    assert_eq!(agent.taken().await, ["second", "own"]);
    let told = agent.told(2).await;
    assert_eq!(
        told[0].1,
        "Rules reloaded: generation 2, 1 active, 0 disabled, 0 refused; now active: 'second'; no \
         longer active: 'first' (the files changed)"
    );
    assert_eq!(told.len(), 2);
    assert_eq!(agent.failed(), None);
}

#[tokio::test]
async fn what_changed_between_the_start_and_the_watch_is_taken_over() {
    let mut agent = Agent::start(true);
    agent.write("b.yaml", &rule("early"));
    assert_eq!(agent.taken().await, ["first", "early"]);
}

#[tokio::test]
async fn a_burst_of_changes_is_one_reload() {
    let mut agent = Agent::start(true);
    for number in 0..50 {
        agent.write("a.yaml", &rule(&format!("burst {number}")));
        agent.write(&format!("{number}.yaml"), &rule(&format!("file {number}")));
        sleep(Duration::from_millis(5)).await;
    }
    let rules = agent.taken().await;
    assert_eq!(rules.len(), 51);
    assert!(rules.contains(&"burst 49".to_owned()));
    assert!(agent.is_quiet().await);
}

#[tokio::test]
async fn a_file_that_grows_is_not_taken_over_before_it_is_whole() {
    let mut agent = Agent::start(true);
    // Each part ends where a rule does: a valid file with fewer rules.
    let mut text = String::new();
    for number in 0..15 {
        text.push_str(&rule(&format!("part {number}")));
        agent.write("a.yaml", &text);
        sleep(PACE.quiet / 3).await;
    }
    assert_eq!(agent.taken().await.len(), 15);
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_is_told_once() {
    let mut agent = Agent::start(true);
    agent.write("b.yaml", BROKEN);
    let told = agent.told(1).await;
    assert_eq!(told[0].0, "Rules not reloaded");
    assert!(told[0].1.contains("b.yaml:3:"), "{told:?}");
    assert!(told[0].1.contains("generation 1 stays"), "{told:?}");
    let failed = agent.failed().unwrap();
    assert!(failed.standing && failed.reasons[0].contains("rule 'broken'"));
    assert_ne!(failed.digest, agent.board.facts().rules.digest);
    // Asked for once more, it is answered and not told again.
    let answer = agent.reload().await;
    assert_eq!(answer.outcome, ReloadOutcome::Refused);
    assert_eq!(answer.reasons, failed.reasons);
    assert_eq!(answer.facts.generation, 1);
    assert_eq!(agent.told_so_far().len(), 1);
    // Back to what is in force.
    fs::remove_file(agent.directory.join("b.yaml")).unwrap();
    assert_eq!(agent.reload().await.outcome, ReloadOutcome::Unchanged);
    assert!(!agent.failed().unwrap().standing);
    // The same once more is another change, and told.
    agent.write("b.yaml", BROKEN);
    agent.told(2).await;
    // Then a whole one.
    agent.write("b.yaml", &rule("whole"));
    assert_eq!(agent.taken().await, ["first", "whole"]);
    assert_eq!(agent.told(3).await[2].0, "Rules reloaded");
    assert!(!agent.failed().unwrap().standing);
}

#[tokio::test]
async fn an_empty_directory_and_an_unreadable_file_change_nothing() {
    let mut agent = Agent::start(false);
    fs::remove_file(agent.directory.join("a.yaml")).unwrap();
    let answer = agent.reload().await;
    assert_eq!(answer.outcome, ReloadOutcome::Unreadable);
    assert!(answer.reasons[0].contains("holds no *.yaml file"));
    symlink("nowhere", agent.directory.join("a.yaml")).unwrap();
    let answer = agent.reload().await;
    assert_eq!(answer.outcome, ReloadOutcome::Unreadable);
    assert!(answer.reasons[0].contains("a.yaml"), "{answer:?}");
    assert_eq!(agent.told(2).await.len(), 2);
    let failed = agent.failed().unwrap();
    assert!(failed.standing && failed.digest.is_empty());
}

#[tokio::test]
async fn a_config_map_is_taken_over_when_its_link_is_swapped() {
    let version = |directory: &Path, number: u32| {
        let own = directory.join(format!("..v{number}"));
        fs::create_dir(&own).unwrap();
        for name in ["a", "b"] {
            let text = rule(&format!("{name} {number}"));
            fs::write(own.join(format!("{name}.yaml")), text).unwrap();
        }
        symlink(format!("..v{number}"), directory.join("..tmp")).unwrap();
        fs::rename(directory.join("..tmp"), directory.join("..data")).unwrap();
    };
    let mut agent = Agent::with(true, PACE, |directory| {
        version(directory, 0);
        for name in ["a.yaml", "b.yaml"] {
            symlink(format!("..data/{name}"), directory.join(name)).unwrap();
        }
    });
    for number in 1..4 {
        version(&agent.directory, number);
        // As the kubelet does, which takes the old version away.
        fs::remove_dir_all(agent.directory.join(format!("..v{}", number - 1))).unwrap();
        let rules = agent.taken().await;
        assert_eq!(rules, [format!("a {number}"), format!("b {number}")]);
    }
    assert_eq!(agent.failed(), None);
}

#[tokio::test]
async fn without_a_watch_only_a_signal_or_a_request_reloads() {
    let mut agent = Agent::on_signal(SignalKind::window_change(), false, PACE, |directory| {
        fs::write(directory.join("a.yaml"), rule("first")).unwrap();
    });
    agent.write("a.yaml", &rule("second"));
    assert!(agent.is_quiet().await);
    let answer = agent.reload().await;
    assert_eq!(answer.outcome, ReloadOutcome::Reloaded);
    assert_eq!((answer.facts.generation, answer.facts.active), (2, 1));
    assert_eq!(agent.reload().await.outcome, ReloadOutcome::Unchanged);
    agent.write("a.yaml", &rule("third"));
    let own = rustix::process::getpid();
    rustix::process::kill_process(own, rustix::process::Signal::WINCH).unwrap();
    assert_eq!(agent.taken().await, ["third"]);
    assert!(agent.told(2).await[1].1.ends_with("(on SIGHUP)"));
}

#[tokio::test]
async fn what_is_not_noticed_is_found_by_a_sweep() {
    // A directory is not told of what is written under a name that the file has elsewhere.
    let other = |agent: &Agent| {
        let other = agent.directory.with_file_name("other");
        fs::create_dir(&other).unwrap();
        let name = other.join("x");
        fs::hard_link(agent.directory.join("a.yaml"), &name).unwrap();
        name
    };
    let mut agent = Agent::start(true);
    let name = other(&agent);
    assert!(agent.is_quiet().await);
    fs::write(name, rule("second")).unwrap();
    assert!(agent.is_quiet().await);

    let pace = Pace {
        sweep: Duration::from_millis(300),
        ..PACE
    };
    let mut agent = Agent::with(true, pace, |directory| {
        fs::write(directory.join("a.yaml"), rule("first")).unwrap();
    });
    let name = other(&agent);
    assert!(agent.is_quiet().await);
    fs::write(name, rule("second")).unwrap();
    assert_eq!(agent.taken().await, ["second"]);
}

#[tokio::test]
async fn a_directory_that_is_replaced_is_taken_over() {
    let mut agent = Agent::start(true);
    assert!(agent.is_quiet().await);
    let new = agent.directory.with_file_name("new");
    fs::create_dir(&new).unwrap();
    fs::write(new.join("a.yaml"), rule("second")).unwrap();
    fs::rename(&agent.directory, agent.directory.with_file_name("old")).unwrap();
    fs::rename(&new, &agent.directory).unwrap();
    assert_eq!(agent.taken().await, ["second"]);
    // The directory of that name now is the one that is watched.
    agent.write("a.yaml", &rule("third"));
    assert_eq!(agent.taken().await, ["third"]);
}

#[tokio::test]
async fn whoever_asks_while_files_go_on_changing_is_told_so() {
    // No patience at all: one look that found something new is enough.
    let pace = Pace {
        patience: Duration::ZERO,
        ..PACE
    };
    let mut agent = Agent::with(false, pace, |directory| {
        fs::write(directory.join("a.yaml"), rule("first")).unwrap();
    });
    agent.write("a.yaml", &rule("second"));
    let answer = agent.reload().await;
    assert_eq!(answer.outcome, ReloadOutcome::Unsettled);
    assert_eq!(answer.facts.generation, 1);
    // It is taken over all the same when it settles.
    assert_eq!(agent.taken().await, ["second"]);
    assert_eq!(agent.told(1).await[0].0, "Rules reloaded");
}
