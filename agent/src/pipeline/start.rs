//! What has to be ready before the first event: rules, sensor, the state of the node.

use std::path::Path;

use gravlens_common::Hook;

use super::rules::RuleLoader;
use super::run::RunError;
use crate::alert::{Recovered, SensorFinding, Spool, SpoolWriter};
use crate::canary::Watch;
use crate::config::Config;
use crate::detect::{EventTypes, Loaded};
use crate::enrich::container::{
    Cgroup2Mount, CgroupScan, ContainerMessage, Incomplete, scan_cgroups,
};
use crate::ingest::boot_ns;
use crate::model::Syscall;
use crate::probe::{AttachedTopic, EventLimit, ProbeOptions};
use crate::telemetry::{Counter, Failure, HookStatus, RefusedHook, TopicState};

/// Loads the rules of the start. One that is refused stops it, unless that is allowed.
pub(super) fn load_rules(loader: &RuleLoader) -> Result<Loaded, RunError> {
    let files = loader.sources.read()?;
    loader
        .load(&files)
        .map_err(|report| RunError::RulesRefused(report.to_text()))
}

/// What the sensor is to watch.
pub fn probe_options(config: &Config) -> ProbeOptions {
    ProbeOptions {
        scope: config
            .scope
            .cgroup
            .as_ref()
            .map(|path| path.to_string_lossy().into_owned())
            .unwrap_or_default(),
        critical_bytes: config.rings.critical_bytes,
        bulk_bytes: config.rings.bulk_bytes,
        compat_calls: config.sensor.compat_calls,
        trampolines: config.sensor.trampolines,
        // A baseline wants what no rule does.
        approvers: config.sensor.approvers && !config.baselines.enabled,
        known: config.baselines.enabled && config.baselines.kernel_cache,
        limit: (config.limits.events_per_second > 0).then_some(EventLimit {
            per_second: config.limits.events_per_second,
            burst: config.limits.burst,
        }),
    }
}

struct ScanIncomplete {
    why: Incomplete,
}

impl Failure for ScanIncomplete {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("cgroup_scan_incomplete");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::warn!(
            message = "Not every cgroup was listed: what was removed unnoticed stays known.",
            why = %self.why,
            total
        );
    }
}

/// Walks the cgroups in scope. Blocks.
pub(super) fn scan(mount: &Path, scope: &str) -> std::io::Result<ContainerMessage> {
    let started_boot_ns = boot_ns();
    let mount = Cgroup2Mount {
        mount_point: mount.to_owned(),
        root: "/".into(),
    };
    let CgroupScan {
        cgroups,
        incomplete,
    } = scan_cgroups(&mount, Path::new(scope))?;
    if let Some(why) = incomplete {
        ScanIncomplete { why }.emit();
    }
    Ok(ContainerMessage::Scan {
        started_boot_ns,
        ended_boot_ns: boot_ns(),
        cgroups,
        complete: incomplete.is_none(),
    })
}

/// The hooks that see something.
pub(super) fn attached_hooks(topics: &[AttachedTopic]) -> impl Iterator<Item = Hook> {
    topics
        .iter()
        .filter(|topic| topic.state() != TopicState::Off)
        .filter_map(|topic| topic.hook)
}

/// The event types that the attached hooks tell of, if of one call of their topic only.
pub(super) fn seen_event_types(topics: &[AttachedTopic]) -> EventTypes {
    let hooks: Vec<Hook> = attached_hooks(topics).collect();
    let calls = Syscall::ALL.iter().copied();
    let seen: Vec<Syscall> = calls.filter(|call| hooks.contains(&call.hook())).collect();
    EventTypes::of(&seen)
}

/// That nothing proves that the hooks see, in words.
pub(super) fn unproven(canary: &Result<Watch, String>) -> Option<String> {
    let why = canary.as_ref().err()?;
    Some(format!("hooks that go blind: there is no canary ({why})"))
}

/// Name of the spool's directory in the state directory.
const SPOOL: &str = "spool";

/// What the stream has to tell of its own start.
pub(super) enum SpoolNews {
    /// Records of earlier runs are lost.
    Damaged(SensorFinding),
    /// There can be no files.
    NotDurable(String),
}

/// Opens the spool, and what the stream has to tell of that. Where there can be no files, the agent
/// goes on without: it says so, and watches.
///
/// # Errors
/// A newer version wrote the files: they are not to be passed over.
pub(super) fn open_spool(config: &Config) -> Result<(SpoolWriter, Option<SpoolNews>), RunError> {
    let in_memory = |why: &str| {
        Spool::in_memory(config.stream.spool, why).map_err(|source| RunError::Io {
            what: "no random numbers",
            source,
        })
    };
    if !config.stream.durable {
        return Ok((in_memory("stream.durable is false")?, None));
    }
    let directory = config.state_dir.join(SPOOL);
    match Spool::open(&directory, config.stream.spool) {
        Ok((writer, recovered)) => {
            let Recovered {
                records,
                lost,
                vanished,
            } = recovered;
            tracing::info!(message = "The spool is open.", records, lost, vanished);
            let damaged = match (lost, vanished) {
                (_, true) => Some(SensorFinding::vanished(&directory)),
                (0, false) => None,
                (lost, false) => Some(SensorFinding::damaged(lost, &directory)),
            };
            Ok((writer, damaged.map(SpoolNews::Damaged)))
        }
        Err(error) if error.is_newer() => Err(error.into()),
        Err(error) => {
            let why = error.to_string();
            tracing::error!(
                message = "The spool cannot be used: alerts end with the agent.",
                why
            );
            Ok((in_memory(&why)?, Some(SpoolNews::NotDurable(why))))
        }
    }
}

/// The sensor's report as the stream and `status` show it.
pub fn hook_status(topics: &[AttachedTopic]) -> Vec<HookStatus> {
    topics
        .iter()
        .map(|topic| HookStatus {
            topic: topic.name.to_owned(),
            state: topic.state(),
            taken: topic.taken.map(str::to_owned),
            attached: topic.attached.iter().map(ToString::to_string).collect(),
            missing: topic.missing.clone(),
            refused: topic
                .refused
                .iter()
                .map(|refusal| RefusedHook {
                    hook: refusal.hook.clone(),
                    why: refusal.why.clone(),
                })
                .collect(),
            mandatory: topic.mandatory,
        })
        .collect()
}
