//! Which container runtimes can be asked.

use std::sync::Arc;

use crate::model::{Identity, Runtime};

/// State of each runtime that has a client.
#[derive(Debug)]
pub(super) struct RuntimeStates(Vec<(Runtime, State)>);

#[derive(Debug)]
enum State {
    /// Answers, or has not been tried yet.
    Expected,
    /// Does not answer, and why.
    Lost(Arc<str>),
}

impl RuntimeStates {
    pub(super) fn new(clients: &[Runtime]) -> Self {
        Self(
            clients
                .iter()
                .map(|runtime| (*runtime, State::Expected))
                .collect(),
        )
    }

    pub(super) fn lost(&mut self, runtime: Runtime, why: &Arc<str>) {
        self.set(runtime, State::Lost(Arc::clone(why)));
    }

    pub(super) fn back(&mut self, runtime: Runtime) {
        self.set(runtime, State::Expected);
    }

    /// The identity of a container that was just found: pending if anyone can be asked.
    pub(super) fn first_identity(&self, runtime: Runtime) -> Identity {
        let mut why = None;
        for (client, state) in &self.0 {
            if runtime != Runtime::Unknown && runtime != *client {
                continue;
            }
            match state {
                State::Expected => return Identity::Pending,
                State::Lost(reason) => why = Some(Arc::clone(reason)),
            }
        }
        Identity::Failed(why.unwrap_or_else(|| no_client(runtime)))
    }

    fn set(&mut self, runtime: Runtime, state: State) {
        match self.0.iter_mut().find(|(client, _)| *client == runtime) {
            Some(known) => known.1 = state,
            None => self.0.push((runtime, state)),
        }
    }
}

fn no_client(runtime: Runtime) -> Arc<str> {
    let name = match runtime {
        Runtime::Docker => "Docker",
        Runtime::Containerd => "containerd",
        Runtime::Crio => "CRI-O",
        Runtime::Podman => "Podman",
        Runtime::Unknown => "any container runtime",
    };
    format!("no client for {name} is configured").into()
}
