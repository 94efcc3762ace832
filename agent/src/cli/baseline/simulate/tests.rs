use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::baseline::{Profile, Workload};
use crate::capture::{CaptureWriter, sample};
use crate::cli::Exit;
use crate::detect::LoadOptions;
use crate::detect::testing::{in_container, metadata, open, process};
use crate::model::Event;

/// What the container of the story is said to do, before and after the runtime has told of it: nothing.
const REVIEWED: [&str; 2] = [
    "workload: container c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00\nroles: []\n",
    "workload: image nginx\nroles: []\n",
];

fn stored(name: &str) -> Vec<u8> {
    let folder = "/../tests/corpora/capture/";
    fs::read([env!("CARGO_MANIFEST_DIR"), folder, name].concat()).unwrap()
}

/// A folder with captures, and how a simulation of them in the order of their names ends.
struct Simulation {
    folder: tempfile::TempDir,
    known: Known,
    report: Report,
}

impl Simulation {
    fn knowing(reviewed: &[&str]) -> Self {
        let read = |text: &&str| crate::baseline::file::read(text, "f.yaml").unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            known: Known {
                reviewed: reviewed.iter().map(read).collect(),
                ..Known::default()
            },
            report: Report::telling(2),
        }
    }

    fn of(&mut self, captures: &[(&str, Vec<u8>)]) -> Option<Exit> {
        let paths: Vec<PathBuf> = captures
            .iter()
            .map(|(name, bytes)| {
                let path = self.folder.path().join(name);
                fs::write(&path, bytes).unwrap();
                path
            })
            .collect();
        let rules = RulePaths {
            bundled: false,
            paths: Vec::new(),
            options: LoadOptions::default(),
        };
        let settings = LearnSettings::default();
        let (known, report) = (&mut self.known, &mut self.report);
        let outcome = simulate(&paths, &rules, settings, known, report);
        report.conclude(&known.learnt, &settings);
        outcome.err().map(|failure| failure.exit())
    }

    fn json(&self) -> serde_json::Value {
        serde_json::to_value(&self.report).unwrap()
    }

    fn names(&self) -> Vec<&str> {
        self.known.learnt.keys().map(Workload::text).collect()
    }
}

/// A capture with a header that no recorder writes.
fn refused() -> (&'static str, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture");
    let mut header = sample::header();
    header.settings.as_mut().unwrap().runtimes.push(1_000);
    let mut writer = CaptureWriter::create(&path, header, 1).unwrap();
    writer.finish().unwrap();
    ("z", fs::read(path).unwrap())
}

#[test]
fn what_a_reviewed_file_does_not_have_is_told_from_the_start() {
    let mut known = Simulation::knowing(&REVIEWED);
    assert_eq!(known.of(&[("a", stored("story"))]), None);
    let report = known.json();
    let told = report["told"].as_array().unwrap();
    assert_eq!(told.len(), 2, "{report:#}");
    assert!(report["told_count"].as_u64().unwrap() > 2, "{report:#}");
    assert!(told.iter().all(|told| told["kind"] == "new"), "{report:#}");

    let mut learning = Simulation::knowing(&[]);
    assert_eq!(learning.of(&[("a", stored("story"))]), None);
    assert_eq!(learning.json()["told_count"], 0);
    assert!(
        learning.names().contains(&"image nginx"),
        "{:?}",
        learning.names()
    );
}

#[test]
fn a_damaged_capture_is_used_up_to_the_damage() {
    let mut cut = stored("story");
    cut.truncate(cut.len() - 40);
    let mut simulation = Simulation::knowing(&REVIEWED);
    assert_eq!(simulation.of(&[("a", cut)]), Some(Exit::Damaged));
    assert!(!simulation.report.is_empty());
    assert!(simulation.json()["told_count"].as_u64().unwrap() > 0);
}

#[test]
fn what_was_learnt_outlives_a_capture_that_is_refused() {
    let mut simulation = Simulation::knowing(&[]);
    let mut learnt = Simulation::knowing(&[]);
    learnt.of(&[("a", stored("story"))]);
    let exit = simulation.of(&[("a", stored("story")), refused()]);
    assert!(exit.is_some());
    assert_eq!(simulation.names(), learnt.names());
    assert_eq!(simulation.json(), learnt.json());
}

#[test]
fn nothing_is_reported_of_nothing() {
    let mut simulation = Simulation::knowing(&[]);
    assert_eq!(simulation.of(&[refused()]), Some(Exit::Damaged));
    assert!(simulation.report.is_empty());
}

/// Five minutes of a container, as the capture with that id has them.
fn watched(capture_id: u64) -> Profile {
    let header = Header {
        capture_id,
        ..sample::header()
    };
    let settings = LearnSettings {
        node: node_of(&header),
        ..LearnSettings::default()
    };
    let mut learner = Learner::new(settings, BTreeMap::new());
    let at = |seconds: u64| UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds);
    let event = Event {
        time: at(0),
        ..in_container(
            open(process(100, "web", &[], None), "/etc/a", 0),
            metadata("web"),
        )
    };
    learner.observe(&event, false);
    for minute in 1..=5 {
        learner.tick(at(60 * minute));
    }
    let mut profiles = learner.into_profiles();
    profiles.remove(&Workload::from_text("image web")).unwrap()
}

#[test]
fn what_two_captures_watched_adds_up() {
    let seconds = |profile: &Profile| profile.exposure().totals().seconds;
    let one = watched(1);
    assert!(seconds(&one) >= 120, "{:?}", one.exposure());
    let mut same = one.clone();
    same.merge(&watched(1));
    assert_eq!(seconds(&same), seconds(&one));
    let mut both = one.clone();
    both.merge(&watched(2));
    assert_eq!(seconds(&both), 2 * seconds(&one));
    let other_node = Header {
        node: "other".to_owned(),
        ..sample::header()
    };
    assert_ne!(node_of(&other_node), node_of(&sample::header()));
}
