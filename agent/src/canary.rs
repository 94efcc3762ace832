//! The canary: proof that the sensor is not blind.
//!
//! A helper process in a cgroup of its own, inside the scope, makes harmless calls that reach every
//! hook (`deeds`), again and again. Detection takes its events out before any rule sees them and
//! keeps the time of the last one of each hook (`watch`): a hook that tells nothing of the canary
//! tells nothing of anybody.
//!
//! An event is the canary's when the kernel says that it came from that cgroup *and* from the
//! helper, or from a child of the helper. The helper is a child that the agent has not reaped, so
//! nobody else can have its pid; whoever moves into its cgroup stays visible.

#![forbid(unsafe_code)]

mod deeds;
mod helper;
mod host;
mod watch;

pub use helper::run;
pub use host::{Canary, Identity, check_cgroup};
pub use watch::{Change, Watch};

/// Name of its account, beside those of cgroups.
pub const ACCOUNT: &str = "canary";
