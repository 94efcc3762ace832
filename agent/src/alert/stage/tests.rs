use std::time::Duration;

use super::*;
use crate::alert::{
    Downtime, Filter, LossWatch, Spool, SpoolLimits, Start, Step, Subscription, sample,
};
use crate::model::BaselineKind;
use crate::proto::record::Body;
use crate::telemetry::{EventCounts, LossAccount};

const LIMITS: SpoolLimits = SpoolLimits {
    bytes: 1 << 20,
    records: 100,
    age: None,
    memory_bytes: 1 << 20,
};

/// Everything the stage stored, once its senders are gone.
async fn stored(stage: AlertStage) -> Vec<proto::Record> {
    let spool = Arc::clone(stage.writer.spool());
    stage.run().await;
    let mut subscription = Subscription::new(spool, Start::Oldest, Filter::default()).unwrap();
    let mut records = Vec::new();
    while let Step::Record(record) = subscription.step() {
        records.push(record.decode().unwrap());
    }
    records
}

fn channel_of(capacity: usize) -> (AlertSender, AlertStage) {
    let writer = Spool::with_epoch(0xab, LIMITS);
    channel(writer, capacity)
}

fn alert_of(record: &proto::Record) -> &proto::Alert {
    match &record.body {
        Some(Body::Alert(alert)) => alert,
        other => panic!("no alert: {other:?}"),
    }
}

#[tokio::test]
async fn an_alert_gets_an_id_of_epoch_and_sequence() {
    let (sender, stage) = channel_of(8);
    sender.raise(sample::alert_in(sample::container_view()));
    sender.raise(sample::alert_in(sample::container_view()));
    drop(sender);
    let records = stored(stage).await;
    let ids: Vec<_> = records.iter().map(|record| &alert_of(record).id).collect();
    assert_eq!(ids, ["00000000000000ab-1", "00000000000000ab-2"]);
}

#[tokio::test]
async fn an_alert_without_identity_is_amended_once() {
    let (sender, stage) = channel_of(8);
    sender.raise(sample::alert_in(sample::pending_container_view()));
    sender.identified(sample::known_container());
    sender.identified(sample::known_container());
    let counts = Arc::clone(sender.counts());
    drop(sender);
    let records = stored(stage).await;
    assert_eq!(records.len(), 2);
    let container = alert_of(&records[0]).container.as_ref().unwrap();
    assert_eq!(container.identity(), proto::Identity::CgroupOnly);
    let Some(Body::Amend(amend)) = &records[1].body else {
        panic!("no amend");
    };
    assert_eq!(amend.alert_id, alert_of(&records[0]).id);
    let container = amend.container.as_ref().unwrap();
    assert_eq!(container.identity(), proto::Identity::Late);
    assert_eq!(container.name, "web");
    assert_eq!(counts.account(0).amended, 1);
}

fn amends(records: &[proto::Record]) -> Vec<&proto::Amend> {
    let bodies = records.iter().filter_map(|record| record.body.as_ref());
    bodies
        .filter_map(|body| match body {
            Body::Amend(amend) => Some(amend),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn an_alert_of_an_unknown_cgroup_is_amended_with_what_the_cgroup_was() {
    let (sender, stage) = channel_of(16);
    for cgroup_id in 1..=3 {
        sender.raise(sample::alert_in(sample::unknown_view(cgroup_id, None)));
    }
    sender.located(1, ContainerView::Host(None));
    sender.located(2, sample::pending_container_view());
    sender.identified(sample::known_container());
    sender.located(3, sample::unknown_view(3, Some("gone")));
    drop(sender);
    let records = stored(stage).await;
    let container = alert_of(&records[0]).container.as_ref().unwrap();
    assert_eq!(container.identity(), proto::Identity::CgroupOnly);
    assert_eq!((container.cgroup_id, container.id.as_str()), (1, ""));
    let [host, named, gone] = amends(&records)[..] else {
        panic!("not one amend for each alert");
    };
    assert_eq!((host.alert_sequence, &host.container), (1, &None));
    let named = (named.alert_sequence, named.container.as_ref().unwrap());
    assert_eq!((named.0, named.1.name.as_str()), (2, "web"));
    let gone = gone.container.as_ref().unwrap();
    assert_eq!(gone.identity(), proto::Identity::Failed);
    assert_eq!(gone.identity_error, "gone");
}

#[tokio::test]
async fn an_alert_that_a_filter_keeps_back_is_not_amended_either() {
    let (sender, stage) = channel_of(8);
    sender.raise(sample::alert_in(sample::pending_container_view()));
    sender.identified(sample::known_container());
    drop(sender);
    let spool = Arc::clone(stage.writer.spool());
    stage.run().await;
    let other = proto::Selector {
        container_ids: vec!["bbbbbb".to_owned()],
        ..proto::Selector::default()
    };
    let filter = Filter::new(proto::Filter {
        allow: vec![other],
        ..proto::Filter::default()
    });
    let mut subscription = Subscription::new(spool, Start::Oldest, filter.unwrap()).unwrap();
    let steps = std::iter::from_fn(|| Some(subscription.step()));
    let steps: Vec<_> = steps.take_while(|step| *step != Step::End).collect();
    assert!(
        steps.iter().all(|step| *step == Step::Filtered),
        "{steps:?}"
    );
}

#[tokio::test]
async fn alerts_beyond_the_queue_are_counted_and_leave_a_gap() {
    let (sender, stage) = channel_of(2);
    for _ in 0..5 {
        sender.raise(sample::alert_in(ContainerView::Host(None)));
    }
    let counts = Arc::clone(sender.counts());
    assert_eq!(counts.account(0).in_flight, 2);
    drop(sender);
    let records = stored(stage).await;
    let Some(Body::Gap(gap)) = &records[0].body else {
        panic!("no gap");
    };
    assert_eq!(gap.why(), proto::gap::Why::QueueFull);
    assert_eq!(gap.count, Some(3));
    assert_eq!(records.len(), 3);
    let account = counts.account(0);
    assert_eq!(
        (
            account.raised,
            account.stored,
            account.queue_full,
            account.in_flight
        ),
        (5, 2, 3, 0)
    );
}

#[tokio::test]
async fn the_last_losses_wait_for_room() {
    let (sender, stage) = channel_of(1);
    for _ in 0..3 {
        sender.raise(sample::alert_in(sample::container_view()));
    }
    let storing = tokio::spawn(stored(stage));
    let mut watch = LossWatch::new(SystemTime::UNIX_EPOCH);
    let until = Instant::now() + Duration::from_secs(60);
    let now = SystemTime::now();
    let accounts = lost(20);
    watch.report_finally(&accounts, now, &sender, until).await;
    drop(sender);
    let records = storing.await.unwrap();
    let losses = records.iter().filter_map(|record| match &record.body {
        Some(Body::Loss(loss)) => Some(loss.count),
        _ => None,
    });
    assert_eq!(losses.sum::<u64>(), 20);
}

#[tokio::test]
async fn losses_without_room_at_the_deadline_are_counted() {
    let (sender, _stage) = channel_of(1);
    let mut watch = LossWatch::new(SystemTime::UNIX_EPOCH);
    let until = Instant::now() + Duration::from_millis(20);
    let now = SystemTime::now();
    watch.report_finally(&lost(3), now, &sender, until).await;
    let all = crate::telemetry::counters();
    let untold = all.iter().find(|(name, _)| *name == "loss_untold");
    assert_eq!(untold.map(|(_, count)| *count), Some(2));
}

/// One lost event for each of so many cgroups.
fn lost(cgroups: u64) -> Vec<LossAccount> {
    let account = |cgroup_id| LossAccount {
        hook: "open".to_owned(),
        cgroup_id,
        cgroup_path: String::new(),
        container: None,
        events: EventCounts {
            queue: 1,
            ..EventCounts::default()
        },
    };
    (1..=cgroups).map(account).collect()
}

#[tokio::test]
async fn downtime_says_how_long_and_why() {
    let (sender, stage) = channel_of(2);
    let from = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
    sender.downtime(Downtime {
        from,
        to: from + Duration::from_millis(2_500),
        clean: false,
        rebooted: false,
    });
    drop(sender);
    let records = stored(stage).await;
    let Some(Body::Gap(gap)) = &records[0].body else {
        panic!("no gap");
    };
    assert_eq!(gap.why(), proto::gap::Why::UncleanExit);
    assert_eq!(
        gap.message,
        "Nothing was watched for 2.5 s: the agent was killed or crashed."
    );
}

#[tokio::test(start_paused = true)]
async fn alerts_in_masses_are_told_once_and_counted() {
    let (sender, stage) = channel_of(64);
    let stage = stage.limited(AlertLimits {
        dedup: Some(Duration::from_secs(60)),
        per_minute: NonZeroU32::new(2),
    });
    let numbered = |number: u32| {
        let mut alert = sample::alert_in(ContainerView::Host(None));
        alert.finding.evidence[0].value = Some(number.to_string());
        alert
    };
    // Three that differ, of which the rule may tell two; each three times.
    for number in [1, 2, 3, 1, 2, 3, 1, 2, 3] {
        sender.raise(numbered(number));
    }
    let counts = Arc::clone(sender.counts());
    drop(sender);
    let records = stored(stage).await;
    let mut told = Vec::new();
    for record in &records {
        match record.body.as_ref().unwrap() {
            Body::Alert(alert) => told.push(format!("alert {}", alert.id)),
            Body::Amend(amend) => {
                let news = amend.roll_up.as_ref().unwrap();
                told.push(format!("{} more like {}", news.count, amend.alert_id));
            }
            Body::Throttle(kept) => told.push(format!("{} throttled", kept.count)),
            other => panic!("{other:?}"),
        }
    }
    let ids: Vec<&String> = told.iter().take(2).collect();
    assert!(ids.iter().all(|id| id.starts_with("alert ")), "{told:?}");
    for id in &ids {
        let more = format!("2 more like {}", id.strip_prefix("alert ").unwrap());
        assert!(told.contains(&more), "{told:?}");
    }
    assert_eq!(told.last().unwrap(), "3 throttled");
    let account = counts.account(0);
    assert_eq!((account.raised, account.stored), (9, 2));
    assert_eq!((account.rolled_up, account.throttled), (4, 3));
    assert_eq!((account.queue_full, account.in_flight), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_roll_up_comes_when_its_window_ends() {
    let (sender, stage) = channel_of(64);
    let stage = stage.limited(AlertLimits {
        dedup: Some(Duration::from_secs(60)),
        per_minute: None,
    });
    let spool = Arc::clone(stage.writer.spool());
    let stage = tokio::spawn(stage.run());
    for _ in 0..3 {
        sender.raise(sample::alert_in(ContainerView::Host(None)));
    }
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(spool.bounds().newest, 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(spool.bounds().newest, 2);
    drop(sender);
    stage.await.unwrap();
    assert_eq!(spool.bounds().newest, 2);
}

/// What is quarantined comes once in each window of the baseline, which is as long as that of equal
/// alerts or longer.
#[tokio::test(start_paused = true)]
async fn a_behaviour_that_goes_on_is_told_by_the_hour() {
    let (sender, stage) = channel_of(64);
    let stage = stage.limited(AlertLimits {
        dedup: Some(Duration::from_secs(60)),
        per_minute: None,
    });
    let spool = Arc::clone(stage.writer.spool());
    let stage = tokio::spawn(stage.run());
    sender.raise(sample::alert_of(sample::behaviour()));
    for _ in 0..29 {
        tokio::time::sleep(Duration::from_secs(119)).await;
        let mut again = sample::behaviour();
        again.kind = BaselineKind::Quarantined;
        sender.raise(sample::alert_of(again));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(spool.bounds().newest, 1);
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(spool.bounds().newest, 2);
    drop(sender);
    stage.await.unwrap();
    let mut subscription = Subscription::new(spool, Start::Oldest, Filter::default()).unwrap();
    let steps = std::iter::from_fn(|| match subscription.step() {
        Step::Record(record) => Some(record.decode().unwrap()),
        _ => None,
    });
    let records: Vec<_> = steps.collect();
    let baseline = alert_of(&records[0]).baseline.as_ref().unwrap();
    assert_eq!(baseline.kind(), proto::BaselineKind::New);
    let news = amends(&records)[0].roll_up.as_ref().unwrap();
    assert_eq!(news.count, 29);
}
