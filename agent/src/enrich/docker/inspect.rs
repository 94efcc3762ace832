//! One container's description, from Docker's words to ours.

use std::sync::Arc;

use bollard::Docker;
use bollard::models::{ContainerInspectResponse, MountPoint};
use bollard::query_parameters::InspectContainerOptions;

use super::image_reference::{ImageReference, is_image_id};
use super::timestamp::parse_time;
use crate::model::{ContainerMetadata, Mount};

/// Why a container could not be described.
#[derive(Debug, thiserror::Error)]
pub(super) enum InspectError {
    /// Docker has no such container: asking again will not help.
    #[error("Docker does not know this container")]
    NotFound,
    /// Docker did not answer as it should.
    #[error("Docker could not describe the container: {0}")]
    Engine(String),
}

impl From<bollard::errors::Error> for InspectError {
    fn from(error: bollard::errors::Error) -> Self {
        match error {
            bollard::errors::Error::DockerResponseServerError {
                status_code: 404, ..
            } => Self::NotFound,
            other => Self::Engine(other.to_string()),
        }
    }
}

/// Asks the engine for one container.
pub(super) async fn inspect(
    docker: &Docker,
    id: &str,
) -> Result<Arc<ContainerMetadata>, InspectError> {
    let answer = docker
        .inspect_container(id, None::<InspectContainerOptions>)
        .await?;
    let mut metadata = to_metadata(answer);
    if is_image_id(&metadata.image, &metadata.image_digest) {
        name_image(docker, &mut metadata).await;
    }
    Ok(Arc::new(metadata))
}

/// Finds the name of an image that the user gave by its id. An image may have none, and may have
/// been removed since: then the repository stays empty.
async fn name_image(docker: &Docker, metadata: &mut ContainerMetadata) {
    metadata.image_repository.clear();
    metadata.image_tag.clear();
    let Ok(image) = docker.inspect_image(&metadata.image_digest).await else {
        return;
    };
    if let Some(name) = image.repo_tags.as_deref().and_then(<[String]>::first) {
        let reference = ImageReference::parse(name);
        metadata.image_repository = reference.repository.to_owned();
        metadata.image_tag = reference.tag.to_owned();
    }
}

fn to_metadata(answer: ContainerInspectResponse) -> ContainerMetadata {
    let config = answer.config.unwrap_or_default();
    let state = answer.state.unwrap_or_default();
    let image = config.image.unwrap_or_default();
    let reference = ImageReference::parse(&image);
    let digest = answer.image.unwrap_or_default();
    ContainerMetadata {
        name: answer
            .name
            .map(|name| name.trim_start_matches('/').to_owned())
            .unwrap_or_default(),
        image_repository: reference.repository.to_owned(),
        image_tag: reference.tag.to_owned(),
        image_digest: if digest.is_empty() {
            reference.digest.to_owned()
        } else {
            digest
        },
        image,
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        privileged: answer
            .host_config
            .and_then(|host| host.privileged)
            .unwrap_or(false),
        mounts: answer
            .mounts
            .unwrap_or_default()
            .into_iter()
            .map(to_mount)
            .collect(),
        started_at: state.started_at.as_deref().and_then(parse_time),
        init_pid: state
            .pid
            .and_then(|pid| u32::try_from(pid).ok())
            .unwrap_or(0),
    }
}

fn to_mount(mount: MountPoint) -> Mount {
    // A volume has a name and a path in Docker's own store; the name is what its user knows.
    let source = mount.name.filter(|name| !name.is_empty()).or(mount.source);
    Mount {
        source: source.unwrap_or_default(),
        destination: mount.destination.unwrap_or_default(),
        read_write: mount.rw.unwrap_or(true),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    const ANSWER: &str = r#"{
        "Id": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "Name": "/web",
        "Image": "sha256:4f5e0c9d1a8375e4f60b2c9d8a7153e4f60b2c9d8a71534e6b2f0c9d1a837500",
        "State": {"Status": "running", "Running": true, "Pid": 4242,
                  "StartedAt": "1970-01-01T00:01:00.5Z"},
        "Config": {"Image": "registry:5000/team/web:1.2", "Labels": {"tier": "front", "a": "b"}},
        "HostConfig": {"Privileged": true},
        "Mounts": [
            {"Type": "bind", "Source": "/var/run/docker.sock", "Destination": "/docker.sock", "RW": false},
            {"Type": "volume", "Name": "data", "Source": "/var/lib/docker/volumes/data/_data",
             "Destination": "/data", "RW": true}
        ]
    }"#;

    #[test]
    fn an_answer_becomes_metadata() {
        let metadata = to_metadata(serde_json::from_str(ANSWER).unwrap());
        assert_eq!(metadata.name, "web");
        assert_eq!(metadata.image, "registry:5000/team/web:1.2");
        assert_eq!(metadata.image_repository, "registry:5000/team/web");
        assert_eq!(metadata.image_tag, "1.2");
        assert!(metadata.image_digest.starts_with("sha256:4f5e"));
        assert_eq!(metadata.labels["tier"], "front");
        assert!(metadata.privileged);
        assert_eq!(metadata.init_pid, 4242);
        assert_eq!(
            metadata.started_at,
            Some(SystemTime::UNIX_EPOCH + Duration::from_millis(60_500))
        );
        let mounts: Vec<_> = metadata
            .mounts
            .iter()
            .map(|mount| {
                (
                    mount.source.as_str(),
                    mount.destination.as_str(),
                    mount.read_write,
                )
            })
            .collect();
        assert_eq!(
            mounts,
            [
                ("/var/run/docker.sock", "/docker.sock", false),
                ("data", "/data", true)
            ]
        );
    }

    #[test]
    fn a_container_that_never_started_has_no_start_time() {
        let created = r#"{"Name": "/x", "State": {"Pid": 0, "StartedAt": "0001-01-01T00:00:00Z"}}"#;
        let metadata = to_metadata(serde_json::from_str(created).unwrap());
        assert_eq!((metadata.started_at, metadata.init_pid), (None, 0));
        assert_eq!(metadata.name, "x");
    }
}
