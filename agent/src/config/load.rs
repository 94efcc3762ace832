//! Merging the sources.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::file::{self, ConfigError, Problem};
use super::settings::{self, SETTINGS, Setting};
use super::value::{Raw, Value};
use super::{Config, DEFAULT_FILE};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// The file, with line and column.
    File(String),
    /// This environment variable.
    Environment(String),
    /// This flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(text) | Self::Environment(text) | Self::Flag(text) => f.write_str(text),
        }
    }
}

/// What the configuration is made of.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file that was named; without one, [`DEFAULT_FILE`] is read if it exists.
    pub file: Option<PathBuf>,
    /// Environment variables; those that do not begin with `GRAVLENS_` are ignored.
    pub environment: Vec<(String, String)>,
    /// Flags: what was typed, the setting's name and the value.
    pub flags: Vec<(String, String, String)>,
}

/// A configuration with the origin of each value.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The configuration.
    pub config: Config,
    /// What was ignored, for the log.
    pub warnings: Vec<Problem>,
    origins: BTreeMap<&'static str, Origin>,
}

/// Variables that the command line and the loader of kernel programs read themselves.
const OTHER_VARIABLES: &[&str] = &[
    "GRAVLENS_CONFIG",
    "GRAVLENS_VERIFIER_LOG",
    "GRAVLENS_DEBUG_STALL_READER",
    "GRAVLENS_CONNECT",
    "GRAVLENS_TLS_CA",
    "GRAVLENS_TLS_CERT",
    "GRAVLENS_TLS_KEY",
];

impl Sources {
    /// Merges the sources.
    ///
    /// # Errors
    /// Everything that is wrong in any of them.
    pub fn load(&self) -> Result<Effective, ConfigError> {
        let mut merge = Merge::default();
        self.read_file(&mut merge);
        for (name, value) in &self.environment {
            merge.variable(name, value);
        }
        for (flag, key, value) in &self.flags {
            merge.flag(flag, key, value);
        }
        merge.finish()
    }

    fn read_file(&self, merge: &mut Merge) {
        let path = self.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
        match fs::read_to_string(path) {
            Ok(text) => merge.file(path, &text),
            Err(error) if self.file.is_none() && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => merge.problems.push(Problem {
                place: path.display().to_string(),
                message: format!("cannot be read: {error}"),
            }),
        }
    }
}

#[derive(Default)]
struct Merge {
    config: Config,
    origins: BTreeMap<&'static str, Origin>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Merge {
    fn file(&mut self, path: &Path, text: &str) {
        let (found, problems) = file::parse(path, text);
        self.problems.extend(problems);
        for value in found {
            let place = value.place.to_string();
            self.set(
                value.setting,
                value.raw,
                &place,
                Origin::File(place.clone()),
            );
        }
    }

    fn variable(&mut self, name: &str, value: &str) {
        if !name.starts_with("GRAVLENS_") || OTHER_VARIABLES.contains(&name) {
            return;
        }
        match SETTINGS.iter().find(|setting| setting.variable() == name) {
            Some(setting) => {
                let origin = Origin::Environment(name.to_owned());
                self.set(setting, Raw::Untyped(value.to_owned()), name, origin);
            }
            // Not an error: Kubernetes makes such variables for a service called `gravlens`.
            None => self.warnings.push(Problem {
                place: name.to_owned(),
                message: "ignored: no setting has this environment variable".to_owned(),
            }),
        }
    }

    fn flag(&mut self, flag: &str, key: &str, value: &str) {
        match settings::find(key) {
            Some(setting) => {
                let origin = Origin::Flag(flag.to_owned());
                self.set(setting, Raw::Untyped(value.to_owned()), flag, origin);
            }
            None => self.problems.push(Problem {
                place: flag.to_owned(),
                message: format!("unknown setting `{key}`; `gravlens config check` lists them"),
            }),
        }
    }

    fn set(&mut self, setting: &'static Setting, raw: Raw, place: &str, origin: Origin) {
        match setting.kind.check(raw) {
            Ok(value) => {
                (setting.set)(&mut self.config, value);
                self.origins.insert(setting.key, origin);
            }
            Err(message) => self.problems.push(Problem {
                place: place.to_owned(),
                message: format!("{}: {message}", setting.key),
            }),
        }
    }

    fn finish(mut self) -> Result<Effective, ConfigError> {
        if let Some((key, message)) = self.config.stream.tcp.conflict() {
            let origin = self.origins.get(key).unwrap_or(&Origin::Default);
            self.problems.push(Problem {
                place: origin.to_string(),
                message: format!("{key}: {message}"),
            });
        }
        if self.problems.is_empty() {
            return Ok(Effective {
                config: self.config,
                warnings: self.warnings,
                origins: self.origins,
            });
        }
        Err(ConfigError {
            problems: self.problems,
        })
    }
}

impl Effective {
    /// Tells on standard error what was ignored, where there is no log.
    pub fn print_warnings(&self) {
        for warning in &self.warnings {
            eprintln!("gravlens: warning: {warning}");
        }
    }

    /// A configuration of which every value is a default.
    pub fn of(config: Config) -> Self {
        Self {
            config,
            warnings: Vec::new(),
            origins: BTreeMap::new(),
        }
    }

    /// Where the value of a setting comes from.
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }

    /// The configuration as a TOML file that sets every value and says where it comes from.
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        let mut section = "";
        for setting in SETTINGS {
            let (prefix, name) = setting.key.rsplit_once('.').unwrap_or(("", setting.key));
            if prefix != section {
                section = prefix;
                out.push_str(&format!("\n[{section}]\n"));
            }
            let value = (setting.get)(&self.config).toml(setting.kind);
            let origin = self.origin(setting.key);
            out.push_str(&format!(
                "# {} ({origin})\n{name} = {value}\n",
                setting.about
            ));
        }
        out
    }

    /// The same as JSON: `{"stream.socket": {"value": ..., "origin": ...}}`.
    pub fn to_json(&self) -> serde_json::Value {
        let entry = |setting: &Setting| {
            let value: Value = (setting.get)(&self.config);
            let origin = self.origin(setting.key).to_string();
            let entry = serde_json::json!({ "value": value.json(), "origin": origin });
            (setting.key.to_owned(), entry)
        };
        SETTINGS
            .iter()
            .map(entry)
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}
