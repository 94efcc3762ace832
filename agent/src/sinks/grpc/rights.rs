//! Which right a call needs.

use super::clients::Right;

/// Every method of every service that is served. What does not stand here is not served.
const METHODS: &[(&str, &[&str], Right)] = &[
    ("gravlens.v1.AlertService", &["Watch"], Right::Watch),
    ("gravlens.v1.StatusService", &["Get"], Right::Watch),
    ("gravlens.v1.ContainerService", &["List"], Right::Watch),
    ("gravlens.v1.RuleService", &["List"], Right::Watch),
    ("grpc.health.v1.Health", &["Check", "Watch"], Right::Watch),
    (
        "grpc.reflection.v1.ServerReflection",
        &["ServerReflectionInfo"],
        Right::Watch,
    ),
    (
        "grpc.reflection.v1alpha.ServerReflection",
        &["ServerReflectionInfo"],
        Right::Watch,
    ),
];

/// The right for a call, by its path: `/gravlens.v1.AlertService/Watch`. `None` when there is no
/// such method.
pub(super) fn required(path: &str) -> Option<Right> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    METHODS
        .iter()
        .find(|(name, methods, _)| *name == service && methods.contains(&method))
        .map(|(_, _, right)| *right)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    fn methods(descriptors: &[u8]) -> Vec<String> {
        let set = FileDescriptorSet::decode(descriptors).unwrap();
        let mut paths = Vec::new();
        for file in &set.file {
            for service in &file.service {
                for method in &service.method {
                    let (service, method) = (service.name(), method.name());
                    paths.push(format!("/{}.{service}/{method}", file.package()));
                }
            }
        }
        paths
    }

    #[test]
    fn every_method_has_a_right() {
        let sets = [
            crate::proto::DESCRIPTORS,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let served: Vec<_> = sets.iter().flat_map(|set| methods(set)).collect();
        let without: Vec<_> = served
            .iter()
            .filter(|path| required(path).is_none())
            .collect();
        assert!(without.is_empty(), "give these an entry: {without:?}");
        let listed: usize = METHODS.iter().map(|(_, methods, _)| methods.len()).sum();
        assert_eq!(
            listed,
            served.len(),
            "an entry names nothing that is served"
        );
    }

    #[test]
    fn other_paths_have_none() {
        for path in [
            "",
            "/",
            "gravlens.v1.AlertService/Watch",
            "/gravlens.v1.AlertService",
            "/gravlens.v1.AlertService/",
            "/gravlens.v1.AlertService/Watch/",
            "//gravlens.v1.AlertService/Watch",
            "/gravlens.v1.AlertService/watch",
        ] {
            assert_eq!(required(path), None, "{path}");
        }
    }
}
