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
//! One task owns the rings, one owns all detection state, one each sink. The detector never waits
//! for anything but its inputs.

#![forbid(unsafe_code)]

mod clock;
mod detector;
mod event;
mod ledger;
mod outputs;
mod pending;
mod reload;
mod rules;
mod rulings;
mod run;
mod start;
mod tasks;

pub use run::{RunError, run};
pub use start::{hook_status, probe_options};
