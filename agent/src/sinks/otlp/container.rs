//! Attributes of containers and their pods.

use opentelemetry_semantic_conventions::attribute;

use super::attributes::Attributes;
use crate::model::pod_labels;
use crate::proto;
use crate::sinks::render::enum_word;

/// Adds those of a container. A process of the node itself has none.
pub(super) fn add(to: &mut Attributes, container: &proto::Container) {
    to.text(attribute::CONTAINER_ID, &container.id);
    to.text(attribute::CONTAINER_NAME, &container.name);
    to.text(attribute::CONTAINER_RUNTIME_NAME, &container.runtime);
    image(to, container);
    pod(to, container);
    let identity = enum_word(container.identity().as_str_name(), "IDENTITY_");
    to.text("gravlens.container.identity", &identity);
    to.text(
        "gravlens.container.identity_error",
        &container.identity_error,
    );
    to.nonzero("gravlens.container.cgroup_id", container.cgroup_id);
    to.text("gravlens.container.cgroup_path", &container.cgroup_path);
    to.flag("gravlens.container.privileged", container.privileged);
    to.nonzero("gravlens.container.init_pid", container.init_pid);
    to.time("gravlens.container.started", container.started.as_ref());
    to.texts(
        "gravlens.container.mounts",
        container.mounts.iter().map(mount),
    );
}

fn image(to: &mut Attributes, container: &proto::Container) {
    let name = match container.image_repository.as_str() {
        "" => &container.image,
        repository => repository,
    };
    to.text(attribute::CONTAINER_IMAGE_NAME, name);
    to.text(attribute::CONTAINER_IMAGE_ID, &container.image_digest);
    let tag = Some(&container.image_tag).filter(|tag| !tag.is_empty());
    to.texts(attribute::CONTAINER_IMAGE_TAGS, tag);
}

fn pod(to: &mut Attributes, container: &proto::Container) {
    let named = [
        (attribute::K8S_NAMESPACE_NAME, pod_labels::NAMESPACE),
        (attribute::K8S_POD_NAME, pod_labels::NAME),
        (attribute::K8S_POD_UID, pod_labels::UID),
        (attribute::K8S_CONTAINER_NAME, pod_labels::CONTAINER),
    ];
    for (key, label) in named {
        let value = container.labels.get(label).map_or("", String::as_str);
        to.text(key, value);
    }
    let mut labels: Vec<_> = container.labels.iter().collect();
    labels.sort_unstable();
    for (label, value) in labels {
        to.text(&format!("{}.{label}", attribute::CONTAINER_LABEL), value);
    }
}

/// As Docker writes a mount.
fn mount(mount: &proto::Mount) -> String {
    let mode = if mount.read_write { "rw" } else { "ro" };
    format!("{}:{}:{mode}", mount.source, mount.destination)
}
