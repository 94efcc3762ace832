//! A subscriber that looks at the place of each record and at nothing else: what is measured is the
//! agent and the transport, not the decoding of a client.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use gravlens::proto::watch_request::Start;
use gravlens::proto::{Oldest, WatchRequest};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic_prost::ProstCodec;

/// What a record begins with.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Place {
    #[prost(fixed64, tag = "1")]
    epoch: u64,
    #[prost(uint64, tag = "2")]
    sequence: u64,
    #[prost(uint64, tag = "3")]
    prev_sequence: u64,
}

/// What was read.
pub(crate) struct Read {
    pub(crate) records: u64,
    pub(crate) time: Duration,
}

/// Reads everything that is kept, and checks that nothing is missing between.
pub(crate) async fn read_all(socket: &Path) -> Result<Read> {
    let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display()))?;
    let mut client = Grpc::new(endpoint.connect().await?);
    client.ready().await?;
    let request = WatchRequest {
        start: Some(Start::Oldest(Oldest {})),
        until_now: true,
        ..WatchRequest::default()
    };
    let path = PathAndQuery::from_static("/gravlens.v1.AlertService/Watch");
    let codec = ProstCodec::<WatchRequest, Place>::default();
    let begin = Instant::now();
    let answer = client.server_streaming(tonic::Request::new(request), path, codec);
    let mut stream = answer.await?.into_inner();
    let (mut records, mut last) = (0, None);
    while let Some(place) = stream.message().await.context("the stream broke")? {
        if place.sequence == 0 {
            continue;
        }
        ensure!(
            last.is_none_or(|last| last == place.prev_sequence),
            "after {last:?} comes {place:?}"
        );
        last = Some(place.sequence);
        records += 1;
    }
    Ok(Read {
        records,
        time: begin.elapsed(),
    })
}
