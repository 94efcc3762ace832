use clap::CommandFactory as _;

use super::*;

#[test]
fn the_arguments_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn help_tells_the_exit_codes() {
    let help = Cli::command().render_help().to_string();
    for code in [
        Exit::Success,
        Exit::Failure,
        Exit::Usage,
        Exit::Permission,
        Exit::Kernel,
        Exit::AlreadyRunning,
        Exit::Unreachable,
        Exit::RulesRefused,
    ] {
        assert!(help.contains(&format!("\n  {}  ", code as u8)), "{code:?}");
    }
}

#[test]
fn flags_of_run_are_settings() {
    let line = "gravlens run --cgroup /demo --rules /a --rules /b --stdout json \
                --set log.level=debug --log-level warn --socket /x.sock";
    let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
    let Verb::Run(args) = cli.verb else {
        panic!("not run");
    };
    let missing = tempfile::NamedTempFile::new().unwrap();
    let file = Some(missing.path().to_owned());
    let config = cli.global.load_from(file, args.flags()).unwrap().config;
    assert_eq!(config.scope.cgroup, Some("/demo".into()));
    assert_eq!(
        config.rules.paths,
        [PathBuf::from("/a"), PathBuf::from("/b")]
    );
    assert!(config.outputs.stdout.enabled);
    assert_eq!(config.outputs.stdout.format, RecordFormat::Json);
    assert_eq!(config.log.level, "warn");
    assert_eq!(config.stream.socket, PathBuf::from("/x.sock"));
}
