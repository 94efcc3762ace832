//! `consumer SOCKET CURSOR_FILE`

use gravlens::proto::alert_service_client::AlertServiceClient;
use gravlens::proto::{Cursor, Oldest, WatchRequest, record::Body, watch_request::Start};
use prost::Message as _;
use std::{env, error::Error, fs};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [socket, file] = [1, 2].map(|at| env::args().nth(at).expect("SOCKET and CURSOR_FILE"));
    let cursor = fs::read(&file).ok().map(|it| Cursor::decode(&*it));
    let start = cursor.transpose()?.map(Start::Cursor);
    let start = start.or(Some(Start::Oldest(Oldest {})));
    let request = WatchRequest {
        start,
        ..Default::default()
    };
    let mut agent = AlertServiceClient::connect(format!("unix://{socket}")).await?;
    let mut stream = agent.watch(request).await?.into_inner();
    let mut last = None;
    while let Some(record) = stream.message().await? {
        match record.body {
            Some(Body::Heartbeat(_)) => continue,
            Some(Body::Hello(hello)) => {
                last = hello.progress.map(|it| it.complete_through);
                continue;
            }
            _ if Some(record.prev_sequence) != last => Err("records are missing")?,
            Some(Body::Alert(alert)) => println!("{} {}", alert.id, alert.output),
            Some(Body::Gap(gap)) => println!("GAP {}", gap.message),
            _ => {} // AMEND, LOSS and what a later version adds
        }
        last = Some(record.sequence);
        let (epoch, sequence) = (record.stream_epoch, record.sequence);
        fs::write(
            format!("{file}.new"),
            Cursor { epoch, sequence }.encode_to_vec(),
        )?;
        fs::rename(format!("{file}.new"), &file)?; // a crash leaves the old cursor or the new one
    }
    Ok(())
}
