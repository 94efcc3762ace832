use proptest::prelude::*;
use tempfile::TempDir;

use super::super::class::Class;
use super::super::file::tests::profiles::profiles;
use super::super::profile::Phase;
use super::super::state::{Standing, State};
use super::*;

fn private() -> TempDir {
    tempfile::Builder::new().tempdir().unwrap()
}

fn named(name: &str) -> Workload {
    Workload::from_text(name)
}

fn texts(profiles: &BTreeMap<Workload, Profile>) -> Vec<(String, String)> {
    profiles
        .iter()
        .map(|(workload, profile)| {
            let file = profile.to_yaml(workload, Evidence::With);
            (file, standings::write(profile))
        })
        .collect()
}

fn armed() -> Profile {
    let mut profile = Profile::default();
    let standing = Standing {
        state: State::Armed,
        since: 1_700_000_000,
    };
    profile.set_standing(Phase::Run, Class::Exec, standing);
    profile.set_full();
    profile
}

#[test]
fn a_store_that_is_opened_again_knows_what_it_kept_and_who_it_is() {
    let folder = private();
    let (mut store, kept) = BaselineStore::open(folder.path()).unwrap();
    assert!(kept.profiles.is_empty() && kept.lost.is_empty());
    let both = [
        (named("image a"), armed()),
        (named("image b"), Profile::default()),
    ];
    store.keep(&both).unwrap();
    store.keep(&both[..1]).unwrap();
    drop(store);
    let (_, again) = BaselineStore::open(folder.path()).unwrap();
    assert_eq!(again.node, kept.node);
    assert_eq!(texts(&again.profiles), texts(&BTreeMap::from(both)));
    let view = &again.profiles[&named("image a")];
    assert_eq!(view.standing(Phase::Run, Class::Exec).state, State::Armed);
    assert!(view.is_full());
    let other = private();
    assert_ne!(BaselineStore::open(other.path()).unwrap().1.node, kept.node);
}

#[test]
fn what_reviewed_files_say_is_not_kept() {
    let folder = private();
    let (mut store, _) = BaselineStore::open(folder.path()).unwrap();
    let mut profile = armed();
    profile.set_reviewed(true);
    store.keep(&[(named("image a"), profile)]).unwrap();
    drop(store);
    let (_, again) = BaselineStore::open(folder.path()).unwrap();
    assert!(!again.profiles[&named("image a")].is_reviewed());
}

#[test]
fn a_row_that_cannot_be_read_is_kept_apart_and_the_others_are_used() {
    let folder = private();
    let (mut store, _) = BaselineStore::open(folder.path()).unwrap();
    let rows = ["image a", "image b", "image c", "image d"].map(|name| (named(name), armed()));
    store.keep(&rows).unwrap();
    let change = "UPDATE profile SET file = 'workload: [' WHERE workload = 'image a';
                  UPDATE profile SET standings = 'run exec afloat 1' WHERE workload = 'image b';
                  UPDATE profile SET file = (SELECT file FROM profile WHERE workload = 'image d')
                  WHERE workload = 'image c';";
    store.connection.execute_batch(change).unwrap();
    drop(store);
    let (store, kept) = BaselineStore::open(folder.path()).unwrap();
    assert!(kept.profiles.keys().eq([&named("image d")]));
    assert_eq!(kept.lost.len(), 3, "{:?}", kept.lost);
    assert!(kept.lost[0].contains("image a"), "{:?}", kept.lost);
    let apart = "SELECT count(*) FROM unreadable";
    let apart = store
        .connection
        .query_row(apart, [], |row| row.get::<_, i64>(0));
    assert_eq!(apart.unwrap(), 3);
    drop(store);
    let (_, again) = BaselineStore::open(folder.path()).unwrap();
    assert!(again.lost.is_empty(), "it is told once");
}

#[test]
fn a_damaged_file_is_put_aside() {
    let folder = private();
    let (store, kept) = BaselineStore::open(folder.path()).unwrap();
    drop(store);
    let file = folder.path().join(FILE);
    fs::write(
        &file,
        "no database, but long enough to be taken for one".repeat(100),
    )
    .unwrap();
    let (mut store, anew) = BaselineStore::open(folder.path()).unwrap();
    assert_eq!(anew.lost.len(), 1, "{:?}", anew.lost);
    assert_ne!(anew.node, kept.node, "its counters begin anew");
    assert!(folder.path().join(DAMAGED).exists());
    store.keep(&[(named("image a"), armed())]).unwrap();
}

#[test]
fn the_file_of_a_newer_version_is_left_alone() {
    let folder = private();
    let (store, _) = BaselineStore::open(folder.path()).unwrap();
    store
        .connection
        .pragma_update(None, "user_version", FORMAT + 1)
        .unwrap();
    drop(store);
    let error = BaselineStore::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("newer version"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_profile_comes_back_as_it_was(profile in profiles()) {
        let folder = private();
        let (mut store, _) = BaselineStore::open(folder.path()).unwrap();
        let rows = BTreeMap::from([(named("image a"), profile)]);
        let row: Vec<_> = rows.clone().into_iter().collect();
        store.keep(&row).unwrap();
        drop(store);
        let (_, kept) = BaselineStore::open(folder.path()).unwrap();
        prop_assert_eq!(texts(&kept.profiles), texts(&rows));
    }
}
