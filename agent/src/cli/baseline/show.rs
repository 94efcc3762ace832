//! `baseline show`: what profiles say.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::super::{Failure, Global, output};
use super::files;
use crate::baseline::file::Evidence;
use crate::config::OutputFormat;

/// Which profiles.
#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    /// Files with profiles, or folders of them; what several know of one workload is put together
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
}

/// A behaviour.
#[derive(Serialize)]
struct Behaviour<'a> {
    workload: &'a str,
    role: &'a str,
    phase: &'static str,
    class: &'static str,
    object: String,
    trust: &'static str,
}

/// `gravlens baseline show`
pub(super) fn run(global: &Global, args: &ShowArgs) -> Result<(), Failure> {
    let form = global.document()?;
    let profiles = files::read(&args.paths)?;
    if form == OutputFormat::Json {
        let behaviours = profiles.iter().flat_map(|(workload, profile)| {
            let behaviours = profile.behaviours();
            behaviours.map(|(role, phase, class, object, seen)| Behaviour {
                workload: workload.text(),
                role: role.text(),
                phase: phase.name(),
                class: class.name(),
                object,
                trust: seen.trust().name(),
            })
        });
        return output::json(&behaviours.collect::<Vec<_>>());
    }
    for (workload, profile) in &profiles {
        output::text(&profile.to_yaml(workload, Evidence::Without))?;
    }
    Ok(())
}
