//! `baseline import`: has the running agent take in what files know.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::super::exit::exit_of_io;
use super::super::{Exit, Failure, Global, output};
use super::live;
use crate::alert::printable;
use crate::baseline::file;
use crate::config::OutputFormat;
use crate::proto::imported_baseline::Outcome;
use crate::proto::{ImportBaselinesRequest, ImportedBaseline};

/// Bytes of a piece.
const PIECE: usize = 48 << 10;
/// Files of a call.
const BATCH: usize = 100;

/// Which files.
#[derive(Debug, Args)]
#[command(after_help = "\
What the agent knows already stays: the order makes no difference, and a file that is imported twice counts
once. Files without evidence are reviewed ones: they belong into the folder that the agent's setting
baselines.dir names. What is refused is told file by file, with exit code 2; the others are taken in.")]
pub(in crate::cli) struct ImportArgs {
    /// Files that `export`, `merge` or `simulate` wrote, or folders of them
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    file: &'a str,
    outcome: &'static str,
    workload: &'a str,
    reason: &'a str,
    line: Option<u32>,
    column: Option<u32>,
    is_new: bool,
    behaviours_before: u64,
    behaviours: u64,
}

/// `gravlens baseline import`
pub(super) fn run(global: &Global, args: &ImportArgs) -> Result<(), Failure> {
    let form = global.document()?;
    let files = read(&args.paths)?;
    let imported = live::ask(global, async |mut service| {
        let mut imported = Vec::new();
        for batch in files.chunks(BATCH) {
            let pieces: Vec<_> = batch.iter().flat_map(pieces).collect();
            let answer = service.import(tokio_stream::iter(pieces)).await?;
            imported.extend(answer.into_inner().files);
        }
        Ok(imported)
    })?;
    match form {
        OutputFormat::Text => output::text(&text(&imported))?,
        OutputFormat::Json => {
            let documents: Vec<_> = imported.iter().map(Document::from).collect();
            output::json(&documents)?;
        }
    }
    // The output says which.
    if imported.iter().any(is_refused) {
        return Err(Failure::silent(Exit::Usage));
    }
    Ok(())
}

/// Every file, before the first is sent.
fn read(paths: &[PathBuf]) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let failed = |path: &Path, error: std::io::Error| {
        let exit = match exit_of_io(&error) {
            Exit::Permission => Exit::Permission,
            _ => Exit::Usage,
        };
        Failure::new(exit, format!("{}: cannot be read: {error}", path.display()))
    };
    let mut files = Vec::new();
    for path in paths {
        let found = if path.is_dir() {
            file::list_folder(path).map_err(|error| failed(path, error))?
        } else {
            vec![path.clone()]
        };
        for path in found {
            let bytes = file::contents(&path).map_err(|error| failed(&path, error))?;
            files.push((path.display().to_string(), bytes));
        }
    }
    Ok(files)
}

fn pieces((name, bytes): &(String, Vec<u8>)) -> Vec<ImportBaselinesRequest> {
    let first = ImportBaselinesRequest {
        file: name.clone(),
        chunk: Vec::new(),
    };
    let rest = bytes.chunks(PIECE).map(|chunk| ImportBaselinesRequest {
        file: String::new(),
        chunk: chunk.to_vec(),
    });
    std::iter::once(first).chain(rest).collect()
}

fn is_refused(file: &ImportedBaseline) -> bool {
    file.outcome() != Outcome::Merged
}

fn text(files: &[ImportedBaseline]) -> String {
    let mut text = String::new();
    for file in files {
        text.push_str(&line(file));
        text.push('\n');
    }
    let refused = files.iter().filter(|file| is_refused(file)).count();
    let merged = files.len() - refused;
    text.push_str(&format!("{merged} taken in, {refused} refused\n"));
    text
}

fn line(file: &ImportedBaseline) -> String {
    let name = printable(&file.file);
    if is_refused(file) {
        let place = match (file.line, file.column) {
            (Some(line), Some(column)) => format!(":{line}:{column}"),
            _ => String::new(),
        };
        return format!("{name}{place}: refused: {}", printable(&file.reason));
    }
    let (before, now) = (file.behaviours_before, file.behaviours);
    let known = if file.is_new {
        format!("{now} behaviours of a workload that was not known")
    } else {
        format!("{now} behaviours, {before} before")
    };
    format!("{name}: {}: {known}", printable(&file.workload))
}

impl<'a> From<&'a ImportedBaseline> for Document<'a> {
    fn from(file: &'a ImportedBaseline) -> Self {
        Self {
            file: &file.file,
            outcome: if is_refused(file) {
                "refused"
            } else {
                "merged"
            },
            workload: &file.workload,
            reason: &file.reason,
            line: file.line,
            column: file.column,
            is_new: file.is_new,
            behaviours_before: file.behaviours_before,
            behaviours: file.behaviours,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_its_line() {
        let merged = ImportedBaseline {
            file: "a.yaml".to_owned(),
            outcome: Outcome::Merged.into(),
            workload: "image a".to_owned(),
            behaviours_before: 3,
            behaviours: 5,
            ..ImportedBaseline::default()
        };
        let new = ImportedBaseline {
            is_new: true,
            ..merged.clone()
        };
        let refused = ImportedBaseline {
            file: "b.yaml".to_owned(),
            outcome: Outcome::Refused.into(),
            reason: "no".to_owned(),
            line: Some(3),
            column: Some(5),
            ..ImportedBaseline::default()
        };
        assert_eq!(
            text(&[merged, new, refused]),
            "a.yaml: image a: 5 behaviours, 3 before\n\
             a.yaml: image a: 5 behaviours of a workload that was not known\n\
             b.yaml:3:5: refused: no\n2 taken in, 1 refused\n"
        );
    }

    #[test]
    fn a_file_is_sent_in_pieces_under_its_name() {
        let bytes = vec![7; 2 * PIECE + 1];
        let pieces = pieces(&("a".to_owned(), bytes.clone()));
        assert_eq!(pieces[0].file, "a");
        assert!(pieces[1..].iter().all(|piece| piece.file.is_empty()));
        assert!(pieces.iter().all(|piece| piece.chunk.len() <= PIECE));
        let sent: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.chunk).collect();
        assert_eq!(sent, bytes);
    }
}
