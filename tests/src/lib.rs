//! Harness for the privileged suites: a real Docker Engine, containers in cgroups that the test
//! made, and the agent scoped to them.
//!
//! Everything that outlives a function is registered in [`undo`] before it exists, so that it is
//! taken down when its guard is dropped, when the run is interrupted, and, by the next run, when
//! the run was killed. The harness touches nothing else: it signals only processes that it
//! started, removes only cgroups that it made, and sends no packet outside namespaces of its own.

#![forbid(unsafe_code)]

pub mod agent;
pub mod bench;
pub mod cases;
pub mod cgroup;
pub mod client;
pub mod container;
pub mod corpora;
pub mod docker_proxy;
pub mod engine;
pub mod events;
pub mod expectation;
pub mod facts;
pub mod images;
pub mod machine;
pub mod netns;
pub mod offence;
pub mod offenders;
pub mod process;
pub mod python;
pub mod report;
pub mod runtime;
pub mod scenarios;
pub mod selection;
pub mod servers;
pub mod shortened;
pub mod soak;
pub mod state;
pub mod undo;
pub mod verifier;
