use proptest::prelude::*;

use super::*;
use crate::alert::sample;
use crate::model::ContainerView;
use crate::telemetry::ContainerName;

fn selector(edit: impl FnOnce(&mut proto::Selector)) -> proto::Selector {
    let mut selector = proto::Selector::default();
    edit(&mut selector);
    selector
}

fn allow(edit: impl FnOnce(&mut proto::Selector)) -> Filter {
    Filter::new(proto::Filter {
        allow: vec![selector(edit)],
        ..Default::default()
    })
    .unwrap()
}

fn deny(edit: impl FnOnce(&mut proto::Selector)) -> Filter {
    Filter::new(proto::Filter {
        deny: vec![selector(edit)],
        ..Default::default()
    })
    .unwrap()
}

fn list(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

/// An alert of rule `Shell in container` (WARNING, tag `shell`, T1059.004) in the container.
fn alert(container: &ContainerView) -> Facts {
    Facts::alert(&sample::rule(), container, "execve")
}

fn known() -> Facts {
    alert(&sample::container_view())
}

fn pending() -> Facts {
    alert(&sample::pending_container_view())
}

/// The addition to an alert.
fn amend(alert: &Facts) -> Facts {
    Facts::amend(alert.clone())
}

fn loss(name: &str) -> Facts {
    Facts::loss(Some(&ContainerName {
        id: sample::CONTAINER_ID.into(),
        name: name.into(),
    }))
}

#[test]
fn severity_counts_from_the_least_wanted_up() {
    let at_least = |severity: proto::Severity| {
        let filter = proto::Filter {
            min_severity: severity.into(),
            ..Default::default()
        };
        Filter::new(filter).unwrap()
    };
    assert!(at_least(proto::Severity::Warning).admits(&known()));
    assert!(at_least(proto::Severity::Debug).admits(&known()));
    assert!(!at_least(proto::Severity::Error).admits(&known()));
    assert!(at_least(proto::Severity::Emergency).admits(&loss("web")));
    assert!(at_least(proto::Severity::Emergency).admits(&Facts::gap()));
}

#[test]
fn rule_lists_match_name_tag_and_technique() {
    assert!(allow(|s| s.rules = list(&["Shell*"])).admits(&known()));
    assert!(!allow(|s| s.rules = list(&["shell*"])).admits(&known()));
    assert!(allow(|s| s.tags = list(&["nope", "shell"])).admits(&known()));
    assert!(allow(|s| s.attack_ids = list(&["T1059"])).admits(&known()));
    assert!(!allow(|s| s.attack_ids = list(&["T105"])).admits(&known()));
    let both = |s: &mut proto::Selector| {
        s.rules = list(&["Shell*"]);
        s.tags = list(&["other"]);
    };
    assert!(!allow(both).admits(&known()));
}

#[test]
fn container_lists_match_id_prefix_name_and_image() {
    assert!(allow(|s| s.container_ids = list(&["ABCDEF"])).admits(&known()));
    assert!(!allow(|s| s.container_ids = list(&["host"])).admits(&known()));
    assert!(
        allow(|s| s.container_ids = list(&["host"])).admits(&alert(&ContainerView::Host(None)))
    );
    assert!(allow(|s| s.container_names = list(&["w*"])).admits(&known()));
    assert!(!allow(|s| s.container_names = list(&["db"])).admits(&known()));
    assert!(allow(|s| s.images = list(&["docker.io/nginx"])).admits(&known()));
    assert!(allow(|s| s.images = list(&["*nginx:1*"])).admits(&known()));
    assert!(!allow(|s| s.images = list(&["nginx"])).admits(&alert(&ContainerView::Host(None))));
}

#[test]
fn an_alert_of_an_unknown_cgroup_passes_every_list_of_containers() {
    let unknown = alert(&sample::unknown_view(7, None));
    assert!(allow(|s| s.container_ids = list(&["host"])).admits(&unknown));
    assert!(allow(|s| s.container_ids = list(&["abcdef"])).admits(&unknown));
    assert!(allow(|s| s.images = list(&["nginx"])).admits(&unknown));
}

#[test]
fn what_is_not_known_excludes_nothing() {
    assert!(allow(|s| s.images = list(&["redis"])).admits(&pending()));
    assert!(deny(|s| s.images = list(&["redis"])).admits(&pending()));
    assert!(deny(|s| s.container_names = list(&["*"])).admits(&pending()));
    assert!(!deny(|s| s.container_ids = list(&["abcdef"])).admits(&pending()));
    assert!(allow(|s| s.container_names = list(&["db"])).admits(&amend(&pending())));
}

#[test]
fn an_addition_to_an_alert_that_was_kept_back_is_kept_back() {
    let other = allow(|s| s.container_ids = list(&["bbbbbb"]));
    assert!(!other.admits(&pending()) && !other.admits(&amend(&pending())));
    let denied = deny(|s| s.container_ids = list(&["abcdef"]));
    assert!(!denied.admits(&pending()) && !denied.admits(&amend(&pending())));
}

#[test]
fn a_loss_is_judged_by_its_container_alone() {
    assert!(allow(|s| s.rules = list(&["No such rule"])).admits(&loss("web")));
    assert!(!allow(|s| s.container_names = list(&["db"])).admits(&loss("web")));
    assert!(allow(|s| s.container_names = list(&["db"])).admits(&loss("")));
    assert!(!deny(|s| s.container_names = list(&["web"])).admits(&loss("web")));
    let unknown = Facts::loss(None);
    assert!(allow(|s| s.container_names = list(&["db"])).admits(&unknown));
}

#[test]
fn event_types_kinds_and_labels_are_looked_at() {
    assert!(allow(|s| s.event_types = list(&["execve*"])).admits(&known()));
    assert!(!allow(|s| s.event_types = list(&["connect"])).admits(&known()));
    assert!(allow(|s| s.label_selectors = list(&["team=shop,!tier"])).admits(&known()));
    assert!(!allow(|s| s.label_selectors = list(&["team!=shop"])).admits(&known()));
    assert!(allow(|s| s.label_selectors = list(&["team!=shop"])).admits(&pending()));
    assert!(!allow(|s| s.namespaces = list(&["*"])).admits(&known()));
    assert!(
        !allow(|s| s.label_selectors = list(&["!team"])).admits(&alert(&ContainerView::Host(None)))
    );
    let only = |kinds: &[RecordKind]| {
        let kinds = kinds.iter().map(|kind| (*kind).into()).collect();
        Filter::new(proto::Filter {
            kinds,
            ..Default::default()
        })
    };
    let losses = only(&[RecordKind::Loss]).unwrap();
    assert!(losses.admits(&loss("web")) && losses.admits(&Facts::gap()));
    assert!(!losses.admits(&known()) && !losses.admits(&amend(&known())));
    assert_eq!(
        only(&[RecordKind::Unspecified]).unwrap_err(),
        FilterError::NoKind(0)
    );
}

#[test]
fn a_pod_is_found_by_its_labels() {
    let mut facts = known();
    let labels = [
        ("io.kubernetes.pod.namespace", "shop"),
        ("io.kubernetes.pod.name", "web-7"),
    ];
    let container = facts.container.as_mut().unwrap();
    container.labels.as_mut().unwrap().labels = labels
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    assert!(allow(|s| s.namespaces = list(&["shop"])).admits(&facts));
    assert!(!allow(|s| s.namespaces = list(&["kube-*"])).admits(&facts));
    assert!(allow(|s| s.pods = list(&["web-*"])).admits(&facts));
    assert!(!deny(|s| s.pods = list(&["web-*"])).admits(&facts));
}

#[test]
fn deny_wins_over_allow() {
    let filter = Filter::new(proto::Filter {
        allow: vec![selector(|s| s.rules = list(&["*"]))],
        deny: vec![selector(|s| s.container_names = list(&["web"]))],
        ..Default::default()
    })
    .unwrap();
    assert!(!filter.admits(&known()));
}

#[test]
fn bad_filters_are_refused() {
    let refused = |edit: fn(&mut proto::Selector)| {
        let allow = vec![selector(edit)];
        let filter = proto::Filter {
            allow,
            ..Default::default()
        };
        Filter::new(filter).unwrap_err()
    };
    assert_eq!(
        refused(|s| s.rules = vec![String::new()]),
        FilterError::EmptyPattern
    );
    assert_eq!(
        refused(|s| s.tags = vec!["x".repeat(513)]),
        FilterError::LongPattern(513)
    );
    assert_eq!(
        refused(|s| s.images = vec!["x".into(); 1_001]),
        FilterError::TooManyPatterns(1_001)
    );
    assert!(matches!(
        refused(|s| s.container_ids = vec!["web".into()]),
        FilterError::NoContainerId(_)
    ));
    assert!(matches!(
        refused(|s| s.label_selectors = vec!["a b".into()]),
        FilterError::NoLabelSelector { .. }
    ));
    let filter = proto::Filter {
        kinds: vec![RecordKind::Alert.into(); 17],
        ..Default::default()
    };
    let error = Filter::new(filter).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`kinds` has 17 elements; at most 16 are allowed"
    );
    let filter = proto::Filter {
        min_severity: 99,
        ..Default::default()
    };
    assert_eq!(
        Filter::new(filter).unwrap_err(),
        FilterError::NoSeverity(99)
    );
}

#[test]
fn a_pattern_that_nearly_fits_everywhere_costs_no_more_than_reading() {
    let text = "a".repeat(1 << 20);
    let part = "a".repeat(400);
    assert!(!glob(&format!("*{part}b*"), &text));
    assert!(glob(&format!("*{part}*{part}*"), &text));
    assert!(!glob(&format!("{text}*a"), &text));
}

/// The obvious definition, exponential.
fn slow_glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skip| slow_glob(rest, &text[skip..])),
        Some((byte, rest)) => text.first() == Some(byte) && slow_glob(rest, &text[1..]),
    }
}

proptest! {
    #[test]
    fn glob_is_what_it_says(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
        prop_assert_eq!(
            glob(&pattern, &text),
            slow_glob(pattern.as_bytes(), text.as_bytes())
        );
    }
    #[test]
    fn an_addition_passes_exactly_where_its_alert_does(
        allow in prop::collection::vec(selectors(), 0..3),
        deny in prop::collection::vec(selectors(), 0..3),
        min_severity in 0..9i32,
        identified: bool,
    ) {
        let filter = Filter::new(proto::Filter { min_severity, allow, deny, kinds: Vec::new() }).unwrap();
        let alert = if identified { known() } else { pending() };
        prop_assert_eq!(filter.admits(&amend(&alert)), filter.admits(&alert));
    }
}

/// Selectors of which each list may match the sample alert, miss it, or ask nothing.
fn selectors() -> impl Strategy<Value = proto::Selector> {
    fn some(values: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
        prop::sample::subsequence(values, 0..=values.len()).prop_map(|values| list(&values))
    }
    (
        some(&["Shell*", "Other"]),
        some(&["shell", "nope"]),
        some(&["T1059", "T1105"]),
        some(&["abcdef", "bbbbbb", "host"]),
        some(&["web", "db"]),
        some(&["*nginx*", "redis"]),
    )
        .prop_map(
            |(rules, tags, attack_ids, container_ids, container_names, images)| proto::Selector {
                rules,
                tags,
                attack_ids,
                container_ids,
                container_names,
                images,
                ..proto::Selector::default()
            },
        )
}

#[test]
fn what_a_baseline_tells_is_chosen_by_kind_class_and_technique() {
    let alert = sample::alert_of(sample::behaviour());
    let facts = Facts::alert(&alert.finding.rule, &alert.event.container, "openat");
    assert!(allow(|s| s.rules = list(&["Baseline:*"])).admits(&facts));
    assert!(allow(|s| s.rules = list(&["Baseline: new behaviour*"])).admits(&facts));
    assert!(!allow(|s| s.rules = list(&["Baseline: flood*"])).admits(&facts));
    assert!(allow(|s| s.tags = list(&["file_read"])).admits(&facts));
    assert!(!allow(|s| s.tags = list(&["exec"])).admits(&facts));
    assert!(!deny(|s| s.tags = list(&["baseline"])).admits(&facts));
    assert!(deny(|s| s.tags = list(&["baseline"])).admits(&known()));
    assert!(allow(|s| s.attack_ids = list(&["T1005"])).admits(&facts));
}
