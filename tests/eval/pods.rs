//! A replica of a group: its workloads and their users, who share a network of their own.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use integration_test::cgroup::TestCgroup;
use integration_test::container::{Container, ContainerSpec, Exec};
use integration_test::engine::Engine;
use integration_test::images::Image;
use integration_test::netns::add_loopback_address;

use crate::stage::{Stage, USERS};
use crate::workloads::{Group, Workload};

/// Peers that only an attacker has: outside, in a private network, and the cloud's metadata service.
const PEERS: [Ipv4Addr; 3] = [
    Ipv4Addr::new(203, 0, 113, 7),
    Ipv4Addr::new(10, 20, 0, 5),
    Ipv4Addr::new(169, 254, 169, 254),
];

/// How users behave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habit {
    pub(crate) seed: u64,
    /// `train` or `other`.
    pub(crate) mix: &'static str,
    /// Seconds between two of their requests.
    pub(crate) pace: f64,
}

/// Where pods are put.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) stage: &'a Stage,
    /// Cgroup that is recorded.
    pub(crate) watched: &'a TestCgroup,
    /// Cgroup of the users, whom nobody watches.
    pub(crate) beside: &'a TestCgroup,
}

/// A replica.
#[derive(Debug)]
pub(crate) struct Pod {
    pub(crate) group: &'static Group,
    pub(crate) users: Container,
    containers: Vec<(&'static Workload, Container)>,
}

impl Pod {
    /// Starts one. The users own the network, so that a server that is restarted finds it again.
    pub(crate) async fn start(
        site: Site<'_>,
        group: &'static Group,
        number: usize,
        habit: Habit,
    ) -> Result<Self> {
        let incoming = site.stage.shared(&format!("{}-{number}", group.name))?;
        let (seed, pace) = (habit.seed.to_string(), habit.pace.to_string());
        let drive = "/srv/drive/drive.py";
        let users = ContainerSpec::new(USERS, Image::Servers)
            .image(&site.stage.reference(USERS))
            .bind(&site.stage.bind("drive"))
            .bind(&site.stage.bind("keys"))
            .bind(&site.stage.bind("payload"))
            .bind(&format!("{incoming}:/var/spool/incoming"))
            .dns("127.0.0.1")
            .command(&[
                "python3", "-u", drive, group.name, "--seed", &seed, "--mix", habit.mix, "--pace",
                &pace,
            ]);
        let users = Container::run(site.engine, site.beside, &users).await?;
        let mut containers = Vec::new();
        for workload in group.workloads {
            let spec = workload.spec(site.stage, &incoming).network_of(&users);
            let container = Container::run(site.engine, site.watched, &spec).await?;
            containers.push((workload, container));
        }
        Ok(Self {
            group,
            users,
            containers,
        })
    }

    /// Its containers.
    pub(crate) fn containers(&self) -> impl Iterator<Item = (&'static Workload, &Container)> {
        self.containers
            .iter()
            .map(|(workload, container)| (*workload, container))
    }

    /// The container of a workload.
    pub(crate) fn container(&self, name: &str) -> Result<&Container> {
        let mut all = self.containers();
        let found = all.find(|(workload, _)| workload.name == name);
        let (_, container) = found.with_context(|| format!("no {name} in {}", self.group.name))?;
        Ok(container)
    }

    /// Users have been served: what failed until then is told.
    pub(crate) async fn check(&self) -> Result<()> {
        let said = self.users.logs().await?;
        if said.contains("ready") {
            return Ok(());
        }
        let mut text = format!("{}: its users wait in vain:\n{said}", self.group.name);
        for (workload, container) in self.containers() {
            text += &format!("\n{}:\n{}", workload.name, container.logs().await?);
        }
        anyhow::bail!(text)
    }

    /// Lets an attacker's peers listen beside it.
    pub(crate) async fn besiege(&self) -> Result<()> {
        for address in PEERS {
            add_loopback_address(&self.users, address).await?;
        }
        Exec::new(&["python3", "/srv/drive/attack.py", "serve"])
            .start(&self.users)
            .await
    }
}
