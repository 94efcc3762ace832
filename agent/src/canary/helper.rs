//! The helper's own side: waits for the word, then makes round after round until the agent is gone.

use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::deeds::DEEDS;

/// Runs in the helper. Standard input is a pipe from the agent: its first byte begins the rounds,
/// its end, which comes however the agent ends, ends them.
///
/// # Errors
/// Standard input cannot be waited for.
pub fn run(cgroup: &Path, interval: Duration) -> io::Result<()> {
    if !read_word()? {
        return Ok(());
    }
    loop {
        for (_, deed) in DEEDS {
            // A failed call reaches its hook too.
            drop(deed(cgroup));
        }
        if is_readable_within(interval)? && !read_word()? {
            return Ok(());
        }
    }
}

/// Reads a byte; false at the end.
fn read_word() -> io::Result<bool> {
    Ok(io::stdin().lock().read(&mut [0])? > 0)
}

fn is_readable_within(limit: Duration) -> io::Result<bool> {
    let stdin = io::stdin();
    let mut watched = [PollFd::new(&stdin, PollFlags::IN)];
    let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
    Ok(poll(&mut watched, Some(&limit))? > 0)
}
