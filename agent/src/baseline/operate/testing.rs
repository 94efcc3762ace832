//! A learner for tests.

use std::collections::BTreeMap;

use crate::baseline::evidence::{Exposure, InstanceId, Marks, NodeId, Seen, WindowId};
use crate::baseline::file::tests::profiles::Builder;
use crate::baseline::{Class, LearnSettings, Learner, Phase, Workload};

/// The only role of [`armed`].
pub(crate) const NGINX: &str = "root uid0 /usr/sbin/nginx";

/// The only workload of [`armed`].
pub(crate) fn web() -> Workload {
    Workload::from_text("image web")
}

/// Watched for long enough for every class to be armed.
fn watched() -> Exposure {
    let mut exposure = Exposure::default();
    let (node, instance) = (NodeId(1), InstanceId(1));
    for number in 0..3 {
        exposure.start(node, instance, number * 60, number * 60 + 60);
    }
    exposure.whole_window(node, instance, 180, 400_000);
    exposure
}

fn seen(change: impl FnOnce(&mut Seen)) -> Seen {
    let mut seen = Seen::default();
    seen.observe(200, InstanceId(1), 0);
    seen.count(WindowId(1));
    seen.count(WindowId(2));
    change(&mut seen);
    seen
}

/// Two behaviours in quarantine, one that is learnt, one that never is.
pub(crate) fn armed() -> Learner {
    let mut builder = Builder::default();
    builder.profile.exposure = watched();
    let quarantined = seen(|seen| seen.marks = Marks::QUARANTINED);
    let never = seen(|seen| seen.marks = Marks::NEVER_LEARNT);
    let mut add = |class, object: &str, seen: &Seen| {
        builder.add(NGINX, Phase::Run, class, object, seen);
    };
    add(Class::FileRead, "/etc/nginx/nginx.conf", &seen(|_| {}));
    add(Class::FileRead, "/srv/late", &quarantined);
    add(Class::Dns, "late.example", &quarantined);
    add(Class::RareCall, "ptrace", &never);
    let profiles = BTreeMap::from([(web(), builder.profile)]);
    Learner::new(LearnSettings::default(), profiles)
}
