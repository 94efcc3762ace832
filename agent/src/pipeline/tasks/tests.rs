use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use super::*;

/// What happened, in order.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<&'static str>>>);

impl Journal {
    fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    fn read(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

/// Hooks that take their time.
struct FakeHooks(Journal, Duration);

impl Drop for FakeHooks {
    fn drop(&mut self) {
        std::thread::sleep(self.1);
        self.0.note("detached");
    }
}

#[derive(Clone, Copy)]
enum Detection {
    /// Has worked off everything when the rings are empty.
    Keeps,
    /// Has more to work off than there is time for.
    FallsBehind,
    Hangs,
}

/// Stages that end as the real ones do: each when the one before it is gone.
fn stages(journal: &Journal, detection: Detection) -> Stages<FakeHooks> {
    let (drain, draining) = oneshot::channel();
    let (conclude, concluding) = oneshot::channel::<LastCall>();
    let (batches, mut batch_queue) = mpsc::channel::<()>(1);
    let (alerts, mut alert_queue) = mpsc::channel::<()>(1);
    let (one, two, three) = (journal.clone(), journal.clone(), journal.clone());
    let mut stages = Stages::spawn(Parts {
        hooks: FakeHooks(journal.clone(), Duration::ZERO),
        drain,
        conclude,
        ingest: async move {
            let _batches = batches;
            let _ = draining.await;
            one.note("drained");
            Ok(())
        },
        detector: async move {
            let _alerts = alerts;
            while batch_queue.recv().await.is_some() {}
            match detection {
                Detection::Keeps => {}
                Detection::FallsBehind => {
                    let last_call = concluding.await.expect("a last call");
                    tokio::time::sleep_until(last_call.take).await;
                    assert!(last_call.take < last_call.tell);
                }
                Detection::Hangs => pending::<()>().await,
            }
            two.note("detected");
        },
        alerts: async move {
            while alert_queue.recv().await.is_some() {}
            three.note("stored");
        },
        keeper: None::<std::future::Ready<()>>,
        helpers: pending(),
    });
    // Its smallest share leaves a busy machine time enough.
    stages.limit = Duration::from_secs(2);
    stages
}

type Serve = Result<(), ServeError>;

/// Sinks of which the server ends when it is told to.
fn sinks(
    journal: &Journal,
    stdout: Option<impl Future<Output = io::Result<()>> + Send + 'static>,
) -> Sinks {
    let (stop, stopped) = oneshot::channel::<()>();
    let journal = journal.clone();
    let server = async move {
        let _ = stopped.await;
        journal.note("served");
        Serve::Ok(())
    };
    Sinks::spawn(stop, server, stdout)
}

fn no_stdout() -> Option<std::future::Ready<io::Result<()>>> {
    None
}

fn never() -> impl Future<Output = Result<(), RunError>> {
    pending()
}

const IN_ORDER: [&str; 5] = ["detached", "drained", "detected", "stored", "served"];

#[tokio::test]
async fn a_stop_goes_along_the_path_of_an_event() {
    let journal = Journal::default();
    let sinks = sinks(&journal, no_stdout());
    let stopped = stages(&journal, Detection::Keeps).until_stopped(sinks, async { Ok(()) });
    stopped.await.unwrap();
    assert_eq!(journal.read(), IN_ORDER);
}

#[tokio::test]
async fn detection_that_is_behind_ends_by_itself_in_time_for_its_account() {
    let journal = Journal::default();
    let sinks = sinks(&journal, no_stdout());
    let stopped = stages(&journal, Detection::FallsBehind).until_stopped(sinks, async { Ok(()) });
    stopped.await.unwrap();
    assert_eq!(journal.read(), IN_ORDER);
}

#[tokio::test]
async fn the_end_of_the_server_stops_the_agent_and_is_named() {
    let journal = Journal::default();
    let (stop, _) = oneshot::channel();
    let sinks = Sinks::spawn(stop, async { Serve::Ok(()) }, no_stdout());
    let stopped = stages(&journal, Detection::Keeps).until_stopped(sinks, never());
    let error = stopped.await.unwrap_err();
    assert!(error.to_string().contains("gRPC server"), "{error}");
    assert_eq!(journal.read(), IN_ORDER[..4]);
}

#[tokio::test]
async fn a_closed_output_stops_the_agent_and_is_named() {
    let journal = Journal::default();
    let closed = async { Err(io::Error::from(io::ErrorKind::BrokenPipe)) };
    let sinks = sinks(&journal, Some(closed));
    let stopped = stages(&journal, Detection::Keeps).until_stopped(sinks, never());
    let error = stopped.await.unwrap_err();
    assert!(error.to_string().contains("standard output"), "{error}");
    assert_eq!(journal.read(), IN_ORDER);
}

#[tokio::test]
async fn a_sink_that_panics_is_named() {
    let journal = Journal::default();
    let panics = async { panic!("as a sink with a defect does") };
    let sinks = sinks(&journal, Some(panics));
    let stopped = stages(&journal, Detection::Keeps).until_stopped(sinks, never());
    let error = stopped.await.unwrap_err();
    assert!(error.to_string().contains("standard output"), "{error}");
}

#[tokio::test]
async fn a_stage_that_hangs_is_named_and_does_not_hold_up_the_rest() {
    let journal = Journal::default();
    let sinks = sinks(&journal, no_stdout());
    let begin = Instant::now();
    let stopped = stages(&journal, Detection::Hangs).until_stopped(sinks, async { Ok(()) });
    let error = stopped.await.unwrap_err();
    assert!(error.to_string().contains("detection"), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert_eq!(journal.read(), ["detached", "drained", "served"]);
}

#[tokio::test]
async fn slow_hooks_do_not_keep_records_from_the_spool() {
    let journal = Journal::default();
    let mut stages = stages(&journal, Detection::Keeps);
    stages.limit = Duration::from_secs(10);
    stages.hooks.1 = Duration::from_secs(8);
    let stopped = stages.until_stopped(sinks(&journal, no_stdout()), async { Ok(()) });
    stopped.await.unwrap();
    assert_eq!(journal.read(), IN_ORDER[1..]);
}
