//! Every metric: its name, its labels, what it means, and where it comes from. The answer to a
//! scrape and `docs/metrics.md` are made of it.

use std::time::{Duration, SystemTime};

use prometheus_client::metrics::MetricType;

use super::view::View;
use crate::sinks::output::OutputAccount;
use crate::telemetry::{EventCounts, QueueDepth, RingUsage, StatusSnapshot};

/// What every name begins with.
pub(super) const PREFIX: &str = "gravlens";

/// One metric.
pub(super) struct Metric {
    /// Name without [`PREFIX`] and without the suffix of its type.
    pub(super) name: &'static str,
    /// Type.
    pub(super) kind: MetricType,
    /// Labels, each with few values.
    pub(super) labels: &'static [&'static str],
    /// Meaning.
    pub(super) about: &'static str,
    /// Its samples; none when nothing is known.
    pub(super) read: fn(&View) -> Vec<Sample>,
}

/// One number with the values of its labels, in their order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) labels: Vec<String>,
    pub(super) value: Number,
}

/// A number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Whole(u64),
    Real(f64),
}

impl Metric {
    /// The name as it is exposed.
    pub(super) fn full_name(&self) -> String {
        let suffix = match self.kind {
            MetricType::Counter => "_total",
            MetricType::Info => "_info",
            _ => "",
        };
        format!("{PREFIX}_{}{suffix}", self.name)
    }
}

/// Every metric as a table for the documents.
pub fn metrics_markdown() -> String {
    let mut out = "| metric | type | labels | what it is |\n|---|---|---|---|\n".to_owned();
    for metric in METRICS {
        let labels: Vec<_> = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        out.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            metric.full_name(),
            metric.kind.as_str(),
            labels.join(", "),
            metric.about
        ));
    }
    out
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    about: &'static str,
    read: fn(&View) -> Vec<Sample>,
) -> Metric {
    let kind = MetricType::Counter;
    Metric {
        name,
        kind,
        labels,
        about,
        read,
    }
}

const fn gauge(
    name: &'static str,
    labels: &'static [&'static str],
    about: &'static str,
    read: fn(&View) -> Vec<Sample>,
) -> Metric {
    let kind = MetricType::Gauge;
    Metric {
        name,
        kind,
        labels,
        about,
        read,
    }
}

const fn info(
    name: &'static str,
    labels: &'static [&'static str],
    about: &'static str,
    read: fn(&View) -> Vec<Sample>,
) -> Metric {
    let kind = MetricType::Info;
    Metric {
        name,
        kind,
        labels,
        about,
        read,
    }
}

const HOOK: &[&str] = &["hook"];
const RING: &[&str] = &["ring"];
const QUEUE: &[&str] = &["queue"];
const OUTPUT: &[&str] = &["output"];

/// Every metric, by topic.
pub(super) static METRICS: &[Metric] = &[
    info(
        "agent",
        &["version", "node", "kernel", "machine"],
        "the agent, its node and the running kernel",
        |view| {
            let facts = &view.facts;
            let kernel = &facts.kernel;
            let values = [facts.version, &facts.node, &kernel.release, &kernel.machine];
            vec![of(&values, 1)]
        },
    ),
    gauge(
        "start_time_seconds",
        &[],
        "when the agent was started, as a Unix time",
        |view| vec![real(&[], since_epoch(view.facts.started).as_secs_f64())],
    ),
    gauge(
        "rules",
        &["state"],
        "rules of the loaded set: `active` are evaluated, `without_events` are those of them that \
         no attached hook has an event for, `disabled` are switched off in their file, `refused` \
         could not be loaded",
        |view| {
            let rules = &view.facts.rules;
            vec![
                of(&["active"], rules.active.into()),
                of(&["without_events"], rules.without_events.into()),
                of(&["disabled"], rules.disabled.into()),
                of(&["refused"], rules.refused.into()),
            ]
        },
    ),
    info(
        "rule_set",
        &["digest"],
        "the rule set in force; alerts name its digest",
        |view| vec![of(&[&view.facts.rules.digest], 1)],
    ),
    gauge(
        "rules_generation",
        &[],
        "1 for the rule set that this run began with, one more for each that it took over",
        |view| vec![of(&[], view.facts.rules.generation)],
    ),
    gauge(
        "rules_loaded_time_seconds",
        &[],
        "when the rule set was taken over, as a Unix time",
        |view| {
            let loaded = view.facts.rules.loaded.iter();
            loaded
                .map(|loaded| real(&[], since_epoch(*loaded).as_secs_f64()))
                .collect()
        },
    ),
    gauge(
        "rules_last_reload_successful",
        &[],
        "0: the rule files are not what is in force, as their set could not be taken over; 1: all \
         is well",
        |view| {
            let failed = view.facts.failed_reload.as_ref();
            vec![of(&[], failed.is_none_or(|failed| !failed.standing).into())]
        },
    ),
    gauge(
        "topic_state",
        &["topic", "state"],
        "1: how much of a topic is watched is `full`, `partial` or `off`",
        |view| {
            let hooks = view.facts.hooks.iter();
            hooks
                .map(|hook| of(&[&hook.topic, hook.state.name()], 1))
                .collect()
        },
    ),
    gauge(
        "detection_answers",
        &[],
        "1: the detection task answers; 0: it does not, and every metric that it knows alone is \
         missing",
        |view| vec![of(&[], view.snapshot.is_some().into())],
    ),
    gauge(
        "account_age_seconds",
        &[],
        "time since the account of events was taken; more than some seconds: detection is stuck",
        |view| {
            let age = view.now.duration_since(view.accounting.taken);
            vec![real(&[], age.unwrap_or_default().as_secs_f64())]
        },
    ),
    counter(
        "events_seen",
        HOOK,
        "events that a hook saw in scope, over all cgroups",
        |view| by_hook(view, |events| events.seen),
    ),
    counter(
        "events_delivered",
        HOOK,
        "events that reached detection",
        |view| by_hook(view, |events| events.delivered),
    ),
    counter(
        "events_suppressed",
        HOOK,
        "events that were kept back in the kernel because nobody can want them",
        |view| by_hook(view, |events| events.suppressed),
    ),
    counter(
        "events_dropped",
        &["hook", "reason"],
        "events that are lost: `ring_full`, `rate_limited` (the container used up its share), \
         `scratch_busy` (no scratch space in the kernel), `queue`, `decode`",
        dropped,
    ),
    gauge(
        "events_in_flight",
        HOOK,
        "events on their way from the kernel to detection",
        |view| by_hook(view, |events| events.in_flight),
    ),
    gauge(
        "canary_age_seconds",
        HOOK,
        "time since a hook last told of the canary",
        |view| {
            known(view, |snapshot| {
                let hooks = snapshot.canary.hooks.iter();
                hooks
                    .map(|hook| real(&[hook.hook], seconds(hook.age_ms)))
                    .collect()
            })
        },
    ),
    gauge(
        "hook_blind",
        HOOK,
        "1: a hook has not told of the canary for two rounds",
        |view| {
            known(view, |snapshot| {
                let hooks = snapshot.canary.hooks.iter();
                hooks
                    .map(|hook| of(&[hook.hook], hook.blind.into()))
                    .collect()
            })
        },
    ),
    gauge(
        "sensor_faults",
        &[],
        "links and maps of the sensor that are not as the agent made them",
        |view| {
            known(view, |snapshot| {
                vec![of(&[], snapshot.integrity.faults.len() as u64)]
            })
        },
    ),
    gauge(
        "ring_capacity_bytes",
        RING,
        "size of a ring buffer",
        |view| by_ring(view, |ring| ring.capacity_bytes),
    ),
    gauge(
        "ring_used_bytes",
        RING,
        "bytes in a ring buffer that are not consumed yet",
        |view| by_ring(view, |ring| ring.used_bytes),
    ),
    counter(
        "ring_written_bytes",
        RING,
        "bytes put into a ring buffer",
        |view| by_ring(view, |ring| ring.written_bytes),
    ),
    gauge(
        "queue_capacity",
        QUEUE,
        "elements that fit into a queue of the agent",
        |view| by_queue(view, |queue| Some(queue.capacity)),
    ),
    gauge(
        "queue_depth",
        QUEUE,
        "elements in a queue of the agent",
        |view| by_queue(view, |queue| Some(queue.depth)),
    ),
    counter(
        "queue_full",
        QUEUE,
        "how often a full queue has dropped, evicted or put off an element",
        |view| by_queue(view, |queue| queue.times_full),
    ),
    gauge(
        "containers",
        &[],
        "containers that are known and run",
        |view| known(view, |snapshot| vec![of(&[], snapshot.containers.into())]),
    ),
    gauge("processes", &[], "processes in the process table", |view| {
        known(view, |snapshot| vec![of(&[], snapshot.processes.into())])
    }),
    counter(
        "cgroup_unknown_lookups",
        &[],
        "look-ups of a cgroup that the agent does not know",
        |view| {
            known(view, |snapshot| {
                vec![of(&[], snapshot.cgroups.unknown_lookups)]
            })
        },
    ),
    counter(
        "cgroups_refused",
        &[],
        "cgroups for which the container table had no room",
        |view| {
            known(view, |snapshot| {
                vec![of(&[], snapshot.cgroups.refused_cgroups)]
            })
        },
    ),
    counter(
        "container_identity_conflicts",
        &[],
        "cgroups inside a container that bore the id of another container",
        |view| {
            known(view, |snapshot| {
                vec![of(&[], snapshot.cgroups.identity_conflicts)]
            })
        },
    ),
    counter("alerts_raised", &[], "alerts that rules raised", |view| {
        vec![of(&[], view.alerts.raised)]
    }),
    counter(
        "alerts_stored",
        &[],
        "alerts that are in the stream",
        |view| vec![of(&[], view.alerts.stored)],
    ),
    counter(
        "alerts_dropped",
        &["reason"],
        "alerts that did not reach the stream: `queue_full`",
        |view| vec![of(&["queue_full"], view.alerts.queue_full)],
    ),
    counter(
        "alerts_rolled_up",
        &[],
        "alerts that equal one that was told, and are counted in its roll-ups",
        |view| vec![of(&[], view.alerts.rolled_up)],
    ),
    counter(
        "alerts_throttled",
        &[],
        "alerts beyond what their rule may tell",
        |view| vec![of(&[], view.alerts.throttled)],
    ),
    gauge(
        "alerts_in_flight",
        &[],
        "alerts on their way to the stream",
        |view| vec![of(&[], view.alerts.in_flight)],
    ),
    counter(
        "alerts_amended",
        &[],
        "alerts whose container became known after they had left",
        |view| vec![of(&[], view.alerts.amended)],
    ),
    counter(
        "alerts_evicted",
        &[],
        "alerts that the spool's caps evicted",
        |view| vec![of(&[], view.alerts.evicted)],
    ),
    gauge("spool_records", &[], "records in the spool", |view| {
        vec![of(&[], view.usage.records as u64)]
    }),
    gauge(
        "spool_records_limit",
        &[],
        "cap of the records in the spool",
        |view| vec![of(&[], view.limits.records as u64)],
    ),
    gauge("spool_bytes", &[], "bytes in the spool", |view| {
        vec![of(&[], view.usage.bytes as u64)]
    }),
    gauge(
        "spool_bytes_limit",
        &[],
        "cap of the bytes in the spool",
        |view| vec![of(&[], view.limits.bytes as u64)],
    ),
    gauge(
        "spool_durable",
        &[],
        "1: records are in files; 0: in memory alone",
        |view| vec![of(&[], view.usage.not_durable.is_none().into())],
    ),
    gauge(
        "spool_oldest_sequence",
        &[],
        "sequence number of the oldest record kept",
        |view| vec![of(&[], view.bounds.oldest)],
    ),
    gauge(
        "spool_newest_sequence",
        &[],
        "sequence number of the newest record",
        |view| vec![of(&[], view.bounds.newest)],
    ),
    counter(
        "output_records",
        OUTPUT,
        "records that an output's target has taken",
        |view| by_output(view, OutputAccount::records_delivered),
    ),
    counter(
        "output_dropped_records",
        OUTPUT,
        "records that an output's target refused for good",
        |view| by_output(view, OutputAccount::records_dropped),
    ),
    counter(
        "output_missed_records",
        OUTPUT,
        "records that the spool did not keep until an output could send them; a GAP tells of them",
        |view| by_output(view, OutputAccount::records_missed),
    ),
    counter(
        "output_failed_attempts",
        OUTPUT,
        "attempts to send that failed and were made again",
        |view| by_output(view, OutputAccount::attempts_failed),
    ),
    gauge(
        "output_failing",
        OUTPUT,
        "1: the last attempt to send failed",
        |view| by_output(view, |account| account.is_failing().into()),
    ),
    gauge(
        "output_behind_records",
        OUTPUT,
        "sequence numbers that an output has not dealt with yet",
        |view| {
            let newest = view.bounds.newest;
            let outputs = view.outputs.iter();
            outputs
                .map(|account| {
                    let behind = newest.saturating_sub(account.complete_through());
                    of(&[account.name()], behind)
                })
                .collect()
        },
    ),
    counter(
        "failures",
        &["failure"],
        "what went wrong and was survived, by kind; the log has a line for the first, the second, \
         the fourth ... of each",
        |view| {
            let failures = view.failures.iter();
            failures.map(|(name, count)| of(&[name], *count)).collect()
        },
    ),
];

fn of(labels: &[&str], value: u64) -> Sample {
    Sample {
        labels: labels.iter().map(|&value| value.to_owned()).collect(),
        value: Number::Whole(value),
    }
}

fn real(labels: &[&str], value: f64) -> Sample {
    Sample {
        value: Number::Real(value),
        ..of(labels, 0)
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

fn seconds(millis: u64) -> f64 {
    Duration::from_millis(millis).as_secs_f64()
}

/// Samples of what the detection task knows alone.
fn known(view: &View, samples: impl Fn(&StatusSnapshot) -> Vec<Sample>) -> Vec<Sample> {
    view.snapshot.as_ref().map_or_else(Vec::new, samples)
}

/// The accounts of each hook, over all cgroups: a label for each container would be one too many.
fn hooks(snapshot: &StatusSnapshot) -> Vec<(&str, EventCounts)> {
    let mut hooks: Vec<(&str, EventCounts)> = Vec::new();
    for account in &snapshot.losses {
        match hooks.iter_mut().find(|(hook, _)| *hook == account.hook) {
            Some((_, events)) => *events += account.events,
            None => hooks.push((&account.hook, account.events)),
        }
    }
    hooks
}

fn by_hook(view: &View, count: fn(&EventCounts) -> u64) -> Vec<Sample> {
    known(view, |snapshot| {
        let hooks = hooks(snapshot).into_iter();
        hooks
            .map(|(hook, events)| of(&[hook], count(&events)))
            .collect()
    })
}

fn dropped(view: &View) -> Vec<Sample> {
    known(view, |snapshot| {
        let mut samples = Vec::new();
        for (hook, events) in hooks(snapshot) {
            for (reason, count) in [
                ("ring_full", events.ring_full),
                ("rate_limited", events.rate_limited),
                ("scratch_busy", events.scratch_busy),
                ("queue", events.queue),
                ("decode", events.decode),
            ] {
                samples.push(of(&[hook, reason], count));
            }
        }
        samples
    })
}

fn by_ring(view: &View, count: fn(&RingUsage) -> u64) -> Vec<Sample> {
    known(view, |snapshot| {
        let rings = snapshot.rings.iter();
        rings.map(|ring| of(&[&ring.name], count(ring))).collect()
    })
}

fn by_queue(view: &View, count: fn(&QueueDepth) -> Option<u64>) -> Vec<Sample> {
    known(view, |snapshot| {
        let queues = snapshot.queues.iter();
        queues
            .filter_map(|queue| Some(of(&[&queue.name], count(queue)?)))
            .collect()
    })
}

fn by_output(view: &View, count: fn(&OutputAccount) -> u64) -> Vec<Sample> {
    let outputs = view.outputs.iter();
    outputs
        .map(|account| of(&[account.name()], count(account)))
        .collect()
}
