//! Shows a file while a command writes it.
//!
//! A file rather than a pipe: whoever is interrupted goes on writing while it cleans up, when
//! nobody reads any more.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(200);
/// After so much silence the time that has passed is told.
const SILENCE: Duration = Duration::from_secs(30);

/// Shows the file until it is dropped, and then what is left of it.
pub(super) struct Follower {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Shows the file from where it is read next; `name` is whose output it is.
    pub(super) fn start(file: File, name: &'static str) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let thread = thread::spawn(move || {
            // Whoever does not read any more has had enough.
            let _ = follow(file, name, &seen, &mut io::stdout());
        });
        Self {
            over,
            thread: Some(thread),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it does not panic
        }
    }
}

fn follow(
    mut file: File,
    name: &str,
    over: &AtomicBool,
    output: &mut impl io::Write,
) -> io::Result<()> {
    let started = Instant::now();
    let mut told = started;
    loop {
        // Asked first: what was written before the end is copied after it.
        let last = over.load(Ordering::Acquire);
        if io::copy(&mut file, output)? > 0 {
            output.flush()?;
            told = Instant::now();
        } else if told.elapsed() >= SILENCE {
            told = Instant::now();
            writeln!(output, "{name}: {} s so far", started.elapsed().as_secs())?;
        }
        if last {
            return Ok(());
        }
        thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn all_that_was_written_is_shown() {
        let path = std::env::temp_dir().join(format!("gravlens-follow-{}", std::process::id()));
        let mut writer = File::create(&path).unwrap();
        let reader = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        writer.write_all(b"first\n").unwrap();
        let over = AtomicBool::new(false);
        let mut shown = Vec::new();
        thread::scope(|scope| {
            scope.spawn(|| follow(reader, "it", &over, &mut shown).unwrap());
            thread::sleep(POLL);
            writer.write_all(b"last\n").unwrap();
            over.store(true, Ordering::Release);
        });
        assert_eq!(shown, b"first\nlast\n");
    }
}
