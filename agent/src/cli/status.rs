//! `status`: how the running agent does.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Failure, Global, client, output};
use crate::config::OutputFormat;
use crate::proto::status_service_client::StatusServiceClient;
use crate::proto::{EventAccount, GetStatusRequest, GetStatusResponse, LossAccount};
use crate::sinks::render::{self, json as schema};

/// Accounts with losses that are printed for people; JSON has all.
const MAX_LOSSES: usize = 20;

/// `gravlens status`
pub(super) fn run(global: &Global) -> Result<(), Failure> {
    let socket = client::socket(global)?;
    let status = client::runtime()?.block_on(async {
        let mut client = StatusServiceClient::new(client::connect(&socket).await?)
            .max_decoding_message_size(client::MAX_MESSAGE_BYTES);
        let response = client.get(GetStatusRequest {}).await?;
        Ok::<_, Failure>(response.into_inner())
    })?;
    match global.output {
        OutputFormat::Text => output::text(&text(&status)),
        OutputFormat::Json => output::json(&document(&status)),
    }
}

fn text(status: &GetStatusResponse) -> String {
    [
        output::table(&summary(status)),
        output::table(&hooks(status)),
        output::table(&queues(status)),
        losses(status),
        not_seen(status),
    ]
    .into_iter()
    .filter(|part| !part.is_empty())
    .collect::<Vec<_>>()
    .join("\n")
}

fn summary(status: &GetStatusResponse) -> Vec<Vec<String>> {
    let kernel = status.kernel.clone().unwrap_or_default();
    let rules = status.rules.clone().unwrap_or_default();
    let stream = status.stream.unwrap_or_default();
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
        row(
            "rules",
            format!(
                "{} active, {} disabled, {} refused; digest {}",
                rules.active, rules.disabled, rules.refused, rules.digest
            ),
        ),
        row(
            "watching",
            format!(
                "{} containers, {} processes",
                status.containers, status.processes
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
    for failure in &status.failures {
        rows.push(row(
            "failures",
            format!("{} {}", failure.count, failure.kind),
        ));
    }
    rows
}

fn hooks(status: &GetStatusResponse) -> Vec<Vec<String>> {
    let mut rows = vec![vec![
        "TOPIC".to_owned(),
        "HOOK".to_owned(),
        "REFUSED".to_owned(),
    ]];
    for hook in &status.hooks {
        let taken = hook
            .taken
            .clone()
            .unwrap_or_else(|| "NOT WATCHED".to_owned());
        let refused: Vec<_> = hook
            .refused
            .iter()
            .map(|refused| format!("{} ({})", refused.hook, refused.why))
            .collect();
        rows.push(vec![hook.topic.clone(), taken, refused.join("; ")]);
    }
    rows
}

fn queues(status: &GetStatusResponse) -> Vec<Vec<String>> {
    let header = ["QUEUE", "USED", "OF", "WHEN FULL"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let mut add = |name: String, used: u64, of: u64, when_full: &str| {
        rows.push(vec![
            name,
            used.to_string(),
            of.to_string(),
            when_full.to_owned(),
        ]);
    };
    for ring in &status.rings {
        let name = format!("ring {} (bytes)", ring.name);
        add(name, ring.used_bytes, ring.capacity_bytes, "drop_newest");
    }
    for queue in &status.queues {
        add(
            queue.name.clone(),
            queue.depth,
            queue.capacity,
            &queue.when_full,
        );
    }
    let stream = status.stream.unwrap_or_default();
    add(
        "spool (records)".to_owned(),
        stream.records,
        stream.records_cap,
        "evict_oldest",
    );
    add(
        "spool (bytes)".to_owned(),
        stream.bytes,
        stream.bytes_cap,
        "evict_oldest",
    );
    rows
}

fn dropped(events: &EventAccount) -> u64 {
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
    let stream = status.stream.unwrap_or_default();
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
        })).collect::<Vec<_>>(),
        "queues": status.queues.iter().map(|queue| json!({
            "name": queue.name,
            "capacity": queue.capacity,
            "depth": queue.depth,
            "when_full": queue.when_full,
        })).collect::<Vec<_>>(),
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
        },
        "failures": status.failures.iter()
            .map(|failure| (failure.kind.clone(), failure.count.into()))
            .collect::<serde_json::Map<String, Value>>(),
        "not_seen": status.not_seen,
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
    fn what_cannot_be_seen_is_said() {
        let status = GetStatusResponse {
            not_seen: vec!["this".into(), "that".into()],
            ..Default::default()
        };
        assert!(text(&status).ends_with("Not seen on this kernel:\n  this\n  that\n"));
        assert_eq!(document(&status)["not_seen"][1], "that");
    }
}
