//! Baselines over a real socket, with a real learner behind it.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use super::network::BRISK;
use super::pki::{Pki, WATCHER};
use super::*;
use crate::baseline::file::{self, Evidence};
use crate::baseline::operate::testing::{NGINX, armed, web};
use crate::baseline::{LearnSettings, Profile};
use crate::proto::baseline_service_client::BaselineServiceClient;
use crate::proto::decide_baseline_request::What;
use crate::proto::imported_baseline::Outcome;
use crate::proto::{
    AllQuarantined, BaselineBehaviour, BaselineDecision, BaselinePhase, BaselineState,
    BaselineTrust, DecideBaselineRequest, ExportBaselinesRequest, GetBaselineRequest,
    ImportBaselinesRequest, ImportedBaseline, ListBaselinesRequest, LockBaselineRequest,
};

type Client = BaselineServiceClient<Channel>;

fn client(agent: &Agent) -> Client {
    BaselineServiceClient::new(agent.channel.clone())
}

fn empty() -> Learner {
    Learner::new(LearnSettings::default(), BTreeMap::new())
}

fn late() -> BaselineBehaviour {
    BaselineBehaviour {
        role: NGINX.to_owned(),
        phase: BaselinePhase::Run.into(),
        class: "file_read".to_owned(),
        object: "/srv/late".to_owned(),
    }
}

fn accept(what: What) -> DecideBaselineRequest {
    DecideBaselineRequest {
        workload: "image web".to_owned(),
        decision: BaselineDecision::Accept.into(),
        what: Some(what),
        new_role: false,
    }
}

fn lock(locked: bool) -> LockBaselineRequest {
    LockBaselineRequest {
        workload: "image web".to_owned(),
        locked,
        class: "dns".to_owned(),
        ..LockBaselineRequest::default()
    }
}

async fn export(client: &mut Client, workloads: &[&str]) -> Result<Vec<String>, Status> {
    let request = ExportBaselinesRequest {
        workloads: workloads.iter().map(|name| (*name).to_owned()).collect(),
        ..ExportBaselinesRequest::default()
    };
    let mut pieces = client.export(request).await?.into_inner();
    let (mut files, mut text) = (Vec::new(), Vec::new());
    while let Some(piece) = pieces.message().await? {
        text.extend_from_slice(&piece.chunk);
        if piece.last {
            files.push(String::from_utf8(std::mem::take(&mut text)).unwrap());
        }
    }
    assert!(text.is_empty(), "the last file has no end");
    Ok(files)
}

fn piece(file: &str, chunk: impl Into<Vec<u8>>) -> ImportBaselinesRequest {
    ImportBaselinesRequest {
        file: file.to_owned(),
        chunk: chunk.into(),
    }
}

async fn import(
    client: &mut Client,
    pieces: Vec<ImportBaselinesRequest>,
) -> Result<Vec<ImportedBaseline>, Status> {
    let answer = client.import(tokio_stream::iter(pieces)).await?;
    Ok(answer.into_inner().files)
}

#[tokio::test]
async fn workloads_and_what_is_known_of_them_are_told() {
    let agent = Agent::learning(Some(armed())).await;
    let mut client = client(&agent);
    let list = client.list(ListBaselinesRequest {}).await.unwrap();
    let [web] = &list.into_inner().baselines[..] else {
        panic!("not one");
    };
    assert_eq!(
        (&*web.workload, web.behaviours, web.quarantined),
        ("image web", 4, 2)
    );
    assert_eq!(web.watched.as_ref().unwrap().starts, 3);
    // It was watched in 1970.
    assert!(web.stale && !web.reviewed);
    let classes: Vec<_> = web.classes.iter().map(|class| &*class.class).collect();
    assert_eq!(classes, ["file_read", "dns", "rare_call"]);
    assert!(
        web.classes
            .iter()
            .all(|class| class.state() == BaselineState::Armed)
    );

    let asked = GetBaselineRequest {
        workload: "image web".to_owned(),
        behaviour: Some(late()),
    };
    let answer = client.get(asked.clone()).await.unwrap().into_inner();
    assert_eq!(answer.baseline.unwrap().classes.len(), 26);
    let knowledge = answer.knowledge.unwrap();
    assert_eq!(knowledge.trust(), BaselineTrust::Quarantined);
    assert_eq!((&*knowledge.pattern, knowledge.windows), ("/srv/late", 2));
    let unknown = GetBaselineRequest {
        workload: "web".to_owned(),
        ..asked.clone()
    };
    let unknown = client.get(unknown).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    assert!(
        unknown.message().contains("did you mean 'image web'?"),
        "{unknown}"
    );
    let nameless = GetBaselineRequest {
        behaviour: Some(BaselineBehaviour { phase: 0, ..late() }),
        ..asked
    };
    let nameless = client.get(nameless).await.unwrap_err();
    assert_eq!(nameless.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_decision_holds_and_the_stream_tells_who_made_it() {
    let agent = Agent::learning(Some(armed())).await;
    let mut client = client(&agent);
    let answer = client.decide(accept(What::Behaviour(late()))).await;
    let answer = answer.unwrap().into_inner();
    assert_eq!(
        (answer.count, answer.reviewed, answer.restarted),
        (1, false, None)
    );
    assert_eq!(answer.decided[0].before(), BaselineTrust::Quarantined);
    let (workload, patch) = file::read(&answer.patch, "patch.yaml").unwrap();
    assert_eq!((workload, patch.is_reviewed()), (web(), true));
    let own = format!("process {} of user ", std::process::id());
    let what = "accepted run file_read /srv/late of root uid0 /usr/sbin/nginx in 'image web'";
    agent.told("Baseline decided", &[&own, what]).await;

    let answer = client.decide(accept(What::AllQuarantined(AllQuarantined {})));
    let answer = answer.await.unwrap().into_inner();
    assert_eq!((answer.count, answer.never_learnt), (1, 1));
    assert!(answer.restarted.is_some());
    agent
        .told("Baseline decided", &["accepted", "arm anew"])
        .await;
    let again = client.decide(accept(What::AllQuarantined(AllQuarantined {})));
    assert_eq!(again.await.unwrap_err().code(), Code::FailedPrecondition);

    for (request, reason) in [
        (
            DecideBaselineRequest {
                what: None,
                ..accept(What::Behaviour(late()))
            },
            "say which",
        ),
        (
            DecideBaselineRequest {
                decision: 0,
                ..accept(What::Behaviour(late()))
            },
            "ACCEPT or REJECT",
        ),
        (
            accept(What::Behaviour(BaselineBehaviour {
                object: "/srv/{".to_owned(),
                ..late()
            })),
            "cannot be an object",
        ),
    ] {
        let refused = client.decide(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(reason), "{refused}");
    }
}

#[tokio::test]
async fn a_class_is_locked_and_unlocked() {
    let agent = Agent::learning(Some(armed())).await;
    let mut client = client(&agent);
    let locked = client.lock(lock(true)).await.unwrap().into_inner().classes;
    let states: Vec<_> = locked.iter().map(|of| (of.before(), of.now())).collect();
    assert_eq!(states, [(BaselineState::Armed, BaselineState::Locked); 2]);
    agent
        .told("Baseline decided", &["locked dns of 'image web'"])
        .await;
    let list = client
        .list(ListBaselinesRequest {})
        .await
        .unwrap()
        .into_inner();
    let classes = &list.baselines[0].classes;
    let held = classes
        .iter()
        .filter(|class| class.lock.is_some_and(|lock| lock.locked));
    // Also that of the start phase, which has no behaviour.
    assert_eq!(held.count(), 2);
    let unlocked = client.lock(lock(false)).await.unwrap().into_inner().classes;
    assert!(unlocked.iter().all(|of| of.now() == BaselineState::Armed));
    let wrong = LockBaselineRequest {
        class: "dnss".to_owned(),
        ..lock(true)
    };
    let refused = client.lock(wrong).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(
        refused.message().contains("did you mean 'dns'?"),
        "{refused}"
    );
}

#[tokio::test]
async fn what_is_exported_and_imported_is_exported_alike() {
    let agent = Agent::learning(Some(armed())).await;
    let mut client = client(&agent);
    client.lock(lock(true)).await.unwrap();
    client
        .decide(accept(What::Behaviour(late())))
        .await
        .unwrap();
    let files = export(&mut client, &[]).await.unwrap();
    assert_eq!(files.len(), 1);

    let other = Agent::learning(Some(empty())).await;
    let mut others = self::client(&other);
    let bytes = files[0].as_bytes();
    let pieces = std::iter::once(piece("a.yaml", &bytes[..7]))
        .chain(bytes[7..].chunks(100).map(|chunk| piece("", chunk)));
    let imported = import(&mut others, pieces.collect()).await.unwrap();
    assert_eq!(imported[0].outcome(), Outcome::Merged);
    assert!(imported[0].is_new && imported[0].behaviours == 4);
    let told = other
        .told("Baselines imported", &["imported 'image web'"])
        .await;
    assert!(!told.contains("refused"), "{told}");
    assert_eq!(export(&mut others, &["image web"]).await.unwrap(), files);
    // Once more makes no difference.
    let again = import(&mut others, vec![piece("a.yaml", bytes)])
        .await
        .unwrap();
    assert_eq!((again[0].behaviours_before, again[0].behaviours), (4, 4));
    assert_eq!(export(&mut others, &[]).await.unwrap(), files);
    let unknown = export(&mut others, &["image web", "image"])
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}

#[tokio::test]
async fn what_is_refused_is_told_with_its_place_and_the_rest_is_taken_in() {
    let agent = Agent::learning(Some(empty())).await;
    let mut client = client(&agent);
    let good = armed().profiles()[&web()].to_yaml(&web(), Evidence::With);
    let reviewed = "workload: image r\nroles: []\n";
    let mut pieces = vec![
        piece("bad.yaml", "workload: image b\nroles:\n  - rule: x\n"),
        piece("reviewed.yaml", reviewed),
        piece("empty.yaml", ""),
        piece("large.yaml", "#"),
    ];
    pieces.extend((0..90).map(|_| piece("", vec![b'#'; 48 << 10])));
    pieces.push(piece("good.yaml", good));
    let files = import(&mut client, pieces).await.unwrap();
    let told: Vec<_> = files
        .iter()
        .map(|file| (&*file.file, file.outcome(), file.line, file.column))
        .collect();
    assert_eq!(
        told,
        [
            ("bad.yaml", Outcome::Refused, Some(3), Some(5)),
            ("reviewed.yaml", Outcome::Refused, None, None),
            ("empty.yaml", Outcome::Refused, Some(1), Some(1)),
            ("large.yaml", Outcome::Refused, None, None),
            ("good.yaml", Outcome::Merged, None, None),
        ]
    );
    assert!(
        files[0].reason.contains("did you mean 'role'?"),
        "{files:?}"
    );
    assert!(files[1].reason.contains("baselines.dir"), "{files:?}");
    assert!(files[3].reason.contains("more than 4 MiB"), "{files:?}");
    agent
        .told(
            "Baselines imported",
            &["'image web'", "4 files were refused"],
        )
        .await;
    let list = client
        .list(ListBaselinesRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(list.baselines.len(), 1);
}

#[tokio::test]
async fn requests_have_bounds() {
    let agent = Agent::learning(Some(armed())).await;
    let mut client = client(&agent);
    let nameless = import(&mut client, vec![piece("", "x")]).await.unwrap_err();
    assert_eq!(nameless.code(), Code::InvalidArgument);
    let long = vec![piece(&"x".repeat(5_000), "")];
    let long = import(&mut client, long).await.unwrap_err();
    assert_eq!(long.code(), Code::InvalidArgument);
    let many = (0..1_001).map(|_| piece("x", "")).collect();
    let many = import(&mut client, many).await.unwrap_err();
    assert!(many.message().contains("at most 1000 files"), "{many}");
    let large = vec![piece("x", vec![0; MAX_REQUEST_BYTES])];
    let large = import(&mut client, large).await.unwrap_err();
    assert_eq!(large.code(), Code::OutOfRange);
    let named: Vec<&str> = vec!["image web"; 1_001];
    let named = export(&mut client, &named).await.unwrap_err();
    assert_eq!(named.code(), Code::InvalidArgument);
    let behaviour = BaselineBehaviour {
        object: "x".repeat(MAX_REQUEST_BYTES),
        ..late()
    };
    let large = client.decide(accept(What::Behaviour(behaviour))).await;
    assert_eq!(large.unwrap_err().code(), Code::OutOfRange);
}

#[tokio::test]
async fn exports_that_nobody_takes_have_a_bound() {
    let mut profile = Profile::default();
    let paths: String = (0..4_000)
        .map(|number| format!("    - /srv/{}\n", letters(number)))
        .collect();
    let text = format!("workload: image web\nroles:\n- role: r\n  run:\n    file_read:\n{paths}");
    profile.merge(&file::read(&text, "f.yaml").unwrap().1);
    let learner = Learner::new(LearnSettings::default(), BTreeMap::from([(web(), profile)]));
    let agent = Agent::learning(Some(learner)).await;
    let mut client = client(&agent);
    let mut untaken = Vec::new();
    let all = ExportBaselinesRequest::default();
    for _ in 0..4 {
        untaken.push(client.export(all.clone()).await.unwrap());
    }
    let refused = client.export(all).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    // Who gives one up makes room.
    untaken.pop();
    while export(&mut client, &[]).await.is_err() {
        tokio::task::yield_now().await;
    }
}

fn letters(mut number: usize) -> String {
    let mut text = String::new();
    for _ in 0..20 {
        text.push(char::from(b'a' + (number % 26) as u8));
        number /= 26;
    }
    text
}

#[tokio::test]
async fn without_baselines_every_call_says_which_setting_to_change() {
    let agent = Agent::learning(None).await;
    let mut client = client(&agent);
    let web = || GetBaselineRequest {
        workload: "image web".to_owned(),
        behaviour: None,
    };
    let refusals = [
        client.list(ListBaselinesRequest {}).await.unwrap_err(),
        client.get(web()).await.unwrap_err(),
        client
            .decide(accept(What::Behaviour(late())))
            .await
            .unwrap_err(),
        client.lock(lock(true)).await.unwrap_err(),
        export(&mut client, &[]).await.unwrap_err(),
        export(&mut client, &["image web"]).await.unwrap_err(),
        import(&mut client, vec![piece("x", "")]).await.unwrap_err(),
    ];
    for refused in refusals {
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        assert!(
            refused.message().contains("baselines.enabled = true"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn who_may_watch_may_read_and_changes_nothing() {
    const OPERATOR: &str = "ops.example.org";
    let pki = Pki::new();
    let entry = |name, right| format!("[[client]]\nname = {name:?}\nrights = [{right:?}]\n");
    let clients = entry(WATCHER, "watch") + &entry(OPERATOR, "baselines");
    pki.write_file("clients.toml", &clients);
    let services = services_of(ROOMY, Duration::from_secs(3_600), 8, Some(armed()));
    let agent = Agent::serve(services, |server| {
        let mut server = server.with_tcp(&pki.settings()).unwrap();
        server.patience = BRISK;
        server
    })
    .await;
    let mut watcher = BaselineServiceClient::new(pki.channel(agent.tcp(), WATCHER).await);
    watcher.list(ListBaselinesRequest {}).await.unwrap();
    assert_eq!(export(&mut watcher, &[]).await.unwrap().len(), 1);
    for refused in [
        watcher
            .decide(accept(What::Behaviour(late())))
            .await
            .unwrap_err(),
        watcher.lock(lock(true)).await.unwrap_err(),
        import(&mut watcher, vec![piece("x", "")])
            .await
            .unwrap_err(),
    ] {
        assert_eq!(refused.code(), Code::PermissionDenied);
        assert!(refused.message().contains("right `baselines`"), "{refused}");
    }
    let mut operator = BaselineServiceClient::new(pki.channel(agent.tcp(), OPERATOR).await);
    operator
        .decide(accept(What::Behaviour(late())))
        .await
        .unwrap();
    agent
        .told("Baseline decided", &[&format!("{OPERATOR} at 127.0.0.1:")])
        .await;
    let refused = operator.list(ListBaselinesRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

/// Whatever is sent: each file gets its answer, or the call is refused, and the agent goes on.
#[test]
fn no_import_breaks_the_agent() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let agent = runtime.block_on(Agent::learning(Some(empty())));
    let whole = armed().profiles()[&web()].to_yaml(&web(), Evidence::With);
    let text = whole.clone().into_bytes();
    let chunk = prop_oneof![
        2 => Just(text.clone()),
        3 => (0..text.len(), 0..text.len()).prop_map(move |(one, other)| {
            text[one.min(other)..one.max(other)].to_vec()
        }),
        1 => vec(any::<u8>(), 0..200),
        1 => (0..MAX_REQUEST_BYTES).prop_map(|length| vec![b'-'; length / 2]),
    ];
    let names = select(&["", "", "a.yaml", "b\u{1b}.yaml"][..]);
    let pieces = vec(
        (names, chunk).prop_map(|(file, chunk)| piece(file, chunk)),
        0..6,
    );
    let mut runner = TestRunner::new(Config::with_cases(200));
    let outcome = runner.run(&pieces, |pieces| {
        let named = pieces.iter().filter(|piece| !piece.file.is_empty()).count();
        let begins = pieces.first().is_none_or(|piece| !piece.file.is_empty());
        match runtime.block_on(import(&mut client(&agent), pieces)) {
            Ok(files) => {
                prop_assert!(begins);
                prop_assert_eq!(files.len(), named);
            }
            Err(status) => {
                prop_assert!(!begins, "{}", status);
                prop_assert_eq!(status.code(), Code::InvalidArgument);
            }
        }
        Ok(())
    });
    outcome.unwrap();
    let files = runtime.block_on(export(&mut client(&agent), &[])).unwrap();
    assert_eq!(files, [whole]);
}
