//! Attacks: what is done, by which way in, and what an alert has to name.

mod table;

use std::time::{Duration, SystemTime};

use anyhow::Result;
use serde::{Deserialize, Serialize};

pub(crate) use table::ATTACKS;

use crate::pods::Pod;
use crate::workloads;

/// How long an alert may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// What an attack is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    /// It has to be found.
    Attack,
    /// It uses only programs and peers that the workload uses anyway.
    Mimicry,
}

/// How it gets in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// A name that the application gives to a shell.
    Size(&'static str),
    /// A formula that the application evaluates: Python, in its own process.
    Calculate(&'static str),
    /// An error in a server's memory: a shell that the server starts.
    Shell(&'static str),
    /// The same error: something that the server's own process does (`files/preload.c`).
    Inside(&'static str),
    /// Statements of a superuser, separated by `;;`.
    Sql(&'static str),
    /// Commands to redis, separated by `;;`.
    Redis(&'static str),
    /// A server that redis is made a replica of.
    Rogue,
    /// A command over ssh, with a stolen key.
    Ssh(&'static str),
    /// A name of a file that a job takes in.
    File(&'static str),
}

/// One attack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// The workload that is attacked.
    pub(crate) workload: &'static str,
    /// ATT&CK id.
    pub(crate) technique: &'static str,
    pub(crate) set: Set,
    pub(crate) way: Way,
    /// A true alert has one of these in its object or as the path of its process.
    pub(crate) names: &'static [&'static str],
    /// It is one of those that are also done while the workload is learnt.
    pub(crate) poison: bool,
}

/// An attack that was carried out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) attack: String,
    pub(crate) container: String,
    /// Seconds since the Unix epoch.
    pub(crate) begin: f64,
    /// What came of it, for people.
    pub(crate) output: String,
}

impl Attack {
    /// Carries it out against a pod.
    pub(crate) async fn run(&self, pod: &Pod) -> Result<Mark> {
        let begin = now();
        let (way, text) = self.way.words(self.workload);
        let command = [
            "timeout",
            "40",
            "python3",
            "/srv/drive/attack.py",
            &way,
            text,
        ];
        let output = pod.users.exec(&command).await?;
        Ok(Mark {
            attack: self.name.to_owned(),
            container: pod.container(self.workload)?.id().to_owned(),
            begin,
            output: output.text.chars().take(600).collect(),
        })
    }
}

impl Way {
    fn words(self, workload: &str) -> (String, &'static str) {
        let stub = || {
            let workload = workloads::named(workload);
            let port = workload.and_then(|workload| workload.stub).unwrap_or(0);
            format!("stub:{port}")
        };
        match self {
            Self::Size(text) => ("size".to_owned(), text),
            Self::Calculate(text) => ("calculate".to_owned(), text),
            Self::Shell(text) | Self::Inside(text) => (stub(), text),
            Self::Sql(text) => ("sql".to_owned(), text),
            Self::Redis(text) => ("redis".to_owned(), text),
            Self::Rogue => ("rogue".to_owned(), ""),
            Self::Ssh(text) => ("ssh".to_owned(), text),
            Self::File(text) => ("file".to_owned(), text),
        }
    }
}

/// The attack of that name.
pub(crate) fn named(name: &str) -> Option<&'static Attack> {
    ATTACKS.iter().find(|attack| attack.name == name)
}

/// Seconds since the Unix epoch.
pub(crate) fn now() -> f64 {
    seconds(SystemTime::now())
}

/// Seconds since the Unix epoch.
pub(crate) fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0.0, |time| time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_attack_has_a_name_of_its_own_a_workload_and_something_to_name() {
        let mut names = BTreeSet::new();
        for attack in ATTACKS {
            assert!(names.insert(attack.name), "{}", attack.name);
            assert!(
                workloads::named(attack.workload).is_some(),
                "{}",
                attack.name
            );
            assert!(!attack.names.is_empty(), "{}", attack.name);
            assert!(attack.technique.starts_with('T'), "{}", attack.name);
        }
        let count = |set| ATTACKS.iter().filter(|attack| attack.set == set).count();
        assert!(count(Set::Attack) >= 40, "{}", count(Set::Attack));
        assert!(count(Set::Mimicry) >= 8, "{}", count(Set::Mimicry));
    }
}
