//! How classes stand, as a text: one line for each that is beyond Cold, and one when the profile is
//! full.

use super::super::class::Class;
use super::super::profile::{Phase, Profile};
use super::super::state::{Standing, State};

const FULL: &str = "full";

pub(super) fn write(profile: &Profile) -> String {
    let mut text = String::new();
    if profile.is_full() {
        text.push_str(FULL);
        text.push('\n');
    }
    for view in profile.classes() {
        let Standing { state, since } = view.standing;
        if state > State::Cold {
            let (phase, class) = (view.phase.name(), view.class.name());
            text.push_str(&format!("{phase} {class} {} {since}\n", state.name()));
        }
    }
    text
}

pub(super) fn read(text: &str, profile: &mut Profile) -> Result<(), String> {
    for line in text.lines() {
        if line == FULL {
            profile.set_full();
            continue;
        }
        let (phase, class, standing) =
            of_line(line).ok_or_else(|| format!("{line:?} tells of no class"))?;
        profile.set_standing(phase, class, standing);
    }
    Ok(())
}

fn of_line(line: &str) -> Option<(Phase, Class, Standing)> {
    let mut words = line.split(' ');
    let phase = Phase::from_name(words.next()?)?;
    let class = Class::from_name(words.next()?)?;
    let state = State::from_name(words.next()?)?;
    let since = words.next()?.parse().ok()?;
    words
        .next()
        .is_none()
        .then_some((phase, class, Standing { state, since }))
}
