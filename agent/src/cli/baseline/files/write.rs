//! Writing a folder of profiles: all of them or, as far as that can be known before, none.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::baseline::file::Evidence;
use crate::baseline::{Profile, Workload};
use crate::cli::exit::exit_of_io;
use crate::cli::{Exit, Failure};

/// Most characters of a file's name that are the workload's; file systems take 255 in all.
const MOST_OF_NAME: usize = 200;

/// Writes a file for each workload into a folder, which is made if it is not there. Unless `force`,
/// nothing is written when one of the files exists.
pub(in crate::cli::baseline) fn write(
    folder: &Path,
    profiles: &BTreeMap<Workload, Profile>,
    evidence: Evidence,
    force: bool,
) -> Result<(), Failure> {
    let targets = profiles
        .keys()
        .map(|workload| folder.join(file_name(workload)));
    let targets: Vec<PathBuf> = targets.collect();
    // A link to nowhere is there too.
    let mut there = targets
        .iter()
        .filter(|path| path.symlink_metadata().is_ok());
    if let Some(path) = there.next().filter(|_| !force) {
        let message = format!(
            "{}: is there already, so nothing was written: use --force or another folder",
            path.display()
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    for (path, (workload, profile)) in targets.iter().zip(profiles) {
        let text = profile.to_yaml(workload, evidence);
        replace(path, &text).map_err(|error| failed(path, &error))?;
    }
    Ok(())
}

/// Whoever reads the file meanwhile, or after a crash, has the old text or the new one, never a part.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Hidden, so that no reader of the folder takes it.
    let new = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&new)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // What failed is told; that this fails as well would not help.
        let _ = fs::remove_file(&new);
    }
    written
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    let message = format!("{}: cannot be written: {error}", path.display());
    Failure::new(exit_of_io(error), message)
}

/// A name that no other workload has and from which people can tell the workload: what is neither a
/// letter, a digit, a dot nor an underscore is a hyphen, and a digest follows.
fn file_name(workload: &Workload) -> String {
    let plain = |(place, c): (usize, char)| match c {
        // A file with a dot in front would be hidden.
        '.' if place == 0 => '-',
        '.' | '_' => c,
        _ if c.is_ascii_alphanumeric() => c,
        _ => '-',
    };
    let name = workload.text().chars().enumerate().map(plain);
    let name: String = name.take(MOST_OF_NAME).collect();
    let digest = Sha256::digest(workload.text());
    let digest: String = digest
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{name}-{digest}.yaml")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::file;

    fn name(workload: &str) -> String {
        file_name(&Workload::from_text(workload))
    }

    fn profiles(workloads: &[&str]) -> BTreeMap<Workload, Profile> {
        let profiles = workloads.iter().map(|name| Workload::from_text(name));
        profiles
            .map(|workload| (workload, Profile::default()))
            .collect()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_named_for_its_workload() {
        for (workload, begin) in [
            (
                "image docker.io/library/nginx",
                "image-docker.io-library-nginx-",
            ),
            ("pod web/front/nginx", "pod-web-front-nginx-"),
            ("image ../../etc/x", "image-..-..-etc-x-"),
            (".hidden", "-hidden-"),
        ] {
            let name = name(workload);
            let rest = name
                .strip_prefix(begin)
                .and_then(|rest| rest.strip_suffix(".yaml"));
            assert_eq!(rest.map(str::len), Some(8), "{name}");
        }
        assert_eq!(name("image nginx"), "image-nginx-1438c40f.yaml");
        assert!(name(&"a".repeat(4_000)).len() < 256);
        assert_ne!(name(&"a".repeat(4_000)), name(&"a".repeat(4_001)));
    }

    #[test]
    fn no_two_workloads_share_a_file() {
        let two = profiles(&["pod a/b-c/d", "pod a-b/c/d"]);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &two, Evidence::With, false).unwrap();
        assert_eq!(names(folder.path()).len(), 2);
        let read = file::merged(file::read_folder(folder.path()).unwrap());
        assert!(read.keys().eq(two.keys()));
    }

    #[test]
    fn nothing_is_written_over_what_is_there_without_being_told_to() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join(name("image b"));
        fs::write(&there, "mine").unwrap();
        let both = profiles(&["image a", "image b"]);
        let failure = write(folder.path(), &both, Evidence::With, false).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.to_string().contains("--force"), "{failure}");
        assert_eq!(names(folder.path()), [name("image b")]);
        assert_eq!(fs::read_to_string(&there).unwrap(), "mine");
        write(folder.path(), &both, Evidence::With, true).unwrap();
        assert_eq!(names(folder.path()), [name("image a"), name("image b")]);
        assert!(
            fs::read_to_string(&there)
                .unwrap()
                .contains("workload: image b\n")
        );
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(name("image a"))).unwrap();
        let one = profiles(&["image a"]);
        let failure = write(folder.path(), &one, Evidence::With, true).unwrap_err();
        assert_eq!(failure.exit(), Exit::Failure);
        assert_eq!(names(folder.path()), [name("image a")]);
    }
}
