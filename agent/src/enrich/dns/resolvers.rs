//! The resolvers that are configured for a container.

use std::net::IpAddr;

use super::Owner;
use crate::model::Resolver;

/// A configuration that is older is read again when a server is asked that is not in it: it may
/// have changed.
const DOUBT_NS: u64 = 5_000_000_000;
/// A configuration that is older is read again when it is used.
const REFRESH_NS: u64 = 60_000_000_000;
/// A look-up that takes longer has failed.
const PATIENCE_NS: u64 = 5_000_000_000;

/// Asks for the resolvers of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverRequest {
    /// Whose.
    pub owner: Owner,
    /// Path of the container's cgroup below the cgroup root; `None` for the node.
    pub cgroup_path: Option<String>,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverMessage {
    /// Whose.
    pub owner: Owner,
    /// The resolvers; `None` when the configuration could not be read.
    pub servers: Option<Vec<IpAddr>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LookUp {
    #[default]
    None,
    /// To be asked for, since then.
    Wanted(u64),
    /// Under way, wanted since then.
    Asked(u64),
}

/// The resolvers of an owner, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Resolvers {
    /// `None` when they could not be read.
    servers: Option<Vec<IpAddr>>,
    /// When that was found out; `None` when nothing was yet.
    answered_ns: Option<u64>,
    look_up: LookUp,
}

impl Resolvers {
    /// Whether a server is one of them. Wants a look-up where that is needed to tell.
    pub(super) fn judge(&mut self, server: IpAddr, now_ns: u64) -> Resolver {
        let age_ns = self.answered_ns.map(|at| now_ns.saturating_sub(at));
        let known = self.servers.as_ref();
        let configured = known.is_some_and(|servers| servers.contains(&server));
        let limit = if configured { REFRESH_NS } else { DOUBT_NS };
        if self.look_up == LookUp::None && age_ns.is_none_or(|age| age > limit) {
            self.look_up = LookUp::Wanted(now_ns);
        }
        if configured {
            return Resolver::Configured;
        }
        match (self.look_up, &self.servers) {
            (LookUp::Wanted(_) | LookUp::Asked(_), _) => Resolver::Pending,
            (LookUp::None, Some(_)) => Resolver::Other,
            (LookUp::None, None) => Resolver::Unknown,
        }
    }

    /// The servers, where they could be read.
    pub(super) fn servers(&self) -> Option<&[IpAddr]> {
        self.servers.as_deref()
    }

    /// A look-up is to be asked for.
    pub(super) fn is_wanted(&self) -> bool {
        matches!(self.look_up, LookUp::Wanted(_))
    }

    /// It has been asked for.
    pub(super) fn asked(&mut self) {
        if let LookUp::Wanted(since) = self.look_up {
            self.look_up = LookUp::Asked(since);
        }
    }

    /// The answer. One that could not be read leaves nothing of an older one: what it said may not
    /// hold any more.
    pub(super) fn answered(&mut self, servers: Option<Vec<IpAddr>>, now_ns: u64) {
        self.servers = servers;
        self.answered_ns = Some(now_ns);
        self.look_up = LookUp::None;
    }

    /// Time passed. True when a look-up has failed by it.
    pub(super) fn tick(&mut self, now_ns: u64) -> bool {
        let (LookUp::Wanted(since) | LookUp::Asked(since)) = self.look_up else {
            return false;
        };
        let failed = since.saturating_add(PATIENCE_NS) <= now_ns;
        if failed {
            self.answered(None, now_ns);
        }
        failed
    }
}
