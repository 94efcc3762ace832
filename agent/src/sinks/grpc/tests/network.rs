//! Over TCP: who is let in, who is refused and how that is told, and what changes without a restart.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Stdio;

use rustls::AlertDescription;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::pki::{self, Ca, MANAGER, Pair, Pki, WATCHER};
use super::*;

pub(crate) const BRISK: Patience = Patience {
    handshake: Duration::from_secs(5),
    first_call: Duration::from_secs(30),
    idle: Duration::from_secs(30),
    revoked: Duration::from_millis(200),
    answer: Duration::from_secs(30),
    taken: Duration::from_secs(30),
    reload: Duration::from_millis(50),
};

impl Agent {
    pub(crate) fn tcp(&self) -> SocketAddr {
        self.address.unwrap()
    }

    /// Waits for an alert of a built-in rule that says this.
    pub(crate) async fn told(&self, rule: &str, what: &[&str]) -> String {
        let mut stream = self.watch(oldest()).await.unwrap();
        loop {
            let record = next(&mut stream).await;
            let Some(Body::Alert(alert)) = record.body else {
                continue;
            };
            let of_rule = alert.rule.as_ref().is_some_and(|found| found.name == rule);
            if of_rule && what.iter().all(|part| alert.output.contains(part)) {
                return alert.output;
            }
        }
    }
}

/// The TLS alert with which a client was refused.
async fn refusal(agent: &Agent, config: rustls::ClientConfig) -> AlertDescription {
    let refused = async {
        let mut stream = pki::connect(agent.tcp(), config).await?;
        // With TLS 1.3 the server looks at the certificate when the client is done.
        stream.read_u8().await
    };
    let error = refused.await.unwrap_err();
    let tls = error.get_ref().and_then(|error| error.downcast_ref());
    match tls {
        Some(rustls::Error::AlertReceived(alert)) => *alert,
        _ => panic!("{error}"),
    }
}

async fn agent_with(pki: &Pki) -> Agent {
    Agent::over_tcp(&pki.settings(), BRISK).await
}

#[tokio::test]
async fn a_client_of_the_file_gets_the_stream() {
    let pki = Pki::new();
    let agent = agent_with(&pki).await;
    let channel = pki.channel(agent.tcp(), WATCHER).await;
    let mut client = AlertServiceClient::new(channel);
    let mut stream = client.watch(oldest()).await.unwrap().into_inner();
    next(&mut stream).await;
    agent.raise();
    assert_eq!(next(&mut stream).await.sequence, 1);
}

#[tokio::test]
async fn a_client_without_a_valid_certificate_is_refused_and_told_of() {
    let pki = Pki::new();
    let agent = agent_with(&pki).await;
    let none = pki.client(None);
    assert_eq!(
        refusal(&agent, none).await,
        AlertDescription::CertificateRequired
    );
    agent
        .told("Client refused", &["127.0.0.1", "showed no certificate"])
        .await;

    let foreign = pki.client(Some(&Ca::new("another").pair(WATCHER)));
    assert_eq!(refusal(&agent, foreign).await, AlertDescription::UnknownCA);
    agent
        .told(
            "Client refused",
            &[WATCHER, "no CA of stream.tcp.client_ca"],
        )
        .await;

    // As another CA of the same name.
    let double = pki.client(Some(&Ca::new("the fleet").pair(WATCHER)));
    let alert = refusal(&agent, double).await;
    assert!(
        matches!(
            alert,
            AlertDescription::UnknownCA | AlertDescription::DecryptError
        ),
        "{alert:?}"
    );

    let expired = pki.client(Some(&pki.ca.pair_until(WATCHER, 2020)));
    assert_eq!(
        refusal(&agent, expired).await,
        AlertDescription::CertificateExpired
    );
    agent
        .told("Client refused", &[WATCHER, "has expired"])
        .await;
}

#[tokio::test]
async fn a_client_that_is_not_listed_is_refused_with_what_to_do() {
    let pki = Pki::new();
    let agent = agent_with(&pki).await;
    let channel = pki.channel(agent.tcp(), "stranger.example.org").await;
    let mut status = StatusServiceClient::new(channel);
    let refused = status.get(proto::GetStatusRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let message = refused.message();
    assert!(
        message.starts_with("stranger.example.org at 127.0.0.1:")
            && message.contains("stream.tcp.clients"),
        "{message}"
    );
    agent
        .told(
            "Client refused",
            &["stranger.example.org at 127.0.0.1", "no name that"],
        )
        .await;
}

#[tokio::test]
async fn a_client_without_the_right_is_refused_with_what_to_do() {
    let pki = Pki::new();
    let agent = agent_with(&pki).await;
    let channel = pki.channel(agent.tcp(), MANAGER).await;
    let mut client = AlertServiceClient::new(channel.clone());
    let refused = client.watch(oldest()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(
        refused.message().contains("lacks the right `watch`"),
        "{refused}"
    );
    agent
        .told("Client refused", &[MANAGER, "lacks the right"])
        .await;
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel.clone());
    let refused = health.check(tonic_health::pb::HealthCheckRequest::default());
    assert_eq!(refused.await.unwrap_err().code(), Code::PermissionDenied);
    // What it has the right to.
    let mut rules = RuleServiceClient::new(channel);
    let answer = rules.reload(proto::ReloadRulesRequest {}).await.unwrap();
    assert!(answer.into_inner().reasons[0].starts_with(&format!("{MANAGER} at ")));
    let watcher = pki.channel(agent.tcp(), WATCHER).await;
    let mut rules = RuleServiceClient::new(watcher);
    let refused = rules.reload(proto::ReloadRulesRequest {}).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_method_that_does_not_exist_is_nobodys() {
    let pki = Pki::new();
    let agent = agent_with(&pki).await;
    for channel in [
        agent.channel.clone(),
        pki.channel(agent.tcp(), WATCHER).await,
    ] {
        let mut client = tonic::client::Grpc::new(channel);
        client.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static("/gravlens.v1.RuleService/Rewrite");
        let codec = tonic_prost::ProstCodec::<(), ()>::default();
        let answer = client.unary(tonic::Request::new(()), path, codec).await;
        assert_eq!(answer.unwrap_err().code(), Code::Unimplemented);
    }
}

/// A ClientHello of TLS 1.1 with the suite that every server of its time had.
const TLS_1_1: [u8; 52] = {
    let mut hello = [0; 52];
    let head = [22, 3, 1, 0, 47, 1, 0, 0, 43, 3, 2];
    let mut at = 0;
    while at < head.len() {
        hello[at] = head[at];
        at += 1;
    }
    // After the random bytes: no session, one suite, no compression, no extensions.
    let tail = [0, 0, 2, 0, 0x2f, 1, 0, 0, 0];
    let mut at = 0;
    while at < tail.len() {
        hello[43 + at] = tail[at];
        at += 1;
    }
    hello
};

#[tokio::test]
async fn tls_1_1_is_refused_and_told_of() {
    let pki = Pki::new();
    let agent = agent_with(&pki).await;
    let mut stream = TcpStream::connect(agent.tcp()).await.unwrap();
    stream.write_all(&TLS_1_1).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    const PROTOCOL_VERSION: u8 = 70;
    assert_eq!(
        (answer[0], answer[5..].to_vec()),
        (21, vec![2, PROTOCOL_VERSION])
    );
    agent
        .told("Client refused", &["127.0.0.1", "no TLS 1.2 or 1.3"])
        .await;

    // As a real client says it, where there is one.
    let port = agent.tcp().port();
    let openssl = tokio::process::Command::new("openssl")
        .args(["s_client", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"])
        .args(["-connect", &format!("127.0.0.1:{port}")])
        .stdin(Stdio::null())
        .output();
    match openssl.await {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success());
            assert!(
                said.contains("alert protocol version") || said.contains("no protocols available"),
                "{said}"
            );
        }
        Err(error) => println!("no openssl ({error}): the hand-written ClientHello stands alone"),
    }
}

#[tokio::test]
async fn plaintext_to_the_tls_port_is_refused_and_told_of() {
    let pki = Pki::new();
    let agent = agent_with(&pki).await;
    let endpoint = Endpoint::try_from(format!("http://{}", agent.tcp())).unwrap();
    let mut status = StatusServiceClient::new(endpoint.connect_lazy());
    let refused = status.get(proto::GetStatusRequest {}).await.unwrap_err();
    let chain = format!("{refused:?}");
    assert!(chain.contains("this port speaks TLS"), "{chain}");
    agent
        .told("Client refused", &["127.0.0.1", "spoke without TLS"])
        .await;
}

#[tokio::test]
async fn loopback_without_tls_may_watch() {
    let settings = config::Tcp {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        plaintext: true,
        ..config::Tcp::default()
    };
    let agent = Agent::over_tcp(&settings, BRISK).await;
    let endpoint = Endpoint::try_from(format!("http://{}", agent.tcp())).unwrap();
    let mut status = StatusServiceClient::new(endpoint.connect().await.unwrap());
    status.get(proto::GetStatusRequest {}).await.unwrap();
}

/// Waits until the agent shows another certificate than this.
async fn shown(agent: &Agent, pki: &Pki, client: &Pair, not: Option<&[u8]>) -> Vec<u8> {
    loop {
        let stream = pki::connect(agent.tcp(), pki.client(Some(client)));
        let stream = stream.await.unwrap();
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
        if not != Some(&shown[..]) {
            return shown;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_certificate_is_replaced_and_no_stream_is_dropped() {
    let pki = Pki::new();
    let agent = agent_with(&pki).await;
    let client = pki.ca.pair(WATCHER);
    let before = shown(&agent, &pki, &client, None).await;
    let mut watcher = AlertServiceClient::new(pki.channel(agent.tcp(), WATCHER).await);
    let mut stream = watcher.watch(WatchRequest::default()).await.unwrap();
    let stream = stream.get_mut();
    next(stream).await;
    agent.raise();
    assert_eq!(next(stream).await.sequence, 1);

    pki.write("server", &pki.ca.pair("localhost"));
    shown(&agent, &pki, &client, Some(&before)).await;
    agent.raise();
    assert_eq!(next(stream).await.sequence, 2);
    // Its connection takes further calls too.
    let second = watcher.watch(oldest()).await.unwrap();
    drop(second);
}

#[tokio::test]
async fn a_link_that_kubernetes_swaps_is_noticed() {
    let pki = Pki::new();
    let mount = tempfile::tempdir().unwrap();
    let version = |name: &str, pair: &Pair| {
        let directory = mount.path().join(name);
        std::fs::create_dir(&directory).unwrap();
        for file in ["ca.pem", "clients.toml"] {
            std::fs::copy(pki.path().join(file), directory.join(file)).unwrap();
        }
        std::fs::write(directory.join("server.pem"), &pair.certificate).unwrap();
        let key = directory.join("server.key");
        std::fs::write(&key, &pair.key).unwrap();
        std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        symlink(name, mount.path().join("..data_tmp")).unwrap();
        std::fs::rename(mount.path().join("..data_tmp"), mount.path().join("..data")).unwrap();
    };
    version("..1", &pki.ca.pair("localhost"));
    for file in ["server.pem", "server.key", "ca.pem", "clients.toml"] {
        symlink(format!("..data/{file}"), mount.path().join(file)).unwrap();
    }
    let agent = Agent::over_tcp(&pki.settings_in(mount.path()), BRISK).await;
    let client = pki.ca.pair(WATCHER);
    let before = shown(&agent, &pki, &client, None).await;
    version("..2", &pki.ca.pair("localhost"));
    shown(&agent, &pki, &client, Some(&before)).await;
}

#[tokio::test]
async fn a_client_that_is_taken_off_the_file_loses_its_stream_and_its_connection() {
    let pki = Pki::new();
    let agent = agent_with(&pki).await;
    let channel = pki.channel(agent.tcp(), WATCHER).await;
    let mut client = AlertServiceClient::new(channel.clone());
    let mut stream = client.watch(WatchRequest::default()).await.unwrap();
    let stream = stream.get_mut();
    next(stream).await;
    pki.write_file("clients.toml", "");
    let end = tokio::time::timeout(Duration::from_secs(10), stream.next());
    let end = end.await.unwrap().unwrap().unwrap_err();
    assert_eq!(end.code(), Code::PermissionDenied, "{end}");
    assert!(end.message().contains("stream.tcp.clients"), "{end}");
    agent
        .told("Client refused", &[WATCHER, "AlertService/Watch needs"])
        .await;

    let mut status = StatusServiceClient::new(channel);
    let mut refused = Code::Ok;
    // Refused at first; then the connection is closed.
    while matches!(refused, Code::Ok | Code::PermissionDenied) {
        let answer = status.get(proto::GetStatusRequest {}).await;
        refused = answer.unwrap_err().code();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let again = pki.channel(agent.tcp(), WATCHER).await;
    let refused = AlertServiceClient::new(again).watch(oldest()).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn files_that_do_not_fit_are_not_taken_over_and_told_of() {
    let pki = Pki::new();
    let agent = agent_with(&pki).await;
    pki.write_file("server.key", &pki.ca.pair("localhost").key);
    let what = agent
        .told(
            "Credentials not taken over",
            &["stream.tcp.key", "server.key"],
        )
        .await;
    assert!(what.contains("not the key of the certificate"), "{what}");
    let channel = pki.channel(agent.tcp(), WATCHER).await;
    let mut status = StatusServiceClient::new(channel);
    status.get(proto::GetStatusRequest {}).await.unwrap();
    // Told once, however often it is looked at.
    std::fs::remove_file(pki.path().join("clients.toml")).unwrap();
    agent
        .told(
            "Credentials not taken over",
            &["stream.tcp.clients", "cannot be read"],
        )
        .await;
    tokio::time::sleep(BRISK.reload * 5).await;
    assert_eq!(agent.alerts.as_ref().unwrap().counts().account(0).raised, 2);
}

#[tokio::test]
async fn the_start_is_refused_with_what_is_wrong_and_where() {
    let refused = |change: &dyn Fn(&Pki)| {
        let pki = Pki::new();
        change(&pki);
        let socket = pki.path().join("s.sock");
        let server = GrpcServer::bind(&socket).unwrap();
        let error = server.with_tcp(&pki.settings()).unwrap_err().to_string();
        error.replace(&format!("{}/", pki.path().display()), "")
    };
    let missing = refused(&|pki| std::fs::remove_file(pki.path().join("ca.pem")).unwrap());
    assert!(
        missing.starts_with("stream.tcp.client_ca: ca.pem: cannot be read: No such file"),
        "{missing}"
    );
    assert!(missing.contains("make the file readable"), "{missing}");
    let other_key = refused(&|pki| pki.write_file("server.key", &pki.ca.pair("x").key));
    assert_eq!(
        other_key.split(" in ").next().unwrap(),
        "stream.tcp.key: server.key: it is not the key of the certificate"
    );
    let swapped = refused(&|pki| pki.write_file("server.pem", &pki.ca.pair("x").key));
    assert_eq!(
        swapped,
        "stream.tcp.certificate: server.pem: there is no certificate in it; is it another file?"
    );
    let torn = refused(&|pki| pki.write_file("ca.pem", &pki.ca.pem[..200]));
    assert!(torn.contains("ca.pem: it is no PEM file: "), "{torn}");
    let clients = refused(&|pki| pki.write_file("clients.toml", "[[client]]\nnam = 1\n"));
    assert!(
        clients.starts_with("stream.tcp.clients: clients.toml: line 2: unknown field `nam`"),
        "{clients}"
    );
}

#[tokio::test]
async fn a_key_that_everybody_can_read_is_told_of() {
    let pki = Pki::new();
    let key = pki.path().join("server.key");
    let told = || {
        let mut counters = crate::telemetry::counters().into_iter();
        let found = counters.find(|(name, _)| *name == "tls_key_readable_by_others");
        found.map_or(0, |(_, count)| count)
    };
    // Other tests keep their keys private.
    std::fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    let server = |name: &str| GrpcServer::bind(&pki.path().join(name)).unwrap();
    server("a").with_tcp(&pki.settings()).unwrap();
    assert_eq!(told(), 0);
    std::fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    server("b").with_tcp(&pki.settings()).unwrap();
    assert_eq!(told(), 1);
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = config::Tcp {
        listen: Some(taken.local_addr().unwrap()),
        plaintext: true,
        ..config::Tcp::default()
    };
    let directory = tempfile::tempdir().unwrap();
    let server = GrpcServer::bind(&directory.path().join("s.sock")).unwrap();
    let error = server.with_tcp(&settings).unwrap_err().to_string();
    assert!(
        error.starts_with("stream.tcp.listen: cannot listen at 127.0.0.1:"),
        "{error}"
    );
}
