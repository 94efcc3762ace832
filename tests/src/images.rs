//! Container images, made without a registry.
//!
//! Each image is an archive of a root file system that is made once, kept in the state folder and
//! imported into the engine. The tag tells the recipe: whoever changes a recipe raises it.

mod busybox;
mod debian;
mod offenders;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use bollard::body_try_stream;
use bollard::query_parameters::{CreateImageOptionsBuilder, TagImageOptionsBuilder};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use tokio::io::AsyncReadExt;

use crate::engine::Engine;
use crate::state::State;
use crate::undo::{self, Leftover};

/// An image that the suites use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Image {
    /// Debian's static busybox with all its applets.
    Busybox,
    /// A minimal Debian with apt, gcc, make and Python.
    Debian,
    /// Busybox and the programs of `tests/offenders`.
    Offenders,
    /// A minimal Debian with servers: nginx, redis, PostgreSQL, memcached, sshd, and Python.
    Servers,
}

impl Image {
    /// The images that scenarios use.
    pub const ALL: [Self; 3] = [Self::Busybox, Self::Debian, Self::Offenders];

    /// Repository.
    pub const fn repository(self) -> &'static str {
        match self {
            Self::Busybox => "gravlens-test/busybox",
            Self::Debian => "gravlens-test/debian",
            Self::Offenders => "gravlens-test/offenders",
            Self::Servers => "gravlens-test/servers",
        }
    }

    /// Tag: the recipe's number.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Debian | Self::Offenders => "1",
            Self::Busybox | Self::Servers => "2",
        }
    }

    /// `repository:tag`.
    pub fn reference(self) -> String {
        format!("{}:{}", self.repository(), self.tag())
    }

    /// Makes sure that the engine has the image.
    pub async fn ensure(self, engine: &Engine, state: &State) -> Result<()> {
        // The offenders change with every build and are small: always new.
        let keep = self != Self::Offenders;
        if keep
            && engine
                .docker()
                .inspect_image(&self.reference())
                .await
                .is_ok()
        {
            return Ok(());
        }
        let archive = state.cached(&format!("{self:?}-{}.tar", self.tag()).to_lowercase());
        if !(keep && archive.is_file()) {
            self.build(state, &archive)
                .with_context(|| format!("cannot make the image {}", self.reference()))?;
        }
        self.import(engine, &archive).await
    }

    /// Gives the image, which the engine has, a second name `REPOSITORY:TAG`; returns that name.
    ///
    /// # Errors
    /// The engine does not have it.
    pub async fn name_also(self, engine: &Engine, repository: &str) -> Result<String> {
        let options = TagImageOptionsBuilder::default()
            .repo(repository)
            .tag(self.tag())
            .build();
        let own = self.reference();
        let named = engine.docker().tag_image(&own, Some(options)).await;
        named.with_context(|| format!("cannot name {own} {repository}"))?;
        Ok(format!("{repository}:{}", self.tag()))
    }

    fn build(self, state: &State, archive: &Path) -> Result<()> {
        let root = state.cached(&format!("{self:?}-root").to_lowercase());
        let guard = undo::register(Leftover::Path(root.clone()));
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        match self {
            Self::Busybox => busybox::build(&root)?,
            Self::Debian => debian::build(&root, debian::TOOLS)?,
            Self::Servers => debian::build(&root, debian::SERVERS)?,
            Self::Offenders => offenders::build(&root)?,
        }
        let draft = archive.with_extension("new");
        run(Command::new("tar")
            .args(["--numeric-owner", "--directory"])
            .arg(&root)
            .args(["--create", "--file"])
            .arg(&draft)
            .arg("."))?;
        fs::rename(&draft, archive)?;
        drop(guard);
        Ok(())
    }

    async fn import(self, engine: &Engine, archive: &Path) -> Result<()> {
        let options = CreateImageOptionsBuilder::default()
            .from_src("-")
            .repo(self.repository())
            .tag(self.tag())
            .build();
        let file = tokio::fs::File::open(archive).await?;
        let chunks = stream::try_unfold(file, |mut file| async move {
            let mut chunk = vec![0; 1 << 20];
            let length = file.read(&mut chunk).await?;
            chunk.truncate(length);
            Ok((length > 0).then(|| (Bytes::from(chunk), file)))
        });
        engine
            .docker()
            .create_image(Some(options), Some(body_try_stream(chunks)), None)
            .boxed()
            .try_for_each(|_| async { Ok(()) })
            .await
            .with_context(|| format!("cannot import {}", archive.display()))
    }
}

/// Runs a program and shows what it printed if it fails.
fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}: run `cargo xtask setup`"))?;
    if !output.status.success() {
        bail!(
            "{program} failed ({}):\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// Finds a program that `cargo xtask setup` brings.
fn find_program(name: &str) -> Result<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin", "/bin"])
        .map(|folder| Path::new(folder).join(name))
        .find(|file| file.is_file())
        .with_context(|| format!("{name} is not installed: run `cargo xtask setup`"))
}
