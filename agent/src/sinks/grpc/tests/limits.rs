//! What one client may take, and that the others have theirs.

use futures::FutureExt as _;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1alpha::server_reflection_client::ServerReflectionClient as Alpha;
use tonic_reflection::pb::{v1, v1alpha};

use super::network::BRISK;
use super::pki::{Pki, WATCHER};
use super::*;
use crate::proto::stream_server::alert_service_server::AlertService as _;
use connection::{Caller, Calls};
use peer::Peer;

#[tokio::test]
async fn a_request_of_stock_services_that_is_too_large_is_refused() {
    let agent = Agent::quiet().await;
    let large = "x".repeat(MAX_REQUEST_BYTES);
    let mut health = HealthClient::new(agent.channel.clone());
    let request = HealthCheckRequest {
        service: large.clone(),
    };
    let refused = health.check(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");

    // Reflection ends its stream; a request that is empty but for its host would get an error.
    let request = v1::ServerReflectionRequest {
        host: large.clone(),
        message_request: None,
    };
    let mut client = ServerReflectionClient::new(agent.channel.clone());
    let answers = client.server_reflection_info(tokio_stream::once(request));
    let answer = answers.await.unwrap().into_inner().next().await;
    assert!(answer.is_none(), "{answer:?}");

    let request = v1alpha::ServerReflectionRequest {
        host: large,
        message_request: None,
    };
    let mut client = Alpha::new(agent.channel.clone());
    let answers = client.server_reflection_info(tokio_stream::once(request));
    let answer = answers.await.unwrap().into_inner().next().await;
    assert!(answer.is_none(), "{answer:?}");
}

#[tokio::test]
async fn a_client_has_its_share_of_streams_and_the_socket_its_reserve() {
    const OTHER: &str = "noc.example.org";
    let pki = Pki::new();
    let entry = |name| format!("[[client]]\nname = {name:?}\nrights = [\"watch\"]\n");
    pki.write_file("clients.toml", &(entry(WATCHER) + &entry(OTHER)));
    let agent = Agent::over_tcp(&pki.settings(), BRISK).await;
    let mut open = Vec::new();
    // A client is the same over each of its connections.
    for _ in 0..STREAMS_PER_CLIENT {
        let mut client = AlertServiceClient::new(pki.channel(agent.tcp(), WATCHER).await);
        open.push(client.watch(oldest()).await.unwrap());
    }
    let mut client = AlertServiceClient::new(pki.channel(agent.tcp(), WATCHER).await);
    let refused = client.watch(oldest()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(
        refused.message().contains("stream.max_streams_per_client"),
        "{refused}"
    );
    let mut other = AlertServiceClient::new(pki.channel(agent.tcp(), OTHER).await);
    for _ in 0..STREAMS_PER_CLIENT - 1 {
        open.push(other.watch(oldest()).await.unwrap());
    }
    let refused = other.watch(oldest()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(
        refused.message().contains("kept for the unix socket"),
        "{refused}"
    );
    let mut local = agent.watch(oldest()).await.unwrap();
    next(&mut local).await;
}

/// A client that has no room for answers.
async fn reluctant(pki: &Pki, agent: &Agent) -> Grpc<Channel> {
    Grpc::new(pki.reluctant_channel(agent.tcp(), WATCHER).await)
}

/// Asks for the status; the answer is there to be taken.
async fn ask(client: &mut Grpc<Channel>) -> Result<Streaming<proto::GetStatusResponse>, Status> {
    let path = PathAndQuery::from_static("/gravlens.v1.StatusService/Get");
    let request = tonic::Request::new(proto::GetStatusRequest {});
    client.ready().await.unwrap();
    let answer = client.server_streaming(request, path, ProstCodec::default());
    Ok(answer.await?.into_inner())
}

#[tokio::test]
async fn answers_that_are_not_taken_have_a_bound_for_each_client() {
    let pki = Pki::new();
    let agent = Agent::over_tcp(&pki.settings(), BRISK).await;
    let mut untaken = Vec::new();
    for _ in 0..MAX_ANSWERS.1 {
        // The bound is that of the client, not of the connection.
        let mut client = reluctant(&pki, &agent).await;
        untaken.push(ask(&mut client).await.unwrap());
    }
    let mut client = reluctant(&pki, &agent).await;
    let refused = ask(&mut client).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    let mut local = StatusServiceClient::new(agent.channel.clone());
    local.get(proto::GetStatusRequest {}).await.unwrap();
    // Who gives an answer up may ask again.
    untaken.pop();
    let again = timeout(Duration::from_secs(10), async {
        while ask(&mut client).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    again.await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_not_taken_ends_its_connection() {
    let pki = Pki::new();
    let impatient = Patience {
        answer: Duration::from_millis(300),
        taken: Duration::from_millis(200),
        ..BRISK
    };
    let agent = Agent::over_tcp(&pki.settings(), impatient).await;
    let mut client = reluctant(&pki, &agent).await;
    let mut untaken = ask(&mut client).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(untaken.message().await.is_err());
    // A stream stays.
    let mut client = AlertServiceClient::new(pki.channel(agent.tcp(), WATCHER).await);
    let mut stream = client.watch(oldest()).await.unwrap().into_inner();
    next(&mut stream).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    agent.raise();
    next(&mut stream).await;
}

/// The only thread for such things does something else, so the search waits.
#[test]
fn a_search_keeps_its_place_when_its_client_has_gone() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let busy = spawn_blocking(move || held.recv().is_err());
        let (services, _alerts) = services(ROOMY, Duration::from_secs(3_600), 1);
        let streams = Places::new(1, 1);
        let watch = watch::Watch {
            services: Arc::new(services),
            streams: Arc::clone(&streams),
        };
        let mut request = tonic::Request::new(WatchRequest {
            start: Some(Start::Since(prost_types::Timestamp::default())),
            ..WatchRequest::default()
        });
        request.extensions_mut().insert(Caller {
            peer: Peer::Unix { uid: 0, pid: None },
            calls: Calls::new(),
        });
        assert!(watch.watch(request).now_or_never().is_none());
        assert_eq!(streams.count(), 1, "the search is still to come");
        drop(release);
        assert!(busy.await.unwrap());
        let ended = timeout(Duration::from_secs(10), async {
            while streams.count() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        assert!(ended.await.is_ok(), "the place does not come back");
    });
}
