//! Wiring: the stages as tasks, the queues between them, start and shutdown.
//!
//! ```text
//! rings -> ingest -[batches: wait]-> detector -[alerts: drop newest, GAP]-> alert stage -> spool
//!                                    ^    |                                              |
//!          docker -[messages: wait]--+    +-[requests: keep and retry]-> docker          +-> grpc
//!          sinks  -[questions: refuse]----+                                              +-> stdout, file,
//!                                                                                             webhook, NATS, OTLP
//! ```
//!
//! `record` runs the same stages without spool and sinks, and writes what the detector takes in to a
//! capture; `replay` runs the detector over one.
//!
//! One task owns the rings, one owns all detection state, one each sink. The detector never waits
//! for anything but its inputs.

#![forbid(unsafe_code)]

mod approvers;
mod baselines;
mod clock;
mod data_path;
mod detector;
mod event;
mod inputs;
mod ledger;
mod outputs;
mod pending;
mod record;
mod reload;
mod replay;
mod rules;
mod rulings;
mod run;
mod sensor;
mod start;
mod tasks;

pub use baselines::BaselineError;
pub(crate) use baselines::learn_settings;
pub use record::{RecordError, RecordProgress, RecordSettings, RecordState, record};
pub use replay::Replay;
pub use run::{RunError, run};
pub use start::{hook_status, probe_options};
