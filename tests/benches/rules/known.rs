//! What the learner takes for an event that shows nothing new.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Result, ensure};
use gravlens::baseline::{LearnSettings, Learner};
use gravlens::model::{
    ContainerView, Event, EventFlags, ExeFile, ExecId, Ids, Image, Open, Path, Payload, Process,
    Provenance, Syscall, Unit,
};
use integration_test::bench::stats::median;

use crate::counting;

/// Files that the process opens in each window.
const FILES: usize = 256;
/// Windows that are measured.
const WINDOWS: u64 = 200;
/// Seconds of one.
const WINDOW: u64 = 60;

/// The median times of one event, and allocations.
pub(crate) struct Known {
    /// It came in this window already.
    pub(crate) again_ns: f64,
    /// It is known, and comes for the first time in this window.
    pub(crate) first_ns: f64,
    /// For each event that came already.
    pub(crate) again_allocations: f64,
    /// For each that comes for the first time.
    pub(crate) first_allocations: f64,
}

impl Known {
    /// Measures a learner alone, with a process that opens the same files in each window.
    pub(crate) fn measure() -> Result<Self> {
        let settings = LearnSettings {
            window: WINDOW,
            ..LearnSettings::default()
        };
        let mut learner = Learner::new(settings, BTreeMap::new());
        let mut events: Vec<Event<'static>> = (0..FILES).map(open).collect();
        let [mut first, mut again, mut looks] = [const { Vec::new() }; 3];
        let mut allocations = [0_u64; 2];
        for window in 0..WINDOWS {
            let time = UNIX_EPOCH + Duration::from_secs(1_700_000_000 + window * WINDOW);
            for event in &mut events {
                event.time = time;
            }
            // What it costs that a window ends is no part of it.
            learner.tick(time);
            for (times, allocated) in [&mut first, &mut again].into_iter().zip(&mut allocations) {
                let mut round = Vec::with_capacity(FILES);
                let count = counting::allocations(|| {
                    for event in &events {
                        let begun = Instant::now();
                        learner.observe(black_box(event), false);
                        round.push(begun.elapsed().as_nanos() as f64);
                    }
                });
                // All are new in the first window, and make room in the second.
                if window > 1 {
                    *allocated += count;
                    times.append(&mut round);
                }
            }
            looks.extend((0..FILES).map(|_| Instant::now().elapsed().as_nanos() as f64));
        }
        let learnt: usize = learner
            .profiles()
            .values()
            .map(|p| p.behaviours().count())
            .sum();
        ensure!(learnt == FILES, "{learnt} of {FILES} files were learnt");
        let look = median(&mut looks);
        let events = first.len() as f64;
        Ok(Self {
            again_ns: (median(&mut again) - look).max(0.0),
            first_ns: (median(&mut first) - look).max(0.0),
            again_allocations: allocations[1] as f64 / events,
            first_allocations: allocations[0] as f64 / events,
        })
    }
}

/// A file with a name of letters alone: no two of them become one pattern.
fn open(number: usize) -> Event<'static> {
    let letter = |number: usize| char::from(b'a' + (number % 26) as u8);
    let name = format!(
        "/srv/www/pages/{}{}.html",
        letter(number / 26),
        letter(number)
    );
    let open = Open {
        executable: false,
        path: path(Cow::Owned(name.into_bytes())),
        name: None,
        flags: 0,
        memfd: false,
        created: false,
        provenance: Provenance::Kernel,
        fd_shared: false,
        by_io_uring: false,
    };
    Event {
        number: 1,
        boot_ns: 2,
        time: UNIX_EPOCH,
        syscall: Syscall::Openat,
        result: Some(3),
        tid: 100,
        process: Arc::new(server()),
        container: ContainerView::Host(Some(Arc::new(service()))),
        payload: Payload::Open(open),
        flags: EventFlags::default(),
    }
}

fn service() -> Unit {
    Unit {
        name: "nginx.service".to_owned(),
        manager: None,
        cgroup_id: 1,
        cgroup_path: "/system.slice/nginx.service".to_owned(),
        created_boot_ns: None,
    }
}

/// One that ran before anybody watched.
fn server() -> Process {
    let bytes = |text: &str| -> Box<[u8]> { text.as_bytes().into() };
    Process {
        groups: None,
        exec_id: ExecId {
            tgid: 100,
            start_boottime_ns: 1,
            exec_seq: 1,
        },
        depth: 0,
        parent: None,
        parent_tgid: 1,
        vpid: Some(100),
        cgroup_id: 1,
        comm: bytes("nginx"),
        image: Arc::new(Image {
            known: true,
            exe: Some(ExeFile {
                path: path(bytes("/usr/sbin/nginx")),
                inode: 1,
                device: 1,
                layer: None,
                memfd: false,
                unlinked: false,
            }),
            ..Image::default()
        }),
        tty: None,
        ids: Some(Ids::default()),
        capabilities: None,
        pid_namespace: 1,
        mount_namespace: 1,
        seen_late: true,
    }
}

fn path<B>(bytes: B) -> Path<B> {
    Path {
        bytes,
        truncated: false,
        unreachable: false,
        deleted: false,
    }
}
