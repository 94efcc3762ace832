use std::fs;

use super::settings::SETTINGS;
use super::*;

fn load(text: &str) -> Result<Effective, ConfigError> {
    load_with(text, &[], &[])
}

fn load_with(
    text: &str,
    environment: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Effective, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gravlens.toml");
    fs::write(&file, text).unwrap();
    let result = Sources {
        file: Some(file),
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        flags: flags
            .iter()
            .map(|(key, value)| ("--set".to_owned(), (*key).to_owned(), (*value).to_owned()))
            .collect(),
    }
    .load();
    // Messages without the directory, which differs each time.
    result.map_err(|error| ConfigError {
        problems: error
            .problems
            .into_iter()
            .map(|problem| Problem {
                place: problem
                    .place
                    .replace(&format!("{}/", directory.path().display()), ""),
                ..problem
            })
            .collect(),
    })
}

fn errors(text: &str) -> String {
    load(text).unwrap_err().to_string()
}

#[test]
fn an_empty_file_gives_the_defaults() {
    assert_eq!(load("").unwrap().config, Config::default());
}

#[test]
fn flags_outrank_environment_which_outranks_the_file() {
    let text = "log.level = 'a'\n[stream]\nmax_streams = 1\nspool_records = 100\n";
    let environment = [
        ("GRAVLENS_STREAM_MAX_STREAMS", "2"),
        ("GRAVLENS_LOG_LEVEL", "b"),
        ("PATH", "ignored"),
    ];
    let effective = load_with(text, &environment, &[("log.level", "c")]).unwrap();
    let config = &effective.config;
    assert_eq!(config.log.level, "c");
    assert_eq!(config.stream.max_streams, 2);
    assert_eq!(config.stream.spool.records, 100);
    assert_eq!(effective.origin("log.level"), &Origin::Flag("--set".into()));
    assert_eq!(
        effective.origin("stream.max_streams").to_string(),
        "GRAVLENS_STREAM_MAX_STREAMS"
    );
    assert!(
        effective
            .origin("stream.spool_records")
            .to_string()
            .ends_with("gravlens.toml:4:17")
    );
    assert_eq!(effective.origin("docker.socket"), &Origin::Default);
}

#[test]
fn unknown_names_are_refused_with_what_is_allowed() {
    assert_eq!(
        errors("[docker]\nenabled = true\nsokcet = '/x'\n"),
        "gravlens.toml:3:1: unknown setting `docker.sokcet`; allowed here: enabled, socket"
    );
    assert_eq!(
        errors("\n[outputs.stdin]\nenabled = true\n"),
        "gravlens.toml:2:10: unknown setting `outputs.stdin`; allowed here: file, nats, otlp, stdout, webhook"
    );
    assert_eq!(
        errors("docker = 3\n"),
        "gravlens.toml:1:10: `docker` is a section: write [docker]"
    );
}

#[test]
fn a_variable_that_is_no_setting_is_only_a_warning() {
    let environment = [
        ("GRAVLENS_SERVICE_HOST", "10.0.0.1"),
        ("GRAVLENS_CONFIG", "x"),
        ("GRAVLENS_VERIFIER_LOG", "1"),
    ];
    let effective = load_with("", &environment, &[]).unwrap();
    assert_eq!(
        effective.warnings,
        [Problem {
            place: "GRAVLENS_SERVICE_HOST".into(),
            message: "ignored: no setting has this environment variable".into(),
        }]
    );
}

#[test]
fn all_problems_are_listed_with_their_places() {
    let text = "[rings]\nbulk_bytes = 5000\n[stream]\nheartbeat_seconds = 0\nsocket = 7\n";
    assert_eq!(
        errors(text),
        "gravlens.toml:2:14: rings.bulk_bytes: 5000 bytes is no power of two; take 4KiB or 8KiB\n\
         gravlens.toml:4:21: stream.heartbeat_seconds: 0 is out of range; allowed are 1 to 3600\n\
         gravlens.toml:5:10: stream.socket: expected a path, found 7"
    );
}

#[test]
fn a_syntax_error_has_its_place() {
    let error = errors("[docker]\nenabled = yes please\n");
    assert!(error.starts_with("gravlens.toml:2:11: "), "{error}");
    let error = errors("[docker\n");
    assert!(error.starts_with("gravlens.toml:1:"), "{error}");
    let error = errors("[docker]\nenabled = true\nenabled = false\n");
    assert!(error.starts_with("gravlens.toml:3:1: "), "{error}");
}

#[test]
fn a_file_that_was_named_must_exist() {
    let sources = Sources {
        file: Some("no/such/file.toml".into()),
        ..Sources::default()
    };
    let error = sources.load().unwrap_err().to_string();
    assert!(
        error.starts_with("no/such/file.toml: cannot be read: "),
        "{error}"
    );
}

#[test]
fn what_is_printed_can_be_read_again() {
    let mut config = Config::default();
    config.scope.cgroup = Some("/demo \"x\"".into());
    config.rules.paths = vec!["/a".into(), "/b".into()];
    config.rules.local = None;
    config.rules.watch = false;
    config.rules.min_priority = Some(Priority::Notice);
    config.rules.sigma_min_level = Level::High;
    config.outputs.stdout.format = RecordFormat::Json;
    config.outputs.file.format = RecordFormat::Falco;
    config.outputs.webhook.url = "https://receiver/".into();
    config.outputs.webhook.format = RecordFormat::Json;
    config.outputs.webhook.min_severity = Some(Priority::Error);
    config.outputs.webhook.ca = Some("/ca.pem".into());
    config.outputs.otlp.endpoint = "http://collector:4318".into();
    config.outputs.otlp.gzip = false;
    config.outputs.otlp.headers_file = Some("/headers".into());
    config.metrics.listen = Some("[::1]:9464".parse().unwrap());
    config.log.format = LogFormat::Json;
    let pairs: Vec<_> = SETTINGS
        .iter()
        .map(|setting| {
            let value = (setting.get)(&config);
            format!("{} = {}\n", setting.key, value.toml(setting.kind))
        })
        .collect();
    let first = load(&pairs.concat()).unwrap();
    assert_eq!(first.config, config);
    assert_eq!(load(&first.to_toml()).unwrap().config, config);
}

#[test]
fn every_setting_has_a_section_that_prints_once() {
    let printed = load("").unwrap().to_toml();
    for setting in SETTINGS {
        let section = setting
            .key
            .rsplit_once('.')
            .map_or("", |(section, _)| section);
        let header = format!("\n[{section}]\n");
        assert_eq!(
            printed.matches(&header).count(),
            usize::from(!section.is_empty())
        );
    }
}
