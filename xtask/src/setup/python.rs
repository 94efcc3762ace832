//! The Python environment in which the tests run stock gRPC clients, OCSF's schema and a receiver of
//! OTLP: `target/python`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::Missing;
use super::part::State;
use crate::run::{answer, run, workspace_root};

/// Packages and their versions.
const PACKAGES: [(&str, &str); 7] = [
    ("grpcio", "1.85.1"),
    ("grpcio-tools", "1.85.1"),
    ("grpcio-reflection", "1.85.1"),
    ("grpcio-health-checking", "1.85.1"),
    ("jsonschema", "4.26.0"),
    ("ocsf-json-schema", "1.2.0"),
    ("opentelemetry-proto", "1.45.2"),
];

/// Prints the versions of the packages named, one a line; fails if one is absent.
const ASK_VERSIONS: &str =
    "import sys, importlib.metadata as m\nfor p in sys.argv[1:]: print(m.version(p))";

/// Whether the environment holds the packages in the wanted versions.
pub(super) fn probe() -> State {
    let names = PACKAGES.map(|(name, _)| name);
    let args: Vec<&str> = ["-c", ASK_VERSIONS].into_iter().chain(names).collect();
    let wanted = PACKAGES.map(|(_, version)| version);
    let listed = pinned().join(", ");
    let what = match answer(environment().join("bin/python"), &args) {
        Some(versions) if versions.lines().eq(wanted) => {
            return State::Present(format!("target/python with {listed}"));
        }
        Some(_) => format!("target/python has other versions than {listed}"),
        None => format!("target/python with {} is not there", names.join(", ")),
    };
    let venv_works = answer("python3", &["-c", "import venv, ensurepip"]).is_some();
    State::Missing(Missing {
        what,
        packages: if venv_works {
            vec![]
        } else {
            vec!["python3-venv"]
        },
    })
}

/// Makes the environment, or repairs it.
pub(super) fn install() -> Result<()> {
    let environment = environment();
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&environment))?;
    run(Command::new(environment.join("bin/python"))
        .args(["-m", "pip", "install", "--disable-pip-version-check"])
        .args(["--only-binary", ":all:", "--no-input"])
        .args(pinned()))
}

/// Packages with their versions, as pip wants them.
fn pinned() -> [String; 7] {
    PACKAGES.map(|(name, version)| format!("{name}=={version}"))
}

fn environment() -> PathBuf {
    workspace_root().join("target/python")
}
