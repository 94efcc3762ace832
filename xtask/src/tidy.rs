//! `cargo xtask tidy`: what neither the compiler nor clippy holds.

mod code;
mod generated;
mod licences;
mod links;
mod manifests;
mod size;
mod tests_named;
mod unsafe_code;
mod words;

use std::fmt;
use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::run::{answer_in, workspace_root};

/// Check that code, docs and lists are in step.
///
/// Files' length, where unsafe code may stand, words and paths that do not belong into the
/// repository, links between documents, tests that they name, inherited lints, generated docs, and the licences of all
/// dependencies. Exit code 1 if something is out of step.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Rewrite the generated parts of the docs instead of comparing them
    #[arg(long)]
    write: bool,
}

/// A file of the repository that holds text.
struct Source {
    /// Relative to the repository's root.
    path: String,
    text: String,
}

/// Something out of step, and where.
struct Problem {
    path: String,
    line: usize,
    what: String,
}

impl Problem {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        let (path, what) = (path.to_owned(), what.into());
        Self { path, line, what }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Runs `cargo xtask tidy`.
pub(crate) fn verb(args: &Args) -> Result<()> {
    let started = Instant::now();
    let sources = sources()?;
    let mut problems = Vec::new();
    for source in &sources {
        problems.extend(size::check(source));
        problems.extend(unsafe_code::check(source));
        problems.extend(words::check(source));
        problems.extend(links::check(source));
        problems.extend(manifests::check(source));
    }
    problems.extend(tests_named::check(&sources));
    problems.extend(generated::check(&sources, args.write)?);
    let licences = licences::check(&sources)?;
    problems.extend(licences.problems);
    for problem in &problems {
        println!("{problem}");
    }
    if !problems.is_empty() {
        bail!(
            "{} out of step; mend them and run `cargo xtask tidy`",
            problems.len()
        );
    }
    println!(
        "tidy: {} files and the licences of {} dependencies are in order ({:.1?})",
        sources.len(),
        licences.checked,
        started.elapsed()
    );
    Ok(())
}

/// All text files that are tracked or could be, so that a new file is checked before its commit.
fn sources() -> Result<Vec<Source>> {
    let arguments = [
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ];
    let list = answer_in(workspace_root(), "git", &arguments)
        .context("`git ls-files` failed; tidy works on a git checkout")?;
    let mut sources = Vec::new();
    for path in list.split('\0').filter(|path| !path.is_empty()) {
        // A file may be deleted but not yet committed so; what is not UTF-8 is no text.
        if let Ok(text) = fs::read_to_string(workspace_root().join(path)) {
            let path = path.to_owned();
            sources.push(Source { path, text });
        }
    }
    Ok(sources)
}
