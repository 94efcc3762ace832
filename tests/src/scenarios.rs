//! What intruders do in containers, done for real, and what honest workloads do.
//!
//! Each scenario runs in a container of its own. The demo shows them, the suites check them.

mod attacks;
mod benign;
mod network;

use std::pin::Pin;

use anyhow::Result;

use crate::cgroup::TestCgroup;
use crate::container::{Container, ContainerSpec};
use crate::engine::Engine;
use crate::images::Image;

pub use benign::BENIGN;
pub use network::send_datagram;

/// Where scenarios run.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// The cgroup that the agent is scoped to.
    pub cgroup: &'a TestCgroup,
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// One attack or one honest workload.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Short name, also of its container.
    pub name: &'static str,
    /// What happens, in a sentence for people.
    pub title: &'static str,
    /// Image of the container.
    pub image: Image,
    /// Rules that must fire.
    pub expected: &'static [&'static str],
    /// Rules that may fire as well: they see the same deed from another side.
    pub tolerated: &'static [&'static str],
    prepare: fn(ContainerSpec, Stage<'_>) -> ContainerSpec,
    run: for<'a> fn(&'a Container) -> Running<'a>,
}

impl Scenario {
    /// Starts the scenario's container.
    pub async fn set_up(&self, stage: Stage<'_>, name: &str) -> Result<Container> {
        let spec = ContainerSpec::new(self.name, self.image).name(name);
        let spec = (self.prepare)(spec, stage);
        Container::run(stage.engine, stage.cgroup, &spec).await
    }

    /// Does the deed.
    pub async fn run(&self, container: &Container) -> Result<()> {
        (self.run)(container).await
    }

    /// Whether a rule may fire here.
    pub fn allows(&self, rule: &str) -> bool {
        self.expected.contains(&rule) || self.tolerated.contains(&rule)
    }
}

/// Every attack.
pub fn attacks() -> Vec<Scenario> {
    [attacks::ATTACKS, network::ATTACKS].concat()
}

fn as_it_is(spec: ContainerSpec, _: Stage<'_>) -> ContainerSpec {
    spec
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every rule that a scenario names exists in the bundled rules.
    #[test]
    fn scenarios_name_bundled_rules() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../rules");
        let mut known = BTreeSet::new();
        for entry in std::fs::read_dir(folder).expect("rules/ is there") {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let rules = text
                .lines()
                .filter_map(|line| line.strip_prefix("- rule: "));
            known.extend(rules.map(|rule| rule.trim().to_owned()));
        }
        for scenario in attacks() {
            assert!(!scenario.expected.is_empty(), "{}", scenario.name);
            for rule in scenario.expected.iter().chain(scenario.tolerated) {
                assert!(known.contains(*rule), "{}: no rule {rule:?}", scenario.name);
            }
        }
    }
}
