//! What is typed at a running agent, with a real learner behind its socket.

use tokio::runtime::Runtime;

use super::*;
use crate::alert::sample;
use crate::baseline::file::{self, Evidence};
use crate::baseline::operate::testing::{NGINX, armed, web};
use crate::baseline::{Learner, Profile};
use crate::model::BaselineEvidence;
use crate::sinks::grpc::tests::Agent;

/// An agent, and who lets it answer while the command waits.
struct Node {
    agent: Agent,
    runtime: Runtime,
}

impl Node {
    fn with(learner: Option<Learner>) -> Self {
        let runtime = Runtime::new().unwrap();
        let agent = runtime.block_on(Agent::learning(learner));
        Self { agent, runtime }
    }

    /// `gravlens baseline WORDS` at this agent.
    fn gravlens(&self, words: &[&str]) -> Result<(), Failure> {
        let socket = self.agent.socket().to_str().unwrap();
        let words = ["gravlens", "--socket", socket, "baseline"]
            .into_iter()
            .chain(words.iter().copied());
        let cli = Cli::try_parse_from(words).map_err(|error| Failure::new(Exit::Usage, error))?;
        let Verb::Baseline(verb) = cli.verb else {
            panic!("not baseline");
        };
        super::super::run(&cli.global, &verb)
    }

    /// How it ends.
    fn exit(&self, words: &[&str]) -> Exit {
        match self.gravlens(words) {
            Ok(()) => Exit::Success,
            Err(failure) => failure.exit(),
        }
    }

    /// Id of an alert that tells of that behaviour.
    fn told(&self, object: &str, role: &str) -> String {
        self.agent.tell(BaselineEvidence {
            workload: "image web".into(),
            object: object.into(),
            role: role.into(),
            ..sample::behaviour()
        });
        let first = self.runtime.block_on(self.agent.first_alert());
        first.id
    }

    /// What it has learnt of the only workload.
    fn profile(&self, folder: &Path) -> Profile {
        let into = folder.join("profile").display().to_string();
        self.gravlens(&["export", "--into", &into, "--force"])
            .unwrap();
        let mut files = file::read_folder(Path::new(&into)).unwrap();
        assert_eq!(files.len(), 1);
        files.remove(0).1
    }

    /// What an object counts for there.
    fn trust(&self, folder: &Path, object: &str) -> Option<&'static str> {
        let profile = self.profile(folder);
        let mut behaviours = profile.behaviours();
        let found = behaviours.find(|(.., pattern, _)| pattern == object);
        found.map(|(.., seen)| seen.trust().name())
    }
}

#[test]
fn a_node_is_listed_shown_and_locked() {
    let node = Node::with(Some(armed()));
    for form in ["text", "json"] {
        for words in [
            &["list"][..],
            &["list", "image web"],
            &["show", "--workload", "image web"],
            &["lock", "image web", "--class", "exec", "--phase", "run"],
            &["unlock", "image web"],
        ] {
            let words = [words, &["--output", form]].concat();
            assert_eq!(node.exit(&words), Exit::Success, "{words:?}");
        }
    }
    for words in [
        &["list", "web"][..],
        &["show", "--workload", "web"],
        &["show"],
        &["show", "x.yaml", "--workload", "image web"],
        &["lock", "web"],
        &["lock", "image web", "--class", "exce"],
        &["unlock", "image web", "--phase", "now"],
        &["export", "--workload", "web"],
        &["export", "--output", "json"],
        &["list", "--output", "ocsf"],
    ] {
        assert_eq!(node.exit(words), Exit::Usage, "{words:?}");
    }
}

#[test]
fn an_alert_is_explained_accepted_and_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::with(Some(armed()));
    let id = node.told("/srv/late", NGINX);
    assert_eq!(node.trust(folder.path(), "/srv/late"), Some("quarantined"));
    for form in ["text", "json"] {
        let words = ["explain", &id, "--output", form];
        assert_eq!(node.exit(&words), Exit::Success);
    }
    node.gravlens(&["accept", &id]).unwrap();
    assert_eq!(node.trust(folder.path(), "/srv/late"), Some("accepted"));
    node.gravlens(&["reject", &id, "--output", "json"]).unwrap();
    assert_eq!(node.trust(folder.path(), "/srv/late"), Some("rejected"));
    let gone = id.replace("-1", "-9");
    assert_eq!(node.exit(&["explain", &gone]), Exit::Failure);
    assert_eq!(node.exit(&["accept", &gone]), Exit::Failure);
    assert_eq!(node.exit(&["accept", "what"]), Exit::Usage);
}

#[test]
fn what_a_role_did_that_is_not_known_is_accepted_by_its_alert() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::with(Some(armed()));
    let id = node.told("/srv/tool", "outsider uid0 /bin/sh");
    let words = [
        "accept",
        "--workload",
        "image web",
        "--role",
        "outsider uid0 /bin/sh",
        "--phase",
        "run",
        "--class",
        "file_read",
        "--object",
        "/srv/tool",
    ];
    assert_eq!(node.exit(&words), Exit::Usage);
    assert_eq!(node.trust(folder.path(), "/srv/tool"), None);
    node.gravlens(&["accept", &id]).unwrap();
    assert_eq!(node.trust(folder.path(), "/srv/tool"), Some("accepted"));
    let new = [&words[..], &["--new-role"]].concat();
    assert_eq!(node.exit(&new), Exit::Success);
}

#[test]
fn a_drift_is_accepted_once() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::with(Some(armed()));
    let words = ["accept", "--workload", "image web", "--all-quarantined"];
    assert_eq!(node.exit(&words), Exit::Success);
    assert!(node.profile(folder.path()).exposure().since() > 0);
    assert_eq!(node.exit(&words), Exit::Failure, "nothing waits any more");
}

#[test]
fn files_go_out_and_come_in() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::with(Some(armed()));
    let empty = Learner::new(crate::baseline::LearnSettings::default(), [].into());
    let other = Node::with(Some(empty));
    let path = |name: &str| folder.path().join(name).display().to_string();
    let out = path("out");
    node.gravlens(&["export", "--into", &out]).unwrap();
    assert_eq!(
        node.exit(&["export", "--into", &out]),
        Exit::Usage,
        "it is there"
    );
    other.gravlens(&["import", &out]).unwrap();
    let yaml = |node: &Node| node.profile(folder.path()).to_yaml(&web(), Evidence::With);
    assert_eq!(yaml(&other), yaml(&node));
    // Against a file: the live profile is the other side.
    let file = fs::read_dir(&out).unwrap().next().unwrap().unwrap().path();
    let file = file.display().to_string();
    assert_eq!(other.exit(&["diff", &file]), Exit::Success);
    other
        .gravlens(&["accept", "--workload", "image web", "--all-quarantined"])
        .unwrap();
    assert_eq!(other.exit(&["diff", &file]), Exit::Failure);
    assert_eq!(
        other.exit(&["diff", &file, "--workload", "web"]),
        Exit::Usage
    );

    fs::write(path("bad.yaml"), "workload: [").unwrap();
    let words = ["import", &path("bad.yaml"), &out, "--output", "json"];
    assert_eq!(other.exit(&words), Exit::Usage);
    assert_eq!(other.exit(&["import", &path("absent.yaml")]), Exit::Usage);
    let reviewed = path("reviewed");
    other
        .gravlens(&["export", "--without-evidence", "--into", &reviewed])
        .unwrap();
    assert_eq!(
        other.exit(&["import", &reviewed]),
        Exit::Usage,
        "it is to be reviewed"
    );
    let read = file::read_folder(Path::new(&reviewed)).unwrap();
    assert!(read[0].1.is_reviewed());
}

#[test]
fn who_learns_nothing_and_who_does_not_answer_say_so() {
    let off = Node::with(None);
    let failure = off.gravlens(&["list"]).unwrap_err();
    assert_eq!(failure.exit(), Exit::Failure);
    assert!(
        failure.to_string().contains("baselines.enabled"),
        "{failure}"
    );
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("none.sock").display().to_string();
    let words = ["gravlens", "--socket", &socket, "baseline", "list"];
    let cli = Cli::try_parse_from(words).unwrap();
    let Verb::Baseline(verb) = cli.verb else {
        panic!("not baseline");
    };
    let failure = super::super::run(&cli.global, &verb).unwrap_err();
    assert_eq!(failure.exit(), Exit::Unreachable);
}
