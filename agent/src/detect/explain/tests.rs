use super::super::{LoadOptions, bundled, bundled_samples, load, read_samples};
use super::*;

const RULES: &str = "\
- list: shells
  items: [sh, bash]
- macro: spawned
  condition: (evt.type in (execve, execveat) and proc.name in (shells))
- rule: r
  desc: d
  condition: spawned and not (proc.pname = cron or container.name = web)
  output: o %fd.name
  priority: WARNING
  tags: [T1059]
  exceptions:
    - name: known
      owner: me
      reason: because
      expires: 2030-01-01
      fields: [proc.pname]
      values: [[make]]
";

fn explained(text: &str) -> Explanation {
    let files = [RuleFile {
        path: "test.yaml".to_owned(),
        text: text.to_owned(),
    }];
    let loaded = load(&files, &LoadOptions::default());
    assert!(
        loaded.report.refused.is_empty(),
        "{}",
        loaded.report.to_text()
    );
    explain(&loaded, &files, &[]).remove(0)
}

#[test]
fn a_rule_tells_what_it_needs() {
    let rule = explained(RULES);
    let events: Vec<_> = rule
        .events
        .iter()
        .map(|event| (event.event_type, event.hook))
        .collect();
    assert_eq!(events, [("execve", "exec"), ("execveat", "exec")]);
    let found = rule.events[0].discriminator.as_ref().unwrap();
    assert_eq!(found.terms, ["proc.name in (sh, bash)"]);
    let field = |name: &str| rule.fields.iter().find(|field| field.name == name).unwrap();
    assert!(field("container.name").runtime && field("container.name").compared);
    let printed = field("fd.name");
    assert!(!printed.compared);
    assert_eq!(printed.missing_on, ["execve", "execveat"]);
    assert_eq!(rule.cost.class, CostClass::Low);
}

#[test]
fn macros_stand_in_their_place_and_are_marked() {
    let rule = explained(RULES);
    let ExplainedTerm::All(parts) = &rule.condition else {
        panic!("{:?}", rule.condition);
    };
    let ExplainedTerm::Macro {
        name,
        line,
        condition,
        ..
    } = &parts[0]
    else {
        panic!("{parts:?}");
    };
    assert_eq!((name.as_str(), *line), ("spawned", 4));
    let expected = ExplainedTerm::All(vec![
        ExplainedTerm::Term("evt.type in (execve, execveat)".to_owned()),
        ExplainedTerm::Term("proc.name in (sh, bash)".to_owned()),
    ]);
    assert_eq!(**condition, expected);
    let text = rule.to_text(&["not asked".to_owned()]);
    for line in [
        "  spawned (macro, test.yaml:4)",
        "  execve, execveat (hook exec)",
        "  known: 1 value of proc.pname, test.yaml:12",
        "    until 2030-01-01",
        "  fd.name, printed only, on none of these events",
        "  not asked",
        "  low: something rare narrows it down on every event type",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn what_nothing_narrows_down_costs_more() {
    let class = |condition: &str| {
        let text = format!(
            "- rule: r\n  desc: d\n  condition: {condition}\n  output: o\n  priority: INFO\n"
        );
        explained(&text).cost
    };
    assert_eq!(
        class("evt.type = openat and fd.name = /x").class,
        CostClass::Low
    );
    let often = class("evt.type in (openat, execve) and proc.name != x");
    assert_eq!((often.class, often.often_on.len()), (CostClass::Medium, 2));
    let searched = class("evt.type = openat and not fd.name contains xyz");
    assert_eq!(searched.class, CostClass::High);
    assert!(searched.is_dear);
    let pattern = class("evt.type = openat and fd.name = /x and proc.name regex a+");
    assert_eq!(pattern.class, CostClass::Medium);
}

#[test]
fn every_bundled_rule_is_explained_with_its_samples() {
    let files = bundled();
    let loaded = load(&files, &LoadOptions::default());
    let read = bundled_samples();
    let samples: Vec<_> = read.iter().flat_map(|file| read_samples(file).0).collect();
    let explained = explain(&loaded, &files, &samples);
    assert_eq!(explained.len(), loaded.set.rules().len());
    for rule in &explained {
        assert!(
            rule.samples.fires > 0 && rule.samples.quiet > 0,
            "{}",
            rule.name
        );
        assert!(
            !rule.events.is_empty() && !rule.fields.is_empty(),
            "{}",
            rule.name
        );
        let known = super::super::catalogue::is_known;
        assert!(
            rule.fields.iter().all(|field| known(field.name)),
            "{}",
            rule.name
        );
    }
}
