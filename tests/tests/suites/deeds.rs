//! The scenarios and the tools they use do what they say, with or without an agent.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use integration_test::cgroup::TestCgroup;
use integration_test::container::{Container, ContainerSpec};
use integration_test::docker_proxy::DockerProxy;
use integration_test::engine;
use integration_test::images::Image;
use integration_test::runtime::block_on;
use integration_test::scenarios::{BENIGN, Stage, attacks, send_datagram};

use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("deeds::every_scenario_succeeds", every_scenario_succeeds),
    ("deeds::a_datagram_reaches_the_other_machine", datagram),
    ("deeds::the_proxy_delays_only_descriptions", proxy),
];

fn every_scenario_succeeds(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        for image in Image::ALL {
            image.ensure(&engine, &bench.state).await?;
        }
        let cgroup = TestCgroup::new()?;
        let stage = Stage {
            engine: &engine,
            cgroup: &cgroup,
        };
        for scenario in attacks().iter().chain(BENIGN) {
            let name = format!("deed-{}", scenario.name);
            let container = scenario.set_up(stage, &name).await?;
            let done = scenario.run(&container).await;
            done.with_context(|| format!("scenario {}", scenario.name))?;
        }
        Ok(())
    })
}

fn datagram(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Offenders.ensure(&engine, &bench.state).await?;
        let cgroup = TestCgroup::new()?;
        let spec = ContainerSpec::new("datagram", Image::Offenders);
        let container = Container::run(&engine, &cgroup, &spec).await?;
        send_datagram(&container).await
    })
}

fn proxy(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let cgroup = TestCgroup::new()?;
        let spec = ContainerSpec::new("slow", Image::Busybox);
        let container = Container::create(&engine, &cgroup, &spec).await?;
        let delay = Duration::from_millis(700);
        let socket = bench.state.run_path("proxy.sock");
        let proxy = DockerProxy::start(&socket, engine.socket(), delay).await?;
        let docker = engine::connect(proxy.socket())?;
        let begin = Instant::now();
        docker.list_containers(None).await?;
        ensure!(
            begin.elapsed() < delay,
            "the list took {:?}",
            begin.elapsed()
        );
        let begin = Instant::now();
        let answer = docker.inspect_container(container.id(), None).await?;
        ensure!(
            begin.elapsed() >= delay,
            "it took only {:?}",
            begin.elapsed()
        );
        ensure!(answer.id.as_deref() == Some(container.id()));
        ensure!(proxy.delayed() == 1);
        drop(proxy);
        ensure!(!socket.exists(), "the proxy's socket is left");
        Ok(())
    })
}
