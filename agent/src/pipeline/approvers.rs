//! What the kernel drops for the rules in force.

use crate::canary::Canary;
use crate::detect::Approvers;
use crate::model::ClassSummary;
use crate::probe::{Probe, ProbeError};
use crate::telemetry::{Counter, Failure};

/// Has the kernel drop what no rule can want; of the canary it keeps everything.
pub(super) fn at_start(
    probe: &mut Probe,
    approvers: &Approvers,
    canary: &Result<Canary, String>,
) -> Result<(), ProbeError> {
    if let Ok(canary) = canary {
        probe.exempt_from_approvers(canary.identity().cgroup_id)?;
    }
    probe.approve(approvers.table())
}

/// Has the kernel keep what another set can want, beside what it keeps already: before the set is
/// taken over.
pub(super) fn widen(probe: &mut Probe, approvers: &Approvers) {
    if let Err(error) = probe.widen_approvers(approvers.table()) {
        NotApproved { why: &error }.emit();
    }
}

/// Has the kernel keep what that set can want, and nothing else: when it is in force.
pub(super) fn exchange(probe: &mut Probe, approvers: &Approvers) {
    if let Err(error) = probe.approve(approvers.table()) {
        NotApproved { why: &error }.emit();
    }
}

/// What the kernel keeps, for people; nothing to tell where it keeps all.
pub(super) fn summary(probe: &Probe, approvers: &Approvers) -> Vec<ClassSummary> {
    if probe.has_approvers() {
        approvers.summary()
    } else {
        Vec::new()
    }
}

/// The kernel cannot be told what the rules in force want.
struct NotApproved<'a> {
    why: &'a ProbeError,
}

impl Failure for NotApproved<'_> {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("approvers_not_exchanged");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(
            message = "The kernel was not told what the rules want: it may drop what they look for.",
            why = %self.why,
            total
        );
    }
}
