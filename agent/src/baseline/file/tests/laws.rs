//! What holds of every profile.

use proptest::prelude::*;

use super::profiles::profiles;
use super::*;

fn merged(one: &Profile, other: &Profile) -> Profile {
    let mut all = one.clone();
    all.merge(other);
    all
}

proptest! {
    #[test]
    fn reading_gives_what_was_written(profile in profiles()) {
        let text = with(&profile);
        let again = read_back(&text);
        prop_assert_eq!(with(&again), text);
        prop_assert_eq!(again.exposure(), profile.exposure());
        prop_assert_eq!(&again.versions, &profile.versions);
        let short = without(&profile);
        prop_assert_eq!(without(&again), &short[..]);
        prop_assert_eq!(without(&read_back(&short)), short);
    }

    #[test]
    fn a_reviewed_file_leaves_nothing_to_watching(profile in profiles()) {
        let profile = read_back(&without(&profile));
        for (.., seen) in profile.behaviours() {
            prop_assert!(seen.trust() != Trust::Learnt && !seen.is_seen());
        }
    }

    #[test]
    fn files_merge_as_profiles_do(one in profiles(), other in profiles()) {
        let through = merged(&read_back(&with(&one)), &read_back(&with(&other)));
        prop_assert_eq!(with(&through), with(&merged(&one, &other)));
    }

    #[test]
    fn merging_is_a_join(a in profiles(), b in profiles(), c in profiles()) {
        let ab = merged(&a, &b);
        prop_assert_eq!(with(&ab), with(&merged(&b, &a)));
        let abc = merged(&ab, &c);
        prop_assert_eq!(with(&abc), with(&merged(&a, &merged(&b, &c))));
        prop_assert_eq!(with(&merged(&abc, &b)), with(&abc));
        prop_assert_eq!(with(&merged(&a, &a)), with(&a));
        prop_assert_eq!(with(&merged(&a, &Profile::default())), with(&a));
    }
}
