//! The files of captures: which belong together, and in which order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::input::Input;
use super::layout::{Damage, Fault};
use super::reader::{PartReader, Step};
use crate::proto::capture::Header;

/// Why captures cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A path cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The answer.
        source: io::Error,
    },
    /// There is no capture.
    #[error("{}: there is no capture", .0.display())]
    Nothing(PathBuf),
    /// A header cannot be used.
    #[error("{0}")]
    Header(Damage),
    /// Two files are the same part of a capture.
    #[error("{} and {} are the same part of a capture: name one of them", .0.display(), .1.display())]
    Twice(PathBuf, PathBuf),
}

/// The path of a part: `FILE`, `FILE.2`, `FILE.3`, …
pub(super) fn part_path(base: &Path, part: u32) -> PathBuf {
    if part <= 1 {
        return base.to_owned();
    }
    let mut path = base.as_os_str().to_owned();
    path.push(format!(".{part}"));
    path.into()
}

/// Number and path of those files that have the names of parts.
pub(super) fn parts_on_disk(base: &Path) -> io::Result<BTreeMap<u32, PathBuf>> {
    let mut parts = BTreeMap::new();
    if base.try_exists()? {
        parts.insert(1, base.to_owned());
    }
    let folder = match base.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let prefix = base.file_name().unwrap_or_default().to_string_lossy();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let rest = name.strip_prefix(&*prefix);
        let number = rest.and_then(|rest| rest.strip_prefix('.'));
        let number = number.and_then(|number| number.parse::<u32>().ok());
        if let Some(number) = number.filter(|number| *number > 1) {
            // As a recorder writes it: `+2` and `02` are no parts.
            let path = part_path(base, number);
            if path.file_name().unwrap_or_default().to_string_lossy() == name {
                parts.insert(number, path);
            }
        }
    }
    Ok(parts)
}

/// The captures in these files and directories, the oldest first. A file stands for all parts of its
/// capture that lie beside it; in a directory, what is no capture is passed over.
///
/// # Errors
/// See [`OpenError`].
pub fn captures(paths: &[PathBuf]) -> Result<Vec<Capture>, OpenError> {
    let mut found: BTreeMap<u64, BTreeMap<u32, (PathBuf, Header)>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for path in paths {
        let mut any = false;
        for file in files(path)? {
            let io = |source| OpenError::Io {
                path: file.path.clone(),
                source,
            };
            if !seen.insert(fs::canonicalize(&file.path).map_err(io)?) {
                any = true;
                continue;
            }
            let header = match PartReader::open(&file.path) {
                Ok(reader) => reader.header().clone(),
                // Killed as it began: the parts before it say that the capture was cut off.
                Err(Damage {
                    fault: Fault::Cut | Fault::NoCapture,
                    ..
                }) if !file.named => continue,
                Err(damage) => return Err(OpenError::Header(damage)),
            };
            let parts = found.entry(header.capture_id).or_default();
            if let Some((other, _)) = parts.get(&header.part) {
                return Err(OpenError::Twice(other.clone(), file.path));
            }
            parts.insert(header.part, (file.path, header));
            any = true;
        }
        if !any {
            return Err(OpenError::Nothing(path.clone()));
        }
    }
    let mut captures = Vec::new();
    for parts in found.into_values() {
        captures.extend(Capture::open(parts.into_values().collect())?);
    }
    captures.sort_by_key(|capture| {
        let begun = capture.header.begun.unwrap_or_default();
        (begun.unix_ns, capture.header.capture_id)
    });
    Ok(captures)
}

struct NamedFile {
    path: PathBuf,
    /// On the command line, not found beside or in what was.
    named: bool,
}

fn files(path: &Path) -> Result<Vec<NamedFile>, OpenError> {
    let io = |source| OpenError::Io {
        path: path.to_owned(),
        source,
    };
    let paths: Vec<PathBuf> = if path.is_dir() {
        let mut paths = Vec::new();
        for entry in fs::read_dir(path).map_err(io)? {
            let entry = entry.map_err(io)?;
            if entry.file_type().map_err(io)?.is_file() {
                paths.push(entry.path());
            }
        }
        paths.sort();
        paths
    } else {
        parts_on_disk(path).map_err(io)?.into_values().collect()
    };
    if paths.is_empty() && !path.is_dir() {
        return Err(io(io::ErrorKind::NotFound.into()));
    }
    let named = |file: &PathBuf| file == path;
    Ok(paths
        .into_iter()
        .map(|path| NamedFile {
            named: named(&path),
            path,
        })
        .collect())
}

/// A capture, over all its files.
#[derive(Debug)]
pub struct Capture {
    header: Header,
    reader: PartReader<BufReader<File>>,
    /// Later parts, the next first.
    rest: VecDeque<(PathBuf, Header)>,
    /// The part that is read is the first there is.
    first: bool,
    over: bool,
}

impl Capture {
    /// Of parts in order; `None` without any.
    fn open(parts: Vec<(PathBuf, Header)>) -> Result<Option<Self>, OpenError> {
        let mut rest = VecDeque::from(parts);
        let Some((path, _)) = rest.pop_front() else {
            return Ok(None);
        };
        let reader = PartReader::open(&path).map_err(OpenError::Header)?;
        Ok(Some(Self {
            header: reader.header().clone(),
            reader,
            rest,
            first: true,
            over: false,
        }))
    }

    /// The header of its first file.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next input; `None` at the end of a recording that ended in order. The state of the node
    /// is among the inputs as the first file begins, and nowhere else: later it is known.
    ///
    /// # Errors
    /// What is wrong, and where. Nothing follows it.
    pub fn next_input(&mut self) -> Result<Option<Input>, Damage> {
        while !self.over {
            match self.reader.step() {
                Ok(Step::Input(input)) => return Ok(Some(input)),
                Ok(Step::State(input)) if self.first => return Ok(Some(as_state(input))),
                Ok(Step::State(_)) => {}
                Ok(Step::End) => {
                    self.over = true;
                    if let Some((path, _)) = self.rest.pop_front() {
                        return Err(at_begin(path, Fault::AfterEnd));
                    }
                }
                Ok(Step::OutOfBlocks) => {
                    if let Err(damage) = self.next_part() {
                        self.over = true;
                        return Err(damage);
                    }
                }
                Err(damage) => {
                    self.over = true;
                    return Err(damage);
                }
            }
        }
        Ok(None)
    }

    /// That the input which came last is wrong.
    pub fn damage(&self, fault: Fault) -> Damage {
        self.reader.damage_of_block(fault)
    }

    fn next_part(&mut self) -> Result<(), Damage> {
        let Some((path, header)) = self.rest.pop_front() else {
            return Err(self.reader.damage_here(Fault::Cut));
        };
        let expected = self.reader.header().part.saturating_add(1);
        if header.part != expected {
            return Err(at_begin(path, Fault::MissingPart(expected)));
        }
        if header.first_block != self.reader.next_block() {
            // The part before it was cut, and this one is whole.
            return Err(self.reader.damage_here(Fault::Sequence {
                expected: self.reader.next_block(),
                found: header.first_block,
            }));
        }
        self.reader = PartReader::open(&path)?;
        self.first = false;
        Ok(())
    }
}

/// A configuration that was known before is no news: it answers when it is asked for.
fn as_state(input: Input) -> Input {
    match input {
        Input::Resolvers(message) => Input::KnownResolvers(message),
        other => other,
    }
}

fn at_begin(path: PathBuf, fault: Fault) -> Damage {
    Damage {
        path,
        offset: 0,
        fault,
    }
}
