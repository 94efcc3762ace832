//! What calls there are, and which right each needs.

use super::clients::Right;

/// What a call is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// One message.
    One,
    /// As many as there are.
    Stream,
}

/// A method that is served.
#[derive(Debug)]
pub(super) struct Method {
    service: &'static str,
    name: &'static str,
    /// What it is answered with.
    pub(super) answer: Answer,
    /// What who calls it needs.
    pub(super) right: Right,
}

const fn watch(service: &'static str, name: &'static str, answer: Answer) -> Method {
    Method {
        service,
        name,
        answer,
        right: Right::Watch,
    }
}

const fn decide(name: &'static str) -> Method {
    Method {
        service: "gravlens.v1.BaselineService",
        name,
        answer: Answer::One,
        right: Right::Baselines,
    }
}

/// Every method of every service that is served. What does not stand here is not served.
const METHODS: &[Method] = &[
    watch("gravlens.v1.AlertService", "Watch", Answer::Stream),
    watch("gravlens.v1.StatusService", "Get", Answer::One),
    watch("gravlens.v1.ContainerService", "List", Answer::One),
    watch("gravlens.v1.RuleService", "List", Answer::One),
    Method {
        service: "gravlens.v1.RuleService",
        name: "Reload",
        answer: Answer::One,
        right: Right::Rules,
    },
    watch("gravlens.v1.BaselineService", "List", Answer::One),
    watch("gravlens.v1.BaselineService", "Get", Answer::One),
    watch("gravlens.v1.BaselineService", "Export", Answer::Stream),
    decide("Decide"),
    decide("Lock"),
    decide("Import"),
    watch("grpc.health.v1.Health", "Check", Answer::One),
    watch("grpc.health.v1.Health", "Watch", Answer::Stream),
    watch(
        "grpc.reflection.v1.ServerReflection",
        "ServerReflectionInfo",
        Answer::Stream,
    ),
    watch(
        "grpc.reflection.v1alpha.ServerReflection",
        "ServerReflectionInfo",
        Answer::Stream,
    ),
];

/// The method of a path: `/gravlens.v1.AlertService/Watch`. `None` when there is no such method.
pub(super) fn method(path: &str) -> Option<&'static Method> {
    let (service, name) = path.strip_prefix('/')?.split_once('/')?;
    METHODS
        .iter()
        .find(|method| method.service == service && method.name == name)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    fn methods(descriptors: &[u8]) -> Vec<(String, bool)> {
        let set = FileDescriptorSet::decode(descriptors).unwrap();
        let mut paths = Vec::new();
        for file in &set.file {
            for service in &file.service {
                for method in &service.method {
                    let streams = method.server_streaming();
                    let (service, method) = (service.name(), method.name());
                    paths.push((format!("/{}.{service}/{method}", file.package()), streams));
                }
            }
        }
        paths
    }

    #[test]
    fn every_method_that_is_served_has_an_entry() {
        let sets = [
            crate::proto::DESCRIPTORS,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let served: Vec<_> = sets.iter().flat_map(|set| methods(set)).collect();
        for (path, streams) in &served {
            let entry = method(path).unwrap_or_else(|| panic!("give it an entry: {path}"));
            assert_eq!(entry.answer == Answer::Stream, *streams, "{path}");
        }
        assert_eq!(
            METHODS.len(),
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
            assert!(method(path).is_none(), "{path}");
        }
    }
}
