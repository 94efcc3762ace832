//! What a profile is about: all containers, or lives of a service, that should do the same.

use std::fmt;

use crate::model::{Container, ContainerMetadata, Identity, Unit, pod_labels};

/// What the names of services begin with.
pub(super) const UNIT: &str = "unit ";

/// The name of a workload. Replicas have the same one, on every node.
///
/// - `pod NAMESPACE/OWNER/CONTAINER`: a container of a pod, where the owner is the pod's name without
///   what its controller appended;
/// - `image REPOSITORY`: a container of which no pod is known;
/// - `container ID`: one of which nothing else is known;
/// - `unit NAME.service`: a service of systemd, `unit NAME@.service` for the instances of a template;
/// - `unit user@UID.service/NAME.service`: one of a user's own manager. Users name theirs as they like,
///   so what one does vouches for nobody else's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Workload(Box<str>);

impl Workload {
    /// The workload of a container; `None` while its runtime has not answered.
    pub fn of(container: &Container) -> Option<Self> {
        match &container.identity {
            Identity::Pending => None,
            Identity::Full(metadata) => Some(Self::of_metadata(metadata, container)),
            Identity::Failed(_) => Some(Self::of_id(container)),
        }
    }

    /// What a container is called as long as nothing else is known of it.
    pub fn of_id(container: &Container) -> Self {
        Self(format!("container {}", container.id).into())
    }

    /// The workload of a service.
    pub fn of_unit(unit: &Unit) -> Self {
        let name = unit.template();
        Self(match &unit.manager {
            Some(manager) => format!("{UNIT}{manager}/{name}").into(),
            None => format!("{UNIT}{name}").into(),
        })
    }

    /// A name as it was written.
    pub fn from_text(text: &str) -> Self {
        Self(text.into())
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.0
    }

    fn of_metadata(metadata: &ContainerMetadata, container: &Container) -> Self {
        let label = |name| metadata.labels.get(name).map(String::as_str);
        let pod = label(pod_labels::NAME).zip(label(pod_labels::NAMESPACE));
        if let Some((pod, namespace)) = pod {
            let name = label(pod_labels::CONTAINER).unwrap_or(&metadata.name);
            return Self(format!("pod {namespace}/{}/{name}", owner(pod)).into());
        }
        if metadata.image_repository.is_empty() {
            return Self::of_id(container);
        }
        Self(format!("image {}", metadata.image_repository).into())
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Letters and digits of which Kubernetes makes random suffixes (apimachinery, `rand.String`): no
/// vowels, and nothing that looks like another.
const SUFFIX: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Length of the suffix of a pod.
const POD_SUFFIX: usize = 5;
/// Lengths of the hash of a pod template, written with the same letters.
const TEMPLATE_HASH: std::ops::RangeInclusive<usize> = 6..=10;

/// The name of what made a pod: a Deployment's pods end in `-HASH-SUFFIX`, those of a DaemonSet or a
/// Job in `-SUFFIX`, those of a StatefulSet in `-NUMBER`.
fn owner(pod: &str) -> &str {
    let Some((rest, last)) = pod.rsplit_once('-') else {
        return pod;
    };
    if last.bytes().all(|byte| byte.is_ascii_digit()) && !last.is_empty() && last.len() < POD_SUFFIX
    {
        return rest;
    }
    if last.len() != POD_SUFFIX || !is_random(last) {
        return pod;
    }
    match rest.rsplit_once('-') {
        Some((owner, hash)) if TEMPLATE_HASH.contains(&hash.len()) && is_random(hash) => owner,
        // A CronJob's Jobs bear the minute of their schedule.
        Some((owner, minute))
            if minute.len() == 8 && minute.bytes().all(|b| b.is_ascii_digit()) =>
        {
            owner
        }
        _ => rest,
    }
}

fn is_random(text: &str) -> bool {
    text.bytes().all(|byte| SUFFIX.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_of_one_controller_are_one_workload() {
        for (pod, expected) in [
            ("web-6d4b75cb6d-x7k2p", "web"),
            ("api-server-7f9c8b6d5-2zvwq", "api-server"),
            ("node-exporter-x7k2p", "node-exporter"),
            ("postgres-0", "postgres"),
            ("postgres-12", "postgres"),
            ("backup-28391040-x7k2p", "backup"),
            ("web", "web"),
            ("web-canary", "web-canary"),
            ("web-hello", "web-hello"),
            ("kube-proxy", "kube-proxy"),
        ] {
            assert_eq!(owner(pod), expected, "{pod}");
        }
    }
}
