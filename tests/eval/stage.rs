//! What the containers are given: programs, settings and keys, in folders that they mount.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use integration_test::cgroup::TestCgroup;
use integration_test::container::{Container, ContainerSpec};
use integration_test::engine::Engine;
use integration_test::images::Image;
use integration_test::state::State;
use sha2::{Digest as _, Sha256};

use crate::workloads::{GROUPS, repository};

/// Files by where they lie below the stage.
const FILES: &[(&str, &str)] = &[
    ("app/app.py", include_str!("files/app.py")),
    (
        "app/templates/index.html",
        include_str!("files/templates/index.html"),
    ),
    (
        "app/templates/item.html",
        include_str!("files/templates/item.html"),
    ),
    (
        "app/templates/absent.html",
        include_str!("files/templates/absent.html"),
    ),
    (
        "app/templates/error.html",
        include_str!("files/templates/error.html"),
    ),
    ("www/index.html", include_str!("files/www/index.html")),
    ("www/style.css", include_str!("files/www/style.css")),
    ("www/robots.txt", include_str!("files/www/robots.txt")),
    ("www/50x.html", include_str!("files/www/50x.html")),
    (
        "tls/server.key",
        "-----BEGIN PRIVATE KEY-----\nnone\n-----END PRIVATE KEY-----\n",
    ),
    ("token/token", "eyJhbGciOiJub25lIn0.e30.\n"),
    ("nginx/nginx.conf", include_str!("files/nginx.conf")),
    ("batch/batch.sh", include_str!("files/batch.sh")),
    ("ssh/sshd_config", include_str!("files/sshd_config")),
    ("payload/preload.c", include_str!("files/preload.c")),
    ("payload/module.c", include_str!("files/module.c")),
    ("drive/drive.py", include_str!("files/drive/drive.py")),
    ("drive/beside.py", include_str!("files/drive/beside.py")),
    ("drive/wire.py", include_str!("files/drive/wire.py")),
    ("drive/attack.py", include_str!("files/drive/attack.py")),
    (
        "drive/users_web.py",
        include_str!("files/drive/users_web.py"),
    ),
    (
        "drive/users_redis.py",
        include_str!("files/drive/users_redis.py"),
    ),
    (
        "drive/users_postgresql.py",
        include_str!("files/drive/users_postgresql.py"),
    ),
    (
        "drive/users_memcached.py",
        include_str!("files/drive/users_memcached.py"),
    ),
    (
        "drive/users_sshd.py",
        include_str!("files/drive/users_sshd.py"),
    ),
    (
        "drive/users_batch.py",
        include_str!("files/drive/users_batch.py"),
    ),
];
/// The image of those who use the services.
pub(crate) const USERS: &str = "users";

/// The folders, and the names that the image has.
#[derive(Debug)]
pub(crate) struct Stage {
    root: PathBuf,
    socket: PathBuf,
    references: BTreeMap<String, String>,
}

impl Stage {
    /// Makes them. The engine gets the image, once for each workload, so that each is learnt apart.
    pub(crate) async fn set(state: &State, engine: &Engine) -> Result<Self> {
        let root = state.run_path("stage");
        for (name, text) in FILES {
            let file = root.join(name);
            fs::create_dir_all(file.parent().unwrap_or(&root))?;
            fs::write(file, text)?;
        }
        fs::create_dir_all(root.join("keys"))?;
        for name in ["preload", "module"] {
            compile(&root.join("payload"), name)?;
        }
        Image::Servers.ensure(engine, state).await?;
        let mut references = BTreeMap::new();
        let workloads = GROUPS.iter().flat_map(|group| group.workloads);
        for name in workloads.map(|workload| workload.name).chain([USERS]) {
            let reference = Image::Servers.name_also(engine, &repository(name)).await?;
            references.insert(name.to_owned(), reference);
        }
        let stage = Self {
            root,
            socket: engine.socket().to_owned(),
            references,
        };
        stage.make_keys(engine).await?;
        Ok(stage)
    }

    /// The image of a workload.
    pub(crate) fn reference(&self, name: &str) -> String {
        self.references.get(name).cloned().unwrap_or_default()
    }

    /// A folder of the stage on the node.
    pub(crate) fn folder(&self, name: &str) -> String {
        self.root.join(name).to_string_lossy().into_owned()
    }

    /// A folder of the stage below `/srv`, for reading.
    pub(crate) fn bind(&self, name: &str) -> String {
        format!("{}:/srv/{name}:ro", self.folder(name))
    }

    /// The engine's socket.
    pub(crate) fn socket(&self) -> String {
        self.socket.to_string_lossy().into_owned()
    }

    /// A new folder that containers may share.
    pub(crate) fn shared(&self, name: &str) -> Result<String> {
        let folder = self.root.join("shared").join(name);
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
        Ok(folder.to_string_lossy().into_owned())
    }

    async fn make_keys(&self, engine: &Engine) -> Result<()> {
        let cgroup = TestCgroup::new()?;
        let spec = ContainerSpec::new("keys", Image::Servers)
            .bind(&format!("{}:/srv/keys", self.folder("keys")));
        let container = Container::run(engine, &cgroup, &spec).await?;
        let make = "ssh-keygen -q -t ed25519 -N '' -C eval -f /srv/keys/id";
        container.shell(make).await?;
        Ok(())
    }
}

/// What all of it is: recordings are of one stage.
pub(crate) fn digest(hasher: &mut Sha256) {
    for (name, text) in FILES {
        hasher.update(name);
        hasher.update(text);
    }
    hasher.update(format!("{GROUPS:?}{}", Image::Servers.reference()));
}

fn compile(folder: &Path, name: &str) -> Result<()> {
    let output = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(folder.join(format!("{name}.so")))
        .arg(folder.join(format!("{name}.c")))
        .arg("-ldl")
        .output()
        .context("cannot run cc: run `cargo xtask setup`")?;
    ensure!(
        output.status.success(),
        "cc {name}.c: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
