//! A behaviour as an operator names it.

use std::fmt;

use super::super::class::Class;
use super::super::evidence::{Seen, Trust};
use super::super::file::push_item;
use super::super::generalise::path::Segments;
use super::super::profile::{Found, Phase, Profile};
use super::super::role::Role;
use super::OperateError;

/// Most bytes of an object or a role. Those that are learnt are shorter by far, but for paths.
const MAX_TEXT: usize = 4 << 10;

/// A behaviour of a workload, known or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// Who does it: of an execution who starts the program.
    pub role: Role,
    /// In which phase.
    pub phase: Phase,
    /// Its class.
    pub class: Class,
    /// The object, in the form that profiles have.
    pub object: String,
}

impl Behaviour {
    /// Reads what was named.
    ///
    /// # Errors
    /// A name means nothing, or the object cannot be one of that class.
    pub fn parse(role: &str, phase: &str, class: &str, object: &str) -> Result<Self, OperateError> {
        let class = parse_class(class)?;
        Ok(Self {
            role: parse_role(role)?,
            phase: parse_phase(phase)?,
            class,
            object: canonical(class, object)?,
        })
    }

    /// What a profile knows of it, or of the pattern that it fits.
    pub(super) fn known_to(&self, profile: &Profile) -> Option<Seen> {
        self.found(|object| profile.known(&self.role, self.phase, self.class, object))
    }

    /// Lets `with` look at the object as profiles look for it.
    pub(super) fn found<T>(&self, with: impl FnOnce(Found<'_>) -> T) -> T {
        if !self.class.is_of_files() {
            return with(Found::Text(&self.object));
        }
        // It was parsed before; of a text that cannot be, nothing is found.
        let path = Segments::parse(&self.object).unwrap_or_default();
        with(Found::Path(&path))
    }
}

/// As people say it: `run file_read '/srv/a b' of root uid0 /bin/a`.
impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut object = String::new();
        push_item(&mut object, Trust::Learnt, &self.object);
        let mut role = String::new();
        push_item(&mut role, Trust::Learnt, self.role.text());
        write!(f, "{} {} {object} of {role}", self.phase.name(), self.class)
    }
}

/// The phase of that name.
///
/// # Errors
/// There is none.
pub(super) fn parse_phase(name: &str) -> Result<Phase, OperateError> {
    Phase::from_name(name).ok_or_else(|| OperateError::UnknownWord {
        what: "phase",
        asked: name.to_owned(),
        known: Phase::ALL.map(Phase::name).to_vec(),
    })
}

/// The class of that name.
///
/// # Errors
/// There is none.
pub(super) fn parse_class(name: &str) -> Result<Class, OperateError> {
    Class::from_name(name).ok_or_else(|| OperateError::UnknownWord {
        what: "class",
        asked: name.to_owned(),
        known: Class::ALL.map(Class::name).to_vec(),
    })
}

fn parse_role(text: &str) -> Result<Role, OperateError> {
    if text.is_empty() || text.len() > MAX_TEXT {
        return Err(OperateError::BadRole {
            role: text.to_owned(),
        });
    }
    Ok(Role::from_text(text))
}

/// Whether a role may be one that no profile has yet: it names the family, the user and programs.
pub(super) fn may_be_role(role: &Role) -> bool {
    let mut words = role.text().split(' ');
    matches!(words.next(), Some("root" | "outsider"))
        && matches!(words.next(), Some("uid0" | "user" | "unknown"))
        && words.all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic()))
}

fn canonical(class: Class, object: &str) -> Result<String, OperateError> {
    let bad = |reason: String| OperateError::BadObject {
        class,
        object: object.to_owned(),
        reason,
    };
    if object.is_empty() {
        return Err(bad("it is empty".to_owned()));
    }
    if object.len() > MAX_TEXT {
        return Err(bad(format!("it has more than {MAX_TEXT} bytes")));
    }
    if !class.is_of_files() {
        return Ok(object.to_owned());
    }
    let path = Segments::parse(object).map_err(|error| bad(error.to_string()))?;
    Ok(path.to_string())
}
