//! Where alerts leave the agent. Each sink is a task with a cursor of its own into the spool: a
//! slow one falls behind alone, and its stream says so with a GAP.

#![forbid(unsafe_code)]

pub mod file;
pub mod grpc;
pub mod http;
pub mod metrics;
pub mod nats;
pub mod otlp;
pub mod output;
pub mod query;
pub mod reload;
pub mod render;
pub mod stdout;
pub mod webhook;
