//! The file of results, one a line, the newest last.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::record::Record;

/// The results that are kept.
pub(super) struct Results(PathBuf);

impl Results {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// All results. A line that was not written to its end is none.
    pub(super) fn read(&self) -> Result<Vec<Record>> {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| self.0.display().to_string()),
        };
        Ok(text.lines().filter_map(Record::from_line).collect())
    }

    /// Adds one.
    pub(super) fn append(&self, record: &Record) -> Result<()> {
        let folder = self.0.parent().unwrap_or(&self.0);
        let line = format!("{}\n", record.to_line());
        fs::create_dir_all(folder)
            .and_then(|()| File::options().append(true).create(true).open(&self.0))
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .with_context(|| format!("writing {}", self.0.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_and_half_a_line_is_none() {
        let folder = std::env::temp_dir().join(format!("gravlens-soak-{}", std::process::id()));
        let results = Results::new(folder.join("results.jsonl"));
        assert!(results.read().unwrap().is_empty());
        let record = |entry: &str| Record {
            entry: entry.to_owned(),
            passed: true,
            commit: "c0ffee".to_owned(),
            date: String::new(),
            kernel: String::new(),
            cores: 1,
            seconds: 0,
            lines: Vec::new(),
        };
        results.append(&record("one")).unwrap();
        results.append(&record("two")).unwrap();
        let text = fs::read_to_string(&results.0).unwrap();
        fs::write(&results.0, &text[..text.len() - 4]).unwrap();
        let names: Vec<String> = results
            .read()
            .unwrap()
            .into_iter()
            .map(|r| r.entry)
            .collect();
        assert_eq!(names, ["one"]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
