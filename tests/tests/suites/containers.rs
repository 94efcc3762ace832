//! The harness itself: containers run where the tests expect them, and nothing stays behind.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use integration_test::cgroup::{self, TestCgroup};
use integration_test::container::{Container, ContainerSpec, Exec};
use integration_test::images::Image;
use integration_test::offenders;
use integration_test::runtime::block_on;

use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    (
        "containers::run_below_the_tests_cgroup",
        run_below_the_cgroup,
    ),
    ("containers::every_image_works", every_image_works),
    ("containers::leave_nothing_behind", leave_nothing_behind),
];

fn run_below_the_cgroup(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let cgroup = TestCgroup::new()?;
        let spec = ContainerSpec::new("below", Image::Busybox);
        let container = Container::run(&engine, &cgroup, &spec).await?;
        let own = cgroup.directory().join(container.id());
        ensure!(own.is_dir(), "{} is not there", own.display());
        ensure!(cgroup.processes().contains(&container.init_pid().await?));

        let output = container.exec(&["sh", "-c", "echo out; exit 3"]).await?;
        ensure!(
            (output.code, output.text.trim()) == (3, "out"),
            "{output:?}"
        );
        let typed = Exec::new(&["sh"])
            .terminal("tty; exit\n")
            .run(&container)
            .await?;
        ensure!(typed.text.contains("/dev/pts/"), "{typed:?}");
        container.kill().await?;
        ensure!(!own.exists(), "{} outlives its container", own.display());
        Ok(())
    })
}

fn every_image_works(bench: &Bench) -> Result<()> {
    block_on(async {
        let engine = bench.engine.lock().await;
        let cgroup = TestCgroup::new()?;
        for image in Image::ALL.into_iter().chain([Image::Servers]) {
            image.ensure(&engine, &bench.state).await?;
            let spec = ContainerSpec::new("image", image);
            let container = Container::run(&engine, &cgroup, &spec).await?;
            match image {
                Image::Busybox => {
                    container
                        .shell("httpd -h /var/www && wget -qO- 127.0.0.1")
                        .await?;
                }
                Image::Debian => {
                    let program = r#"printf 'int main(){return 0;}' > /tmp/a.c"#;
                    container.shell(program).await?;
                    container.shell("gcc -o /tmp/a /tmp/a.c && /tmp/a").await?;
                    container
                        .shell("apt-get --version && make --version")
                        .await?;
                    container.shell("python3 -c 'import socket, os'").await?;
                }
                Image::Offenders => {
                    let offender = offenders::in_image("memfd_exec");
                    let output = container.exec(&[&offender, "/bin/echo", "ran"]).await?;
                    ensure!(output.text.trim() == "ran", "{output:?}");
                }
                Image::Servers => {
                    container
                        .shell("nginx -v && redis-server --version && pgbench --version")
                        .await?;
                }
            }
        }
        Ok(())
    })
}

fn leave_nothing_behind(bench: &Bench) -> Result<()> {
    let (directory, id) = block_on(async {
        let engine = bench.engine.lock().await;
        let cgroup = TestCgroup::new()?;
        let spec = ContainerSpec::new("leaves", Image::Busybox);
        let container = Container::run(&engine, &cgroup, &spec).await?;
        anyhow::Ok((cgroup.directory().to_owned(), container.id().to_owned()))
    })?;
    ensure!(
        !directory.exists(),
        "{} is still there",
        directory.display()
    );
    let shims = integration_test::process::find("containerd-shim-runc-v2", &id);
    let gone = shims
        .iter()
        .all(|shim| shim.wait_gone(Duration::from_secs(5)));
    ensure!(gone, "the container's shim still runs");
    let mount = cgroup::mount()?.mount_point;
    let left: Vec<_> = std::fs::read_dir(mount)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(&format!("{}{}-", cgroup::PREFIX, std::process::id())))
        .collect();
    ensure!(left.is_empty(), "cgroups are left: {left:?}");
    block_on(async {
        let engine = bench.engine.lock().await;
        let gone = engine.docker().inspect_container(&id, None).await;
        gone.err().context("the container is still known")
    })?;
    Ok(())
}
