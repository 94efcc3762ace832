//! The Python environment in which the tests run stock gRPC clients: `target/python`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::Missing;
use super::part::State;
use crate::run::{answer, run, workspace_root};

const VERSION: &str = "1.85.1";
const PACKAGES: [&str; 4] = [
    "grpcio",
    "grpcio-tools",
    "grpcio-reflection",
    "grpcio-health-checking",
];

/// Prints the versions of the packages named, one a line; fails if one is absent.
const ASK_VERSIONS: &str =
    "import sys, importlib.metadata as m\nfor p in sys.argv[1:]: print(m.version(p))";

/// Whether the environment holds the packages in the wanted version.
pub(super) fn probe() -> State {
    let args: Vec<&str> = ["-c", ASK_VERSIONS].into_iter().chain(PACKAGES).collect();
    let what = match answer(environment().join("bin/python"), &args) {
        Some(versions) if versions.lines().all(|version| version == VERSION) => {
            return State::Present(format!(
                "target/python with {} {VERSION}",
                PACKAGES.join(", ")
            ));
        }
        Some(_) => format!("target/python has other versions than {VERSION}"),
        None => format!("target/python with {} is not there", PACKAGES.join(", ")),
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
        .args(PACKAGES.map(|package| format!("{package}=={VERSION}"))))
}

fn environment() -> PathBuf {
    workspace_root().join("target/python")
}
