//! The agent's Docker client and container table against a real engine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use gravlens::enrich::container::{
    ContainerMessage, ContainerRequest, ContainerTable, TableSettings, scan_cgroups,
};
use gravlens::enrich::docker::{self, DockerSettings};
use gravlens::model::{ContainerMetadata, ContainerView, Runtime};
use integration_test::cgroup::{self, TestCgroup};
use integration_test::container::{Container, ContainerSpec};
use integration_test::engine::Engine;
use integration_test::images::Image;
use integration_test::runtime::{block_on, runtime};
use tokio::sync::mpsc;

use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    (
        "docker_client::announces_a_container_before_it_runs",
        announces,
    ),
    (
        "docker_client::finds_what_ran_before",
        finds_what_ran_before,
    ),
    ("docker_client::answers_a_request", answers_a_request),
    ("docker_client::follows_renames_and_ends", follows),
    (
        "docker_client::outlives_a_restart_of_docker",
        outlives_a_restart,
    ),
];

const LIMIT: Duration = Duration::from_secs(20);

struct Client {
    requests: mpsc::Sender<ContainerRequest>,
    messages: mpsc::Receiver<ContainerMessage>,
}

impl Client {
    async fn start(engine: &Engine) -> Result<Self> {
        let (requests, request_receiver) = mpsc::channel(16);
        let (message_sender, messages) = mpsc::channel(16);
        let settings = DockerSettings::new(engine.socket());
        runtime().spawn(docker::run(settings, request_receiver, message_sender));
        let mut client = Self { requests, messages };
        let back = |message: &ContainerMessage| {
            matches!(message, ContainerMessage::RuntimeBack { .. }).then_some(())
        };
        client.wait_for(back).await?;
        Ok(client)
    }

    /// The first message from now on that `wanted` takes; the others are dropped.
    async fn wait_for<T>(
        &mut self,
        mut wanted: impl FnMut(&ContainerMessage) -> Option<T>,
    ) -> Result<T> {
        let search = async {
            while let Some(message) = self.messages.recv().await {
                if let Some(found) = wanted(&message) {
                    return Ok(found);
                }
            }
            bail!("the client ended")
        };
        tokio::time::timeout(LIMIT, search)
            .await
            .context("the client does not say it in time")?
    }

    async fn described(
        &mut self,
        container: &str,
        wanted: impl Fn(&ContainerMetadata) -> bool,
    ) -> Result<Arc<ContainerMetadata>> {
        self.wait_for(|message| match message {
            ContainerMessage::Full { id, metadata, .. } if id == container && wanted(metadata) => {
                Some(Arc::clone(metadata))
            }
            _ => None,
        })
        .await
    }
}

fn announces(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let mut client = Client::start(&engine).await?;
        let cgroup = TestCgroup::new()?;
        let spec = ContainerSpec::new("announced", Image::Busybox)
            .label("tier", "front")
            .bind("/tmp:/host-tmp:ro");
        let container = Container::create(&engine, &cgroup, &spec).await?;
        let metadata = client.described(container.id(), |_| true).await?;
        ensure!(metadata.name == container.name(), "{metadata:?}");
        ensure!(metadata.image == Image::Busybox.reference(), "{metadata:?}");
        ensure!(
            metadata.image_repository == "gravlens-test/busybox",
            "{metadata:?}"
        );
        ensure!(metadata.image_tag == Image::Busybox.tag(), "{metadata:?}");
        ensure!(metadata.image_digest.starts_with("sha256:"), "{metadata:?}");
        ensure!(
            metadata
                .labels
                .get("tier")
                .is_some_and(|tier| tier == "front")
        );
        ensure!(metadata.mounts[0].source == "/tmp" && !metadata.mounts[0].read_write);
        ensure!(
            metadata.started_at.is_none() && metadata.init_pid == 0,
            "{metadata:?}"
        );

        container.start().await?;
        let started = client
            .described(container.id(), |m| m.init_pid != 0)
            .await?;
        ensure!(i32::try_from(started.init_pid)? == container.init_pid().await?);
        let age = started.started_at.context("no start time")?.elapsed()?;
        ensure!(age < Duration::from_secs(60), "started {age:?} ago");

        // Created only: this kernel may not grant what a privileged container asks for.
        let spec = ContainerSpec::new("privileged", Image::Busybox).privileged();
        let container = Container::create(&engine, &cgroup, &spec).await?;
        client.described(container.id(), |m| m.privileged).await?;
        Ok(())
    })
}

fn finds_what_ran_before(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let cgroup = TestCgroup::new()?;
        let spec = ContainerSpec::new("before", Image::Busybox);
        let container = Container::run(&engine, &cgroup, &spec).await?;

        let mut table = ContainerTable::new(TableSettings::default());
        let scan = ContainerMessage::Scan {
            started_boot_ns: 1,
            ended_boot_ns: 1,
            cgroups: scan_cgroups(&cgroup::mount()?, Path::new(&cgroup.path()))?.cgroups,
            complete: true,
        };
        table.apply(scan);
        let own = cgroup.directory().join(container.id());
        let own = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(own)?);
        let ContainerView::Container(found) = table.view(own) else {
            bail!("the scan did not find the container");
        };
        ensure!((found.id.as_str(), found.runtime) == (container.id(), Runtime::Unknown));
        ensure!(matches!(table.view(cgroup.id()?), ContainerView::Host(_)));

        let mut client = Client::start(&engine).await?;
        let metadata = client.described(container.id(), |_| true).await?;
        ensure!(!metadata.privileged && metadata.name == container.name());
        table.apply(ContainerMessage::Full {
            runtime: Runtime::Docker,
            id: container.id().to_owned(),
            metadata,
        });
        let ContainerView::Container(found) = table.view(own) else {
            bail!("the container is lost");
        };
        ensure!(found.runtime == Runtime::Docker);
        ensure!(found.metadata().is_some_and(|m| m.name == container.name()));
        Ok(())
    })
}

fn answers_a_request(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let cgroup = TestCgroup::new()?;
        let spec = ContainerSpec::new("stopped", Image::Busybox).command(&["true"]);
        let stopped = Container::run(&engine, &cgroup, &spec).await?;
        stopped.wait().await?;
        let mut client = Client::start(&engine).await?;
        let unknown = "0".repeat(64);
        for id in [stopped.id(), &unknown] {
            let request = ContainerRequest {
                runtime: Runtime::Unknown,
                id: id.to_owned(),
            };
            client.requests.send(request).await?;
        }
        let (mut described, mut failed) = (false, String::new());
        client
            .wait_for(|message| {
                match message {
                    ContainerMessage::Full { id, .. } if id == stopped.id() => described = true,
                    ContainerMessage::Failed { id, why, .. } if *id == unknown => {
                        failed = why.to_string();
                    }
                    _ => {}
                }
                (described && !failed.is_empty()).then_some(())
            })
            .await?;
        ensure!(failed == "Docker does not know this container", "{failed}");
        Ok(())
    })
}

fn follows(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let mut client = Client::start(&engine).await?;
        let cgroup = TestCgroup::new()?;
        let spec = ContainerSpec::new("followed", Image::Busybox);
        let mut container = Container::run(&engine, &cgroup, &spec).await?;
        let id = container.id().to_owned();
        client.described(&id, |m| m.init_pid != 0).await?;
        let new_name = format!("{}-renamed", container.name());
        container.rename(&new_name).await?;
        client.described(&id, |m| m.name == new_name).await?;
        container.kill().await?;
        client.described(&id, |m| m.init_pid == 0).await?;
        drop(container);
        client
            .wait_for(|message| match message {
                ContainerMessage::Gone { id: gone } if *gone == id => Some(()),
                _ => None,
            })
            .await
    })
}

fn outlives_a_restart(bench: &Bench) -> Result<()> {
    let mut engine = bench.engine.blocking_lock();
    block_on(Image::Busybox.ensure(&engine, &bench.state))?;
    let mut client = block_on(Client::start(&engine))?;
    engine.stop()?;
    let why = block_on(client.wait_for(|message| match message {
        ContainerMessage::RuntimeLost { why, .. } => Some(Arc::clone(why)),
        _ => None,
    }))?;
    ensure!(why.contains("Docker"), "{why}");
    engine.start_again(&bench.state)?;
    block_on(async {
        let back = |message: &ContainerMessage| {
            matches!(message, ContainerMessage::RuntimeBack { .. }).then_some(())
        };
        client.wait_for(back).await?;
        let cgroup = TestCgroup::new()?;
        let spec = ContainerSpec::new("after", Image::Busybox);
        let container = Container::run(&engine, &cgroup, &spec).await?;
        client
            .described(container.id(), |m| m.init_pid != 0)
            .await?;
        Ok(())
    })
}
