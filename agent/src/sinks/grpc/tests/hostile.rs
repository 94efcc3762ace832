//! Clients that mean harm, and a well-behaved one beside them that must not notice.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::network::BRISK;
use super::pki::{self, Pki, WATCHER};
use super::*;

/// Whoever means harm comes from here; all of 127.0.0.0/8 is loopback.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(30);

const HASTY: Patience = Patience {
    handshake: Duration::from_millis(500),
    first_call: Duration::from_millis(500),
    ..BRISK
};

async fn intruder(agent: &Agent) -> std::io::Result<TcpStream> {
    intruder_from(ELSEWHERE, agent).await
}

async fn intruder_from(address: Ipv4Addr, agent: &Agent) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((address, 0).into())?;
    socket.connect(agent.tcp()).await
}

/// Another loopback address for each number.
fn address(number: usize) -> Ipv4Addr {
    let [_, high, middle, low] = (number as u32).to_be_bytes();
    Ipv4Addr::new(127, 1 + high, middle, low)
}

/// Whether the agent ends the connection.
async fn is_ended(stream: &mut TcpStream) -> bool {
    let mut said = Vec::new();
    timeout(LONG, stream.read_to_end(&mut said)).await.is_ok()
}

/// A subscriber over TLS that follows while something goes on, and gets all that is raised.
struct Beside {
    stream: Streaming<Record>,
    raised: AtomicU64,
}

impl Beside {
    async fn new(agent: &Agent, pki: &Pki) -> Self {
        let channel = pki.channel(agent.tcp(), WATCHER).await;
        let answer = AlertServiceClient::new(channel).watch(oldest()).await;
        let mut stream = answer.unwrap().into_inner();
        next(&mut stream).await;
        Self {
            stream,
            raised: AtomicU64::new(0),
        }
    }

    fn raise(&self, agent: &Agent) {
        agent.raise();
        self.raised.fetch_add(1, Ordering::Relaxed);
    }

    /// Every record up to what was raised last came, in order.
    async fn has_it_all(&mut self) {
        let (mut last, mut alerts) = (0, 0);
        while alerts < self.raised.load(Ordering::Relaxed) {
            let record = next(&mut self.stream).await;
            assert_eq!(record.prev_sequence, last, "records are missing");
            last = record.sequence;
            let Some(Body::Alert(alert)) = record.body else {
                panic!("no alert");
            };
            alerts += u64::from(alert.rule.unwrap().language != "built-in");
        }
    }
}

/// Resident memory of this process.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}

/// Connects 10,000 times, 200 at once; they say half a thing or nothing, and each crowd stays until
/// the next one has come. A subscriber must get everything meanwhile, and a newcomer must be served.
async fn stand_ten_thousand_connects(from: impl Fn(usize) -> Ipv4Addr, told: &[&str], alerts: u64) {
    const CONNECTS: usize = 10_000;
    const AT_ONCE: usize = 200;
    // The memory that is measured is that of all tests.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let _turn = ONE_AT_A_TIME.lock().await;
    let pki = Pki::new();
    let agent = Agent::over_tcp(&pki.settings(), BRISK).await;
    let mut beside = Beside::new(&agent, &pki).await;
    let before = resident_bytes();
    let mut crowd = Vec::new();
    for round in 0..CONNECTS / AT_ONCE {
        beside.raise(&agent);
        let next = (0..AT_ONCE).map(|number| {
            let address = from(round * AT_ONCE + number);
            let agent = &agent;
            async move {
                let mut stream = intruder_from(address, agent).await?;
                match number % 3 {
                    0 => stream.write_all(PREFACE).await?,
                    1 => stream.write_all(&[22, 3, 1]).await?,
                    _ => {}
                }
                std::io::Result::Ok(stream)
            }
        });
        // One that the agent has closed already may refuse what is written.
        crowd = futures::future::join_all(next).await;
        assert_eq!(crowd.len(), AT_ONCE, "round {round}");
        if round % 10 == 0 {
            let mut status = StatusServiceClient::new(pki.channel(agent.tcp(), WATCHER).await);
            status.get(proto::GetStatusRequest {}).await.unwrap();
        }
    }
    drop(crowd);
    beside.has_it_all().await;
    agent.told("Client refused", told).await;
    let raised = agent.alerts.as_ref().unwrap().counts().account(0).raised;
    let own = beside.raised.load(Ordering::Relaxed);
    let refusals = raised - own;
    assert!(refusals < alerts, "{refusals} alerts tell of refusals");
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 256 << 20, "{grown} bytes more");
    // Who comes now is let in as ever.
    pki.channel(agent.tcp(), WATCHER).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_connects_harm_nobody() {
    let told = ["127.0.0.2", "handshakes from there"];
    // Some kinds of refusal, each once in these seconds.
    stand_ten_thousand_connects(|_| ELSEWHERE, &told, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_connects_from_as_many_addresses_harm_nobody() {
    // As many origins as are told apart, and one alert for each reason beyond.
    stand_ten_thousand_connects(address, &["gave way to a newer one"], 280).await;
}

#[tokio::test]
async fn whoever_shows_no_certificate_takes_no_place_of_those_who_do() {
    let pki = Pki::new();
    let agent = Agent::over_tcp(&pki.settings(), BRISK).await;
    let mut silent = Vec::new();
    for number in 0..MAX_CONNECTIONS * 3 {
        silent.push(intruder_from(address(number), &agent).await.unwrap());
    }
    // Those that are served are bounded too, and the socket has room of its own.
    let mut served = Vec::new();
    for _ in 0..MAX_CONNECTIONS_PER_ORIGIN {
        let mut status = StatusServiceClient::new(pki.channel(agent.tcp(), WATCHER).await);
        status.get(proto::GetStatusRequest {}).await.unwrap();
        served.push(status);
    }
    let client = pki.client(Some(&pki.ca.pair(WATCHER)));
    // With TLS 1.3 the handshake may be over for the client before it is refused.
    let refused = async {
        let mut beyond = pki::connect(agent.tcp(), client).await?;
        beyond.read_to_end(&mut Vec::new()).await
    };
    let end = timeout(LONG, refused).await;
    assert!(end.is_ok(), "it is still open");
    let told = [WATCHER, "connections from there are open already"];
    agent.told("Client refused", &told).await;
    let local = Endpoint::try_from(format!("unix:{}", agent.socket.display())).unwrap();
    let mut status = StatusServiceClient::new(local.connect().await.unwrap());
    status.get(proto::GetStatusRequest {}).await.unwrap();
}

#[tokio::test]
async fn a_handshake_that_trickles_is_ended_and_told_of() {
    let pki = Pki::new();
    let agent = Agent::over_tcp(&pki.settings(), HASTY).await;
    let mut beside = Beside::new(&agent, &pki).await;
    let slow = (0..20).map(|_| async {
        let mut stream = intruder(&agent).await.unwrap();
        // A ClientHello that would be 16 KiB long, byte by byte.
        let head = [22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3];
        for byte in head.into_iter().chain(std::iter::repeat(1)) {
            if stream.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let all = timeout(LONG, futures::future::join_all(slow)).await;
    assert!(all.is_ok(), "some are still served");
    beside.raise(&agent);
    beside.has_it_all().await;
    agent
        .told("Client refused", &["127.0.0.2", "took too long"])
        .await;
}

#[tokio::test]
async fn a_connection_without_a_call_is_ended() {
    let pki = Pki::new();
    let agent = Agent::over_tcp(&pki.settings(), HASTY).await;
    let client = pki.client(Some(&pki.ca.pair(WATCHER)));
    let mut silent = pki::connect(agent.tcp(), client).await.unwrap();
    let mut said = Vec::new();
    let end = timeout(LONG, silent.read_to_end(&mut said)).await;
    assert!(end.is_ok(), "it is still open");
    // The unix socket has no other patience.
    let mut local = tokio::net::UnixStream::connect(&agent.socket)
        .await
        .unwrap();
    local.write_all(PREFACE).await.unwrap();
    let end = timeout(LONG, local.read_to_end(&mut said)).await;
    assert!(end.is_ok(), "it is still open");
}

#[tokio::test]
async fn handshakes_of_one_address_are_bounded_and_others_are_served() {
    let pki = Pki::new();
    let agent = Agent::over_tcp(&pki.settings(), BRISK).await;
    let mut held = Vec::new();
    for _ in 0..tcp::HANDSHAKES_PER_ORIGIN {
        held.push(intruder(&agent).await.unwrap());
    }
    let mut beyond = intruder(&agent).await.unwrap();
    assert!(is_ended(&mut beyond).await);
    agent
        .told("Client refused", &["127.0.0.2", "handshakes from there"])
        .await;
    let channel = pki.channel(agent.tcp(), WATCHER).await;
    let mut status = StatusServiceClient::new(channel);
    status.get(proto::GetStatusRequest {}).await.unwrap();
}

#[tokio::test]
async fn frames_that_are_too_large_or_cut_off_end_their_connection_alone() {
    let pki = Pki::new();
    let agent = Agent::over_tcp(&pki.settings(), HASTY).await;
    let mut beside = Beside::new(&agent, &pki).await;
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let frames: [&[u8]; 5] = [
        // DATA of 16 MiB; headers that never end; half a frame; a stream of its own making; none.
        &[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1],
        &[0, 0x40, 0, 1, 0, 0, 0, 0, 1],
        &[0, 0, 8, 6, 0, 0],
        &[0, 0, 4, 3, 0, 0, 0, 0, 2, 0, 0, 0, 8],
        &[],
    ];
    for frame in frames {
        let client = pki.client(Some(&pki.ca.pair(WATCHER)));
        let mut stream = pki::connect(agent.tcp(), client).await.unwrap();
        let bytes = [PREFACE, &settings, frame].concat();
        stream.write_all(&bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut said = Vec::new();
        let end = timeout(LONG, stream.read_to_end(&mut said)).await;
        assert!(end.is_ok(), "{frame:?}");
    }
    beside.raise(&agent);
    beside.has_it_all().await;
}

#[tokio::test]
async fn requests_that_are_too_large_or_wrong_are_refused_over_the_network_too() {
    let pki = Pki::new();
    let agent = Agent::over_tcp(&pki.settings(), BRISK).await;
    let mut beside = Beside::new(&agent, &pki).await;
    let mut client = AlertServiceClient::new(pki.channel(agent.tcp(), WATCHER).await);
    let asking = |selector: proto::Selector, count: usize| WatchRequest {
        filter: Some(proto::Filter {
            allow: vec![selector; count],
            ..proto::Filter::default()
        }),
        ..WatchRequest::default()
    };
    let large = proto::Selector {
        rules: vec!["x".repeat(MAX_REQUEST_BYTES)],
        ..proto::Selector::default()
    };
    let refused = client.watch(asking(large, 1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    let many = asking(proto::Selector::default(), 65);
    let refused = client.watch(many).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    let mut headers = tonic::Request::new(proto::GetStatusRequest {});
    let long = "x".repeat(MAX_HEADER_BYTES as usize);
    headers.metadata_mut().insert("x", long.parse().unwrap());
    let mut status = StatusServiceClient::new(pki.channel(agent.tcp(), WATCHER).await);
    let refused = status.get(headers).await.unwrap_err();
    assert!(refused.message().contains("431"), "{refused}");
    beside.raise(&agent);
    beside.has_it_all().await;
}

#[test]
fn no_bytes_bring_the_server_down() {
    let runtime = Runtime::new().unwrap();
    let pki = Pki::new();
    let plaintext = config::Tcp {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        plaintext: true,
        ..config::Tcp::default()
    };
    let (open, tls) = runtime.block_on(async {
        let open = Agent::over_tcp(&plaintext, HASTY).await;
        (open, Agent::over_tcp(&pki.settings(), HASTY).await)
    });
    let cases = ProptestConfig::with_cases(64);
    proptest!(cases, |(bytes in prop::collection::vec(any::<u8>(), 0..600), http: bool)| {
        runtime.block_on(async {
            for agent in [&open, &tls] {
                let mut stream = intruder(agent).await.unwrap();
                let begin = if http { PREFACE } else { &[22, 3, 1] };
                // It may be refused before all is written.
                let _ = stream.write_all(&[begin, &bytes].concat()).await;
                let _ = stream.shutdown().await;
                assert!(is_ended(&mut stream).await);
            }
        });
    });
    runtime.block_on(async {
        for agent in [open, tls] {
            assert!(!agent.server.is_finished());
            let mut status = StatusServiceClient::new(agent.channel.clone());
            status.get(proto::GetStatusRequest {}).await.unwrap();
        }
    });
}
