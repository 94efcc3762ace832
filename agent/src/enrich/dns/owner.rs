//! Whose queries, resolvers and names.

use std::collections::HashMap;

use super::names::Names;
use super::queries::Queries;
use super::resolvers::{ResolverMessage, ResolverRequest, Resolvers};
use super::streams::Streams;
use crate::model::ContainerView;

/// Most owners whose state is kept; the longest unused gives way.
const MAX_OWNERS: usize = 1024;
/// An owner that has done nothing for so long is forgotten: its names have expired by then.
const IDLE_NS: u64 = 7_200_000_000_000;

/// Who has a table of names of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// The processes of the node.
    Node,
    /// The container with this own cgroup id.
    Container(u64),
}

impl Owner {
    /// The owner of what happens there; `None` while that is not known.
    pub fn of(container: &ContainerView) -> Option<Self> {
        match container {
            ContainerView::Host(_) => Some(Self::Node),
            ContainerView::Container(container) => Some(Self::Container(container.cgroup_id)),
            ContainerView::Unknown { .. } => None,
        }
    }
}

/// What is known of an owner.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) resolvers: Resolvers,
    pub(super) queries: Queries,
    pub(super) names: Names,
    pub(super) streams: Streams,
    /// Path of the container's cgroup; `None` for the node.
    cgroup_path: Option<String>,
    used_ns: u64,
}

/// All owners.
#[derive(Debug, Default)]
pub(super) struct Owners(HashMap<Owner, State>);

impl Owners {
    /// The state of an owner, which is made if it is new.
    pub(super) fn state(&mut self, owner: Owner, of: &ContainerView, now_ns: u64) -> &mut State {
        if !self.0.contains_key(&owner) && self.0.len() >= MAX_OWNERS {
            // The owner too, so that a replay forgets the same one.
            let age = |(owner, state): (&Owner, &State)| (state.used_ns, *owner);
            if let Some((_, oldest)) = self.0.iter().map(age).min() {
                self.0.remove(&oldest);
            }
        }
        let state = self.0.entry(owner).or_insert_with(|| State {
            cgroup_path: match of {
                ContainerView::Container(container) => Some(container.cgroup_path.clone()),
                _ => None,
            },
            ..State::default()
        });
        state.used_ns = now_ns;
        state
    }

    /// The state of an owner that has one.
    pub(super) fn known(&mut self, owner: Owner) -> Option<&mut State> {
        self.0.get_mut(&owner)
    }

    /// The resolvers of each owner of which they are known, by owner.
    pub(super) fn configurations(&self) -> Vec<ResolverMessage> {
        let known = self.0.iter().filter_map(|(owner, state)| {
            Some(ResolverMessage {
                owner: *owner,
                servers: Some(state.resolvers.servers()?.to_vec()),
            })
        });
        let mut known: Vec<_> = known.collect();
        known.sort_by_key(|message| message.owner);
        known
    }

    pub(super) fn offer_requests(&mut self, mut offer: impl FnMut(ResolverRequest) -> bool) {
        for (owner, state) in &mut self.0 {
            if !state.resolvers.is_wanted() {
                continue;
            }
            let request = ResolverRequest {
                owner: *owner,
                cgroup_path: state.cgroup_path.clone(),
            };
            if !offer(request) {
                return;
            }
            state.resolvers.asked();
        }
    }

    /// Forgets what is too old, and returns whose look-ups have failed by it.
    pub(super) fn tick(&mut self, now_ns: u64) -> Vec<Owner> {
        self.0
            .retain(|_, state| state.used_ns.saturating_add(IDLE_NS) > now_ns);
        let mut failed = Vec::new();
        for (owner, state) in &mut self.0 {
            if state.resolvers.tick(now_ns) {
                state.names.forget_deferred();
                failed.push(*owner);
            }
            state.queries.expire(now_ns);
            state.streams.expire(now_ns);
        }
        failed
    }
}
