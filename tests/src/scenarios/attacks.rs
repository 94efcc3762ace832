//! Attacks that need no second machine.

use anyhow::{Result, ensure};

use super::{Scenario, as_it_is};
use crate::container::{Container, Exec};
use crate::images::Image;
use crate::offenders;

/// The attacks.
pub(super) const ATTACKS: &[Scenario] = &[
    Scenario {
        name: "root-shell",
        title: "somebody opens a root shell in a running container (docker exec -it)",
        image: Image::Busybox,
        expected: &["Interactive root shell in a container"],
        tolerated: &[],
        prepare: as_it_is,
        run: |container| Box::pin(root_shell(container)),
    },
    Scenario {
        name: "web-injection",
        title: "a CGI script runs what a request tells it to",
        image: Image::Busybox,
        expected: &["Shell spawned by a network server"],
        tolerated: &["Root shell spawned by a workload"],
        prepare: |spec, _| spec.command(&["httpd", "-f", "-h", "/var/www"]),
        run: |container| Box::pin(web_injection(container)),
    },
    Scenario {
        name: "etc-write",
        title: "an account is added to /etc/passwd",
        image: Image::Busybox,
        expected: &["Write below /etc in a container"],
        tolerated: &[],
        prepare: as_it_is,
        run: |container| {
            Box::pin(run(
                container,
                "echo intruder:x:0:0::/:/bin/sh >> /etc/passwd",
            ))
        },
    },
    Scenario {
        name: "binary-write",
        title: "a system program is replaced",
        image: Image::Busybox,
        expected: &["Write below a binary directory in a container"],
        tolerated: &[],
        prepare: as_it_is,
        run: |container| Box::pin(run(container, "/bin/cp /bin/busybox /usr/bin/passwd")),
    },
    Scenario {
        name: "shadow-read",
        title: "the password hashes are read",
        image: Image::Busybox,
        expected: &["Password file read in a container"],
        tolerated: &[],
        prepare: as_it_is,
        run: |container| Box::pin(run(container, "/bin/cat /etc/shadow")),
    },
    Scenario {
        name: "drop-execute",
        title: "a program that the image does not have is dropped in /tmp and executed",
        image: Image::Busybox,
        expected: &["Dropped program executed in a container"],
        tolerated: &[],
        prepare: as_it_is,
        run: |container| {
            Box::pin(run(
                container,
                "/bin/cp /bin/busybox /tmp/uname; /bin/chmod 755 /tmp/uname; /tmp/uname -a",
            ))
        },
    },
    Scenario {
        name: "memory-execute",
        title: "a program runs that has no file, only memory",
        image: Image::Offenders,
        expected: &["Program executed from memory"],
        tolerated: &["Dropped program executed in a container"],
        prepare: as_it_is,
        run: |container| Box::pin(memory_execute(container)),
    },
    Scenario {
        name: "become-root",
        title: "an ordinary user runs a planted set-user-id program that makes itself root",
        image: Image::Offenders,
        expected: &["Program makes itself root"],
        tolerated: &[],
        prepare: as_it_is,
        run: |container| Box::pin(become_root(container)),
    },
    Scenario {
        name: "package-manager",
        title: "a scanner is to be installed with apt-get",
        image: Image::Debian,
        expected: &["Package manager run in a container"],
        tolerated: &[],
        prepare: as_it_is,
        run: |container| Box::pin(package_manager(container)),
    },
    Scenario {
        name: "docker-socket",
        title: "a container holds Docker's socket and talks to it",
        image: Image::Debian,
        expected: &[
            "Container started with the runtime's socket",
            "Container runtime's socket used from a container",
        ],
        tolerated: &[],
        prepare: |spec, stage| {
            let socket = stage.engine.socket().display();
            spec.bind(&format!("{socket}:/var/run/docker.sock"))
        },
        run: |container| Box::pin(docker_socket(container)),
    },
    Scenario {
        name: "miner",
        title: "a program is started with the command line of a crypto-miner",
        image: Image::Busybox,
        expected: &["Crypto-miner started"],
        tolerated: &[],
        prepare: as_it_is,
        run: |container| {
            Box::pin(run(
                container,
                "/bin/true -o stratum+tcp://pool.example:3333 -u wallet --donate-level 1",
            ))
        },
    },
    Scenario {
        name: "ssh-key",
        title: "a key is planted that lets its owner come back",
        image: Image::Busybox,
        expected: &["SSH key planted"],
        tolerated: &[],
        prepare: as_it_is,
        run: |container| {
            Box::pin(run(
                container,
                "/bin/mkdir -p /root/.ssh; echo ssh-ed25519 AAAA >> /root/.ssh/authorized_keys",
            ))
        },
    },
    Scenario {
        name: "log-clearing",
        title: "the log is emptied",
        image: Image::Busybox,
        expected: &["Log file truncated", "Logs or history removed by command"],
        tolerated: &[],
        prepare: as_it_is,
        run: |container| Box::pin(run(container, ": > /var/log/messages")),
    },
];

/// `docker exec CONTAINER sh -c SCRIPT`; the script names programs by their full path, for
/// busybox's shell would run its own applets without executing anything.
async fn run(container: &Container, script: &str) -> Result<()> {
    container.shell(script).await?;
    Ok(())
}

async fn root_shell(container: &Container) -> Result<()> {
    let typed = Exec::new(&["sh"])
        .terminal("id\nexit\n")
        .run(container)
        .await?;
    ensure!(typed.text.contains("uid=0"), "{typed:?}");
    Ok(())
}

async fn web_injection(container: &Container) -> Result<()> {
    let request = "http://127.0.0.1/cgi-bin/ping.cgi?127.0.0.1;/bin/id";
    let fetch =
        format!("for i in 1 2 3 4 5; do /bin/wget -qO- '{request}' && break; /bin/sleep 1; done");
    let answer = container.shell(&fetch).await?;
    ensure!(
        answer.contains("uid=0"),
        "the injected command did not run: {answer}"
    );
    Ok(())
}

async fn memory_execute(container: &Container) -> Result<()> {
    let program = offenders::in_image("memfd_exec");
    let output = container.exec(&[&program, "/bin/id"]).await?;
    ensure!(output.text.contains("uid=0"), "{output:?}");
    Ok(())
}

async fn become_root(container: &Container) -> Result<()> {
    let program = offenders::in_image("setuid_root");
    let output = Exec::new(&[&program]).user("65534").run(container).await?;
    ensure!(output.text.contains("uid 65534 -> 0"), "{output:?}");
    Ok(())
}

async fn package_manager(container: &Container) -> Result<()> {
    // The container has no network, so the package is not found; the attempt is what counts.
    let output = container
        .exec(&["apt-get", "install", "-y", "nmap"])
        .await?;
    ensure!(output.text.contains("nmap"), "{output:?}");
    Ok(())
}

async fn docker_socket(container: &Container) -> Result<()> {
    let script = "import socket; s = socket.socket(socket.AF_UNIX); \
                  s.connect('/var/run/docker.sock'); \
                  s.sendall(b'GET /_ping HTTP/1.0\\r\\n\\r\\n'); print(s.recv(99))";
    let output = container.exec(&["python3", "-c", script]).await?;
    ensure!(output.text.contains("200 OK"), "{output:?}");
    Ok(())
}
