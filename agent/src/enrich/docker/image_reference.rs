//! Splits an image reference as users write it.

/// Parts of `[registry[:port]/]path[:tag][@digest]`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ImageReference<'a> {
    /// Everything before tag and digest.
    pub(super) repository: &'a str,
    /// Empty when none is written.
    pub(super) tag: &'a str,
    /// `algorithm:digits`, empty when none is written.
    pub(super) digest: &'a str,
}

impl<'a> ImageReference<'a> {
    /// Splits a reference. A colon before the last slash is a registry's port, not a tag.
    pub(super) fn parse(reference: &'a str) -> Self {
        let (name, digest) = reference.split_once('@').unwrap_or((reference, ""));
        let last = name.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match name[last..].find(':') {
            Some(colon) => (&name[..last + colon], &name[last + colon + 1..]),
            None => (name, ""),
        };
        Self {
            repository,
            tag,
            digest,
        }
    }
}

/// Whether a container was started from an image id instead of a name: then the reference is
/// `sha256:...` or the beginning of the image's own id.
pub(super) fn is_image_id(reference: &str, image_id: &str) -> bool {
    const SHORTEST: usize = 8;
    let digits = reference.strip_prefix("sha256:").unwrap_or(reference);
    let id = image_id.strip_prefix("sha256:").unwrap_or(image_id);
    digits.len() >= SHORTEST && id.starts_with(digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_are_split() {
        let digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let with_digest = format!("registry.example:5000/team/app:1.2@{digest}");
        let only_digest = format!("busybox@{digest}");
        for (reference, repository, tag, expected_digest) in [
            ("busybox", "busybox", "", ""),
            ("busybox:1.36", "busybox", "1.36", ""),
            ("library/nginx:latest", "library/nginx", "latest", ""),
            ("localhost:5000/app", "localhost:5000/app", "", ""),
            ("localhost:5000/app:v2", "localhost:5000/app", "v2", ""),
            ("ghcr.io/a/b/c:x-y_z.1", "ghcr.io/a/b/c", "x-y_z.1", ""),
            (
                &with_digest,
                "registry.example:5000/team/app",
                "1.2",
                digest,
            ),
            (&only_digest, "busybox", "", digest),
            ("", "", "", ""),
        ] {
            let expected = ImageReference {
                repository,
                tag,
                digest: expected_digest,
            };
            assert_eq!(ImageReference::parse(reference), expected, "{reference}");
        }
    }

    #[test]
    fn an_image_id_is_told_from_a_name() {
        let id = "sha256:4f5e0c9d1a8375e4f60b2c9d8a7153e4f60b2c9d8a71534e6b2f0c9d1a837500";
        assert!(is_image_id(id, id));
        assert!(is_image_id("4f5e0c9d1a83", id));
        assert!(is_image_id("sha256:4f5e0c9d1a83", id));
        assert!(!is_image_id("4f5e", id), "as likely a name");
        assert!(!is_image_id("busybox", id));
        assert!(!is_image_id("deadbeef", id));
    }

    proptest! {
        #[test]
        fn no_reference_panics(reference in ".{0,80}") {
            let parsed = ImageReference::parse(&reference);
            prop_assert!(reference.starts_with(parsed.repository));
        }
    }
}
