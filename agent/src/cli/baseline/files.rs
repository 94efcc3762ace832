//! Files with profiles.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::baseline::file::{self, Evidence, FileError};
use crate::baseline::{Profile, Workload};
use crate::cli::{Exit, Failure};

/// What files and folders know, by workload; of one that several know of, together.
pub(super) fn read(paths: &[PathBuf]) -> Result<BTreeMap<Workload, Profile>, Failure> {
    let mut known: BTreeMap<Workload, Profile> = BTreeMap::new();
    for path in paths {
        let profiles = if path.is_dir() {
            file::read_folder(path).map_err(refused)?
        } else {
            let (workload, profile) = read_one(path)?;
            BTreeMap::from([(workload, profile)])
        };
        for (workload, profile) in profiles {
            known.entry(workload).or_default().merge(&profile);
        }
    }
    Ok(known)
}

/// What one file knows.
pub(super) fn read_one(path: &Path) -> Result<(Workload, Profile), Failure> {
    let bytes = fs::read(path).map_err(|error| {
        let message = format!("{}: cannot be read: {error}", path.display());
        Failure::new(Exit::Failure, message)
    })?;
    file::read_bytes(&bytes, &path.display().to_string()).map_err(refused)
}

/// Writes a file for each workload into a folder, which is made if it is not there. None that exists
/// is written over unless `force`.
pub(super) fn write(
    folder: &Path,
    profiles: &BTreeMap<Workload, Profile>,
    evidence: Evidence,
    force: bool,
) -> Result<(), Failure> {
    let failed = |path: &Path, error: &std::io::Error| {
        let message = format!("{}: cannot be written: {error}", path.display());
        Failure::new(Exit::Failure, message)
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    for (workload, profile) in profiles {
        let path = folder.join(file_name(workload));
        let mut options = fs::OpenOptions::new();
        options.write(true);
        if force {
            options.create(true).truncate(true);
        } else {
            options.create_new(true);
        }
        let text = profile.to_yaml(workload, evidence);
        options
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}

/// A name from which the workload can be told: what is neither a letter, a digit, a dot nor an
/// underscore is a hyphen.
fn file_name(workload: &Workload) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' || c == '_' {
            c
        } else {
            '-'
        }
    };
    let name: String = workload.text().chars().map(plain).collect();
    format!("{name}.yaml")
}

fn refused(error: FileError) -> Failure {
    Failure::new(Exit::Failure, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_for_its_workload() {
        for (workload, name) in [
            (
                "image docker.io/library/nginx",
                "image-docker.io-library-nginx.yaml",
            ),
            ("pod web/front/nginx", "pod-web-front-nginx.yaml"),
            ("image ../../etc/x", "image-..-..-etc-x.yaml"),
        ] {
            assert_eq!(file_name(&Workload::from_text(workload)), name);
        }
    }
}
