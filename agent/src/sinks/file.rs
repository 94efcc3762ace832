//! Alerts in a file that is rotated by its size.

mod rotation;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::spawn_blocking;

pub use rotation::RotatingFile;

use super::output::{Refusal, Target};
use super::render;
use crate::config::RecordFormat;
use crate::proto;

/// The file as a target.
#[derive(Debug)]
pub struct FileTarget {
    file: Arc<Mutex<RotatingFile>>,
    format: RecordFormat,
    node: String,
}

impl FileTarget {
    /// Writes to a file in a form; `node` is the name of this node.
    pub fn new(file: RotatingFile, format: RecordFormat, node: String) -> Self {
        Self {
            file: Arc::new(Mutex::new(file)),
            format,
            node,
        }
    }
}

impl Target for FileTarget {
    type Item = Arc<str>;

    fn form(&self, record: &proto::Record) -> Option<Self::Item> {
        render::record(record, self.format, &self.node).map(Arc::from)
    }

    async fn deliver(&mut self, items: &[Self::Item]) -> Result<usize, Refusal> {
        let (file, items) = (Arc::clone(&self.file), items.to_vec());
        let written = spawn_blocking(move || {
            // A write that panicked left no more than one that failed: the next looks at the file.
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.append(&items)
        });
        let written = written.await.map_err(io::Error::other);
        written.flatten().map_err(Refusal::later)
    }
}

#[cfg(test)]
mod tests;
