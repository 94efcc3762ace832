//! The workloads: what each runs, as an image's entrypoint would.

use integration_test::container::ContainerSpec;
use integration_test::images::Image;

use crate::stage::Stage;

/// A workload that is learnt.
#[derive(Debug)]
pub(crate) struct Workload {
    /// What the table calls it.
    pub(crate) name: &'static str,
    command: &'static [&'static str],
    user: Option<&'static str>,
    /// Folders of the stage that it has below `/srv`.
    folders: &'static [&'static str],
    /// A request can make it do anything (`files/preload.c`), and at which port.
    pub(crate) stub: Option<u16>,
    /// Capabilities beyond the engine's own.
    capabilities: &'static [&'static str],
    /// A token lies in it, as in every pod.
    token: bool,
    /// It may speak to the container runtime, and takes in what lies in a folder.
    runtime: bool,
    /// What its operator does from time to time, by `docker exec`.
    pub(crate) upkeep: &'static [&'static [&'static str]],
    /// Nothing was tuned by it: it is reported apart.
    pub(crate) held_out: bool,
}

/// Workloads that share a network and their users.
#[derive(Debug)]
pub(crate) struct Group {
    /// What its users are called, and what the command line selects it by.
    pub(crate) name: &'static str,
    pub(crate) workloads: &'static [Workload],
}

const PLAIN: Workload = Workload {
    name: "",
    command: &[],
    user: None,
    folders: &[],
    stub: None,
    capabilities: &[],
    token: false,
    runtime: false,
    upkeep: &[],
    held_out: false,
};

/// As an image does at its first start: makes the database, then serves it.
const POSTGRESQL: &str = "PATH=/usr/lib/postgresql/15/bin:$PATH; \
    [ -s /var/lib/postgresql/data/PG_VERSION ] || \
    initdb --auth=trust --pgdata=/var/lib/postgresql/data > /dev/null; \
    exec postgres -D /var/lib/postgresql/data -k /tmp -c listen_addresses=127.0.0.1";
const APP: &str = "mkdir -p /var/lib/app && chown www-data /var/lib/app && \
    exec setpriv --reuid=www-data --regid=www-data --clear-groups python3 /srv/app/app.py";
const SSHD: &str = "mkdir -p /run/sshd; touch /var/log/jobs.log; \
    exec /usr/sbin/sshd -D -e -f /srv/ssh/sshd_config";
const ROTATE_NGINX: &str = "cd /var/log/nginx && mv access.log access.log.1 && \
    kill -USR1 \"$(cat /run/nginx.pid)\" && sleep 1 && gzip -f access.log.1";
const ROTATE_APP: &str = "cd /var/lib/app && mv app.log app.log.1 && kill -HUP 1 && \
    gzip -f app.log.1 && find reports -name '*.csv' -mmin +10 -delete";
const DUMP_POSTGRESQL: &str = "pg_dump -h 127.0.0.1 -U postgres -t items postgres | gzip > /tmp/dump.gz && mv /tmp/dump.gz /var/tmp/";

/// All groups.
pub(crate) static GROUPS: [Group; 6] = [
    Group {
        name: "web",
        workloads: &[
            Workload {
                name: "nginx",
                command: &["nginx", "-c", "/srv/nginx/nginx.conf", "-g", "daemon off;"],
                folders: &["nginx", "www", "tls"],
                stub: Some(80),
                upkeep: &[
                    &["nginx", "-c", "/srv/nginx/nginx.conf", "-s", "reload"],
                    &["sh", "-c", ROTATE_NGINX],
                ],
                ..PLAIN
            },
            Workload {
                name: "app",
                command: &["sh", "-c", APP],
                folders: &["app"],
                token: true,
                upkeep: &[&["sh", "-c", ROTATE_APP]],
                ..PLAIN
            },
        ],
    },
    Group {
        name: "redis",
        workloads: &[Workload {
            name: "redis",
            command: &[
                "redis-server",
                "--dir",
                "/var/lib/redis",
                "--bind",
                "127.0.0.1",
                "--appendonly",
                "yes",
                "--save",
                "60 100",
                "--enable-protected-configs",
                "yes",
                "--enable-module-command",
                "yes",
            ],
            user: Some("redis"),
            stub: Some(6379),
            upkeep: &[&["redis-cli", "ping"], &["redis-cli", "info", "memory"]],
            ..PLAIN
        }],
    },
    Group {
        name: "postgresql",
        workloads: &[Workload {
            name: "postgresql",
            command: &["sh", "-c", POSTGRESQL],
            user: Some("postgres"),
            upkeep: &[
                &["pg_isready", "-q", "-h", "127.0.0.1"],
                &["sh", "-c", DUMP_POSTGRESQL],
            ],
            ..PLAIN
        }],
    },
    Group {
        name: "batch",
        workloads: &[Workload {
            name: "batch",
            command: &["sh", "/srv/batch/batch.sh", "2"],
            folders: &["batch"],
            capabilities: &["SYS_PTRACE"],
            runtime: true,
            upkeep: &[&["tail", "-n", "5", "/var/lib/batch/log/batch.log"]],
            ..PLAIN
        }],
    },
    Group {
        name: "memcached",
        workloads: &[Workload {
            name: "memcached",
            command: &["memcached", "-u", "memcache", "-l", "127.0.0.1", "-m", "16"],
            stub: Some(11211),
            upkeep: &[],
            held_out: true,
            ..PLAIN
        }],
    },
    Group {
        name: "sshd",
        workloads: &[Workload {
            name: "sshd",
            command: &["sh", "-c", SSHD],
            folders: &["ssh", "keys"],
            upkeep: &[],
            held_out: true,
            ..PLAIN
        }],
    },
];

/// Repository of the name that a workload's image has.
pub(crate) fn repository(name: &str) -> String {
    format!("gravlens-eval/{name}")
}

/// The workload of that name.
pub(crate) fn named(name: &str) -> Option<&'static Workload> {
    let mut all = GROUPS.iter().flat_map(|group| group.workloads);
    all.find(|workload| workload.name == name)
}

impl Workload {
    /// What the learner calls it.
    pub(crate) fn learnt_as(&self) -> String {
        format!("image {}", repository(self.name))
    }

    /// A container of it.
    pub(crate) fn spec(&self, stage: &Stage, incoming: &str) -> ContainerSpec {
        let mut spec = ContainerSpec::new(self.name, Image::Servers)
            .image(&stage.reference(self.name))
            .command(self.command);
        for folder in self.folders {
            spec = spec.bind(&stage.bind(folder));
        }
        if let Some(user) = self.user {
            spec = spec.user(user);
        }
        for capability in self.capabilities {
            spec = spec.capability(capability);
        }
        if self.stub.is_some() {
            spec = spec
                .bind(&stage.bind("payload"))
                .variable("LD_PRELOAD", "/srv/payload/preload.so");
        }
        if self.token {
            let folder = "/run/secrets/kubernetes.io/serviceaccount";
            spec = spec.bind(&format!("{}:{folder}:ro", stage.folder("token")));
        }
        if self.runtime {
            spec = spec
                .bind(&format!("{incoming}:/var/spool/incoming"))
                .bind(&format!("{}:/run/docker.sock", stage.socket()));
        }
        spec
    }
}
