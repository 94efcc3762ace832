//! Containers.

use super::object::Object;
use super::values;
use crate::model::pod_labels;
use crate::proto;

/// A container; empty when it is not known which.
pub(super) fn container(container: &proto::Container) -> Object {
    if container.id.is_empty() {
        return Object::default();
    }
    let pod = container
        .labels
        .get(pod_labels::UID)
        .map_or("", String::as_str);
    Object::default()
        .text("uid", &container.id)
        .text("name", &container.name)
        .text("runtime", &container.runtime)
        .object("image", image(container))
        .text("orchestrator", orchestrator(pod))
        .text("pod_uuid", if is_uuid(pod) { pod } else { "" })
        .list("tags", tags(container))
}

fn orchestrator(pod: &str) -> &'static str {
    if pod.is_empty() { "" } else { "kubernetes" }
}

/// The uid that OCSF asks for is the digest, or what else names the image.
fn image(container: &proto::Container) -> Object {
    let uid = match container.image_digest.as_str() {
        "" => &container.image,
        digest => digest,
    };
    if uid.is_empty() {
        return Object::default();
    }
    Object::default()
        .text("uid", uid)
        .text("name", &container.image)
}

fn tags(container: &proto::Container) -> Vec<serde_json::Value> {
    let mut labels: Vec<(&String, &String)> = container.labels.iter().collect();
    labels.sort_unstable();
    // A label without a value has no place: an object of that kind must have one.
    let labels = labels.into_iter().filter(|(_, value)| !value.is_empty());
    values(labels.map(|(name, value)| Object::default().text("name", name).text("value", value)))
}

/// Static pods have a digest for a uid.
fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12])
        && text
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_uuid_is_one() {
        assert!(is_uuid("0a1b2c3d-1111-2222-3333-444455556666"));
        assert!(!is_uuid("0a1b2c3d111122223333444455556666"));
        assert!(!is_uuid("0a1b2c3g-1111-2222-3333-444455556666"));
        assert!(!is_uuid(""));
    }

    #[test]
    fn a_static_pod_has_no_uuid_and_an_empty_label_no_tag() {
        let labels = [(pod_labels::UID, "0a1b2c3d1111"), ("empty", "")];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let value = container(&proto::Container {
            id: "ab".into(),
            labels: labels.into(),
            ..Default::default()
        });
        let value = value.into_value();
        assert_eq!(value["orchestrator"], "kubernetes");
        assert!(value.get("pod_uuid").is_none() && value.get("image").is_none());
        assert_eq!(value["tags"].as_array().map(Vec::len), Some(1));
    }
}
