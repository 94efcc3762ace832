//! Sigma's rules and correlations are about real containers too.

use anyhow::{Context as _, Result, ensure};
use integration_test::client::rule_name;
use integration_test::container::{Container, ContainerSpec};
use integration_test::images::Image;
use integration_test::runtime::block_on;

use crate::image_rules::start_with_rules;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[(
    "sigma::rules_and_correlations_alert_with_their_author",
    alert,
)];

const RULES: &str = "\
title: Marked file made
id: 11111111-2222-3333-4444-555555555555
author: The Suite
level: high
tags: [attack.t1105]
logsource: {category: file_event, product: linux}
detection:
    selection:
        TargetFilename|startswith: '/tmp/marked-'
        Image|startswith: '/BIN/'
    condition: selection
---
title: Marked command
name: marked_command
logsource: {category: process_creation, product: linux}
detection:
    selection:
        CommandLine|contains: MARKED-by-the-suite
    condition: selection
---
title: Marked commands added up
author: The Suite
level: high
correlation:
    type: event_count
    rules: [marked_command]
    timespan: 1m
    condition: {gte: 3}
";

fn alert(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let watched = start_with_rules(bench, engine.socket(), RULES).await?;
        let spec = ContainerSpec::new("sigma", Image::Busybox);
        let container = Container::run(&engine, &watched.cgroup, &spec).await?;
        container.exec(&["touch", "/tmp/marked-new"]).await?;
        let alert = watched.alert("Marked file made", &container).await?;
        let rule = alert.rule.context("an alert has a rule")?;
        ensure!(
            rule.author == "The Suite" && rule.language == "sigma",
            "{rule:?}"
        );
        ensure!(
            rule.id.starts_with("11111111") && rule.attack_ids == ["T1105"],
            "{rule:?}"
        );
        for _ in 0..3 {
            container.exec(&["echo", "marked-by-the-suite"]).await?;
        }
        let alert = watched
            .alert("Marked commands added up", &container)
            .await?;
        let counted = alert.evidence.first().context("the number is told")?;
        ensure!(counted.value.as_deref() == Some("3"), "{counted:?}");
        watched.settle().await?;
        let alerts = watched.alerts_of(&container);
        let silent = alerts
            .iter()
            .all(|alert| rule_name(alert) != "Marked command");
        ensure!(silent, "a rule that is only counted made an alert");
        drop(container);
        watched.finish()
    })
}
