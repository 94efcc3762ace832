use std::fs;

use clap::Parser as _;

use super::super::{Cli, Verb};
use super::*;
use crate::capture::sample;
use crate::config::Config;
use crate::detect::Level;
use crate::proto::BaselineKind;

fn story() -> Vec<u8> {
    let stored = "/../tests/corpora/capture/story";
    fs::read([env!("CARGO_MANIFEST_DIR"), stored].concat()).unwrap()
}

/// Replays what lies there; the ids of the alerts, and how it ended.
fn ids(path: PathBuf) -> (Vec<String>, Option<Exit>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yaml");
    fs::write(&file, sample::RULES).unwrap();
    let rules = RulePaths {
        bundled: true,
        paths: vec![file],
        options: LoadOptions::default(),
    };
    let mut ids = Vec::new();
    let outcome = each_capture(&[path], |mut capture| {
        let set = rules.load(&capture.header().node)?;
        let account = replay(&mut capture, &set, None, &mut |record| {
            if let Some(Body::Alert(alert)) = &record.body {
                ids.push(alert.id.clone());
            }
            Ok(())
        })?;
        assert_eq!(account, (12, 1));
        Ok(())
    });
    (ids, outcome.err().map(|failure| failure.exit()))
}

#[test]
fn a_damaged_capture_is_used_up_to_the_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b");
    fs::write(&path, story()).unwrap();
    let (whole, exit) = ids(folder.path().to_owned());
    assert_eq!(exit, None);
    assert!(whole.len() > 5, "{whole:?}");
    let mut cut = story();
    cut.truncate(cut.len() - 40);
    fs::write(&path, cut).unwrap();
    let (before, exit) = ids(path.clone());
    assert_eq!(exit, Some(Exit::Damaged));
    // What waits when the capture ends leaves then, so only the begin is the same.
    let same = before
        .iter()
        .zip(&whole)
        .take_while(|(one, other)| one == other);
    let same = same.count();
    assert!(same >= 5 && before.len() <= whole.len(), "{before:?}");
}

#[test]
fn rules_that_are_refused_and_files_that_are_none_have_their_codes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yaml");
    fs::write(&file, sample::RULES.replace("proc.name", "proc.nmae")).unwrap();
    let rules = RulePaths {
        bundled: false,
        paths: vec![file.clone()],
        options: LoadOptions::default(),
    };
    let failure = rules.load("node").unwrap_err();
    assert_eq!(failure.exit(), Exit::RulesRefused);
    assert!(failure.to_string().contains("proc.name"), "{failure}");
    assert_eq!(ids(file).1, Some(Exit::Usage));
    let absent = folder.path().join("absent");
    assert_eq!(ids(absent).1, Some(Exit::Failure));
}

#[test]
fn the_least_level_of_sigma_is_the_configured_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("low.yaml");
    let text = "title: Low\nlevel: low\nlogsource: {category: process_creation}\ndetection:\n  \
                s: {Image: x}\n  condition: s\n";
    fs::write(&file, text).unwrap();
    let enabled = |level| {
        let mut config = Config::default();
        config.rules.sigma_min_level = level;
        let rules = RulePaths {
            bundled: false,
            paths: vec![file.clone()],
            options: load_options_of_named(&config),
        };
        let set = rules.load("node").unwrap();
        set.rules().filter(|rule| rule.enabled).count()
    };
    assert_eq!((enabled(Level::Low), enabled(Level::Medium)), (1, 0));
}

/// What a reviewer let the workload of the story do.
const REVIEWED: &str = "workload: image nginx\nroles:\n- role: root uid0 /usr/bin/nginx\n  start: \
                        {exec: [/usr/bin/sh]}\n";

#[test]
fn what_is_new_to_profiles_is_told_and_learnt_from_one_capture_for_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (trace, known) = (folder.path().join("trace"), folder.path().join("known"));
    fs::write(&trace, story()).unwrap();
    fs::create_dir(&known).unwrap();
    fs::write(known.join("nginx.yaml"), REVIEWED).unwrap();
    let rules = RulePaths {
        bundled: false,
        paths: Vec::new(),
        options: LoadOptions::default(),
    };
    let mut baselines = Baselines {
        known: Known::read(&[known]).unwrap(),
        settings: LearnSettings::default(),
    };
    let mut kinds = || {
        let mut kinds = Vec::new();
        each_capture(std::slice::from_ref(&trace), |mut capture| {
            let set = rules.load("node")?;
            replay(&mut capture, &set, Some(&mut baselines), &mut |record| {
                if let Some(Body::Alert(alert)) = &record.body {
                    let baseline = alert.baseline.as_ref().unwrap();
                    kinds.push((baseline.class.clone(), baseline.kind()));
                }
                Ok(())
            })?;
            Ok(())
        })
        .unwrap();
        kinds
    };
    let read = |kind| ("file_read".to_owned(), kind);
    let first = kinds();
    assert!(first.contains(&read(BaselineKind::New)), "{first:?}");
    // It is locked, so what came is quarantined.
    let second = kinds();
    assert!(
        second.contains(&read(BaselineKind::Quarantined)),
        "{second:?}"
    );
    assert!(!second.contains(&read(BaselineKind::New)), "{second:?}");
}

#[test]
fn profiles_that_cannot_be_used_are_wrong_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.yaml");
    fs::write(&bad, "workload: [").unwrap();
    let trace = folder.path().join("trace");
    fs::write(&trace, story()).unwrap();
    let words = ["gravlens", "replay", "--no-bundled", "--baselines"].map(PathBuf::from);
    let words = words.into_iter().chain([bad, trace]);
    let cli = Cli::try_parse_from(words).unwrap();
    let Verb::Replay(args) = &cli.verb else {
        panic!("not replay");
    };
    let failure = run(&cli.global, args).unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
    assert!(failure.to_string().contains("bad.yaml:1:"), "{failure}");
}
