//! An agent that watches the whole machine; only where the machine is the test's own.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use anyhow::Result;
use integration_test::agent::AgentSetup;
use integration_test::cgroup::TestCgroup;
use integration_test::client::Watcher;
use integration_test::expectation::Expectation;
use integration_test::facts::Facts;
use integration_test::offence::Offence;
use integration_test::runtime::block_on;

use crate::Test;
use crate::bench::{Bench, absent_engine, alert_of, began, entered, made_cgroup, watching};

pub(crate) const TESTS: &[(&str, Test)] = &[(
    "node::a_cgroup_made_after_the_start_is_watched",
    later_cgroup,
)];

/// An emulated machine is slow.
const LIMIT: Duration = Duration::from_secs(60);
/// Of all that happens on the machine, what concerns the test: its one container, and new cgroups.
const RULES: &str = "\
- rule: 'Node: what happens in a container'
  desc: Brings the events of the test's container.
  condition: evt.num > 0 and (evt.type = cgroup_mkdir or container.id != host)
  output: seen
  priority: DEBUG
";

fn later_cgroup(bench: &Bench) -> Result<()> {
    let before = TestCgroup::new()?;
    let mut setup = watching(AgentSetup::new(&bench.state, &before, &absent_engine())?)?;
    setup.watch_everything();
    setup.add_rules("node.yaml", RULES)?;
    let agent = block_on(setup.start())?;
    let watcher = block_on(Watcher::live(agent.socket()))?;
    let later = TestCgroup::new()?;
    // Named as a container's.
    let cgroup = later.directory().join(format!("{:064x}", 1));
    fs::create_dir(&cgroup)?;
    let id = fs::metadata(&cgroup)?.ino();
    let offence = Offence::program("/bin/cat").arg("/etc/hostname");
    let told = offence.run_in(&cgroup)?;
    // Alerts leave in the order in which events are detected.
    let last = later.directory().join("last");
    fs::create_dir(&last)?;
    let last = fs::metadata(&last)?.ino();
    block_on(watcher.wait_until("the last event", LIMIT, |records| {
        let made = |record| alert_of(record).and_then(made_cgroup) == Some(last);
        records.iter().any(made).then_some(())
    }))?;
    let seen: Vec<Facts> = watcher
        .alerts()
        .iter()
        .filter(|alert| alert.process.as_ref().is_some_and(|p| p.cgroup_id == id))
        .filter_map(Facts::of)
        .collect();
    let words = offence.words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let expected = [
        entered(told.pid),
        began(&words, told.pid),
        Expectation::opened("/etc/hostname"),
        Expectation::exited(0),
    ];
    bench.judge(&offence, &expected, &seen)?;
    watcher.check_account()?;
    drop(watcher);
    agent.stop()
}
