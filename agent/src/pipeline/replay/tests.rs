use std::collections::BTreeMap;
use std::path::Path;

use super::super::detector::Job;
use super::*;
use crate::baseline::LearnSettings;
use crate::capture::{Capture, CaptureWriter, captures, sample};
use crate::config::RecordFormat;
use crate::detect::testing::loaded;
use crate::proto::Record;
use crate::proto::record::Body;
use crate::sinks::render;

fn rules(text: &str) -> Arc<RuleSet> {
    let loaded = loaded(text);
    assert!(
        loaded.report.refused.is_empty(),
        "{}",
        loaded.report.to_text()
    );
    Arc::new(loaded.set)
}

fn replay(rules_text: &str) -> Replay {
    Replay::new(&sample::header(), rules(rules_text)).unwrap()
}

fn taken(replay: &mut Replay) -> Vec<Record> {
    std::iter::from_fn(|| replay.next_record()).collect()
}

/// A detection task that takes the story in and writes it to a capture: its records.
fn live(path: &Path, rules_text: &str) -> Vec<Record> {
    let mut live = replay(rules_text);
    live.detector.put_tape();
    let header = sample::header();
    let mut writer = CaptureWriter::create(path, header, 4).unwrap();
    let mut records = Vec::new();
    for input in sample::state() {
        live.apply(input).unwrap();
    }
    live.detector.end_state();
    for input in sample::story() {
        live.apply(input).unwrap();
        records.extend(taken(&mut live));
        for job in live.detector.take_tape(true) {
            match job {
                Job::Block(kind, contents) => writer.append(kind, &contents).unwrap(),
                Job::Part(_) => panic!("no part was begun"),
            }
        }
    }
    live.finish();
    records.extend(taken(&mut live));
    writer.finish().unwrap();
    records
}

fn open(path: &Path) -> Capture {
    captures(&[path.to_owned()]).unwrap().remove(0)
}

/// The records of a capture in all forms, as they are printed.
fn printed(capture: &mut Capture, rules_text: &str) -> String {
    let mut replay = Replay::new(capture.header(), rules(rules_text)).unwrap();
    let mut records = Vec::new();
    while let Ok(Some(input)) = capture.next_input() {
        replay.apply(input).unwrap();
        records.extend(taken(&mut replay));
    }
    replay.finish();
    records.extend(taken(&mut replay));
    text(&records)
}

fn text(records: &[Record]) -> String {
    let formats = [RecordFormat::Json, RecordFormat::Text, RecordFormat::Falco];
    let all = formats
        .iter()
        .flat_map(|format| records.iter().map(|it| (it, *format)));
    all.filter_map(|(record, format)| render::record(record, format, "node"))
        .collect()
}

/// Same ids and times too: the story's header has one id.
fn with_id_of(mut records: Vec<Record>, capture: &Capture) -> Vec<Record> {
    let (from, to) = (sample::header().capture_id, capture.header().capture_id);
    let id = |id: &mut String| *id = id.replace(&format!("{from:016x}"), &format!("{to:016x}"));
    for record in &mut records {
        record.stream_epoch = to;
        match &mut record.body {
            Some(Body::Alert(alert)) => id(&mut alert.id),
            Some(Body::Amend(amend)) => id(&mut amend.alert_id),
            _ => {}
        }
    }
    records
}

#[test]
fn a_replay_gives_the_records_of_the_live_run_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace");
    let live = live(&path, sample::RULES);
    let mut capture = open(&path);
    let live = text(&with_id_of(live, &capture));
    for word in ["web", "late", "shell sh -c id of nginx", "container"] {
        assert!(live.contains(word), "{word} is not in\n{live}");
    }
    let replayed = printed(&mut capture, sample::RULES);
    assert_eq!(replayed, live);
}

/// Hash tables of each run have another order.
#[test]
fn every_replay_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace");
    live(&path, sample::RULES);
    let first = printed(&mut open(&path), sample::RULES);
    for _ in 0..8 {
        assert_eq!(printed(&mut open(&path), sample::RULES), first);
    }
}

/// What waits for an identity, and how long, depends on the rules: a recording without any must
/// serve them all.
#[test]
fn rules_that_came_later_decide_as_if_they_had_been_there() {
    let folder = tempfile::tempdir().unwrap();
    let (with, without) = (folder.path().join("with"), folder.path().join("without"));
    let live = live(&with, sample::RULES);
    assert!(self::live(&without, "").is_empty());
    let mut capture = open(&without);
    let live = text(&with_id_of(live, &capture));
    assert_eq!(printed(&mut capture, sample::RULES), live);
}

#[test]
fn the_story_has_its_alerts() {
    let folder = tempfile::tempdir().unwrap();
    let records = live(&folder.path().join("trace"), sample::RULES);
    let mut told: Vec<(String, String)> = Vec::new();
    let mut amended = 0;
    for record in &records {
        match &record.body {
            Some(Body::Alert(alert)) => {
                let container = alert.container.clone().unwrap_or_default();
                let rule = alert.rule.as_ref().unwrap().name.clone();
                told.push((rule, container.name));
            }
            Some(Body::Amend(_)) => amended += 1,
            other => panic!("{other:?}"),
        }
    }
    told.sort();
    let count = |rule: &str, name: &str| {
        let same = |it: &&(String, String)| it.0 == rule && it.1 == name;
        told.iter().filter(same).count()
    };
    // Before and after the name came.
    assert_eq!(count("Shadow read", ""), 1, "{told:?}");
    assert_eq!(count("Shadow read", "web"), 1, "{told:?}");
    assert_eq!(count("Shell", ""), 3, "{told:?}");
    // It waited for the image.
    assert_eq!(count("Shell in nginx", "web"), 1, "{told:?}");
    assert!(amended >= 2, "{amended}");
}

#[test]
fn a_capture_that_was_cut_is_replayed_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace");
    live(&path, sample::RULES);
    let whole = printed(&mut open(&path), sample::RULES);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() * 3 / 4]).unwrap();
    let cut = printed(&mut open(&path), sample::RULES);
    assert!(!cut.is_empty() && cut.len() < whole.len());
}

#[test]
fn hostile_settings_and_endless_walks_are_bounded() {
    let mut header = sample::header();
    header.begun = None;
    let settings = header.settings.as_mut().unwrap();
    (settings.grace_ns, settings.pending_max) = (u64::MAX, u64::MAX);
    let mut replay = Replay::new(&header, rules(sample::RULES)).unwrap();
    let cgroup = |id| {
        Input::ScannedCgroup(ScannedCgroup {
            id,
            path: Vec::new(),
        })
    };
    for id in 0..MAX_CGROUPS as u64 {
        replay.apply(cgroup(id)).unwrap();
    }
    let fault = replay.apply(cgroup(0)).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "an input cannot be decoded: more than 65536 cgroups"
    );
    header.settings.as_mut().unwrap().runtimes = vec![99];
    assert!(Replay::new(&header, rules("")).is_err());
}

/// What was known of resolvers as a file began answers what is asked in it.
#[test]
fn known_resolvers_answer_once() {
    let mut replay = replay("");
    let message = ResolverMessage {
        owner: Owner::Node,
        servers: Some(vec![[9, 9, 9, 9].into()]),
    };
    replay.apply(Input::KnownResolvers(message)).unwrap();
    assert_eq!(replay.resolvers.len(), 1);
    replay.apply(Input::Account { seen: 3, lost: 2 }).unwrap();
    assert_eq!(replay.account(), (3, 2));
}

/// What a reviewer let the workload of the story do: run its server, which starts a shell.
const REVIEWED: &str = "\
workload: image nginx
roles:
- role: root uid0 /usr/bin/nginx
  start:
    exec: [/usr/bin/sh]
";

fn reviewed() -> Learner {
    let known = crate::baseline::file::read_bytes(REVIEWED.as_bytes(), "reviewed.yaml").unwrap();
    let mut learner = Learner::new(LearnSettings::default(), BTreeMap::new());
    learner.review([known].into());
    learner
}

fn story_of(mut replay: Replay) -> (Vec<Record>, Replay) {
    let mut records = Vec::new();
    for input in sample::state().into_iter().chain(sample::story()) {
        replay.apply(input).unwrap();
        records.extend(taken(&mut replay));
    }
    replay.finish();
    records.extend(taken(&mut replay));
    (records, replay)
}

fn telling(rules_text: &str) -> Vec<Record> {
    let replay = Replay::telling(&sample::header(), rules(rules_text), reviewed());
    story_of(replay.unwrap()).0
}

fn alerts(records: &[Record]) -> Vec<&crate::proto::Alert> {
    let bodies = records.iter().filter_map(|record| record.body.as_ref());
    bodies
        .filter_map(|body| match body {
            Body::Alert(alert) => Some(alert),
            _ => None,
        })
        .collect()
}

#[test]
fn what_is_new_to_a_baseline_is_told_of_its_container() {
    let records = telling("");
    let alerts = alerts(&records);
    let told: Vec<_> = alerts
        .iter()
        .map(|alert| {
            let baseline = alert.baseline.as_ref().unwrap();
            (&*baseline.class, &*baseline.object, &*baseline.workload)
        })
        .collect();
    assert!(
        told.contains(&("file_read", "/etc/shadow", "image nginx")),
        "{told:?}"
    );
    let shell = ("exec", "/usr/bin/sh", "image nginx");
    assert!(!told.contains(&shell), "{told:?}");
    let read = alerts.iter().find(|alert| {
        let baseline = alert.baseline.as_ref().unwrap();
        baseline.class == "file_read"
    });
    let read = read.unwrap();
    // Its event waited for the name of the container, longer than the grace.
    let container = read.container.as_ref().unwrap();
    assert_eq!(container.name, "web");
    assert_eq!(container.identity(), crate::proto::Identity::Late);
    let baseline = read.baseline.as_ref().unwrap();
    assert_eq!(baseline.state(), crate::proto::BaselineState::Locked);
    assert_eq!(baseline.phase(), crate::proto::BaselinePhase::Start);
    assert!(baseline.predicted.is_none());
    assert_eq!(read.event.as_ref().unwrap().r#type, "openat");
    assert_eq!(read.process.as_ref().unwrap().name, "sh");
    let rule = read.rule.as_ref().unwrap();
    assert_eq!((&*rule.language, rule.set_generation), ("baseline", 1));
}

#[test]
fn what_is_new_stands_among_what_the_rules_tell_each_time_alike() {
    let first = text(&telling(sample::RULES));
    for word in ["Baseline: new behaviour (file_read)", "Shadow read"] {
        assert!(first.contains(word), "{word} is not in\n{first}");
    }
    for _ in 0..4 {
        assert_eq!(text(&telling(sample::RULES)), first);
    }
    let rules_alone = story_of(replay(sample::RULES)).0;
    let by_rules = alerts(&rules_alone).len();
    let all = telling(sample::RULES);
    let learnt = alerts(&all)
        .iter()
        .filter(|alert| alert.baseline.is_some())
        .count();
    assert_eq!(alerts(&all).len(), by_rules + learnt);
}

#[test]
fn a_learner_that_is_not_to_tell_keeps_what_is_new() {
    let replay = Replay::learning(&sample::header(), rules(""), reviewed()).unwrap();
    let (records, mut replay) = story_of(replay);
    assert!(alerts(&records).is_empty());
    assert!(!replay.learner().unwrap().take_novel().is_empty());
}
