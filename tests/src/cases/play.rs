//! Plays deeds in containers, each in one of its own.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, stream};

use super::remote::Remote;
use super::{Case, Deed, Setting};
use crate::container::{Container, ContainerSpec, Exec};
use crate::netns::REMOTE;
use crate::scenarios::Stage;
use crate::{machine, shortened};

/// Containers at a time.
const AT_ONCE: usize = 4;
const ENGINE: &str = "{engine}";
/// How long a container stays of which nothing but the start is of interest.
const START_SEEN: Duration = Duration::from_secs(2);

/// Which deed of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Has to set the rule off.
    Offender,
    /// Must not.
    Twin,
}

/// A deed that was done.
#[derive(Debug)]
pub struct Played<'a> {
    /// Of this case.
    pub case: &'a Case,
    /// Which of both.
    pub side: Side,
    /// Full id of the container, which has been removed.
    pub container: String,
    /// Why it could not be done.
    pub failure: Option<String>,
}

impl Played<'_> {
    /// Where it was done.
    pub fn setting(&self) -> &Setting {
        let deed = match self.side {
            Side::Offender => &self.case.offender,
            Side::Twin => &self.case.twin,
        };
        let own = deed.as_ref().and_then(|deed| deed.setting.as_ref());
        own.unwrap_or(&self.case.setting)
    }
}

/// Does all deeds of the cases, some at a time.
///
/// # Errors
/// A container could not be made. A deed that fails is among the results.
pub async fn play_all<'a>(cases: &'a [Case], stage: Stage<'_>) -> Result<Vec<Played<'a>>> {
    let mut deeds = Vec::new();
    let privileged = machine::has_all_capabilities()?;
    for case in cases {
        if !privileged && case.needs_privileges() {
            shortened::note(&format!(
                "{:?} is not tried: this machine cannot start a privileged container",
                case.rule
            ));
            continue;
        }
        deeds.extend(
            case.offender
                .iter()
                .map(|deed| (case, Side::Offender, deed)),
        );
        deeds.extend(case.twin.iter().map(|deed| (case, Side::Twin, deed)));
    }
    let deeds = deeds.into_iter().map(|(case, side, deed)| async move {
        let played = play(case, side, deed, stage).await;
        played.with_context(|| format!("{side:?} of {:?}", case.rule))
    });
    let results: Vec<_> = stream::iter(deeds)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    results.into_iter().collect()
}

async fn play<'a>(case: &'a Case, side: Side, deed: &Deed, stage: Stage<'_>) -> Result<Played<'a>> {
    let setting = deed.setting.as_ref().unwrap_or(&case.setting);
    let remote = setting.remote.as_deref().map(Remote::new).transpose()?;
    let spec = spec(setting, stage);
    let container = Container::run(stage.engine, stage.cgroup, &spec).await?;
    if let Some(remote) = &remote {
        remote.attach(&container).await?;
    }
    let done = perform(deed, &container).await;
    let id = container.id().to_owned();
    // Both block: the engine removes the one, the servers of the other have to end.
    tokio::task::spawn_blocking(move || drop((container, remote))).await?;
    Ok(Played {
        case,
        side,
        container: id,
        failure: done.err().map(|error| format!("{error:#}")),
    })
}

fn spec(setting: &Setting, stage: Stage<'_>) -> ContainerSpec {
    let mut spec = ContainerSpec::new("case", setting.image);
    if !setting.command.is_empty() {
        spec = spec.command(&words(&setting.command));
    }
    let engine = stage.engine.socket().to_string_lossy();
    for bind in &setting.binds {
        spec = spec.bind(&bind.replace(ENGINE, &engine));
    }
    for capability in &setting.capabilities {
        spec = spec.capability(capability);
    }
    if setting.privileged {
        spec = spec.privileged();
    }
    if !setting.seccomp {
        spec = spec.without_seccomp();
    }
    if setting.remote.is_some() {
        spec = spec.dns(&REMOTE.to_string());
    }
    spec
}

async fn perform(deed: &Deed, container: &Container) -> Result<()> {
    let mut command = match (&deed.script, &deed.program) {
        (Some(script), _) => Exec::new(&["sh", "-c", script]),
        (None, Some(program)) => Exec::new(&words(program)),
        (None, None) => {
            // The start was the deed. A busy engine says what the container is like only while it
            // is there.
            tokio::time::sleep(START_SEEN).await;
            return Ok(());
        }
    };
    if let Some(user) = &deed.user {
        command = command.user(user);
    }
    if let Some(typed) = &deed.terminal {
        command = command.terminal(typed);
    }
    let output = command.run(container).await?;
    ensure!(
        output.code == 0,
        "ended with {}: {}",
        output.code,
        output.text
    );
    Ok(())
}

fn words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}
