//! The `gravlens` command.

fn main() {
    let path = std::env::args().nth(3).unwrap();
    gravlens::probe::ensure_tracefs().unwrap();
    let sources = gravlens::config::Sources {
        file: Some(path.into()),
        ..Default::default()
    };
    let effective = sources.load().unwrap();
    gravlens::telemetry::init(&effective.config.log.level, effective.config.log.format);
    let rt = tokio::runtime::Runtime::new().unwrap();
    if let Err(e) = rt.block_on(gravlens::pipeline::run(
        &effective.config,
        std::time::SystemTime::now(),
    )) {
        eprintln!("error: {e}");
        std::process::exit(1)
    }
}
