//! `cargo xtask setup`: from a machine with git and Rust to one that builds and tests Gravlens.

mod apt;
mod bpf_linker;
mod elf;
mod elsewhere;
mod part;
mod python;
mod service_policy;

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Result, bail};

pub(crate) use part::Part;
use part::State;

/// Bring what building and testing need and this machine lacks.
///
/// Works on Debian 12 as root. Elsewhere it prints the steps for what is missing and fails. Installs
/// nothing that is there already, so a second run takes seconds; starts no service.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only report; exit 1 if something is missing
    #[arg(long)]
    check: bool,
    /// Parts to leave out, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART,...")]
    without: Vec<Part>,
}

/// Runs `cargo xtask setup`.
pub(crate) fn verb(args: &Args) -> Result<()> {
    let started = Instant::now();
    let wanted = wanted(&args.without);
    let missing = report(&wanted);
    if missing.is_empty() {
        println!("setup: nothing to do ({:.1?})", started.elapsed());
        return Ok(());
    }
    if args.check {
        bail!(
            "{} missing; run `cargo xtask setup`",
            part::names(missing.iter().map(|(part, _)| *part))
        );
    }
    install(&missing)?;
    println!("setup: done ({:.0?})", started.elapsed());
    Ok(())
}

/// Brings what is missing for another verb, and says nothing of what is there.
pub(crate) fn ensure(without: &[Part]) -> Result<()> {
    let mut missing = Vec::new();
    for part in wanted(without) {
        if let State::Missing(lacks) = part.probe() {
            say("missing", part, &lacks.what);
            missing.push((part, lacks));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    install(&missing)
}

fn wanted(without: &[Part]) -> Vec<Part> {
    let mut wanted = part::ALL.to_vec();
    wanted.retain(|part| !without.contains(part));
    wanted
}

/// Prints a line per part and gives those that lack something.
fn report(wanted: &[Part]) -> Vec<(Part, Missing)> {
    let mut missing = Vec::new();
    for part in wanted {
        match part.probe() {
            State::Present(what) => say("present", *part, &what),
            State::Missing(lacks) => {
                say("missing", *part, &lacks.what);
                missing.push((*part, lacks));
            }
        }
    }
    missing
}

fn install(missing: &[(Part, Missing)]) -> Result<()> {
    let (packaged, own): (Vec<_>, Vec<_>) = missing
        .iter()
        .partition(|(_, lacks)| !lacks.packages.is_empty());
    if !packaged.is_empty() {
        if let Err(why) = apt::usable() {
            own.iter().try_for_each(|(part, _)| complete(*part))?;
            elsewhere::print_steps(packaged.iter().map(|(part, _)| *part));
            bail!("{why}: take the steps above, then run `cargo xtask setup` again");
        }
        for (part, lacks) in &packaged {
            say("installing", *part, &lacks.packages.join(" "));
        }
        let packages = packaged.iter().flat_map(|(_, lacks)| &lacks.packages);
        apt::install(&packages.copied().collect::<BTreeSet<&str>>())?;
    }
    missing.iter().try_for_each(|(part, _)| complete(*part))
}

/// Does what packages do not, and looks again.
fn complete(part: Part) -> Result<()> {
    part.finish()?;
    match part.probe() {
        State::Present(what) => say("installed", part, &what),
        State::Missing(lacks) => bail!(
            "{} was installed, yet: {} (its output stands above; `cargo xtask setup --check` looks again)",
            part.name(),
            lacks.what
        ),
    }
    Ok(())
}

/// What a part lacks: for people, and the Debian packages that bring it.
pub(crate) struct Missing {
    what: String,
    packages: Vec<&'static str>,
}

fn say(state: &str, part: Part, detail: &str) {
    println!("setup: {state:<10} {:<10} {detail}", part.name());
}
