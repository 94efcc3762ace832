//! `consumer SOCKET CURSOR_FILE`

use gravlens::proto::alert_service_client::AlertServiceClient;
use gravlens::proto::{Cursor, Oldest, WatchRequest, record::Body, watch_request::Start};
use std::{env, error::Error, fs};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let socket = env::args().nth(1).ok_or("no socket given")?;
    let file = env::args().nth(2).ok_or("no cursor file given")?;
    let start = match fs::read_to_string(&file).ok() {
        Some(text) => {
            let (epoch, sequence) = text.split_once(' ').ok_or("the cursor is damaged")?;
            let (epoch, sequence) = (epoch.parse()?, sequence.parse()?);
            Start::Cursor(Cursor { epoch, sequence })
        }
        None => Start::Oldest(Oldest {}),
    };
    let request = WatchRequest {
        start: Some(start),
        ..WatchRequest::default()
    };
    let mut agent = AlertServiceClient::connect(format!("unix://{socket}")).await?;
    let mut stream = agent.watch(request).await?.into_inner();
    let mut last = None;
    while let Some(record) = stream.message().await? {
        match &record.body {
            Some(Body::Hello(hello)) => last = hello.progress.map(|it| it.complete_through),
            Some(Body::Heartbeat(_)) => {}
            _ if Some(record.prev_sequence) != last => Err("records are missing")?,
            body => {
                match body {
                    Some(Body::Alert(alert)) => println!("{} {}", alert.id, alert.output),
                    Some(Body::Gap(gap)) => println!("GAP {}", gap.message),
                    _ => {} // AMEND, LOSS and what a later version adds
                }
                last = Some(record.sequence);
                let new = format!("{file}.new");
                fs::write(&new, format!("{} {}", record.stream_epoch, record.sequence))?;
                fs::rename(new, &file)?; // a crash leaves the old cursor or the new one
            }
        }
    }
    Ok(())
}
