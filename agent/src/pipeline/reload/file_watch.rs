//! Notices that rule files may have changed. What they say is for a look to find out.

use std::collections::HashMap;
use std::ffi::c_int;
use std::io;
use std::path::Path;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use inotify::{EventMask, EventOwned, EventStream, Inotify, WatchDescriptor, WatchMask, Watches};

use super::places::{Interest, Places};

/// What directories tell by name.
const NAMES: WatchMask = WatchMask::CREATE
    .union(WatchMask::DELETE)
    .union(WatchMask::MOVED_FROM)
    .union(WatchMask::MOVED_TO)
    .union(WatchMask::DELETE_SELF)
    .union(WatchMask::MOVE_SELF)
    .union(WatchMask::ONLYDIR)
    .union(WatchMask::MASK_ADD);
/// What they tell of the files in them.
const CONTENTS: WatchMask = WatchMask::MODIFY
    .union(WatchMask::CLOSE_WRITE)
    .union(WatchMask::ATTRIB);
/// Room for what is read at once.
const BUFFER_BYTES: usize = 4 << 10;
/// Rest after a notice, so that a directory in which much happens wakes nobody all the time.
const REST: Duration = Duration::from_millis(100);

/// A watch on directories.
pub(super) struct FileWatch {
    events: EventStream<Vec<u8>>,
    /// `None` while [`Self::lend`] has it lent.
    watched: Option<Watched>,
    /// Something that matters was told.
    noticed: bool,
    /// Every directory is watched, as of the last look.
    whole: bool,
    broken: bool,
}

/// The directories that are watched.
pub(super) struct Watched {
    watches: Watches,
    by_id: HashMap<c_int, (WatchDescriptor, Interest)>,
}

impl FileWatch {
    /// A watch on nothing yet. Needs a tokio runtime.
    ///
    /// # Errors
    /// The kernel has no more of them.
    pub(super) fn new() -> io::Result<Self> {
        let events = Inotify::init()?.into_event_stream(vec![0; BUFFER_BYTES])?;
        let watched = Watched {
            watches: events.watches(),
            by_id: HashMap::new(),
        };
        Ok(Self {
            events,
            watched: Some(watched),
            noticed: false,
            whole: false,
            broken: false,
        })
    }

    /// Waits for a change that matters. May be dropped and called again.
    pub(super) async fn changed(&mut self) {
        while !self.noticed {
            if self.broken {
                return std::future::pending().await;
            }
            let event = self.events.next().await;
            self.take(event);
            tokio::time::sleep(REST).await;
            while let Some(event) = self.events.next().now_or_never() {
                self.take(event);
                if self.broken {
                    break;
                }
            }
        }
        self.noticed = false;
    }

    fn take(&mut self, event: Option<io::Result<EventOwned>>) {
        match event {
            Some(Ok(event)) => self.noticed |= self.matters(&event),
            Some(Err(error)) => self.give_up(&error.to_string()),
            None => self.give_up("it has ended"),
        }
    }

    fn give_up(&mut self, why: &str) {
        tracing::warn!(message = "The watch on rule files is gone.", why);
        self.broken = true;
    }

    fn matters(&self, event: &EventOwned) -> bool {
        // So much happened that the kernel did not keep all.
        if event.mask.contains(EventMask::Q_OVERFLOW) {
            return true;
        }
        let Some(watched) = &self.watched else {
            return true;
        };
        let id = event.wd.get_watch_descriptor_id();
        let Some((_, interest)) = watched.by_id.get(&id) else {
            return false;
        };
        match &event.name {
            Some(name) => interest.all || interest.names.contains(name),
            None => event
                .mask
                .intersects(EventMask::DELETE_SELF | EventMask::MOVE_SELF),
        }
    }

    /// The directories, for a thread that may wait for file systems.
    pub(super) fn lend(&mut self) -> Option<Watched> {
        self.watched.take()
    }

    /// Takes them back.
    pub(super) fn take_back(&mut self, watched: Watched) {
        self.watched = Some(watched);
    }

    /// Says whether all directories are watched.
    pub(super) fn set_whole(&mut self, whole: bool) {
        self.whole = whole;
    }

    /// Every change is told.
    pub(super) fn is_whole(&self) -> bool {
        self.whole && !self.broken
    }

    /// Nothing is told any more.
    pub(super) fn is_gone(&self) -> bool {
        self.broken
    }
}

impl Watched {
    /// Watches these directories and no others. Blocks.
    ///
    /// # Errors
    /// The first directory that is there and cannot be watched; the others are.
    pub(super) fn watch(&mut self, places: Places) -> Result<(), String> {
        let mut failed = None;
        let mut by_id: HashMap<c_int, (WatchDescriptor, Interest)> = HashMap::new();
        for (directory, interest) in places {
            match self.add(&directory, &interest) {
                Ok(descriptor) => {
                    let id = descriptor.get_watch_descriptor_id();
                    // A directory may be mounted at two places.
                    let (_, merged) = by_id
                        .entry(id)
                        .or_insert_with(|| (descriptor, Interest::default()));
                    merged.all |= interest.all;
                    merged.contents |= interest.contents;
                    merged.names.extend(interest.names);
                }
                // It went since, or is not there yet: the directory above tells.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) => {}
                Err(error) => {
                    failed.get_or_insert_with(|| format!("{}: {error}", directory.display()));
                }
            }
        }
        let before = std::mem::replace(&mut self.by_id, by_id);
        for (id, (descriptor, _)) in before {
            if !self.by_id.contains_key(&id) {
                // The kernel has ended the watch on what is gone.
                let _ = self.watches.remove(descriptor);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn add(&mut self, directory: &Path, interest: &Interest) -> io::Result<WatchDescriptor> {
        let mask = if interest.contents {
            NAMES | CONTENTS
        } else {
            NAMES
        };
        self.watches.add(directory, mask)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::super::places::places;
    use super::*;

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(300);

    fn watch(path: &PathBuf) -> FileWatch {
        let mut watch = FileWatch::new().unwrap();
        again(&mut watch, path);
        watch
    }

    fn again(watch: &mut FileWatch, path: &PathBuf) {
        let mut watched = watch.lend().unwrap();
        watched.watch(places([path])).unwrap();
        watch.take_back(watched);
    }

    async fn notices(watch: &mut FileWatch, limit: Duration) -> bool {
        tokio::time::timeout(limit, watch.changed()).await.is_ok()
    }

    #[tokio::test]
    async fn a_file_that_is_written_is_noticed_and_reading_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, "").unwrap();
        let mut watch = watch(&folder.path().to_owned());
        fs::read_to_string(&file).unwrap();
        assert!(!notices(&mut watch, SHORT).await);
        fs::write(&file, "x").unwrap();
        assert!(notices(&mut watch, LONG).await);
        fs::remove_file(&file).unwrap();
        assert!(notices(&mut watch, LONG).await);
    }

    #[tokio::test]
    async fn a_config_map_that_swaps_its_link_is_noticed_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let mount = folder.path().join("rules");
        fs::create_dir_all(mount.join("..v0")).unwrap();
        fs::write(mount.join("..v0/a.yaml"), "0").unwrap();
        symlink("..v0", mount.join("..data")).unwrap();
        symlink("..data/a.yaml", mount.join("a.yaml")).unwrap();
        let file = mount.join("a.yaml");
        let mut watch = watch(&file);
        for version in 1..4 {
            let directory = format!("..v{version}");
            fs::create_dir(mount.join(&directory)).unwrap();
            fs::write(mount.join(&directory).join("a.yaml"), &directory).unwrap();
            symlink(&directory, mount.join("..tmp")).unwrap();
            assert!(!notices(&mut watch, SHORT).await, "nothing has changed yet");
            fs::rename(mount.join("..tmp"), mount.join("..data")).unwrap();
            assert!(notices(&mut watch, LONG).await, "version {version}");
            again(&mut watch, &file);
        }
    }

    #[tokio::test]
    async fn a_file_that_comes_is_noticed_and_what_its_neighbours_do_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sub/a.yaml");
        let mut watch = watch(&file);
        fs::write(folder.path().join("other"), "x").unwrap();
        assert!(!notices(&mut watch, SHORT).await);
        fs::create_dir(folder.path().join("sub")).unwrap();
        assert!(notices(&mut watch, LONG).await);
        again(&mut watch, &file);
        fs::write(&file, "x").unwrap();
        assert!(notices(&mut watch, LONG).await);
    }
}
