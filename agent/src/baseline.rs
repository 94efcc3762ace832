//! Baselines: what a workload does, when that is known well enough, and what is new about an event.
//!
//! ```text
//! event -> act (class, object) -> generalise -> learner -> profile (role, phase, class, pattern)
//!                                                 |            evidence, completeness, state, drift
//!                                                 +-> novel: what is told -> alert
//! ```
//!
//! Nothing here reads a clock: the time comes with events and ticks.

mod act;
pub mod alert;
mod class;
pub mod completeness;
pub mod diff;
pub mod drift;
pub mod evidence;
pub mod file;
pub mod generalise;
mod learner;
pub mod lock;
pub mod operate;
mod poisson;
mod profile;
mod role;
pub mod state;
pub mod store;
mod workload;

pub use class::Class;
pub use learner::{Evidence, Kind, LearnSettings, Learner, Novel, Repeat, Watched};
pub use profile::{ClassView, Phase, Profile};
pub use role::{Family, Origin, Role};
pub use workload::Workload;
