//! `containers`: what the running agent sees.

use super::{Failure, Global, client, output};
use crate::config::OutputFormat;
use crate::proto::container_service_client::ContainerServiceClient;
use crate::proto::{Container, ListContainersRequest};
use crate::sinks::render::{enum_word, json};

/// `gravlens containers`
pub(super) fn run(global: &Global) -> Result<(), Failure> {
    let agent = client::agent(global)?;
    let containers = client::runtime()?.block_on(async {
        let mut client = ContainerServiceClient::new(client::connect(&agent).await?)
            .max_decoding_message_size(client::MAX_MESSAGE_BYTES);
        let response = client.list(ListContainersRequest {}).await?;
        Ok::<_, Failure>(response.into_inner().containers)
    })?;
    match global.document()? {
        OutputFormat::Text => output::text(&text(&containers)),
        OutputFormat::Json => {
            let containers: Vec<_> = containers.iter().map(json::Container::from).collect();
            output::json(&containers)
        }
    }
}

fn text(containers: &[Container]) -> String {
    let header = ["NAME", "ID", "IMAGE", "RUNTIME", "IDENTITY", "CGROUP"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for container in containers {
        let mut identity = enum_word(container.identity().as_str_name(), "IDENTITY_");
        if !container.identity_error.is_empty() {
            identity.push_str(&format!(" ({})", container.identity_error));
        }
        rows.push(vec![
            known(&container.name),
            container.id.chars().take(12).collect(),
            known(&container.image),
            container.runtime.clone(),
            identity,
            container.cgroup_path.clone(),
        ]);
    }
    output::table(&rows)
}

fn known(text: &str) -> String {
    if text.is_empty() { "-" } else { text }.to_owned()
}
