//! `container.*` and `k8s.*`: where the process runs.

use super::super::catalogue::{FieldArg, family, flag, number, text};
use super::super::glob::Glob;
use super::super::value::{Value, Values};
use super::put;
use super::time::unix_nanoseconds;
use crate::model::{ContainerMetadata, ContainerView, Event, Identity, Mount, Runtime, pod_labels};

family! { Container {
    Id = text("container.id", "First twelve digits of the container's id; `host` for the node.").of_few();
    FullId = text("container.full_id", "The container's id.");
    Type = text("container.type", "Container runtime; `host` for the node.").of_few();
    Name = text("container.name", "Name; `host` for the node.").of_runtime();
    Image = text("container.image", "Image as the user wrote it.").of_runtime();
    ImageRepository = text("container.image.repository", "Image without tag and digest.").of_runtime();
    ImageTag = text("container.image.tag", "Tag of the image.").of_runtime();
    ImageDigest = text("container.image.digest", "Digest of the image.").of_runtime();
    ImageId = text("container.image.id", "First twelve digits of the image's digest.").of_runtime();
    Privileged = flag("container.privileged", "The container runs with all privileges.").of_runtime();
    Mounts = text("container.mounts", "All mounts as `source:destination:mode:rw`, separated by commas.")
        .of_runtime();
    Mount = text("container.mount", "One mount, by position or by source pattern.").keyed().of_runtime();
    MountSource = text("container.mount.source", "Source of a mount, by position or by destination pattern; no brackets means any.")
        .maybe_keyed().of_runtime();
    MountDest = text("container.mount.dest", "Destination of a mount, by position or by source pattern; no brackets means any.")
        .maybe_keyed().of_runtime();
    MountRdwr = text("container.mount.rdwr", "`true` if the mount is writable, by position or by source pattern.")
        .keyed().of_runtime();
    Label = text("container.label", "Value of a label.").keyed().of_runtime();
    StartTs = number("container.start_ts", "Start of the container, nanoseconds since 1970.").of_runtime();
    Duration = number("container.duration", "Nanoseconds since the start of the container.").of_runtime();
    NsName = text("k8s.ns.name", "Namespace of the pod.").of_runtime();
    PodName = text("k8s.pod.name", "Name of the pod.").of_runtime();
    PodUid = text("k8s.pod.uid", "Unique id of the pod.").of_runtime();
} }

pub(super) fn get<'a>(
    event: &'a Event<'_>,
    field: Container,
    argument: Option<&'a FieldArg>,
    scratch: &'a mut Vec<u8>,
) -> Value<'a> {
    let container = match &event.container {
        ContainerView::Container(container) => container,
        ContainerView::Host(_) => return of_host(field),
        ContainerView::Unknown { .. } => return Value::Unknown,
    };
    match (field, &container.identity) {
        (Container::Id, _) => Value::text(container.short_id().as_bytes()),
        (Container::FullId, _) => Value::text(container.id.as_bytes()),
        (Container::Type, _) => runtime(container.runtime),
        (_, Identity::Pending) => Value::Unknown,
        (_, Identity::Failed(_)) => Value::Missing,
        (_, Identity::Full(metadata)) => of_metadata(event, metadata, field, argument, scratch),
    }
}

fn of_host<'a>(field: Container) -> Value<'a> {
    match field {
        Container::Id | Container::FullId | Container::Type | Container::Name => {
            Value::text(b"host")
        }
        _ => Value::Missing,
    }
}

fn runtime<'a>(runtime: Runtime) -> Value<'a> {
    match runtime {
        Runtime::Docker => Value::text(b"docker"),
        Runtime::Containerd => Value::text(b"containerd"),
        Runtime::Crio => Value::text(b"cri-o"),
        Runtime::Podman => Value::text(b"podman"),
        Runtime::Unknown => Value::Missing,
    }
}

fn of_metadata<'a>(
    event: &Event<'_>,
    metadata: &'a ContainerMetadata,
    field: Container,
    argument: Option<&'a FieldArg>,
    scratch: &'a mut Vec<u8>,
) -> Value<'a> {
    match field {
        Container::Id | Container::FullId | Container::Type => Value::Missing,
        Container::Name => Value::non_empty(&metadata.name),
        Container::Image => Value::non_empty(&metadata.image),
        Container::ImageRepository => Value::non_empty(&metadata.image_repository),
        Container::ImageTag => Value::non_empty(&metadata.image_tag),
        Container::ImageDigest => Value::non_empty(&metadata.image_digest),
        Container::ImageId => Value::non_empty(short_digest(&metadata.image_digest)),
        Container::Privileged => Value::flag(metadata.privileged),
        Container::Mounts => mounts(&metadata.mounts, scratch),
        Container::Mount | Container::MountSource | Container::MountDest | Container::MountRdwr => {
            mount(&metadata.mounts, field, argument, scratch)
        }
        Container::Label => match argument {
            Some(FieldArg::Text(key)) => label(metadata, key),
            _ => Value::Missing,
        },
        Container::StartTs => started(metadata).map_or(Value::Missing, Value::number),
        Container::Duration => started(metadata).map_or(Value::Missing, |started| {
            Value::number(unix_nanoseconds(event.time) - started)
        }),
        Container::NsName => label(metadata, pod_labels::NAMESPACE),
        Container::PodName => label(metadata, pod_labels::NAME),
        Container::PodUid => label(metadata, pod_labels::UID),
    }
}

fn label<'a>(metadata: &'a ContainerMetadata, key: &str) -> Value<'a> {
    metadata
        .labels
        .get(key)
        .map_or(Value::Missing, |value| Value::text(value.as_bytes()))
}

fn started(metadata: &ContainerMetadata) -> Option<i128> {
    metadata.started_at.map(unix_nanoseconds)
}

fn short_digest(digest: &str) -> &str {
    let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
    digits.get(..12).unwrap_or(digits)
}

fn mounts<'a>(mounts: &[Mount], scratch: &'a mut Vec<u8>) -> Value<'a> {
    for (position, mount) in mounts.iter().enumerate() {
        if position > 0 {
            scratch.push(b',');
        }
        append_mount(mount, scratch);
    }
    super::present(scratch)
}

fn append_mount(mount: &Mount, buffer: &mut Vec<u8>) {
    put(
        buffer,
        format_args!(
            "{}:{}::{}",
            mount.source, mount.destination, mount.read_write
        ),
    );
}

fn mount<'a>(
    mounts: &'a [Mount],
    field: Container,
    argument: Option<&FieldArg>,
    scratch: &'a mut Vec<u8>,
) -> Value<'a> {
    // A source is looked up by its destination, everything else by the source.
    let key: fn(&Mount) -> &str = if field == Container::MountSource {
        |mount| &mount.destination
    } else {
        |mount| &mount.source
    };
    let found = match argument {
        Some(&FieldArg::Index(index)) => mounts.get(index as usize),
        Some(FieldArg::Text(pattern)) => {
            let pattern = Glob::new(pattern.as_bytes());
            mounts
                .iter()
                .find(|mount| pattern.matches(key(mount).as_bytes()))
        }
        None => {
            let read: fn(&Mount) -> &str = if field == Container::MountSource {
                |mount| &mount.source
            } else {
                |mount| &mount.destination
            };
            return Value::Many(Values::Mounts { rest: mounts, read });
        }
    };
    match (found, field) {
        (None, _) => Value::Missing,
        (Some(mount), Container::MountSource) => Value::text(mount.source.as_bytes()),
        (Some(mount), Container::MountDest) => Value::text(mount.destination.as_bytes()),
        (Some(mount), Container::MountRdwr) => {
            Value::text(if mount.read_write { b"true" } else { b"false" })
        }
        (Some(mount), _) => {
            append_mount(mount, scratch);
            Value::text(scratch)
        }
    }
}
