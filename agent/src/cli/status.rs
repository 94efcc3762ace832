//! `status`: how the running agent does.

mod kept;

use std::time::Duration;

use serde_json::{Value, json};

use super::{Failure, Global, client, output, rules};
use crate::config::OutputFormat;
use crate::proto::hook_status::State;
use crate::proto::status_service_client::StatusServiceClient;
use crate::proto::{
    EventAccount, GetStatusRequest, GetStatusResponse, HookStatus, IntegrityStatus, LossAccount,
};
use crate::sinks::render::{self, json as schema};

/// Accounts with losses that are printed for people; JSON has all.
const MAX_LOSSES: usize = 20;

/// `gravlens status`
pub(super) fn run(global: &Global) -> Result<(), Failure> {
    let agent = client::agent(global)?;
    let status = client::runtime()?.block_on(async {
        let mut client = StatusServiceClient::new(client::connect(&agent).await?)
            .max_decoding_message_size(client::MAX_MESSAGE_BYTES);
        let response = client.get(GetStatusRequest {}).await?;
        Ok::<_, Failure>(response.into_inner())
    })?;
    match global.document()? {
        OutputFormat::Text => output::text(&text(&status)),
        OutputFormat::Json => output::json(&document(&status)),
    }
}

fn text(status: &GetStatusResponse) -> String {
    [
        output::table(&summary(status)),
        output::table(&hooks(status)),
        canary(status),
        output::table(&queues(status)),
        losses(status),
        kept::text(&status.kept_events),
        not_seen(status),
    ]
    .into_iter()
    .filter(|part| !part.is_empty())
    .collect::<Vec<_>>()
    .join("\n")
}

fn summary(status: &GetStatusResponse) -> Vec<Vec<String>> {
    let kernel = status.kernel.clone().unwrap_or_default();
    let set = status.rules.clone().unwrap_or_default();
    let stream = status.stream.clone().unwrap_or_default();
    let cgroups = status.cgroups.unwrap_or_default();
    let scope = match status.scope_cgroup.as_str() {
        "" => "everything",
        scope => scope,
    };
    let up = render::duration(Duration::from_secs(status.uptime_seconds));
    let row = |name: &str, text: String| vec![name.to_owned(), text];
    let mut rows = vec![
        row(
            "agent",
            format!(
                "gravlens {}, pid {}, up {up}",
                status.agent_version, status.pid
            ),
        ),
        row(
            "node",
            format!(
                "{}, kernel {} {}",
                status.node, kernel.release, kernel.machine
            ),
        ),
        row("scope", scope.to_owned()),
        row("rules", rules::summary(&set)),
        row(
            "watching",
            format!(
                "{} containers, {} processes",
                status.containers, status.processes
            ),
        ),
        row(
            "cgroups",
            format!(
                "{} look-ups of unknown ones, {} refused, {} with another container's id",
                cgroups.unknown_lookups, cgroups.refused_cgroups, cgroups.identity_conflicts
            ),
        ),
        row(
            "events",
            render::event_account(status.events.unwrap_or_default()),
        ),
        row(
            "stream",
            format!(
                "epoch {:016x}, records {} to {}; {} of {} streams open",
                stream.epoch,
                stream.oldest_sequence,
                stream.newest_sequence,
                stream.subscribers,
                stream.subscribers_cap
            ),
        ),
    ];
    if let Some(baselines) = &status.baselines {
        rows.push(row(
            "baselines",
            format!(
                "{} workloads learnt before, {} reviewed",
                baselines.learnt_workloads, baselines.reviewed_workloads
            ),
        ));
    }
    if let Some(failed) = rules::failed_reload(&set) {
        rows.push(row("not reloaded", failed));
    }
    if !stream.not_durable.is_empty() {
        let why = format!("in memory alone: {}", stream.not_durable);
        rows.push(row("not durable", why));
    }
    if let Some(integrity) = &status.integrity {
        rows.push(row("integrity", self::integrity(integrity)));
    }
    for failure in &status.failures {
        rows.push(row(
            "failures",
            format!("{} {}", failure.count, failure.kind),
        ));
    }
    rows
}

fn hooks(status: &GetStatusResponse) -> Vec<Vec<String>> {
    let header = ["TOPIC", "STATE", "HOOK", "NOT SEEN", "REFUSED"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for hook in &status.hooks {
        let refused: Vec<_> = hook
            .refused
            .iter()
            .map(|refused| format!("{} ({})", refused.hook, refused.why))
            .collect();
        rows.push(vec![
            hook.topic.clone(),
            topic_state(hook.state()).to_owned(),
            hook.taken.clone().unwrap_or_else(|| "-".to_owned()),
            not_seen_of(hook),
            refused.join("; "),
        ]);
    }
    rows
}

fn integrity(integrity: &IntegrityStatus) -> String {
    let IntegrityStatus {
        links,
        maps,
        age_ms,
        faults,
    } = integrity;
    let looked = render::duration(Duration::from_millis(*age_ms));
    let state = if faults.is_empty() {
        "as they were made".to_owned()
    } else {
        format!("TAMPERED: {}", faults.join("; "))
    };
    format!("{links} links, {maps} maps {looked} ago: {state}")
}

/// What the canary last told, hook by hook.
fn canary(status: &GetStatusResponse) -> String {
    let Some(canary) = &status.canary else {
        return String::new();
    };
    if !canary.off.is_empty() {
        return format!("No canary: {}\n", canary.off);
    }
    let header = ["CANARY", "LAST SEEN", "STATE"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for hook in &canary.hooks {
        rows.push(vec![
            hook.hook.clone(),
            render::duration(Duration::from_millis(hook.age_ms)) + " ago",
            if hook.blind { "BLIND" } else { "sees" }.to_owned(),
        ]);
    }
    output::table(&rows)
}

fn topic_state(state: State) -> &'static str {
    match state {
        State::Full => "full",
        State::Partial => "PARTIAL",
        State::Off => "NOT WATCHED",
        State::Unspecified => "?",
    }
}

fn not_seen_of(hook: &HookStatus) -> String {
    let missing: Vec<_> = hook
        .missing
        .iter()
        .map(|missing| {
            format!(
                "{} ({}: {})",
                missing.not_seen, missing.program, missing.why
            )
        })
        .collect();
    match missing.len() {
        0 => "-".to_owned(),
        _ => missing.join("; "),
    }
}

fn queues(status: &GetStatusResponse) -> Vec<Vec<String>> {
    let header = ["QUEUE", "USED", "OF", "WHEN FULL", "TIMES"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let mut add = |name: String, used: u64, of: u64, when_full: &str, times: Option<u64>| {
        let times = times.map(|times| times.to_string());
        rows.push(vec![
            name,
            used.to_string(),
            of.to_string(),
            when_full.to_owned(),
            times.unwrap_or_else(|| "-".to_owned()),
        ]);
    };
    for ring in &status.rings {
        let name = format!("ring {} (bytes)", ring.name);
        // What a ring drops is counted by hook and cgroup: the events and the losses tell.
        add(
            name,
            ring.used_bytes,
            ring.capacity_bytes,
            "drop_newest",
            None,
        );
    }
    for queue in &status.queues {
        add(
            queue.name.clone(),
            queue.depth,
            queue.capacity,
            &queue.when_full,
            queue.times_full,
        );
    }
    let stream = status.stream.clone().unwrap_or_default();
    let spool = [
        ("spool (records)", stream.records, stream.records_cap),
        ("spool (bytes)", stream.bytes, stream.bytes_cap),
    ];
    for (name, used, cap) in spool {
        add(name.to_owned(), used, cap, "evict_oldest", None);
    }
    rows
}

/// Events that were lost for any reason.
pub(super) fn dropped(events: &EventAccount) -> u64 {
    events.ring_full + events.rate_limited + events.scratch_busy + events.queue + events.decode
}

/// Where events were lost, the largest loss first.
fn losses(status: &GetStatusResponse) -> String {
    let mut lost: Vec<_> = status
        .losses
        .iter()
        .filter_map(|account| Some((dropped(account.events.as_ref()?), account)))
        .filter(|(lost, _)| *lost > 0)
        .collect();
    lost.sort_by_key(|(lost, _)| std::cmp::Reverse(*lost));
    if lost.is_empty() {
        return String::new();
    }
    let more = lost.len().saturating_sub(MAX_LOSSES);
    let mut rows = vec![
        ["LOST", "SEEN", "HOOK", "WHERE"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for (lost, account) in lost.into_iter().take(MAX_LOSSES) {
        let seen = account.events.unwrap_or_default().seen;
        rows.push(vec![
            lost.to_string(),
            seen.to_string(),
            account.hook.clone(),
            whose(account),
        ]);
    }
    let mut text = output::table(&rows);
    if more > 0 {
        text.push_str(&format!("and {more} more\n"));
    }
    text
}

fn not_seen(status: &GetStatusResponse) -> String {
    if status.not_seen.is_empty() {
        return String::new();
    }
    format!(
        "Not seen on this kernel:\n  {}\n",
        status.not_seen.join("\n  ")
    )
}

fn whose(account: &LossAccount) -> String {
    let LossAccount {
        container_name,
        container_id,
        cgroup_path,
        cgroup_id,
        ..
    } = account;
    match (
        container_name.as_str(),
        container_id.as_str(),
        cgroup_path.as_str(),
    ) {
        ("", "", "") if *cgroup_id == 0 => "cgroups that are not told apart".to_owned(),
        ("", "", "") => format!("cgroup {cgroup_id}"),
        ("", "", path) => format!("cgroup {path}"),
        ("", id, _) => format!("container {id}"),
        (name, _, _) => format!("container {name}"),
    }
}

fn document(status: &GetStatusResponse) -> Value {
    let kernel = status.kernel.clone().unwrap_or_default();
    let stream = status.stream.clone().unwrap_or_default();
    let cgroups = status.cgroups.unwrap_or_default();
    let hooks: Vec<_> = status.hooks.iter().map(schema::Hook::from).collect();
    json!({
        "node": status.node,
        "agent_version": status.agent_version,
        "started": render::time(status.started.as_ref()),
        "uptime_seconds": status.uptime_seconds,
        "pid": status.pid,
        "kernel": {
            "release": kernel.release,
            "machine": kernel.machine,
            "boot_id": kernel.boot_id,
            "btf_bytes": kernel.btf_bytes,
        },
        "scope_cgroup": status.scope_cgroup,
        "rules": schema::RuleSet::from(status.rules.as_ref()),
        "hooks": hooks,
        "rings": status.rings.iter().map(|ring| json!({
            "name": ring.name,
            "capacity_bytes": ring.capacity_bytes,
            "used_bytes": ring.used_bytes,
            "written_bytes": ring.written_bytes,
        })).collect::<Vec<_>>(),
        "queues": status.queues.iter().map(|queue| json!({
            "name": queue.name,
            "capacity": queue.capacity,
            "depth": queue.depth,
            "when_full": queue.when_full,
            "times_full": queue.times_full,
        })).collect::<Vec<_>>(),
        "cgroups": {
            "unknown_lookups": cgroups.unknown_lookups,
            "refused_cgroups": cgroups.refused_cgroups,
            "identity_conflicts": cgroups.identity_conflicts,
        },
        "events": schema::EventAccount::from(status.events.as_ref()),
        "losses": status.losses.iter().map(loss).collect::<Vec<_>>(),
        "containers": status.containers,
        "processes": status.processes,
        "stream": {
            "epoch": format!("{:016x}", stream.epoch),
            "oldest_sequence": stream.oldest_sequence,
            "newest_sequence": stream.newest_sequence,
            "records": stream.records,
            "records_cap": stream.records_cap,
            "bytes": stream.bytes,
            "bytes_cap": stream.bytes_cap,
            "subscribers": stream.subscribers,
            "subscribers_cap": stream.subscribers_cap,
            "not_durable": stream.not_durable,
        },
        "failures": status.failures.iter()
            .map(|failure| (failure.kind.clone(), failure.count.into()))
            .collect::<serde_json::Map<String, Value>>(),
        "not_seen": status.not_seen,
        "kept_events": kept::document(&status.kept_events),
        "integrity": status.integrity.as_ref().map(|integrity| json!({
            "links": integrity.links,
            "maps": integrity.maps,
            "age_ms": integrity.age_ms,
            "faults": integrity.faults,
        })),
        "canary": status.canary.as_ref().map(|canary| json!({
            "off": (!canary.off.is_empty()).then_some(&canary.off),
            "interval_ms": canary.interval_ms,
            "hooks": canary.hooks.iter().map(|hook| json!({
                "hook": hook.hook,
                "age_ms": hook.age_ms,
                "blind": hook.blind,
            })).collect::<Vec<_>>(),
        })),
    })
}

fn loss(account: &LossAccount) -> Value {
    json!({
        "hook": account.hook,
        "cgroup_id": account.cgroup_id,
        "cgroup_path": account.cgroup_path,
        "container_id": account.container_id,
        "container_name": account.container_name,
        "events": schema::EventAccount::from(account.events.as_ref()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{
        CanaryHook, CanaryStatus, CgroupStatus, MissingProgram, QueueStatus, RingStatus,
    };

    #[test]
    fn losses_stand_with_the_largest_first() {
        let account = |name: &str, ring_full| LossAccount {
            hook: "open".into(),
            container_name: name.into(),
            events: Some(EventAccount {
                seen: 100,
                ring_full,
                ..Default::default()
            }),
            ..Default::default()
        };
        let status = GetStatusResponse {
            losses: vec![account("few", 1), account("none", 0), account("many", 9)],
            ..Default::default()
        };
        assert_eq!(
            losses(&status),
            "LOST  SEEN  HOOK  WHERE\n9     100   open  container many\n1     100   open  \
             container few\n"
        );
        assert!(text(&status).contains("scope     everything"));
        assert_eq!(document(&status)["losses"][2]["events"]["ring_full"], 9);
    }

    #[test]
    fn queues_rings_and_cgroups_are_shown() {
        let status = GetStatusResponse {
            rings: vec![RingStatus {
                name: "bulk".into(),
                capacity_bytes: 4_096,
                used_bytes: 17,
                written_bytes: 40,
            }],
            queues: vec![QueueStatus {
                name: "requests".into(),
                capacity: 256,
                depth: 3,
                when_full: "keep_and_retry".into(),
                times_full: Some(2),
            }],
            cgroups: Some(CgroupStatus {
                refused_cgroups: 5,
                ..Default::default()
            }),
            ..Default::default()
        };
        let text = text(&status);
        let has = |words: &[&str]| {
            text.lines()
                .any(|line| line.split_whitespace().eq(words.iter().copied()))
        };
        assert!(has(&[
            "ring",
            "bulk",
            "(bytes)",
            "17",
            "4096",
            "drop_newest",
            "-"
        ]));
        assert!(has(&["requests", "3", "256", "keep_and_retry", "2"]));
        assert!(text.contains("5 refused"));
        let json = document(&status);
        assert_eq!(json["rings"][0]["used_bytes"], 17);
        assert_eq!(json["queues"][0]["times_full"], 2);
        assert_eq!(json["cgroups"]["refused_cgroups"], 5);
    }

    #[test]
    fn a_topic_in_part_says_what_is_not_seen() {
        let status = GetStatusResponse {
            hooks: vec![HookStatus {
                topic: "open".into(),
                state: State::Partial.into(),
                taken: Some("tracepoints".into()),
                attached: vec!["sys_exit_openat".into()],
                missing: vec![MissingProgram {
                    program: "sys_exit_openat2".into(),
                    not_seen: "openat2 calls".into(),
                    why: "refused".into(),
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        let row = &hooks(&status)[1];
        assert_eq!(row[1], "PARTIAL");
        assert_eq!(row[3], "openat2 calls (sys_exit_openat2: refused)");
        let json = document(&status);
        assert_eq!(json["hooks"][0]["state"], "partial");
        assert_eq!(json["hooks"][0]["attached"][0], "sys_exit_openat");
        assert_eq!(json["hooks"][0]["missing"][0]["not_seen"], "openat2 calls");
    }

    #[test]
    fn the_canary_is_shown_hook_by_hook() {
        let mut canary = CanaryStatus {
            interval_ms: 4_000,
            hooks: vec![CanaryHook {
                hook: "open".into(),
                age_ms: 9_100,
                blind: true,
            }],
            ..Default::default()
        };
        let status = |canary: &CanaryStatus| GetStatusResponse {
            canary: Some(canary.clone()),
            ..Default::default()
        };
        assert!(text(&status(&canary)).contains("open    9.1 s ago  BLIND"));
        assert_eq!(
            document(&status(&canary))["canary"]["hooks"][0]["blind"],
            true
        );
        canary.off = "no room".into();
        assert!(text(&status(&canary)).contains("No canary: no room"));
        assert_eq!(document(&status(&canary))["canary"]["off"], "no room");
    }

    #[test]
    fn what_was_tampered_with_is_shown() {
        let status = |faults: &[&str]| GetStatusResponse {
            integrity: Some(IntegrityStatus {
                links: 30,
                maps: 2,
                age_ms: 1_200,
                faults: faults.iter().map(ToString::to_string).collect(),
            }),
            ..Default::default()
        };
        assert!(text(&status(&[])).contains("30 links, 2 maps 1.2 s ago: as they were made"));
        let tampered = status(&["the map x was changed"]);
        assert!(text(&tampered).contains("TAMPERED: the map x was changed"));
        assert_eq!(
            document(&tampered)["integrity"]["faults"][0],
            "the map x was changed"
        );
    }

    #[test]
    fn what_cannot_be_seen_is_said() {
        let status = GetStatusResponse {
            not_seen: vec!["this".into(), "that".into()],
            ..Default::default()
        };
        assert!(text(&status).ends_with("Not seen on this kernel:\n  this\n  that\n"));
        assert_eq!(document(&status)["not_seen"][1], "that");
    }
}
