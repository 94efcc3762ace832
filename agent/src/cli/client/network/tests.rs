use std::path::PathBuf;

use clap::Parser as _;

use super::*;
use crate::cli::{Cli, client};
use crate::config;
use crate::proto::GetStatusRequest;
use crate::proto::status_service_client::StatusServiceClient;
use crate::sinks::grpc::tests::Agent;
use crate::sinks::grpc::tests::network::BRISK;
use crate::sinks::grpc::tests::pki::{Ca, Pki, WATCHER};

fn global(arguments: &[&str]) -> Global {
    let verb = ["gravlens", "status"];
    Cli::try_parse_from(verb.iter().chain(arguments))
        .unwrap()
        .global
}

/// The files of a client, and an agent that takes it.
struct Fleet {
    pki: Pki,
    agent: Agent,
}

impl Fleet {
    async fn new() -> Self {
        let pki = Pki::new();
        pki.write("client", &pki.ca.pair(WATCHER));
        let agent = Agent::over_tcp(&pki.settings(), BRISK).await;
        Self { pki, agent }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.pki.path().join(name)
    }

    fn global(&self) -> Global {
        Global {
            connect: Some(format!("https://localhost:{}", self.agent.tcp().port())),
            tls_ca: Some(self.file("ca.pem")),
            tls_cert: Some(self.file("client.pem")),
            tls_key: Some(self.file("client.key")),
            ..global(&[])
        }
    }
}

async fn ask(global: &Global) -> Result<(), Failure> {
    let channel = client::connect(&client::agent(global)?).await?;
    let mut status = StatusServiceClient::new(channel);
    status.get(GetStatusRequest {}).await?;
    Ok(())
}

async fn refused(global: &Global) -> (Exit, String) {
    let failure = ask(global).await.unwrap_err();
    (failure.exit(), failure.to_string())
}

#[tokio::test]
async fn an_agent_is_asked_over_the_network() {
    let fleet = Fleet::new().await;
    ask(&fleet.global()).await.unwrap();
}

#[tokio::test]
async fn an_agent_of_this_node_is_asked_without_tls() {
    let settings = config::Tcp {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        plaintext: true,
        ..config::Tcp::default()
    };
    let agent = Agent::over_tcp(&settings, BRISK).await;
    let url = format!("http://{}", agent.tcp());
    ask(&global(&["--connect", &url])).await.unwrap();
    let remote = refused(&global(&["--connect", "http://192.0.2.1:7443"])).await;
    assert_eq!(remote.0, Exit::Usage);
    assert!(
        remote.1.contains("http is for this node alone"),
        "{}",
        remote.1
    );
}

#[test]
fn a_socket_outranks_the_network() {
    let both = global(&["--connect", "https://localhost:1", "--socket", "/x.sock"]);
    let agent = client::agent(&both).unwrap();
    assert!(matches!(agent, client::Agent::Socket(path) if path == Path::new("/x.sock")));
}

#[tokio::test]
async fn a_refusal_says_who_refuses_what() {
    let fleet = Fleet::new().await;
    fleet.pki.write("other", &Ca::new("another").pair(WATCHER));
    let other = Global {
        tls_cert: Some(fleet.file("other.pem")),
        tls_key: Some(fleet.file("other.key")),
        ..fleet.global()
    };
    let (exit, why) = refused(&other).await;
    assert_eq!(exit, Exit::Permission, "{why}");
    assert!(why.contains("comes from no CA that it trusts"), "{why}");

    fleet.pki.write("client", &fleet.pki.ca.pair("stranger"));
    let (exit, why) = refused(&fleet.global()).await;
    assert_eq!(exit, Exit::Permission, "{why}");
    assert!(why.contains("stream.tcp.clients"), "{why}");

    fleet.pki.write_file("foreign.pem", &Ca::new("another").pem);
    let distrust = Global {
        tls_ca: Some(fleet.file("foreign.pem")),
        ..fleet.global()
    };
    let (exit, why) = refused(&distrust).await;
    assert_eq!(exit, Exit::Failure, "{why}");
    assert!(why.contains("is --tls-ca its CA?"), "{why}");
}

#[tokio::test]
async fn a_wrong_argument_is_named() {
    let fleet = Fleet::new().await;
    for (url, part) in [
        ("localhost", "write https://HOST:PORT"),
        ("https://localhost", "write https://HOST:PORT"),
        ("ftp://localhost:1", "write https://HOST:PORT, or http://"),
        ("https://localhost:1/x", "nothing may follow the port"),
        ("https://localhost:1", "https needs --tls-ca FILE"),
    ] {
        let (exit, why) = refused(&global(&["--connect", url])).await;
        assert_eq!(exit, Exit::Usage, "{why}");
        assert!(why.contains(part), "{why}");
    }
    let missing = Global {
        tls_key: Some(fleet.file("none.key")),
        ..fleet.global()
    };
    let (exit, why) = refused(&missing).await;
    assert_eq!(exit, Exit::Usage, "{why}");
    assert!(
        why.contains("none.key: cannot be read: No such file"),
        "{why}"
    );
    let swapped = Global {
        tls_key: Some(fleet.file("server.key")),
        ..fleet.global()
    };
    let (_, why) = refused(&swapped).await;
    assert!(
        why.contains("it is not the key of the certificate in"),
        "{why}"
    );
    let nobody = Global {
        connect: Some("https://localhost:1".to_owned()),
        ..fleet.global()
    };
    assert_eq!(refused(&nobody).await.0, Exit::Unreachable);
}
