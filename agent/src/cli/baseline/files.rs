//! Files with profiles.

mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;

pub(super) use self::write::write;
use crate::baseline::file::{self, Evidence};
use crate::baseline::{Profile, Workload};
use crate::cli::{Exit, Failure, Global, output};
use crate::config::OutputFormat;

/// What files and folders know, by workload; of one that several know of, together.
pub(super) fn read(paths: &[PathBuf]) -> Result<BTreeMap<Workload, Profile>, Failure> {
    Ok(file::merged(read_each(paths)?))
}

/// What files know, by what stands behind it.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Known {
    /// Those with evidence.
    pub(in crate::cli) learnt: BTreeMap<Workload, Profile>,
    /// Those without.
    pub(in crate::cli) reviewed: BTreeMap<Workload, Profile>,
}

impl Known {
    /// What files and folders know.
    pub(in crate::cli) fn read(paths: &[PathBuf]) -> Result<Self, Failure> {
        let files = read_each(paths)?;
        let (reviewed, learnt): (Vec<_>, Vec<_>) = files
            .into_iter()
            .partition(|(_, profile)| profile.is_reviewed());
        Ok(Self {
            learnt: file::merged(learnt),
            reviewed: file::merged(reviewed),
        })
    }
}

fn read_each(paths: &[PathBuf]) -> Result<Vec<(Workload, Profile)>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(file::read_folder(path)?);
        } else {
            files.push(read_one(path)?);
        }
    }
    Ok(files)
}

/// What one file knows.
pub(super) fn read_one(path: &Path) -> Result<(Workload, Profile), Failure> {
    Ok(file::read_file(path)?)
}

/// Where files go.
#[derive(Debug, Default, Args)]
pub(super) struct Target {
    /// Write a file for each workload into this folder, instead of printing the only one
    #[arg(long, value_name = "FOLDER")]
    pub(super) into: Option<PathBuf>,
    /// Write over files that are there
    #[arg(long, requires = "into")]
    force: bool,
}

/// What files are made of.
#[derive(Debug, Args)]
pub(super) struct Parts {
    /// Leave out the evidence: for review
    #[arg(long)]
    without_evidence: bool,
}

impl Parts {
    /// With evidence or without.
    pub(super) fn evidence(&self) -> Evidence {
        if self.without_evidence {
            Evidence::Without
        } else {
            Evidence::With
        }
    }
}

/// Refuses to make anything but files; `verb` is what would.
pub(super) fn only_yaml(global: &Global, verb: &str) -> Result<(), Failure> {
    if global.document()? == OutputFormat::Json {
        let message = format!(
            "{verb} makes files, which are YAML: 'gravlens baseline show --output json' prints what \
             they say"
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(())
}

impl Target {
    /// Writes or prints.
    pub(super) fn put(
        &self,
        profiles: &BTreeMap<Workload, Profile>,
        evidence: Evidence,
    ) -> Result<(), Failure> {
        match &self.into {
            Some(folder) => write(folder, profiles, evidence, self.force),
            None => output::text(&only(profiles, evidence)?),
        }
    }
}

/// The only one as a file: nothing reads several in one.
pub(super) fn only(
    profiles: &BTreeMap<Workload, Profile>,
    evidence: Evidence,
) -> Result<String, Failure> {
    if profiles.len() > 1 {
        let message = format!(
            "these are {} workloads, and a file is of one: write them into a folder, with --into FOLDER",
            profiles.len()
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut files = profiles.iter();
    Ok(files
        .next()
        .map_or_else(String::new, |(workload, profile)| {
            profile.to_yaml(workload, evidence)
        }))
}
