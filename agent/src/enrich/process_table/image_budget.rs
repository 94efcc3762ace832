//! A bound on the memory that long command lines and paths take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::model::{Charge, Environment, ExeFile, Image, Path, Process};
use crate::telemetry::{Counter, Failure};

/// Bytes of all images that a process, an ancestor or an event under way still refers to. Beyond
/// them, new images are kept in short: a few hundred bytes for each entry of the table and each
/// ancestor. The exec event itself is always whole.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Bytes that a shortened image keeps of its arguments, and of each of its names.
const SHORT: usize = 256;
/// What an image costs beside its strings: the struct and its allocations.
const OVERHEAD: usize = 512;

struct BudgetSpent;

impl Failure for BudgetSpent {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("process_image_shortened");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::warn!(
            message = "Long command lines fill the process table: further ones are kept in short.",
            limit_bytes = MAX_BYTES,
            total
        );
    }
}

/// The bytes in use.
#[derive(Debug, Default)]
pub(super) struct ImageBudget {
    used: Arc<AtomicUsize>,
}

impl ImageBudget {
    /// Charges the process's image. `Err` is the process as it can be kept when there is no room
    /// for the whole image, beside the whole.
    pub(super) fn charge(&self, mut process: Process) -> Result<Arc<Process>, Shortened> {
        // A shared image is charged already.
        if let Some(image) = Arc::get_mut(&mut process.image) {
            let bytes = cost(image);
            let fits = self.used.load(Ordering::Relaxed) + bytes <= MAX_BYTES;
            if !fits && bytes > OVERHEAD + SHORT {
                return Err(self.shortened(process));
            }
            image.charge = Some(Charge::new(&self.used, bytes));
        }
        Ok(Arc::new(process))
    }

    fn shortened(&self, process: Process) -> Shortened {
        BudgetSpent.emit();
        let mut image = short(&process.image);
        image.charge = Some(Charge::new(&self.used, cost(&image)));
        let kept = Process {
            image: Arc::new(image),
            ..process.clone()
        };
        Shortened {
            whole: Arc::new(process),
            kept: Arc::new(kept),
        }
    }
}

/// A process twice: for the event at hand, and to remember.
pub(super) struct Shortened {
    pub(super) whole: Arc<Process>,
    pub(super) kept: Arc<Process>,
}

fn cost(image: &Image) -> usize {
    let arguments: usize = image.argv.iter().map(|argument| argument.len() + 24).sum();
    let exe = image.exe.as_ref().map_or(0, |exe| exe.path.bytes.len());
    let interpreter = image.interpreter.as_ref().map_or(0, |bytes| bytes.len());
    let environment = image.environment.as_ref().map_or(0, Environment::bytes);
    OVERHEAD
        + arguments
        + environment
        + exe
        + interpreter
        + image.cmdline.len()
        + image.filename.len()
        + image.cwd.bytes.len()
}

/// A copy with short strings.
fn short(image: &Image) -> Image {
    Image {
        known: image.known,
        exe: image.exe.as_ref().map(|exe| ExeFile {
            path: path(&exe.path),
            ..exe.clone()
        }),
        filename: start_of(&image.filename, SHORT),
        interpreter: image
            .interpreter
            .as_ref()
            .map(|bytes| start_of(bytes, SHORT)),
        argv: arguments(&image.argv),
        argv_truncated: true,
        cmdline: start_of(&image.cmdline, SHORT),
        args_start: image.args_start,
        cwd: path(&image.cwd),
        stdio: image.stdio.clone(),
        environment: None,
        charge: None,
    }
}

fn arguments(argv: &[Box<[u8]>]) -> Vec<Box<[u8]>> {
    let mut left = SHORT;
    let mut kept = Vec::new();
    for argument in argv.iter().take(SHORT / 16) {
        kept.push(start_of(argument, left));
        left -= argument.len().min(left);
        if left == 0 {
            break;
        }
    }
    kept
}

fn path(path: &Path<Box<[u8]>>) -> Path<Box<[u8]>> {
    Path {
        bytes: start_of(&path.bytes, SHORT),
        truncated: path.truncated || path.bytes.len() > SHORT,
        ..path.clone()
    }
}

fn start_of(bytes: &[u8], max: usize) -> Box<[u8]> {
    bytes[..bytes.len().min(max)].into()
}
