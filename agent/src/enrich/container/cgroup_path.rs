//! What a cgroup path tells of the container in it.
//!
//! Runtimes and drivers name a container's cgroup in a handful of ways, all of which end in the
//! container's 64-digit id:
//!
//! | driver | component | runtime |
//! |---|---|---|
//! | cgroupfs | `docker/ID` | Docker |
//! | cgroupfs with `--cgroup-parent` | `ANY/ID` | not told |
//! | cgroupfs below a kubepods cgroup | `.../kubepods/.../ID` | containerd |
//! | systemd | `docker-ID.scope`, `cri-containerd-ID.scope`, `crio-ID.scope`, `libpod-ID.scope` | the prefix |
//! | either | `crio-ID`, `libpod-ID`, `libpod-payload-ID` | the prefix |
//! | a systemd path given to a cgroupfs runtime | `SLICE:docker:ID`, `SLICE:cri-containerd:ID` | the prefix |
//!
//! The helpers that watch a container (`crio-conmon-ID`, `libpod-conmon-ID`) belong to the node.

use crate::model::Runtime;

const ID_DIGITS: usize = 64;

/// A container as named by a cgroup path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPath<'a> {
    /// Runtime.
    pub runtime: Runtime,
    /// Container id, 64 hexadecimal digits.
    pub id: &'a str,
    /// Path of the container's own cgroup: the given path, or an ancestor of it.
    pub cgroup: &'a str,
    /// The container around this one (Docker in Docker, kind).
    pub outer: Option<Box<ContainerPath<'a>>>,
}

impl ContainerPath<'_> {
    /// The parsed path was that of a cgroup that the container made inside its own.
    pub fn is_own(&self, path: &str) -> bool {
        self.cgroup.len() == path.trim_end_matches('/').len()
    }
}

/// The container that a cgroup belongs to, `None` when the path names none. Where containers are
/// nested the innermost wins.
///
/// A path that is not UTF-8 was not made by a container runtime, yet may lie below a container:
/// the components before the odd one still count.
pub fn parse_cgroup_path(path: &[u8]) -> Option<ContainerPath<'_>> {
    let path = match std::str::from_utf8(path) {
        Ok(path) => path,
        Err(error) => {
            let valid = std::str::from_utf8(path.get(..error.valid_up_to())?).ok()?;
            &valid[..valid.rfind('/')?]
        }
    };
    let mut found = None;
    let mut kubernetes = false;
    let mut parent = "";
    let mut start = 0;
    for component in path.split('/') {
        let end = start + component.len();
        if let Some((runtime, id)) = container_component(component, parent, kubernetes) {
            found = Some(ContainerPath {
                runtime,
                id,
                cgroup: &path[..end],
                outer: found.map(Box::new),
            });
            kubernetes = false;
        }
        kubernetes |= component.contains("kubepods");
        parent = component;
        start = end + 1;
    }
    found
}

/// Reads one path component, given the one before it and whether one since the last container
/// belongs to Kubernetes.
fn container_component<'a>(
    component: &'a str,
    parent: &str,
    kubernetes: bool,
) -> Option<(Runtime, &'a str)> {
    let name = component.strip_suffix(".scope").unwrap_or(component);
    let name = name.rsplit_once(':').map_or((None, name), |(before, id)| {
        (Some(before.rsplit(':').next().unwrap_or(before)), id)
    });
    let (prefix, id) = match name {
        (Some(prefix), id) => (prefix, id),
        (None, name) => split_prefix(name)?,
    };
    if !is_container_id(id) {
        return None;
    }
    let runtime = match prefix {
        "docker" => Runtime::Docker,
        "cri-containerd" => Runtime::Containerd,
        "crio" => Runtime::Crio,
        "libpod" | "libpod-payload" => Runtime::Podman,
        "" if parent == "docker" => Runtime::Docker,
        "" if kubernetes => Runtime::Containerd,
        "" => Runtime::Unknown,
        _ if prefix.ends_with("conmon") => return None,
        _ => Runtime::Unknown,
    };
    Some((runtime, id))
}

/// Splits `prefix-ID`, the prefix being empty for a bare id.
fn split_prefix(name: &str) -> Option<(&str, &str)> {
    let at = name.len().checked_sub(ID_DIGITS)?;
    let (prefix, id) = name.split_at_checked(at)?;
    if prefix.is_empty() {
        return Some(("", id));
    }
    Some((prefix.strip_suffix('-')?, id))
}

fn is_container_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = "4e6b2f0c9d1a8375e4f60b2c9d8a7153e4f60b2c9d8a71534e6b2f0c9d1a8375";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn expand(text: &str) -> String {
        text.replace("{A}", A).replace("{B}", B)
    }

    fn innermost(path: &str) -> Option<(Runtime, String, String)> {
        parse_cgroup_path(path.as_bytes())
            .map(|found| (found.runtime, found.id.to_owned(), found.cgroup.to_owned()))
    }

    #[test]
    fn every_runtime_and_driver_is_recognised() {
        use Runtime::{Containerd, Crio, Docker, Podman, Unknown};
        let table = [
            ("/docker/{A}", Docker),
            ("docker/{A}", Docker),
            ("/system.slice/docker-{A}.scope", Docker),
            ("/my.slice/docker-{A}.scope", Docker),
            ("/system.slice:docker:{A}", Docker),
            ("/gravlens-test-1-1/{A}", Unknown),
            ("/{A}", Unknown),
            ("/default/nerdctl-{A}.scope", Unknown),
            ("/kubepods/burstable/pod6f0d0f2e-1f5b/{A}", Containerd),
            (
                "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/cri-containerd-{A}.scope",
                Containerd,
            ),
            (
                "/kubepods-besteffort-pod1.slice:cri-containerd:{A}",
                Containerd,
            ),
            (
                "/kubepods.slice/kubepods-pod1.slice/docker-{A}.scope",
                Docker,
            ),
            ("/kubepods.slice/kubepods-pod1.slice/crio-{A}.scope", Crio),
            ("/kubepods/besteffort/pod1/crio-{A}", Crio),
            ("/machine.slice/libpod-{A}.scope", Podman),
            ("/libpod_parent/libpod-{A}", Podman),
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{A}.scope",
                Podman,
            ),
            (
                "/machine.slice/machine-libpod_pod_{B}.slice/libpod-{A}.scope",
                Podman,
            ),
            ("/x.service/libpod-payload-{A}", Podman),
        ];
        for (path, runtime) in table {
            let path = expand(path);
            assert_eq!(
                innermost(&path),
                Some((runtime, A.to_owned(), path.clone())),
                "{path}"
            );
        }
    }

    #[test]
    fn cgroups_of_the_node_name_no_container() {
        for path in [
            "",
            "/",
            "/docker",
            "/system.slice/docker.service",
            "/system.slice/containerd.service",
            "/kubepods/burstable/pod6f0d0f2e-1f5b",
            "/docker/{A}0",
            "/docker/abcdef",
            "/docker/4E6B2F0C9D1A8375E4F60B2C9D8A7153E4F60B2C9D8A71534E6B2F0C9D1A8375",
            "/machine.slice/libpod-conmon-{A}.scope",
            "/kubepods/pod1/crio-conmon-{A}",
            "/machine.slice/machine-libpod_pod_{A}.slice",
            "/docker/buildkit/k3jv0gqzn8q1w2e3r4t5y6u7i",
        ] {
            assert_eq!(innermost(&expand(path)), None, "{path}");
        }
    }

    #[test]
    fn a_child_cgroup_belongs_to_its_container() {
        let path = expand("/docker/{A}/init.scope/deep");
        let found = parse_cgroup_path(path.as_bytes()).unwrap();
        assert_eq!(found.cgroup, expand("/docker/{A}"));
        assert!(!found.is_own(&path));
        assert!(found.is_own(&expand("/docker/{A}/")));
        let podman = expand("/machine.slice/libpod-{A}.scope/container");
        assert_eq!(
            parse_cgroup_path(podman.as_bytes()).unwrap().runtime,
            Runtime::Podman
        );
    }

    #[test]
    fn the_innermost_container_wins_and_the_outer_is_kept() {
        let path = expand(
            "/docker/{A}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod1.slice/cri-containerd-{B}.scope",
        );
        let found = parse_cgroup_path(path.as_bytes()).unwrap();
        assert_eq!((found.runtime, found.id), (Runtime::Containerd, B));
        let outer = found.outer.unwrap();
        assert_eq!((outer.runtime, outer.id), (Runtime::Docker, A));
        assert_eq!(outer.cgroup, expand("/docker/{A}"));
        assert_eq!(outer.outer, None);

        let inside_kubernetes = expand("/kubepods/pod1/{A}/custom/{B}");
        let found = parse_cgroup_path(inside_kubernetes.as_bytes()).unwrap();
        assert_eq!(
            found.runtime,
            Runtime::Unknown,
            "the inner one is not the kubelet's"
        );
    }

    #[test]
    fn a_name_that_is_not_utf8_does_not_hide_its_container() {
        let mut path = expand("/docker/{A}/").into_bytes();
        path.extend([0xff, b'/', b'x']);
        let found = parse_cgroup_path(&path).unwrap();
        assert_eq!((found.id, found.cgroup.len()), (A, "/docker/".len() + 64));
    }

    proptest! {
        #[test]
        fn no_path_panics(path in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse_cgroup_path(&path);
        }

        #[test]
        fn no_path_of_likely_parts_panics(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("/"), Just(":"), Just("-"), Just(".scope"), Just("docker"), Just(A),
                    Just("kubepods"), Just("libpod-"), Just("é"), Just(".."),
                ],
                0..20,
            )
        ) {
            let path = parts.concat();
            if let Some(found) = parse_cgroup_path(path.as_bytes()) {
                prop_assert!(path.starts_with(found.cgroup));
                prop_assert!(found.cgroup.contains(found.id));
                prop_assert_eq!(found.id.len(), 64);
            }
        }
    }
}
