//! How the sensor watches itself.

use serde::Serialize;

/// The canary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CanaryStatus {
    /// Why there is none.
    pub off: Option<String>,
    /// Time from one round to the next.
    pub interval_ms: u64,
    /// The hooks that it reaches.
    pub hooks: Vec<CanaryHook>,
}

/// One hook that the canary reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CanaryHook {
    /// Hook.
    pub hook: &'static str,
    /// Time since it last told of the canary.
    pub age_ms: u64,
    /// It has not done so for two rounds.
    pub blind: bool,
}

/// Links and maps that are looked after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IntegrityStatus {
    /// Links.
    pub links: u64,
    /// Maps.
    pub maps: u64,
    /// Time since the last look.
    pub age_ms: u64,
    /// What is not as the agent made it.
    pub faults: Vec<String>,
}
