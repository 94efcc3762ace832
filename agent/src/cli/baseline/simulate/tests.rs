use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::capture::sample;
use crate::cli::Exit;
use crate::detect::LoadOptions;
use crate::detect::testing::{in_container, metadata, open, process};
use crate::model::Event;

/// What an honest workload of the story does: nothing.
const REVIEWED: &str = "workload: image web\nroles: []\n";

fn stored(name: &str) -> Vec<u8> {
    let folder = "/../tests/corpora/capture/";
    fs::read([env!("CARGO_MANIFEST_DIR"), folder, name].concat()).unwrap()
}

/// A folder with captures, and how a simulation of them in the order of their names ends.
struct Simulation {
    folder: tempfile::TempDir,
    profiles: BTreeMap<Workload, Profile>,
    report: Report,
}

impl Simulation {
    fn knowing(reviewed: &[&str]) -> Self {
        let read = |text: &&str| crate::baseline::file::read(text, "f.yaml").unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            profiles: reviewed.iter().map(read).collect(),
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
        let (profiles, report) = (&mut self.profiles, &mut self.report);
        let outcome = simulate(&paths, &rules, settings, profiles, report);
        report.conclude(profiles, &settings);
        outcome.err().map(|failure| failure.exit())
    }

    fn json(&self) -> serde_json::Value {
        serde_json::to_value(&self.report).unwrap()
    }

    fn names(&self) -> Vec<&str> {
        self.profiles.keys().map(Workload::text).collect()
    }
}

#[test]
fn debug() {
    let mut s = Simulation::knowing(&[]);
    let e = s.of(&[("a", stored("story"))]);
    eprintln!("{e:?} {:?} {}", s.names(), s.json());
    let mut s = Simulation::knowing(&[REVIEWED]);
    let e = s.of(&[("a", stored("story"))]);
    eprintln!("{e:?} {:?} {}", s.names(), s.json());
    let mut s = Simulation::knowing(&[]);
    let e = s.of(&[("a", stored("story")), ("b", stored("runtime"))]);
    eprintln!("{e:?} {:?} {}", s.names(), s.json());
}
