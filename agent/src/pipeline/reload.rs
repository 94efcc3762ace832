//! Takes over rules that changed, without a restart.
//!
//! ```text
//! SIGHUP, files, gRPC ─> a look at all files ─> the same in a second look ─> load ─> detection task
//! ```
//!
//! The files count by content. A set is loaded beside the data path and handed over whole: the
//! detection task puts it in force between two events. A set that cannot be used changes nothing, and
//! is told once.

mod file_watch;
mod looks;
mod news;
mod places;
#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime};

use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};

use super::rules::{RuleLoader, Rules, refusal_lines};
use crate::alert::{SensorFinding, WeakAlertSender};
use crate::detect::{EventTypes, RuleFile, RuleSources, set_digest};
use crate::sinks::reload::{ReloadAnswer, ReloadOutcome, ReloadRequest};
use crate::telemetry::{Board, Counter, FailedReload, Failure};
use file_watch::{FileWatch, Watched};
use looks::{Content, LookOutcome, Looks};

/// A set for the detection task, with the way to say that it is in force.
#[derive(Debug)]
pub(super) struct NewRules {
    pub(super) rules: Rules,
    pub(super) taken: oneshot::Sender<()>,
}

/// How often the files are looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// From a notice to a look, and from one look to the next.
    quiet: Duration,
    /// Between looks for which nothing was noticed: other machines change files of shared file
    /// systems without a notice.
    sweep: Duration,
    /// The same where the files cannot be watched.
    unwatched: Duration,
    /// Between tries to put a finding into a full queue.
    retry: Duration,
    /// How long whoever asked waits for files that go on changing.
    patience: Duration,
}

impl Pace {
    pub(super) const USUAL: Self = Self {
        quiet: Duration::from_millis(500),
        sweep: Duration::from_secs(60),
        unwatched: Duration::from_secs(3),
        retry: Duration::from_millis(200),
        patience: Duration::from_secs(20),
    };
}

/// What a reloader is made of.
pub(super) struct Parts {
    pub(super) loader: RuleLoader,
    /// What is in force.
    pub(super) current: Rules,
    /// Event types of the attached hooks.
    pub(super) seen: EventTypes,
    /// Whether the files are watched.
    pub(super) watch: bool,
    pub(super) hangup: Signal,
    pub(super) requests: mpsc::Receiver<ReloadRequest>,
    /// To the detection task.
    pub(super) rules: mpsc::Sender<NewRules>,
    pub(super) board: Board,
    pub(super) alerts: WeakAlertSender,
    pub(super) pace: Pace,
}

/// The task.
pub(super) struct Reloader {
    parts: Parts,
    looks: Looks,
    /// The answer to whoever asks again for what has failed.
    failure: (ReloadOutcome, Vec<String>),
    round: Round,
    /// `None`: the files cannot be watched.
    files: Option<FileWatch>,
    swept: Instant,
}

/// From the first notice to what comes of it.
#[derive(Debug)]
struct Round {
    /// When the next look is due; `None` between rounds.
    due: Option<Instant>,
    looked: Instant,
    begun: Instant,
    cause: Cause,
    asked: Vec<ReloadRequest>,
}

/// Why the files were looked at: the weightiest of all reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Files,
    Signal,
    Request,
}

struct NotReloaded<'a> {
    why: &'a str,
    cause: &'a str,
}

impl Failure for NotReloaded<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("rules_not_reloaded");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "The rule files cannot be used: the old set stays.",
            why = self.why,
            cause = self.cause,
            total
        );
    }
}

struct Unwatched<'a> {
    why: &'a str,
}

impl Failure for Unwatched<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("rule_files_not_watched");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::warn!(
            message = "The rule files cannot be watched: they are read every few seconds instead.",
            why = self.why,
            total
        );
    }
}

/// What a look brings back from its thread.
struct Seen {
    read: Result<(Vec<RuleFile>, String), String>,
    watched: Option<(Watched, Result<(), String>)>,
}

impl Round {
    /// Why the files are looked at, in words.
    fn cause(&self) -> String {
        match (self.cause, self.asked.first()) {
            (Cause::Files, _) => "the files changed".to_owned(),
            (Cause::Signal, _) => "on SIGHUP".to_owned(),
            (Cause::Request, Some(asked)) => format!("asked for by {}", asked.by),
            // The answer that the files go on changing is out.
            (Cause::Request, None) => "asked for".to_owned(),
        }
    }
}

impl Reloader {
    pub(super) fn new(parts: Parts) -> Self {
        let now = Instant::now();
        let digest = parts.current.snapshot.facts.digest.clone();
        let round = Round {
            due: None,
            looked: now,
            begun: now,
            cause: Cause::Files,
            asked: Vec::new(),
        };
        let mut reloader = Self {
            parts,
            looks: Looks::new(digest),
            failure: (ReloadOutcome::Unchanged, Vec::new()),
            round,
            files: None,
            swept: now,
        };
        if reloader.parts.watch {
            reloader.watch_anew();
            // They may have changed since the start read them.
            reloader.note(Cause::Files);
        }
        reloader
    }

    fn watch_anew(&mut self) {
        self.files = match FileWatch::new() {
            Ok(files) => Some(files),
            Err(error) => {
                let why = error.to_string();
                Unwatched { why: &why }.emit();
                None
            }
        };
    }

    /// Reloads for ever.
    pub(super) async fn run(mut self) {
        loop {
            let sweep = self.next_sweep();
            let due = self.round.due;
            let at = |time: Option<Instant>| async move {
                match time {
                    Some(time) => sleep_until(time).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed(self.files.as_mut()) => self.note(Cause::Files),
                Some(()) = self.parts.hangup.recv() => self.note(Cause::Signal),
                Some(request) = self.parts.requests.recv() => {
                    self.round.asked.retain(|asked| !asked.reply.is_closed());
                    self.round.asked.push(request);
                    self.note(Cause::Request);
                }
                () = at(due) => self.look().await,
                () = at(sweep) => {
                    self.swept = Instant::now();
                    self.note(Cause::Files);
                }
            }
        }
    }

    fn next_sweep(&self) -> Option<Instant> {
        let Pace {
            sweep, unwatched, ..
        } = self.parts.pace;
        let watched = self.files.as_ref().is_some_and(FileWatch::is_whole);
        let pause = if watched { sweep } else { unwatched };
        self.parts.watch.then(|| self.swept + pause)
    }

    /// The files may have changed: a look is due when they have been left alone for a moment, and
    /// not too soon after the last.
    fn note(&mut self, cause: Cause) {
        let now = Instant::now();
        let quiet = self.parts.pace.quiet;
        let round = &mut self.round;
        let first = match cause {
            Cause::Files => now + quiet,
            Cause::Signal | Cause::Request => now,
        };
        let due = first.max(round.looked + quiet);
        match round.due {
            None => {
                round.begun = now;
                round.cause = cause;
                round.due = Some(due);
            }
            Some(before) => {
                round.cause = round.cause.max(cause);
                round.due = Some(before.min(due));
            }
        }
    }

    async fn look(&mut self) {
        self.round.due = None;
        let sources = self.parts.loader.sources.clone();
        let watched = self.files.as_mut().and_then(FileWatch::lend);
        let seen = spawn_blocking(move || see(&sources, watched)).await;
        self.round.looked = Instant::now();
        self.swept = self.round.looked;
        let seen = match seen {
            Ok(seen) => seen,
            Err(error) => Seen {
                read: Err(format!("the look at the files failed: {error}")),
                watched: None,
            },
        };
        self.take_back(seen.watched);
        let content = match &seen.read {
            Ok((_, digest)) => Ok(digest.clone()),
            Err(why) => Err(why.clone()),
        };
        match self.looks.see(&content) {
            LookOutcome::InForce => self.unchanged(),
            LookOutcome::New => self.look_again(),
            LookOutcome::Failed => {
                let (outcome, reasons) = self.failure.clone();
                self.answer(outcome, &reasons, &[]);
            }
            LookOutcome::Settled => match seen.read {
                Ok((files, digest)) => self.load(files, digest).await,
                Err(why) => {
                    self.fail(content, ReloadOutcome::Unreadable, &[why]).await;
                }
            },
        }
    }

    fn take_back(&mut self, watched: Option<(Watched, Result<(), String>)>) {
        if !self.parts.watch {
            return;
        }
        match (watched, self.files.as_mut()) {
            (Some((watched, outcome)), Some(files)) if !files.is_gone() => {
                files.take_back(watched);
                match outcome {
                    Ok(()) => files.set_whole(true),
                    Err(why) => {
                        files.set_whole(false);
                        Unwatched { why: &why }.emit();
                    }
                }
            }
            // With the next look it may be there again.
            _ => self.watch_anew(),
        }
    }

    fn look_again(&mut self) {
        let Pace {
            quiet, patience, ..
        } = self.parts.pace;
        self.round.due = Some(self.round.looked + quiet);
        if self.round.begun + patience <= self.round.looked {
            let reasons = vec!["the files go on changing".to_owned()];
            self.reply(ReloadOutcome::Unsettled, &reasons, &[]);
        }
    }

    fn unchanged(&mut self) {
        let stands = |failed: &FailedReload| failed.standing;
        if self
            .parts
            .board
            .facts()
            .failed_reload
            .as_ref()
            .is_some_and(stands)
        {
            tracing::info!(message = "The rule files say again what is in force.");
            self.parts.board.change_facts(|facts| {
                if let Some(failed) = &mut facts.failed_reload {
                    failed.standing = false;
                }
            });
        }
        self.answer(ReloadOutcome::Unchanged, &[], &[]);
    }

    async fn load(&mut self, files: Vec<RuleFile>, digest: String) {
        let loader = self.parts.loader.clone();
        let seen = self.parts.seen;
        let generation = self.parts.current.in_force.generation + 1;
        let loading = spawn_blocking(move || {
            let loaded = loader
                .load(&files)
                .map_err(|report| refusal_lines(&report))?;
            Ok(Rules::new(loaded, generation, seen))
        });
        let loaded = match loading.await {
            Ok(loaded) => loaded,
            Err(error) => Err(vec![format!("the set cannot be loaded: {error}")]),
        };
        match loaded {
            Ok(rules) => self.hand_over(rules, digest).await,
            Err(reasons) => {
                self.fail(Ok(digest), ReloadOutcome::Refused, &reasons)
                    .await;
            }
        }
    }

    /// Gives the set to the detection task, and tells of it when it is in force.
    async fn hand_over(&mut self, rules: Rules, digest: String) {
        let (taken, in_force) = oneshot::channel();
        let new = NewRules {
            rules: rules.clone(),
            taken,
        };
        if self.parts.rules.send(new).await.is_err() || in_force.await.is_err() {
            // Detection has ended, and the agent with it. Who asked is told by the answer's end.
            return std::future::pending().await;
        }
        let old = std::mem::replace(&mut self.parts.current, rules);
        self.looks.taken_over(digest);
        self.parts.board.change_facts(|facts| {
            if let Some(failed) = &mut facts.failed_reload {
                failed.standing = false;
            }
        });
        let Rules {
            snapshot, warnings, ..
        } = &self.parts.current;
        let what = format!(
            "{}; {} ({})",
            news::numbers(&snapshot.facts),
            news::difference(&old.snapshot, snapshot),
            self.round.cause()
        );
        tracing::info!(
            message = "Rules reloaded.",
            what,
            digest = snapshot.facts.digest
        );
        self.parts.current.log_warnings();
        let warnings = news::bounded(warnings);
        self.answer(ReloadOutcome::Reloaded, &[], &warnings);
        let set = self.parts.current.in_force.id();
        self.tell(SensorFinding::rules_reloaded(&what, set)).await;
    }

    async fn fail(&mut self, content: Content, outcome: ReloadOutcome, reasons: &[String]) {
        let first = news::first_of(reasons);
        let cause = self.round.cause();
        NotReloaded {
            why: &first,
            cause: &cause,
        }
        .emit();
        let reasons = news::bounded(reasons);
        let failed = FailedReload {
            time: SystemTime::now(),
            digest: content.clone().unwrap_or_default(),
            reasons: reasons.clone(),
            standing: true,
        };
        self.parts
            .board
            .change_facts(|facts| facts.failed_reload = Some(failed));
        self.looks.fail(content);
        let generation = self.parts.current.in_force.generation;
        let why = format!("{first}; the set of generation {generation} stays ({cause})");
        self.answer(outcome, &reasons, &[]);
        self.failure = (outcome, reasons);
        self.tell(SensorFinding::rules_not_reloaded(&why)).await;
    }

    /// Puts a finding into the stream, which may have no room for it at once.
    async fn tell(&self, finding: SensorFinding) {
        while !self.parts.alerts.sensor(finding.clone()) {
            sleep(self.parts.pace.retry).await;
        }
    }

    /// Ends the round: whoever asked is told what came of it.
    fn answer(&mut self, outcome: ReloadOutcome, reasons: &[String], warnings: &[String]) {
        self.reply(outcome, reasons, warnings);
        self.round.due = None;
    }

    fn reply(&mut self, outcome: ReloadOutcome, reasons: &[String], warnings: &[String]) {
        for asked in self.round.asked.drain(..) {
            // An asker that has gone needs no answer.
            let _ = asked.reply.send(ReloadAnswer {
                outcome,
                facts: self.parts.current.snapshot.facts.clone(),
                reasons: reasons.to_vec(),
                warnings: warnings.to_vec(),
            });
        }
    }
}

/// Waits for a notice; for ever without a watch.
async fn changed(files: Option<&mut FileWatch>) {
    match files {
        Some(files) => files.changed().await,
        None => std::future::pending().await,
    }
}

/// Looks at the files. They are watched first, so that no change falls between the two. Blocks.
fn see(sources: &RuleSources, watched: Option<Watched>) -> Seen {
    let watched = watched.map(|mut watched| {
        let outcome = watched.watch(places::places(sources.places()));
        (watched, outcome)
    });
    let read = sources.read().map_err(|error| error.to_string());
    Seen {
        read: read.map(|files| {
            let digest = set_digest(&files);
            (files, digest)
        }),
        watched,
    }
}
