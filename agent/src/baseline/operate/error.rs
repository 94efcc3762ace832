//! Why something that an operator asked for is not done.

use super::super::class::Class;
use super::super::evidence::{Decision, Trust};
use super::super::role::Role;
use super::super::workload::Workload;
use crate::alert::printable;
use crate::detect::nearest_name;

/// Names that are proposed for one that is not known.
const PROPOSED: usize = 3;
/// Most bytes of a name that others are compared with: that takes the product of both lengths.
const COMPARED: usize = 300;

/// Why it is not done, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperateError {
    /// Nothing is known under that name.
    #[error("no workload '{}' is known{}", printable(.asked), proposal(.asked, .known.iter().map(Workload::text), "`gravlens baseline list` names those that are"))]
    UnknownWorkload {
        /// The name.
        asked: String,
        /// What is known.
        known: Vec<Workload>,
    },
    /// The workload has no such role.
    #[error("'{}' has no role '{}'{}", printable(.workload), printable(.asked), proposal(.asked, .known.iter().map(Role::text), "say that it is a new one (--new-role), and it is taken all the same"))]
    UnknownRole {
        /// The workload.
        workload: String,
        /// The role.
        asked: String,
        /// Those that it has.
        known: Vec<Role>,
    },
    /// There is no such phase or class.
    #[error("'{}' is no {what}{}", printable(.asked), proposal(.asked, .known.iter().copied(), &format!("write {}", .known.join(", "))))]
    UnknownWord {
        /// `phase` or `class`.
        what: &'static str,
        /// The word.
        asked: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// A text that no role has.
    #[error("'{}' cannot be a role: write who acts, such as 'root user /usr/bin/app'", printable(.role))]
    BadRole {
        /// The text.
        role: String,
    },
    /// No object of the class has that form.
    #[error("'{}' cannot be an object of {class}: {reason}", printable(.object))]
    BadObject {
        /// The class.
        class: Class,
        /// The text.
        object: String,
        /// Why not.
        reason: String,
    },
    /// A reviewed file says the opposite.
    #[error("the reviewed file of '{}' says {} of it: change it there, in the folder that baselines.dir names", printable(.workload), .says.name())]
    Reviewed {
        /// The workload.
        workload: String,
        /// What the file says.
        says: Trust,
    },
    /// A reviewed file locks the workload.
    #[error("the reviewed file of '{}' locks it: take the file out of the folder that baselines.dir names", printable(.workload))]
    LockedByFile {
        /// The workload.
        workload: String,
    },
    /// Nothing is in quarantine.
    #[error("no behaviour of '{}' is in quarantine", printable(.workload))]
    NothingWaits {
        /// The workload.
        workload: String,
    },
    /// A word of the farthest future is known already.
    #[error(
        "what was said of it before is dated later than any time: import the profile anew without that word"
    )]
    Overruled,
    /// No room for more.
    #[error("'{}' has more decisions than fit in memory: reject or accept patterns, such as /srv/{{n}}", printable(.workload))]
    Full {
        /// The workload.
        workload: String,
    },
    /// No room for another workload.
    #[error("{most} workloads are known already: no other can be imported")]
    TooManyWorkloads {
        /// So many there may be.
        most: usize,
    },
}

/// What kind of a reason it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// What is asked for is not there.
    NotFound,
    /// It was asked in a wrong way.
    Invalid,
    /// It does not fit what is known.
    Precondition,
    /// There is no room.
    Exhausted,
}

impl OperateError {
    /// Its kind.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownWorkload { .. } | Self::UnknownRole { .. } => ErrorKind::NotFound,
            Self::UnknownWord { .. } | Self::BadRole { .. } | Self::BadObject { .. } => {
                ErrorKind::Invalid
            }
            Self::Reviewed { .. }
            | Self::LockedByFile { .. }
            | Self::NothingWaits { .. }
            | Self::Overruled => ErrorKind::Precondition,
            Self::Full { .. } | Self::TooManyWorkloads { .. } => ErrorKind::Exhausted,
        }
    }

    /// The reviewed file contradicts that decision.
    pub(super) fn reviewed(workload: &Workload, says: Decision) -> Self {
        Self::Reviewed {
            workload: workload.text().to_owned(),
            says: match says {
                Decision::Accepted => Trust::Accepted,
                Decision::Rejected => Trust::Rejected,
            },
        }
    }
}

/// Known names that are like it: those that have it as a part, and that which differs least.
fn near<'a>(asked: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let known: Vec<&str> = known.filter(|name| name.len() <= COMPARED).collect();
    let folded = asked.to_lowercase();
    let part = |name: &&&str| asked.len() > 1 && name.to_lowercase().contains(&folded);
    let mut found: Vec<&str> = known.iter().filter(part).copied().collect();
    if asked.len() <= COMPARED
        && let Some(nearest) = nearest_name(asked, known.iter().copied())
        && !found.contains(&nearest)
    {
        found.insert(0, nearest);
    }
    found.truncate(PROPOSED);
    found
}

fn proposal<'a>(asked: &str, known: impl Iterator<Item = &'a str>, otherwise: &str) -> String {
    let near = near(asked, known);
    if near.is_empty() {
        return format!(": {otherwise}");
    }
    let quoted = near.iter().map(|name| format!("'{}'", printable(name)));
    format!("; did you mean {}?", Vec::from_iter(quoted).join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_like_it_are_proposed() {
        let unknown = |asked: &str| {
            let known = ["image nginx", "image redis", "pod shop/nginx/web"];
            OperateError::UnknownWorkload {
                asked: asked.to_owned(),
                known: known.map(Workload::from_text).to_vec(),
            }
            .to_string()
        };
        assert_eq!(
            unknown("nginx"),
            "no workload 'nginx' is known; did you mean 'image nginx' or 'pod shop/nginx/web'?"
        );
        assert_eq!(
            unknown("image ngnix"),
            "no workload 'image ngnix' is known; did you mean 'image nginx'?"
        );
        assert!(unknown("x").ends_with("`gravlens baseline list` names those that are"));
        // What is asked for is long, and nobody waits for it to be compared.
        assert!(unknown(&"image nginx ".repeat(300)).ends_with("names those that are"));
        let word = OperateError::UnknownWord {
            what: "phase",
            asked: "go\u{1b}".to_owned(),
            known: vec!["start", "run"],
        };
        assert_eq!(word.to_string(), "'go\\x1b' is no phase: write start, run");
    }
}
