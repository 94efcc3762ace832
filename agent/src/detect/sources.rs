//! Where the rules of a set stand.

use std::path::PathBuf;

use super::bundled::bundled;
use super::load::{ReadError, RuleFile, read_optional_path, read_paths};

/// The places that a set is read from, in this order: what comes later changes what came before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSources {
    /// The bundled rules.
    pub bundled: bool,
    /// Files and directories, which must be there.
    pub paths: Vec<PathBuf>,
    /// The operator's own file or directory, which need not.
    pub local: Option<PathBuf>,
}

impl RuleSources {
    /// Reads all files, in load order. Blocks.
    ///
    /// # Errors
    /// A file cannot be read, or a directory among [`Self::paths`] holds none.
    pub fn read(&self) -> Result<Vec<RuleFile>, ReadError> {
        let mut files = if self.bundled { bundled() } else { Vec::new() };
        files.extend(read_paths(&self.paths)?);
        if let Some(local) = &self.local {
            files.extend(read_optional_path(local)?);
        }
        Ok(files)
    }

    /// The places in the file system, whether or not they are there.
    pub fn places(&self) -> impl Iterator<Item = &PathBuf> {
        self.paths.iter().chain(&self.local)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    fn names(sources: &RuleSources) -> Result<Vec<String>, String> {
        let files = sources.read().map_err(|error| error.to_string())?;
        let name = |file: RuleFile| {
            let name = Path::new(&file.path).file_name().unwrap();
            name.to_string_lossy().into_owned()
        };
        Ok(files.into_iter().map(name).collect())
    }

    #[test]
    fn the_operators_own_files_come_last_and_need_not_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let local = folder.path().join("local.d");
        fs::write(folder.path().join("z.yaml"), "").unwrap();
        let sources = RuleSources {
            bundled: false,
            paths: vec![folder.path().to_owned()],
            local: Some(local.clone()),
        };
        assert_eq!(names(&sources), Ok(vec!["z.yaml".to_owned()]));
        fs::create_dir(&local).unwrap();
        assert_eq!(names(&sources), Ok(vec!["z.yaml".to_owned()]));
        fs::write(local.join("a.yaml"), "").unwrap();
        let both = vec!["z.yaml".to_owned(), "a.yaml".to_owned()];
        assert_eq!(names(&sources), Ok(both));
    }

    #[test]
    fn what_is_there_and_cannot_be_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let sources = RuleSources {
            paths: vec![folder.path().to_owned()],
            ..RuleSources::default()
        };
        assert!(names(&sources).unwrap_err().contains("holds no *.yaml"));
        fs::write(folder.path().join("a.yaml"), "").unwrap();
        symlink("nowhere", folder.path().join("b.yaml")).unwrap();
        assert!(names(&sources).unwrap_err().contains("b.yaml"));
        let local = RuleSources {
            local: Some(folder.path().join("b.yaml/c.yaml")),
            ..RuleSources::default()
        };
        assert_eq!(names(&local), Ok(Vec::new()));
        let local = RuleSources {
            local: Some(folder.path().join("a.yaml/c.yaml")),
            ..RuleSources::default()
        };
        assert!(names(&local).is_err(), "a file is no directory");
    }
}
