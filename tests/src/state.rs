//! The folders that a run uses.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};

use crate::undo;

/// Names the state folder.
pub const STATE_VARIABLE: &str = "GRAVLENS_TEST_STATE";

const LOCK_LIMIT: Duration = Duration::from_secs(900);

/// The state folder, held for one run at a time.
///
/// What may be cached lives in `target/integration` (Docker's data root, image archives). What must
/// have a short name, for a unix socket's is limited to 108 bytes, lives in a folder below the
/// system's temporary one.
#[derive(Debug)]
pub struct State {
    root: PathBuf,
    run: PathBuf,
    _lock: File,
    _run_guard: undo::Guard,
}

impl State {
    /// Opens the state folder: waits for another run that uses it, undoes what a killed one left.
    pub fn open() -> Result<Self> {
        let root = match std::env::var_os(STATE_VARIABLE) {
            Some(path) => PathBuf::from(path),
            None => default_root()?,
        };
        fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
        let root = root.canonicalize()?;
        let lock = lock(&root.join("lock"))?;
        undo::open_journal(&root.join("journal"))?;
        let run = run_folder(&root);
        let run_guard = undo::register(undo::Leftover::Path(run.clone()));
        fs::create_dir_all(&run).with_context(|| format!("cannot make {}", run.display()))?;
        Ok(Self {
            root,
            run,
            _lock: lock,
            _run_guard: run_guard,
        })
    }

    /// A path in the folder that is kept for later runs.
    pub fn cached(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A path in the folder that goes with this run.
    pub fn run_path(&self, name: &str) -> PathBuf {
        self.run.join(name)
    }
}

/// The folder that goes with each run that uses this state folder, given without symbolic links.
pub fn run_folder(root: &Path) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    root.hash(&mut hasher);
    std::env::temp_dir().join(format!("gravlens-{:08x}", hasher.finish() as u32))
}

/// `integration` in Cargo's target folder, which Cargo marks with a tag.
fn default_root() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    match target {
        Some(target) => Ok(target.join("integration")),
        None => bail!(
            "{} does not lie in a Cargo target folder: set {STATE_VARIABLE} to a folder to use",
            program.display()
        ),
    }
}

fn lock(path: &Path) -> Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    let deadline = Instant::now() + LOCK_LIMIT;
    let mut told = false;
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() >= deadline {
            bail!(
                "another run holds {} for too long: end it, or set {STATE_VARIABLE}",
                path.display()
            );
        }
        if !std::mem::replace(&mut told, true) {
            eprintln!("waiting for another run that holds {}", path.display());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(file)
}
