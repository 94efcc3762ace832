//! The privileged suites, on one Docker Engine that this program starts and stops.
//!
//! `cargo test -p integration-test --release -- --test-threads=1 --nocapture [FILTER]`

use std::process::ExitCode;
use std::sync::Arc;

use integration_test::engine::Engine;
use integration_test::selection::Selection;
use integration_test::state::State;
use integration_test::undo;
use libtest_mimic::{Arguments, Failed, Trial};

#[path = "suites/alerts.rs"]
mod alerts;
#[path = "suites/arguments.rs"]
mod arguments;
#[path = "suites/baseline.rs"]
mod baseline;
#[path = "suites/baseline_cache.rs"]
mod baseline_cache;
#[path = "suites/baseline_live.rs"]
mod baseline_live;
#[path = "suites/baseline_units.rs"]
mod baseline_units;
#[path = "suites/benign.rs"]
mod benign;
#[path = "suites/calls.rs"]
mod calls;
#[path = "suites/canary.rs"]
mod canary;
#[path = "suites/consumers.rs"]
mod consumers;
#[path = "suites/containers.rs"]
mod containers;
#[path = "suites/deeds.rs"]
mod deeds;
#[path = "suites/demo.rs"]
mod demo;
#[path = "suites/deploy.rs"]
mod deploy;
#[path = "suites/docker_client.rs"]
mod docker_client;
#[path = "suites/doctor.rs"]
mod doctor;
#[path = "suites/fairness.rs"]
mod fairness;
#[path = "suites/falco_live.rs"]
mod falco_live;
#[path = "suites/file_changes.rs"]
mod file_changes;
#[path = "suites/flood.rs"]
mod flood;
#[path = "suites/image_rules.rs"]
mod image_rules;
#[path = "suites/lifecycle.rs"]
mod lifecycle;
#[path = "suites/loss.rs"]
mod loss;
#[path = "suites/network_cut.rs"]
mod network_cut;
#[path = "suites/ocsf.rs"]
mod ocsf;
#[path = "suites/otlp.rs"]
mod otlp;
#[path = "suites/pack.rs"]
mod pack;
#[path = "suites/played.rs"]
mod played;
#[path = "suites/privileges.rs"]
mod privileges;
#[path = "suites/record.rs"]
mod record;
#[path = "suites/reload.rs"]
mod reload;
#[path = "suites/sandbox.rs"]
mod sandbox;
#[path = "suites/sigma.rs"]
mod sigma;
#[path = "suites/spool.rs"]
mod spool;
#[path = "suites/stock_client.rs"]
mod stock_client;
#[path = "suites/stream_tools.rs"]
mod stream_tools;
#[path = "suites/subscribers.rs"]
mod subscribers;
#[path = "suites/tamper.rs"]
mod tamper;
#[path = "suites/tuning.rs"]
mod tuning;
#[path = "suites/watched.rs"]
mod watched;

/// What every suite gets.
struct Bench {
    state: State,
    engine: tokio::sync::Mutex<Engine>,
}

type Test = fn(&Bench) -> anyhow::Result<()>;

fn main() -> ExitCode {
    let selection = Selection::new(std::env::args());
    let mut arguments = Arguments::from_iter(&selection.options);
    // The suites share the machine's cgroup tree, engine and agent socket.
    arguments.test_threads = Some(1);
    let mut tests = [
        containers::TESTS,
        deeds::TESTS,
        docker_client::TESTS,
        alerts::TESTS,
        pack::TESTS,
        falco_live::TESTS,
        baseline::TESTS,
        baseline_cache::TESTS,
        baseline_live::TESTS,
        baseline_units::TESTS,
        benign::TESTS,
        calls::TESTS,
        file_changes::TESTS,
        arguments::TESTS,
        privileges::TESTS,
        image_rules::TESTS,
        sigma::TESTS,
        loss::TESTS,
        spool::TESTS,
        stream_tools::TESTS,
        tuning::TESTS,
        subscribers::TESTS,
        network_cut::TESTS,
        record::TESTS,
        reload::TESTS,
        sandbox::TESTS,
        deploy::TESTS,
        fairness::TESTS,
        canary::TESTS,
        tamper::TESTS,
        stock_client::TESTS,
        consumers::TESTS,
        ocsf::TESTS,
        otlp::TESTS,
        lifecycle::TESTS,
        doctor::TESTS,
        demo::TESTS,
    ]
    .concat();
    if let Err(error) = selection.apply(&mut tests, arguments.exact) {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    if arguments.list {
        return libtest_mimic::run(&arguments, trials(&tests, None)).exit_code();
    }
    let bench = match start() {
        Ok(bench) => Arc::new(bench),
        Err(error) => {
            undo::yield_to_interruption();
            eprintln!("the suites cannot run: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let conclusion = libtest_mimic::run(&arguments, trials(&tests, Some(&bench)));
    drop(bench);
    undo::yield_to_interruption();
    conclusion.exit_code()
}

fn start() -> anyhow::Result<Bench> {
    let state = State::open()?;
    let engine = Engine::start(&state)?;
    Ok(Bench {
        engine: tokio::sync::Mutex::new(engine),
        state,
    })
}

fn trials(tests: &[(&'static str, Test)], bench: Option<&Arc<Bench>>) -> Vec<Trial> {
    let trial = |&(name, test): &(&'static str, Test)| {
        let bench = bench.cloned();
        Trial::test(name, move || match &bench {
            Some(bench) => test(bench).map_err(|error| Failed::from(format!("{error:#}"))),
            None => Ok(()),
        })
    };
    tests.iter().map(trial).collect()
}
