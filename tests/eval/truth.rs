//! What really happened while a capture was recorded.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::attacks::Mark;

/// Beside a capture.
pub(crate) const FILE: &str = "truth.json";

/// The truth of one recording.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Truth {
    /// Seconds since the Unix epoch.
    pub(crate) begin: f64,
    /// When the containers were taken down.
    pub(crate) end: f64,
    /// When each container was there, by id: its workload and its start.
    pub(crate) containers: BTreeMap<String, (String, f64)>,
    /// What was done to them.
    pub(crate) marks: Vec<Mark>,
}

impl Truth {
    /// The truth beside a capture.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let file = folder.join(FILE);
        let text =
            fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))
    }

    /// Writes it.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        Ok(fs::write(folder.join(FILE), text)?)
    }

    /// Hours that containers of a workload were there, summed up.
    pub(crate) fn hours(&self, workload: &str) -> f64 {
        let containers = self.containers.values();
        let seconds: f64 = containers
            .filter(|(name, _)| name == workload)
            .map(|(_, start)| (self.end - start).max(0.0))
            .sum();
        seconds / 3_600.0
    }

    /// How many containers of a workload were there.
    pub(crate) fn count(&self, workload: &str) -> usize {
        let containers = self.containers.values();
        containers.filter(|(name, _)| name == workload).count()
    }
}
